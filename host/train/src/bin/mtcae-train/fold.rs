//! `--folds` and `--fold`, and the note beside a checkpoint that says which persons it knows.

use crate::learnt::{Learnt, Seen, home};
use anyhow::{Context, Result, bail};
use mtcae_data::{Folds, Stills};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::str::FromStr;

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

/// Of what fold a checkpoint is.
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
    /// The note's name.
    pub const FILE: &str = "fold.json";

    pub fn new(folds: Folds, fold: usize, data: &Stills) -> TrainedOn {
        let jobs = data.shards().iter().map(|s| s.info().job.clone()).collect();
        TrainedOn { folds: folds.to_string(), fold, jobs }
    }

    /// Writes the note into the folder of a run.
    pub fn write(&self, run: &Path) -> Result<()> {
        let path = run.join(TrainedOn::FILE);
        std::fs::write(&path, serde_json::to_vec_pretty(self)?).with_context(|| path.display().to_string())
    }

    /// The note in a folder, if there is one.
    pub fn read(folder: &Path) -> Result<Option<TrainedOn>> {
        let path = folder.join(TrainedOn::FILE);
        let Ok(bytes) = std::fs::read(&path) else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).with_context(|| path.display().to_string())
    }

    /// The shards' jobs.
    pub fn jobs(&self) -> &[String] {
        &self.jobs
    }

    /// Whether it has not seen this very fold.
    pub fn is_of(&self, (folds, fold): (Folds, usize)) -> bool {
        folds.to_string() == self.folds && fold == self.fold
    }
}

/// Refuses to score `model` on `samples`, those of a `fold` or others, when its folds trained it on them. What it knows of them
/// otherwise.
pub fn check_model(model: &Path, samples: &Stills, fold: Option<(Folds, usize)>) -> Result<Seen> {
    let seen = Learnt::of(model, fold)?.seen(samples);
    match TrainedOn::read(&home(model))? {
        Some(TrainedOn { folds, fold, .. }) if seen.labelled.is_same_people() => bail!(
            "{} was trained on this data, all but fold {fold} of `{folds}`; score it with `--folds {folds} --fold {fold}`",
            model.display()
        ),
        _ => Ok(seen),
    }
}

/// Refuses to begin with weights that were trained on what is `tested` on, by a `fold` or else; says so where that was without labels.
pub fn check_init(init: &Path, tested: &Stills, fold: Option<(Folds, usize)>) -> Result<()> {
    let seen = Learnt::of(init, fold)?.seen(tested);
    if seen.labelled.is_same_people() {
        let by = fold.map_or("--test".to_owned(), |(folds, k)| format!("fold {k} of `{folds}`"));
        bail!(
            "--init {} was trained on persons or pictures of {} of {by}; accepted: weights that know none of them, such as those of the \
             same fold",
            init.display(),
            seen.labelled.told()
        );
    }
    seen.warn(init);
    Ok(())
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
