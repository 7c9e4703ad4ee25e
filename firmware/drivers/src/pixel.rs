//! The pixel formats that are read, by V4L2's four letters, and how their bytes lie.

use crate::decode::{DecodeError, Range};
use mtcae_contract::{Image, ImageError};

/// Where red is in each square of four pixels of a raw picture; blue is opposite, green beside both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bayer {
    /// Upper left.
    Rggb,
    /// Upper right.
    Grbg,
    /// Lower left.
    Gbrg,
    /// Lower right.
    Bggr,
}

impl Bayer {
    /// Row and column of red, each 0 or 1.
    pub(crate) fn red(self) -> (usize, usize) {
        match self {
            Bayer::Rggb => (0, 0),
            Bayer::Grbg => (0, 1),
            Bayer::Gbrg => (1, 0),
            Bayer::Bggr => (1, 1),
        }
    }
}

/// How the samples of a raw picture are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Samples {
    /// A byte each.
    Bits8,
    /// 10 bits in two bytes, the low one first.
    Bits10,
    /// Four samples of 10 bits in five bytes, as MIPI CSI-2 sends them: the high bits of each, then all low bits.
    Packed10,
    /// 12 bits in two bytes, the low one first.
    Bits12,
    /// Two samples of 12 bits in three bytes, as MIPI CSI-2 sends them.
    Packed12,
}

impl Samples {
    /// Bits of a sample.
    pub fn bits(self) -> u32 {
        match self {
            Samples::Bits8 => 8,
            Samples::Bits10 | Samples::Packed10 => 10,
            Samples::Bits12 | Samples::Packed12 => 12,
        }
    }
}

/// A pixel format that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// JPEG pictures, perhaps without their Huffman tables.
    Mjpg,
    /// Y0 U Y1 V for two pixels.
    Yuyv,
    /// U Y0 V Y1 for two pixels.
    Uyvy,
    /// A plane of luma, then one of U and V in turn for each square of four pixels.
    Nv12,
    /// Luma alone.
    Grey,
    /// What a sensor saw, one colour a pixel.
    Raw(Bayer, Samples),
}

macro_rules! formats {
    ($($code:literal = $format:expr,)+) => {
        impl PixelFormat {
            /// Every format that is read.
            pub const ALL: &'static [PixelFormat] = &[$($format),+];
            const CODES: &'static [&'static str] = &[$($code),+];
        }
    };
}

// The codes are those of linux/videodev2.h.
formats! {
    "MJPG" = PixelFormat::Mjpg,
    "YUYV" = PixelFormat::Yuyv,
    "UYVY" = PixelFormat::Uyvy,
    "NV12" = PixelFormat::Nv12,
    "GREY" = PixelFormat::Grey,
    "RGGB" = PixelFormat::Raw(Bayer::Rggb, Samples::Bits8),
    "GRBG" = PixelFormat::Raw(Bayer::Grbg, Samples::Bits8),
    "GBRG" = PixelFormat::Raw(Bayer::Gbrg, Samples::Bits8),
    "BA81" = PixelFormat::Raw(Bayer::Bggr, Samples::Bits8),
    "RG10" = PixelFormat::Raw(Bayer::Rggb, Samples::Bits10),
    "BA10" = PixelFormat::Raw(Bayer::Grbg, Samples::Bits10),
    "GB10" = PixelFormat::Raw(Bayer::Gbrg, Samples::Bits10),
    "BG10" = PixelFormat::Raw(Bayer::Bggr, Samples::Bits10),
    "pRAA" = PixelFormat::Raw(Bayer::Rggb, Samples::Packed10),
    "pgAA" = PixelFormat::Raw(Bayer::Grbg, Samples::Packed10),
    "pGAA" = PixelFormat::Raw(Bayer::Gbrg, Samples::Packed10),
    "pBAA" = PixelFormat::Raw(Bayer::Bggr, Samples::Packed10),
    "RG12" = PixelFormat::Raw(Bayer::Rggb, Samples::Bits12),
    "BA12" = PixelFormat::Raw(Bayer::Grbg, Samples::Bits12),
    "GB12" = PixelFormat::Raw(Bayer::Gbrg, Samples::Bits12),
    "BG12" = PixelFormat::Raw(Bayer::Bggr, Samples::Bits12),
    "pRCC" = PixelFormat::Raw(Bayer::Rggb, Samples::Packed12),
    "pgCC" = PixelFormat::Raw(Bayer::Grbg, Samples::Packed12),
    "pGCC" = PixelFormat::Raw(Bayer::Gbrg, Samples::Packed12),
    "pBCC" = PixelFormat::Raw(Bayer::Bggr, Samples::Packed12),
}

impl PixelFormat {
    /// V4L2's four letters.
    pub fn code(self) -> &'static str {
        let at = Self::ALL.iter().position(|f| *f == self);
        at.map_or("", |at| Self::CODES[at])
    }

    /// The format of V4L2's four letters, when it is read.
    pub fn from_code(code: &[u8]) -> Option<PixelFormat> {
        Self::CODES.iter().position(|c| c.as_bytes() == code).map(|at| Self::ALL[at])
    }

    /// True for a sensor's own samples, which come out at half the size.
    pub fn is_raw(self) -> bool {
        matches!(self, PixelFormat::Raw(..))
    }

    /// Bytes of a row of `width` pixels (of the first plane) without padding; 0 for MJPG, which has no rows.
    pub fn row_bytes(self, width: u32) -> usize {
        let w = width as usize;
        match self {
            PixelFormat::Mjpg => 0,
            PixelFormat::Yuyv | PixelFormat::Uyvy => (w & !1) * 2,
            // One U and one V for two pixels, as many bytes as the luma of an even row.
            PixelFormat::Nv12 => w.next_multiple_of(2),
            PixelFormat::Grey | PixelFormat::Raw(_, Samples::Bits8) => w,
            PixelFormat::Raw(_, Samples::Bits10 | Samples::Bits12) => w * 2,
            PixelFormat::Raw(_, Samples::Packed10) => w.div_ceil(4) * 5,
            PixelFormat::Raw(_, Samples::Packed12) => w.div_ceil(2) * 3,
        }
    }
}

/// How a camera's bytes are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLayout {
    /// Pixel format.
    pub format: PixelFormat,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Bytes from one row to the next (V4L2's `bytesperline`); 0 when rows follow each other without padding.
    pub stride: u32,
    /// What the numbers of a YUV picture mean.
    pub range: Range,
}

impl FrameLayout {
    /// Bytes from one row to the next; NV12's second plane has as many.
    ///
    /// # Errors
    /// [`DecodeError::Image`] when a side is out of range, [`DecodeError::Stride`] when rows would overlap.
    pub fn checked_stride(&self) -> Result<usize, DecodeError> {
        let (width, height) = (self.width, self.height);
        // The squares of a raw picture and the pairs of a packed one must be whole at least once.
        let least = match self.format {
            PixelFormat::Raw(..) => (2, 2),
            PixelFormat::Yuyv | PixelFormat::Uyvy => (2, 1),
            _ => (1, 1),
        };
        if width < least.0 || height < least.1 || width > Image::MAX_SIDE || height > Image::MAX_SIDE {
            return Err(ImageError::Side { width, height }.into());
        }
        let need = self.format.row_bytes(width);
        match self.stride as usize {
            0 => Ok(need),
            got if got < need => Err(DecodeError::Stride { format: self.format.code(), width, need, got }),
            got => Ok(got),
        }
    }

    /// Bytes that a frame needs; the padding of its last row may be left out.
    ///
    /// # Errors
    /// As [`FrameLayout::checked_stride`].
    pub fn checked_len(&self) -> Result<usize, DecodeError> {
        let stride = self.checked_stride()?;
        let row = self.format.row_bytes(self.width);
        let height = self.height as usize;
        let rows = |n: usize, last: usize| stride.saturating_mul(n - 1).saturating_add(last);
        Ok(match self.format {
            PixelFormat::Nv12 => rows(height + height.div_ceil(2), row),
            _ => rows(height, row),
        })
    }

    /// The frame's rows, and the bytes from one to the next.
    pub(crate) fn checked<'a>(&self, bytes: &'a [u8]) -> Result<(&'a [u8], usize), DecodeError> {
        let (stride, need) = (self.checked_stride()?, self.checked_len()?);
        if bytes.len() < need {
            let FrameLayout { format, width, height, .. } = *self;
            return Err(DecodeError::Length { format: format.code(), width, height, need, got: bytes.len() });
        }
        Ok((&bytes[..need], stride))
    }
}
