//! Opening the sinks a board file names.

use crate::shared::Shared;
#[cfg(feature = "mqtt")]
use crate::shared::lock;
#[cfg(feature = "mqtt")]
use mtcae_board_configs::Mqtt;
use mtcae_board_configs::SinkKind;
use mtcae_core::{Sink, SinkError};
use mtcae_drivers::{JsonLines, SerialSink, TcpNews, TcpOptions, TcpSink};
#[cfg(feature = "mqtt")]
use mtcae_mqtt::{MqttOptions, MqttSink, TlsFiles};
use mtcae_wire::{FromHost, Up};

/// An open sink of any kind.
#[allow(clippy::large_enum_variant)] // few exist at a time
pub(crate) enum Line {
    Serial(SerialSink),
    Json(JsonLines),
    Tcp(TcpSink),
    #[cfg(feature = "mqtt")]
    Mqtt(MqttSink),
}

impl Line {
    /// Opens it for the board that shares `shared`.
    #[cfg_attr(not(feature = "mqtt"), allow(unused_variables))]
    pub fn open(kind: &SinkKind, shared: &Shared) -> Result<Line, SinkError> {
        Ok(match kind {
            SinkKind::Serial(serial) => Line::Serial(SerialSink::open(&serial.port, serial.baud)?),
            SinkKind::Stdout => Line::Json(JsonLines::stdout()),
            SinkKind::Tcp(tcp) => {
                let (key, clients) = ((&tcp.key).into(), (&tcp.clients).into());
                Line::Tcp(TcpSink::open(&TcpOptions { listen: tcp.listen, key, clients })?)
            }
            #[cfg(feature = "mqtt")]
            SinkKind::Mqtt(mqtt) => Line::Mqtt(MqttSink::open(&mqtt_options(mqtt, shared))?),
            #[cfg(not(feature = "mqtt"))]
            SinkKind::Mqtt(_) => return Err(SinkError::Lost(NO_MQTT.to_owned())),
        })
    }

    pub fn send(&mut self, message: &Up) -> Result<(), SinkError> {
        match self {
            Line::Serial(sink) => sink.send(message),
            Line::Json(sink) => sink.send(message),
            Line::Tcp(sink) => sink.send(message),
            #[cfg(feature = "mqtt")]
            Line::Mqtt(sink) => sink.send(message),
        }
    }

    pub fn poll(&mut self) -> Result<Option<FromHost>, SinkError> {
        match self {
            Line::Serial(sink) => sink.poll(),
            Line::Json(sink) => sink.poll(),
            Line::Tcp(sink) => sink.poll(),
            #[cfg(feature = "mqtt")]
            Line::Mqtt(sink) => sink.poll(),
        }
    }

    /// Whether it works; a line to a broker only does when the broker has answered.
    pub fn is_open(&self) -> bool {
        match self {
            Line::Serial(_) | Line::Json(_) | Line::Tcp(_) => true,
            #[cfg(feature = "mqtt")]
            Line::Mqtt(sink) => sink.session().is_some(),
        }
    }

    /// Bad frames received since it was opened.
    pub fn bad_received(&self) -> u64 {
        match self {
            Line::Serial(sink) => sink.counts().bad.into(),
            Line::Json(_) => 0,
            Line::Tcp(sink) => sink.bad_received(),
            #[cfg(feature = "mqtt")]
            Line::Mqtt(_) => 0,
        }
    }

    /// A number that changes when somebody else listens; none while nobody does, and nothing needs to be sent.
    pub fn session(&self) -> Option<u64> {
        match self {
            Line::Serial(_) | Line::Json(_) => Some(0),
            Line::Tcp(sink) => sink.session(),
            #[cfg(feature = "mqtt")]
            Line::Mqtt(sink) => sink.session(),
        }
    }

    /// Something to tell whoever runs the daemon.
    pub fn news(&mut self) -> Option<TcpNews> {
        match self {
            Line::Serial(_) | Line::Json(_) => None,
            Line::Tcp(sink) => sink.news(),
            #[cfg(feature = "mqtt")]
            Line::Mqtt(_) => None,
        }
    }
}

/// The sink as a person would name it.
pub(crate) fn sink_name(kind: &SinkKind) -> String {
    match kind {
        SinkKind::Serial(serial) => serial.port.clone(),
        SinkKind::Stdout => "stdout".to_owned(),
        SinkKind::Tcp(tcp) => format!("tcp:{}", tcp.listen),
        SinkKind::Mqtt(mqtt) => {
            format!("{}:{}:{}", if mqtt.ca.is_some() { "mqtts" } else { "mqtt" }, mqtt.host, mqtt.port)
        }
    }
}

const NO_MQTT: &str = "this program was built without MQTT; build mtcae-daemon with its feature `mqtt`";

/// Why this program can never open a sink of that kind.
pub(crate) fn unsupported(kind: &SinkKind) -> Option<&'static str> {
    (cfg!(not(feature = "mqtt")) && matches!(kind, SinkKind::Mqtt(_))).then_some(NO_MQTT)
}

#[cfg(feature = "mqtt")]
fn mqtt_options(mqtt: &Mqtt, shared: &Shared) -> MqttOptions {
    let client = || Some((mqtt.certificate.as_ref()?.into(), mqtt.key.as_ref()?.into()));
    MqttOptions {
        host: mqtt.host.clone(),
        // A board file has no larger one.
        port: u16::try_from(mqtt.port).unwrap_or(u16::MAX),
        prefix: mqtt.prefix.clone(),
        device: shared.hello.device.as_str().to_owned(),
        user: mqtt.user.clone(),
        password_file: mqtt.password_file.as_ref().map(Into::into),
        tls: mqtt.ca.as_ref().map(|ca| TlsFiles { ca: ca.into(), client: client() }),
        home_assistant: mqtt.home_assistant,
        unix_offset_us: *lock(&shared.unix_offset_us),
    }
}
