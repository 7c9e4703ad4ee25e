//! One message to one frame.

use crate::message::{Invalid, Message};
use crate::{CRC, CRC_LEN, MAX_BODY, MAX_FRAME};
use core::ops::Deref;

/// Why a message could not be encoded. The receiver would have refused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Fields contradict each other.
    #[error("message not sent: {0}")]
    Invalid(#[from] Invalid),
    /// The message is longer than a frame; a bug of this crate, whose types are bounded to fit.
    #[error("message not sent: its body is longer than {MAX_BODY} bytes")]
    TooLong,
}

/// One encoded message with its delimiter, ready to be written.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    bytes: [u8; MAX_FRAME],
    len: usize,
}

impl Frame {
    /// The bytes to write; the last one is the zero delimiter and the only zero among them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Deref for Frame {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Frame {}

/// Encodes `message` as one frame. A sender that has just opened a line writes one zero byte first, which ends
/// whatever the receiver had heard before.
///
/// # Errors
/// When the message's fields contradict each other (see [`Message::check`]).
pub fn encode<M: Message>(message: &M) -> Result<Frame, EncodeError> {
    message.check()?;
    let mut bytes = [0; MAX_FRAME];
    bytes[1] = M::FIRST_BYTE;
    let body = postcard::to_slice(message, &mut bytes[2..2 + MAX_BODY]).map_err(|_| EncodeError::TooLong)?.len();
    let content = 1 + body;
    let crc = CRC.checksum(&bytes[1..=content]);
    bytes[1 + content..][..CRC_LEN].copy_from_slice(&crc.to_le_bytes());
    Ok(stuff(bytes, content + CRC_LEN))
}

/// COBS in place, for content of at most 254 bytes that lies behind one free byte: every zero becomes the
/// distance to the next, and the free byte the distance to the first.
fn stuff(mut bytes: [u8; MAX_FRAME], content: usize) -> Frame {
    let end = 1 + content;
    let mut code = 0;
    for at in 1..end {
        if bytes[at] == 0 {
            bytes[code] = (at - code) as u8;
            code = at;
        }
    }
    bytes[code] = (end - code) as u8;
    bytes[end] = 0;
    Frame { bytes, len: end + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MAX_CONTENT;

    fn stuffed(content: &[u8]) -> Frame {
        let mut bytes = [0; MAX_FRAME];
        bytes[1..=content.len()].copy_from_slice(content);
        stuff(bytes, content.len())
    }

    #[test]
    fn zeros_become_distances() {
        assert_eq!(stuffed(&[]).as_bytes(), [1, 0]);
        assert_eq!(stuffed(&[0]).as_bytes(), [1, 1, 0]);
        assert_eq!(stuffed(&[11, 22, 0, 33]).as_bytes(), [3, 11, 22, 2, 33, 0]);
    }

    #[test]
    fn the_longest_content_without_a_zero_fits() {
        let frame = stuffed(&[7; MAX_CONTENT]);
        assert_eq!(frame.len(), MAX_FRAME);
        assert_eq!(frame[0], 255);
        assert_eq!(frame.iter().filter(|&&b| b == 0).count(), 1);
    }
}
