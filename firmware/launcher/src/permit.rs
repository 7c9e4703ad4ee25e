//! A leave to go back below the lowest security counter, from a file.

use crate::error::LaunchError;
use mtcae_bundle::read_public;
use mtcae_install::trusted_in;
use mtcae_update::Permit;
use std::path::Path;

/// The permit in `file`, when a key in the folder `trusted` signed it for the board `device`, and it counts at `now_unix_s`.
pub fn read(file: &Path, trusted: &Path, device: &str, now_unix_s: Option<u64>) -> Result<Permit, LaunchError> {
    let trust = trusted_in(trusted)?;
    let refused = |error| LaunchError::Permit { file: file.display().to_string(), error };
    let permit: mtcae_bundle::Permit = read_public(file)?.parse().map_err(refused)?;
    let lowest_counter = permit.check(&trust, device, now_unix_s).map_err(refused)?.into();
    Ok(Permit { lowest_counter })
}
