//! What a run is of, in a note beside its state: only the same run goes on, so that nobody who is to be tested on was trained on.

use anyhow::{Context, Result, bail};
use mtcae_data::Stills;
use mtcae_train::{Place, Precision};
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::path::Path;

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
    /// Threads: each draws clips of its own, and finds statistics of its own.
    #[serde(default)]
    workers: Option<usize>,
    /// Updates between two scores, where scores say how fast it learns.
    #[serde(default)]
    every: Option<usize>,
    /// Where it is computed: a card draws its own dropout.
    #[serde(default)]
    device: Option<String>,
    /// In what format.
    #[serde(default)]
    precision: Option<String>,
}

/// By what means a run learns.
#[derive(Debug, Clone, Copy)]
pub struct Means {
    /// Threads.
    pub workers: usize,
    /// Updates between two scores, for a recipe with a plateau.
    pub every: Option<usize>,
    /// Where it is computed.
    pub device: Place,
    /// In what format.
    pub precision: Precision,
}

impl RunOf {
    /// The note's name.
    pub const FILE: &str = "run.json";

    /// A run of `recipe` on `data` from the weights in `init`, by these `means`.
    pub fn new(recipe: &impl Debug, data: &Stills, init: Option<&Path>, means: Means) -> RunOf {
        let jobs = data.shards().iter().map(|s| s.info().job.clone()).collect();
        // FNV-1a over words.
        let mix = |hash: u64, i: usize| (hash ^ data.sample(i).subject).wrapping_mul(0x0100_0000_01b3);
        let hash = (0..data.len()).fold(0xcbf2_9ce4_8422_2325, mix);
        RunOf {
            recipe: format!("{recipe:?}"),
            jobs,
            samples: format!("{} {hash:016x}", data.len()),
            init: init.map(|path| path.display().to_string()),
            workers: Some(means.workers),
            every: means.every,
            device: Some(means.device.to_string()),
            precision: Some(means.precision.to_string()),
        }
    }

    /// The note in a folder, if there is one.
    pub fn read(folder: &Path) -> Result<Option<RunOf>> {
        let path = folder.join(RunOf::FILE);
        let Ok(bytes) = std::fs::read(&path) else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).with_context(|| path.display().to_string())
    }

    /// The shards' jobs.
    pub fn jobs(&self) -> &[String] {
        &self.jobs
    }

    /// Whether it learns without labels.
    pub fn is_pretraining(&self) -> bool {
        self.recipe.starts_with("PretrainRecipe")
    }

    /// Refuses to go on in `out` with another run; a folder without a note may be gone on in.
    pub fn check(&self, out: &Path) -> Result<()> {
        let Some(before) = RunOf::read(out)? else { return Ok(()) };
        let differs = [
            ("recipe", before.recipe != self.recipe),
            ("data", before.jobs != self.jobs),
            ("folds", before.jobs == self.jobs && before.samples != self.samples),
            ("--init", before.init != self.init),
            ("--workers", other(&before.workers, &self.workers)),
            ("--every", other(&before.every, &self.every)),
            ("--device", other(&before.device, &self.device)),
            ("--precision", other(&before.precision, &self.precision)),
        ];
        let others: Vec<&str> = differs.iter().filter(|(_, differs)| *differs).map(|(what, _)| *what).collect();
        match others.is_empty() {
            true => Ok(()),
            false => bail!(
                "{} holds a run of other {}; accepted: what it was begun with, which goes on, or another --out",
                out.display(),
                others.join(" and other ")
            ),
        }
    }

    /// Writes the note.
    pub fn keep(&self, out: &Path) -> Result<()> {
        let path = out.join(RunOf::FILE);
        std::fs::write(&path, serde_json::to_vec_pretty(self)?).with_context(|| path.display().to_string())
    }
}

/// Whether two known values differ; notes of earlier runs lack some.
fn other<T: PartialEq>(before: &Option<T>, now: &Option<T>) -> bool {
    before.is_some() && now.is_some() && before != now
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

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> RunOf {
        RunOf {
            recipe: "r".to_owned(),
            jobs: vec!["j".to_owned()],
            samples: "1 0".to_owned(),
            init: None,
            workers: Some(2),
            every: Some(200),
            device: Some("cpu".to_owned()),
            precision: Some("f32".to_owned()),
        }
    }

    #[test]
    fn only_what_decides_nothing_may_change() {
        let out = tempfile::tempdir().unwrap();
        run().keep(out.path()).unwrap();
        run().check(out.path()).unwrap();
        for (other, word) in [
            (RunOf { workers: Some(3), ..run() }, "--workers"),
            (RunOf { every: Some(100), ..run() }, "--every"),
            (RunOf { device: Some("cuda".to_owned()), ..run() }, "--device"),
            (RunOf { precision: Some("bf16".to_owned()), ..run() }, "--precision"),
            (RunOf { init: Some("x".to_owned()), ..run() }, "--init"),
        ] {
            let said = other.check(out.path()).unwrap_err().to_string();
            assert!(said.contains(&format!("holds a run of other {word}; accepted: ")), "{said}");
        }
        // Without a plateau scores change nothing.
        RunOf { every: None, ..run() }.check(out.path()).unwrap();
        // A note of an earlier trainer, which kept less.
        let note = r#"{ "recipe": "r", "jobs": ["j"], "samples": "1 0", "init": null }"#;
        std::fs::write(out.path().join(RunOf::FILE), note).unwrap();
        RunOf { workers: Some(5), ..run() }.check(out.path()).unwrap();
    }
}
