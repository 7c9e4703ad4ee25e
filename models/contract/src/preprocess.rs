//! Sampling frames and cutting crops: the one path from pixels to the network's input.

use crate::{Image, Micros, Rect};
use fast_image_resize::images::{Image as Buffer, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

/// `t` indices spread evenly over `n` frames: the middle of each of `t` equal parts (the paper's `uniform` sampling).
///
/// With fewer frames than `t`, frames repeat. Empty when `n` is 0.
pub fn sample_uniform(n: usize, t: usize) -> Vec<usize> {
    if n == 0 {
        return Vec::new();
    }
    (0..t).map(|i| ((2 * i + 1) * n / (2 * t)).min(n - 1)).collect()
}

/// For `t` moments spread evenly over the `span` that ends at `newest`, the index of the frame nearest in time.
///
/// `times` ascend. The last moment is `newest` itself. A slow or jittery camera repeats frames. Empty when `times` is.
pub fn sample_nearest(times: &[Micros], newest: Micros, span: Micros, t: usize) -> Vec<usize> {
    if times.is_empty() {
        return Vec::new();
    }
    let steps = t.saturating_sub(1).max(1) as u64;
    (0..t as u64)
        .map(|i| {
            let back = (steps - i.min(steps)) * span / steps;
            let want = newest.saturating_sub(back);
            let after = times.partition_point(|&x| x < want);
            match after {
                0 => 0,
                n if n == times.len() => n - 1,
                n if times[n] - want < want - times[n - 1] => n,
                n => n - 1,
            }
        })
        .collect()
}

/// Cuts square crops out of pictures and resizes them; keeps its buffers between calls.
///
/// Bilinear with anti-aliasing when shrinking. Where the crop reaches outside the picture the border pixel repeats.
pub struct Cropper {
    resizer: Resizer,
    padded: Vec<u8>,
}

impl Default for Cropper {
    fn default() -> Self {
        Self::new()
    }
}

impl Cropper {
    /// A cropper with empty buffers.
    pub fn new() -> Cropper {
        Cropper { resizer: Resizer::new(), padded: Vec::new() }
    }

    /// Overwrites what the buffers hold and frees them, so that no pixel of the last picture stays behind.
    pub fn wipe(&mut self) {
        self.padded.fill(0);
        std::hint::black_box(&self.padded);
        *self = Cropper::new();
    }

    /// Writes `crop` of `image`, resized to `size` x `size`, into `out` (`size * size * 3` bytes, RGB).
    ///
    /// `crop` is in pixels. One that is not proper, that does not touch the picture, or that is more than four times
    /// as large as the picture's longer side, is replaced by the whole picture.
    ///
    /// # Panics
    /// When `out` is not `size * size * 3` long or `size` is 0: a bug in the caller.
    pub fn crop_resize(&mut self, image: &Image, crop: Rect, size: usize, out: &mut [u8]) {
        assert!(size > 0 && out.len() == size * size * 3, "crop buffer does not fit its size");
        let whole = Rect::whole(image.width(), image.height());
        let longest = whole.w.max(whole.h);
        let usable = crop.is_proper() && crop.iou(&whole) > 0.0 && crop.w.max(crop.h) <= 4.0 * longest;
        let crop = if usable { crop } else { whole };
        let inside = crop.x >= 0.0 && crop.y >= 0.0 && crop.x + crop.w <= whole.w && crop.y + crop.h <= whole.h;
        if inside {
            resize(&mut self.resizer, image.rgb(), image.width(), image.height(), crop, size, out);
        } else {
            let (w, h, origin_x, origin_y) = pad(image, crop, &mut self.padded);
            let moved = Rect { x: crop.x - origin_x as f32, y: crop.y - origin_y as f32, ..crop };
            resize(&mut self.resizer, &self.padded, w, h, moved, size, out);
        }
    }
}

/// Copies the pixels under `crop`, repeating the border, into `buffer`; returns its size and its top-left corner.
fn pad(image: &Image, crop: Rect, buffer: &mut Vec<u8>) -> (u32, u32, i64, i64) {
    let (x0, y0) = (crop.x.floor() as i64, crop.y.floor() as i64);
    let (x1, y1) = ((crop.x + crop.w).ceil() as i64, (crop.y + crop.h).ceil() as i64);
    let (w, h) = ((x1 - x0) as usize, (y1 - y0) as usize);
    let src_w = image.width() as i64;
    buffer.clear();
    buffer.reserve(w * h * 3);
    let first = x0.clamp(0, src_w);
    let last = x1.clamp(0, src_w).max(first);
    for y in y0..y1 {
        let row = y.clamp(0, i64::from(image.height()) - 1) as usize * src_w as usize;
        buffer.extend(image.pixel(0, y).repeat((first - x0) as usize));
        let (a, b) = ((row + first as usize) * 3, (row + last as usize) * 3);
        buffer.extend_from_slice(&image.rgb()[a..b]);
        buffer.extend(image.pixel(src_w, y).repeat((x1 - last) as usize));
    }
    (w as u32, h as u32, x0, y0)
}

fn resize(resizer: &mut Resizer, rgb: &[u8], w: u32, h: u32, crop: Rect, size: usize, out: &mut [u8]) {
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).crop(
        f64::from(crop.x),
        f64::from(crop.y),
        f64::from(crop.w),
        f64::from(crop.h),
    );
    let done = ImageRef::new(w, h, rgb, PixelType::U8x3).ok().and_then(|src| {
        let mut dst = Buffer::from_slice_u8(size as u32, size as u32, out, PixelType::U8x3).ok()?;
        resizer.resize(&src, &mut dst, &options).ok()
    });
    debug_assert!(done.is_some(), "the crop was checked to lie inside the buffer");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gradient(w: u32, h: u32) -> Image {
        let rgb = (0..h).flat_map(|y| (0..w).flat_map(move |x| [x as u8 * 2, y as u8 * 2, 77])).collect();
        Image::from_rgb(w, h, rgb).unwrap()
    }

    #[test]
    fn uniform_is_the_middle_of_each_part() {
        assert_eq!(sample_uniform(32, 4), [4, 12, 20, 28]);
        assert_eq!(sample_uniform(2, 4), [0, 0, 1, 1]);
        assert!(sample_uniform(0, 4).is_empty());
    }

    #[test]
    fn nearest_ends_at_the_newest_frame() {
        let times = [0, 100, 200, 300, 1000];
        assert_eq!(sample_nearest(&times, 1000, 900, 4), [1, 3, 4, 4]);
        assert_eq!(sample_nearest(&times, 300, 300, 4), [0, 1, 2, 3]);
        assert_eq!(sample_nearest(&[50], 50, 1_000_000, 3), [0, 0, 0]);
    }

    #[test]
    fn an_exact_crop_is_a_copy() {
        let img = gradient(60, 40);
        let mut out = vec![0; 16 * 16 * 3];
        Cropper::new().crop_resize(&img, Rect { x: 10.0, y: 8.0, w: 16.0, h: 16.0 }, 16, &mut out);
        assert_eq!(&out[..6], &[20, 16, 77, 22, 16, 77]);
        assert_eq!(&out[16 * 15 * 3..][..3], &[20, 46, 77]);
    }

    #[test]
    fn outside_the_picture_the_border_repeats() {
        let img = gradient(60, 40);
        let mut out = vec![0; 16 * 16 * 3];
        Cropper::new().crop_resize(&img, Rect { x: -8.0, y: -8.0, w: 16.0, h: 16.0 }, 16, &mut out);
        assert_eq!(&out[..3], &[0, 0, 77]);
        assert_eq!(&out[(16 * 15 + 15) * 3..], &[14, 14, 77]);
        Cropper::new().crop_resize(&img, Rect { x: 52.0, y: 30.0, w: 16.0, h: 16.0 }, 16, &mut out);
        assert_eq!(&out[(16 * 15 + 15) * 3..], &[118, 78, 77]);
    }

    proptest! {
        #[test]
        fn any_crop_is_survived(x in -1e5f32..1e5, y in -1e5f32..1e5, w in -10f32..1e5, h in -10f32..1e5, bad in 0usize..5) {
            let mut crop = [x, y, w, h, 0.0];
            crop[bad] = if bad == 4 { 0.0 } else { f32::NAN };
            let mut out = vec![1; 8 * 8 * 3];
            let mut cropper = Cropper::new();
            cropper.crop_resize(&gradient(33, 17), Rect { x: crop[0], y: crop[1], w: crop[2], h: crop[3] }, 8, &mut out);
            cropper.crop_resize(&gradient(33, 17), Rect { x: x / 1e3, y: y / 1e3, w: w.abs() / 1e3 + 0.01, h: h.abs() / 1e3 + 0.01 }, 8, &mut out);
            prop_assert!(out.chunks(3).all(|p| p[2] == 77));
        }
    }
}
