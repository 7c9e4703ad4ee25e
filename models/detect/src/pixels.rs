//! From bytes to the networks' input.

use mtcae_contract::{Image, Rect};

/// What the networks were trained on: bytes to about -1..1.
const MIDDLE: f32 = 127.5;
const SPREAD: f32 = 1.0 / 128.0;

/// Makes network inputs out of a picture; keeps its buffers between calls.
///
/// Pictures shrink by areas: a pixel of the result is the mean of what it covers, parts of pixels by their part. What lies outside the
/// picture is black. Both as in the pictures the weights were trained on.
#[derive(Default)]
pub(crate) struct Pixels {
    row: Vec<f32>,
    input: Vec<f32>,
}

impl Pixels {
    pub fn new() -> Pixels {
        Pixels::default()
    }

    /// Overwrites what is left of a picture, also beyond what the last one took.
    pub fn wipe(&mut self) {
        for values in [&mut self.row, &mut self.input] {
            values.clear();
            values.resize(values.capacity(), 0.0);
        }
    }

    /// Whether nothing is left of a picture.
    #[cfg(test)]
    pub fn is_clean(&self) -> bool {
        [&self.row, &self.input]
            .iter()
            .all(|values| values.len() == values.capacity() && values.iter().all(|v| *v == 0.0))
    }

    /// The picture `width` x `height` pixels large, in whole levels of brightness, as input of shape `[1, width, height, 3]`.
    pub fn level(&mut self, image: &Image, width: usize, height: usize) -> &[f32] {
        self.input.clear();
        self.input.resize(width * height * 3, 0.0);
        let whole = Part { left: 0, top: 0, width: image.width() as usize, height: image.height() as usize };
        shrink(image, whole, [width, height], &mut self.row, &mut self.input, |v| (v + 0.5).floor());
        &self.input
    }

    /// The squares, whole pixels, each shrunk or grown to `side` pixels a side, as input of shape `[squares, side, side, 3]`.
    pub fn crops(&mut self, image: &Image, squares: &[Rect], side: usize) -> &[f32] {
        let one = side * side * 3;
        self.input.clear();
        self.input.resize(one * squares.len(), 0.0);
        for (square, input) in squares.iter().zip(self.input.chunks_exact_mut(one)) {
            let (left, top) = (square.x.round() as i64, square.y.round() as i64);
            let size = |from: i64, to: f32| (to.round() as i64 - from).max(1) as usize;
            let part =
                Part { left, top, width: size(left, square.x + square.w), height: size(top, square.y + square.h) };
            shrink(image, part, [side, side], &mut self.row, input, |v| v);
        }
        &self.input
    }
}

/// A part of a picture, pixels; may reach outside.
#[derive(Debug, Clone, Copy)]
struct Part {
    left: i64,
    top: i64,
    width: usize,
    height: usize,
}

/// What pixel `to` of `out` covers of `size` pixels that start at `start`, of those between 0 and `end`: pixels and their parts.
fn covered(to: usize, out: usize, size: usize, start: i64, end: usize) -> impl Iterator<Item = (usize, f32)> {
    let step = size as f64 / out as f64;
    let (from, until) = (to as f64 * step, (to + 1) as f64 * step);
    let pixels = from.floor() as i64..(until.ceil() as i64).min(size as i64);
    pixels.filter_map(move |i| {
        let part = (until.min((i + 1) as f64) - from.max(i as f64)) / step;
        let at = usize::try_from(start + i).ok().filter(|at| *at < end && part > 0.0)?;
        Some((at, part as f32))
    })
}

/// `part` of the picture as `[width, height]` pixels, column by column, normalised; `level` maps a brightness of 0 to 255 before.
fn shrink(
    image: &Image,
    part: Part,
    [width, height]: [usize; 2],
    row: &mut Vec<f32>,
    out: &mut [f32],
    level: impl Fn(f32) -> f32,
) {
    let (picture, rows) = (image.width() as usize, image.height() as usize);
    let columns: Vec<Vec<(usize, f32)>> =
        (0..width).map(|x| covered(x, width, part.width, part.left, picture).collect()).collect();
    // Of a row, only what is looked at.
    let seen = |at: i64| at.clamp(0, picture as i64) as usize;
    let (first, last) = (seen(part.left), seen(part.left + part.width as i64));
    row.clear();
    row.resize((last - first) * 3, 0.0);
    for y in 0..height {
        row.fill(0.0);
        for (at, weight) in covered(y, height, part.height, part.top, rows) {
            let line = &image.rgb()[(at * picture + first) * 3..(at * picture + last) * 3];
            row.iter_mut().zip(line).for_each(|(sum, byte)| *sum += weight * f32::from(*byte));
        }
        for (x, column) in columns.iter().enumerate() {
            let mut pixel = [0.0; 3];
            for &(at, weight) in column {
                let from = (at - first) * 3;
                pixel.iter_mut().zip(&row[from..from + 3]).for_each(|(sum, value)| *sum += weight * value);
            }
            let to = (x * height + y) * 3;
            out[to..to + 3].copy_from_slice(&pixel.map(|v| (level(v) - MIDDLE) * SPREAD));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reds of 10, 20, 30, ... row by row; green 0, blue 255.
    fn picture(width: u32, height: u32) -> Image {
        let rgb = (0..width * height).flat_map(|i| [(i * 10) as u8, 0, 255]).collect();
        Image::from_rgb(width, height, rgb).unwrap()
    }

    fn reds(input: &[f32]) -> Vec<f32> {
        input.chunks(3).map(|p| ((p[0] / SPREAD + MIDDLE) * 1000.0).round() / 1000.0).collect()
    }

    #[test]
    fn nothing_is_left_of_a_picture_that_was_wiped() {
        let mut pixels = Pixels::new();
        pixels.level(&picture(9, 9), 9, 9);
        // What is left of a larger picture lies beyond what a smaller one takes.
        pixels.level(&picture(2, 3), 2, 3);
        pixels.wipe();
        assert!(pixels.is_clean() && pixels.input.len() >= 9 * 9 * 3);
    }

    #[test]
    fn columns_come_first() {
        let mut pixels = Pixels::new();
        let input = pixels.level(&picture(2, 3), 2, 3);
        assert_eq!(reds(input), [0.0, 20.0, 40.0, 10.0, 30.0, 50.0]);
        assert!(input.chunks(3).all(|p| p[1] == -MIDDLE * SPREAD && p[2] == MIDDLE * SPREAD));
    }

    #[test]
    fn a_pixel_is_the_mean_of_what_it_covers() {
        let mut pixels = Pixels::new();
        // One and a half pixels each: (0 + 10 / 2) / 1.5 = 3.33, (10 / 2 + 20) / 1.5 = 16.67.
        let image = picture(3, 3);
        let line = pixels.crops(&image, &[Rect { x: 0.0, y: 0.0, w: 3.0, h: 3.0 }], 2).to_vec();
        assert_eq!(reds(&line), [13.333, 53.333, 26.667, 66.667]);
        assert_eq!(reds(pixels.level(&image, 2, 2)), [13.0, 53.0, 27.0, 67.0], "levels are whole");
        // Growing: a third of a pixel each.
        let grown = pixels.crops(&image, &[Rect { x: 0.0, y: 0.0, w: 1.0, h: 1.0 }], 3).to_vec();
        assert_eq!(reds(&grown), [0.0; 9]);
    }

    #[test]
    fn what_lies_outside_is_black() {
        let mut pixels = Pixels::new();
        let image = Image::filled(4, 4, [200; 3]).unwrap();
        let corner = pixels.crops(&image, &[Rect { x: -2.0, y: -2.0, w: 4.0, h: 4.0 }], 2).to_vec();
        assert_eq!(reds(&corner), [0.0, 0.0, 0.0, 200.0]);
        let half = pixels.crops(&image, &[Rect { x: 3.0, y: 0.0, w: 2.0, h: 2.0 }], 1).to_vec();
        assert_eq!(reds(&half), [100.0]);
    }
}
