//! Whether a good bundle is one for this board: pure rules.

use crate::BundleManifest;
use thiserror::Error;

/// What a board takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its family, as in the board file's `board.family`.
    pub family: String,
    /// Lowest security counter it still takes: that of the newest bundle ever confirmed there.
    pub lowest_counter: u32,
    /// Bytes free for the unpacked parts, where that is known.
    pub free_bytes: Option<u64>,
}

/// Why a board does not take a good bundle.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// For other boards.
    #[error("this board's family is {family:?}; the bundle is for {accepted}")]
    Board {
        /// The board's family.
        family: String,
        /// Those the bundle is for.
        accepted: String,
    },
    /// Older than what the board has confirmed.
    #[error("security counter {found} of the bundle is too old; this board takes {lowest} and above")]
    Counter {
        /// The bundle's.
        found: u32,
        /// Lowest that is taken.
        lowest: u32,
    },
    /// Does not fit.
    #[error("the unpacked parts take {needed} bytes; free on the board: {free}")]
    Space {
        /// What the parts take.
        needed: u64,
        /// What is free.
        free: u64,
    },
}

/// Whether `target` takes a bundle with this manifest.
///
/// # Errors
/// The first rule it breaks: board family, security counter, space.
pub fn accept(manifest: &BundleManifest, target: &Target) -> Result<(), Refusal> {
    if !manifest.boards.contains(&target.family) {
        return Err(Refusal::Board { family: target.family.clone(), accepted: manifest.boards.join(", ") });
    }
    if manifest.security_counter < target.lowest_counter {
        return Err(Refusal::Counter { found: manifest.security_counter, lowest: target.lowest_counter });
    }
    match target.free_bytes {
        Some(free) if free < manifest.plain_len() => Err(Refusal::Space { needed: manifest.plain_len(), free }),
        _ => Ok(()),
    }
}
