//! `mtcae-train evaluate`.

use crate::answer::{How, check_no_run, model_answers};
use crate::bar::Bar;
use crate::fold::{FoldArgs, check_model};
use crate::learnt::Seen;
use crate::page;
use crate::shared::WithoutArgs;
use crate::value::at_least_one;
use crate::{labelled_for, open, precision};
use anyhow::{Context, Result, bail};
use mtcae_contract::{Expression, LabelError, Precision};
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
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = expression)]
    classes: Vec<Expression>,
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

/// What one model is asked: a fold, or everything.
struct Part {
    /// Nothing without folds.
    name: String,
    model: PathBuf,
    fold: Option<(Folds, usize)>,
    samples: Vec<usize>,
}

/// The answers to each part, by its name.
struct Found {
    parts: Vec<(String, Vec<Answered>)>,
    temperature: f32,
    left_out: usize,
    seen: Seen,
}

impl Args {
    /// Answers all samples, prints the scores, writes the page.
    pub fn run(&self) -> Result<()> {
        page::check(self.html.as_deref())?;
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
            trained_on: found.seen.labelled.is_same_people(),
            pretrained_on: found.seen.unlabelled.is_any(),
        };
        let report = Report::new(subject, &found.parts);
        match self.json {
            true => sayln!("{}", report.json()),
            false => say!("{}", report.text()),
        }
        if let Some(path) = &self.html {
            page::write(path, &report.html())?;
        }
        Ok(())
    }

    fn how(&self, precision: Precision) -> How {
        How { precision, mirror: self.mirror, centred: self.centred, workers: self.workers }
    }

    /// Who is asked what. Persons are divided before anything is left out: who is in which fold must not change by it.
    fn parts(&self, data: &Stills) -> Result<Vec<Part>> {
        let Some(folds) = self.fold.folds else {
            let [model] = &self.models[..] else {
                bail!("{} models and no folds; accepted: one model, or `--folds NAME`", self.models.len())
            };
            let samples = (0..data.len()).collect();
            return Ok(vec![Part { name: String::new(), model: model.clone(), fold: None, samples }]);
        };
        let numbers = self.fold.numbers(folds, data)?;
        let models = models_of_folds(&self.models, &numbers, folds)?;
        let part = |(k, model): (usize, PathBuf)| {
            let name = format!("fold {k}/{}", folds.count());
            Ok(Part { name, model, fold: Some((folds, k)), samples: folds.fold(data, k)?.test })
        };
        numbers.into_iter().zip(models).map(part).collect()
    }

    /// Everything that may be refused is, before the first answer, which may be minutes away from the last.
    fn answers(&self, data: &Stills) -> Result<Found> {
        let (mut parts, kept, classes) = (self.parts(data)?, self.without.kept(data)?, self.kept_classes(data)?);
        let mut found = Found { parts: Vec::new(), temperature: 1.0, left_out: 0, seen: Seen::default() };
        for Part { model, fold, samples, .. } in &mut parts {
            check_no_run(model)?;
            let all = samples.len();
            samples.retain(|i| kept.as_ref().is_none_or(|kept| kept[*i]));
            found.left_out += all - samples.len();
            let rest = data.select(samples).context("--without leaves no sample")?;
            found.seen = found.seen.and(check_model(model, &rest, *fold)?);
            samples.retain(|i| classes[data.sample(*i).label]);
            if samples.is_empty() {
                let names: Vec<&str> = self.classes.iter().map(|class| class.name()).collect();
                bail!("no sample is of --classes {}", names.join(","));
            }
        }
        if let Some(model) = self.models.first() {
            found.seen.warn(model);
        }
        let looks = parts.iter().map(|p| p.samples.len()).sum::<usize>() * self.how(Precision::Fp32).passes(data);
        let bar = Bar::new(looks, "samples", "")?;
        for Part { name, model, samples, .. } in parts {
            let (mut answered, temperature) = self.one(&model, &data.select(&samples)?, &bar)?;
            for logits in answered.iter_mut().map(|a| &mut a.logits) {
                logits.iter_mut().zip(&classes).filter(|(_, kept)| !**kept).for_each(|(l, _)| *l = f32::NEG_INFINITY);
            }
            found.temperature = temperature;
            found.parts.push((name, answered));
        }
        bar.clear();
        Ok(found)
    }

    fn one(&self, model: &Path, data: &Stills, bar: &Bar) -> Result<(Vec<Answered>, f32)> {
        let file = if model.is_dir() { precision(model, &self.precision)? } else { Precision::Fp32 };
        let answers = model_answers(model, self.how(file), data, &|n| bar.inc(n))?;
        Ok((answers.answered, answers.temperature))
    }

    /// Of each label whether it is asked for: those that were named, or all.
    fn kept_classes(&self, data: &Stills) -> Result<Vec<bool>> {
        let labels = data.labels().labels();
        if let Some(odd) = self.classes.iter().find(|class| !labels.contains(class)) {
            let names: Vec<&str> = labels.iter().map(|l| l.name()).collect();
            bail!("--classes names `{}`; accepted: {}", odd.name(), names.join(", "));
        }
        if let [only] = self.classes[..] {
            bail!("--classes names `{}` alone, and one answer is always right; accepted: two or more", only.name());
        }
        Ok(labels.iter().map(|label| self.classes.is_empty() || self.classes.contains(label)).collect())
    }
}

/// An expression, with blanks around it as in `happy, sad`.
fn expression(text: &str) -> Result<Expression, String> {
    text.trim().parse().map_err(|e: LabelError| e.to_string())
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
