//! An RGB picture in memory.

use thiserror::Error;

/// Why a buffer is not a picture.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ImageError {
    /// A side is zero or beyond [`Image::MAX_SIDE`].
    #[error("image of {width}x{height} pixels; each side must be 1 to {max}", max = Image::MAX_SIDE)]
    Side {
        /// Width asked for, pixels.
        width: u32,
        /// Height asked for, pixels.
        height: u32,
    },
    /// The buffer's length does not fit the sides.
    #[error("image of {width}x{height} pixels needs {need} bytes of RGB, got {got}")]
    Length {
        /// Width, pixels.
        width: u32,
        /// Height, pixels.
        height: u32,
        /// `width * height * 3`.
        need: usize,
        /// Bytes given.
        got: usize,
    },
}

/// 8-bit RGB, rows from the top, no padding between rows. Deliberately not serialisable: pixels do not leave the board.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Image {
    /// Largest side accepted, pixels.
    pub const MAX_SIDE: u32 = 8192;

    /// A picture from its bytes, `height * width * 3` long.
    ///
    /// # Errors
    /// When a side is 0 or over [`Image::MAX_SIDE`], or the buffer's length does not fit.
    pub fn from_rgb(width: u32, height: u32, rgb: Vec<u8>) -> Result<Image, ImageError> {
        if width == 0 || height == 0 || width > Self::MAX_SIDE || height > Self::MAX_SIDE {
            return Err(ImageError::Side { width, height });
        }
        let need = width as usize * height as usize * 3;
        if rgb.len() != need {
            return Err(ImageError::Length { width, height, need, got: rgb.len() });
        }
        Ok(Image { width, height, rgb })
    }

    /// A picture of one colour.
    ///
    /// # Errors
    /// As [`Image::from_rgb`].
    pub fn filled(width: u32, height: u32, color: [u8; 3]) -> Result<Image, ImageError> {
        if width > Self::MAX_SIDE || height > Self::MAX_SIDE {
            return Err(ImageError::Side { width, height });
        }
        Image::from_rgb(width, height, color.repeat(width as usize * height as usize))
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The bytes, `height * width * 3`.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The bytes, to draw on or to wipe.
    pub fn rgb_mut(&mut self) -> &mut [u8] {
        &mut self.rgb
    }

    /// Gives the bytes back, so that a buffer can be used again.
    pub fn into_rgb(self) -> Vec<u8> {
        self.rgb
    }

    /// The colour at column `x`, row `y`; both clamped to the picture.
    pub fn pixel(&self, x: i64, y: i64) -> [u8; 3] {
        let x = x.clamp(0, i64::from(self.width) - 1) as usize;
        let y = y.clamp(0, i64::from(self.height) - 1) as usize;
        let i = (y * self.width as usize + x) * 3;
        [self.rgb[i], self.rgb[i + 1], self.rgb[i + 2]]
    }
}

impl std::fmt::Debug for Image {
    /// The size only: a picture of a person must not end up in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Image({}x{})", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_lengths_and_sides_are_named() {
        let err = Image::from_rgb(2, 2, vec![0; 11]).unwrap_err();
        assert_eq!(err.to_string(), "image of 2x2 pixels needs 12 bytes of RGB, got 11");
        let err = Image::from_rgb(0, 2, vec![]).unwrap_err();
        assert_eq!(err.to_string(), "image of 0x2 pixels; each side must be 1 to 8192");
        assert!(Image::filled(u32::MAX, u32::MAX, [0; 3]).is_err());
    }

    #[test]
    fn debug_shows_no_pixels() {
        let img = Image::filled(3, 2, [7, 8, 9]).unwrap();
        assert_eq!(format!("{img:?}"), "Image(3x2)");
        assert_eq!(img.pixel(-4, 9), [7, 8, 9]);
    }
}
