//! What the core needs from the world. Each trait has at least two real implementations in `firmware/drivers`.

use mtcae_contract::{Clip, Image, Micros, Point, RawOutput, Rect};
use mtcae_wire::{FromHost, Up};
use std::time::Duration;
use thiserror::Error;

/// A monotonic clock. Only drivers and the daemon hold one; the core is told the time.
pub trait Clock: Send + Sync {
    /// Microseconds since the daemon started.
    fn now(&self) -> Micros;
}

/// A picture just read from a source.
#[derive(Debug, Clone)]
pub struct Captured {
    /// The decoded picture, already shrunk to the configured long side.
    pub image: Image,
    /// When the camera captured it.
    pub captured: Micros,
    /// Count of frames the source has seen, bad ones included; a hole is a lost frame.
    pub seq: u32,
    /// Time spent decoding and shrinking, microseconds.
    pub decode_us: u32,
}

/// What a source turned out to be, for the start-up report.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceInfo {
    /// Device or file, as a person would name it.
    pub name: String,
    /// Pixel format or codec, for example `MJPG`.
    pub format: String,
    /// Width as captured, pixels.
    pub width: u32,
    /// Height as captured, pixels.
    pub height: u32,
    /// Frames per second as agreed with the device or written in the file.
    pub fps: f32,
}

/// One of a source's modes.
#[derive(Debug, Clone, PartialEq)]
pub struct OfferedMode {
    /// Pixel format or codec, for example `MJPG`.
    pub format: String,
    /// Width as captured, pixels.
    pub width: u32,
    /// Height as captured, pixels.
    pub height: u32,
    /// Most frames per second; `None` when the driver does not say.
    pub fps: Option<f32>,
    /// Its format can be read.
    pub readable: bool,
    /// It is the one in use.
    pub current: bool,
}

/// Why a source gave no frame; one variant for each reaction.
#[derive(Debug, Error, PartialEq)]
pub enum SourceError {
    /// One frame is unusable (a truncated JPEG): count it, take the next.
    #[error("bad frame skipped: {0}")]
    BadFrame(String),
    /// The device is gone or stuck: drop it, open it again later.
    #[error("camera lost: {0}")]
    Lost(String),
    /// It will not work as configured: stop and tell the person.
    #[error("{0}")]
    Refused(String),
    /// A file has ended and is not looped.
    #[error("the source has ended")]
    End,
}

/// A camera, a video file or a folder of pictures.
pub trait FrameSource: Send {
    /// What it is.
    fn info(&self) -> SourceInfo;
    /// Why it was opened as it is, for the start-up report; `None` where there was nothing to choose.
    fn choice(&self) -> Option<String> {
        None
    }
    /// All modes it offers: the one in use, for a source that has no other.
    fn modes(&self) -> Vec<OfferedMode> {
        let SourceInfo { format, width, height, fps, .. } = self.info();
        vec![OfferedMode { format, width, height, fps: Some(fps), readable: true, current: true }]
    }
    /// Waits at most `timeout` for the next frame; `None` when none came in that time.
    ///
    /// # Errors
    /// See [`SourceError`] for what to do about each.
    fn next_frame(&mut self, timeout: Duration) -> Result<Option<Captured>, SourceError>;
}

/// Why an engine gave no answer.
#[derive(Debug, Error, PartialEq)]
pub enum EngineError {
    /// The model file or the engine cannot be used: stop and tell the person.
    #[error("{0}")]
    Refused(String),
    /// This run failed; the next may not.
    #[error("inference failed: {0}")]
    Failed(String),
}

/// Runs the network on one clip.
pub trait Engine: Send {
    /// The name every Status carries, for example `tract`.
    fn name(&self) -> &str;
    /// The network's three outputs for `clip`.
    ///
    /// # Errors
    /// [`EngineError::Failed`] when this run went wrong.
    fn infer(&mut self, clip: &Clip) -> Result<RawOutput, EngineError>;
    /// The same network for one more clip at the same time, with the same weights in memory; `None` where that cannot be had.
    fn stream(&self) -> Option<Box<dyn Engine>> {
        None
    }
}

/// A face found by the detector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoundFace {
    /// Box in pixels of the picture given.
    pub face: Rect,
    /// 0 to 1.
    pub score: f32,
    /// Left eye, right eye, nose, left and right mouth corner as seen in the image, pixels.
    pub landmarks: [Point; 5],
}

/// Finds faces in a picture.
pub trait FaceFinder: Send {
    /// All faces, best first.
    ///
    /// # Errors
    /// [`EngineError::Failed`] when the detector's networks went wrong.
    fn find(&mut self, image: &Image) -> Result<Vec<FoundFace>, EngineError>;
    /// Looks again at a face seen a moment ago near `near`; cheaper than [`FaceFinder::find`]. `None` when it is gone.
    ///
    /// # Errors
    /// As [`FaceFinder::find`].
    fn follow(&mut self, image: &Image, near: Rect) -> Result<Option<FoundFace>, EngineError>;
}

/// Why a sink did not take a message.
#[derive(Debug, Error, PartialEq)]
pub enum SinkError {
    /// The line is gone (unplugged, closed): re-open later, keep counting what is dropped meanwhile.
    #[error("{0}")]
    Lost(String),
    /// The line is slower than the messages: try again later.
    #[error("the line is busy")]
    Busy,
}

/// Where reports go, and where a robot's requests come from.
pub trait Sink: Send {
    /// The port or place, as a person would name it.
    fn name(&self) -> &str;
    /// Sends one message whole or not at all.
    ///
    /// # Errors
    /// See [`SinkError`].
    fn send(&mut self, message: &Up) -> Result<(), SinkError>;
    /// The next request, or piece of an update, from the other side, if one has arrived; never waits.
    ///
    /// # Errors
    /// [`SinkError::Lost`] when the line is gone.
    fn poll(&mut self) -> Result<Option<FromHost>, SinkError>;
}
