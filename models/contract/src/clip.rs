//! Frames as a camera gives them and clips as the network takes them.

use crate::{Image, Rect};
use std::sync::Arc;

/// A time on the board's monotonic clock, microseconds since the daemon started.
pub type Micros = u64;

/// One captured picture. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The pixels, at most 640 on the long side once in the ring.
    pub image: Arc<Image>,
    /// When it was captured (not when it was decoded).
    pub captured: Micros,
    /// Count of frames since the source was opened; a hole is a dropped frame.
    pub seq: u32,
}

/// Sixteen (or `T`) crops of one face, ready for the network. Not serialisable, like [`Image`].
#[derive(Clone, PartialEq)]
pub struct Clip {
    /// Bytes `[T, S, S, 3]`, RGB: exactly the exported model's input without its batch axis.
    pub bytes: Vec<u8>,
    /// Frames, `T`.
    pub frames: usize,
    /// Side of a crop in pixels, `S`.
    pub size: usize,
    /// Where the crop lies in the camera frame, pixels; may reach outside it.
    pub crop: Rect,
}

impl std::fmt::Debug for Clip {
    /// Shape and place only: pixels must not end up in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clip({}x{}x{} at {:?})", self.frames, self.size, self.size, self.crop)
    }
}
