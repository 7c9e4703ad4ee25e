//! From a stream of probabilities to a label people can trust: a function of time, not of frame rate.

use crate::SmoothingSettings;
use mtcae_contract::Micros;

/// How a label came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// Nothing is likely enough to be named.
    Unsure,
    /// Another class leads at the moment, not by enough or not for long enough; or the last look did not find the face.
    Holding,
    /// The label leads.
    Stable,
}

/// The state after a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Smoothed {
    /// One a class, adding up to 1.
    pub probabilities: Vec<f32>,
    /// Index of the class named; `None` exactly when [`Certainty::Unsure`].
    pub label: Option<usize>,
    /// How the label came about.
    pub certainty: Certainty,
}

/// Smooths one face's probabilities. The evaluator on the host uses the same one.
#[derive(Debug, Clone)]
pub struct Smoother {
    settings: SmoothingSettings,
    mean: Vec<f32>,
    at: Option<Micros>,
    label: Option<usize>,
    /// When the label, or the doubt after one, began.
    since: Option<Micros>,
}

impl Smoother {
    /// For `classes` classes (at least 1), with nothing seen yet.
    pub fn new(settings: SmoothingSettings, classes: usize) -> Smoother {
        let classes = classes.max(1);
        Smoother { settings, mean: vec![1.0 / classes as f32; classes], at: None, label: None, since: None }
    }

    /// Takes the probabilities of a clip captured at `at`. Values that are not finite or negative count as 0, missing
    /// ones too, and what is left is scaled to add up to 1; a sample with nothing left changes no probability.
    pub fn update(&mut self, probabilities: &[f32], at: Micros) -> Smoothed {
        let now = self.at.map_or(at, |last| last.max(at));
        if let Some(sample) = cleaned(probabilities, self.mean.len()) {
            let weight = self.at.map_or(1.0, |last| self.weight(now - last));
            for (mean, value) in self.mean.iter_mut().zip(&sample) {
                *mean += weight * (value - *mean);
            }
            // Rounding must not add up over days.
            let sum: f32 = self.mean.iter().sum();
            self.mean.iter_mut().for_each(|m| *m /= sum);
            self.at = Some(now);
            self.decide(now);
        }
        self.state()
    }

    /// Forgets everything, as for another face.
    pub fn reset(&mut self) {
        *self = Smoother::new(self.settings.clone(), self.mean.len());
    }

    /// The state after the last sample.
    pub fn state(&self) -> Smoothed {
        let certainty = match self.label {
            None => Certainty::Unsure,
            Some(label) if label == self.leader() => Certainty::Stable,
            Some(_) => Certainty::Holding,
        };
        Smoothed { probabilities: self.mean.clone(), label: self.label, certainty }
    }

    /// The state after the last sample, when what came since shows nothing that counts: a label is held.
    pub fn held(&self) -> Smoothed {
        let certainty = if self.label.is_some() { Certainty::Holding } else { Certainty::Unsure };
        Smoothed { certainty, ..self.state() }
    }

    /// Share of a sample that stands for the last `passed` microseconds.
    fn weight(&self, passed: Micros) -> f32 {
        if self.settings.tau == 0 {
            return 1.0;
        }
        (1.0 - (-(passed as f64) / self.settings.tau as f64).exp()) as f32
    }

    fn leader(&self) -> usize {
        (1..self.mean.len()).fold(0, |best, i| if self.mean[i] > self.mean[best] { i } else { best })
    }

    fn decide(&mut self, now: Micros) {
        let wanted = self.wanted();
        let may_change = self.since.is_none_or(|since| now - since >= self.settings.dwell);
        if wanted != self.label && may_change {
            self.label = wanted;
            self.since = Some(now);
        }
    }

    /// The label that the probabilities alone ask for.
    fn wanted(&self) -> Option<usize> {
        let leader = self.leader();
        let likely = self.mean[leader] >= self.settings.enter;
        let Some(label) = self.label else { return likely.then_some(leader) };
        if leader != label && likely && self.mean[leader] >= self.mean[label] + self.settings.lead {
            return Some(leader);
        }
        (self.mean[label] >= self.settings.leave).then_some(label)
    }
}

/// `values` without anything impossible, scaled to add up to 1; `None` when nothing is left.
fn cleaned(values: &[f32], classes: usize) -> Option<Vec<f32>> {
    let possible = |v: &f32| if v.is_finite() && *v > 0.0 { v.min(1e6) } else { 0.0 };
    let mut kept: Vec<f32> = values.iter().take(classes).map(possible).collect();
    kept.resize(classes, 0.0);
    let sum: f32 = kept.iter().sum();
    if sum < 1e-6 {
        return None;
    }
    kept.iter_mut().for_each(|v| *v /= sum);
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn smoother() -> Smoother {
        Smoother::new(SmoothingSettings::default(), 3)
    }

    const A: [f32; 3] = [0.9, 0.08, 0.02];
    const B: [f32; 3] = [0.05, 0.9, 0.05];

    /// Microseconds from a change of A to B at one second until the label follows.
    fn lag(hz: u64) -> Micros {
        let mut s = smoother();
        for i in 0.. {
            let at = i * 1_000_000 / hz;
            let state = s.update(if at < 1_000_000 { &A } else { &B }, at);
            if state.label == Some(1) {
                return at - 1_000_000;
            }
        }
        unreachable!()
    }

    #[test]
    fn the_label_follows_a_change_in_time_at_any_rate() {
        // From 0.08 towards 0.9 the mean passes 0.45, and leads by 0.1, before 0.9 time constants.
        let bound = SmoothingSettings::default().tau * 9 / 10;
        let [slow, fast] = [lag(10), lag(30)];
        assert!(slow.abs_diff(fast) <= 100_000, "10 Hz {slow}, 30 Hz {fast}");
        assert!(fast <= bound + 33_334 && slow <= bound + 100_000, "10 Hz {slow}, 30 Hz {fast}");
        assert!(fast >= 150_000, "a single sample must not turn the label: {fast}");
    }

    #[test]
    fn probabilities_are_the_same_at_any_rate() {
        let run = |hz: u64| {
            let mut s = smoother();
            s.update(&A, 0);
            (1..=hz).map(|i| s.update(&B, i * 1_000_000 / hz)).last().unwrap().probabilities
        };
        for (x, y) in run(5).iter().zip(run(50)) {
            assert!((x - y).abs() < 1e-4, "{x} {y}");
        }
    }

    #[test]
    fn alternation_does_not_flicker() {
        let mut s = smoother();
        let (x, y) = ([0.52, 0.42, 0.06], [0.42, 0.52, 0.06]);
        let labels: Vec<_> = (0..300).map(|i| s.update(if i % 2 == 0 { &x } else { &y }, i * 100_000).label).collect();
        assert_eq!(labels.windows(2).filter(|w| w[0] != w[1]).count(), 0);
        assert_eq!(labels[0], Some(0));
    }

    #[test]
    fn doubt_is_said_and_a_held_label_is_marked() {
        let mut s = smoother();
        assert_eq!(s.update(&[0.4, 0.3, 0.3], 0).certainty, Certainty::Unsure);
        let sure = s.update(&A, 5_000_000);
        assert_eq!((sure.label, sure.certainty), (Some(0), Certainty::Stable));
        let held = s.update(&[0.42, 0.45, 0.13], 10_000_000);
        assert_eq!((held.label, held.certainty), (Some(0), Certainty::Holding));
        let unseen = s.held();
        assert_eq!(
            (unseen.label, unseen.certainty, &unseen.probabilities),
            (Some(0), Certainty::Holding, &held.probabilities)
        );
        let lost = s.update(&[0.3, 0.35, 0.35], 20_000_000);
        assert_eq!((lost.label, lost.certainty), (None, Certainty::Unsure));
        assert_eq!(s.held(), lost);
    }

    #[test]
    fn a_label_stays_for_its_dwell() {
        let mut s = Smoother::new(SmoothingSettings { tau: 0, ..SmoothingSettings::default() }, 3);
        assert_eq!(s.update(&A, 0).label, Some(0));
        assert_eq!(s.update(&B, 399_999).label, Some(0));
        assert_eq!(s.update(&B, 400_000).label, Some(1));
    }

    #[test]
    fn a_reset_forgets() {
        let mut s = smoother();
        s.update(&A, 9_000_000);
        s.reset();
        assert_eq!(s.update(&B, 1).label, Some(1));
    }

    fn anything() -> impl Strategy<Value = f32> {
        prop_oneof![4 => 0f32..1.0, 1 => prop::num::f32::ANY]
    }

    proptest! {
        #[test]
        fn always_a_distribution_and_never_a_fast_label(
            samples in prop::collection::vec((prop::collection::vec(anything(), 0..10), 0u64..300_000, prop::bool::weighted(0.05)), 1..200),
        ) {
            let settings = SmoothingSettings::default();
            let mut s = Smoother::new(settings.clone(), 7);
            let (mut at, mut newest, mut changed, mut label) = (1u64 << 40, 0, None::<u64>, None);
            for (values, passed, back) in samples {
                at += passed;
                let given = if back { at / 2 } else { at };
                // A sample with nothing in it does not count, its time neither.
                if cleaned(&values, 7).is_some() {
                    newest = newest.max(given);
                }
                let state = s.update(&values, given);
                let sum: f32 = state.probabilities.iter().sum();
                prop_assert!((sum - 1.0).abs() < 1e-4, "{sum}");
                prop_assert!(state.probabilities.iter().all(|p| (0.0..=1.0001).contains(p)));
                prop_assert_eq!(state.label.is_none(), state.certainty == Certainty::Unsure);
                if state.label != label {
                    prop_assert!(changed.is_none_or(|c| newest - c >= settings.dwell));
                    (changed, label) = (Some(newest), state.label);
                }
            }
        }
    }
}
