//! A scenario: what it needs, what it proves, and how.

use crate::{Ability, BenchError, Rig};
use mtcae_boards::{BoardError, LineError};
use thiserror::Error;

/// Something that is tried on a board.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Unique, of a-z, 0-9 and `-`.
    pub name: &'static str,
    /// The group it belongs to; `--suite` takes these.
    pub suite: &'static str,
    /// What is proved when it passes, as a sentence.
    pub proves: &'static str,
    /// What of this only real hardware can show, as a sentence; empty when nothing is left.
    pub untried: &'static str,
    /// What the bench must be able to do.
    pub needs: &'static [Ability],
    /// Minutes on a laptop, at most, when it is run in full.
    pub minutes: u32,
    /// Part of a quick run.
    pub quick: bool,
    /// Tries it.
    pub run: fn(&mut Rig<'_>) -> Result<(), Failed>,
}

/// Why a scenario did not pass.
#[derive(Debug, Error)]
pub enum Failed {
    /// What it should prove is not so.
    #[error("{0}")]
    Claim(String),
    /// It cannot be tried here, for this reason.
    #[error("{0}")]
    Skip(String),
    /// The bench does not do its part.
    #[error("the bench: {0}")]
    Bench(#[from] BenchError),
    /// The board does not answer as it should.
    #[error("the board: {0}")]
    Board(#[from] BoardError),
    /// The line does not open.
    #[error("the line: {0}")]
    Line(#[from] LineError),
}

/// Fails the scenario unless `holds`; `found` says what was found instead.
///
/// # Errors
/// `Claim`.
pub fn claim(holds: bool, found: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(Failed::Claim(found())) }
}
