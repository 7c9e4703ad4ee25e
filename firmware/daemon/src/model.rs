//! Opening the model, its engine and the face detector that a board file names.

use crate::DaemonError;
use crate::settings::detector_config;
use mtcae_board_configs::{Board, EngineChoice, PrecisionChoice};
use mtcae_contract::{Clip, Manifest, Precision, Rect};
use mtcae_core::{Engine, EngineError, FaceFinder};
use mtcae_drivers::{MtcnnFinder, TractEngine};
use std::path::Path;
use std::time::Instant;

/// What the inference thread thinks with.
pub(crate) struct Minds {
    pub engine: Box<dyn Engine>,
    pub finder: Box<dyn FaceFinder>,
}

/// A model that was opened and has run once.
pub(crate) struct Opened {
    pub minds: Minds,
    pub manifest: Manifest,
    pub engine_name: String,
    pub precision: String,
    /// Time of a run on a black clip, milliseconds.
    pub trial_ms: f32,
}

impl Opened {
    pub fn open(board: &Board) -> Result<Opened, DaemonError> {
        only_tract(board.model.engine)?;
        let precision = precision(board.model.precision);
        let model = |e: EngineError| DaemonError::Model(e.to_string());
        let folder = Path::new(&board.model.path);
        let mut engine = TractEngine::load(folder, precision, board.model.threads as usize).map_err(model)?;
        let manifest = engine.manifest().clone();
        let spec = manifest.clip;
        let bytes = vec![0; spec.frames * spec.size * spec.size * 3];
        let clip = Clip { bytes, frames: spec.frames, size: spec.size, crop: Rect::default() };
        let begin = Instant::now();
        let raw = engine.infer(&clip).map_err(model)?;
        let trial_ms = begin.elapsed().as_secs_f32() * 1e3;
        raw.validate(spec.frames, manifest.labels.len())
            .map_err(|e| DaemonError::Model(format!("model in {}: {e}; export it again", folder.display())))?;
        let finder = MtcnnFinder::new(detector_config(board)).map_err(model)?;
        Ok(Opened {
            engine_name: engine.name().to_owned(),
            minds: Minds { engine: Box::new(engine), finder: Box::new(finder) },
            manifest,
            precision: format!("{precision:?}").to_lowercase(),
            trial_ms,
        })
    }
}

/// This build has one engine; asking for another by name is refused, never silently replaced.
fn only_tract(choice: EngineChoice) -> Result<(), DaemonError> {
    match choice {
        EngineChoice::Auto | EngineChoice::Tract => Ok(()),
        EngineChoice::Cuda | EngineChoice::Tensorrt | EngineChoice::CpuOrt => Err(DaemonError::Configuration(format!(
            "model.engine is \"{choice}\"; this build has no such engine; accepted: \"auto\", \"tract\""
        ))),
    }
}

/// tract runs fp32 best, so that is what `auto` means.
fn precision(choice: PrecisionChoice) -> Precision {
    match choice {
        PrecisionChoice::Auto | PrecisionChoice::Fp32 => Precision::Fp32,
        PrecisionChoice::Fp16 => Precision::Fp16,
        PrecisionChoice::Int8 => Precision::Int8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_that_are_not_there_are_refused_by_name() {
        assert!(only_tract(EngineChoice::Auto).is_ok());
        let refused = only_tract(EngineChoice::Tensorrt).unwrap_err();
        assert_eq!(refused.exit_code(), 2);
        insta::assert_snapshot!(refused, @r#"model.engine is "tensorrt"; this build has no such engine; accepted: "auto", "tract""#);
    }
}
