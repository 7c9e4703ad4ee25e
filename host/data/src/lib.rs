//! Turns pictures and videos into annotated training clips.
//!
//! Knows data sets, faces and files on disk; must never know the network, the trainer or a board.
//!
//! ```text
//! videos --ffmpeg--> frames --MTCNN--> one face followed ------Cropper----> clip -> journal -> shard --Stills--> trainer
//! folder or tar --Source--> picture --MTCNN--> box, landmarks --Cropper--> stored square --> shard --Stills--> trainer
//! seed --Renderer--> clip with exact box, landmarks ------------Cropper--> stored squares -> shard --Stills--> trainer
//! ```

mod annotate;
mod assemble;
mod clip_annotator;
mod clips;
mod cut;
mod error;
mod ffmpeg;
mod folds;
mod follow;
mod font;
mod hash;
mod index;
mod naming;
mod parts;
mod reader;
mod refusal;
mod shard;
mod sheet;
mod source;
mod stills;
mod synth;
mod writer;

pub use clips::{ClipsJob, ClipsOutcome, prepare_clips};
pub use error::DataError;
pub use ffmpeg::VideoTools;
pub use folds::{Fold, Folds, FoldsError, check_apart};
pub use hash::subject_hash;
pub use naming::Scheme;
pub use reader::Stills;
pub use refusal::{Reason, Refused};
pub use shard::{Counts, FORMAT, FORMAT_CLIPS, Shard, ShardInfo, StillRef, Stored};
pub use sheet::{clip_sheet, contact_sheet};
pub use source::Folders;
pub use stills::{Naming, Outcome, Part, Progress, StillsJob, prepare_stills};
pub use synth::{SynthJob, synthesize};

/// Border around the face box that the network sees, as a fraction of the box's longer side: the manifest's
/// `framing.margin`. FER2013's own crops are as large as the box (README); a tenth more leaves a face room to move in a clip.
pub const FACE_MARGIN: f32 = 0.1;

/// Border around the face box that a shard stores, as a fraction of the box's longer side: room for augmentation.
pub const STORE_MARGIN: f32 = 0.45;
