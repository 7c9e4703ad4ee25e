//! Which part of an activation's values its bytes stand for.

use super::histogram::Histogram;
use mtcae_network::onnx::{Activation, ZERO_POINT};
use std::fmt;
use std::str::FromStr;

/// How the range of an activation is chosen; what lies outside is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum RangeMethod {
    /// The range with the least mean squared error of rounding and cutting.
    #[default]
    Mse,
    /// The range that holds this share of the values, percent, above 50 to 100.
    Percentile(f64),
    /// Everything seen. One outlier makes all steps coarse.
    MinMax,
}

/// A word that is no method.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("range {0:?}; accepted: mse, minmax, percentile:P with P above 50, at most 100, such as percentile:99.9")]
pub struct NoRange(String);

impl FromStr for RangeMethod {
    type Err = NoRange;

    fn from_str(text: &str) -> Result<RangeMethod, NoRange> {
        match text {
            "mse" => return Ok(RangeMethod::Mse),
            "minmax" => return Ok(RangeMethod::MinMax),
            _ => {}
        }
        let share = text.strip_prefix("percentile:").and_then(|p| p.parse::<f64>().ok());
        let share = share.filter(|p| *p > 50.0 && *p <= 100.0);
        share.map(RangeMethod::Percentile).ok_or_else(|| NoRange(text.to_owned()))
    }
}

impl fmt::Display for RangeMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RangeMethod::Mse => f.write_str("mse"),
            RangeMethod::Percentile(p) => write!(f, "percentile:{p}"),
            RangeMethod::MinMax => f.write_str("minmax"),
        }
    }
}

/// The scale of values spread as `seen`. Symmetric ones have their zero at [`ZERO_POINT`]; asymmetric ones where it wastes
/// least, which doubles the resolution of values of one sign.
pub fn activation(seen: &Histogram, method: RangeMethod, asymmetric: bool) -> Activation {
    let (low, high) = match method {
        RangeMethod::MinMax => seen.ends(),
        RangeMethod::Percentile(share) => percentile(seen, share / 100.0, asymmetric),
        RangeMethod::Mse => least_error(seen, asymmetric),
    };
    of_range(low, high, asymmetric)
}

fn of_range(low: f32, high: f32, asymmetric: bool) -> Activation {
    let (low, high) = (low.min(0.0), high.max(0.0));
    let (scale, zero_point) = if asymmetric {
        let scale = (high - low) / 255.0;
        (scale, (-low / scale).round().clamp(0.0, 255.0) as u8)
    } else {
        (high.max(-low) / 127.0, ZERO_POINT)
    };
    // Nothing but zeros: any scale will do.
    if scale > 0.0 && scale.is_finite() {
        Activation::Static { scale, zero_point }
    } else {
        Activation::Static { scale: 1.0, zero_point: ZERO_POINT }
    }
}

fn percentile(seen: &Histogram, share: f64, asymmetric: bool) -> (f32, f32) {
    let (low, high) = seen.ends();
    if asymmetric {
        let outside = (1.0 - share) / 2.0;
        let bins: Vec<_> = seen.bins().collect();
        let up = reached(bins.iter().copied(), seen.total(), 1.0 - outside).max(0.0) as f32;
        let down = reached(bins.iter().rev().map(|(v, n)| (-v, *n)), seen.total(), 1.0 - outside).max(0.0) as f32;
        return ((-down).max(low), up.min(high));
    }
    let mut sizes: Vec<(f64, u64)> = seen.bins().map(|(v, n)| (v.abs(), n)).collect();
    sizes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let top = reached(sizes.into_iter(), seen.total(), share).min(f64::from(high.max(-low))) as f32;
    (-top, top)
}

/// The first value at which `share` of all are counted.
fn reached(bins: impl Iterator<Item = (f64, u64)>, total: u64, share: f64) -> f64 {
    let enough = share * total as f64;
    let (mut count, mut at) = (0, 0.0);
    for (value, n) in bins {
        (count, at) = (count + n, value);
        if count as f64 >= enough {
            break;
        }
    }
    at
}

/// Ranges that are tried run from all to one part in this many, in equal ratios.
const NARROWEST: f64 = 24.0;

fn least_error(seen: &Histogram, asymmetric: bool) -> (f32, f32) {
    let (low, high) = seen.ends();
    let (low, high) = (f64::from(low), f64::from(high));
    let sums = Sums::new(seen);
    let ratios = |n: u32| (0..n).map(move |i| NARROWEST.powf(-f64::from(i) / f64::from(n - 1)));
    let mut best = (f64::INFINITY, (low, high));
    let mut offer = |range: (f64, f64), scale: f64| {
        let error = sums.error(range, scale);
        if error < best.0 {
            best = (error, range);
        }
    };
    if asymmetric {
        for down in ratios(40) {
            ratios(40).for_each(|up| offer((low * down, high * up), (high * up - low * down) / 255.0));
        }
    } else {
        let top = high.max(-low);
        ratios(120).for_each(|r| offer((-top * r, top * r), top * r / 127.0));
    }
    (best.1.0 as f32, best.1.1 as f32)
}

/// Count, sum and sum of squares of all values up to each bin: the error of a range then takes four look-ups.
struct Sums {
    values: Vec<f64>,
    up_to: Vec<[f64; 3]>,
}

impl Sums {
    fn new(seen: &Histogram) -> Sums {
        let (mut values, mut up_to) = (Vec::new(), vec![[0.0; 3]]);
        let mut all = [0.0; 3];
        for (value, n) in seen.bins() {
            let n = n as f64;
            all = [all[0] + n, all[1] + n * value, all[2] + n * value * value];
            values.push(value);
            up_to.push(all);
        }
        Sums { values, up_to }
    }

    /// Those of the values from `from` up to `to`.
    fn between(&self, from: f64, to: f64) -> [f64; 3] {
        let at = |v: f64| self.values.partition_point(|x| *x < v);
        let (a, b) = (self.up_to[at(from)], self.up_to[at(to).max(at(from))]);
        [b[0] - a[0], b[1] - a[1], b[2] - a[2]]
    }

    /// Sum of squared errors: what is cut off, what becomes 0, and a twelfth of a step's square for the rest.
    fn error(&self, (low, high): (f64, f64), scale: f64) -> f64 {
        let cut = |[n, sum, squares]: [f64; 3], edge: f64| squares - 2.0 * edge * sum + edge * edge * n;
        let small = self.between(-scale / 2.0, scale / 2.0);
        let inside = self.between(low, high)[0] - small[0];
        cut(self.between(f64::NEG_INFINITY, low), low)
            + cut(self.between(high, f64::INFINITY), high)
            + small[2]
            + inside.max(0.0) * scale * scale / 12.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_network::SplitMix;

    fn normals(n: usize, outliers: &[f32]) -> Vec<f32> {
        let mut random = SplitMix::new(5);
        (0..n).map(|_| random.normal()).chain(outliers.iter().copied()).collect()
    }

    fn histogram(values: &[f32]) -> Histogram {
        let mut seen = Histogram::default();
        values.chunks(100).for_each(|part| seen.add(part));
        seen
    }

    /// Mean squared error of what the bytes stand for.
    fn measured(values: &[f32], activation: Activation) -> f64 {
        let Activation::Static { scale, zero_point } = activation else { panic!("{activation:?}") };
        let zero = f32::from(zero_point);
        let back = |v: f32| ((v / scale).round_ties_even() + zero).clamp(0.0, 255.0) - zero;
        values.iter().map(|v| f64::from(v - back(*v) * scale).powi(2)).sum::<f64>() / values.len() as f64
    }

    #[test]
    fn mse_is_best_where_outliers_are() {
        for (outliers, gain) in [(&[12.0f32][..], 2.0), (&[], 0.999)] {
            let values = normals(400_000, outliers);
            let seen = histogram(&values);
            let error = |method| measured(&values, activation(&seen, method, false));
            let (mse, minmax) = (error(RangeMethod::Mse), error(RangeMethod::MinMax));
            let percentile = error(RangeMethod::Percentile(99.9));
            assert!(mse * gain <= minmax && mse <= 1.02 * percentile, "{outliers:?}: {mse} {minmax} {percentile}");
        }
    }

    #[test]
    fn an_asymmetric_range_halves_the_steps_of_values_of_one_sign() {
        let values: Vec<f32> =
            normals(20_000, &[]).iter().map(|v| if *v > 0.0 { *v } else { 0.05 * v.tanh() }).collect();
        let seen = histogram(&values);
        let (even, uneven) = (activation(&seen, RangeMethod::Mse, false), activation(&seen, RangeMethod::Mse, true));
        let (Activation::Static { scale, zero_point }, Activation::Static { scale: fine, zero_point: low }) =
            (even, uneven)
        else {
            panic!("not static");
        };
        assert!(zero_point == 128 && low < 10 && fine < 0.6 * scale, "{even:?} {uneven:?}");
        assert!(measured(&values, uneven) < 0.5 * measured(&values, even));
    }

    #[test]
    fn a_percentile_holds_its_share() {
        let values: Vec<f32> = (1..=10_000).map(|i| i as f32 * if i % 2 == 0 { 1.0 } else { -0.1 }).collect();
        let seen = histogram(&values);
        let scale = |method, asymmetric| match activation(&seen, method, asymmetric) {
            Activation::Static { scale, .. } => scale,
            Activation::Dynamic => panic!("dynamic"),
        };
        let all = scale(RangeMethod::MinMax, false);
        assert!((all * 127.0 - 10_000.0).abs() < 1.0);
        // The upper half of the positive ones is a quarter of all.
        assert!((scale(RangeMethod::Percentile(75.0), false) / all - 0.5).abs() < 0.01);
        assert!((scale(RangeMethod::Percentile(100.0), false) / all - 1.0).abs() < 0.01);
        assert!((scale(RangeMethod::MinMax, true) * 255.0 - 10_999.9).abs() < 1.0);
    }

    #[test]
    fn nothing_but_zeros_gives_a_scale() {
        for method in [RangeMethod::Mse, RangeMethod::Percentile(99.0), RangeMethod::MinMax] {
            for asymmetric in [false, true] {
                let got = activation(&histogram(&[0.0; 50]), method, asymmetric);
                assert_eq!(got, Activation::Static { scale: 1.0, zero_point: ZERO_POINT }, "{method} {asymmetric}");
            }
        }
    }

    #[test]
    fn methods_are_written_as_they_are_read() {
        for text in ["mse", "minmax", "percentile:99.9", "percentile:100"] {
            assert_eq!(text.parse::<RangeMethod>().unwrap().to_string(), text);
        }
        for text in ["", "percentile", "percentile:50", "percentile:101", "percentile:x", "max"] {
            assert_eq!(text.parse::<RangeMethod>(), Err(NoRange(text.to_owned())));
        }
    }
}
