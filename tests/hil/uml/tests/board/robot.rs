//! The robot at the other end of the serial line.

use crate::bench::PATIENCE;
use mtcae_uml::Terminal;
use mtcae_wire::{Decoder, Down, FaceReport, Hello, Log, Report, Up, encode};
use std::time::{Duration, Instant};

pub struct Robot {
    line: Terminal,
    decoder: Decoder<Up>,
    waiting: Vec<Up>,
    pub hello: Option<Hello>,
    token: u32,
    /// Frames that were damaged on the way.
    pub damaged: usize,
}

impl Robot {
    pub fn new() -> Robot {
        let line = Terminal::new().unwrap();
        Robot { line, decoder: Decoder::new(), waiting: Vec::new(), hello: None, token: 0, damaged: 0 }
    }

    pub fn path(&self) -> String {
        self.line.path().to_owned()
    }

    pub fn say(&mut self, message: &Down) {
        let frame = [&[0], encode(message).unwrap().as_bytes()].concat();
        assert_eq!(self.line.write(&frame).unwrap(), frame.len());
    }

    /// The next message, or none within `within`.
    pub fn next(&mut self, within: Duration) -> Option<Up> {
        let end = Instant::now() + within;
        let mut bytes = [0; 4096];
        while self.waiting.is_empty() {
            let count = self.line.read(&mut bytes).unwrap();
            for message in self.decoder.feed(&bytes[..count]) {
                match message {
                    Ok(Up::Hello(hello)) => self.hello = Some(hello),
                    Ok(message) => self.waiting.push(message),
                    Err(_) => self.damaged += 1,
                }
            }
            if count == 0 {
                if Instant::now() >= end {
                    return None;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        Some(self.waiting.remove(0))
    }

    /// Waits for a message of which `wanted` makes something.
    pub fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(&Up) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            if let Some(found) = self.next(left).as_ref().and_then(&mut wanted) {
                return found;
            }
        }
        panic!("no {what} within {PATIENCE:?}; {} damaged frames", self.damaged);
    }

    pub fn face(&mut self) -> (Report, FaceReport) {
        self.until("report with a face", |m| match m {
            Up::Report(report) => report.face.clone().map(|face| (report.clone(), face)),
            _ => None,
        })
    }

    pub fn log(&mut self, text: &str) -> Log {
        self.until(text, |m| match m {
            Up::Log(log) if log.text.as_str().contains(text) => Some(log.clone()),
            _ => None,
        })
    }

    /// Forgets what has come so far.
    pub fn forget(&mut self) {
        while self.next(Duration::ZERO).is_some() {}
    }

    pub fn token(&mut self) -> u32 {
        self.token += 1;
        self.token
    }

    /// Sends an order made with a new token; whether it was carried out, or why not.
    pub fn order(&mut self, make: impl FnOnce(u32) -> Down) -> Result<(), String> {
        let token = self.token();
        self.say(&make(token));
        self.until("answer", |m| match m {
            Up::Ack(ack) if ack.token == token => Some(Ok(())),
            Up::Nack(nack) if nack.token == token => Some(Err(format!("{:?}: {}", nack.reason, nack.detail))),
            _ => None,
        })
    }

    /// Name of a label.
    pub fn label(&self, face: &FaceReport) -> Option<String> {
        let labels = &self.hello.as_ref().expect("the board has said hello").labels;
        face.label.map(|i| labels[usize::from(i)].as_str().to_owned())
    }
}
