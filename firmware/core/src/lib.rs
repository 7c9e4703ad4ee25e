//! What the board does with frames and answers; it never knows a camera, an engine, a file, a socket or a clock.
//!
//! Time is an argument (`now`, microseconds of the board's monotonic clock), pictures and answers are arguments, and
//! what to do next is a return value. The daemon owns the threads and carries things to and fro:
//!
//! ```text
//!  FrameSource --Captured--> Pipeline::on_frame --> Ring
//!                                                    |  Pipeline::next(now)
//!            +------------------+--------------------+--------------+
//!            v                  v                    v              v
//!      Action::Detect     Action::Follow       Action::Infer   Action::Wait
//!       FaceFinder         FaceFinder            Engine
//!            |                  |                    |
//!        on_faces           on_follow            on_output
//!            |                  |                    |
//!            +--> Tracks <------+<----- steers ------+--> Smoother --> wire::Report --> Outbox --> Sink
//! ```
//!
//! Every queue has a bound; the README has the table.
#![forbid(unsafe_code)]

mod clip;
mod gaze;
mod health;
mod mirror;
#[cfg(doctest)]
mod no_pixels;
mod outbox;
mod pipeline;
mod quality;
mod report;
mod ring;
mod schedule;
mod settings;
mod smooth;
mod throttle;
mod tracks;
mod traits;

pub use clip::{Assembled, Assembler};
pub use gaze::{CropCache, Gaze};
pub use health::{Facts, Health, RecentTimes, Stage};
pub use mirror::Mirrored;
pub use outbox::{Outbox, OutboxCounts, OutboxLimits};
pub use pipeline::{Action, Pipeline, PipelineCounts, Ticket};
pub use quality::{ClipQuality, FEWEST_PIXELS};
pub use report::Reporter;
pub use ring::{Fate, FrameCounts, MAX_LONG_SIDE, Ring, RingLimits};
pub use schedule::{Schedule, Sight, Step};
pub use settings::{Choice, GapSettings, GazeSettings, ScheduleSettings, Settings, SettingsError, SmoothingSettings};
pub use smooth::{Certainty, Smoothed, Smoother};
pub use throttle::{Heat, Throttle};
pub use tracks::{Track, Tracks};
pub use traits::{
    Captured, Clock, Engine, EngineError, FaceFinder, FoundFace, FrameSource, OfferedMode, Sink, SinkError,
    SourceError, SourceInfo,
};
