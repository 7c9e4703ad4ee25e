//! The network evaluated by plain arithmetic: what every engine and every exported file is compared with.

use crate::checkpoint::Checkpoint;
use crate::layers::{Conv, Linear, Norm, PatchEmbed, Qkv};
use crate::ops::{Ops, Param, position_table};
use ndarray::{ArrayView2, ArrayViewMut2, s};
use std::rc::Rc;

/// Numbers of one sample, `[rows, columns]`: tokens and channels. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    /// Rows.
    pub n: usize,
    /// Columns.
    pub d: usize,
    /// Row-major, `n * d`.
    pub values: Rc<Vec<f32>>,
}

impl Values {
    fn new(n: usize, d: usize, values: Vec<f32>) -> Values {
        assert_eq!(values.len(), n * d, "numbers do not fit [{n}, {d}]");
        Values { n, d, values: Rc::new(values) }
    }

    fn each(&self, f: impl Fn(f32) -> f32) -> Values {
        Values::new(self.n, self.d, self.values.iter().map(|v| f(*v)).collect())
    }

    fn view(&self) -> ArrayView2<'_, f32> {
        view(&self.values, self.n, self.d)
    }
}

/// Maps of the clip's frames, `[T, channels, side, side]`.
#[derive(Debug, Clone)]
pub struct Maps {
    channels: usize,
    side: usize,
    values: Rc<Vec<f32>>,
}

/// Bytes `[T, S, S, 3]` as the network's normalised input `[T, 3, S, S]`.
pub fn normalised(bytes: &[u8], side: usize, mean: [f32; 3], std: [f32; 3]) -> Vec<f32> {
    let area = side * side;
    let mut out = vec![0.0; bytes.len()];
    for (i, byte) in bytes.iter().enumerate() {
        let (pixel, c) = (i / 3, i % 3);
        let at = (pixel / area * 3 + c) * area + pixel % area;
        out[at] = (f32::from(*byte) / 255.0 - mean[c]) / std[c];
    }
    out
}

/// An interpreter of the network on one clip, without any engine: batch 1, f32, slow.
#[derive(Debug)]
pub struct Reference<'a> {
    checkpoint: &'a Checkpoint,
    clip: Maps,
}

impl<'a> Reference<'a> {
    /// An evaluator of `clip`, normalised `[T, 3, S, S]` (see [`normalised`]).
    ///
    /// # Panics
    /// When the clip's length does not fit the configuration. Running it panics when a parameter is missing
    /// ([`Checkpoint::check`] tells).
    pub fn new(checkpoint: &'a Checkpoint, clip: Vec<f32>) -> Reference<'a> {
        let c = &checkpoint.config;
        assert_eq!(clip.len(), c.frames * 3 * c.size * c.size, "the clip does not fit the configuration");
        Reference { checkpoint, clip: Maps { channels: 3, side: c.size, values: Rc::new(clip) } }
    }

    fn values(&self, p: &Param) -> &'a [f32] {
        &self.checkpoint.tensors[&p.name].values
    }

    fn frames_in_clip(&self) -> usize {
        self.checkpoint.config.frames
    }
}

fn view(values: &[f32], n: usize, d: usize) -> ArrayView2<'_, f32> {
    // Lengths are asserted where values are made.
    ArrayView2::from_shape((n, d), values).expect("numbers fit their shape")
}

/// `x W^T + b` with `w` `[outputs, inputs]`.
fn affine(x: &Values, w: &[f32], b: &[f32]) -> Values {
    let outputs = w.len() / x.d;
    let mut y: Vec<f32> = b.iter().copied().cycle().take(x.n * outputs).collect();
    let mut out = ArrayViewMut2::from_shape((x.n, outputs), &mut y).expect("numbers fit their shape");
    ndarray::linalg::general_mat_mul(1.0, &x.view(), &view(w, outputs, x.d).t(), 1.0, &mut out);
    Values::new(x.n, outputs, y)
}

/// erf to double precision: its Maclaurin series, and a continued fraction of erfc where that converges slowly.
fn erf(x: f64) -> f64 {
    let a = x.abs();
    let y = if a < 3.0 {
        let (mut term, mut sum) = (a, a);
        for k in 1..100 {
            term *= -a * a / f64::from(k);
            sum += term / f64::from(2 * k + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    } else {
        let tail = (1..60).rev().fold(a, |t, k| a + f64::from(k) / 2.0 / t);
        1.0 - (-a * a).exp() / tail / std::f64::consts::PI.sqrt()
    };
    y.copysign(x)
}

fn softmax(row: &mut [f32]) {
    let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0f64;
    for v in row.iter_mut() {
        *v = (*v - top).exp();
        sum += f64::from(*v);
    }
    row.iter_mut().for_each(|v| *v = (f64::from(*v) / sum) as f32);
}

/// Columns of 3 x 3 neighbourhoods, zero outside the map: `[channels * 9, out * out]`.
fn neighbourhoods(map: &[f32], channels: usize, side: usize, stride: usize) -> Vec<f32> {
    let out = side / stride;
    let mut columns = Vec::with_capacity(channels * 9 * out * out);
    for c in 0..channels {
        for (ky, kx) in (0..9).map(|k| (k / 3, k % 3)) {
            for (oy, ox) in (0..out * out).map(|i| (i / out, i % out)) {
                let (y, x) = ((oy * stride + ky).wrapping_sub(1), (ox * stride + kx).wrapping_sub(1));
                let inside = y < side && x < side;
                columns.push(if inside { map[(c * side + y) * side + x] } else { 0.0 });
            }
        }
    }
    columns
}

impl Ops for Reference<'_> {
    type Seq = Values;
    type Map = Maps;

    fn frames(&mut self) -> Maps {
        self.clip.clone()
    }

    fn patch_embed(&mut self, layer: &PatchEmbed) -> Values {
        let (t, side) = (self.frames_in_clip() / 2, self.clip.side);
        let s = side / 16;
        let clip = &self.clip.values;
        let mut patches = Vec::with_capacity(t * 2 * 3 * side * side);
        for token in 0..t * s * s {
            let (frame, row, column) = (token / (s * s) * 2, token / s % s * 16, token % s * 16);
            for (c, dt, y) in (0..3 * 2 * 16).map(|i| (i / 32, i / 16 % 2, i % 16)) {
                let at = (((frame + dt) * 3 + c) * side + row + y) * side + column;
                patches.extend_from_slice(&clip[at..at + 16]);
            }
        }
        let patches = Values::new(t * s * s, 1536, patches);
        affine(&patches, self.values(&layer.weight), self.values(&layer.bias))
    }

    fn conv(&mut self, x: &Maps, layer: &Conv) -> Maps {
        let channels = layer.weight.shape[0];
        let side = x.side / layer.stride;
        let weight = view(self.values(&layer.weight), channels, x.channels * 9);
        let (gain, shift) = (self.values(&layer.norm_weight), self.values(&layer.norm_bias));
        let (mean, var) = (self.values(&layer.running_mean), self.values(&layer.running_var));
        let mut values = Vec::with_capacity(self.frames_in_clip() * channels * side * side);
        for map in x.values.chunks_exact(x.channels * x.side * x.side) {
            let columns = neighbourhoods(map, x.channels, x.side, layer.stride);
            let y = weight.dot(&view(&columns, x.channels * 9, side * side));
            for (c, row) in y.rows().into_iter().enumerate() {
                let deviation = (f64::from(var[c]) + Conv::EPS).sqrt() as f32;
                values.extend(row.iter().map(|v| (v - mean[c]) / deviation * gain[c] + shift[c]));
            }
        }
        Maps { channels, side, values: Rc::new(values) }
    }

    fn relu(&mut self, x: &Maps) -> Maps {
        Maps { values: Rc::new(x.values.iter().map(|v| v.max(0.0)).collect()), ..*x }
    }

    fn add_maps(&mut self, a: &Maps, b: &Maps) -> Maps {
        Maps { values: Rc::new(a.values.iter().zip(b.values.iter()).map(|(a, b)| a + b).collect()), ..*a }
    }

    fn tubelets(&mut self, x: &Maps) -> Values {
        let (t, area) = (self.frames_in_clip() / 2, x.side * x.side);
        let d = 2 * x.channels;
        let mut out = Vec::with_capacity(t * area * d);
        for (pair, pixel) in (0..t * area).map(|i| (i / area, i % area)) {
            out.extend((0..d).map(|c| x.values[(pair * d + c) * area + pixel]));
        }
        Values::new(t * area, d, out)
    }

    fn positions(&mut self, x: &Values) -> Values {
        self.add(x, &Values::new(x.n, x.d, position_table(x.n, x.d)))
    }

    fn linear(&mut self, x: &Values, layer: &Linear) -> Values {
        affine(x, self.values(&layer.weight), self.values(&layer.bias))
    }

    fn qkv(&mut self, x: &Values, layer: &Qkv) -> (Values, Values, Values) {
        let w = self.values(&layer.weight);
        let third = w.len() / 3;
        let (q_bias, v_bias) = (self.values(&layer.q_bias), self.values(&layer.v_bias));
        let k_bias = vec![0.0; layer.width()];
        (affine(x, &w[..third], q_bias), affine(x, &w[third..2 * third], &k_bias), affine(x, &w[2 * third..], v_bias))
    }

    fn layer_norm(&mut self, x: &Values, layer: &Norm) -> Values {
        let (w, b) = (self.values(&layer.weight), self.values(&layer.bias));
        let mut out = Vec::with_capacity(x.n * x.d);
        for row in x.values.chunks_exact(x.d) {
            let mean = row.iter().map(|v| f64::from(*v)).sum::<f64>() / x.d as f64;
            let variance = row.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / x.d as f64;
            let factor = 1.0 / (variance + Norm::EPS).sqrt();
            let normal = row.iter().map(|v| ((f64::from(*v) - mean) * factor) as f32);
            out.extend(normal.zip(w.iter().zip(b)).map(|(v, (w, b))| v * w + b));
        }
        Values::new(x.n, x.d, out)
    }

    fn attention(&mut self, q: &Values, k: &Values, v: &Values, heads: usize) -> Values {
        let width = q.d / heads;
        let mut out = vec![0.0; q.n * v.d];
        let mut all = ArrayViewMut2::from_shape((q.n, v.d), &mut out).expect("numbers fit their shape");
        for head in 0..heads {
            let part = s![.., head * width..(head + 1) * width];
            let (qv, kv, vv) = (q.view(), k.view(), v.view());
            let mut scores = qv.slice(part).dot(&kv.slice(part).t());
            scores *= 1.0 / (width as f32).sqrt();
            scores.rows_mut().into_iter().for_each(|mut row| {
                if let Some(row) = row.as_slice_mut() {
                    softmax(row);
                }
            });
            all.slice_mut(part).assign(&scores.dot(&vv.slice(part)));
        }
        Values::new(q.n, v.d, out)
    }

    fn gelu(&mut self, x: &Values) -> Values {
        x.each(|v| (f64::from(v) * 0.5 * (1.0 + erf(f64::from(v) * std::f64::consts::FRAC_1_SQRT_2))) as f32)
    }

    fn add(&mut self, a: &Values, b: &Values) -> Values {
        Values::new(a.n, a.d, a.values.iter().zip(b.values.iter()).map(|(a, b)| a + b).collect())
    }

    fn pool(&mut self, x: &Values, groups: usize) -> Values {
        let run = x.n / groups;
        let mean = |(g, c): (usize, usize)| {
            let sum: f64 = (0..run).map(|i| f64::from(x.values[(g * run + i) * x.d + c])).sum();
            (sum / run as f64) as f32
        };
        Values::new(groups, x.d, (0..groups * x.d).map(|i| mean((i / x.d, i % x.d))).collect())
    }

    fn reshape(&mut self, x: &Values, n: usize, d: usize) -> Values {
        assert_eq!(x.n * x.d, n * d, "a reshape that changes the number of values");
        Values { n, d, values: Rc::clone(&x.values) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erf_matches_the_tables() {
        for (x, y) in
            [(0.0, 0.0), (0.5, 0.520_499_877_813_046_5), (2.0, 0.995_322_265_018_952_7), (3.5, 0.999_999_256_901_627_6)]
        {
            assert!((erf(x) - y).abs() < 1e-13 && (erf(-x) + y).abs() < 1e-13, "{x}: {}", erf(x));
        }
    }

    #[test]
    fn bytes_are_normalised_by_colour_into_planes() {
        let x = normalised(&[0, 255, 51, 255, 0, 0, 0, 0, 0, 0, 0, 255], 2, [0.5, 0.0, 0.2], [0.5, 1.0, 0.1]);
        assert_eq!(x, [-1.0, 1.0, -1.0, -1.0, 1.0, 0.0, 0.0, 0.0, 0.0, -2.0, -2.0, 8.0]);
    }
}
