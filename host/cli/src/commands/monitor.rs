//! `mtcae monitor`.

use super::beside::{Record, Web, surfaces};
use crate::failure::Failure;
use crate::known::known_boards;
use crate::monitor::link::{Line, Opener};
use crate::monitor::{self, Output, port};
use crate::values::{baud, whole};
use clap::ValueHint;
use mtcae_boards::{DEFAULT_BAUD, LineError, Target, TargetError};
use std::io;
use std::time::Duration;

/// Show what a board sees: faces, expressions, latency, and how the line is
#[derive(clap::Args)]
#[command(after_help = "\
In a terminal it draws until `q`; into a pipe it prints a line for each report. \
TARGET is a device, or tcp:HOST:PORT for a board on the network that `mtcae keys trust-board` knows. \
A port that is lost later is opened again as soon as it is back, and counted. \
A recording and the page hold faces and expressions, no pictures; the page is for this machine alone.

Examples:
  mtcae monitor /dev/ttyUSB0
  mtcae monitor /dev/ttyTHS1 --baud 921600
  mtcae monitor tcp:board-17.local:7452
  mtcae monitor /dev/ttyUSB0 --record desk.mcap --web
  mtcae monitor /dev/ttyUSB0 --json --seconds 10 | jq -r 'select(.face) | .face.label'")]
pub struct Args {
    /// The board: a serial port (PATH, or serial:PATH:BAUD), or tcp:HOST:PORT
    #[arg(value_name = "TARGET", value_hint = ValueHint::FilePath, required_unless_present = "port")]
    target: Option<String>,
    /// The same, said as an option
    #[arg(long, value_name = "TARGET", value_hint = ValueHint::FilePath, conflicts_with = "target")]
    port: Option<String>,
    /// Bits per second, as in the board's file; 115200 if nothing says
    #[arg(long, allow_negative_numbers = true, value_parser = baud)]
    baud: Option<u32>,
    /// Print one JSON object for each message (fields: host/cli/MONITOR.md)
    #[arg(long)]
    json: bool,
    /// Stop after this many seconds
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u64>(1..=31_536_000))]
    seconds: Option<u64>,
    #[command(flatten)]
    record: Record,
    #[command(flatten)]
    web: Web,
}

impl Args {
    /// Monitors until the person, a signal or the time ends it.
    pub fn run(self) -> Result<(), Failure> {
        // One of them is there, or clap has refused it.
        let target = self.target.or(self.port).unwrap_or_default();
        let (line, open) = if target.starts_with("tcp:") { tcp(&target)? } else { serial(&target, self.baud)? };
        let beside = surfaces(&self.record, &self.web, &target)?;
        let settings = monitor::Settings {
            port: target,
            output: Output::choose(self.json),
            length: self.seconds.map(Duration::from_secs),
            stop: monitor::stop_on_signals()?,
        };
        monitor::run(line, open, &settings, beside).map(drop)
    }
}

fn serial(target: &str, said: Option<u32>) -> Result<(Box<dyn Line>, Opener), Failure> {
    // Other paths than those below /dev/ are no targets, and ports all the same.
    let (name, baud) = match target.parse() {
        Ok(Target::Serial { port, baud }) => (port, said.unwrap_or(baud)),
        _ => (target.to_owned(), said.unwrap_or(DEFAULT_BAUD)),
    };
    let line = port::open(&name, baud).map_err(|error| port::failure(&name, &error))?;
    let open = move || {
        let line = port::open(&name, baud).map_err(io::Error::from)?;
        Ok(Box::new(line) as Box<dyn Line>)
    };
    Ok((Box::new(line), Box::new(open)))
}

fn tcp(text: &str) -> Result<(Box<dyn Line>, Opener), Failure> {
    let target: Target = text.parse().map_err(|error: TargetError| {
        let help = "a board on the network is tcp:HOST:PORT, as its board file says".to_owned();
        LineError { target: text.to_owned(), reason: error.reason, help }
    })?;
    let keys = known_boards().keys(&target)?;
    let line = port::connect(&target, &keys)?;
    let open = move || {
        let line = port::connect(&target, &keys).map_err(io::Error::other)?;
        Ok(Box::new(line) as Box<dyn Line>)
    };
    Ok((Box::new(line), Box::new(open)))
}
