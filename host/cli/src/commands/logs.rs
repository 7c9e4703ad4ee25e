//! `mtcae logs`.

use crate::boards;
use crate::failure::Failure;
use crate::known::known_boards;
use crate::values::whole;
use clap::ValueHint;
use mtcae_boards::{BoardError, Session, Target};
use mtcae_wire::Level;
use serde_json::json;
use std::fmt::Write;

/// Show the newest lines of a board's log
#[derive(clap::Args)]
#[command(after_help = "\
The times are seconds of the board's own clock, which starts anew with the board. The daemon keeps \
its newest lines in memory; older ones are in the journal of the board.

Examples:
  mtcae logs /dev/ttyUSB0
  mtcae logs /dev/ttyUSB0 --lines 255 --json | jq -r 'select(.level == \"error\") | .text'")]
pub struct Args {
    /// The board: serial:PORT[:BAUD] or the port's path, tcp:HOST:PORT
    #[arg(value_name = "TARGET", value_hint = ValueHint::FilePath)]
    target: Target,
    /// At most this many lines
    #[arg(long, value_name = "N", default_value_t = 50, allow_negative_numbers = true, value_parser = whole::<u8>(1..=255))]
    lines: u8,
    /// Print one JSON object for each line (fields: host/boards/README.md)
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Asks, and prints.
    pub fn run(self) -> Result<(), Failure> {
        if let Target::Directory(path) = &self.target {
            let reason = "a board that does not run has no log to ask for".to_owned();
            let help = format!(
                "`journalctl --directory {}` shows what it wrote to its disk",
                path.join("var/log/journal").display()
            );
            return Err(BoardError::Root { reason, help }.into());
        }
        let mut text = String::new();
        for log in Session::open(&self.target, &known_boards())?.logs(self.lines)? {
            let level = match log.level {
                Level::Error => "error",
                Level::Warn => "warn",
                Level::Info => "info",
                Level::Debug => "debug",
            };
            if self.json {
                let object = json!({ "type": "log", "at_us": log.at_us, "level": level, "text": log.text.as_str() });
                let _ = writeln!(text, "{object}");
                continue;
            }
            let _ = writeln!(text, "{:12.3} {level:5} {}", log.at_us as f64 / 1e6, log.text);
        }
        boards::print(&text)
    }
}
