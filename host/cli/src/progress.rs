//! Bytes on their way: a bar on the terminal, and a stop between two of them when a signal asks for it.

use crate::failure::Failure;
use crate::monitor::stop_on_signals;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Watches one command; a signal then stops it at its next byte, so that it can tidy up.
pub struct Progress {
    stop: Arc<AtomicBool>,
    bar: ProgressBar,
}

impl Progress {
    /// Listens for signals from now on.
    ///
    /// # Errors
    /// When the system does not let it.
    pub fn new() -> Result<Self, Failure> {
        Ok(Self { stop: stop_on_signals()?, bar: ProgressBar::hidden() })
    }

    /// Begins a step of `total` bytes, when that is known. Only a terminal shows it.
    pub fn step(&mut self, doing: &'static str, total: Option<u64>) {
        let (bar, template) = match total {
            Some(total) => (
                ProgressBar::new(total),
                "{msg:14} {bar:30} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left",
            ),
            None => (ProgressBar::no_length(), "{msg:14} {binary_bytes}, {binary_bytes_per_sec}"),
        };
        self.bar.finish_and_clear();
        // A template that is not one leaves the style of the library.
        self.bar = match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style).with_message(doing),
            Err(_) => bar,
        };
    }

    /// So many bytes more are there.
    pub fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// Ends a step before the next one begins elsewhere.
    pub fn step_done(&self) {
        self.bar.finish_and_clear();
    }

    /// Set by a signal.
    pub fn stop(&self) -> Arc<AtomicBool> {
        self.stop.clone()
    }

    /// `inner`, with its bytes counted.
    pub fn watch<T>(&self, inner: T) -> Watched<'_, T> {
        Watched { inner, progress: self }
    }

    /// What a command failed with: the signal, if there was one, as the rest follows from it.
    pub fn cause(&self, failure: Failure) -> Failure {
        if self.stop.load(Ordering::Relaxed) { Failure::Stopped } else { failure }
    }

    fn pass(&self, bytes: usize) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("stopped by a signal"));
        }
        self.bar.inc(bytes as u64);
        Ok(bytes)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A source or a target whose bytes are counted.
pub struct Watched<'a, T> {
    inner: T,
    progress: &'a Progress,
}

impl<T: Read> Read for Watched<'_, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Asked after the read: a signal that ended the other side of a pipe must not look like its end.
        let read = self.inner.read(buffer)?;
        self.progress.pass(read)
    }
}

impl<T: Write> Write for Watched<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.progress.pass(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
