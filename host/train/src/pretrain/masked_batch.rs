//! Clips cut into tokens: what the encoder reads of them, and what is to be said of the rest.

use super::mask::TubeMask;
use crate::batch::{Batch, MEAN, STD};
use mtcae_network::PATCH_VALUES;

/// Side of a token in pixels.
const SIDE: usize = 16;
/// Points of a token in each colour: two frames.
const POINTS: usize = PATCH_VALUES / 3;
/// Added to a deviation, as VideoMAE does.
const EPS: f64 = 1e-6;

/// Clips with hidden tokens, as many hidden in each.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MaskedBatch {
    /// Clips.
    pub clips: usize,
    /// Tokens of a clip.
    pub tokens: usize,
    /// Places of what is visible, `[clips, visible]`.
    pub visible: Vec<usize>,
    /// Places of what is hidden, `[clips, hidden]`.
    pub hidden: Vec<usize>,
    /// Pixels of what is visible, `[clips, visible, PATCH_VALUES]`: colour, frame, row, column; normalised as everywhere.
    pub pixels: Vec<f32>,
    /// What is to be said of the hidden ones, `[clips, hidden, PATCH_VALUES]`: frame, row, column, colour; each token's colours have
    /// a mean of 0 and a variance of 1.
    pub targets: Vec<f32>,
}

impl MaskedBatch {
    /// Cuts `batch`; `masks` has one for each clip, all with the same number of hidden tokens.
    pub fn new(batch: &Batch, masks: &[TubeMask]) -> MaskedBatch {
        let mut cut = MaskedBatch { tokens: batch.frames / 2 * (batch.size / SIDE).pow(2), ..MaskedBatch::default() };
        for (clip, mask) in masks.iter().enumerate().take(batch.clips) {
            let token = |place: &usize| Token::of(batch, clip, *place);
            cut.pixels.extend(mask.visible.iter().flat_map(|p| token(p).0));
            cut.targets.extend(mask.hidden.iter().flat_map(|p| token(p).look().target()));
            cut.visible.extend(&mask.visible);
            cut.hidden.extend(&mask.hidden);
            cut.clips += 1;
        }
        cut
    }

    /// Adds the clips of `other`, which has the same sides.
    pub fn append(&mut self, other: MaskedBatch) {
        self.clips += other.clips;
        self.tokens = other.tokens;
        self.visible.extend(other.visible);
        self.hidden.extend(other.hidden);
        self.pixels.extend(other.pixels);
        self.targets.extend(other.targets);
    }
}

/// A token's pixels: colour, frame, row, column.
pub(super) struct Token(pub Vec<f32>);

impl Token {
    /// The one at `place` of a clip. A still stands for both frames.
    pub fn of(batch: &Batch, clip: usize, place: usize) -> Token {
        let (size, across) = (batch.size, batch.size / SIDE);
        let (tubelet, row, column) = (place / across.pow(2), place / across % across, place % across);
        let mut values = Vec::with_capacity(PATCH_VALUES);
        for c in 0..3 {
            for t in 0..2 {
                let frame = clip * batch.stored_frames + (2 * tubelet + t).min(batch.stored_frames - 1);
                for y in 0..SIDE {
                    let at = ((frame * 3 + c) * size + row * SIDE + y) * size + column * SIDE;
                    values.extend(&batch.pixels[at..at + SIDE]);
                }
            }
        }
        Token(values)
    }

    /// Its pixels with 0 for black and 1 for white, and how they are spread.
    pub fn look(&self) -> Look {
        let mut look = Look { values: Vec::with_capacity(PATCH_VALUES), mean: [0.0; 3], deviation: [0.0; 3] };
        for (c, plane) in self.0.chunks(POINTS).enumerate() {
            let light = |v: &f32| f64::from(*v) * f64::from(STD[c]) + f64::from(MEAN[c]);
            let mean = plane.iter().map(light).sum::<f64>() / POINTS as f64;
            let square = plane.iter().map(|v| (light(v) - mean).powi(2)).sum::<f64>();
            (look.mean[c], look.deviation[c]) = (mean, (square / (POINTS - 1) as f64).sqrt() + EPS);
            look.values.extend(plane.iter().map(light));
        }
        look
    }
}

/// A token as it looks: values of colour, frame, row, column; mean and deviation of each colour.
pub(super) struct Look {
    values: Vec<f64>,
    mean: [f64; 3],
    deviation: [f64; 3],
}

impl Look {
    /// Without mean and spread: frame, row, column, colour.
    pub fn target(&self) -> Vec<f32> {
        let one = |point: usize, c: usize| (self.values[c * POINTS + point] - self.mean[c]) / self.deviation[c];
        (0..POINTS).flat_map(|point| (0..3).map(move |c| one(point, c) as f32)).collect()
    }

    /// An answer with the mean and the spread of this token, 0 to 1: frame, row, column, colour.
    pub fn dressed(&self, answer: &[f32]) -> Vec<f32> {
        let one = |(i, v): (usize, &f32)| (f64::from(*v) * self.deviation[i % 3] + self.mean[i % 3]) as f32;
        answer.iter().enumerate().map(one).collect()
    }

    /// As it is, 0 to 1: frame, row, column, colour.
    pub fn plain(&self) -> Vec<f32> {
        (0..PATCH_VALUES).map(|i| self.values[i % 3 * POINTS + i / 3] as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_network::SplitMix;

    /// Two clips of four frames of 32 pixels; the value says where it is.
    fn batch() -> Batch {
        let pixels = (0..2 * 4 * 3 * 32 * 32).map(|i| i as f32).collect();
        Batch { clips: 2, pixels, ..Batch::new(4, 32, false) }
    }

    #[test]
    fn a_token_is_two_frames_of_one_place() {
        let batch = batch();
        let at = |clip: usize, frame: usize, c: usize, y: usize, x: usize| {
            (((clip * 4 + frame) * 3 + c) * 32 + y) as f32 * 32.0 + x as f32
        };
        // Token 6 is the lower left of the second pair of frames.
        let Token(values) = Token::of(&batch, 1, 6);
        for (c, t, y, x) in [(0, 0, 0, 0), (2, 1, 15, 15), (1, 0, 3, 5)] {
            assert_eq!(values[((c * 2 + t) * 16 + y) * 16 + x], at(1, 2 + t, c, 16 + y, x));
        }
        let masks = [TubeMask { visible: vec![0, 6], hidden: vec![1, 2, 3, 4, 5, 7] }; 1];
        let cut = MaskedBatch::new(&batch, &masks);
        assert_eq!((cut.clips, cut.tokens, cut.pixels.len()), (1, 8, 2 * PATCH_VALUES));
        assert_eq!(cut.targets.len(), 6 * PATCH_VALUES);
    }

    #[test]
    fn a_target_has_no_mean_and_a_spread_of_one_and_goes_back() {
        let mut random = SplitMix::new(2);
        let token = Token((0..PATCH_VALUES).map(|_| random.normal()).collect());
        let (look, target) = (token.look(), token.look().target());
        for c in 0..3 {
            let of: Vec<f64> = target.iter().skip(c).step_by(3).map(|v| f64::from(*v)).collect();
            let mean = of.iter().sum::<f64>() / POINTS as f64;
            let variance = of.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (POINTS - 1) as f64;
            assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-4, "{mean} {variance}");
        }
        let gap = look.dressed(&target).iter().zip(look.plain()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(gap < 1e-5, "{gap}");
        assert!((look.plain()[1] - (token.0[POINTS] * STD[1] + MEAN[1])).abs() < 1e-6);
        // A wall of one colour has no spread, and still a target.
        assert!(Token(vec![0.3; PATCH_VALUES]).look().target().iter().all(|v| v.abs() < 1e-3));
    }
}
