//! `--folds` and `--fold`, and the note beside a checkpoint that says which persons it knows.

use crate::run_of::RunOf;
use anyhow::{Context, Result, bail};
use mtcae_data::{Folds, Stills};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::str::FromStr;

/// The note's name.
const NOTE: &str = "fold.json";

#[derive(clap::Args, Clone, Copy)]
pub struct FoldArgs {
    /// How persons are divided: paper-5fold, mae-dfer-6fold (both RAVDESS), cremad-5fold, mead-5fold, or subject:N for any data.
    #[arg(long, value_name = "NAME")]
    pub folds: Option<Folds>,
    /// One fold, such as 2/5; all of them, one after the other, when not given.
    #[arg(long, value_name = "K/N", requires = "folds")]
    pub fold: Option<FoldNumber>,
}

/// `K/N` or `K`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoldNumber {
    number: usize,
    of: Option<usize>,
}

impl FromStr for FoldNumber {
    type Err = String;

    fn from_str(text: &str) -> Result<FoldNumber, String> {
        let (number, of) = text.split_once('/').map_or((text, None), |(k, n)| (k, Some(n)));
        let of = of.map(str::parse).transpose();
        match (number.parse(), of) {
            (Ok(number), Ok(of)) if number > 0 => Ok(FoldNumber { number, of }),
            _ => Err(format!("{text:?} is no fold; accepted: K or K/N, such as 2/5")),
        }
    }
}

impl FoldArgs {
    /// The folds to go through, by number from 1: the one that was asked for, or all that have persons in `data`.
    pub fn numbers(&self, folds: Folds, data: &Stills) -> Result<Vec<usize>> {
        let Some(FoldNumber { number, of }) = self.fold else {
            let mut present: Vec<usize> = folds.of_samples(data)?.into_iter().map(|fold| fold + 1).collect();
            present.sort_unstable();
            present.dedup();
            return Ok(present);
        };
        match of {
            Some(of) if of != folds.count() => {
                bail!("fold is {number}/{of}; `{folds}` has {} folds", folds.count())
            }
            _ => Ok(vec![number]),
        }
    }
}

/// What a checkpoint was trained on.
#[derive(Debug, Serialize, Deserialize)]
pub struct TrainedOn {
    /// Name of the folds.
    folds: String,
    /// The fold that it has not seen.
    fold: usize,
    /// The shards' jobs.
    jobs: Vec<String>,
}

impl TrainedOn {
    pub fn new(folds: Folds, fold: usize, data: &Stills) -> TrainedOn {
        let jobs = data.shards().iter().map(|s| s.info().job.clone()).collect();
        TrainedOn { folds: folds.to_string(), fold, jobs }
    }

    /// Writes the note into the folder of a run.
    pub fn write(&self, run: &Path) -> Result<()> {
        std::fs::create_dir_all(run).with_context(|| run.display().to_string())?;
        let path = run.join(NOTE);
        std::fs::write(&path, serde_json::to_vec_pretty(self)?).with_context(|| path.display().to_string())
    }

    /// Refuses to score `checkpoint` on a part of `data` that its folds trained it on. Whether a run without folds, in whose folder
    /// it lies, learnt from `data`.
    pub fn check(checkpoint: &Path, data: &Stills, fold: Option<(Folds, usize)>) -> Result<bool> {
        let path = checkpoint.with_file_name(NOTE);
        let Ok(bytes) = std::fs::read(&path) else {
            return Ok(RunOf::beside(checkpoint)?.is_some_and(|run| run.shares(data)));
        };
        let note: TrainedOn = serde_json::from_slice(&bytes).with_context(|| path.display().to_string())?;
        let same_data = data.shards().iter().any(|s| note.jobs.contains(&s.info().job));
        let unseen = fold.is_some_and(|(folds, k)| folds.to_string() == note.folds && k == note.fold);
        if same_data && !unseen {
            let (name, folds, fold) = (checkpoint.display(), &note.folds, note.fold);
            bail!(
                "{name} was trained on this data, all but fold {fold} of `{folds}`; score it with `--folds {folds} --fold {fold}`"
            );
        }
        Ok(false)
    }
}

/// Says of a model that learnt from what it is scored on what its scores are worth.
pub fn warn_trained_on(model: &Path) {
    let name = model.display();
    eprintln!("warning: {name} was trained on this very data: these scores say nothing of other people");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fold_is_a_number_and_how_many_there_are() {
        assert_eq!("2/5".parse(), Ok(FoldNumber { number: 2, of: Some(5) }));
        assert_eq!("3".parse(), Ok(FoldNumber { number: 3, of: None }));
        for wrong in ["", "0/5", "a/5", "1/b", "1/2/3"] {
            assert!(wrong.parse::<FoldNumber>().is_err(), "{wrong}");
        }
    }
}
