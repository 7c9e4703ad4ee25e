//! Reports on an MQTT broker, in the words of ROS 2 `hri_msgs` (REP-155): topics, payloads, and one connection; never a
//! camera, a model or pixels, and no requests from the broker.
//!
//! ```text
//!  Up::Report --Translator--> Publications (topic, JSON, QoS, retain) --MqttSink--> thread "mqtt" --TLS--> broker
//!                 pure                                                 bounded, never waits
//! ```
//!
//! [`Translator`] knows no sockets and no clock. [`MqttSink`] is one connection: it ends for good when the broker goes,
//! and its owner opens another. Topics, examples and the ROS 2 side are in this crate's README.
#![forbid(unsafe_code)]

mod connection;
mod discovery;
mod error;
mod files;
pub mod hri;
mod options;
mod sink;
mod status;
mod topics;
mod translate;

pub use error::MqttError;
pub use options::{DEFAULT_PORT, MqttOptions, TlsFiles};
pub use sink::MqttSink;
pub use topics::{OFFLINE, ONLINE, Part, Publication, Qos, Topics};
pub use translate::{MOST_AT_ONCE, Translator};
