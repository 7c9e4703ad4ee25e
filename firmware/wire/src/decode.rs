//! Bytes as they come to messages.

use crate::message::{Invalid, Message};
use crate::{CRC, CRC_LEN, DOWN_BIT, VERSION};
use core::fmt::Debug;
use core::marker::PhantomData;
use postcard::ser_flavors::Flavor;
use serde::{Serialize, de::DeserializeOwned};

/// The shortest content: version, a body of one byte, checksum.
const MIN_CONTENT: usize = 1 + 1 + CRC_LEN;

/// Why the bytes between two delimiters are no message. The decoder has already skipped them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More bytes than a frame can have, and no delimiter yet.
    #[error("no delimiter within {limit} bytes; wrong baud rate, or not this protocol")]
    Overlong {
        /// The longest frame this decoder takes, in bytes.
        limit: usize,
    },
    /// COBS codes do not fit the number of bytes.
    #[error("the framing of {len} received byte(s) is broken")]
    Framing {
        /// Bytes received before the delimiter.
        len: usize,
    },
    /// Fewer bytes than the smallest message.
    #[error("a frame with {len} byte(s) of content is too short; the shortest message has {MIN_CONTENT}")]
    Short {
        /// Bytes of content.
        len: usize,
    },
    /// The checksum is wrong: the line changed or lost something.
    #[error("checksum {received:#010x} does not match the content's {computed:#010x}")]
    Checksum {
        /// What came.
        received: u32,
        /// What it would have to be.
        computed: u32,
    },
    /// A whole frame that travels the other way: the line echoes, or both ends are the same side.
    #[error("the frame goes the other way; does the line echo?")]
    Direction,
    /// A whole frame of another version of the protocol.
    #[error("the peer speaks protocol version {found}, this end version {VERSION}; update the older end")]
    Version {
        /// The peer's version.
        found: u8,
    },
    /// A whole frame of this version with a kind of message that this build does not know yet.
    #[error("message kind {kind} is unknown to this build; the peer is newer")]
    UnknownKind {
        /// The kind's number.
        kind: u8,
    },
    /// A whole frame whose body is no message: a number, text or list out of its range, bytes missing, or
    /// bytes left over. The peer has a bug.
    #[error("the body of message kind {kind} is not acceptable")]
    Body {
        /// The kind's number.
        kind: u8,
    },
    /// A whole message whose fields contradict each other. The peer has a bug.
    #[error("message refused: {0}")]
    Invalid(#[from] Invalid),
}

/// What a decoder has seen; each number stops at `u32::MAX`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages delivered.
    pub good: u32,
    /// Errors of any kind, `overlong` among them.
    pub bad: u32,
    /// Times that no delimiter came in time.
    pub overlong: u32,
}

/// Room for one frame without its delimiter.
pub trait Buffer: AsRef<[u8]> + AsMut<[u8]> + Clone + Debug {
    /// Zeros.
    const EMPTY: Self;
}

impl<const N: usize> Buffer for [u8; N] {
    const EMPTY: Self = [0; N];
}

/// Turns bytes into messages; holds at most one frame. `M` is [`Up`](crate::Up) at the host; at the board it is
/// [`FromHost`](crate::FromHost), or [`Down`](crate::Down) where no update can come.
#[derive(Debug, Clone)]
pub struct Decoder<M: Message> {
    bytes: M::Buffer,
    len: usize,
    /// An overlong frame was reported and its rest is being skipped.
    skipping: bool,
    counts: Counts,
    message: PhantomData<fn() -> M>,
}

impl<M: Message> Default for Decoder<M> {
    fn default() -> Self {
        Self { bytes: M::Buffer::EMPTY, len: 0, skipping: false, counts: Counts::default(), message: PhantomData }
    }
}

impl<M: Message> Decoder<M> {
    /// A decoder that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next byte. At a delimiter gives what the bytes before it were; after an error it waits for the
    /// next delimiter. An overlong frame is reported as soon as it is too long.
    pub fn push(&mut self, byte: u8) -> Option<Result<M, DecodeError>> {
        let result = self.step(byte)?;
        let counts = &mut self.counts;
        match &result {
            Ok(_) => counts.good = counts.good.saturating_add(1),
            Err(error) => {
                counts.bad = counts.bad.saturating_add(1);
                if matches!(error, DecodeError::Overlong { .. }) {
                    counts.overlong = counts.overlong.saturating_add(1);
                }
            }
        }
        Some(result)
    }

    /// Takes `bytes` one after another as the iterator is driven, and gives what they end. Bytes that the
    /// iterator has not reached when it is dropped are not taken.
    pub fn feed<'a>(&'a mut self, bytes: &'a [u8]) -> impl Iterator<Item = Result<M, DecodeError>> + 'a {
        bytes.iter().filter_map(|&byte| self.push(byte))
    }

    /// What was seen since the start.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Forgets a frame begun, as after the line was closed; keeps the counts.
    pub fn reset(&mut self) {
        self.len = 0;
        self.skipping = false;
    }

    fn step(&mut self, byte: u8) -> Option<Result<M, DecodeError>> {
        if byte == 0 {
            let len = self.len;
            self.reset();
            // Nothing between two delimiters is no frame; a sender may end what was before it.
            return (len > 0).then(|| message(&mut self.bytes.as_mut()[..len]));
        }
        if self.skipping {
            return None;
        }
        let bytes = self.bytes.as_mut();
        if let Some(place) = bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
            return None;
        }
        let limit = bytes.len() + 1;
        self.len = 0;
        self.skipping = true;
        Some(Err(DecodeError::Overlong { limit }))
    }
}

/// The message of a whole frame without its delimiter.
fn message<M: Message>(frame: &mut [u8]) -> Result<M, DecodeError> {
    let len = unstuff(frame).ok_or(DecodeError::Framing { len: frame.len() })?;
    if len < MIN_CONTENT {
        return Err(DecodeError::Short { len });
    }
    let (content, crc) = frame[..len].split_at(len - CRC_LEN);
    let received = crc.iter().rev().fold(0, |crc, &byte| crc << 8 | u32::from(byte));
    let computed = CRC.checksum(content);
    if received != computed {
        return Err(DecodeError::Checksum { received, computed });
    }
    if (content[0] ^ M::FIRST_BYTE) & DOWN_BIT != 0 {
        return Err(DecodeError::Direction);
    }
    if content[0] != M::FIRST_BYTE {
        return Err(DecodeError::Version { found: content[0] & !DOWN_BIT });
    }
    let message = M::from_body(&content[1..])?;
    message.check()?;
    Ok(message)
}

/// COBS back in place: moves the content to the front and gives its length. `None` when the codes do not add up.
fn unstuff(frame: &mut [u8]) -> Option<usize> {
    let (mut code, mut len) = (0, 0);
    while code < frame.len() {
        let distance = usize::from(frame[code]);
        let next = code + distance;
        if next > frame.len() {
            return None;
        }
        frame.copy_within(code + 1..next, len);
        len += distance - 1;
        code = next;
        // A group of full length stands for no zero, and the last one's zero is the delimiter.
        if distance < 255 && code < frame.len() {
            frame[len] = 0;
            len += 1;
        }
    }
    Some(len)
}

/// The message of a body whose first byte is one of `kinds` kinds.
pub(crate) fn parse<T: Serialize + DeserializeOwned>(body: &[u8], kinds: u8) -> Result<T, DecodeError> {
    let kind = body[0];
    if kind >= kinds {
        return Err(DecodeError::UnknownKind { kind });
    }
    canonical(body).ok_or(DecodeError::Body { kind })
}

/// The one value whose encoding `bytes` are. postcard takes numbers in longer forms than needed and ignores bytes
/// behind the value; the one accepted form is the one that encoding gives.
pub(crate) fn canonical<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let value = postcard::from_bytes(bytes).ok()?;
    postcard::serialize_with_flavor(&value, Same(bytes)).ok()?.then_some(value)
}

/// Compares what is serialised with bytes at hand; true when they are the same to the last.
struct Same<'a>(&'a [u8]);

impl Flavor for Same<'_> {
    type Output = bool;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        match self.0.split_first() {
            Some((&first, rest)) if first == byte => {
                self.0 = rest;
                Ok(())
            }
            _ => Err(postcard::Error::SerializeBufferFull),
        }
    }

    fn finalize(self) -> postcard::Result<bool> {
        Ok(self.0.is_empty())
    }
}
