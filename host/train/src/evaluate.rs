//! Scores on annotated stills.

use crate::batch::Batch;
use crate::interpreter::{Interpreter, Mode};
use crate::state::Slot;
use crate::step::{leaves, numbers, tensor};
use burn::tensor::Device;
use mtcae_contract::{Cropper, Rect};
use mtcae_data::{FACE_MARGIN, StillRef, Stills};
use mtcae_network::Network;

/// How right a model is.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Samples.
    pub samples: usize,
    /// Share of samples named right (WAR).
    pub war: f32,
    /// Mean of the classes' recalls (UAR); classes without samples do not count.
    pub uar: f32,
    /// Recall of each class; NaN without samples.
    pub recall: Vec<f32>,
    /// Rows are true classes, columns answers.
    pub confusion: Vec<Vec<usize>>,
    /// Mean box IoU on samples whose face is known.
    pub box_iou: f32,
    /// Mean landmark error in eye distances on samples whose face is known.
    pub landmark_nme: f32,
}

/// A network's answer for one still: box, landmarks (fractions of the crop, newest frame) and logits.
#[derive(Debug, Clone, PartialEq)]
pub struct StillAnswer {
    /// x, y, w, h; empty in strategy `single-task`.
    pub face: Vec<f32>,
    /// Five points x, y; empty in strategy `single-task`.
    pub landmarks: Vec<f32>,
    /// One a class.
    pub logits: Vec<f32>,
}

/// The averaged weights' answers for samples `from..to`, each still repeated for all frames.
pub fn answers(
    network: &Network,
    slots: &[Slot],
    data: &Stills,
    from: usize,
    to: usize,
    still: bool,
) -> Vec<StillAnswer> {
    let device = Device::flex();
    let params = leaves(slots, &device, |s| &s.average, false);
    let mut cropper = Cropper::new();
    let config = network.config();
    let mut batch = Batch::new(config.frames, config.size, still);
    (from..to).for_each(|i| batch.push_plain(&data.sample(i), FACE_MARGIN, &mut cropper));
    let clip = tensor(&batch.pixels, [batch.clips * batch.stored_frames, 3, batch.size, batch.size], &device);
    let mut ops = Interpreter::new(&params, clip, batch.clips, batch.frames, Mode::Evaluate, 0);
    let answer = network.forward(&mut ops);
    let logits = numbers(answer.logits);
    let boxes = answer.boxes.map(numbers).unwrap_or_default();
    let landmarks = answer.landmarks.map(numbers).unwrap_or_default();
    let newest = |values: &[f32], i: usize, n: usize| {
        let end = (i + 1) * config.frames * n;
        values.get(end - n..end).unwrap_or_default().to_vec()
    };
    let classes = config.classes;
    (0..batch.clips)
        .map(|i| StillAnswer {
            face: newest(&boxes, i, 4),
            landmarks: newest(&landmarks, i, 10),
            logits: logits[i * classes..][..classes].to_vec(),
        })
        .collect()
}

/// Scores `answers` to all of `data`, in order; each still was framed with `margin`.
pub fn evaluate(data: &Stills, answers: &[StillAnswer], margin: f32) -> Scores {
    let all: Vec<usize> = (0..data.len()).collect();
    evaluate_samples(data, &all, answers, margin)
}

/// Scores `answers` to the `samples` of `data`, in their order; each still was framed with `margin`.
pub fn evaluate_samples(data: &Stills, samples: &[usize], answers: &[StillAnswer], margin: f32) -> Scores {
    let stills = samples.iter().map(|i| data.sample(*i));
    evaluate_stills(data.labels().len(), stills, answers, margin)
}

/// Scores `answers` to `stills` of `classes` classes, in their order; each was framed with `margin`.
pub fn evaluate_stills<'a>(
    classes: usize,
    stills: impl Iterator<Item = StillRef<'a>>,
    answers: &[StillAnswer],
    margin: f32,
) -> Scores {
    let mut confusion = vec![vec![0; classes]; classes];
    let (mut iou, mut nme, mut known) = (0.0, 0.0, 0);
    for (still, answer) in stills.zip(answers) {
        let best = (0..classes).max_by(|a, b| answer.logits[*a].total_cmp(&answer.logits[*b])).unwrap_or(0);
        confusion[still.label][best] += 1;
        if !still.has_face || answer.face.is_empty() {
            continue;
        }
        known += 1;
        let crop = still.framing(margin);
        let f = &answer.face;
        iou += crop.rect_from_fraction(Rect { x: f[0], y: f[1], w: f[2], h: f[3] }).iou(&still.face);
        let eyes = still.landmarks[0].distance(still.landmarks[1]).max(1e-6);
        let errors = still.landmarks.iter().zip(answer.landmarks.chunks(2)).map(|(want, got)| {
            want.distance(crop.from_fraction(mtcae_contract::Point { x: got[0], y: got[1] })) / eyes
        });
        nme += errors.sum::<f32>() / 5.0;
    }
    let recall: Vec<f32> =
        confusion.iter().enumerate().map(|(c, row)| row[c] as f32 / row.iter().sum::<usize>() as f32).collect();
    let counted: Vec<f32> = recall.iter().copied().filter(|r| !r.is_nan()).collect();
    let right: usize = (0..classes).map(|c| confusion[c][c]).sum();
    Scores {
        samples: answers.len(),
        war: right as f32 / answers.len().max(1) as f32,
        uar: counted.iter().sum::<f32>() / counted.len().max(1) as f32,
        recall,
        confusion,
        box_iou: iou / known.max(1) as f32,
        landmark_nme: nme / known.max(1) as f32,
    }
}
