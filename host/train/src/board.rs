//! A model folder's answers as a board would give them: its engine, its preprocessing, its decoding.

use crate::clips::still_clip;
use crate::error::TrainError;
use crate::evaluate::StillAnswer;
use mtcae_contract::{Clip, Cropper, Framing, LANDMARKS, Manifest, Precision};
use mtcae_core::Engine;
use mtcae_data::{StillRef, Stills};
use mtcae_drivers::{ModelFile, TractEngine, read_manifest};
use std::path::Path;

/// Answers of the model in `folder` to all of `data`, each still repeated for all frames of a clip, in `workers` threads.
/// `done` is told how many more samples are answered.
///
/// # Errors
/// When the model cannot be used, does not fit `data`, or a run fails.
pub fn board_answers(
    folder: &Path,
    precision: Precision,
    data: &Stills,
    workers: usize,
    done: &(dyn Fn(u64) + Sync),
) -> Result<(Manifest, Vec<StillAnswer>), TrainError> {
    face_margin(&read_manifest(folder).map_err(model)?, data)?;
    let file = ModelFile::read(folder, precision).map_err(model)?;
    let all: Vec<usize> = (0..data.len()).collect();
    let answers = file_answers(&file, data, &all, workers, done)?;
    Ok((file.manifest, answers))
}

/// The same of a model file in memory to some `samples` of `data`, in their order.
///
/// # Errors
/// As [`board_answers`].
pub fn file_answers(
    file: &ModelFile,
    data: &Stills,
    samples: &[usize],
    workers: usize,
    done: &(dyn Fn(u64) + Sync),
) -> Result<Vec<StillAnswer>, TrainError> {
    answers_to(file, data, samples, workers, &|i, answer| answer(&data.sample(i)), done)
}

/// What becomes of a sample before it is answered: calls once with what the model is to see.
pub type Show<'a> = dyn Fn(usize, &mut dyn FnMut(&StillRef<'_>) -> Result<StillAnswer, TrainError>) -> Result<StillAnswer, TrainError>
    + Sync
    + 'a;

/// The same where `show` says what is seen of each sample.
///
/// # Errors
/// As [`board_answers`].
pub fn answers_to(
    file: &ModelFile,
    data: &Stills,
    samples: &[usize],
    workers: usize,
    show: &Show<'_>,
    done: &(dyn Fn(u64) + Sync),
) -> Result<Vec<StillAnswer>, TrainError> {
    let margin = face_margin(&file.manifest, data)?;
    let share = samples.len().div_ceil(workers.max(1)).max(1);
    let part = |samples: &[usize]| -> Result<Vec<StillAnswer>, TrainError> {
        let mut engine = TractEngine::load_file(file, 1).map_err(model)?;
        let mut cropper = Cropper::new();
        let spec = file.manifest.clip;
        let mut answer = |still: &StillRef<'_>| {
            let bytes = still_clip(still, margin, spec, &mut cropper);
            let clip = Clip { bytes, frames: spec.frames, size: spec.size, crop: Default::default() };
            let raw = engine.infer(&clip).map_err(model)?;
            done(1);
            let newest = |values: &[f32], n: usize| values[values.len() - n..].to_vec();
            Ok(StillAnswer {
                face: newest(&raw.boxes, 4),
                landmarks: newest(&raw.landmarks, 2 * LANDMARKS),
                logits: raw.logits,
            })
        };
        samples.iter().map(|i| show(*i, &mut answer)).collect()
    };
    let part = &part;
    let parts: Result<Vec<_>, _> = std::thread::scope(|scope| {
        let threads: Vec<_> = samples.chunks(share).map(|samples| scope.spawn(move || part(samples))).collect();
        threads.into_iter().map(|t| t.join().unwrap_or_else(|p| std::panic::resume_unwind(p))).collect()
    });
    Ok(parts?.into_iter().flatten().collect())
}

/// The margin of the model's framing.
///
/// # Errors
/// When the model's labels are not those of `data`, or it sees whole frames.
pub fn face_margin(manifest: &Manifest, data: &Stills) -> Result<f32, TrainError> {
    if manifest.labels != *data.labels() {
        let (has, needs) = (data.labels().labels(), manifest.labels.labels());
        return Err(TrainError::Model(format!(
            "model {}: its labels are {needs:?}, those of the data {has:?}; prepare the data with the model's labels",
            manifest.name
        )));
    }
    match manifest.framing {
        Framing::Face { margin } => Ok(margin),
        Framing::Whole => Err(TrainError::Model(format!(
            "model {}: its framing is `whole`; stills are evaluated with framing `face`",
            manifest.name
        ))),
    }
}

fn model(error: impl std::fmt::Display) -> TrainError {
    TrainError::Model(error.to_string())
}
