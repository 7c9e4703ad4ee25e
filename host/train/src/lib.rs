//! Trains MTCAE-DFER on burn: the training interpreter of the network, recipes, checkpoints.
//!
//! Knows no camera and no line. The architecture is `mtcae-network`'s, the pixels come through `mtcae-data`, and what goes
//! out is a checkpoint; only `evaluate` and `quantize` borrow the board's engine, to score what a board would answer.
//!
//! ```text
//! shards -> augment -> batch -> interpreter (forward, losses, backward) -> AdamW -> state file -> checkpoint
//! ```

mod attend;
mod augment;
mod batch;
mod board;
mod calibrate;
mod clips;
mod constant;
mod convolution;
mod convolve;
mod device;
mod error;
mod evaluate;
mod feed;
mod gelu;
mod import;
mod interpreter;
mod metrics;
mod optimizer;
mod plateau;
mod pretrain;
mod processor;
mod recipe;
mod report;
mod resident;
mod run;
mod spoil;
mod state;
mod step;
mod view;

pub use augment::{Augment, Warp};
pub use batch::Batch;
pub use board::{answers_to, board_answers, face_margin, file_answers};
pub use calibrate::{Bin, calibration_bins, expected_error, fit_temperature};
pub use clips::{Split, clip_frames, held_out, sample_clip, split, still_clip, swaying_clip};
pub use constant::{Constant, Truth};
pub use device::{Place, Precision};
pub use error::TrainError;
pub use evaluate::{
    ClipAnswer, Weights, answered, answered_frames, answers, answers_to_clips, evaluate, evaluate_samples,
};
pub use import::{ImportError, ImportReport, Layout, import, preset_of};
pub use interpreter::{Interpreter, Mode, Parameters};
pub use metrics::{Answered, Interval, Intervals, Scores, difference, intervals, score};
pub use optimizer::{AdamW, learning_rate};
pub use plateau::{Plateau, Standing, Verdict};
pub use pretrain::{
    MaskedBatch, Picture, PretrainRecipe, TubeMask, first_pretrain_state, hidden_places, pretrain, pretrain_resident,
    pretrain_update, pretrained, read_pretrain_state, reconstructions,
};
pub use processor::update_on_processor;
pub use recipe::{Losses, Phase, Recipe};
pub use report::{Calibration, Group, Report, Subject};
pub use resident::{Rates, Resident, Update};
pub use run::{Progress, Setting, best_file, train};
pub use spoil::{Harm, Spoiled};
pub use state::State;
pub use step::{StepLosses, gradients};
pub use view::View;
