//! What a clip is and what an answer means: types, preprocessing and output decoding, shared by trainer and board.
//!
//! Pure: no I/O, no clock, no knowledge of cameras, engines or training. The trainer, the evaluator and the firmware
//! call the same functions here, so the pixels a model was trained on and the pixels it meets on a board cannot differ.
//!
//! ```text
//! Image + Rect --crop_resize--> Clip (bytes) --engine--> RawOutput --decode--> Prediction
//! ```

mod clip;
mod geometry;
mod image;
mod label;
mod manifest;
mod prediction;
mod preprocess;
mod reference;

pub use clip::{Clip, Frame, Micros};
pub use geometry::{Point, Rect};
pub use image::{Image, ImageError};
pub use label::{Expression, LabelError, LabelSet};
pub use manifest::{
    Artifact, ClipSpec, Framing, MANIFEST_FORMAT, Manifest, ManifestError, Precision, Sampling, toml_fault,
};
pub use prediction::{Prediction, RawOutput, RawOutputError, decode, softmax};
pub use preprocess::{Cropper, sample_nearest, sample_uniform};
pub use reference::{Difference, ReferenceAnswer, ReferenceError, Tolerances};

/// Landmarks per face: left eye, right eye, nose, left mouth corner, right mouth corner, as seen in the image.
pub const LANDMARKS: usize = 5;
