//! A board's messages as JSON, as programs print them and in the words of ROS 2 `hri_msgs` (REP-155): shapes only, never
//! a file, a socket or a clock.
//!
//! ```text
//!  Up --json_from_up--> { "type": "report", ... } --up_from_json--> Up     standard output, monitor, recordings
//!  Up --Translator--> Publications (topic, JSON)                           MQTT, recordings
//! ```
#![forbid(unsafe_code)]

mod faces;
pub mod hri;
mod lines;
mod parse;
mod topics;
mod translate;

pub use lines::json_from_up;
pub use parse::{JsonError, up_from_json};
pub use topics::{OFFLINE, ONLINE, Part, Publication, Qos, Topics};
pub use translate::{MOST_AT_ONCE, Translator};
