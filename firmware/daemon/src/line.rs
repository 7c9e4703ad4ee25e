//! Opening the sinks a board file names.

use mtcae_board_configs::SinkKind;
use mtcae_core::{Sink, SinkError};
use mtcae_drivers::{JsonLines, SerialSink};
use mtcae_wire::{FromHost, Up};

/// An open sink of any kind.
#[allow(clippy::large_enum_variant)] // few exist at a time
pub(crate) enum Line {
    Serial(SerialSink),
    Json(JsonLines),
}

impl Line {
    pub fn open(kind: &SinkKind) -> Result<Line, SinkError> {
        Ok(match kind {
            SinkKind::Serial(serial) => Line::Serial(SerialSink::open(&serial.port, serial.baud)?),
            SinkKind::Stdout => Line::Json(JsonLines::stdout()),
        })
    }

    pub fn send(&mut self, message: &Up) -> Result<(), SinkError> {
        match self {
            Line::Serial(sink) => sink.send(message),
            Line::Json(sink) => sink.send(message),
        }
    }

    pub fn poll(&mut self) -> Result<Option<FromHost>, SinkError> {
        match self {
            Line::Serial(sink) => sink.poll(),
            Line::Json(sink) => sink.poll(),
        }
    }

    /// Bad frames received since it was opened.
    pub fn bad_received(&self) -> u64 {
        match self {
            Line::Serial(sink) => sink.counts().bad.into(),
            Line::Json(_) => 0,
        }
    }
}

/// The sink as a person would name it.
pub(crate) fn sink_name(kind: &SinkKind) -> String {
    match kind {
        SinkKind::Serial(serial) => serial.port.clone(),
        SinkKind::Stdout => "stdout".to_owned(),
    }
}
