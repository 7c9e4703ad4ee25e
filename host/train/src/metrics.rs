//! How right answers are, and how sure that is. Pure.

use crate::constant::Truth;
use mtcae_network::SplitMix;
use std::collections::BTreeMap;

/// Draws of a bootstrap.
const ROUNDS: usize = 1000;

/// One sample's answer beside the truth.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answered {
    /// The true class.
    pub label: usize,
    /// Hash of the person.
    pub subject: u64,
    /// One a class.
    pub logits: Vec<f32>,
    /// Box IoU of each frame whose face is known, 0 to 1.
    pub ious: Vec<f32>,
    /// Landmark error of each such frame, in eye distances.
    pub nmes: Vec<f32>,
    /// Where the face was in what the network saw of each such frame.
    pub truths: Vec<Truth>,
}

impl Answered {
    /// What `off`, an answer to the same sample in another view, says of box and landmarks in the place of this one's.
    pub fn take_boxes(&mut self, off: Answered) {
        (self.ious, self.nmes, self.truths) = (off.ious, off.nmes, off.truths);
    }

    /// The class that is named.
    pub fn best(&self) -> usize {
        (0..self.logits.len()).max_by(|a, b| self.logits[*a].total_cmp(&self.logits[*b])).unwrap_or(0)
    }
}

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
    /// Mean box IoU of all frames whose face is known.
    pub box_iou: f32,
    /// Mean landmark error of these frames, in eye distances.
    pub landmark_nme: f32,
}

/// Where 95 of 100 draws lie.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Interval {
    /// 2.5 of 100 are below.
    pub low: f32,
    /// 2.5 of 100 are above.
    pub high: f32,
}

/// Intervals of the scores: a bootstrap over persons, as samples of one person are not independent of each other.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Intervals {
    /// Of WAR.
    pub war: Interval,
    /// Of UAR.
    pub uar: Interval,
    /// Of the mean box IoU.
    pub box_iou: Interval,
    /// Of the mean landmark error.
    pub landmark_nme: Interval,
}

/// Scores of `answered` in `classes` classes.
pub fn score(answered: &[Answered], classes: usize) -> Scores {
    let mut sums = Sums::new(classes);
    answered.iter().for_each(|a| sums.add(a));
    let recall = sums.recall();
    let [war, uar, box_iou, landmark_nme] = sums.scores(&recall);
    let confusion = sums.confusion.chunks(classes).map(<[usize]>::to_vec).collect();
    Scores { samples: answered.len(), war, uar, recall, confusion, box_iou, landmark_nme }
}

/// Intervals of the scores of `answered`; equal seeds give equal intervals. None of one person, who says nothing of others.
pub fn intervals(answered: &[Answered], classes: usize, seed: u64) -> Option<Intervals> {
    let persons = persons(answered);
    if persons.len() < 2 {
        return None;
    }
    let mut random = SplitMix::new(seed);
    let draws: Vec<[f32; 4]> = (0..ROUNDS).map(|_| drawn(answered, &persons, classes, &mut random)).collect();
    let of = |k: usize| interval(draws.iter().map(|d| d[k]).collect());
    Some(Intervals { war: of(0), uar: of(1), box_iou: of(2), landmark_nme: of(3) })
}

/// Intervals of WAR and UAR of `a` minus those of `b`, which answer the same samples: each draw takes the same persons. None
/// of one person.
pub fn difference(a: &[Answered], b: &[Answered], classes: usize, seed: u64) -> Option<(Interval, Interval)> {
    if person_count(a) < 2 {
        return None;
    }
    let draws = |answered: &[Answered]| -> Vec<[f32; 4]> {
        let (persons, mut random) = (persons(answered), SplitMix::new(seed));
        (0..ROUNDS).map(|_| drawn(answered, &persons, classes, &mut random)).collect()
    };
    let (a, b) = (draws(a), draws(b));
    let of = |k: usize| interval(a.iter().zip(&b).map(|(a, b)| a[k] - b[k]).collect());
    Some((of(0), of(1)))
}

/// How many different persons there are.
pub fn person_count(answered: &[Answered]) -> usize {
    persons(answered).len()
}

/// Each person's samples.
fn persons(answered: &[Answered]) -> Vec<Vec<usize>> {
    let mut of: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    answered.iter().enumerate().for_each(|(i, a)| of.entry(a.subject).or_default().push(i));
    of.into_values().collect()
}

/// Scores of as many persons as there are, drawn with putting back.
fn drawn(answered: &[Answered], persons: &[Vec<usize>], classes: usize, random: &mut SplitMix) -> [f32; 4] {
    let mut sums = Sums::new(classes);
    for _ in 0..persons.len() {
        let person = &persons[(random.bits() % persons.len() as u64) as usize];
        person.iter().for_each(|i| sums.add(&answered[*i]));
    }
    let recall = sums.recall();
    sums.scores(&recall)
}

fn interval(mut values: Vec<f32>) -> Interval {
    values.retain(|v| v.is_finite());
    values.sort_by(f32::total_cmp);
    let at = |share: f32| values.get((share * values.len().saturating_sub(1) as f32).round() as usize);
    Interval { low: at(0.025).copied().unwrap_or(0.0), high: at(0.975).copied().unwrap_or(0.0) }
}

struct Sums {
    classes: usize,
    confusion: Vec<usize>,
    iou: f64,
    nme: f64,
    frames: usize,
}

impl Sums {
    fn new(classes: usize) -> Sums {
        Sums { classes, confusion: vec![0; classes * classes], iou: 0.0, nme: 0.0, frames: 0 }
    }

    fn add(&mut self, a: &Answered) {
        let best = a.best();
        if a.label < self.classes && best < self.classes {
            self.confusion[a.label * self.classes + best] += 1;
        }
        self.iou += a.ious.iter().map(|v| f64::from(*v)).sum::<f64>();
        self.nme += a.nmes.iter().map(|v| f64::from(*v)).sum::<f64>();
        self.frames += a.ious.len();
    }

    fn recall(&self) -> Vec<f32> {
        let rows = self.confusion.chunks(self.classes).enumerate();
        rows.map(|(c, row)| row[c] as f32 / row.iter().sum::<usize>() as f32).collect()
    }

    /// WAR, UAR, box IoU, landmark error.
    fn scores(&self, recall: &[f32]) -> [f32; 4] {
        let right: usize = (0..self.classes).map(|c| self.confusion[c * self.classes + c]).sum();
        let samples: usize = self.confusion.iter().sum();
        let counted: Vec<f32> = recall.iter().copied().filter(|r| !r.is_nan()).collect();
        let frames = self.frames.max(1) as f64;
        [
            right as f32 / samples.max(1) as f32,
            counted.iter().sum::<f32>() / counted.len().max(1) as f32,
            (self.iou / frames) as f32,
            (self.nme / frames) as f32,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sample of `subject`, named right or not.
    fn sample(label: usize, subject: u64, right: bool) -> Answered {
        let best = if right { label } else { (label + 1) % 3 };
        let logits = (0..3).map(|c| f32::from(u8::from(c == best))).collect();
        Answered { label, subject, logits, ious: vec![0.5, 0.7], nmes: vec![0.1, 0.3], truths: Vec::new() }
    }

    #[test]
    fn war_counts_samples_and_uar_counts_classes() {
        let answered = [sample(0, 1, true), sample(0, 1, true), sample(0, 2, false), sample(1, 2, false)];
        let scores = score(&answered, 3);
        assert_eq!((scores.samples, scores.war), (4, 0.5));
        assert!((scores.uar - (2.0 / 3.0 + 0.0) / 2.0).abs() < 1e-6, "the third class has no samples: {}", scores.uar);
        assert!(scores.recall[2].is_nan());
        assert_eq!(scores.confusion, [[2, 1, 0], [0, 0, 1], [0, 0, 0]]);
        assert!((scores.box_iou - 0.6).abs() < 1e-6 && (scores.landmark_nme - 0.2).abs() < 1e-6);
    }

    #[test]
    fn an_interval_is_that_of_a_binomial() {
        // 400 persons with one sample each, 3 in 4 right: standard error sqrt(.75 * .25 / 400) = 0.0217.
        let answered: Vec<Answered> = (0..400u64).map(|i| sample(0, i, !i.is_multiple_of(4))).collect();
        let war = intervals(&answered, 3, 1).unwrap().war;
        assert!((war.low - (0.75 - 1.96 * 0.0217)).abs() < 0.008, "{war:?}");
        assert!((war.high - (0.75 + 1.96 * 0.0217)).abs() < 0.008, "{war:?}");
        assert_eq!(intervals(&answered, 3, 1), intervals(&answered, 3, 1));
        assert!(intervals(&answered, 3, 1) != intervals(&answered, 3, 2));
        // One person says nothing of others, however many samples there are.
        let one: Vec<Answered> = (0..400u64).map(|i| sample(0, 1, !i.is_multiple_of(4))).collect();
        assert_eq!((intervals(&one, 3, 1), difference(&one, &one, 3, 1)), (None, None));
    }

    #[test]
    fn samples_of_one_person_do_not_make_an_interval_narrow() {
        let alone: Vec<Answered> = (0..200u64).map(|i| sample(0, i, i.is_multiple_of(2))).collect();
        let few: Vec<Answered> = (0..200u64).map(|i| sample(0, i / 20, (i / 20).is_multiple_of(2))).collect();
        let war = |a: &[Answered]| intervals(a, 3, 1).unwrap().war;
        let width = |a: &[Answered]| war(a).high - war(a).low;
        assert!(width(&few) > 3.0 * width(&alone), "{} {}", width(&few), width(&alone));
        assert_eq!(person_count(&few), 10);
    }

    #[test]
    fn what_two_models_share_cancels_out() {
        let a: Vec<Answered> = (0..100u64).map(|i| sample(0, i, i.is_multiple_of(2))).collect();
        let better: Vec<Answered> = (0..100u64).map(|i| sample(0, i, i.is_multiple_of(2) || i % 10 == 1)).collect();
        let (same, _) = difference(&a, &a, 3, 5).unwrap();
        assert_eq!(same, Interval { low: 0.0, high: 0.0 });
        let (war, _) = difference(&better, &a, 3, 5).unwrap();
        assert!(war.low > 0.0 && war.low < 0.1 && war.high > 0.1 && war.high < 0.2, "{war:?}");
    }
}
