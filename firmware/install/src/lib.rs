//! From a bundle to a slot: verifies, decides, and writes through an updater; it never knows a line, a file system or an engine.
//!
//! ```text
//! bundle -> every signature and sum checked, nothing written -> plan -> Updater: idle slots -> ready for its trial
//! slot   -> sealed model -> verified, decrypted and unpacked into memory
//! ```
#![forbid(unsafe_code)]

mod error;
mod install;
mod plan;
mod sealed;
mod sink;
mod trust;

pub use error::InstallError;
pub use install::{Installed, Rules, install};
pub use plan::plan;
pub use sealed::{SEALED_FILE, Unsealed, unseal};
pub use trust::{TrustError, trusted_in};
