//! `mtcae flash`.

use crate::boards::{Done, Form, Track, carry, json_line, look, print, read_bundle, read_permit, table};
use crate::failure::Failure;
use crate::known::known_boards;
use crate::progress::Progress;
use crate::say::verdict;
use crate::values::baud;
use clap::ValueHint;
use clap::error::ErrorKind;
use indicatif::MultiProgress;
use mtcae_boards::{BoardError, BundleFile, MAX_ASKED, Options, Target, devices, serial_targets};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Carry a bundle to a board, and follow it until the new version is confirmed there
#[derive(clap::Args)]
#[command(
    override_usage = "mtcae flash [OPTIONS] <TARGET> <BUNDLE>\n       mtcae flash [OPTIONS] --all <BUNDLE> [TARGET]...",
    after_help = "\
TARGET is serial:PORT[:BAUD] or the port's path alone (115200 baud unless said), tcp:HOST:PORT, or \
dir:PATH for the mounted file system of a board. With --all, without targets, every board that \
answers on a serial port is flashed; all at once.

The board is asked first whether it takes the bundle. What is on it already is not sent again:
after a cut, a reboot or a stop, the same command goes on. The new version starts on trial; when \
its self-test is bad, or it does not start, the board goes back by itself. The exit code is 0 only \
when the new version is confirmed (on a board that leaves that to you: has passed its self-test; \
with --no-wait: is installed), and 1 when it is not, whatever the reason.

Examples:
  mtcae flash /dev/ttyUSB0 edge-1.1.0.mtcb
  mtcae flash /dev/ttyUSB0 edge-1.1.0.mtcb --dry-run
  mtcae flash --all edge-1.1.0.mtcb --json > bench.jsonl
  sudo mtcae flash dir:/mnt/card edge-1.1.0.mtcb"
)]
pub struct Args {
    /// TARGET BUNDLE, or with --all: BUNDLE [TARGET]...
    #[arg(value_name = "WORDS", value_hint = ValueHint::FilePath, required = true, hide = true)]
    words: Vec<String>,
    /// Flash several boards at once
    #[arg(long)]
    all: bool,
    /// Bits per second of the boards that --all looks for, if neither 115200 nor 921600
    #[arg(long, requires = "all", allow_negative_numbers = true, value_parser = baud)]
    baud: Option<u32>,
    /// Ask the board who it is and what it runs, and say what would happen; change nothing. Whether it trusts the signer it says
    /// when the bundle comes
    #[arg(long)]
    dry_run: bool,
    /// Refuse to send the bundle from its start (lines only)
    #[arg(long, conflicts_with = "dry_run")]
    resume: bool,
    /// End when the bundle is installed, and leave the trial to itself
    #[arg(long)]
    no_wait: bool,
    /// A signed leave to install an older security counter
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    permit: Option<PathBuf>,
    /// Print JSON objects, one a line (fields: host/boards/README.md)
    #[arg(long)]
    json: bool,
}

/// What the words say.
struct Job {
    bundle: PathBuf,
    targets: Vec<Target>,
}

impl Args {
    /// Flashes, and says how it went.
    pub fn run(self) -> Result<(), Failure> {
        let job = self.job().unwrap_or_else(|reason| {
            clap::Error::raw(ErrorKind::ValueValidation, format!("{reason}\n\nFor more information, try '--help'.\n"))
                .exit()
        });
        let permit = read_permit(self.permit.as_deref())?;
        let mut progress = Progress::new()?;
        let bundle = read_bundle(&job.bundle, &mut progress)?;
        let options = Options { permit, resume: self.resume, no_wait: self.no_wait };
        let flight =
            Flight { bundle, options, form: Form::choose(self.json), dry: self.dry_run, stop: progress.stop() };
        if self.all {
            return flight.all(if job.targets.is_empty() { answering(self.baud)? } else { job.targets });
        }
        flight.one(&job.targets[0])
    }

    fn job(&self) -> Result<Job, String> {
        let target = |word: &String| word.parse::<Target>().map_err(|error| error.to_string());
        let job = match &self.words[..] {
            [bundle, targets @ ..] if self.all => {
                Job { bundle: bundle.into(), targets: targets.iter().map(target).collect::<Result<_, _>>()? }
            }
            [one, bundle] if !self.all => Job { bundle: bundle.into(), targets: vec![target(one)?] },
            words => {
                return Err(format!(
                    "{} given; accepted: TARGET BUNDLE, or --all BUNDLE [TARGET]...",
                    count(words.len())
                ));
            }
        };
        if job.targets.len() > MAX_ASKED {
            return Err(format!("{} targets; accepted: at most {MAX_ASKED} at once", job.targets.len()));
        }
        if let Some(twice) = job.targets.iter().enumerate().find(|(i, target)| job.targets[..*i].contains(target)) {
            return Err(format!("{} is named twice; accepted: each board once", twice.1));
        }
        let folder = job.targets.iter().find(|target| matches!(target, Target::Directory(_)));
        match folder {
            Some(folder) if self.resume => Err(format!("`--resume` is for lines; {folder} goes on by itself")),
            _ => Ok(job),
        }
    }
}

fn count(words: usize) -> String {
    if words == 1 { "1 word".to_owned() } else { format!("{words} words") }
}

/// Every board that answers on a serial port.
fn answering(baud: Option<u32>) -> Result<Vec<Target>, Failure> {
    let found = devices(serial_targets(baud), &known_boards());
    let targets: Vec<Target> =
        found.into_iter().filter(|device| device.answer.is_ok()).map(|device| device.target).collect();
    if targets.is_empty() { Err(Failure::NoBoards) } else { Ok(targets) }
}

/// One bundle on its way to boards.
struct Flight {
    bundle: BundleFile,
    options: Options,
    form: Form,
    dry: bool,
    stop: Arc<AtomicBool>,
}

/// What a board came to: for a person, for a table, for a program.
struct Ended {
    word: &'static str,
    says: String,
    object: Value,
}

impl Flight {
    fn one(&self, target: &Target) -> Result<(), Failure> {
        let mut track = Track::new(self.form, target.to_string(), None);
        let result = self.end(target, &mut track);
        track.finish();
        let printed = match &result {
            _ if self.form == Form::Json => json_line(&self.object(target, &result)),
            Ok(ended) => print(&format!("{}\n", ended.says)),
            Err(_) => Ok(()),
        };
        verdict(printed, result.map(drop).map_err(Failure::from))
    }

    fn all(&self, targets: Vec<Target>) -> Result<(), Failure> {
        let bars = MultiProgress::new();
        let flown: Vec<(Target, Result<Ended, BoardError>)> = std::thread::scope(|scope| {
            let fly = |target: Target| {
                let mut track = Track::new(self.form, target.to_string(), Some(&bars));
                scope.spawn(move || {
                    let result = self.end(&target, &mut track);
                    track.finish_with(result.as_ref().map_or_else(|error| error.code(), |ended| ended.word));
                    (target, result)
                })
            };
            let threads: Vec<_> = targets.into_iter().map(fly).collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
        });
        let failed = flown.iter().filter(|(_, result)| result.is_err()).count();
        let printed = if self.form == Form::Json {
            let summary = json!({ "type": "summary", "boards": flown.len(), "failed": failed });
            let mut objects = flown.iter().map(|(target, result)| self.object(target, result)).chain([summary]);
            objects.try_for_each(|object| json_line(&object))
        } else {
            print(&table(&flown.iter().map(row).collect::<Vec<_>>()))
        };
        verdict(printed, if failed == 0 { Ok(()) } else { Err(Failure::Bench { failed, boards: flown.len() }) })
    }

    fn end(&self, target: &Target, track: &mut Track) -> Result<Ended, BoardError> {
        if self.dry {
            let (says, object) = look(target, &self.bundle, &self.options)?;
            return Ok(Ended { word: "would be taken", says, object });
        }
        let done: Done = carry(target, &self.bundle, &self.options, &self.stop, track)?;
        Ok(Ended { word: done.word(), says: done.says(&self.bundle.title()), object: done.object() })
    }

    fn object(&self, target: &Target, result: &Result<Ended, BoardError>) -> Value {
        let mut object = match result {
            Ok(ended) => ended.object.clone(),
            Err(error) => {
                json!({ "outcome": "failed", "code": error.code(), "reason": error.to_string(), "help": error.help() })
            }
        };
        object["type"] = json!(if self.dry { "dry-run" } else { "result" });
        object["target"] = json!(target.to_string());
        object["bundle"] = json!(self.bundle.title());
        object
    }
}

fn row((target, result): &(Target, Result<Ended, BoardError>)) -> Vec<String> {
    match result {
        Ok(ended) => vec![target.to_string(), ended.word.to_owned(), ended.says.clone()],
        Err(error) => vec![target.to_string(), "failed".to_owned(), format!("{error} ({})", error.code())],
    }
}
