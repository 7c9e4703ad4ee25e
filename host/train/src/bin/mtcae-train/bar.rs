//! A progress bar; for who reads a file, a line now and then.

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Without a bar a command says how far it is this often.
const QUIET: Duration = Duration::from_secs(30);

/// A bar on standard error, which threads may share.
pub struct Bar {
    bar: ProgressBar,
    /// What is counted.
    what: &'static str,
    clock: Mutex<Clock>,
}

impl Bar {
    /// A bar of `length` such as `samples`; `more` is shown after what all bars show.
    pub fn new(length: usize, what: &'static str, more: &str) -> Result<Bar> {
        let style = ProgressStyle::with_template(&format!(
            "{{bar:30}} {{pos}}/{{len}} {what}, {{per_sec}}, {{eta}} left{more}"
        ))?;
        let bar = ProgressBar::new(length as u64).with_style(style);
        Ok(Bar { bar, what, clock: Mutex::new(Clock { told: Instant::now() }) })
    }

    /// So many were done before; they say nothing of how fast it is.
    pub fn begin(&self, position: usize) {
        self.bar.set_position(position as u64);
        self.bar.reset_eta();
    }

    /// So many more.
    pub fn inc(&self, n: u64) {
        self.bar.inc(n);
        self.tell("");
    }

    /// So many in all, with a message.
    pub fn set(&self, position: usize, message: String) {
        self.bar.set_position(position as u64);
        self.tell(&format!(", {message}"));
        self.bar.set_message(message);
    }

    /// A line that stays, above the bar.
    pub fn print(&self, line: &str) {
        match self.bar.is_hidden() {
            true => tell!("{line}"),
            false => self.bar.println(line),
        }
    }

    /// It is over and stays.
    pub fn finish(&self) {
        self.bar.finish();
    }

    /// It is over and goes.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn tell(&self, more: &str) {
        if self.bar.is_hidden() && self.clock.lock().unwrap_or_else(PoisonError::into_inner).is_due(Instant::now()) {
            let (done, all) = (self.bar.position(), self.bar.length().unwrap_or(0));
            tell!("{done} of {all} {}{more}", self.what);
        }
    }
}

/// When something was last said.
struct Clock {
    told: Instant,
}

impl Clock {
    /// Whether something is to be said at `now`; it counts as said then.
    fn is_due(&mut self, now: Instant) -> bool {
        let due = now.duration_since(self.told) >= QUIET;
        if due {
            self.told = now;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_due_every_half_minute() {
        let begin = Instant::now();
        let mut clock = Clock { told: begin };
        let after = |s: u64| begin + Duration::from_secs(s);
        let due = [1, 29, 30, 31, 59, 61, 95].map(|s| clock.is_due(after(s)));
        assert_eq!(due, [false, false, true, false, false, true, true]);
    }
}
