//! Messages as lines of JSON, one object a line; the schema is in this crate's README.

use mtcae_core::{Sink, SinkError};
use mtcae_json::json_from_up;
use mtcae_wire::{FromHost, Up};
use std::io::{self, ErrorKind, Write};

/// Writes one JSON object a line and flushes after each. Requests never come this way.
pub struct JsonLines {
    name: String,
    out: Box<dyn Write + Send>,
    /// From the last Hello; a report's scores are numbered in their order.
    labels: Vec<String>,
}

impl JsonLines {
    /// To standard output.
    pub fn stdout() -> JsonLines {
        JsonLines::new("stdout", Box::new(io::stdout()))
    }

    /// To `out`, called `name`.
    pub fn new(name: &str, out: Box<dyn Write + Send>) -> JsonLines {
        JsonLines { name: name.to_owned(), out, labels: Vec::new() }
    }
}

impl Sink for JsonLines {
    fn name(&self) -> &str {
        &self.name
    }

    fn send(&mut self, message: &Up) -> Result<(), SinkError> {
        if let Up::Hello(hello) = message {
            self.labels = hello.labels.iter().map(|l| l.as_str().to_owned()).collect();
        }
        let mut line = json_from_up(message, &self.labels).to_string();
        line.push('\n');
        self.out.write_all(line.as_bytes()).and_then(|()| self.out.flush()).map_err(|e| match e.kind() {
            ErrorKind::BrokenPipe => SinkError::Lost(format!("{}: the reader has closed the pipe", self.name)),
            _ => SinkError::Lost(format!("{}: {e}", self.name)),
        })
    }

    fn poll(&mut self) -> Result<Option<FromHost>, SinkError> {
        Ok(None)
    }
}
