//! Reports on an MQTT broker, in the words of ROS 2 `hri_msgs` (REP-155): one connection, and what Home Assistant wants;
//! never a camera, a model or pixels, and no requests from the broker.
//!
//! ```text
//!  Up::Report --Translator--> Publications (topic, JSON, QoS, retain) --MqttSink--> thread "mqtt" --TLS--> broker
//!                 pure                                                 bounded, never waits
//! ```
//!
//! [`Translator`](mtcae_json::Translator) knows no sockets and no clock. [`MqttSink`] is one connection: it ends for good when the broker goes,
//! and its owner opens another. Topics, examples and the ROS 2 side are in this crate's README.
#![forbid(unsafe_code)]

mod connection;
mod discovery;
mod error;
mod files;
mod options;
mod sink;

pub use error::MqttError;
pub use options::{MqttOptions, TlsFiles};
pub use sink::MqttSink;
