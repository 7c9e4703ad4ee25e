//! How far probabilities can be believed: temperature and expected calibration error (Guo et al. 2017). Pure.

use mtcae_contract::softmax;

/// Bins of equal width that [`calibration_bins`] sorts confidences into.
const BINS: usize = 15;
/// Temperatures that are tried; the manifest accepts 0.05 to 20.
const RANGE: (f32, f32) = (0.2, 5.0);

/// The temperature at which `logits` explain `labels` best (least mean negative log likelihood), 0.2 to 5.
pub fn fit_temperature(logits: &[&[f32]], labels: &[usize]) -> f32 {
    // The loss has one minimum over log t: golden section.
    let (mut low, mut high) = (RANGE.0.ln(), RANGE.1.ln());
    let golden = (5.0f32.sqrt() - 1.0) / 2.0;
    for _ in 0..40 {
        let (a, b) = (high - golden * (high - low), low + golden * (high - low));
        if loss(logits, labels, a.exp()) < loss(logits, labels, b.exp()) {
            high = b;
        } else {
            low = a;
        }
    }
    ((low + high) / 2.0).exp()
}

/// Mean negative log likelihood of `labels` at `temperature`.
fn loss(logits: &[&[f32]], labels: &[usize], temperature: f32) -> f64 {
    let one = |(l, label): (&&[f32], &usize)| -f64::from(softmax(l, temperature)[*label].max(1e-12)).ln();
    logits.iter().zip(labels).map(one).sum::<f64>() / labels.len().max(1) as f64
}

/// One bin of confidences.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bin {
    /// Answers in it.
    pub samples: usize,
    /// Their mean confidence, 0 to 1; 0 without samples.
    pub confidence: f32,
    /// How many of them are right, 0 to 1; 0 without samples.
    pub accuracy: f32,
}

/// Confidence against accuracy at `temperature`, in 15 bins of equal width from 0 to 1.
pub fn calibration_bins(logits: &[&[f32]], labels: &[usize], temperature: f32) -> Vec<Bin> {
    let mut sums = [(0usize, 0.0f64, 0usize); BINS];
    for (l, label) in logits.iter().zip(labels) {
        let p = softmax(l, temperature);
        let best = (0..p.len()).max_by(|a, b| p[*a].total_cmp(&p[*b])).unwrap_or(0);
        let bin = &mut sums[((p[best] * BINS as f32) as usize).min(BINS - 1)];
        *bin = (bin.0 + 1, bin.1 + f64::from(p[best]), bin.2 + usize::from(best == *label));
    }
    let bin = |(samples, confidence, right): (usize, f64, usize)| {
        let n = samples.max(1) as f64;
        Bin { samples, confidence: (confidence / n) as f32, accuracy: (right as f64 / n) as f32 }
    };
    sums.map(bin).to_vec()
}

/// Expected calibration error at `temperature`, 0 to 1: confidence against accuracy in 15 bins, weighted by their counts.
pub fn expected_error(logits: &[&[f32]], labels: &[usize], temperature: f32) -> f32 {
    let bins = calibration_bins(logits, labels, temperature);
    let gaps: f32 = bins.iter().map(|b| b.samples as f32 * (b.confidence - b.accuracy).abs()).sum();
    gaps / labels.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1000 answers of two classes with logit gap `gap`, of which `right` in ten are right.
    fn answers(gap: f32, right: usize) -> (Vec<[f32; 2]>, Vec<usize>) {
        ((0..1000).map(|_| [gap, 0.0]).collect(), (0..1000).map(|i| usize::from(i % 10 >= right)).collect())
    }

    #[test]
    fn the_temperature_makes_confidence_what_accuracy_is() {
        // Right in 8 of 10 means a logit gap of ln 4; the network said 3 times that.
        let (logits, labels) = answers(3.0 * 4.0f32.ln(), 8);
        let logits: Vec<&[f32]> = logits.iter().map(|l| &l[..]).collect();
        let t = fit_temperature(&logits, &labels);
        assert!((t - 3.0).abs() < 0.01, "{t}");
        assert!(expected_error(&logits, &labels, t) < 0.005);
        let unfitted = expected_error(&logits, &labels, 1.0);
        assert!((unfitted - (64.0 / 65.0 - 0.8)).abs() < 1e-3, "{unfitted}");
    }
}
