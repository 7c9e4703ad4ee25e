//! From a camera's or a file's bytes to a small RGB picture.

use crate::isp::{Isp, Metered};
use crate::jpeg;
use crate::pixel::{FrameLayout, PixelFormat};
use crate::yuv::{Plane, YuvConverter, YuvPicture, log2_shrink};
use fast_image_resize::images::{Image as Buffer, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use mtcae_contract::{Image, ImageError};
use thiserror::Error;
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

/// Longest side a picture has in the board's ring, pixels.
pub const MAX_SIDE: u32 = 640;

/// Black of most sensors: 64 of 1023.
pub const BLACK_LEVEL: f32 = 0.0625;

/// The segment by which MJPG frames say that the standard Huffman tables are meant.
const AVI1: [u8; 18] = *b"\xff\xe0\0\x10AVI1\0\0\0\0\0\0\0\0\0\0";

/// Why bytes are not a picture. Each is one bad frame: the next may be good.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// JPEG bytes that break off.
    #[error("JPEG of {len} bytes breaks off before its end")]
    Truncated {
        /// Bytes given.
        len: usize,
    },
    /// JPEG bytes that cannot be decoded.
    #[error("JPEG: {0}")]
    Jpeg(String),
    /// PNG bytes that cannot be decoded.
    #[error("PNG: {0}")]
    Png(String),
    /// Too few bytes for a picture of raw samples.
    #[error("{format} frame of {width}x{height} needs {need} bytes, got {got}")]
    Length {
        /// Pixel format.
        format: &'static str,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// Bytes needed.
        need: usize,
        /// Bytes given.
        got: usize,
    },
    /// Rows that would overlap.
    #[error("{format} rows of {width} pixels have {need} bytes; {got} from one row to the next are too few")]
    Stride {
        /// Pixel format.
        format: &'static str,
        /// Pixels.
        width: u32,
        /// Bytes of a row.
        need: usize,
        /// Bytes from one row to the next.
        got: usize,
    },
    /// A side is out of range.
    #[error(transparent)]
    Image(#[from] ImageError),
}

/// What the numbers 0 to 255 of a YUV picture mean (BT.601).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// Luma 16 to 235, chroma 16 to 240; what drivers and files mean when they do not say.
    Limited,
    /// 0 to 255.
    Full,
}

/// How the chroma of a planar picture is spread: one sample for `1 << x` by `1 << y` pixels; none for grey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chroma {
    /// Power of two, across.
    pub x: u32,
    /// Power of two, down.
    pub y: u32,
}

/// Decodes and shrinks; keeps its working buffers from picture to picture.
pub struct PictureDecoder {
    max_side: u32,
    resizer: Resizer,
    /// The picture at full size, kept when a smaller copy was given away.
    full: Vec<u8>,
    /// A JPEG picture with what it lacked.
    mended: Vec<u8>,
    yuv: YuvConverter,
    isp: Isp,
    metered: Option<Metered>,
    /// Sides of the last picture before shrinking.
    size: (u32, u32),
}

impl PictureDecoder {
    /// Pictures come out with a long side of at most `max_side` pixels, clamped to 1..=[`MAX_SIDE`].
    pub fn new(max_side: u32) -> PictureDecoder {
        PictureDecoder {
            max_side: max_side.clamp(1, MAX_SIDE),
            resizer: Resizer::new(),
            full: Vec::new(),
            mended: Vec::new(),
            yuv: YuvConverter::default(),
            isp: Isp::new(BLACK_LEVEL),
            metered: None,
            size: (0, 0),
        }
    }

    /// Takes `share` of the largest sample, 0 to 0.5, as the black of raw frames.
    #[must_use]
    pub fn with_black_level(self, share: f32) -> PictureDecoder {
        PictureDecoder { isp: Isp::new(share), ..self }
    }

    /// Width and height of the last picture before it was shrunk, pixels.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// A JPEG picture, or a webcam's MJPG frame, which leaves its Huffman tables out.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when it breaks off, [`DecodeError::Jpeg`] when it is corrupt.
    pub fn jpeg(&mut self, bytes: &[u8]) -> Result<Image, DecodeError> {
        if bytes.len() > jpeg::MAX_BYTES {
            return Err(DecodeError::Jpeg(format!("{} bytes; at most {} are read", bytes.len(), jpeg::MAX_BYTES)));
        }
        // The decoder would fill what is missing with grey.
        if !jpeg::is_whole(bytes) {
            return Err(DecodeError::Truncated { len: bytes.len() });
        }
        let (width, height) = if jpeg::lacks_tables(bytes) {
            self.mended.clear();
            self.mended.extend_from_slice(&bytes[..2]);
            self.mended.extend_from_slice(&AVI1);
            self.mended.extend_from_slice(&bytes[2..]);
            decode_jpeg(&self.mended, &mut self.full)?
        } else {
            decode_jpeg(bytes, &mut self.full)?
        };
        self.finish_whole(width, height)
    }

    /// One frame of a camera. Raw frames come out at half the size at most; an odd last column or row of a format that
    /// stores pairs or squares of pixels is left out.
    ///
    /// # Errors
    /// [`DecodeError::Length`] when bytes are missing, [`DecodeError::Stride`] and [`DecodeError::Image`] when the layout
    /// is impossible; for MJPG as [`PictureDecoder::jpeg`].
    pub fn frame(&mut self, bytes: &[u8], layout: &FrameLayout) -> Result<Image, DecodeError> {
        let PixelFormat::Raw(bayer, samples) = layout.format else {
            return match layout.format {
                PixelFormat::Mjpg => self.jpeg(bytes),
                _ => self.yuv_frame(bytes, layout),
            };
        };
        let rows = layout.checked(bytes)?;
        self.size = (layout.width, layout.height);
        let size = (layout.width as usize, layout.height as usize);
        let (small, metered) = self.isp.develop(rows, size, (bayer, samples), self.max_side, &mut self.full);
        self.metered = Some(metered);
        self.finish(small)
    }

    /// How bright the last raw frame was; none before the first.
    pub fn metered(&self) -> Option<Metered> {
        self.metered
    }

    fn yuv_frame(&mut self, bytes: &[u8], layout: &FrameLayout) -> Result<Image, DecodeError> {
        let (bytes, stride) = layout.checked(bytes)?;
        let (width, height) = (layout.width as usize, layout.height as usize);
        let from = |at: usize, step| Plane { bytes: &bytes[at.min(bytes.len())..], stride, step };
        let packed = |y, u, v| (from(y, 2), Some(([from(u, 4), from(v, 4)], [1, 0])));
        let (luma, chroma) = match layout.format {
            PixelFormat::Yuyv => packed(0, 1, 3),
            PixelFormat::Uyvy => packed(1, 0, 2),
            PixelFormat::Nv12 => {
                let second = stride * height;
                (from(0, 1), Some(([from(second, 2), from(second + 1, 2)], [1, 1])))
            }
            _ => (from(0, 1), None),
        };
        let width = if luma.step == 2 { width & !1 } else { width };
        self.convert(&YuvPicture { width, height, luma, chroma, range: layout.range })
    }

    /// Shrinks and converts; the rest of the way down is [`PictureDecoder::finish`]'s.
    fn convert(&mut self, picture: &YuvPicture<'_>) -> Result<Image, DecodeError> {
        self.size = (picture.width as u32, picture.height as u32);
        let log2 = log2_shrink(picture.width, picture.height, self.max_side, YuvConverter::MOST);
        let small = self.yuv.convert(picture, log2, &mut self.full);
        self.finish(small)
    }

    /// Bytes that [`PictureDecoder::planar`] needs.
    pub fn planar_len(width: u32, height: u32, chroma: Option<Chroma>) -> usize {
        let (w, h) = (width as usize, height as usize);
        w * h + chroma.map_or(0, |c| 2 * w.div_ceil(1 << c.x) * h.div_ceil(1 << c.y))
    }

    /// A plane of luma, then one each of U and V.
    ///
    /// # Errors
    /// [`DecodeError::Length`] when bytes are missing.
    pub fn planar(
        &mut self,
        bytes: &[u8],
        width: u32,
        height: u32,
        chroma: Option<Chroma>,
        range: Range,
    ) -> Result<Image, DecodeError> {
        checked_len(width, height)?;
        let need = Self::planar_len(width, height, chroma);
        if bytes.len() < need {
            return Err(DecodeError::Length { format: "planar", width, height, need, got: bytes.len() });
        }
        let (w, h) = (width as usize, height as usize);
        let plane = |at: usize, stride| Plane { bytes: &bytes[at..], stride, step: 1 };
        let chroma = chroma.map(|c| {
            let stride = w.div_ceil(1 << c.x);
            let second = w * h + stride * h.div_ceil(1 << c.y);
            ([plane(w * h, stride), plane(second, stride)], [c.x, c.y])
        });
        self.convert(&YuvPicture { width: w, height: h, luma: plane(0, w), chroma, range })
    }

    /// A PNG picture of any colour type; transparency is left out.
    ///
    /// # Errors
    /// [`DecodeError::Png`] when it is corrupt.
    #[cfg(feature = "file")]
    pub fn png(&mut self, bytes: &[u8]) -> Result<Image, DecodeError> {
        let failed = |e: png::DecodingError| DecodeError::Png(e.to_string());
        let limits = png::Limits { bytes: 256 << 20 };
        let mut decoder = png::Decoder::new_with_limits(std::io::Cursor::new(bytes), limits);
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().map_err(failed)?;
        let (width, height) = reader.info().size();
        let len = checked_len(width, height)?;
        let mut pixels = vec![0; reader.output_buffer_size().unwrap_or_default()];
        let info = reader.next_frame(&mut pixels).map_err(failed)?;
        let samples = info.color_type.samples();
        self.full.clear();
        self.full.reserve(len);
        for p in pixels.chunks_exact(samples).take(len / 3) {
            self.full.extend_from_slice(&if samples < 3 { [p[0]; 3] } else { [p[0], p[1], p[2]] });
        }
        self.finish_whole(width, height)
    }

    /// Shrinks `full`, which has these sides, when it is too large; otherwise gives it away.
    fn finish(&mut self, (width, height): (usize, usize)) -> Result<Image, DecodeError> {
        let (width, height) = (width as u32, height as u32);
        if width.max(height) <= self.max_side {
            return Ok(Image::from_rgb(width, height, std::mem::take(&mut self.full))?);
        }
        // Of the whole picture: shrunk sides are rounded already.
        let long = self.size.0.max(self.size.1);
        let side = |s: u32| (u64::from(s) * u64::from(self.max_side)).div_ceil(u64::from(long)).max(1) as u32;
        let (w, h) = (side(self.size.0), side(self.size.1));
        let mut small = vec![0; checked_len(w, h)?];
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        let done = ImageRef::new(width, height, &self.full, PixelType::U8x3).ok().and_then(|src| {
            let mut dst = Buffer::from_slice_u8(w, h, &mut small, PixelType::U8x3).ok()?;
            self.resizer.resize(&src, &mut dst, &options).ok()
        });
        debug_assert!(done.is_some(), "both buffers have the length their sides ask for");
        Ok(Image::from_rgb(w, h, small)?)
    }

    /// The same for a picture in `full` that was not shrunk yet.
    fn finish_whole(&mut self, width: u32, height: u32) -> Result<Image, DecodeError> {
        self.size = (width, height);
        self.finish((width as usize, height as usize))
    }
}

/// Decodes a whole JPEG picture into `full`; gives its sides.
fn decode_jpeg(bytes: &[u8], full: &mut Vec<u8>) -> Result<(u32, u32), DecodeError> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(Image::MAX_SIDE as usize)
        .set_max_height(Image::MAX_SIDE as usize)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let failed = |e: zune_jpeg::errors::DecodeErrors| DecodeError::Jpeg(format!("{e:?}"));
    decoder.decode_headers().map_err(failed)?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    let (width, height) = (width as u32, height as u32);
    let need = checked_len(width, height)?;
    full.resize(need, 0);
    decoder.decode_into(full).map_err(failed)?;
    Ok((width, height))
}

/// Bytes of an RGB picture whose sides are in range.
fn checked_len(width: u32, height: u32) -> Result<usize, ImageError> {
    if width == 0 || height == 0 || width > Image::MAX_SIDE || height > Image::MAX_SIDE {
        return Err(ImageError::Side { width, height });
    }
    Ok(width as usize * height as usize * 3)
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
