//! `mtcae monitor`.

use super::beside::{Record, Web, surfaces};
use crate::failure::Failure;
use crate::known::known_boards;
use crate::monitor::link::{Line, Opener};
use crate::monitor::{self, Output, port};
use clap::ValueHint;
use mtcae_boards::{DEFAULT_BAUD, LineError, Target, TargetError};
use std::io;
use std::time::Duration;

/// Show what a board sees: faces, expressions, latency, and how the line is
#[derive(clap::Args)]
#[command(after_help = "\
In a terminal it draws until `q`; into a pipe it prints a line for each report. \
PORT is a device, or tcp:HOST:PORT for a board on the network that `mtcae keys trust-board` knows. \
A port that is lost later is opened again as soon as it is back, and counted. \
A recording and the page hold faces and expressions, no pictures; the page is for this machine alone.

Examples:
  mtcae monitor --port /dev/ttyUSB0
  mtcae monitor --port /dev/ttyTHS1 --baud 921600
  mtcae monitor --port tcp:board-17.local:7452
  mtcae monitor --port /dev/ttyUSB0 --record desk.mcap --web
  mtcae monitor --port /dev/ttyUSB0 --json --seconds 10 | jq -r 'select(.face) | .face.label'")]
pub struct Args {
    /// Serial port the board is on (PATH, or serial:PATH:BAUD), or tcp:HOST:PORT
    #[arg(long, value_name = "PORT", value_hint = ValueHint::FilePath)]
    port: String,
    /// Bits per second, as in the board's file; 115200 if nothing says
    #[arg(long, value_parser = clap::value_parser!(u32).range(300..=4_000_000))]
    baud: Option<u32>,
    /// Print one JSON object for each message (fields: host/cli/MONITOR.md)
    #[arg(long)]
    json: bool,
    /// Stop after this many seconds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    seconds: Option<u64>,
    #[command(flatten)]
    record: Record,
    #[command(flatten)]
    web: Web,
}

impl Args {
    /// Monitors until the person, a signal or the time ends it.
    pub fn run(self) -> Result<(), Failure> {
        let (line, open) = if self.port.starts_with("tcp:") { self.tcp()? } else { self.serial()? };
        let beside = surfaces(&self.record, &self.web, &self.port)?;
        let settings = monitor::Settings {
            port: self.port,
            output: Output::choose(self.json),
            length: self.seconds.map(Duration::from_secs),
            stop: monitor::stop_on_signals()?,
        };
        monitor::run(line, open, &settings, beside).map(drop)
    }

    fn serial(&self) -> Result<(Box<dyn Line>, Opener), Failure> {
        // Other paths than those below /dev/ are no targets, and ports all the same.
        let (name, baud) = match self.port.parse() {
            Ok(Target::Serial { port, baud }) => (port, self.baud.unwrap_or(baud)),
            _ => (self.port.clone(), self.baud.unwrap_or(DEFAULT_BAUD)),
        };
        let line = port::open(&name, baud).map_err(|error| port::failure(&name, &error))?;
        let open = move || {
            let line = port::open(&name, baud).map_err(io::Error::from)?;
            Ok(Box::new(line) as Box<dyn Line>)
        };
        Ok((Box::new(line), Box::new(open)))
    }

    fn tcp(&self) -> Result<(Box<dyn Line>, Opener), Failure> {
        let target: Target = self.port.parse().map_err(|error: TargetError| {
            let help = "a board on the network is tcp:HOST:PORT, as its board file says".to_owned();
            LineError { target: self.port.clone(), reason: error.reason, help }
        })?;
        let keys = known_boards().keys(&target)?;
        let line = port::connect(&target, &keys)?;
        let open = move || {
            let line = port::connect(&target, &keys).map_err(io::Error::other)?;
            Ok(Box::new(line) as Box<dyn Line>)
        };
        Ok((Box::new(line), Box::new(open)))
    }
}
