//! Trains MTCAE-DFER on burn: the training interpreter of the network, recipes, checkpoints.
//!
//! Knows no camera, board or engine. The architecture is `mtcae-network`'s, the pixels come through `mtcae-data`, and
//! what goes out is a checkpoint.
//!
//! ```text
//! shards -> augment -> batch -> interpreter (forward, losses, backward) -> AdamW -> state file -> checkpoint
//! ```

mod augment;
mod batch;
mod error;
mod evaluate;
mod interpreter;
mod optimizer;
mod recipe;
mod run;
mod state;
mod step;

pub use augment::{Augment, Warp};
pub use batch::Batch;
pub use error::TrainError;
pub use evaluate::{Scores, answers, evaluate};
pub use interpreter::Interpreter;
pub use optimizer::{AdamW, learning_rate};
pub use recipe::{Losses, Phase, Recipe};
pub use run::{Progress, train};
pub use state::State;
pub use step::{StepLosses, gradients};
