//! Messages between a board and its robot, and the framing that carries them: `no_std`, no
//! allocation, and never any pixels, sockets, ports or clocks.
//!
//! ```text
//!  board                                                     robot, monitor
//!  Up::Report --encode--> [COBS( version | postcard | CRC-32 ) 0] --Decoder<Up>--> Up::Report
//!  Down::Ping <--Decoder<Down>-- [COBS( version+128 | postcard | CRC-32 ) 0] <--encode-- Down::Ping
//! ```
//!
//! [`encode()`] turns one message into one [`Frame`] of at most [`MAX_FRAME`] bytes, [`encode_chunk`] a piece of an
//! update into one of at most [`MAX_LONG_FRAME`]. [`Decoder`] takes
//! bytes as they come, in pieces of any size, and gives messages: all of a message, checked, or an
//! error; a board that takes updates has a `Decoder<FromHost>`, which has room for the long ones. Layout, units and sizes of every message are in this crate's README.
//!
//! # Compatibility
//!
//! The frame (COBS, zero delimiter, CRC-32 over everything before it, first byte = version and
//! direction) is the same in every version to come, so that a newer peer is always *recognised*:
//! it gives [`DecodeError::Version`], never garbage. Within a version, [`Up`] and [`Down`] are
//! append-only: new variants go to the end and an older peer answers them with
//! [`DecodeError::UnknownKind`]. Anything else (a new field, a new state in an inner enum, a changed
//! unit) raises [`VERSION`].
#![no_std]
#![forbid(unsafe_code)]

mod decode;
mod encode;
mod long;
mod message;
mod update;
mod value;

pub use decode::{Buffer, Counts, DecodeError, Decoder};
pub use encode::{EncodeError, Frame, encode};
pub use heapless;
pub use long::{CHUNK_KIND, FromHost, LongFrame, encode_chunk};
pub use message::{
    Ack, CameraAction, CameraMode, CameraOrder, CameraState, Condition, Counters, Down, FaceReport, Hello, Invalid,
    LANDMARKS, Latencies, Level, Log, MAX_LABELS, Message, Mode, Nack, Parts, Percentiles, Ping, Pong, Reason, Report,
    Scores, SetTime, SinkState, Smoothing, Status, Subscribe, Up, scores_from_f32,
};
pub use update::{
    CHUNK, LogsQuery, MAX_FAMILIES, MAX_PERMIT, MAX_WINDOW, Offer, PermitOffer, Refusal, Request, Slot, SlotName,
    SlotPair, SlotState, Slots, UpdateBegin, UpdateChunk, UpdateFinish, UpdatePhase, UpdateRefused, UpdateState,
};
pub use value::{Area, Coord, NotPrintable, OutOfRange, Point, Quality, SCALE, Share, Text};

/// The version of the messages this crate speaks, 1 to 127; the low seven bits of a frame's first byte.
pub const VERSION: u8 = 2;

/// Set in a frame's first byte when the frame goes from the host to the board, so that an echoing
/// line is noticed instead of obeyed.
pub const DOWN_BIT: u8 = 0x80;

/// The largest frame on the line, in bytes, with its delimiter.
pub const MAX_FRAME: usize = 256;

/// The largest content of a frame, in bytes: version, body and checksum. One COBS group holds it, so the
/// overhead of COBS is always exactly one byte.
pub const MAX_CONTENT: usize = MAX_FRAME - 2;

/// The largest frame of an [`UpdateChunk`], in bytes, with its delimiter: first byte, kind, transfer, index, length
/// and checksum around the data, and the codes of COBS.
pub const MAX_LONG_FRAME: usize = {
    let content = 1 + 1 + 5 + 5 + 2 + CHUNK + CRC_LEN;
    content + 1 + content / 254 + 1
};

pub(crate) const CRC_LEN: usize = 4;

/// CRC-32/ISO-HDLC, the one of Ethernet, zip and PNG: `zlib.crc32` in Python.
pub(crate) const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
