//! From a camera's or a file's bytes to a small RGB picture.

use crate::jpeg;
use fast_image_resize::images::{Image as Buffer, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use mtcae_contract::{Image, ImageError};
use thiserror::Error;
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

/// Longest side a picture has in the board's ring, pixels.
pub const MAX_SIDE: u32 = 640;

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
            size: (0, 0),
        }
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
        self.finish(width, height)
    }

    /// Packed Y0 U Y1 V samples, rows `stride` bytes apart; an odd last column is left out.
    ///
    /// # Errors
    /// [`DecodeError::Length`] when bytes are missing.
    pub fn yuyv(&mut self, b: &[u8], width: u32, height: u32, stride: u32, range: Range) -> Result<Image, DecodeError> {
        let (width, stride) = (width & !1, stride.max(width * 2) as usize);
        let (len, row) = (checked_len(width, height)?, width as usize * 2);
        let need = stride * (height as usize - 1) + row;
        if b.len() < need {
            return Err(DecodeError::Length { format: "YUYV", width, height, need, got: b.len() });
        }
        self.full.resize(len, 0);
        let yuv = Yuv::new(range);
        for (src, dst) in b.chunks(stride).zip(self.full.chunks_exact_mut(width as usize * 3)) {
            let (src, _) = src[..row].as_chunks::<4>();
            let (dst, _) = dst.as_chunks_mut::<6>();
            for (&[y0, u, y1, v], out) in src.iter().zip(dst) {
                let c = yuv.chroma(u, v);
                out[..3].copy_from_slice(&yuv.rgb(y0, c));
                out[3..].copy_from_slice(&yuv.rgb(y1, c));
            }
        }
        self.finish(width, height)
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
        let len = checked_len(width, height)?;
        let need = Self::planar_len(width, height, chroma);
        if bytes.len() < need {
            return Err(DecodeError::Length { format: "planar", width, height, need, got: bytes.len() });
        }
        self.full.resize(len, 0);
        let yuv = Yuv::new(range);
        let w = width as usize;
        let (luma, rest) = bytes.split_at(w * height as usize);
        for (y, dst) in self.full.chunks_exact_mut(w * 3).enumerate() {
            let (dst, _) = dst.as_chunks_mut::<3>();
            let row = &luma[y * w..][..w];
            match chroma {
                None => dst.iter_mut().zip(row).for_each(|(out, &l)| *out = yuv.rgb(l, [0; 3])),
                Some(c) => {
                    let cw = w.div_ceil(1 << c.x);
                    let plane = cw * (height as usize).div_ceil(1 << c.y);
                    let u = &rest[(y >> c.y) * cw..][..cw];
                    let v = &rest[plane + (y >> c.y) * cw..][..cw];
                    for (x, (out, &l)) in dst.iter_mut().zip(row).enumerate() {
                        *out = yuv.rgb(l, yuv.chroma(u[x >> c.x], v[x >> c.x]));
                    }
                }
            }
        }
        self.finish(width, height)
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
        self.finish(width, height)
    }

    /// Shrinks `full` when it is too large; otherwise gives it away.
    fn finish(&mut self, width: u32, height: u32) -> Result<Image, DecodeError> {
        self.size = (width, height);
        let long = width.max(height);
        if long <= self.max_side {
            return Ok(Image::from_rgb(width, height, std::mem::take(&mut self.full))?);
        }
        let side = |s: u32| (u64::from(s) * u64::from(self.max_side)).div_ceil(u64::from(long)).max(1) as u32;
        let (w, h) = (side(width), side(height));
        let mut small = vec![0; checked_len(w, h)?];
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        let done = ImageRef::new(width, height, &self.full, PixelType::U8x3).ok().and_then(|src| {
            let mut dst = Buffer::from_slice_u8(w, h, &mut small, PixelType::U8x3).ok()?;
            self.resizer.resize(&src, &mut dst, &options).ok()
        });
        debug_assert!(done.is_some(), "both buffers have the length their sides ask for");
        Ok(Image::from_rgb(w, h, small)?)
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

/// BT.601 in 16.16 fixed point.
struct Yuv {
    black: i32,
    luma: i32,
    /// Parts of V in red, U in green, V in green, U in blue.
    parts: [i32; 4],
}

impl Yuv {
    fn new(range: Range) -> Yuv {
        match range {
            Range::Full => Yuv { black: 0, luma: 65536, parts: [91881, -22554, -46802, 116130] },
            Range::Limited => Yuv { black: 16, luma: 76309, parts: [104597, -25675, -53279, 132201] },
        }
    }

    fn chroma(&self, u: u8, v: u8) -> [i32; 3] {
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        let [rv, gu, gv, bu] = self.parts;
        [rv * v, gu * u + gv * v, bu * u]
    }

    fn rgb(&self, y: u8, chroma: [i32; 3]) -> [u8; 3] {
        let l = (i32::from(y) - self.black) * self.luma + 32768;
        chroma.map(|c| ((l + c) >> 16).clamp(0, 255) as u8)
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
