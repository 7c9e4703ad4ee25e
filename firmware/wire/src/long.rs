//! The one kind of message with a long frame: pieces of an update, and what a board hears with them.

use crate::decode::{DecodeError, canonical};
use crate::encode::{EncodeError, Frame, seal};
use crate::message::{Down, Invalid, Message, sealed};
use crate::update::UpdateChunk;
use crate::{DOWN_BIT, MAX_LONG_FRAME, VERSION};

/// A frame of up to [`MAX_LONG_FRAME`] bytes.
pub type LongFrame = Frame<MAX_LONG_FRAME>;

/// The kind of [`UpdateChunk`]. Kinds from 64 on go to the board in long frames.
pub const CHUNK_KIND: u8 = 64;

/// All that a board which takes updates hears.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "there is no allocator, and one is looked at at a time")]
pub enum FromHost {
    /// A request.
    Request(Down),
    /// A piece of an update; answered by [`Up::UpdateState`](crate::Up::UpdateState) now and then.
    Chunk(UpdateChunk),
}

impl sealed::Sealed for FromHost {}

impl Message for FromHost {
    const KINDS: u8 = Down::KINDS;
    const FIRST_BYTE: u8 = VERSION | DOWN_BIT;
    type Buffer = [u8; MAX_LONG_FRAME - 1];

    fn from_body(body: &[u8]) -> Result<Self, DecodeError> {
        if body[0] == CHUNK_KIND {
            return canonical(&body[1..]).map(Self::Chunk).ok_or(DecodeError::Body { kind: CHUNK_KIND });
        }
        Down::from_body(body).map(Self::Request)
    }

    fn check(&self) -> Result<(), Invalid> {
        match self {
            Self::Request(down) => down.check(),
            Self::Chunk(chunk) => chunk.check(),
        }
    }
}

/// Encodes a piece of an update as one frame.
///
/// # Errors
/// When it holds no data.
pub fn encode_chunk(chunk: &UpdateChunk) -> Result<LongFrame, EncodeError> {
    chunk.check()?;
    seal(FromHost::FIRST_BYTE, |body| {
        let (kind, fields) = body.split_first_mut()?;
        *kind = CHUNK_KIND;
        Some(1 + postcard::to_slice(chunk, fields).ok()?.len())
    })
}
