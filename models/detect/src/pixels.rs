//! From bytes to the networks' input.

use crate::{DetectError, Net, config::Level};
use fast_image_resize::images::{Image as Buffer, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use mtcae_contract::{Cropper, Image, Rect};

/// Makes network inputs out of a picture; keeps its buffers between calls.
pub(crate) struct Pixels {
    resizer: Resizer,
    cropper: Cropper,
    bytes: Vec<u8>,
    input: Vec<f32>,
}

impl Pixels {
    pub fn new() -> Pixels {
        Pixels { resizer: Resizer::new(), cropper: Cropper::new(), bytes: Vec::new(), input: Vec::new() }
    }

    /// The picture at a level's size, as input of shape `[1, columns, rows, 3]`.
    pub fn level(&mut self, image: &Image, level: &Level) -> Result<&[f32], DetectError> {
        self.bytes.resize(level.width * level.height * 3, 0);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        let fail = |source: crate::BoxError| DetectError::Engine { net: Net::P, source };
        let src =
            ImageRef::new(image.width(), image.height(), image.rgb(), PixelType::U8x3).map_err(|e| fail(e.into()))?;
        let mut dst = Buffer::from_slice_u8(level.width as u32, level.height as u32, &mut self.bytes, PixelType::U8x3)
            .map_err(|e| fail(e.into()))?;
        self.resizer.resize(&src, &mut dst, &options).map_err(|e| fail(e.into()))?;
        self.input.clear();
        self.input.resize(self.bytes.len(), 0.0);
        normalise(&self.bytes, level.width, level.height, &mut self.input);
        Ok(&self.input)
    }

    /// The squares, each `side` pixels a side, as input of shape `[squares, side, side, 3]`.
    pub fn crops(&mut self, image: &Image, squares: &[Rect], side: usize) -> &[f32] {
        let one = side * side * 3;
        self.bytes.resize(one, 0);
        self.input.clear();
        self.input.resize(one * squares.len(), 0.0);
        for (square, input) in squares.iter().zip(self.input.chunks_exact_mut(one)) {
            self.cropper.crop_resize(image, *square, side, &mut self.bytes);
            normalise(&self.bytes, side, side, input);
        }
        &self.input
    }
}

/// Bytes row by row to about -1..1, column by column.
fn normalise(rgb: &[u8], width: usize, height: usize, out: &mut [f32]) {
    for (x, column) in out.chunks_exact_mut(height * 3).enumerate() {
        for (y, pixel) in column.chunks_exact_mut(3).enumerate() {
            let at = (y * width + x) * 3;
            for (to, from) in pixel.iter_mut().zip(&rgb[at..at + 3]) {
                *to = (f32::from(*from) - 127.5) * (1.0 / 128.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_first() {
        let rgb: Vec<u8> = (0..2 * 3).flat_map(|i| [i * 10, 0, 255]).collect();
        let mut out = vec![9.0; 18];
        normalise(&rgb, 2, 3, &mut out);
        let reds: Vec<f32> = out.chunks(3).map(|p| p[0] * 128.0 + 127.5).collect();
        assert_eq!(reds, [0.0, 20.0, 40.0, 10.0, 30.0, 50.0]);
        assert!(out.chunks(3).all(|p| p[1] == -127.5 / 128.0 && p[2] == 127.5 / 128.0));
    }
}
