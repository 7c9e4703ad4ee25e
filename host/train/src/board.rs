//! A model folder's answers as a board would give them: its engine, its preprocessing, its decoding.

use crate::clips::sample_clip;
use crate::error::TrainError;
use crate::evaluate::ClipAnswer;
use crate::view::View;
use mtcae_contract::{Clip, Cropper, Framing, Manifest, Precision};
use mtcae_core::{Engine, Mirrored};
use mtcae_data::{Stills, Stored};
use mtcae_drivers::{ModelFile, TractEngine, read_manifest};
use std::path::Path;

/// Answers of the model in `folder` to all of `data`, clips with their own frames, stills the same in all frames, in
/// `workers` threads; with `mirror` as a board with `model.mirror` answers; framed by a view of the model's margin that `view`
/// makes, which is given back. `done` is told how many more samples are answered.
///
/// # Errors
/// When the model cannot be used, does not fit `data`, or a run fails.
pub fn board_answers(
    folder: &Path,
    precision: Precision,
    mirror: bool,
    data: &Stills,
    view: fn(f32) -> View,
    workers: usize,
    done: &(dyn Fn(u64) + Sync),
) -> Result<(Manifest, View, Vec<ClipAnswer>), TrainError> {
    face_margin(&read_manifest(folder).map_err(model)?, data)?;
    let file = ModelFile::read(folder, precision).map_err(model)?;
    let all: Vec<usize> = (0..data.len()).collect();
    let view = view(face_margin(&file.manifest, data)?);
    let spec = file.manifest.clip;
    let clip = |i: usize, cropper: &mut Cropper| sample_clip(data, i, view, spec, cropper);
    let answers = looked_at(&file, mirror, &all, workers, &clip, done)?;
    Ok((file.manifest, view, answers))
}

/// The same of a model file in memory to some `samples` of `data`, in their order, framed as the view says.
///
/// # Errors
/// As [`board_answers`].
pub fn file_answers(
    file: &ModelFile,
    (data, view): (&Stills, View),
    samples: &[usize],
    workers: usize,
    done: &(dyn Fn(u64) + Sync),
) -> Result<Vec<ClipAnswer>, TrainError> {
    let spec = file.manifest.clip;
    answers_to(file, samples, workers, &|i, cropper| sample_clip(data, i, view, spec, cropper), done)
}

/// The same where `clip` gives what the model is to see of each sample: bytes `[T, S, S, 3]`.
///
/// # Errors
/// When the model cannot be used, or a run fails.
pub fn answers_to(
    file: &ModelFile,
    samples: &[usize],
    workers: usize,
    clip: &(dyn Fn(usize, &mut Cropper) -> Vec<u8> + Sync),
    done: &(dyn Fn(u64) + Sync),
) -> Result<Vec<ClipAnswer>, TrainError> {
    looked_at(file, false, samples, workers, clip, done)
}

fn looked_at(
    file: &ModelFile,
    mirror: bool,
    samples: &[usize],
    workers: usize,
    clip: &(dyn Fn(usize, &mut Cropper) -> Vec<u8> + Sync),
    done: &(dyn Fn(u64) + Sync),
) -> Result<Vec<ClipAnswer>, TrainError> {
    let share = samples.len().div_ceil(workers.max(1)).max(1);
    let part = |samples: &[usize]| -> Result<Vec<ClipAnswer>, TrainError> {
        let tract = TractEngine::load_file(file, 1).map_err(model)?;
        let mut engine: Box<dyn Engine> =
            if mirror { Box::new(Mirrored::new(Box::new(tract))) } else { Box::new(tract) };
        let mut cropper = Cropper::new();
        let spec = file.manifest.clip;
        let answer = |i: &usize| {
            let bytes = clip(*i, &mut cropper);
            let clip = Clip { bytes, frames: spec.frames, size: spec.size, crop: Default::default() };
            let raw = engine.infer(&clip).map_err(model)?;
            done(1);
            Ok(ClipAnswer { boxes: raw.boxes, landmarks: raw.landmarks, logits: raw.logits })
        };
        samples.iter().map(answer).collect()
    };
    let part = &part;
    let parts: Result<Vec<_>, _> = std::thread::scope(|scope| {
        let threads: Vec<_> = samples.chunks(share).map(|samples| scope.spawn(move || part(samples))).collect();
        threads.into_iter().map(|t| t.join().unwrap_or_else(|p| std::panic::resume_unwind(p))).collect()
    });
    Ok(parts?.into_iter().flatten().collect())
}

/// The margin of the model's framing; 0 where model and data are of whole frames.
///
/// # Errors
/// When the model's labels are not those of `data`, or one is of whole frames and the other is not.
pub fn face_margin(manifest: &Manifest, data: &Stills) -> Result<f32, TrainError> {
    let name = &manifest.name;
    if manifest.labels != *data.labels() {
        let (has, needs) = (data.labels().labels(), manifest.labels.labels());
        return Err(TrainError::Model(format!(
            "model {name}: its labels are {needs:?}, those of the data {has:?}; prepare the data with the model's labels"
        )));
    }
    let (margin, framing, wants) = match manifest.framing {
        Framing::Face { margin } => (margin, "face", Stored::Face),
        Framing::Whole => (0.0, "whole", Stored::Whole),
    };
    if data.shards().iter().any(|shard| shard.info().stored != wants) {
        let why = format!("model {name}: its framing is `{framing}`, that of the data is not");
        return Err(TrainError::Model(format!("{why}; prepare the data with `--framing {framing}`")));
    }
    Ok(margin)
}

fn model(error: impl std::fmt::Display) -> TrainError {
    TrainError::Model(error.to_string())
}
