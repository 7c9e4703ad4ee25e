//! Listens to a board, and holds every report it hears to the rules of the wire.

use crate::Eye;
use crate::scenario::{Failed, claim};
use mtcae_boards::{Heard, Session};
use mtcae_wire::{Report, Up};
use std::time::{Duration, Instant};

/// The longest wait for one message before another look.
const GLANCE: Duration = Duration::from_millis(100);
/// Ages kept for the histogram.
const MAX_AGES: usize = 200_000;

/// What was heard of reports.
#[derive(Debug, Default)]
pub struct Tally {
    last: Option<Report>,
    /// Reports heard.
    pub reports: u64,
    /// Reports with a face.
    pub faces: u64,
    /// Numbers left out, within one start of the daemon.
    pub missing: u64,
    /// Starts of the daemon seen.
    pub boots: u32,
    /// Ages from capture to sending, microseconds.
    pub ages_us: Vec<u32>,
    /// Rules that were broken.
    broken: Vec<String>,
}

impl Tally {
    /// Counts a report and looks whether it fits what came before.
    pub fn take(&mut self, report: &Report) {
        match &self.last {
            Some(last) if last.boot == report.boot => {
                if report.seq <= last.seq {
                    self.broken.push(format!("report {} came after report {}", report.seq, last.seq));
                } else {
                    self.missing += u64::from(report.seq - last.seq - 1);
                }
                // Those of two faces may pass each other.
                let face = |report: &Report| report.face.as_ref().map(|face| face.id);
                if report.captured_us < last.captured_us && face(report) == face(last) {
                    let (now, then) = (report.captured_us, last.captured_us);
                    self.broken.push(format!("report {} is of {now} us, the one before of {then} us", report.seq));
                }
                if report.dropped < last.dropped {
                    self.broken.push(format!("report {} takes back dropped ones", report.seq));
                }
            }
            _ => self.boots += 1,
        }
        self.reports += 1;
        self.faces += u64::from(report.face.is_some());
        if self.ages_us.len() < MAX_AGES {
            self.ages_us.push(report.age_us);
        }
        self.last = Some(report.clone());
    }

    /// The newest report.
    pub fn last(&self) -> Option<&Report> {
        self.last.as_ref()
    }

    /// Fails when a rule was broken: numbers go up, times of a face do not go back, dropped reports stay dropped.
    ///
    /// # Errors
    /// `Claim`, with the first few.
    pub fn check(&self) -> Result<(), Failed> {
        let first = || self.broken.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
        claim(self.broken.is_empty(), || format!("{} times out of order: {}", self.broken.len(), first()))
    }
}

/// A session, and what was heard in it.
pub struct Listener {
    /// For questions; what reports come meanwhile is not counted.
    pub session: Session,
    /// What was heard by [`Listener::until`] and [`Listener::listen`].
    pub tally: Tally,
    patience: u32,
    eye: Option<Eye>,
}

impl Listener {
    /// Listens to `session` from now on; waits are `patience` times as long as is asked for. With an `eye` on the board's
    /// program nothing is waited for that it cannot send any more.
    pub fn new(session: Session, patience: u32, eye: Option<Eye>) -> Listener {
        Listener { session, tally: Tally::default(), patience, eye }
    }

    /// The next message within `wait`; none once somebody asked to stop.
    pub fn next(&mut self, wait: Duration) -> Option<Up> {
        let end = Instant::now() + wait;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if let Some(Heard::Message(message)) = self.session.receive(left.min(GLANCE)) {
                if let Up::Report(report) = &message {
                    self.tally.take(report);
                }
                return Some(message);
            }
            if left.is_zero() || self.session.check_stop().is_err() {
                return None;
            }
        }
    }

    /// Listens for `time`; `look` sees each message.
    ///
    /// # Errors
    /// The first of `look`, or `Board` once somebody asked to stop.
    pub fn listen(&mut self, time: Duration, mut look: impl FnMut(&Up) -> Result<(), Failed>) -> Result<(), Failed> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.session.check_stop()?;
            if let Some(message) = self.next(GLANCE) {
                look(&message)?;
            }
        }
        Ok(())
    }

    /// Listens until `wanted` gives something.
    ///
    /// # Errors
    /// `Claim` when it does not come within `patience`, or the board's program has ended; `what` says what was waited for.
    /// `Board` once somebody asked to stop.
    pub fn until<T>(
        &mut self,
        what: &str,
        patience: Duration,
        mut wanted: impl FnMut(&Up) -> Option<T>,
    ) -> Result<T, Failed> {
        let patience = patience * self.patience;
        let end = Instant::now() + patience;
        let mut silent_since_its_end = false;
        while Instant::now() < end {
            self.session.check_stop()?;
            match self.next(GLANCE) {
                Some(message) => {
                    if let Some(found) = wanted(&message) {
                        return Ok(found);
                    }
                }
                None => {
                    let ended = self.eye.as_ref().and_then(Eye::ended);
                    match ended {
                        Some(how) if silent_since_its_end => {
                            return Err(Failed::Claim(format!("{what} did not come: {how}")));
                        }
                        // Its last line may be on its way.
                        ended => silent_since_its_end = ended.is_some(),
                    }
                }
            }
        }
        Err(Failed::Claim(format!("{what} did not come within {} s", patience.as_secs())))
    }

    /// The next report.
    ///
    /// # Errors
    /// As [`Listener::until`].
    pub fn report(&mut self, patience: Duration) -> Result<Report, Failed> {
        self.until("a report", patience, |up| if let Up::Report(report) = up { Some(report.clone()) } else { None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Terminal;
    use crate::process::Process;
    use mtcae_boards::{BoardError, KnownBoards, Target};
    use std::process::Command;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn report(boot: u32, seq: u32, captured_us: u64, dropped: u32) -> Report {
        Report { boot, seq, captured_us, age_us: 5, width: 640, height: 480, dropped, faces: 0, face: None }
    }

    /// A line on which nobody says anything, and what stops its listener.
    fn silence(eye: Option<Eye>) -> (Terminal, Listener, Arc<AtomicBool>) {
        let (terminal, stop) = (Terminal::new().unwrap(), Arc::new(AtomicBool::new(false)));
        let target = Target::Serial { port: terminal.path.clone(), baud: 115_200 };
        let mut session = Session::open(&target, &KnownBoards::new(None)).unwrap();
        session.stop_with(Arc::clone(&stop));
        (terminal, Listener::new(session, 1, eye), stop)
    }

    #[test]
    fn a_request_to_stop_ends_every_wait() {
        let (_terminal, mut listener, stop) = silence(None);
        stop.store(true, Ordering::Relaxed);
        let (began, long) = (Instant::now(), Duration::from_secs(100));
        let stopped = |failed| matches!(failed, Err(Failed::Board(BoardError::Stopped)));
        assert!(stopped(listener.report(long).map(drop)) && stopped(listener.listen(long, |_| Ok(()))));
        assert!(listener.next(long).is_none());
        assert!(began.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn nothing_is_waited_for_from_a_program_that_has_ended() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo the model is damaged >&2; exit 1"]);
        let program = Process::start(command).unwrap();
        let (_terminal, mut listener, _stop) = silence(Some(program.eye()));
        let error = listener.report(Duration::from_secs(100)).unwrap_err().to_string();
        assert_eq!(error, "a report did not come: sh has ended; its last line: the model is damaged");
    }

    #[test]
    fn order_is_held_within_one_start() {
        let mut tally = Tally::default();
        for r in [report(1, 0, 10, 0), report(1, 1, 10, 0), report(1, 5, 30, 3), report(2, 0, 1, 0)] {
            tally.take(&r);
        }
        assert!(tally.check().is_ok());
        assert_eq!((tally.reports, tally.missing, tally.boots), (4, 3, 2));
        for bad in [report(2, 0, 2, 0), report(2, 1, 0, 0)] {
            let mut tally = Tally::default();
            tally.take(&report(2, 0, 1, 0));
            tally.take(&bad);
            assert!(tally.check().is_err(), "{bad:?}");
        }
        let mut tally = Tally::default();
        tally.take(&report(3, 0, 1, 4));
        tally.take(&report(3, 1, 2, 3));
        assert!(tally.check().unwrap_err().to_string().contains("takes back"));
    }
}
