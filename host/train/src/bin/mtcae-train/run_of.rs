//! What a run is of, in a note beside its state: only the same run goes on, so that nobody who is to be tested on was trained on.

use anyhow::{Context, Result, bail};
use mtcae_data::Stills;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
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
    /// A run of `recipe` on `data` from the weights in `init`.
    pub fn new(recipe: &impl Debug, data: &Stills, init: Option<&Path>) -> RunOf {
        let jobs = data.shards().iter().map(|s| s.info().job.clone()).collect();
        // FNV-1a over words.
        let mix = |hash: u64, i: usize| (hash ^ data.sample(i).subject).wrapping_mul(0x0100_0000_01b3);
        let hash = (0..data.len()).fold(0xcbf2_9ce4_8422_2325, mix);
        RunOf {
            recipe: format!("{recipe:?}"),
            jobs,
            samples: format!("{} {hash:016x}", data.len()),
            init: init.map(|path| path.display().to_string()),
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

/// Lets go of what a run that was cut wrote into its log after its last state.
pub fn cut_log(path: &Path, updates: usize) -> Result<()> {
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(()) };
    let is_before = |line: &&str| {
        let update = serde_json::from_str::<serde_json::Value>(line).ok().and_then(|v| v["update"].as_u64());
        update.is_some_and(|update| update <= updates as u64)
    };
    let kept: String = text.lines().filter(is_before).flat_map(|line| [line, "\n"]).collect();
    if kept != text {
        std::fs::write(path, kept).with_context(|| path.display().to_string())?;
    }
    Ok(())
}
