//! A model folder's answers as a board would give them: its engine, its preprocessing, its decoding.

use crate::batch::crop_still;
use crate::error::TrainError;
use crate::evaluate::StillAnswer;
use mtcae_contract::{Clip, Framing, LANDMARKS, Manifest, Precision};
use mtcae_core::Engine;
use mtcae_data::Stills;
use mtcae_drivers::{TractEngine, read_manifest};
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
    let manifest = read_manifest(folder).map_err(|e| TrainError::Model(e.to_string()))?;
    if manifest.labels != *data.labels() {
        let (has, needs) = (data.labels().labels(), manifest.labels.labels());
        return Err(TrainError::Model(format!(
            "{}: its labels are {needs:?}, those of the data {has:?}; prepare the data with the model's labels",
            folder.display()
        )));
    }
    let Framing::Face { margin } = manifest.framing else {
        return Err(TrainError::Model(format!(
            "{}: its framing is `whole`; stills are evaluated with framing `face`",
            folder.display()
        )));
    };
    let share = data.len().div_ceil(workers.max(1)).max(1);
    let part = |from: usize| -> Result<Vec<StillAnswer>, TrainError> {
        let mut engine = TractEngine::load(folder, precision, 1).map_err(|e| TrainError::Model(e.to_string()))?;
        let mut cropper = mtcae_contract::Cropper::new();
        let spec = manifest.clip;
        let answer = |i: usize| {
            let frame = crop_still(&data.sample(i), margin, spec.size, &mut cropper);
            let bytes = frame.repeat(spec.frames);
            let clip = Clip { bytes, frames: spec.frames, size: spec.size, crop: Default::default() };
            let raw = engine.infer(&clip).map_err(|e| TrainError::Model(e.to_string()))?;
            done(1);
            let newest = |values: &[f32], n: usize| values[values.len() - n..].to_vec();
            Ok(StillAnswer {
                face: newest(&raw.boxes, 4),
                landmarks: newest(&raw.landmarks, 2 * LANDMARKS),
                logits: raw.logits,
            })
        };
        (from..(from + share).min(data.len())).map(answer).collect()
    };
    let parts: Result<Vec<_>, _> = std::thread::scope(|scope| {
        let starts = (0..data.len()).step_by(share);
        let threads: Vec<_> = starts
            .map(|from| {
                scope.spawn({
                    let part = &part;
                    move || part(from)
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap_or_else(|p| std::panic::resume_unwind(p))).collect()
    });
    Ok((manifest, parts?.into_iter().flatten().collect()))
}
