//! Samples as clips of bytes, and which of them a model is calibrated and judged on.

use crate::batch::crop_at;
use crate::view::View;
use mtcae_contract::{ClipSpec, Cropper, Rect, sample_uniform};
use mtcae_data::{StillRef, Stills};
use mtcae_network::SplitMix;
use std::f32::consts::TAU;

/// How far a hand-held camera sways, as a fraction of the framing square.
const SWAY: f32 = 0.04;

/// What `square` (fractions of the stored picture) holds of a still, the same in every frame: bytes `[T, S, S, 3]`.
pub fn still_clip(still: &StillRef<'_>, square: Rect, spec: ClipSpec, cropper: &mut Cropper) -> Vec<u8> {
    crop_at(still, square, spec.size, cropper).repeat(spec.frames)
}

/// The frames of sample `i` that a clip of `frames` holds, spread evenly over what is stored; a still alone.
pub fn clip_frames(data: &Stills, i: usize, frames: usize) -> Vec<StillRef<'_>> {
    match data.frames(i) {
        1 => vec![data.sample(i)],
        has => sample_uniform(has, frames).into_iter().map(|t| data.frame(i, t)).collect(),
    }
}

/// Sample `i` as a board with this `view` would see it, a clip with its own frames, a still the same in every frame: bytes
/// `[T, S, S, 3]`.
pub fn sample_clip(data: &Stills, i: usize, view: View, spec: ClipSpec, cropper: &mut Cropper) -> Vec<u8> {
    let framing = view.of(data, i);
    if data.frames(i) == 1 {
        return still_clip(&data.sample(i), framing, spec, cropper);
    }
    clip_frames(data, i, spec.frames).iter().flat_map(|frame| crop_at(frame, framing, spec.size, cropper)).collect()
}

/// A still in front of a camera that sways once around during the clip, from `phase` on (0 to 1): bytes `[T, S, S, 3]`.
pub fn swaying_clip(still: &StillRef<'_>, margin: f32, spec: ClipSpec, phase: f32, cropper: &mut Cropper) -> Vec<u8> {
    let square = still.framing(margin);
    let frame = |t: usize| {
        let (sin, cos) = (TAU * (phase + t as f32 / spec.frames as f32)).sin_cos();
        let view = Rect { x: square.x + SWAY * square.w * sin, y: square.y + SWAY * square.h * cos, ..square };
        crop_at(still, view, spec.size, cropper)
    };
    (0..spec.frames).flat_map(frame).collect()
}

/// Samples to find ranges on and samples to judge on; no person is in both.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Split {
    /// To find ranges on.
    pub calibration: Vec<usize>,
    /// To judge on.
    pub held_out: Vec<usize>,
}

/// Splits `data` in two by a hash of the person, and takes at most so many samples of each half, evenly spread over the
/// data set. The same for the same data.
pub fn split(data: &Stills, calibration: usize, held_out: usize) -> Split {
    let held = |i: &usize| SplitMix::new(data.sample(*i).subject).bits() % 2 == 1;
    let (others, judged): (Vec<usize>, Vec<usize>) = (0..data.len()).partition(|i| !held(i));
    Split { calibration: spread(&others, calibration), held_out: spread(&judged, held_out) }
}

/// Splits the persons of `data` by a hash: samples of about this share of them, and those of the others. The same for the same
/// data.
pub fn held_out(data: &Stills, share: f32) -> (Vec<usize>, Vec<usize>) {
    // Another hash than that of `split`, so that the two are independent.
    let held = |i: &usize| SplitMix::new(!data.sample(*i).subject).unit() < share;
    (0..data.len()).partition(held)
}

/// At most `n` of `from`, evenly spread.
fn spread(from: &[usize], n: usize) -> Vec<usize> {
    let n = n.min(from.len());
    (0..n).map(|i| from[i * from.len() / n]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_reaches_from_end_to_end() {
        let from: Vec<usize> = (10..20).collect();
        assert_eq!(spread(&from, 5), [10, 12, 14, 16, 18]);
        assert_eq!(spread(&from, 99), from);
        assert_eq!(spread(&from, 0), [0; 0]);
        assert_eq!(spread(&[], 3), [0; 0]);
    }

    #[test]
    fn a_camera_that_sways_comes_back() {
        let image: Vec<u8> = (0..64 * 64).map(|i| (i % 64 * 4) as u8).collect();
        let still = StillRef {
            image: &image,
            side: 64,
            channels: 1,
            face: Rect { x: 0.3, y: 0.3, w: 0.4, h: 0.4 },
            landmarks: Default::default(),
            has_face: true,
            filled: false,
            stored: Default::default(),
            label: 0,
            subject: 0,
        };
        let spec = ClipSpec { frames: 8, size: 16, seconds: 1.0 };
        let mut cropper = Cropper::new();
        let clip = swaying_clip(&still, 0.1, spec, 0.0, &mut cropper);
        let frames: Vec<&[u8]> = clip.chunks(16 * 16 * 3).collect();
        let plain = still_clip(&still, still.framing(0.1), spec, &mut cropper);
        assert_eq!((clip.len(), plain.len()), (spec.bytes(), spec.bytes()));
        // Brightness rises to the right: the view is furthest right after a quarter and furthest left after three.
        let mean = |frame: &[u8]| frame.iter().map(|v| f64::from(*v)).sum::<f64>() / frame.len() as f64;
        let still_mean = mean(&plain[..16 * 16 * 3]);
        assert!(mean(frames[2]) > still_mean + 1.0 && mean(frames[6]) < still_mean - 1.0);
        assert!((mean(frames[0]) - still_mean).abs() < 0.5 && (mean(frames[4]) - still_mean).abs() < 0.5);
    }

    #[test]
    fn a_clip_goes_to_the_board_with_its_own_frames() {
        let dir = tempfile::tempdir().unwrap();
        let job = mtcae_data::SynthJob {
            model: None,
            out: dir.path().to_owned(),
            name: "made".to_owned(),
            clips: 1,
            identities: 1,
            size: 48,
            side: 32,
            frames: 4,
            seed: 1,
            labels: mtcae_contract::LabelSet::seven(),
            workers: 1,
        };
        let data = Stills::open(&mtcae_data::synthesize(&job, |_| {}).unwrap().shards).unwrap();
        let (spec, mut cropper) = (ClipSpec { frames: 2, size: 16, seconds: 1.0 }, Cropper::new());
        let clip = sample_clip(&data, 0, View::centred(0.1), spec, &mut cropper);
        let framing = data.framing(0, 0.1);
        let frames: Vec<Vec<u8>> = [1, 3].map(|t| crop_at(&data.frame(0, t), framing, 16, &mut cropper)).to_vec();
        assert!(frames[0] != frames[1]);
        assert_eq!(clip, frames.concat());
    }
}
