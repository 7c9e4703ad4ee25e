//! Why the launcher ends.

use mtcae_bundle::{KeyError, PermitError};
use mtcae_install::TrustError;
use mtcae_update::{StoreError, UpdateError};
use thiserror::Error;

/// Why the launcher ends. Each is one line.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// The slots cannot be used, or refuse.
    #[error(transparent)]
    Slots(#[from] UpdateError),
    /// There is no folder with slots.
    #[error("no slots at {0}; `mtcae provision` makes them, or say with `--root` where they are")]
    NoSlots(String),
    /// No slot holds anything that can start.
    #[error("nothing to start: {0}")]
    Nothing(String),
    /// Another launcher, or a daemon it left, holds the root.
    #[error("{0} is held by another launcher or by a daemon that it left; end it first")]
    Running(String),
    /// A permit does not count here.
    #[error("{file}: {error}")]
    Permit {
        /// The permit.
        file: String,
        /// Why not.
        error: PermitError,
    },
    /// The permit's file cannot be read.
    #[error(transparent)]
    File(#[from] KeyError),
    /// There are no keys that could have signed it.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The system refuses something.
    #[error("{what}: {error}")]
    System {
        /// What was to be done.
        what: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// There is nobody to tell.
    #[error("NOTIFY_SOCKET is not set; this is for processes that the launcher or systemd started")]
    NobodyToTell,
}

impl LaunchError {
    /// What the program ends with.
    pub fn exit_code(&self) -> u8 {
        match self {
            LaunchError::Nothing(_) => 3,
            LaunchError::Running(_) => 4,
            LaunchError::Slots(_)
            | LaunchError::NoSlots(_)
            | LaunchError::Permit { .. }
            | LaunchError::File(_)
            | LaunchError::Trust(_)
            | LaunchError::System { .. }
            | LaunchError::NobodyToTell => 1,
        }
    }

    /// For `map_err`.
    pub fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> LaunchError {
        let what = what.into();
        move |error| LaunchError::System { what, error }
    }
}

impl From<StoreError> for LaunchError {
    fn from(error: StoreError) -> LaunchError {
        LaunchError::Slots(error.into())
    }
}
