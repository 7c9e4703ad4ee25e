//! The three networks as the cascade sees them.

use thiserror::Error;

/// Any error of an engine.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// One of the cascade's networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Net {
    /// Proposals: fully convolutional, one answer per 2 x 2 pixels of a pyramid level.
    P,
    /// Refinement: one answer per 24 x 24 crop.
    R,
    /// Output: one answer per 48 x 48 crop, with landmarks.
    O,
}

impl Net {
    /// The shipped ONNX file (see `nets/NOTICE` for where it comes from).
    pub fn onnx(self) -> &'static [u8] {
        match self {
            Net::P => include_bytes!("../nets/pnet.onnx"),
            Net::R => include_bytes!("../nets/rnet.onnx"),
            Net::O => include_bytes!("../nets/onet.onnx"),
        }
    }

    /// Side of the square picture the network judges, pixels.
    pub fn side(self) -> usize {
        match self {
            Net::P => 12,
            Net::R => 24,
            Net::O => 48,
        }
    }

    /// Answers for an input of shape `[n, columns, rows, 3]`: P-Net gives one per place, the others one per picture.
    pub fn answers(self, shape: [usize; 4]) -> usize {
        match self {
            Net::P => shape[0] * pnet_places(shape[1]) * pnet_places(shape[2]),
            Net::R | Net::O => shape[0],
        }
    }
}

/// Places P-Net gives along a side of `pixels`: 3x3 convolution, halving (rounding up), two more 3x3 convolutions.
pub(crate) fn pnet_places(pixels: usize) -> usize {
    pixels.saturating_sub(2).div_ceil(2).saturating_sub(4)
}

/// What a network says, one entry per answer ([`Net::answers`]), in the order of the input.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NetOutput {
    /// Probability of a face, 0 to 1.
    pub face: Vec<f32>,
    /// Offsets of left, top, right and bottom edge in fractions of the box's sides.
    pub offsets: Vec<[f32; 4]>,
    /// O-Net only: five x, then five y, in fractions of the box. Empty for the others.
    pub landmarks: Vec<[f32; 10]>,
}

/// Runs the cascade's networks.
///
/// The input is f32, normalised to about -1..1, and of shape `[n, columns, rows, 3]`: these weights were trained on
/// pictures stored column by column, and P-Net's answers come column by column too.
pub trait Nets {
    /// Runs `net` on `input` of `shape`.
    ///
    /// # Errors
    /// Whatever the engine says.
    fn run(&mut self, net: Net, input: &[f32], shape: [usize; 4]) -> Result<NetOutput, BoxError>;
}

impl<F: FnMut(Net, &[f32], [usize; 4]) -> Result<NetOutput, BoxError>> Nets for F {
    fn run(&mut self, net: Net, input: &[f32], shape: [usize; 4]) -> Result<NetOutput, BoxError> {
        self(net, input, shape)
    }
}

/// Why a picture could not be searched. Finding no face is not an error.
#[derive(Debug, Error)]
pub enum DetectError {
    /// A value of the configuration is outside what is accepted.
    #[error("detector setting `{key}` is {value}; accepted: {accepted}")]
    Config {
        /// Field of [`crate::DetectorConfig`].
        key: &'static str,
        /// Its value.
        value: String,
        /// What would be accepted.
        accepted: &'static str,
    },
    /// An engine could not be prepared or failed.
    #[error("{net:?}-Net: {source}")]
    Engine {
        /// Which network.
        net: Net,
        /// What the engine said.
        source: BoxError,
    },
    /// An engine gave another number of answers than the input asks for.
    #[error("{net:?}-Net gave {got} answers to an input of shape {shape:?}; expected {expected}")]
    Answers {
        /// Which network.
        net: Net,
        /// The input's shape.
        shape: [usize; 4],
        /// Answers given (the shortest of the lists).
        got: usize,
        /// [`Net::answers`].
        expected: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pnet_answers_follow_its_layers() {
        assert_eq!(pnet_places(12), 1);
        assert_eq!(pnet_places(13), 2);
        assert_eq!(pnet_places(14), 2);
        assert_eq!(pnet_places(11), 1);
        assert_eq!(pnet_places(3), 0);
        assert_eq!(Net::P.answers([1, 384, 216, 3]), 187 * 103);
        assert_eq!(Net::O.answers([5, 48, 48, 3]), 5);
    }
}
