//! One message to one frame.

use crate::message::{Invalid, Message};
use crate::{CRC, CRC_LEN, MAX_FRAME};
use core::ops::{Deref, Range};
use serde::Serialize;

/// Why a message could not be encoded. The receiver would have refused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Fields contradict each other.
    #[error("message not sent: {0}")]
    Invalid(#[from] Invalid),
    /// The message is longer than a frame; a bug of this crate, whose types are bounded to fit.
    #[error("message not sent: it is longer than a frame")]
    TooLong,
}

/// One encoded message with its delimiter, ready to be written; at most `N` bytes.
#[derive(Debug, Clone, Copy)]
pub struct Frame<const N: usize = MAX_FRAME> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Frame<N> {
    /// The bytes to write; the last one is the zero delimiter and the only zero among them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl<const N: usize> Deref for Frame<N> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl<const N: usize> AsRef<[u8]> for Frame<N> {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl<const N: usize> PartialEq for Frame<N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const N: usize> Eq for Frame<N> {}

/// Encodes `message` as one frame. A sender that has just opened a line writes one zero byte first, which ends
/// whatever the receiver had heard before.
///
/// # Errors
/// When the message's fields contradict each other (see [`Message::check`]).
pub fn encode<M: Message + Serialize>(message: &M) -> Result<Frame, EncodeError> {
    message.check()?;
    seal(M::FIRST_BYTE, |body| Some(postcard::to_slice(message, body).ok()?.len()))
}

/// The frame around a body: `write` puts it into the room it is given and says how long it is.
pub(crate) fn seal<const N: usize>(
    first: u8,
    write: impl FnOnce(&mut [u8]) -> Option<usize>,
) -> Result<Frame<N>, EncodeError> {
    let start = codes(N);
    let mut bytes = [0; N];
    bytes[start] = first;
    let room = &mut bytes[start + 1..N - 1 - CRC_LEN];
    let body = write(room).ok_or(EncodeError::TooLong)?;
    let crc = start + 1 + body;
    let checksum = CRC.checksum(&bytes[start..crc]);
    bytes[crc..][..CRC_LEN].copy_from_slice(&checksum.to_le_bytes());
    Ok(stuff(bytes, start..crc + CRC_LEN))
}

/// The most codes that COBS puts into a frame of `frame` bytes: one, and one more after each 254 bytes of content.
pub(crate) const fn codes(frame: usize) -> usize {
    (frame - 1).div_ceil(255)
}

/// COBS in place: moves the content to the front, every zero becomes the distance to the next code, and after 254
/// bytes without one a code stands for nothing. The [`codes`] bytes free before the content are room enough.
fn stuff<const N: usize>(mut bytes: [u8; N], content: Range<usize>) -> Frame<N> {
    let (mut code, mut end) = (0, 1);
    for at in content {
        let byte = bytes[at];
        if end - code == 255 {
            bytes[code] = 255;
            (code, end) = (end, end + 1);
        }
        if byte == 0 {
            bytes[code] = (end - code) as u8;
            (code, end) = (end, end + 1);
        } else {
            bytes[end] = byte;
            end += 1;
        }
    }
    bytes[code] = (end - code) as u8;
    bytes[end] = 0;
    Frame { bytes, len: end + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LongFrame, MAX_CONTENT, MAX_LONG_FRAME};

    fn stuffed<const N: usize>(content: &[u8]) -> Frame<N> {
        let (mut bytes, start) = ([0; N], codes(N));
        let range = start..start + content.len();
        bytes[range.clone()].copy_from_slice(content);
        stuff(bytes, range)
    }

    #[test]
    fn zeros_become_distances() {
        let stuffed = stuffed::<MAX_FRAME>;
        assert_eq!(stuffed(&[]).as_bytes(), [1, 0]);
        assert_eq!(stuffed(&[0]).as_bytes(), [1, 1, 0]);
        assert_eq!(stuffed(&[11, 22, 0, 33]).as_bytes(), [3, 11, 22, 2, 33, 0]);
    }

    #[test]
    fn the_longest_content_without_a_zero_fits() {
        let frame = stuffed::<MAX_FRAME>(&[7; MAX_CONTENT]);
        assert_eq!(frame.len(), MAX_FRAME);
        assert_eq!(frame[0], 255);
        assert_eq!(frame.iter().filter(|&&b| b == 0).count(), 1);
        let frame: LongFrame = stuffed(&[7; MAX_LONG_FRAME - 1 - codes(MAX_LONG_FRAME)]);
        assert_eq!(frame.len(), MAX_LONG_FRAME);
        assert_eq!(frame.iter().filter(|&&b| b == 0).count(), 1);
    }

    #[test]
    fn a_full_group_stands_for_no_zero() {
        let frame: LongFrame = stuffed(&[[7; 254].as_slice(), &[0, 9]].concat());
        assert_eq!(frame[..], [&[255], [7; 254].as_slice(), &[1, 2, 9, 0]].concat());
        let frame: LongFrame = stuffed(&[7; 254]);
        assert_eq!(frame[..], [&[255], [7; 254].as_slice(), &[0]].concat());
        let frame: LongFrame = stuffed(&[7; 255]);
        assert_eq!(frame[..], [&[255], [7; 254].as_slice(), &[2, 7, 0]].concat());
    }
}
