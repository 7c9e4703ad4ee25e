//! Answers of a checkpoint, and answers beside the truth.

use crate::batch::Batch;
use crate::clips::clip_frames;
use crate::constant::Truth;
use crate::interpreter::{Interpreter, Mode, Parameters};
use crate::metrics::{Answered, Scores, score};
use crate::state::Slot;
use crate::step::{leaves, numbers, tensor};
use crate::view::View;
use burn::tensor::Device;
use mtcae_contract::{Cropper, LANDMARKS, Point, Rect};
use mtcae_data::{StillRef, Stills};
use mtcae_network::Network;
use std::ops::Range;

/// A network's answer for one clip: boxes and landmarks of all frames (fractions of the crop), and logits.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipAnswer {
    /// x, y, w, h a frame; empty in strategy `single-task`.
    pub boxes: Vec<f32>,
    /// Five points x, y a frame; empty in strategy `single-task`.
    pub landmarks: Vec<f32>,
    /// One a class.
    pub logits: Vec<f32>,
}

/// Weights on a device, to answer with.
pub struct Weights {
    params: Parameters,
    device: Device,
}

impl Weights {
    /// The averaged weights of `slots`.
    pub fn averaged(slots: &[Slot], device: &Device) -> Weights {
        Weights { params: leaves(slots, device, |s| &s.average, false), device: device.clone() }
    }
}

/// The weights' answers for `samples`: a clip in all frames that the network has, a still the same in each of them, framed as
/// `view` says. `still`: one picture stands for both frames of a tubelet.
pub fn answers(
    network: &Network,
    weights: &Weights,
    data: &Stills,
    samples: Range<usize>,
    view: View,
    still: bool,
) -> Vec<ClipAnswer> {
    let mut cropper = Cropper::new();
    let config = network.config();
    let mut batch = Batch::new(config.frames, config.size, still);
    for i in samples {
        let shown = clip_frames(data, i, batch.stored_frames);
        batch.push_plain(&shown, view.of(data, i), &mut cropper);
    }
    forward(network, weights, &batch.pixels, (batch.clips, batch.stored_frames))
}

/// The weights' answers to clips of bytes `[clips, T, S, S, 3]`, which become values by mean and deviation of each colour; what is left
/// over of a clip is not looked at.
pub fn answers_to_clips(
    network: &Network,
    weights: &Weights,
    bytes: &[u8],
    (mean, std): ([f32; 3], [f32; 3]),
) -> Vec<ClipAnswer> {
    let config = network.config();
    let frame = config.size * config.size * 3;
    let clip = |bytes: &[u8]| {
        let plane = |frame: &[u8], c: usize| -> Vec<f32> {
            frame.iter().skip(c).step_by(3).map(|v| (f32::from(*v) / 255.0 - mean[c]) / std[c]).collect()
        };
        let pixels: Vec<f32> = bytes.chunks_exact(frame).flat_map(|f| (0..3).flat_map(move |c| plane(f, c))).collect();
        forward(network, weights, &pixels, (1, config.frames))
    };
    bytes.chunks_exact(config.frames * frame).flat_map(clip).collect()
}

/// Answers to normalised pixels `[clips * stored, 3, S, S]`; `stored` frames of each clip are there.
fn forward(network: &Network, weights: &Weights, pixels: &[f32], (clips, stored): (usize, usize)) -> Vec<ClipAnswer> {
    let config = network.config();
    let clip = tensor(pixels, [clips * stored, 3, config.size, config.size], &weights.device);
    let mut ops = Interpreter::new(&weights.params, clip, clips, config.frames, Mode::Evaluate, 0);
    let answer = network.forward(&mut ops);
    let logits = numbers(answer.logits);
    let boxes = answer.boxes.map(numbers).unwrap_or_default();
    let landmarks = answer.landmarks.map(numbers).unwrap_or_default();
    let of = |values: &[f32], i: usize, n: usize| values.get(i * n..(i + 1) * n).unwrap_or_default().to_vec();
    (0..clips)
        .map(|i| ClipAnswer {
            boxes: of(&boxes, i, config.frames * 4),
            landmarks: of(&landmarks, i, config.frames * 2 * LANDMARKS),
            logits: of(&logits, i, config.classes),
        })
        .collect()
}

/// Scores `answers` to all of `data`, in order; each was framed as `view` says.
pub fn evaluate(data: &Stills, answers: &[ClipAnswer], view: View) -> Scores {
    let all: Vec<usize> = (0..data.len()).collect();
    evaluate_samples(data, &all, answers, view)
}

/// Scores `answers` to the `samples` of `data`, in their order; each was framed as `view` says.
pub fn evaluate_samples(data: &Stills, samples: &[usize], answers: &[ClipAnswer], view: View) -> Scores {
    let answered: Vec<Answered> = samples.iter().zip(answers).map(|(i, a)| answered(data, *i, a, view)).collect();
    score(&answered, data.labels().len())
}

/// The answer to sample `i` of `data` beside the truth: of a clip in every frame whose face was found, of a still in the
/// newest.
pub fn answered(data: &Stills, i: usize, answer: &ClipAnswer, view: View) -> Answered {
    let frames = answer.boxes.len() / 4;
    answered_frames(&data.sample(i), &clip_frames(data, i, frames), view.of(data, i), answer)
}

/// The same of a sample `of` which the newest frames were `shown`, all cut at `crop`.
pub fn answered_frames(of: &StillRef<'_>, shown: &[StillRef<'_>], crop: Rect, answer: &ClipAnswer) -> Answered {
    let mut one =
        Answered { label: of.label, subject: of.subject, logits: answer.logits.clone(), ..Answered::default() };
    let frames = answer.boxes.len() / 4;
    let first = frames.saturating_sub(shown.len());
    for (t, truth) in (first..frames).zip(shown) {
        if !truth.has_face || truth.filled {
            continue;
        }
        let landmarks = truth.landmarks.map(|p| crop.to_fraction(p));
        let truth = Truth { face: crop.rect_to_fraction(truth.face), landmarks };
        let b = &answer.boxes[4 * t..4 * t + 4];
        one.ious.push(Rect { x: b[0], y: b[1], w: b[2], h: b[3] }.iou(&truth.face));
        let points = &answer.landmarks[2 * LANDMARKS * t..];
        one.nmes.push(truth.error(&std::array::from_fn(|k| Point { x: points[2 * k], y: points[2 * k + 1] })));
        one.truths.push(truth);
    }
    one
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_contract::LabelSet;
    use mtcae_data::{FACE_MARGIN, SynthJob, synthesize};

    fn clips(folder: &std::path::Path) -> Stills {
        let job = SynthJob {
            model: None,
            out: folder.to_owned(),
            name: "made".to_owned(),
            clips: 2,
            identities: 2,
            size: 48,
            side: 32,
            frames: 6,
            seed: 1,
            labels: LabelSet::seven(),
            workers: 1,
        };
        Stills::open(&synthesize(&job, |_| {}).unwrap().shards).unwrap()
    }

    #[test]
    fn every_frame_of_a_clip_is_scored_against_its_own_truth() {
        let dir = tempfile::tempdir().unwrap();
        let data = clips(dir.path());
        let crop = data.framing(1, FACE_MARGIN);
        let truths = clip_frames(&data, 1, 3);
        let boxes: Vec<f32> =
            truths.iter().map(|f| crop.rect_to_fraction(f.face)).flat_map(|b| [b.x, b.y, b.w, b.h]).collect();
        let points = truths.iter().flat_map(|f| f.landmarks).map(|p| crop.to_fraction(p)).flat_map(|p| [p.x, p.y]);
        let mut answer = ClipAnswer { boxes, landmarks: points.collect(), logits: vec![0.0; 7] };
        let right = answered(&data, 1, &answer, View::centred(FACE_MARGIN));
        assert!(right.ious.len() == 3 && right.ious.iter().all(|iou| *iou > 0.999), "{:?}", right.ious);
        assert!(right.nmes.iter().all(|nme| *nme < 1e-3), "{:?}", right.nmes);
        assert_eq!((right.label, right.subject), (1, data.sample(1).subject));
        // One frame's box moved by its own width is wrong in that frame alone.
        answer.boxes[4] += answer.boxes[6];
        let wrong = answered(&data, 1, &answer, View::centred(FACE_MARGIN));
        assert!(wrong.ious[0] > 0.999 && wrong.ious[1] < 0.01 && wrong.ious[2] > 0.999, "{:?}", wrong.ious);
        let single = ClipAnswer { boxes: Vec::new(), landmarks: Vec::new(), ..answer };
        assert!(answered(&data, 1, &single, View::centred(FACE_MARGIN)).ious.is_empty());
    }

    #[test]
    fn a_constant_box_is_told_from_one_that_was_looked_for_off_the_centre() {
        let dir = tempfile::tempdir().unwrap();
        let data = clips(dir.path());
        let scored = |view: View, answer: &dyn Fn(usize) -> Truth| -> Vec<Answered> {
            let one = |i: usize| {
                let Truth { face, landmarks } = answer(i);
                let boxes = vec![face.x, face.y, face.w, face.h];
                let landmarks = landmarks.iter().flat_map(|p| [p.x, p.y]).collect();
                let clip = ClipAnswer { boxes, landmarks, logits: vec![0.0; 7] };
                answered_frames(&data.sample(i), &[data.sample(i)], view.of(&data, i), &clip)
            };
            (0..data.len()).map(one).collect()
        };
        let truth = |view: View, i: usize| scored(view, &|_| Truth::default())[i].truths[0];
        let (centred, off) = (View::centred(FACE_MARGIN), View::off_centre(FACE_MARGIN));
        // Whoever looks is right wherever the face is; the box of another view is not.
        for (view, least, most) in [(centred, 0.999, 1.001), (off, 0.999, 1.001)] {
            let looked = scored(view, &|i| truth(view, i));
            assert!(looked.iter().all(|a| (least..most).contains(&a.ious[0]) && a.nmes[0] < 1e-3), "{looked:?}");
        }
        let blind = scored(off, &|i| truth(centred, i));
        assert!(blind.iter().all(|a| a.ious[0] < 0.98 && a.nmes[0] > 0.01), "{blind:?}");
        // The same picture is always seen at the same place, wherever it stands.
        let alone = data.select(&[1]).unwrap();
        assert_eq!(off.of(&alone, 0), off.of(&data, 1));
        assert!(off.of(&data, 0) != off.of(&data, 1));
    }

    #[test]
    fn a_checkpoint_sees_the_frames_of_a_clip() {
        let dir = tempfile::tempdir().unwrap();
        let data = clips(dir.path());
        let mut config = mtcae_network::NetworkConfig::preset("tiny").unwrap();
        (config.size, config.frames, config.encoder.depth, config.decoder.layers) = (32, 6, 1, 1);
        let checkpoint = mtcae_network::Checkpoint::random(config.clone(), 3).unwrap();
        let state = crate::State::from_checkpoint(&checkpoint).unwrap();
        let network = Network::new(config).unwrap();
        let weights = Weights::averaged(&state.slots, &Device::flex());
        let of = |still: bool| answers(&network, &weights, &data, 0..2, View::centred(FACE_MARGIN), still);
        let (moving, again) = (of(false), of(false));
        assert_eq!(moving, again);
        assert_eq!((moving[0].boxes.len(), moving[0].landmarks.len(), moving[0].logits.len()), (24, 60, 7));
        // Alone, each clip has the answer that it has beside others.
        let alone = answers(&network, &weights, &data, 1..2, View::centred(FACE_MARGIN), false);
        let gap = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(gap(&alone[0].logits, &moving[1].logits) < 1e-4);
        // The same picture in all frames is another clip.
        let middle = crate::clips::clip_frames(&data, 0, 1);
        assert_eq!(middle[0].image, data.sample(0).image);
        let mut batch = Batch::new(6, 32, false);
        batch.push_plain(&middle, data.framing(0, FACE_MARGIN), &mut Cropper::new());
        let mut whole = Batch::new(6, 32, false);
        whole.push_plain(&clip_frames(&data, 0, 6), data.framing(0, FACE_MARGIN), &mut Cropper::new());
        assert_eq!(batch.pixels.len(), whole.pixels.len());
        let frame = whole.pixels.len() / 6;
        assert!(batch.pixels[..frame] == batch.pixels[5 * frame..], "a still is the same in every frame");
        assert!(whole.pixels[..frame] != whole.pixels[5 * frame..], "a clip is not");
        assert_eq!(whole.pixels[3 * frame..4 * frame], batch.pixels[..frame]);
    }
}
