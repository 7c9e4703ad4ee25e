//! One bundle to one target, whatever kind that is.

use super::track::Track;
use crate::failure::Failure;
use crate::known::known_boards;
use crate::progress::Progress;
use crate::text;
use mtcae_boards::{
    BoardError, BundleFile, Course, Flashed, Options, Outcome, Prospect, Root, RootCourse, RootFlashed, Session,
    Target, flash, prospect,
};
use mtcae_bundle::Permit;
use serde_json::{Value, json};
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// How it went.
pub enum Done {
    /// On a board that runs.
    Board(Box<Flashed>),
    /// Below a mounted root.
    Root(RootFlashed),
}

/// Carries `bundle` to `target`, and shows it.
///
/// # Errors
/// Why it is not there.
pub fn carry(
    target: &Target,
    bundle: &BundleFile,
    options: &Options,
    stop: &Arc<AtomicBool>,
    track: &mut Track,
) -> Result<Done, BoardError> {
    if let Target::Directory(path) = target {
        let writing = &mut |done, total| track.writing(done, total);
        return Root::open(path)?.flash(bundle, options.permit.as_ref(), stop, writing).map(Done::Root);
    }
    let mut session = Session::open(target, &known_boards())?;
    session.stop_with(stop.clone());
    flash(&mut session, bundle, options, &mut |stage| track.stage(&stage)).map(|flashed| Done::Board(Box::new(flashed)))
}

/// What would happen; nothing does.
///
/// # Errors
/// Why it would be refused.
pub fn look(target: &Target, bundle: &BundleFile, options: &Options) -> Result<(String, Value), BoardError> {
    let title = bundle.title();
    if let Target::Directory(path) = target {
        let course = Root::open(path)?.check(bundle, options.permit.as_ref())?;
        let (word, bytes, says) = match course {
            RootCourse::Install { bytes } => {
                ("install", bytes, "would be verified and written into the idle slots, for a trial at the next start")
            }
            RootCourse::AlreadyThere => ("nothing", 0, "is there already, confirmed; nothing would be done"),
            RootCourse::OnTrial => {
                ("nothing", 0, "is there already; the board's next start is its trial; nothing would be done")
            }
        };
        return Ok((format!("{title} {says}"), json!({ "course": word, "bytes": bytes })));
    }
    let mut session = Session::open(target, &known_boards())?;
    let Prospect { board, course, there, .. } = prospect(&mut session, bundle, options.permit.as_ref())?;
    let (word, left, says) = match course {
        Course::Send => {
            let left = bundle.length().saturating_sub(there);
            let says = format!("{left} of {} bytes of {title} would be sent, installed and tried", bundle.length());
            ("send", left, says)
        }
        Course::Follow => ("follow", 0, format!("{title} is on trial there already; its end would be waited for")),
        Course::Nothing => ("nothing", 0, format!("{title} runs there already, confirmed; nothing would be done")),
    };
    let object = json!({ "course": word, "board": board.device.as_str(), "bytes": left });
    Ok((format!("{}: {says}", board.device), object))
}

impl Done {
    /// In one word, for programs and tables.
    pub fn word(&self) -> &'static str {
        match self {
            Done::Board(done) => match done.outcome {
                Outcome::AlreadyThere => "already there",
                Outcome::Installed => "installed",
                Outcome::Passed => "waits for confirm",
                Outcome::Confirmed => "confirmed",
            },
            Done::Root(RootFlashed::AlreadyThere) => "already there",
            Done::Root(RootFlashed::Installed) => "installed",
            Done::Root(RootFlashed::OnTrial) => "on trial",
        }
    }

    /// For a person: what is true now of `bundle`.
    pub fn says(&self, bundle: &str) -> String {
        match self {
            Done::Board(done) => {
                let board = &done.board.device;
                match done.outcome {
                    Outcome::AlreadyThere => format!("{board} runs {bundle} already, confirmed; nothing was done"),
                    Outcome::Installed => {
                        format!(
                            "{board} has {bundle} installed and starts it on trial; `mtcae status` shows how that ends"
                        )
                    }
                    Outcome::Passed => format!(
                        "{board} runs {bundle}, which passed its self-test{}; keep it with `mtcae confirm`, or go back with \
                         `mtcae rollback`",
                        told(done)
                    ),
                    Outcome::Confirmed => format!("{board} runs {bundle}, confirmed{}", told(done)),
                }
            }
            Done::Root(RootFlashed::AlreadyThere) => format!("{bundle} is there already, confirmed; nothing was done"),
            Done::Root(RootFlashed::OnTrial) => {
                format!("{bundle} is there already; the board's next start is its trial")
            }
            Done::Root(RootFlashed::Installed) => format!("{bundle} is installed; the board's next start is its trial"),
        }
    }

    /// The fields of a result.
    pub fn object(&self) -> Value {
        let mut object = json!({ "outcome": self.word().replace(' ', "-") });
        if let Done::Board(done) = self {
            object["board"] = json!(done.board.device.as_str());
            object["seconds"] = json!(done.took_us as f64 / 1e6);
            object["resumed_from"] = json!(done.resumed_from);
            object["sent_chunks"] = json!(done.progress.sent_chunks);
            object["resent_chunks"] = json!(done.progress.resent_chunks);
            object["reconnects"] = json!(done.reconnects);
        }
        object
    }
}

fn told(done: &Flashed) -> String {
    let mut told = format!(" ({:.1} s", done.took_us as f64 / 1e6);
    if done.resumed_from > 0 {
        told += &format!(", went on at byte {}", done.resumed_from);
    }
    if done.progress.resent_chunks > 0 {
        told += &format!(", {} chunks sent again", done.progress.resent_chunks);
    }
    if done.reconnects > 0 {
        told += &format!(", line opened again {} times", done.reconnects);
    }
    told + ")"
}

/// Reads the bundle and checks it, with a bar; signals stop it.
///
/// # Errors
/// When it cannot be read, or is no good bundle.
pub fn read_bundle(path: &Path, progress: &mut Progress) -> Result<BundleFile, Failure> {
    let unreadable = |reason| Failure::Read { path: path.to_owned(), reason };
    let (file, length) = text::open(path)?;
    let source = file.try_clone().map_err(unreadable)?;
    progress.step("checking", Some(length));
    let bundle = BundleFile::read(path, file, progress.watch(BufReader::with_capacity(1 << 16, source)));
    let bundle = bundle.map_err(|error| progress.cause(error.into()))?;
    progress.step_done();
    Ok(bundle)
}

/// The permit in a file.
///
/// # Errors
/// When there is none.
pub fn read_permit(path: Option<&Path>) -> Result<Option<Permit>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let permit = text::read(path)?.parse::<Permit>().map_err(|error| BoardError::Permit(error).into());
    permit.map(Some)
}
