//! Answers of any kind of model to a whole data set.

use crate::read_checkpoint;
use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use mtcae_contract::Precision;
use mtcae_data::{FACE_MARGIN, Stills, Stored};
use mtcae_network::{Network, NetworkConfig};
use mtcae_train::{Answered, ClipAnswer, Place, State, View, Weights, answered, answers, board_answers};
use std::path::Path;

/// Answers beside the truth, and the temperature that the model's manifest says.
pub struct Answers {
    pub answered: Vec<Answered>,
    pub temperature: f32,
}

/// How a model is asked.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// File of a model folder.
    pub precision: Precision,
    /// Each clip also in a mirror.
    pub mirror: bool,
    /// Boxes and landmarks, too, come from faces in the middle: half the time, and of little worth.
    pub centred: bool,
    /// Threads.
    pub workers: usize,
}

impl How {
    /// How often each sample of `data` is answered: expressions in the middle, boxes and landmarks off it.
    pub fn passes(&self, data: &Stills) -> usize {
        if around_faces(data) && !self.centred { 2 } else { 1 }
    }
}

/// Whether `data` shows squares around faces, and no whole frames alone.
pub fn around_faces(data: &Stills) -> bool {
    data.shards().iter().any(|s| s.info().stored == Stored::Face)
}

/// Refuses a folder of `mtcae train` in the place of a model folder, with what to score instead.
pub fn check_no_run(path: &Path) -> Result<()> {
    if path.is_dir() && !path.join("manifest.toml").exists() {
        let (name, one) = (path.display(), path.join("checkpoint.safetensors"));
        if one.exists() {
            bail!("{name} is a run of `mtcae train`, no model folder; score {}", one.display());
        }
        if std::fs::read_dir(path)?.flatten().any(|e| e.file_name().to_string_lossy().starts_with("fold-")) {
            bail!("{name} holds a run for each fold; score it with the `--folds NAME` that it was trained with");
        }
    }
    Ok(())
}

/// What the model at `path`, a checkpoint or a model folder, answers to `data`: expressions of faces in the middle, boxes and
/// landmarks of faces off it.
pub fn model_answers(path: &Path, how: How, data: &Stills, done: &(dyn Fn(u64) + Sync)) -> Result<Answers> {
    let mut answers = seen_answers(path, how, data, View::centred, done)?;
    if how.passes(data) == 1 {
        return Ok(answers);
    }
    if answers.answered.iter().all(|a| a.ious.is_empty()) {
        done(data.len() as u64);
        return Ok(answers);
    }
    let off = seen_answers(path, how, data, View::off_centre, done)?;
    answers.answered.iter_mut().zip(off.answered).for_each(|(one, off)| one.take_boxes(off));
    Ok(answers)
}

/// The same in one view.
fn seen_answers(
    path: &Path,
    how: How,
    data: &Stills,
    view: fn(f32) -> View,
    done: &(dyn Fn(u64) + Sync),
) -> Result<Answers> {
    let How { precision, mirror, workers, .. } = how;
    let (answers, view, temperature) = if path.is_dir() {
        let (manifest, view, answers) = board_answers(path, precision, mirror, data, view, workers, done)?;
        (answers, view, manifest.temperature)
    } else if mirror {
        bail!("{}: `--mirror` was given with a checkpoint; accepted: a model folder", path.display());
    } else {
        let checkpoint = read_checkpoint(path)?;
        let (has, needs) = (checkpoint.config.classes, data.labels().len());
        if has != needs {
            let data = data.labels().labels();
            bail!("{}: the network has {has} classes, the data {needs}, {data:?}", path.display());
        }
        checkpoint.check_labels(data.labels().labels()).with_context(|| path.display().to_string())?;
        let state = State::from_checkpoint(&checkpoint)?;
        let view = view(FACE_MARGIN);
        let device = Place::Cpu.open()?;
        let answers = all_answers(&checkpoint.config, &state, (data, view), false, workers, &device, done)?;
        (answers, view, 1.0)
    };
    let answered = answers.iter().enumerate().map(|(i, a)| answered(data, i, a, view)).collect();
    Ok(Answers { answered, temperature })
}

/// Answers to `data`, framed as the view says, in `workers` threads, a few clips at a time; on a card in one. `done` is told how many
/// more samples are answered.
pub fn all_answers(
    config: &NetworkConfig,
    state: &State,
    (data, view): (&Stills, View),
    still: bool,
    workers: usize,
    device: &Device,
    done: &(dyn Fn(u64) + Sync),
) -> Result<Vec<ClipAnswer>> {
    let network = Network::new(config.clone())?;
    let workers = if *device == Place::Cpu.open()? { workers } else { 1 };
    let step = if still { 64 } else { 8 };
    let share = data.len().div_ceil(workers);
    let part = |w: usize| {
        let weights = Weights::averaged(&state.slots, device);
        let end = ((w + 1) * share).min(data.len());
        let starts = (w * share..end).step_by(step);
        let some = |i: usize| {
            let samples = i..(i + step).min(end);
            let n = samples.len() as u64;
            let answers = answers(&network, &weights, data, samples, view, still);
            done(n);
            answers
        };
        starts.flat_map(some).collect::<Vec<_>>()
    };
    let part = &part;
    Ok(std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|w| scope.spawn(move || part(w))).collect();
        threads.into_iter().flat_map(|t| t.join().unwrap_or_else(|p| std::panic::resume_unwind(p))).collect()
    }))
}
