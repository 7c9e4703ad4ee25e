//! Why a board could not be asked, or does not do what it was asked.

use crate::LineError;
use mtcae_bundle::{BundleError, PermitError};
use mtcae_update::{StoreError, UpdateError};
use mtcae_wire::{Reason, Refusal, VERSION};
use std::path::PathBuf;
use thiserror::Error;

/// Why a board could not be asked, or does not do what it was asked. One variant per reaction; [`BoardError::help`] is the
/// next step.
#[derive(Debug, Error)]
pub enum BoardError {
    /// The line does not open.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The line was open, went, and did not come back.
    #[error("{target} went away and was not back within {seconds} s: {reason}")]
    Gone {
        /// The line.
        target: String,
        /// How long it was waited for.
        seconds: u64,
        /// What the system said last.
        reason: String,
    },
    /// The line is open and no answer comes.
    #[error("{target} does not answer {asked}{}", noise(*.bad))]
    Silent {
        /// The line.
        target: String,
        /// What it was asked.
        asked: String,
        /// Frames heard that were no message.
        bad: u32,
    },
    /// The line is open, and another client has its turn.
    #[error("{target}: {said}")]
    Taken {
        /// The line.
        target: String,
        /// What the board says of it.
        said: String,
    },
    /// Whole frames come, of another version of the protocol.
    #[error("the board on {target} speaks protocol version {found}, and this tool version {VERSION}")]
    Version {
        /// The line.
        target: String,
        /// The board's version.
        found: u8,
    },
    /// The board answered that it will not.
    #[error("the board declined {asked} ({}): {detail}", word(*.reason))]
    Declined {
        /// What it was asked.
        asked: String,
        /// Why, for the program.
        reason: Reason,
        /// Why, for a person.
        detail: String,
    },
    /// The version before has a security counter below the board's lowest.
    #[error("the board declined to go back: {detail}")]
    TooOld {
        /// The board's name.
        device: String,
        /// The lowest counter of that version.
        counter: u32,
        /// Why, for a person.
        detail: String,
    },
    /// The board takes no updates over this line.
    #[error("the board on {target} takes no updates over this line")]
    NoUpdates {
        /// The line.
        target: String,
    },
    /// The board does not take the bundle.
    #[error("{by} {bundle}: {detail}")]
    Refused {
        /// Who refuses, as far as `refuses`.
        by: String,
        /// Name and version.
        bundle: String,
        /// Why, for the program.
        refusal: Refusal,
        /// Why, for a person.
        detail: String,
    },
    /// The transfer was to go on, and the board has nothing of the bundle.
    #[error("the board has nothing of {bundle} to go on with")]
    NothingToResume {
        /// Name and version.
        bundle: String,
    },
    /// The transfer came to no end.
    #[error("{bundle} did not get there: {reason}")]
    Transfer {
        /// Name and version.
        bundle: String,
        /// What happened.
        reason: String,
    },
    /// The bundle was tried and the board went back.
    #[error("{bundle} was installed and started, and the board went back{}; it runs {runs}", after_starts(*.starts))]
    RolledBack {
        /// Name and version.
        bundle: String,
        /// Starts of the new version that were heard of.
        starts: u32,
        /// What runs now.
        runs: String,
    },
    /// The bundle is installed, and nobody has confirmed it.
    #[error("{bundle} is installed and not confirmed: {reason}")]
    NotConfirmed {
        /// Name and version.
        bundle: String,
        /// What was last heard.
        reason: String,
    },
    /// There is nothing that could be confirmed or gone back to.
    #[error("{0}")]
    NotNow(String),
    /// The file is no good bundle.
    #[error("{}: {error}", .path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: BundleError,
    },
    /// The bundle was read, and can be no longer.
    #[error("cannot read {}: {error}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The permit does not count for this board.
    #[error(transparent)]
    Permit(#[from] PermitError),
    /// The board says that the permit does not count.
    #[error("the board does not take the permit: {0}")]
    PermitDeclined(String),
    /// Something below a mounted root is not as a board has it.
    #[error("{reason}")]
    Root {
        /// What is wrong.
        reason: String,
        /// What to do.
        help: String,
    },
    /// The slots below a mounted root do not take it.
    #[error("{path}: {error}", path = .path.display())]
    Slots {
        /// The slots' folder.
        path: PathBuf,
        /// Why not.
        error: UpdateError,
    },
    /// Somebody asked to stop.
    #[error("stopped before the end")]
    Stopped,
}

fn noise(bad: u32) -> String {
    match bad {
        0 => String::new(),
        1 => "; what comes is no message (1 damaged frame)".to_owned(),
        bad => format!("; what comes are no messages ({bad} damaged frames)"),
    }
}

fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::Unsupported => "unsupported",
        Reason::BadValue => "bad value",
        Reason::Busy => "busy",
        Reason::Failed => "failed",
    }
}

fn after_starts(starts: u32) -> String {
    match starts {
        0 => String::new(),
        1 => " after 1 start".to_owned(),
        starts => format!(" after {starts} starts"),
    }
}

impl BoardError {
    /// The code that the tool shows, `mtcae::...`; README.md lists them.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Line(_) => "mtcae::port",
            Self::Gone { .. } => "mtcae::gone",
            Self::Silent { .. } => "mtcae::silent",
            Self::Taken { .. } => "mtcae::taken",
            Self::Version { .. } => "mtcae::version",
            Self::Declined { .. } | Self::TooOld { .. } => "mtcae::declined",
            Self::NoUpdates { .. } => "mtcae::no-updates",
            Self::Refused { .. } => "mtcae::refused",
            Self::NothingToResume { .. } => "mtcae::resume",
            Self::Transfer { .. } => "mtcae::transfer",
            Self::RolledBack { .. } => "mtcae::rolled-back",
            Self::NotConfirmed { .. } => "mtcae::not-confirmed",
            Self::NotNow(_) => "mtcae::not-now",
            Self::Bundle { .. } => "mtcae::bundle",
            Self::Read { .. } => "mtcae::file",
            Self::Permit(_) | Self::PermitDeclined(_) => "mtcae::permit",
            Self::Root { .. } => "mtcae::root",
            Self::Slots { .. } => "mtcae::slots",
            Self::Stopped => "mtcae::stopped",
        }
    }

    /// What to do next.
    pub fn help(&self) -> String {
        match self {
            Self::Line(error) => error.help.clone(),
            Self::Root { help, .. } => help.clone(),
            Self::Refused { refusal, .. } => refusal_help(*refusal).to_owned(),
            Self::TooOld { device, counter, .. } => permit_help(device, u64::from(*counter)),
            Self::Slots { error: UpdateError::Downgrade { counter, .. }, .. } => permit_help("NAME", *counter),
            other => other.fixed_help().to_owned(),
        }
    }

    fn fixed_help(&self) -> &'static str {
        match self {
            Self::Gone { .. } => "check cable and power, and run it again: what the board has of a bundle it keeps",
            Self::Silent { bad: 0, .. } => {
                "is the daemon running, and its sink this line? `mtcae devices` shows what answers; a board whose firmware \
                 knows nothing of the question does not answer either"
            }
            Self::Silent { .. } => {
                "the speed is likely another one: say it as serial:PORT:BAUD, the board file's `sink.baud`"
            }
            Self::Taken { .. } => {
                "end the other client, such as a robot's program or `mtcae monitor`, and run it again"
            }
            Self::Version { .. } => "update the older of tool and board",
            Self::Declined { reason: Reason::Busy, .. } => "try again in a moment",
            Self::Declined { .. } => "`mtcae status` shows what the board is at, `mtcae logs` what it says about it",
            Self::NoUpdates { .. } => {
                "its board file must say `[update] enabled = true`, and its daemon be started by mtcae-launcher: \
                 `mtcae provision` sets both up"
            }
            Self::NothingToResume { .. } => "without `--resume` it is sent from its start",
            Self::Transfer { .. } => "check the line, and run it again: it goes on where the board's storage is",
            Self::RolledBack { .. } => "`mtcae logs` says what the new version did; the board works as before",
            Self::NotConfirmed { .. } => {
                "`mtcae status` shows what it is at; `mtcae confirm` keeps it, `mtcae rollback` goes back, and a flash with \
                 `--no-wait` ends before the trial"
            }
            Self::NotNow(_) => "`mtcae status` shows what the slots hold",
            Self::Bundle { .. } => "no board takes it; get it again from where it was built",
            Self::Read { .. } => "did the file move, or its disk go? It is needed until the end",
            Self::Permit(_) | Self::PermitDeclined(_) => {
                "`mtcae keys permit` makes one, `mtcae keys show` says what is in it"
            }
            Self::Slots { error: UpdateError::Store(StoreError::Busy { .. }), .. } => {
                "another `mtcae` or a launcher is at work there: try again when it is done"
            }
            Self::Slots { .. } => "`mtcae status` shows what the slots are at",
            _ => "run it again: what the board has of a bundle it keeps",
        }
    }
}

fn permit_help(device: &str, counter: u64) -> String {
    format!(
        "`--permit FILE` lets it; `mtcae keys permit --key KEY --device {device} --lowest {counter} --days 2 --out FILE` makes one"
    )
}

fn refusal_help(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::WrongBoard => {
            "take a bundle that names the board's family (`mtcae inspect`), or build one with `--family`"
        }
        Refusal::NoSpace => "free some space on the board, below the slots' folder",
        Refusal::OlderCounter => "take a newer bundle, or `--permit` one that a release key has signed for this board",
        Refusal::AlreadyInstalled => "there is nothing to do; `mtcae status` shows it",
        Refusal::Busy => {
            "`mtcae status` shows what it is at; what is on trial is kept by `mtcae confirm` or given up by `mtcae rollback`"
        }
        Refusal::Storage => {
            "look for errors of the board's disk (`mtcae logs`), and run it again: it goes on where it was"
        }
        Refusal::Damaged => "check the line and the board's disk, and run it again",
        Refusal::NotTrusted => "sign it with a key that the board trusts, or give the board its rotation",
        Refusal::Unusable => "`mtcae inspect` shows what is in it, `mtcae logs` what the board says about it",
        Refusal::NotAllowed => "use the line that the board file allows updates on",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_happened_and_what_to_do() {
        let silent = |bad| BoardError::Silent { target: "/dev/ttyUSB0".into(), asked: "who it is".into(), bad };
        insta::assert_snapshot!(silent(0), @"/dev/ttyUSB0 does not answer who it is");
        insta::assert_snapshot!(silent(7), @"/dev/ttyUSB0 does not answer who it is; what comes are no messages (7 damaged frames)");
        assert!(silent(7).help().contains("speed") && silent(0).help().contains("daemon"));
        let error = UpdateError::Store(StoreError::Busy { path: "slots/lock".into() });
        assert!(BoardError::Slots { path: "slots".into(), error }.help().contains("try again"));
        let back = BoardError::RolledBack { bundle: "edge 1.1.0".into(), starts: 3, runs: "edge 1.0.0".into() };
        insta::assert_snapshot!(back, @"edge 1.1.0 was installed and started, and the board went back after 3 starts; it runs edge 1.0.0");
    }
}
