//! `mtcae keys trust-board`.

use crate::failure::Failure;
use crate::keyring;
use crate::known::known_boards;
use clap::ValueHint;
use mtcae_boards::{KnownError, Target};
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;

/// Say which line key a board on the network has; the tool then talks to that board and to no other there
#[derive(clap::Args)]
#[command(after_help = "\
Nothing is asked over the network: a key that came that way would prove nothing. Get the board's \
/etc/mtcae/line.pub over a cable, a card or `mtcae provision`. The board must know this desk, \
too: put the public half of this desk's line key into its /etc/mtcae/clients.

Examples:
  mtcae keys trust-board tcp:board-17.local:7452 board-17.line.pub
  mtcae keys trust-board tcp:10.0.0.17:7452 mtcae-line-key-v1:ca93...")]
pub struct Args {
    /// The board, tcp:HOST:PORT
    #[arg(value_name = "TARGET", value_hint = ValueHint::Hostname, value_parser = on_the_network)]
    target: Target,
    /// Its public line key, as text or file
    #[arg(value_name = "KEY", value_hint = ValueHint::FilePath)]
    key: String,
    /// Put the key in place of another one that is known
    #[arg(long)]
    replace: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Keeps the key, and says so.
    pub fn run(self) -> Result<(), Failure> {
        let key = keyring::line_key(&self.key)?;
        known_boards().trust(&self.target, key, self.replace).map_err(refused)?;
        let (target, id) = (self.target.to_string(), key.id().to_string());
        let line = if self.json {
            json!({ "target": target, "id": id, "text": key.to_string() }).to_string()
        } else {
            format!("{target} is the board with line key {id}")
        };
        Ok(writeln!(io::stdout(), "{line}")?)
    }
}

fn on_the_network(text: &str) -> Result<Target, String> {
    match text.parse::<Target>() {
        Ok(target @ Target::Tcp { .. }) => Ok(target),
        Ok(_) => Err("it is not on the network, and needs no keys; accepted: tcp:HOST:PORT".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Where this desk's own line key goes, in a folder that is there.
///
/// # Errors
/// When there is no place for it.
pub fn own_key_file() -> Result<PathBuf, Failure> {
    let known = known_boards();
    known.make_folder().and_then(|()| known.own_key_file()).map_err(refused)
}

fn refused(error: KnownError) -> Failure {
    Failure::Key { reason: error.to_string(), help: error.help() }
}
