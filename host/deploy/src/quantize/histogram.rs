//! How the values of an activation are spread, in bounded room however many of them there are.

/// Counts; a power of two, so that doubling the width merges pairs.
const BINS: usize = 4096;

/// Counts of values in equal bins around zero, and the two ends.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    /// The bins reach from `-half` to `half`; a power of two, or 0 when there are only zeros.
    half: f32,
    zeros_only: u64,
    low: f32,
    high: f32,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: vec![0; BINS], half: 0.0, zeros_only: 0, low: 0.0, high: 0.0 }
    }
}

impl Histogram {
    /// Counts `values`; those that are not finite are left out.
    pub fn add(&mut self, values: &[f32]) {
        let finite = || values.iter().copied().filter(|v| v.is_finite());
        let (low, high) = finite().fold((0.0f32, 0.0f32), |(low, high), v| (low.min(v), high.max(v)));
        (self.low, self.high) = (self.low.min(low), self.high.max(high));
        self.widen(high.max(-low));
        if self.half == 0.0 {
            self.zeros_only += finite().count() as u64;
            return;
        }
        let (middle, per) = (BINS as f32 / 2.0, BINS as f32 / 2.0 / self.half);
        finite().for_each(|v| self.counts[((v * per + middle) as usize).min(BINS - 1)] += 1);
    }

    fn widen(&mut self, top: f32) {
        if top <= self.half {
            return;
        }
        if self.half == 0.0 {
            // Not so small that bins per unit are no number any more.
            self.half = top.log2().ceil().exp2().max(1e-30);
            self.counts[BINS / 2] = std::mem::take(&mut self.zeros_only);
        }
        while self.half < top {
            let mut merged = vec![0; BINS];
            self.counts.iter().enumerate().for_each(|(i, n)| merged[BINS / 4 + i / 2] += n);
            self.counts = merged;
            self.half *= 2.0;
        }
    }

    /// Smallest and largest value, 0 among them.
    pub fn ends(&self) -> (f32, f32) {
        (self.low, self.high)
    }

    /// How many values were counted.
    pub fn total(&self) -> u64 {
        self.zeros_only + self.counts.iter().sum::<u64>()
    }

    /// The bins that are not empty, from the lowest: value in the middle and count.
    pub fn bins(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let width = f64::from(self.half) * 2.0 / BINS as f64;
        let middle = move |i: usize| (i as f64 + 0.5) * width - f64::from(self.half);
        self.counts.iter().enumerate().filter(|(_, n)| **n > 0).map(move |(i, n)| (middle(i), *n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn zeros_and_what_is_no_number_leave_no_trace_but_their_count() {
        let mut h = Histogram::default();
        h.add(&[0.0, f32::NAN, 0.0, f32::INFINITY]);
        assert_eq!((h.total(), h.ends(), h.bins().count()), (2, (0.0, 0.0), 0));
        h.add(&[3.0]);
        assert_eq!((h.total(), h.ends(), h.bins().map(|b| b.1).sum::<u64>()), (3, (0.0, 3.0), 3));
    }

    proptest! {
        #[test]
        fn every_value_is_counted_near_itself(
            parts in prop::collection::vec(prop::collection::vec(-1e6f32..1e6, 0..50), 1..6),
            shrink in prop::collection::vec(1e-6f32..1.0, 6),
        ) {
            let mut h = Histogram::default();
            let parts: Vec<Vec<f32>> =
                parts.iter().zip(shrink).map(|(p, s)| p.iter().map(|v| v * s).collect()).collect();
            parts.iter().for_each(|p| h.add(p));
            let mut all: Vec<f64> = parts.iter().flatten().map(|v| f64::from(*v)).collect();
            all.sort_by(f64::total_cmp);
            prop_assert_eq!(h.total(), all.len() as u64);
            let counted: Vec<f64> = h.bins().flat_map(|(v, n)| std::iter::repeat_n(v, n as usize)).collect();
            let top = all.iter().fold(0.0f64, |t, v| t.max(v.abs()));
            // Bins reach to less than twice the largest value, and a value lies in its bin or at its edge.
            for (v, near) in all.iter().zip(&counted) {
                prop_assert!((v - near).abs() <= 4.0 * top / BINS as f64 + 1e-9, "{v} was counted as {near}");
            }
        }
    }
}
