//! Opening the sinks a board file names.

use mtcae_board_configs::SinkKind;
use mtcae_core::{Sink, SinkError};
use mtcae_drivers::{JsonLines, SerialSink, TcpNews, TcpOptions, TcpSink};
use mtcae_wire::{FromHost, Up};

/// An open sink of any kind.
#[allow(clippy::large_enum_variant)] // few exist at a time
pub(crate) enum Line {
    Serial(SerialSink),
    Json(JsonLines),
    Tcp(TcpSink),
}

impl Line {
    pub fn open(kind: &SinkKind) -> Result<Line, SinkError> {
        Ok(match kind {
            SinkKind::Serial(serial) => Line::Serial(SerialSink::open(&serial.port, serial.baud)?),
            SinkKind::Stdout => Line::Json(JsonLines::stdout()),
            SinkKind::Tcp(tcp) => {
                let (key, clients) = ((&tcp.key).into(), (&tcp.clients).into());
                Line::Tcp(TcpSink::open(&TcpOptions { listen: tcp.listen, key, clients })?)
            }
        })
    }

    pub fn send(&mut self, message: &Up) -> Result<(), SinkError> {
        match self {
            Line::Serial(sink) => sink.send(message),
            Line::Json(sink) => sink.send(message),
            Line::Tcp(sink) => sink.send(message),
        }
    }

    pub fn poll(&mut self) -> Result<Option<FromHost>, SinkError> {
        match self {
            Line::Serial(sink) => sink.poll(),
            Line::Json(sink) => sink.poll(),
            Line::Tcp(sink) => sink.poll(),
        }
    }

    /// Bad frames received since it was opened.
    pub fn bad_received(&self) -> u64 {
        match self {
            Line::Serial(sink) => sink.counts().bad.into(),
            Line::Json(_) => 0,
            Line::Tcp(sink) => sink.bad_received(),
        }
    }

    /// A number that changes when somebody else listens; none while nobody does, and nothing needs to be sent.
    pub fn session(&self) -> Option<u64> {
        match self {
            Line::Serial(_) | Line::Json(_) => Some(0),
            Line::Tcp(sink) => sink.session(),
        }
    }

    /// Something to tell whoever runs the daemon.
    pub fn news(&mut self) -> Option<TcpNews> {
        match self {
            Line::Serial(_) | Line::Json(_) => None,
            Line::Tcp(sink) => sink.news(),
        }
    }
}

/// The sink as a person would name it.
pub(crate) fn sink_name(kind: &SinkKind) -> String {
    match kind {
        SinkKind::Serial(serial) => serial.port.clone(),
        SinkKind::Stdout => "stdout".to_owned(),
        SinkKind::Tcp(tcp) => format!("tcp:{}", tcp.listen),
    }
}
