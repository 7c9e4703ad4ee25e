//! Answers of any kind of model to a whole data set.

use crate::read_checkpoint;
use anyhow::{Result, bail};
use burn::tensor::Device;
use mtcae_contract::Precision;
use mtcae_data::{FACE_MARGIN, Stills};
use mtcae_network::{Network, NetworkConfig};
use mtcae_train::{Answered, ClipAnswer, Place, State, Weights, answered, answers, board_answers, face_margin};
use std::path::Path;

/// Answers beside the truth, and the temperature that the model's manifest says.
pub struct Answers {
    pub answered: Vec<Answered>,
    pub temperature: f32,
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

/// What the model at `path`, a checkpoint or a model folder, answers to `data`.
pub fn model_answers(
    path: &Path,
    (precision, mirror): (Precision, bool),
    data: &Stills,
    workers: usize,
    done: &(dyn Fn(u64) + Sync),
) -> Result<Answers> {
    let (answers, margin, temperature) = if path.is_dir() {
        let (manifest, answers) = board_answers(path, precision, mirror, data, workers, done)?;
        (answers, face_margin(&manifest, data)?, manifest.temperature)
    } else if mirror {
        bail!("{}: `--mirror` was given with a checkpoint; accepted: a model folder", path.display());
    } else {
        let checkpoint = read_checkpoint(path)?;
        let (has, needs) = (checkpoint.config.classes, data.labels().len());
        if has != needs {
            let data = data.labels().labels();
            bail!("{}: the network has {has} classes, the data {needs}, {data:?}", path.display());
        }
        let state = State::from_checkpoint(&checkpoint)?;
        let answers = all_answers(&checkpoint.config, &state, data, false, workers, &Place::Cpu.open()?)?;
        done(data.len() as u64);
        (answers, FACE_MARGIN, 1.0)
    };
    let answered = answers.iter().enumerate().map(|(i, a)| answered(data, i, a, margin)).collect();
    Ok(Answers { answered, temperature })
}

/// Answers in `workers` threads, a few clips at a time; on a card in one.
pub fn all_answers(
    config: &NetworkConfig,
    state: &State,
    data: &Stills,
    still: bool,
    workers: usize,
    device: &Device,
) -> Result<Vec<ClipAnswer>> {
    let network = Network::new(config.clone())?;
    let workers = if *device == Place::Cpu.open()? { workers } else { 1 };
    let step = if still { 64 } else { 8 };
    let share = data.len().div_ceil(workers);
    let part = |w: usize| {
        let weights = Weights::averaged(&state.slots, device);
        let end = ((w + 1) * share).min(data.len());
        let starts = (w * share..end).step_by(step);
        starts.flat_map(|i| answers(&network, &weights, data, i, (i + step).min(end), still)).collect::<Vec<_>>()
    };
    let part = &part;
    Ok(std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|w| scope.spawn(move || part(w))).collect();
        threads.into_iter().flat_map(|t| t.join().unwrap_or_else(|p| std::panic::resume_unwind(p))).collect()
    }))
}
