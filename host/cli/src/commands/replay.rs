//! `mtcae replay`.

use super::beside::Web;
use crate::failure::Failure;
use crate::monitor::replay::{Settings, failure, play};
use crate::monitor::{Output, stop_on_signals};
use crate::say::tell;
use clap::ValueHint;
use mtcae_record::Reader;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

/// Show a recording of `mtcae monitor --record` as it was
#[derive(clap::Args)]
#[command(after_help = "\
In a terminal it draws until the recording's end or `q`; into a pipe it prints a line for each report. \
A recording that was cut short, as by a power cut, is played to its last whole piece.

Examples:
  mtcae replay desk.mcap
  mtcae replay desk.mcap --speed 4
  mtcae replay desk.mcap --speed max --json | jq -r 'select(.face) | .face.label' | sort | uniq -c")]
pub struct Args {
    /// The recording
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// How many times as fast as it was recorded, 0.1 to 1000, or max
    #[arg(long, value_name = "X", default_value = "1", allow_negative_numbers = true, value_parser = speed)]
    speed: Speed,
    /// Print one JSON object for each message, as `mtcae monitor --json` did (fields: host/cli/MONITOR.md)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    web: Web,
}

/// `None` for no waiting.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Speed(Option<f64>);

fn speed(text: &str) -> Result<Speed, String> {
    let accepted = || "accepted are 0.1 to 1000, and max".to_owned();
    if text == "max" {
        return Ok(Speed(None));
    }
    let speed: f64 = text.parse().map_err(|_| accepted())?;
    if (0.1..=1000.0).contains(&speed) { Ok(Speed(Some(speed))) } else { Err(accepted()) }
}

impl Args {
    /// Plays it.
    pub fn run(self) -> Result<(), Failure> {
        let stop = stop_on_signals()?;
        let file = File::open(&self.file).map_err(|reason| Failure::Read { path: self.file.clone(), reason })?;
        let mut reader = Reader::new(BufReader::new(file)).map_err(|error| failure(&self.file, error))?;
        let beside = self.web.open()?.into_iter().collect();
        let settings = Settings { path: self.file, output: Output::choose(self.json), speed: self.speed.0, stop };
        play(&mut reader, &settings, beside)?;
        if let Some(at) = reader.cut_at() {
            let file = settings.path.display();
            tell!("{file} was cut short at byte {at}; it has been played to its last whole piece");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_positive_and_finite() {
        assert_eq!(speed("2.5"), Ok(Speed(Some(2.5))));
        assert_eq!(speed("max"), Ok(Speed(None)));
        for text in ["", "0", "-1", "NaN", "inf", "1001", "fast"] {
            assert!(speed(text).is_err(), "{text}");
        }
    }
}
