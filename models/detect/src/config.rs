//! How hard the detector looks.

use crate::DetectError;

/// Settings of the cascade. Time grows with `1 / min_face^2` and with the number of candidates.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectorConfig {
    /// Smallest face to look for, pixels, 12 or more. Halving it costs four times the P-Net work.
    pub min_face: f32,
    /// Smallest face to look for as a fraction of the picture's shorter side, 0 to 1; the larger of the two rules. It
    /// keeps the cost the same whatever the camera's resolution.
    pub min_face_fraction: f32,
    /// Ratio of one pyramid level to the one before, 0.3 to 0.9. The levels together cost `1 / (1 - factor^2)` times
    /// the first: 2.0 times at 0.709, 1.3 times at 0.5 (which overlooks faces between two levels more often).
    pub scale_factor: f32,
    /// Face probability needed after P-, R- and O-Net, 0 to 1. A low first one costs R-Net work.
    pub thresholds: [f32; 3],
    /// Most candidates taken into R-Net, into O-Net, and returned; the most probable win. An O-Net crop costs many
    /// times an R-Net crop; the README has times.
    pub max_candidates: [usize; 3],
}

impl Default for DetectorConfig {
    /// MTCNN's usual thresholds; faces of 20 pixels and more. For annotating data.
    fn default() -> Self {
        DetectorConfig {
            min_face: 20.0,
            min_face_fraction: 0.0,
            scale_factor: 0.709,
            thresholds: [0.6, 0.7, 0.7],
            max_candidates: [512, 128, 32],
        }
    }
}

impl DetectorConfig {
    /// For a small CPU that looks at people in the same room: faces of an eighth of the picture's height and more, few
    /// candidates.
    pub fn fast() -> Self {
        DetectorConfig {
            min_face: 40.0,
            min_face_fraction: 0.125,
            scale_factor: 0.6,
            thresholds: [0.7, 0.7, 0.7],
            max_candidates: [48, 12, 4],
        }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// The first value outside its range.
    pub fn validate(&self) -> Result<(), DetectError> {
        let bad = |key, value: String, accepted| Err(DetectError::Config { key, value, accepted });
        if !(12.0..=4096.0).contains(&self.min_face) {
            return bad("min_face", self.min_face.to_string(), "12 to 4096 pixels");
        }
        if !(0.0..=1.0).contains(&self.min_face_fraction) {
            return bad("min_face_fraction", self.min_face_fraction.to_string(), "0 to 1");
        }
        if !(0.3..=0.9).contains(&self.scale_factor) {
            return bad("scale_factor", self.scale_factor.to_string(), "0.3 to 0.9");
        }
        if !self.thresholds.iter().all(|t| (0.0..=1.0).contains(t)) {
            return bad("thresholds", format!("{:?}", self.thresholds), "three numbers, 0 to 1");
        }
        if !self.max_candidates.iter().all(|n| (1..=4096).contains(n)) {
            return bad("max_candidates", format!("{:?}", self.max_candidates), "three numbers, 1 to 4096");
        }
        Ok(())
    }

    /// Sides of the pyramid's levels for a picture, and each level's scale, largest first.
    pub(crate) fn levels(&self, width: u32, height: u32) -> Vec<Level> {
        let short = f64::from(width.min(height));
        let min_face = f64::from(self.min_face).max(f64::from(self.min_face_fraction) * short);
        let mut scale = 12.0 / min_face;
        let mut levels = Vec::new();
        while short * scale >= 12.0 {
            let side = |s: u32| (f64::from(s) * scale).ceil() as usize;
            levels.push(Level { width: side(width), height: side(height), scale });
            scale *= f64::from(self.scale_factor);
        }
        levels
    }
}

/// One level of the pyramid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Level {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Level pixels per picture pixel.
    pub scale: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_shrink_until_a_face_fills_the_picture() {
        let levels = DetectorConfig::default().levels(640, 360);
        assert_eq!((levels[0].width, levels[0].height), (384, 216));
        assert!(levels.iter().all(|l| l.width.min(l.height) >= 12));
        assert_eq!(levels.len(), 9);
        assert!(DetectorConfig::default().levels(19, 640).is_empty());
    }

    #[test]
    fn the_fast_profile_costs_the_same_at_any_resolution() {
        let fast = DetectorConfig::fast();
        assert_eq!(fast.levels(640, 480)[0].height, fast.levels(1920, 1440)[0].height);
    }

    #[test]
    fn values_out_of_range_are_named() {
        let config = DetectorConfig { scale_factor: 1.0, ..Default::default() };
        assert_eq!(
            config.validate().unwrap_err().to_string(),
            "detector setting `scale_factor` is 1; accepted: 0.3 to 0.9"
        );
        assert!(DetectorConfig { min_face: f32::NAN, ..Default::default() }.validate().is_err());
        assert!(DetectorConfig { max_candidates: [0, 1, 1], ..Default::default() }.validate().is_err());
        DetectorConfig::fast().validate().unwrap();
    }
}
