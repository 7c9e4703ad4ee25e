//! What a run is of, in a note beside its state: only the same run goes on, so that nobody who is to be tested on was trained on.

use crate::train::Run;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The note's name.
const NOTE: &str = "run.json";

/// Everything that decides what a run learns.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOf {
    /// The recipe as it was understood.
    recipe: String,
    /// The shards' jobs.
    jobs: Vec<String>,
    /// How many samples of them, and a hash of whose they are: a fold.
    samples: String,
    /// Where the weights started.
    init: Option<String>,
}

impl RunOf {
    pub fn new(run: &Run<'_>) -> RunOf {
        let jobs = run.data.shards().iter().map(|s| s.info().job.clone()).collect();
        // FNV-1a over words.
        let mix = |hash: u64, i: usize| (hash ^ run.data.sample(i).subject).wrapping_mul(0x0100_0000_01b3);
        let hash = (0..run.data.len()).fold(0xcbf2_9ce4_8422_2325, mix);
        RunOf {
            recipe: format!("{:?}", run.recipe),
            jobs,
            samples: format!("{} {hash:016x}", run.data.len()),
            init: run.init.map(|path| path.display().to_string()),
        }
    }

    /// Refuses to go on in `out` with another run; a folder without a note may be gone on in.
    pub fn check(&self, out: &Path) -> Result<()> {
        let path = out.join(NOTE);
        let Ok(bytes) = std::fs::read(&path) else { return Ok(()) };
        let before: RunOf = serde_json::from_slice(&bytes).with_context(|| path.display().to_string())?;
        let differs = [
            ("recipe", before.recipe != self.recipe),
            ("data", before.jobs != self.jobs),
            ("folds", before.jobs == self.jobs && before.samples != self.samples),
            ("--init", before.init != self.init),
        ];
        let other: Vec<&str> = differs.iter().filter(|(_, differs)| *differs).map(|(what, _)| *what).collect();
        match other.is_empty() {
            true => Ok(()),
            false => bail!(
                "{} holds a run of other {}; accepted: what it was begun with, which goes on, or another --out",
                out.display(),
                other.join(" and other ")
            ),
        }
    }

    /// Writes the note.
    pub fn keep(&self, out: &Path) -> Result<()> {
        let path = out.join(NOTE);
        std::fs::write(&path, serde_json::to_vec_pretty(self)?).with_context(|| path.display().to_string())
    }
}
