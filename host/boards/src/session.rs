//! One board on one line: messages out and in, and the line opened again when it is lost.

use crate::line::{Line, LineError, Opener, opener};
use crate::{BoardError, KnownBoards, Target};
use mtcae_transfer::Micros;
use mtcae_wire::{DecodeError, Decoder, Down, Log, Up, UpdateChunk, encode, encode_chunk};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Between two attempts to open a line that is gone.
const REOPEN_EVERY: Duration = Duration::from_millis(250);
/// Bytes read at once; what they decode to is the most that waits.
const READ_AT_ONCE: usize = 4096;

/// What [`Session::receive`] gives.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Heard {
    /// The board said this.
    Message(Up),
    /// The line is gone; it is opened again while one goes on receiving.
    Lost,
    /// It is open again; what was on its way is lost.
    Reconnected,
}

/// What has happened on the line since the session began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineCounts {
    /// Times that it was opened again.
    pub reconnects: u32,
    /// Frames heard that were no message.
    pub bad: u32,
    /// Messages heard.
    pub good: u32,
}

/// A conversation with one board.
pub struct Session {
    name: String,
    open: Opener,
    line: Option<Box<dyn Line>>,
    decoder: Decoder<Up>,
    input: Vec<u8>,
    heard: VecDeque<Up>,
    /// What is to be written; the first `sent` bytes are.
    output: Vec<u8>,
    sent: usize,
    began: Instant,
    lost: Option<Lost>,
    reconnects: u32,
    /// A version of the protocol that the peer speaks and this build does not.
    other_version: Option<u8>,
    /// What the board has said to a client that has to wait for its turn, and nothing since.
    has_to_wait: Option<String>,
    token: u32,
    stop: Arc<AtomicBool>,
}

struct Lost {
    since: Instant,
    retry: Instant,
    reason: String,
}

impl Session {
    /// Opens the line to `target`, with the keys of `known` when it needs some.
    ///
    /// # Errors
    /// When it does not open.
    pub fn open(target: &Target, known: &KnownBoards) -> Result<Session, LineError> {
        Session::over(target.to_string(), opener(target, known)?)
    }

    /// Opens a line that `open` opens; `name` is what errors call it.
    ///
    /// # Errors
    /// When it does not open.
    pub fn over(name: String, mut open: Opener) -> Result<Session, LineError> {
        let line = open()?;
        Ok(Session {
            name,
            open,
            line: Some(line),
            decoder: Decoder::new(),
            input: vec![0; READ_AT_ONCE],
            heard: VecDeque::new(),
            // The first zero ends whatever the board had heard before.
            output: vec![0],
            sent: 0,
            began: Instant::now(),
            lost: None,
            reconnects: 0,
            other_version: None,
            has_to_wait: None,
            token: getrandom::u32().unwrap_or_else(|_| std::process::id()),
            stop: Arc::default(),
        })
    }

    /// From now on everything ends with [`BoardError::Stopped`] once `stop` is set.
    pub fn stop_with(&mut self, stop: Arc<AtomicBool>) {
        self.stop = stop;
    }

    /// Whether somebody asked to stop.
    ///
    /// # Errors
    /// `Stopped`.
    pub fn check_stop(&self) -> Result<(), BoardError> {
        if self.stop.load(Ordering::Relaxed) { Err(BoardError::Stopped) } else { Ok(()) }
    }

    /// What errors call the line.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Microseconds since the session began.
    pub fn now(&self) -> Micros {
        self.began.elapsed().as_micros() as Micros
    }

    /// A number that no request of this session has had.
    pub fn new_token(&mut self) -> u32 {
        self.token = self.token.wrapping_add(1);
        self.token
    }

    /// Whether everything sent so far was handed to the line, and it is open.
    pub fn is_ready(&self) -> bool {
        self.output.is_empty() && self.line.is_some()
    }

    /// For how long the line has been gone, and why.
    pub fn gone(&self) -> Option<(Duration, &str)> {
        self.lost.as_ref().map(|lost| (lost.since.elapsed(), lost.reason.as_str()))
    }

    /// What has happened on the line.
    pub fn counts(&self) -> LineCounts {
        let counts = self.decoder.counts();
        LineCounts { reconnects: self.reconnects, bad: counts.bad, good: counts.good }
    }

    /// The error of a question that got no answer.
    pub fn silent(&self, asked: &str) -> BoardError {
        let target = self.name.clone();
        if let Some(said) = &self.has_to_wait {
            return BoardError::Taken { target, said: said.clone() };
        }
        if let Some((seconds, reason)) = self.gone() {
            return BoardError::Gone { target, seconds: seconds.as_secs(), reason: reason.to_owned() };
        }
        match self.other_version {
            Some(found) => BoardError::Version { target, found },
            None => BoardError::Silent { target, asked: asked.to_owned(), bad: self.counts().bad },
        }
    }

    /// Sends a request; lost when the line is.
    pub fn send(&mut self, request: &Down) {
        match encode(request) {
            Ok(frame) => self.queue(frame.as_bytes()),
            // A bug of the caller that another try will not mend.
            Err(error) => debug_assert!(false, "{error}: {request:?}"),
        }
    }

    /// Sends a piece of a bundle; lost when the line is.
    pub fn send_chunk(&mut self, chunk: &UpdateChunk) {
        match encode_chunk(chunk) {
            Ok(frame) => self.queue(frame.as_bytes()),
            Err(error) => debug_assert!(false, "{error}"),
        }
    }

    fn queue(&mut self, frame: &[u8]) {
        if self.line.is_some() {
            self.output.extend_from_slice(frame);
        }
    }

    /// Writes and reads, for at most `wait`; what was heard, if anything. Gives nothing at once when all that was to be
    /// written has been.
    pub fn receive(&mut self, wait: Duration) -> Option<Heard> {
        if let Some(message) = self.heard.pop_front() {
            return Some(Heard::Message(message));
        }
        if self.line.is_none() {
            return self.reopen(wait);
        }
        match self.work(wait) {
            Ok(()) => self.heard.pop_front().map(Heard::Message),
            Err(error) => {
                self.lose(&error);
                Some(Heard::Lost)
            }
        }
    }

    fn work(&mut self, wait: Duration) -> io::Result<()> {
        let to_write = !self.output.is_empty();
        self.transfer()?;
        if !self.heard.is_empty() || (to_write && self.output.is_empty()) {
            return Ok(());
        }
        if let Some(line) = &mut self.line {
            line.wait(!self.output.is_empty(), wait)?;
        }
        self.transfer()
    }

    /// Hands to the line what it takes at once. That it is gone is noticed by the next [`Session::receive`].
    pub fn flush(&mut self) {
        let _ = self.write();
    }

    fn write(&mut self) -> io::Result<()> {
        let Some(line) = &mut self.line else { return Ok(()) };
        while self.sent < self.output.len() {
            match line.write(&self.output[self.sent..])? {
                0 => break,
                written => self.sent += written,
            }
        }
        if self.sent >= self.output.len() {
            self.output.clear();
            self.sent = 0;
        }
        Ok(())
    }

    fn transfer(&mut self) -> io::Result<()> {
        self.write()?;
        let Some(line) = &mut self.line else { return Ok(()) };
        let got = line.read(&mut self.input)?;
        for result in self.decoder.feed(&self.input[..got]) {
            match result {
                Ok(message) => {
                    self.has_to_wait = match &message {
                        Up::Log(log) if log.at_us == Log::HAVE_TO_WAIT => Some(log.text.as_str().to_owned()),
                        _ => None,
                    };
                    self.heard.push_back(message);
                }
                Err(DecodeError::Version { found }) => self.other_version = Some(found),
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn lose(&mut self, error: &io::Error) {
        // Closed before it is opened again: a serial port has one user.
        self.line = None;
        self.output.clear();
        self.sent = 0;
        self.decoder.reset();
        let now = Instant::now();
        self.lost = Some(Lost { since: now, retry: now + REOPEN_EVERY, reason: error.to_string() });
    }

    fn reopen(&mut self, wait: Duration) -> Option<Heard> {
        let lost = self.lost.as_mut()?;
        let left = lost.retry.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            std::thread::sleep(left.min(wait));
            return None;
        }
        match (self.open)() {
            Ok(line) => {
                self.line = Some(line);
                self.output = vec![0];
                self.lost = None;
                self.reconnects += 1;
                Some(Heard::Reconnected)
            }
            Err(error) => {
                lost.retry = Instant::now() + REOPEN_EVERY;
                lost.reason = error.reason;
                None
            }
        }
    }
}
