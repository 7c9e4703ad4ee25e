//! MTCAE-DFER written once over a small set of operations, with interpreters for ONNX, cost and parameter listing.
//!
//! Knows no engine, no training library, no file system. [`Network::forward`] is the architecture; an [`Ops`]
//! implementation gives it a meaning: numbers (the trainer's), ONNX nodes, or a count of what they cost. So an exported
//! graph cannot drift from the trained one.
//!
//! ```text
//! clip -> encoder -> F -> decoder 1 -> Y1 -> box head          (strategy `cascaded-vit`, the paper's)
//!                    F -> decoder 2(Y1) -> Y2 -> landmark head
//!                    F -> decoder 3(Y2) -> Y3 -> expression head
//! ```

mod checkpoint;
mod config;
mod cost;
mod decoder;
mod encoder;
mod layers;
mod masked;
pub mod onnx;
mod ops;
mod random;
mod reference;

pub use checkpoint::{Checkpoint, CheckpointError, StoredAs, Tensor};
pub use config::{ConfigError, DecoderConfig, EncoderConfig, NetworkConfig, PRESETS, Pool, Stem, Strategy};
pub use cost::{Cost, autoencoder_parameters, count, parameters};
pub use decoder::{Answer, Network, Task};
pub use layers::{Conv, Linear, Norm, PatchEmbed, Qkv};
pub use masked::{Autoencoder, MaskOps, NarrowConfig, PATCH_VALUES};
pub use ops::{Init, Ops, Param, position_table};
pub use random::SplitMix;
pub use reference::{Reference, Values, normalised};
