//! `mtcae status`.

use crate::boards::{self, Shown, json_line, no_slots, root_object, root_text};
use crate::failure::Failure;
use crate::known::known_boards;
use clap::ValueHint;
use mtcae_boards::{BoardError, Patience, Root, Session, Target};
use std::time::Duration;

/// A board tells how it is at least this often unless its file says otherwise.
const STATUS_WITHIN: Duration = Duration::from_secs(4);

/// Show what a board is: health, versions, slots, an update on its way
#[derive(clap::Args)]
#[command(after_help = "\
TARGET is serial:PORT[:BAUD] or the port's path alone (115200 baud unless said), tcp:HOST:PORT, or \
dir:PATH for the mounted file system of a board.

Examples:
  mtcae status /dev/ttyUSB0
  mtcae status serial:/dev/ttyTHS1:921600 --json | jq .slots
  sudo mtcae status dir:/mnt/card")]
pub struct Args {
    /// The board
    #[arg(value_name = "TARGET", value_hint = ValueHint::FilePath)]
    target: Target,
    /// Print a JSON object (fields: host/boards/README.md)
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Asks, and prints.
    pub fn run(self) -> Result<(), Failure> {
        let target = self.target.to_string();
        if let Target::Directory(path) = &self.target {
            let root = Root::open(path)?.status().map_err(no_slots)?;
            return if self.json {
                json_line(&root_object(&target, &root))
            } else {
                boards::print(&root_text(&target, &root))
            };
        }
        let mut session = Session::open(&self.target, &known_boards())?;
        let shown = ask(&mut session)?;
        if self.json { json_line(&shown.object(&target)) } else { boards::print(&shown.text(&session)) }
    }
}

fn ask(session: &mut Session) -> Result<Shown, BoardError> {
    let hello = session.hello(Patience::NORMAL)?;
    let (slots, update) = match session.slots() {
        Ok(slots) => (Some(slots), session.update_state()?),
        Err(BoardError::NoUpdates { .. }) => (None, None),
        Err(error) => return Err(error),
    };
    let status = session.status(STATUS_WITHIN)?;
    Ok(Shown { hello, status, slots, update })
}
