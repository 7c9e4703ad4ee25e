//! The gate: what an engine answers against what the checkpoint's own arithmetic says.

use crate::error::ExportError;
use crate::tract::Outputs;
use mtcae_contract::Precision;
use mtcae_network::{Checkpoint, Network, Reference, SplitMix, Values, normalised};

/// Largest difference accepted, relative to an output's largest value.
pub const GATE: f32 = 1e-4;

/// Largest difference from what the fp32 file answers in tract that a board's self-test accepts of a file of `precision`,
/// relative to an output's largest value.
///
/// Measured of the shipped edge model: in ONNX Runtime on x86-64 it differs by 8.4e-7 (tests/files/onnxruntime.rs). With
/// matrix products of ten bits, as TF32 has them on a GPU, by 9e-4; in fp16 by 6e-4; with linear layers in int8, not
/// calibrated, by 0.039 (models/zoo/measure_precisions.py). Engines that run a file wrongly were seen to be off by 0.7.
pub const fn tolerance(precision: Precision) -> f32 {
    match precision {
        Precision::Fp32 | Precision::Fp16 => 0.01,
        Precision::Int8 => 0.1,
    }
}

/// How far two answers are apart, each the largest difference over the reference's largest value.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Agreement {
    /// In `boxes`; 0 where there are none.
    pub boxes: f32,
    /// In `landmarks`; 0 where there are none.
    pub landmarks: f32,
    /// In `logits`.
    pub logits: f32,
}

impl Agreement {
    /// The worst output's name and difference.
    pub fn worst(&self) -> (&'static str, f32) {
        let all = [("boxes", self.boxes), ("landmarks", self.landmarks), ("logits", self.logits)];
        all.into_iter().fold(all[2], |worst, next| if next.1.total_cmp(&worst.1).is_gt() { next } else { worst })
    }

    /// Both at their worst.
    pub fn max(self, other: Agreement) -> Agreement {
        let larger = |a: f32, b: f32| if a.total_cmp(&b).is_gt() { a } else { b };
        Agreement {
            boxes: larger(self.boxes, other.boxes),
            landmarks: larger(self.landmarks, other.landmarks),
            logits: larger(self.logits, other.logits),
        }
    }

    pub(crate) fn gate(self, limit: f32) -> Result<Agreement, ExportError> {
        match self.worst() {
            (_, error) if error <= limit => Ok(self),
            (output, error) => Err(ExportError::Gate { output, error, limit }),
        }
    }
}

/// Compares an engine's answer with the reference. An output that one side lacks, or of another length, is infinitely far.
pub fn agreement(got: &Outputs, want: &Outputs) -> Agreement {
    let pair = |got: &Option<Vec<f32>>, want: &Option<Vec<f32>>| match (got, want) {
        (Some(got), Some(want)) => relative(got, want),
        (None, None) => 0.0,
        _ => f32::INFINITY,
    };
    Agreement {
        boxes: pair(&got.boxes, &want.boxes),
        landmarks: pair(&got.landmarks, &want.landmarks),
        logits: relative(&got.logits, &want.logits),
    }
}

fn relative(got: &[f32], want: &[f32]) -> f32 {
    if got.len() != want.len() || !got.iter().chain(want).all(|v| v.is_finite()) {
        return f32::INFINITY;
    }
    let scale = want.iter().fold(f32::MIN_POSITIVE, |top, v| top.max(v.abs()));
    got.iter().zip(want).fold(0.0f32, |top, (a, b)| top.max((a - b).abs())) / scale
}

/// A clip of bytes `[T, S, S, 3]` that is the same for the same seed: blocks of colour that drift, under noise.
pub fn seeded_clip(frames: usize, size: usize, seed: u64) -> Vec<u8> {
    let mut rng = SplitMix::new(seed);
    let colours: Vec<u8> = (0..64).map(|_| rng.bits() as u8).collect();
    let mut clip = Vec::with_capacity(frames * size * size * 3);
    for (t, y, x) in (0..frames * size * size).map(|i| (i / (size * size), i / size % size, i % size)) {
        let block = (y + t) / 9 * 5 + (x + 2 * t) / 11;
        clip.extend((0..3).map(|c| (colours[(block * 3 + c) % 64] & 0xe0) | (rng.bits() as u8 & 0x1f)));
    }
    clip
}

/// What the checkpoint answers on `clip` (bytes `[T, S, S, 3]`) by plain arithmetic, without an engine.
///
/// # Errors
/// When the weights do not fit their configuration.
///
/// # Panics
/// When the clip's length does not fit the configuration.
pub fn reference(
    checkpoint: &Checkpoint,
    clip: &[u8],
    mean: [f32; 3],
    std: [f32; 3],
) -> Result<Outputs, mtcae_network::CheckpointError> {
    checkpoint.check()?;
    let config = checkpoint.config.clone();
    let clip = normalised(clip, config.size, mean, std);
    let network = Network::new(config).map_err(|e| mtcae_network::CheckpointError::Config(e.to_string()))?;
    let answer = network.forward(&mut Reference::new(checkpoint, clip));
    let flat = |v: Values| v.values.to_vec();
    Ok(Outputs { boxes: answer.boxes.map(flat), landmarks: answer.landmarks.map(flat), logits: flat(answer.logits) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(boxes: Option<Vec<f32>>, logits: Vec<f32>) -> Outputs {
        Outputs { boxes, landmarks: None, logits }
    }

    #[test]
    fn a_difference_is_measured_against_the_largest_value() {
        let want = answer(Some(vec![2.0, -4.0]), vec![1.0]);
        let got = answer(Some(vec![2.0, -3.0]), vec![1.0]);
        assert_eq!(agreement(&got, &want), Agreement { boxes: 0.25, landmarks: 0.0, logits: 0.0 });
        let error = agreement(&got, &want).gate(GATE).unwrap_err().to_string();
        insta::assert_snapshot!(error, @"the exported graph differs from the checkpoint's own arithmetic by 2.5e-1 in `boxes`; accepted: up to 1e-4; nothing was written");
    }

    #[test]
    fn what_is_missing_or_not_a_number_never_passes() {
        let want = answer(Some(vec![1.0]), vec![1.0]);
        for got in [answer(None, vec![1.0]), answer(Some(vec![1.0]), vec![]), answer(Some(vec![f32::NAN]), vec![1.0])] {
            assert!(agreement(&got, &want).gate(GATE).is_err());
        }
    }
}
