//! MTCNN as a face finder, on tract.

use mtcae_contract::{Image, Rect};
use mtcae_core::{EngineError, FaceFinder, FoundFace};
use mtcae_detect::{Detection, Detector, DetectorConfig, TractNets};

/// Smallest overlap, as intersection over union, with the place where a followed face was.
const SAME_FACE: f32 = 0.2;

/// The shipped detector in the calling thread.
pub struct MtcnnFinder {
    detector: Detector<TractNets>,
}

impl MtcnnFinder {
    /// A finder that looks as hard as `config` says; [`DetectorConfig::fast`] suits a board.
    ///
    /// # Errors
    /// [`EngineError::Refused`] when a setting is out of its range or tract cannot read the networks.
    pub fn new(config: DetectorConfig) -> Result<MtcnnFinder, EngineError> {
        let refused = |e: mtcae_detect::DetectError| EngineError::Refused(e.to_string());
        let nets = TractNets::new().map_err(refused)?;
        Ok(MtcnnFinder { detector: Detector::new(nets, config).map_err(refused)? })
    }
}

impl FaceFinder for MtcnnFinder {
    fn find(&mut self, image: &Image) -> Result<Vec<FoundFace>, EngineError> {
        let found = self.detector.detect(image).map_err(|e| EngineError::Failed(e.to_string()))?;
        Ok(found.into_iter().map(face).collect())
    }

    /// One O-Net pass: the face may have moved by about a quarter of its size.
    fn follow(&mut self, image: &Image, near: Rect) -> Result<Option<FoundFace>, EngineError> {
        let found = self.detector.refine(image, &[near]).map_err(|e| EngineError::Failed(e.to_string()))?;
        Ok(found.into_iter().find(|d| d.face.iou(&near) >= SAME_FACE).map(face))
    }
}

fn face(d: Detection) -> FoundFace {
    FoundFace { face: d.face, score: d.score, landmarks: d.landmarks }
}
