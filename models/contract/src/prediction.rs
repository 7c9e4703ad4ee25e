//! From the network's numbers to an answer in camera coordinates.

use crate::{LANDMARKS, Point, Rect};
use thiserror::Error;

/// The three outputs of the network for one clip, as exported (DESIGN: boxes `[1,T,4]`, landmarks `[1,T,5,2]`, logits `[1,C]`).
#[derive(Debug, Clone, PartialEq)]
pub struct RawOutput {
    /// Per frame x, y, w, h in fractions of the clip's own frame, flat `T * 4`.
    pub boxes: Vec<f32>,
    /// Per frame five points x, y in fractions of the clip's own frame, flat `T * 5 * 2`.
    pub landmarks: Vec<f32>,
    /// One number a class, in the order of the manifest's labels.
    pub logits: Vec<f32>,
}

/// Why an engine's output is not an answer.
#[derive(Debug, Error, PartialEq)]
pub enum RawOutputError {
    /// A tensor has the wrong number of values.
    #[error("output {name} has {got} values, the model's manifest asks for {need}")]
    Length {
        /// Output name.
        name: &'static str,
        /// Values needed.
        need: usize,
        /// Values found.
        got: usize,
    },
    /// A value is NaN or infinite.
    #[error("output {name} holds {value}, a finite number is needed")]
    NotFinite {
        /// Output name.
        name: &'static str,
        /// The offending value.
        value: f32,
    },
}

/// What one clip says about one face, at the time of the clip's newest frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The face, camera pixels.
    pub face: Rect,
    /// Left eye, right eye, nose, left and right mouth corner as seen in the image, camera pixels.
    pub landmarks: [Point; LANDMARKS],
    /// Calibrated probabilities in the order of the manifest's labels; they add up to 1.
    pub probabilities: Vec<f32>,
}

impl RawOutput {
    /// Checks lengths against `frames` and `classes` and that every number is finite.
    ///
    /// # Errors
    /// The first output that is wrong, by name.
    pub fn validate(&self, frames: usize, classes: usize) -> Result<(), RawOutputError> {
        let parts = [
            ("boxes", &self.boxes, frames * 4),
            ("landmarks", &self.landmarks, frames * LANDMARKS * 2),
            ("logits", &self.logits, classes),
        ];
        for (name, values, need) in parts {
            if values.len() != need {
                return Err(RawOutputError::Length { name, need, got: values.len() });
            }
            if let Some(&value) = values.iter().find(|v| !v.is_finite()) {
                return Err(RawOutputError::NotFinite { name, value });
            }
        }
        Ok(())
    }
}

/// Reads the newest frame's box and landmarks, maps them from `crop` to the camera frame, and turns logits into
/// probabilities at `temperature` (> 0; from the manifest).
///
/// # Errors
/// As [`RawOutput::validate`].
pub fn decode(
    raw: &RawOutput,
    frames: usize,
    classes: usize,
    crop: Rect,
    temperature: f32,
) -> Result<Prediction, RawOutputError> {
    raw.validate(frames, classes)?;
    let b = &raw.boxes[(frames - 1) * 4..];
    let face = Rect { x: b[0], y: b[1], w: b[2].max(0.0), h: b[3].max(0.0) };
    let last = &raw.landmarks[(frames - 1) * LANDMARKS * 2..];
    let landmarks = std::array::from_fn(|i| crop.from_fraction(Point { x: last[2 * i], y: last[2 * i + 1] }));
    Ok(Prediction { face: crop.rect_from_fraction(face), landmarks, probabilities: softmax(&raw.logits, temperature) })
}

/// `exp(logit / temperature)`, normalised to add up to 1; stable for large logits.
pub fn softmax(logits: &[f32], temperature: f32) -> Vec<f32> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exp: Vec<f32> = logits.iter().map(|l| ((l - max) / temperature).exp()).collect();
    let sum: f32 = exp.iter().sum();
    exp.iter().map(|e| e / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(frames: usize) -> RawOutput {
        RawOutput {
            boxes: [0.25, 0.25, 0.5, 0.5].repeat(frames),
            landmarks: [0.5, 0.5].repeat(frames * LANDMARKS),
            logits: vec![0.0, 2.0, -1.0],
        }
    }

    #[test]
    fn newest_frame_in_camera_pixels() {
        let mut out = raw(4);
        out.boxes[12] = 0.5; // x of the last frame
        let p = decode(&out, 4, 3, Rect { x: 100.0, y: 50.0, w: 40.0, h: 40.0 }, 1.0).unwrap();
        assert_eq!(p.face, Rect { x: 120.0, y: 60.0, w: 20.0, h: 20.0 });
        assert_eq!(p.landmarks[2], Point { x: 120.0, y: 70.0 });
        assert!((p.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(p.probabilities[1] > p.probabilities[0]);
    }

    #[test]
    fn a_higher_temperature_is_less_sure() {
        let sure = softmax(&[0.0, 3.0], 1.0)[1];
        let less = softmax(&[0.0, 3.0], 2.0)[1];
        assert!(sure > less && less > 0.5);
        assert!(softmax(&[1e30, -1e30], 1.0)[0] == 1.0);
    }

    #[test]
    fn wrong_shapes_and_nan_are_named() {
        let mut out = raw(4);
        out.logits[1] = f32::NAN;
        let crop = Rect::whole(10, 10);
        insta::assert_snapshot!(decode(&out, 4, 3, crop, 1.0).unwrap_err(), @"output logits holds NaN, a finite number is needed");
        insta::assert_snapshot!(decode(&raw(3), 4, 3, crop, 1.0).unwrap_err(), @"output boxes has 12 values, the model's manifest asks for 16");
    }
}
