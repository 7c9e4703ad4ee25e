//! `mtcae confirm`.

use crate::boards::{self, json_line, root_object};
use crate::failure::Failure;
use crate::known::known_boards;
use clap::ValueHint;
use mtcae_boards::{Root, Session, Target, confirm};
use serde_json::json;

/// Keep the version that is on trial on a board
#[derive(clap::Args)]
#[command(after_help = "\
A version that was flashed is on trial: it is gone back from after three starts, unless its \
self-test or this confirms it. Confirming twice is no error. From then on the board takes no \
bundle with an older security counter.

Examples:
  mtcae confirm /dev/ttyUSB0
  mtcae confirm tcp:robot.local:7452 --json | jq -e .before
  sudo mtcae confirm dir:/mnt/card")]
pub struct Args {
    /// The board: serial:PORT[:BAUD] or the port's path, tcp:HOST:PORT, dir:PATH
    #[arg(value_name = "TARGET", value_hint = ValueHint::FilePath)]
    target: Target,
    /// Print a JSON object (fields: host/boards/README.md)
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Confirms.
    pub fn run(self) -> Result<(), Failure> {
        let target = self.target.to_string();
        if let Target::Directory(path) = &self.target {
            let root = Root::open(path)?.confirm()?;
            if self.json {
                return json_line(&root_object(&target, &root));
            }
            let names = root.status.confirmed.map(|version| version.names).unwrap_or_default();
            return boards::print(&format!("model {}, daemon {}: confirmed\n", names[0], names[1]));
        }
        let kept = confirm(&mut Session::open(&self.target, &known_boards())?)?;
        if self.json {
            let (version, before) = (kept.version, kept.before);
            return json_line(&json!({ "type": "confirmed", "target": target, "version": version, "before": before }));
        }
        let before = if kept.before { " before this already" } else { "" };
        boards::print(&format!("{}: confirmed{before}\n", kept.version))
    }
}
