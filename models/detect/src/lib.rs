//! The MTCNN face detector's own arithmetic, over closures that run its three small networks.
//!
//! Knows pictures, boxes and the cascade of Zhang et al. 2016; must never know a camera, a clock, or (without the feature
//! `tract`) an inference engine.
//!
//! ```text
//! Image -> pyramid -> P-Net -> candidates -> R-Net -> fewer, better -> O-Net -> Detection { face, score, landmarks }
//! ```

mod boxes;
mod cascade;
mod config;
mod nets;
mod pixels;
#[cfg(feature = "tract")]
mod tract_nets;

pub use cascade::{Detection, Detector};
pub use config::DetectorConfig;
pub use nets::{BoxError, DetectError, Net, NetOutput, Nets};
#[cfg(feature = "tract")]
pub use tract_nets::TractNets;
