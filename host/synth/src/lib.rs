//! Renders short clips of made-up people whose expression, face box and landmarks are known exactly.
//!
//! Knows a face model, light and lenses; must never know a detector, a data set, the network or a board.
//!
//! ```text
//! seed -> Person, performance ---+
//! FaceModel -> Figure -----------+-> z-buffer -> light, skin -> Photo -> LabelledClip
//! seed -> Light, Camera, Backdrop+
//! ```

mod backdrop;
mod camera;
mod checkout;
mod clip;
mod creases;
mod error;
mod expression;
mod figure;
mod layout;
mod light;
mod map;
mod model;
mod npz;
mod obj;
mod paint;
mod performance;
mod person;
mod photo;
mod props;
mod random;
mod raster;
mod sketch;
mod skin;
mod vector;

/// Changes when the same seed gives other pixels.
pub const VERSION: u32 = 1;

pub use clip::{ClipSpec, LabelledClip, Renderer};
pub use error::SynthError;
pub use layout::{Layout, Surface};
pub use model::FaceModel;
pub use vector::Vec3;
