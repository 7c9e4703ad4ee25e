//! Why a bundle does not get into a slot.

use mtcae_bundle::{BundleError, Refusal};
use mtcae_update::UpdateError;
use std::io;
use thiserror::Error;

/// Why a bundle does not get into a slot. What runs has not changed then; what could be gone back to has not either, unless
/// the medium failed in the middle.
#[derive(Debug, Error)]
pub enum InstallError {
    /// It is damaged, not trusted, not for this board, or no key here opens it.
    #[error(transparent)]
    Bundle(BundleError),
    /// The daemon inside is for another kind of processor.
    #[error("the daemon inside is for {found}; this board takes {accepted}; build the bundle with that one")]
    Target {
        /// Its target triple.
        found: String,
        /// The board's.
        accepted: String,
    },
    /// The board runs this very file already.
    #[error("{version} of this very file is confirmed here; there is nothing to do")]
    Already {
        /// Name of the version.
        version: String,
    },
    /// The slots refuse it, or their medium failed.
    #[error(transparent)]
    Slots(#[from] UpdateError),
    /// The bundle cannot be read.
    #[error("the bundle cannot be read: {0}")]
    Read(#[source] io::Error),
}

impl From<BundleError> for InstallError {
    fn from(error: BundleError) -> InstallError {
        InstallError::Bundle(error)
    }
}

impl From<Refusal> for InstallError {
    fn from(refusal: Refusal) -> InstallError {
        InstallError::Bundle(BundleError::Refused(refusal))
    }
}
