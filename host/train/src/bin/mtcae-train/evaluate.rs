//! `mtcae-train evaluate`.

use crate::answer::{How, check_no_run, model_answers};
use crate::fold::{FoldArgs, TrainedOn, warn_trained_on};
use crate::shared::WithoutArgs;
use crate::value::at_least_one;
use crate::{labelled_for, open, precision};
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use mtcae_contract::Precision;
use mtcae_data::{Folds, Stills};
use mtcae_train::{Answered, Report, Subject};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
#[command(after_help = "\
With --folds, each model is scored on the fold that it has not seen: MODEL is the --out folder of `train --folds`, or one \
model for each fold in their order. A single model is scored on every fold, which is right for one that was trained on none of this \
data. Intervals are bootstraps over persons.

Expressions are scored with the face in the middle of what the network sees; boxes and landmarks with the face off the middle, as \
far as a board's may be, since a box that is always the same is nearly right in the middle. What such a box would score is said.

Examples:
  mtcae evaluate models/zoo/edge --data shards/fer-test --without shards/fer-train
  mtcae train --recipe paper.toml --data shards/ravdess --folds paper-5fold --out run
  mtcae evaluate run --data shards/ravdess --folds paper-5fold --html run/report.html")]
pub struct Args {
    /// Checkpoint (safetensors), computed by the trainer; or model folder, computed by the board's engine and preprocessing.
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<PathBuf>,
    /// Shards to score on.
    #[arg(long = "data", required = true)]
    data: Vec<PathBuf>,
    #[command(flatten)]
    fold: FoldArgs,
    /// File of the model folder to run; auto is fp32, or int8 where that is all there is.
    #[arg(long, default_value = "auto", value_parser = ["auto", "fp32", "int8"])]
    precision: String,
    /// Each clip of a model folder also in a mirror, and both answers averaged, as on a board with `model.mirror`.
    #[arg(long)]
    mirror: bool,
    #[command(flatten)]
    without: WithoutArgs,
    /// Faces in the middle for boxes and landmarks, too, as older figures are: half the time, and of little worth.
    #[arg(long)]
    centred: bool,
    /// Only samples of these expressions, and only these for an answer: a question among fewer. Commas between.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    classes: Vec<String>,
    /// Processor cores to use.
    #[arg(long, default_value_t = 2, value_parser = at_least_one)]
    workers: usize,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Write a page with plots to this file, too.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// A fold's name and the answers to it.
type Part = (String, Vec<Answered>);

/// The answers to each fold, or to everything.
struct Found {
    parts: Vec<Part>,
    temperature: f32,
    left_out: usize,
    trained_on: bool,
}

impl Args {
    /// Answers all samples, prints the scores, writes the page.
    pub fn run(&self) -> Result<()> {
        let mut data = open(&self.data)?;
        if let Some(model) = self.models.first() {
            data = labelled_for(model, data)?;
        }
        let found = self.answers(&data)?;
        let names = |paths: &[PathBuf]| paths.iter().map(|p| p.display().to_string()).collect();
        let subject = Subject {
            models: names(&self.models),
            data: names(&self.data),
            folds: self.fold.folds.map(|f| f.to_string()),
            labels: data.labels().labels().iter().map(|l| l.name().to_owned()).collect(),
            temperature: found.temperature,
            clips: data.frames(0) > 1,
            off_centre: self.how(Precision::Fp32).passes(&data) > 1,
            left_out: self.without.is_given().then_some(found.left_out),
            trained_on: found.trained_on,
        };
        let report = Report::new(subject, &found.parts);
        match self.json {
            true => sayln!("{}", report.json()),
            false => say!("{}", report.text()),
        }
        if let Some(path) = &self.html {
            let partial = path.with_extension("partial");
            let written = std::fs::write(&partial, report.html()).and_then(|()| std::fs::rename(&partial, path));
            written.with_context(|| format!("write {}", path.display()))?;
        }
        Ok(())
    }

    fn how(&self, precision: Precision) -> How {
        How { precision, mirror: self.mirror, centred: self.centred, workers: self.workers }
    }

    fn answers(&self, data: &Stills) -> Result<Found> {
        let Some(folds) = self.fold.folds else {
            let [model] = &self.models[..] else {
                bail!("{} models and no folds; accepted: one model, or `--folds NAME`", self.models.len())
            };
            let trained_on = TrainedOn::check(model, data, None)?;
            if trained_on {
                warn_trained_on(model);
            }
            let (data, left_out) = self.without.leave_out(data.clone())?;
            let bar = self.bar(&data)?;
            let (answered, temperature) = self.one(model, &data, &bar)?;
            bar.finish_and_clear();
            return Ok(Found { parts: vec![(String::new(), answered)], temperature, left_out, trained_on });
        };
        let numbers = self.fold.numbers(folds, data)?;
        let models = models_of_folds(&self.models, &numbers, folds)?;
        let kept = self.without.kept(data)?;
        let bar = self.bar(data)?;
        let mut found = Found { parts: Vec::new(), temperature: 1.0, left_out: 0, trained_on: false };
        for (k, model) in numbers.into_iter().zip(models) {
            if TrainedOn::check(&model, data, Some((folds, k)))? && !found.trained_on {
                warn_trained_on(&model);
                found.trained_on = true;
            }
            // Persons are divided before pictures are left out: who is in which fold must not change by it.
            let mut test = folds.fold(data, k)?.test;
            let all = test.len();
            test.retain(|i| kept.as_ref().is_none_or(|kept| kept[*i]));
            found.left_out += all - test.len();
            let (answered, temperature) = self.one(&model, &data.select(&test)?, &bar)?;
            found.temperature = temperature;
            found.parts.push((format!("fold {k}/{}", folds.count()), answered));
        }
        bar.finish_and_clear();
        Ok(found)
    }

    fn bar(&self, data: &Stills) -> Result<ProgressBar> {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} samples, {per_sec}, {eta} left")?;
        let looks = data.len() * self.how(Precision::Fp32).passes(data);
        Ok(ProgressBar::new(looks as u64).with_style(style))
    }

    fn one(&self, model: &Path, data: &Stills, bar: &ProgressBar) -> Result<(Vec<Answered>, f32)> {
        check_no_run(model)?;
        let file = if model.is_dir() { precision(model, &self.precision)? } else { Precision::Fp32 };
        let answers = model_answers(model, self.how(file), data, &|n| bar.inc(n))?;
        Ok((self.among(answers.answered, data)?, answers.temperature))
    }

    /// The samples of the classes that were named, with no other class for an answer; all where none was named.
    fn among(&self, answered: Vec<Answered>, data: &Stills) -> Result<Vec<Answered>> {
        if self.classes.is_empty() {
            return Ok(answered);
        }
        let names: Vec<&str> = data.labels().labels().iter().map(|l| l.name()).collect();
        if let Some(odd) = self.classes.iter().find(|class| !names.contains(&class.as_str())) {
            bail!("--classes names `{odd}`; accepted: {}", names.join(", "));
        }
        let kept: Vec<bool> = names.iter().map(|name| self.classes.iter().any(|class| class == name)).collect();
        let mut some: Vec<Answered> = answered.into_iter().filter(|a| kept[a.label]).collect();
        for answer in &mut some {
            answer.logits.iter_mut().zip(&kept).filter(|(_, kept)| !**kept).for_each(|(l, _)| *l = f32::NEG_INFINITY);
        }
        match some.is_empty() {
            true => bail!("no sample is of --classes {}", self.classes.join(",")),
            false => Ok(some),
        }
    }
}

/// The model of each fold: from a folder of runs, from as many models as there are folds, or one for all of them.
fn models_of_folds(models: &[PathBuf], numbers: &[usize], folds: Folds) -> Result<Vec<PathBuf>> {
    let [one] = models else {
        if models.len() != numbers.len() {
            bail!(
                "{} models for {} folds of `{folds}`; accepted: a model for each, or one that was trained on none of them",
                models.len(),
                numbers.len()
            );
        }
        return Ok(models.to_vec());
    };
    let of = |k: usize| one.join(format!("fold-{k}")).join("checkpoint.safetensors");
    if !numbers.iter().any(|k| of(*k).exists()) {
        return Ok(vec![one.clone(); numbers.len()]);
    }
    match numbers.iter().find(|k| !of(**k).exists()) {
        Some(k) => bail!("{} is not there; train it with `mtcae train --folds {folds} --fold {k}`", of(*k).display()),
        None => Ok(numbers.iter().map(|k| of(*k)).collect()),
    }
}
