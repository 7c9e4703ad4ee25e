//! `mtcae rollback`.

use crate::boards::{self, json_line, read_permit, root_object};
use crate::failure::Failure;
use crate::known::known_boards;
use clap::ValueHint;
use mtcae_boards::{Root, Session, Target, rollback};
use serde_json::json;
use std::path::PathBuf;

/// Go back to the version before
#[derive(clap::Args)]
#[command(after_help = "\
From a version on trial to the confirmed one; from a confirmed one to the one before it, as long \
as that is still in its slot. The first version of a board has none before it: on trial it is given up, \
and the board waits for another. The board's daemon starts anew, and this ends when it has. A version \
with an older security counter takes a permit (`mtcae keys permit`).

Examples:
  mtcae rollback /dev/ttyUSB0
  mtcae rollback /dev/ttyUSB0 --permit robot-17.permit --json | jq -r .to")]
pub struct Args {
    /// The board: serial:PORT[:BAUD] or the port's path, tcp:HOST:PORT, dir:PATH
    #[arg(value_name = "TARGET", value_hint = ValueHint::FilePath)]
    target: Target,
    /// A signed leave to go back to an older security counter
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    permit: Option<PathBuf>,
    /// Print a JSON object (fields: host/boards/README.md)
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Goes back.
    pub fn run(self) -> Result<(), Failure> {
        let permit = read_permit(self.permit.as_deref())?;
        let target = self.target.to_string();
        if let Target::Directory(path) = &self.target {
            let root = Root::open(path)?.rollback(permit.as_ref())?;
            if self.json {
                return json_line(&root_object(&target, &root));
            }
            let says = match root.status.confirmed.map(|version| version.names) {
                Some([model, daemon]) => format!("the board's next start is model {model}, daemon {daemon}\n"),
                None => "the board has nothing to start now\n".to_owned(),
            };
            return boards::print(&says);
        }
        let back = rollback(&mut Session::open(&self.target, &known_boards())?, permit.as_ref())?;
        if self.json {
            let (device, to, from) = (back.board.device, back.to, back.from);
            return json_line(
                &json!({ "type": "rolled-back", "target": target, "device": device, "to": to, "from": from }),
            );
        }
        boards::print(&format!("{} runs {} again, in place of {}\n", back.board.device, back.to, back.from))
    }
}
