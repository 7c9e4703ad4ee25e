//! `mtcae confirm`.

use crate::boards;
use crate::failure::Failure;
use crate::known::known_boards;
use clap::ValueHint;
use mtcae_boards::{Root, Session, Target, confirm};

/// Keep the version that is on trial on a board
#[derive(clap::Args)]
#[command(after_help = "\
A version that was flashed is on trial: it is gone back from after three starts, unless its \
self-test or this confirms it. Confirming twice is no error. From then on the board takes no \
bundle with an older security counter.

Examples:
  mtcae confirm /dev/ttyUSB0
  sudo mtcae confirm dir:/mnt/card")]
pub struct Args {
    /// The board: serial:PORT[:BAUD] or the port's path, tcp:HOST:PORT, dir:PATH
    #[arg(value_name = "TARGET", value_hint = ValueHint::FilePath)]
    target: Target,
}

impl Args {
    /// Confirms.
    pub fn run(self) -> Result<(), Failure> {
        if let Target::Directory(path) = &self.target {
            let names = Root::open(path)?.confirm()?.status.confirmed.map(|version| version.names);
            let names = names.unwrap_or_default();
            return boards::print(&format!("model {}, daemon {}: confirmed\n", names[0], names[1]));
        }
        let kept = confirm(&mut Session::open(&self.target, &known_boards())?)?;
        let before = if kept.before { " before this already" } else { "" };
        boards::print(&format!("{}: confirmed{before}\n", kept.version))
    }
}
