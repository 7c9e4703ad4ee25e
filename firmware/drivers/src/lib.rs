//! Cameras, engines and lines: one file per device behind the traits of mtcae-core; no driver knows what a picture or
//! an answer means, reads configuration, or prints.
//!
//! ```text
//! V4l2Source  FileSource ---Captured--->  core  <---RawOutput--- TractEngine, OrtEngine, MtcnnFinder
//!      MonotonicClock ------Micros----->   |
//!                                          +------Up/Down------> SerialSink, TcpSink, JsonLines
//! ```

mod clock;
#[cfg(feature = "v4l2")]
mod controls;
#[cfg(feature = "decode")]
mod decode;
#[cfg(feature = "decode")]
mod exposure;
#[cfg(feature = "file")]
mod file;
#[cfg(feature = "tract")]
mod finder;
#[cfg(feature = "decode")]
mod isp;
#[cfg(feature = "decode")]
mod jpeg;
#[cfg(feature = "v4l2")]
mod mode;
#[cfg(any(feature = "tract", feature = "ort"))]
mod model;
#[cfg(feature = "ort")]
mod onnxruntime;
#[cfg(feature = "decode")]
mod pixel;
#[cfg(feature = "decode")]
mod raw;
#[cfg(feature = "serial")]
mod serial;
#[cfg(feature = "stdout")]
mod stdout;
#[cfg(feature = "v4l2")]
mod steer;
#[cfg(feature = "store")]
mod store;
#[cfg(feature = "tcp")]
mod tcp;
#[cfg(feature = "tract")]
mod tract;
#[cfg(feature = "v4l2")]
mod v4l2;
#[cfg(feature = "decode")]
mod yuv;

pub use clock::MonotonicClock;
#[cfg(feature = "decode")]
pub use decode::{BLACK_LEVEL, Chroma, DecodeError, MAX_SIDE, PictureDecoder, Range};
#[cfg(feature = "decode")]
pub use exposure::{AutoExposure, EXPOSURE_TARGET, ExposureRange, ExposureSetting, Mains, Span};
#[cfg(feature = "file")]
pub use file::{FileOptions, FileSource, Pacing};
#[cfg(feature = "tract")]
pub use finder::MtcnnFinder;
#[cfg(feature = "decode")]
pub use isp::Metered;
#[cfg(any(feature = "tract", feature = "ort"))]
pub use model::{MAX_MODEL_BYTES, ModelError, ModelFile, read_manifest};
#[cfg(feature = "ort")]
pub use onnxruntime::{
    Engines, ONNXRUNTIME_FOLDERS, OrtDevice, OrtEngine, OrtError, OrtLibrary, Placement, find_onnxruntime,
};
#[cfg(feature = "decode")]
pub use pixel::{Bayer, FrameLayout, PixelFormat, Samples};
#[cfg(feature = "serial")]
pub use serial::{SerialSink, serial_ports};
#[cfg(feature = "stdout")]
pub use stdout::JsonLines;
#[cfg(feature = "store")]
pub use store::DirStore;
#[cfg(feature = "tcp")]
pub use tcp::{TcpNews, TcpOptions, TcpSink};
#[cfg(feature = "tract")]
pub use tract::TractEngine;
#[cfg(feature = "v4l2")]
pub use v4l2::{V4l2Options, V4l2Source};
