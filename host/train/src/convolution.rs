//! 3x3 convolution with a border of one zero, and its gradients, on plain slices.
//!
//! A few images at a time are unfolded into a matrix that stays in the processor's cache, and one product does the rest, in
//! both directions. The training library multiplies image by image, and takes a weight's gradient as a convolution of nine
//! outputs; at maps of 4 to 32 points a side that cost half of a step (`examples/step.rs`).

#![allow(unsafe_code)]

use gemm::{Parallelism, gemm};

/// Columns of an unfolded matrix, about: wide enough for the product, small enough for the cache.
const COLUMNS: usize = 256;

/// Sizes of one convolution; maps are square.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Convolution {
    /// Maps in a batch.
    pub images: usize,
    /// Channels that go in.
    pub inputs: usize,
    /// Channels that come out.
    pub outputs: usize,
    /// Side of a map that goes in.
    pub side: usize,
    /// 1 or 2.
    pub stride: usize,
}

impl Convolution {
    /// Side of a map that comes out.
    pub fn side_out(&self) -> usize {
        (self.side - 1) / self.stride + 1
    }

    fn area(&self) -> usize {
        self.side * self.side
    }

    fn area_out(&self) -> usize {
        self.side_out() * self.side_out()
    }

    /// Rows of an unfolded matrix.
    fn taps(&self) -> usize {
        9 * self.inputs
    }

    fn at_once(&self) -> usize {
        (COLUMNS / self.area_out()).clamp(1, self.images.max(1))
    }

    /// `x` `[images, inputs, side, side]` and `weight` `[outputs, inputs, 3, 3]` to `[images, outputs, side_out, side_out]`.
    pub fn forward(&self, x: &[f32], weight: &[f32]) -> Vec<f32> {
        let mut y = vec![0.0; self.images * self.outputs * self.area_out()];
        let (mut columns, mut part) = (Vec::new(), Vec::new());
        let (many, image_in, image_out) = (self.at_once(), self.inputs * self.area(), self.outputs * self.area_out());
        for (x, y) in x.chunks(many * image_in).zip(y.chunks_mut(many * image_out)) {
            let width = x.len() / image_in * self.area_out();
            self.unfold(x, &mut columns);
            part.resize(self.outputs * width, 0.0);
            product(
                Matrix::rows(weight, self.outputs, self.taps()),
                Matrix::rows(&columns, self.taps(), width),
                &mut part,
                false,
            );
            self.each_plane(width, |image, channel, at, len| {
                y[image * image_out + channel * len..][..len].copy_from_slice(&part[at..][..len]);
            });
        }
        y
    }

    /// The gradient of `weight`, and that of `x` if `wanted`, for the gradient `dy` of what came out.
    pub fn gradients(&self, x: &[f32], weight: &[f32], dy: &[f32], wanted: bool) -> (Option<Vec<f32>>, Vec<f32>) {
        let mut dw = vec![0.0; weight.len()];
        let mut dx = wanted.then(|| vec![0.0; x.len()]);
        let (mut columns, mut part) = (Vec::new(), Vec::new());
        let (many, image_in, image_out) = (self.at_once(), self.inputs * self.area(), self.outputs * self.area_out());
        for (i, (x, dy)) in x.chunks(many * image_in).zip(dy.chunks(many * image_out)).enumerate() {
            let width = x.len() / image_in * self.area_out();
            self.unfold(x, &mut columns);
            part.resize(self.outputs * width, 0.0);
            self.each_plane(width, |image, channel, at, len| {
                part[at..][..len].copy_from_slice(&dy[image * image_out + channel * len..][..len]);
            });
            let down = Matrix::rows(&part, self.outputs, width);
            product(down, Matrix::rows(&columns, self.taps(), width).turned(), &mut dw, true);
            if let Some(dx) = &mut dx {
                product(Matrix::rows(weight, self.outputs, self.taps()).turned(), down, &mut columns, false);
                let start = i * many * image_in;
                self.fold(&columns, &mut dx[start..start + x.len()]);
            }
        }
        (dx, dw)
    }

    /// Calls with image, channel, place in a `[outputs, width]` matrix, and length, for each map of a group.
    fn each_plane(&self, width: usize, mut act: impl FnMut(usize, usize, usize, usize)) {
        let len = self.area_out();
        for channel in 0..self.outputs {
            for image in 0..width / len {
                act(image, channel, channel * width + image * len, len);
            }
        }
    }

    /// Rows are (channel, row, column) of the kernel, columns (image, y, x) of what comes out.
    fn unfold(&self, x: &[f32], columns: &mut Vec<f32>) {
        columns.clear();
        let (area, side) = (self.area(), self.side);
        for channel in 0..self.inputs {
            for tap in 0..9 {
                for image in x.chunks(self.inputs * area) {
                    let plane = &image[channel * area..][..area];
                    for y in 0..self.side_out() {
                        let Some(line) = self.line(y, tap) else {
                            columns.extend(std::iter::repeat_n(0.0, self.side_out()));
                            continue;
                        };
                        let line = &plane[line * side..][..side];
                        match (self.stride, tap % 3) {
                            (1, 0) => {
                                columns.push(0.0);
                                columns.extend_from_slice(&line[..side - 1]);
                            }
                            (1, 1) => columns.extend_from_slice(line),
                            (1, _) => {
                                columns.extend_from_slice(&line[1..]);
                                columns.push(0.0);
                            }
                            (stride, 0) => {
                                columns.push(0.0);
                                columns.extend(line[stride - 1..].iter().step_by(stride).take(self.side_out() - 1));
                            }
                            (stride, column) => {
                                let from = columns.len();
                                columns.extend(line[column - 1..].iter().step_by(stride));
                                columns.resize(from + self.side_out(), 0.0);
                            }
                        }
                    }
                }
            }
        }
    }

    /// The adjoint of [`Self::unfold`]: adds every column's entries to the points they came from.
    fn fold(&self, columns: &[f32], x: &mut [f32]) {
        let (area, side, out) = (self.area(), self.side, self.side_out());
        let mut rows = columns.chunks_exact(out);
        for channel in 0..self.inputs {
            for tap in 0..9 {
                for image in x.chunks_mut(self.inputs * area) {
                    let plane = &mut image[channel * area..][..area];
                    for y in 0..out {
                        let Some(row) = rows.next() else { return };
                        let Some(line) = self.line(y, tap) else { continue };
                        let line = &mut plane[line * side..][..side];
                        let add = |(a, b): (&mut f32, &f32)| *a += b;
                        match (self.stride, tap % 3) {
                            (1, 0) => line[..side - 1].iter_mut().zip(&row[1..]).for_each(add),
                            (1, 1) => line.iter_mut().zip(row).for_each(add),
                            (1, _) => line[1..].iter_mut().zip(row).for_each(add),
                            (stride, 0) => {
                                line[stride - 1..].iter_mut().step_by(stride).zip(&row[1..]).for_each(add);
                            }
                            (stride, column) => {
                                line[column - 1..].iter_mut().step_by(stride).zip(row).for_each(add);
                            }
                        }
                    }
                }
            }
        }
    }

    /// The line of a map that `tap` sees at line `y` of what comes out; `None` for the border.
    fn line(&self, y: usize, tap: usize) -> Option<usize> {
        (y * self.stride + tap / 3).checked_sub(1).filter(|line| *line < self.side)
    }
}

/// A matrix somewhere in a slice.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
}

impl<'a> Matrix<'a> {
    /// Row after row.
    fn rows(values: &'a [f32], rows: usize, columns: usize) -> Matrix<'a> {
        Matrix { values, rows, columns, row_step: columns, column_step: 1 }
    }

    fn turned(self) -> Matrix<'a> {
        Matrix {
            rows: self.columns,
            columns: self.rows,
            row_step: self.column_step,
            column_step: self.row_step,
            ..self
        }
    }
}

/// `out`, row after row, becomes `a * b`, or grows by it if `add`.
fn product(a: Matrix<'_>, b: Matrix<'_>, out: &mut [f32], add: bool) {
    let (m, k, n) = (a.rows, a.columns, b.columns);
    assert_eq!((a.values.len(), b.values.len(), b.rows, out.len()), (m * k, k * n, k, m * n), "sizes of a product");
    // SAFETY: every matrix is as long as its slice (asserted), the steps of each walk exactly through its slice, and `out`
    // is borrowed alone.
    unsafe {
        gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            add,
            a.values.as_ptr(),
            a.column_step as isize,
            a.row_step as isize,
            b.values.as_ptr(),
            b.column_step as isize,
            b.row_step as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_network::SplitMix;

    fn numbers(n: usize, random: &mut SplitMix) -> Vec<f32> {
        (0..n).map(|_| random.unit() * 2.0 - 1.0).collect()
    }

    /// By definition, in double precision.
    fn plain(c: &Convolution, x: &[f32], w: &[f32], mut act: impl FnMut(usize, usize, usize)) {
        let out = c.side_out();
        for image in 0..c.images {
            for (o, i) in (0..c.outputs).flat_map(|o| (0..c.inputs).map(move |i| (o, i))) {
                for (y, x_) in (0..out).flat_map(|y| (0..out).map(move |x| (y, x))) {
                    for tap in 0..9 {
                        let (line, column) = (y * c.stride + tap / 3, x_ * c.stride + tap % 3);
                        if (1..=c.side).contains(&line) && (1..=c.side).contains(&column) {
                            let from = ((image * c.inputs + i) * c.side + line - 1) * c.side + column - 1;
                            act(((image * c.outputs + o) * out + y) * out + x_, from, (o * c.inputs + i) * 9 + tap);
                        }
                    }
                }
            }
        }
        assert_eq!((x.len(), w.len()), (c.images * c.inputs * c.area(), c.outputs * c.taps()));
    }

    fn close(a: &[f32], b: &[f64]) {
        assert_eq!(a.len(), b.len());
        let worst = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - b).abs() / (1.0 + b.abs())).fold(0.0, f64::max);
        assert!(worst < 1e-5, "{worst}");
    }

    #[test]
    fn forward_and_gradients_are_those_of_the_definition() {
        let mut random = SplitMix::new(5);
        let shapes =
            [(3, 2, 5, 8, 1), (5, 3, 4, 7, 2), (70, 4, 3, 4, 2), (70, 2, 2, 4, 1), (2, 1, 1, 1, 1), (1, 3, 2, 33, 2)];
        for (images, inputs, outputs, side, stride) in shapes {
            let c = Convolution { images, inputs, outputs, side, stride };
            let x = numbers(images * inputs * side * side, &mut random);
            let w = numbers(outputs * inputs * 9, &mut random);
            let dy = numbers(images * outputs * c.area_out(), &mut random);
            let (mut y, mut dx, mut dw) = (vec![0.0; dy.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
            plain(&c, &x, &w, |o, i, k| {
                y[o] += f64::from(x[i]) * f64::from(w[k]);
                dx[i] += f64::from(dy[o]) * f64::from(w[k]);
                dw[k] += f64::from(dy[o]) * f64::from(x[i]);
            });
            close(&c.forward(&x, &w), &y);
            let (input, weight) = c.gradients(&x, &w, &dy, true);
            close(&input.unwrap(), &dx);
            close(&weight, &dw);
            assert_eq!(c.gradients(&x, &w, &dy, false).0, None);
        }
    }
}
