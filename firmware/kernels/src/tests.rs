//! Every kernel, with every instruction set that is here, against plain arithmetic.

use crate::attention::{self, Attention};
use crate::conv::{self, Conv};
use crate::finish::{Output, Steps, ToBytes};
use crate::linear::{Linear, run_bytes, run_floats};
use crate::norm::{self, Norm};
use crate::pack::{Bytes, Floats};
use crate::simd::Isa;

/// Numbers from -1 to 1, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn some(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.next()).collect()
    }
}

fn assert_near(got: &[f32], want: &[f64], what: &str) {
    let top = want.iter().fold(0f64, |top, v| top.max(v.abs()));
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((f64::from(*g) - w).abs() <= 2e-6 * top, "{what}: {i}: {g}, not {w} (of {top})");
    }
    assert_eq!(got.len(), want.len(), "{what}");
}

/// `x [rows, k]` times `w [k, n]`.
fn product(x: &[f64], w: &[f64], k: usize, n: usize) -> Vec<f64> {
    x.chunks_exact(k)
        .flat_map(|row| {
            (0..n).map(|j| row.iter().enumerate().map(|(i, x)| x * w[i * n + j]).sum()).collect::<Vec<f64>>()
        })
        .collect()
}

fn doubles(x: &[f32]) -> Vec<f64> {
    x.iter().map(|v| f64::from(*v)).collect()
}

#[test]
fn linear_layers_of_any_size() {
    let mut numbers = Numbers(1);
    for isa in Isa::all() {
        for (rows, k, n) in [(1, 3, 1), (5, 7, 10), (8, 16, 48), (9, 24, 49), (17, 40, 97), (3, 64, 160)] {
            let (x, w) = (numbers.some(rows * k), numbers.some(k * n));
            let (bias, added) = (numbers.some(n), numbers.some(rows * n));
            let weight = Floats::new(isa, &w, n, &bias);
            let mut got = vec![f32::NAN; rows * n];
            let steps = Steps { gelu: false, add: true, relu: true };
            let output = Output::Floats(got.as_mut_ptr());
            run_floats(Linear { x: &x, weight: &weight, steps, added: &added, output });
            let mut want = product(&doubles(&x), &doubles(&w), k, n);
            for (i, v) in want.iter_mut().enumerate() {
                *v = (*v + f64::from(bias[i % n]) + f64::from(added[i])).max(0.0);
            }
            assert_near(&got, &want, &format!("{isa:?} {rows} x {k} x {n}"));
        }
    }
}

#[test]
fn products_of_bytes_are_exact_at_their_extremes() {
    let mut numbers = Numbers(2);
    for isa in Isa::all() {
        for (rows, k, n, zero_point) in
            [(1, 4, 1, 128), (9, 64, 49, 128), (8, 1536, 16, 0), (3, 20, 33, 255), (5, 8, 48, 7)]
        {
            // Half of the numbers are as large as they get.
            let mut pick = |largest: f32| {
                let v = (numbers.next() * 4.0).clamp(-1.0, 1.0);
                if v.abs() < 1.0 { v * largest } else { v.signum() * largest }
            };
            let x: Vec<u8> = (0..rows * k).map(|_| (pick(127.5) + 127.5) as u8).collect();
            let w: Vec<i8> = (0..k * n).map(|_| pick(127.0) as i8).collect();
            let scale: Vec<f32> = (0..n).map(|i| 1.0 + (i % 2) as f32).collect();
            let weight = Bytes::new(isa, &w, &scale, &vec![0.0; n], zero_point);
            let mut got = vec![f32::NAN; rows * n];
            let output = Output::Floats(got.as_mut_ptr());
            run_bytes(Linear { x: &x, weight: &weight, steps: Steps::default(), added: &[], output });
            for (i, got) in got.iter().enumerate() {
                let terms =
                    (0..k).map(|l| (i32::from(x[i / n * k + l]) - i32::from(zero_point)) * i32::from(w[l * n + i % n]));
                assert_eq!(*got, terms.sum::<i32>() as f32 * scale[i % n], "{isa:?} {rows} x {k} x {n}: {i}");
            }
        }
    }
}

#[test]
fn bytes_are_rounded_to_the_even_one_and_cut() {
    let x: Vec<f32> = [0.5, 1.5, 2.5, -0.5, -1.5, 200.0, -200.0, 1e30, -1e30, 126.5, 127.4, 127.6].repeat(3);
    let bytes = [128, 130, 130, 128, 126, 255, 0, 255, 0, 254, 255, 255].repeat(3);
    for isa in Isa::all() {
        let mut got = vec![7; x.len()];
        let how = ToBytes { inverse: 1.0, zero_point: 128 };
        norm::convert(isa, &x, Output::Bytes(got.as_mut_ptr(), how));
        assert_eq!(got, bytes, "{isa:?}");
    }
}

/// Maps `[frames, height, width, channels]` with a kernel `[3 * 3 * channels, outputs]`, zeros around them.
fn convolved(
    x: &[f64],
    [height, width, channels]: [usize; 3],
    kernel: &[f64],
    outputs: usize,
    stride: usize,
) -> Vec<f64> {
    let frames = x.len() / (height * width * channels);
    let (h, w) = conv::sides(height, width, stride);
    let mut all = Vec::new();
    for i in 0..frames * h * w * outputs {
        let (frame, row, column, o) = (i / (h * w * outputs), i / (w * outputs) % h, i / outputs % w, i % outputs);
        let mut sum = 0.0;
        for tap in 0..9 {
            let (y, x_) = ((row * stride + tap / 3).wrapping_sub(1), (column * stride + tap % 3).wrapping_sub(1));
            if y < height && x_ < width {
                for c in 0..channels {
                    sum += x[((frame * height + y) * width + x_) * channels + c]
                        * kernel[(tap * channels + c) * outputs + o];
                }
            }
        }
        all.push(sum);
    }
    all
}

#[test]
fn convolutions_of_bytes_are_exact_whatever_byte_is_zero() {
    let mut numbers = Numbers(6);
    for isa in Isa::all() {
        for (sides, outputs, stride, zero_point) in
            [([6, 6, 4], 24, 2, 0), ([5, 7, 8], 48, 1, 131), ([5, 4, 24], 50, 1, 255), ([1, 1, 12], 96, 2, 7)]
        {
            let [height, width, channels] = sides;
            let x: Vec<u8> = (0..2 * height * width * channels).map(|_| (numbers.next() * 300.0) as u8).collect();
            let w: Vec<i8> =
                (0..9 * channels * outputs).map(|_| (numbers.next() * 200.0).clamp(-127.0, 127.0) as i8).collect();
            let scale: Vec<f32> = (0..outputs).map(|i| 1.0 + (i % 2) as f32).collect();
            let weight = Bytes::new(isa, &w, &scale, &vec![3.0; outputs], zero_point);
            let away: Vec<f64> = x.iter().map(|v| f64::from(*v) - f64::from(zero_point)).collect();
            let kernel: Vec<f64> = w.iter().map(|v| f64::from(*v)).collect();
            let want = convolved(&away, sides, &kernel, outputs, stride);
            let added: Vec<f32> = (0..want.len()).map(|i| (i % 5) as f32).collect();
            let mut got = vec![f32::NAN; want.len()];
            let steps = Steps { gelu: false, add: true, relu: true };
            let output = Output::Floats(got.as_mut_ptr());
            conv::run_bytes(
                Conv { x: &x, shape: sides, stride, weight: &weight, steps, added: &added, output },
                zero_point,
            );
            for (i, (got, want)) in got.iter().zip(&want).enumerate() {
                let want = *want as f32 * scale[i % outputs] + 3.0 + added[i];
                assert_eq!(*got, want.max(0.0), "{isa:?} {sides:?} to {outputs} by {stride}: {i}");
            }
        }
    }
}

#[test]
fn convolutions_with_both_strides_and_odd_sides() {
    let mut numbers = Numbers(3);
    for isa in Isa::all() {
        for ([height, width, channels], outputs, stride) in
            [([6, 6, 3], 24, 2), ([5, 7, 4], 48, 2), ([5, 4, 24], 50, 1), ([1, 1, 8], 16, 1)]
        {
            let (frames, (h, w)) = (2, conv::sides(height, width, stride));
            let x = numbers.some(frames * height * width * channels);
            let (kernel, bias) = (numbers.some(9 * channels * outputs), numbers.some(outputs));
            let weight = Floats::new(isa, &kernel, outputs, &bias);
            let mut got = vec![f32::NAN; frames * h * w * outputs];
            conv::run_floats(Conv {
                x: &x,
                shape: [height, width, channels],
                stride,
                weight: &weight,
                steps: Steps::default(),
                added: &[],
                output: Output::Floats(got.as_mut_ptr()),
            });
            let want = convolved(&doubles(&x), [height, width, channels], &doubles(&kernel), outputs, stride);
            let want: Vec<f64> = want.iter().enumerate().map(|(i, v)| v + f64::from(bias[i % outputs])).collect();
            assert_near(&got, &want, &format!("{isa:?} {height} x {width} x {channels} to {outputs} by {stride}"));
        }
    }
}

#[test]
fn attention_of_any_number_of_keys() {
    let mut numbers = Numbers(4);
    for isa in Isa::all() {
        for (queries, keys, heads, width) in [(1, 1, 1, 16), (9, 17, 2, 48), (8, 50, 3, 64), (20, 3, 1, 32)] {
            let step = heads * width;
            let (q, k, v) = (numbers.some(queries * step), numbers.some(keys * step), numbers.some(keys * step));
            let mut got = vec![f32::NAN; queries * step];
            let output = Output::Floats(got.as_mut_ptr());
            attention::run(isa, Attention { q: &q, k: &k, v: &v, heads, width, output });
            let mut want = vec![0.0; queries * step];
            for (i, want) in want.chunks_exact_mut(width).enumerate() {
                let (query, head) = (i / heads, i % heads);
                let part = |x: &[f32], row: usize| doubles(&x[row * step + head * width..][..width]);
                let of = part(&q, query);
                let scores: Vec<f64> =
                    (0..keys).map(|key| of.iter().zip(part(&k, key)).map(|(a, b)| a * b).sum::<f64>().exp()).collect();
                let sum: f64 = scores.iter().sum();
                for (key, score) in scores.iter().enumerate() {
                    want.iter_mut().zip(part(&v, key)).for_each(|(w, v)| *w += score / sum * v);
                }
            }
            assert_near(&got, &want, &format!("{isa:?} {queries} queries, {keys} keys, {heads} heads of {width}"));
        }
    }
}

#[test]
fn norms_have_mean_and_deviation_taken_out() {
    let mut numbers = Numbers(5);
    for isa in Isa::all() {
        let (rows, width, epsilon) = (9, 48, 1e-6);
        let x: Vec<f32> = numbers.some(rows * width).iter().map(|v| 3.0 * v + 5.0).collect();
        let (scale, shift) = (numbers.some(width), numbers.some(width));
        let mut got = vec![f32::NAN; x.len()];
        norm::run(isa, Norm { x: &x, scale: &scale, shift: &shift, epsilon, output: Output::Floats(got.as_mut_ptr()) });
        let mut want = Vec::new();
        for row in doubles(&x).chunks_exact(width) {
            let mean = row.iter().sum::<f64>() / width as f64;
            let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / width as f64;
            let normal = row.iter().map(|v| (v - mean) / (variance + f64::from(epsilon)).sqrt());
            want.extend(normal.enumerate().map(|(i, v)| v * f64::from(scale[i]) + f64::from(shift[i])));
        }
        assert_near(&got, &want, &format!("{isa:?}"));
    }
}
