//! What the monitor knows: a plain value fed with what the line brings and the time it came, read by the screen.

use super::faces::Faces;
use super::history::{Durations, Shown, TimeLine};
use super::sequence::{Arrival, Sequence};
use mtcae_wire::{Hello, Log, Report, Status, Up};
use std::collections::VecDeque;
use std::time::Duration;

/// How many lines of the board's log are kept.
const LOGS: usize = 50;
/// Over how long reports per second are counted.
const RATE_SPAN: Duration = Duration::from_secs(5);
/// The most reports per second that are counted, times [`RATE_SPAN`].
const RATE_KEPT: usize = 5 * 200;
/// After this long without a report a connected line counts as silent.
const SILENT_AFTER: Duration = Duration::from_secs(3);

/// What the link to the board brings.
#[derive(Debug, Clone, PartialEq)]
pub enum LinkEvent {
    /// The port is open.
    Connected,
    /// The port is gone; it is being opened again.
    Lost(String),
    /// A message.
    Message(Box<Up>),
    /// Bytes that are no message, and what is wrong with them.
    Bad(String),
    /// From sending a ping to its answer.
    RoundTrip(Duration),
}

/// State of the line to the board.
#[derive(Debug, Clone, PartialEq)]
pub enum Link {
    /// Open since then.
    Connected(Duration),
    /// Gone since then, and why.
    Lost(Duration, String),
}

/// Everything the monitor shows.
#[derive(Debug, Clone)]
pub struct View {
    /// The port's name, or that of a recording.
    pub port: String,
    /// It is a recording that is shown, and the times are its own.
    pub replayed: bool,
    /// What else is done with what comes, for the person to know.
    pub notes: Vec<String>,
    /// State of the line.
    pub link: Link,
    /// Who the board is, once it has said so.
    pub hello: Option<Hello>,
    /// The newest report and when it came.
    pub report: Option<(Duration, Report)>,
    /// The faces in view.
    pub faces: Faces,
    /// The board's newest status.
    pub status: Option<Status>,
    /// The newest lines of the board's log, oldest first.
    pub logs: VecDeque<Log>,
    /// Lost and repeated reports.
    pub sequence: Sequence,
    /// Frames on the line that were no message.
    pub bad_frames: u32,
    /// What was wrong with the newest of them.
    pub last_bad: Option<String>,
    /// Times the port was opened again after it was lost.
    pub reconnects: u32,
    /// From capture to the encoding of the report, newest last.
    pub ages: Durations,
    /// From a ping to its answer, newest last.
    pub round_trips: Durations,
    /// The expression over the last minute.
    pub time_line: TimeLine,
    arrivals: VecDeque<Duration>,
}

impl View {
    /// A view of a port that was opened at `now` (time since the monitor's start, as everywhere here).
    pub fn new(port: &str, now: Duration) -> Self {
        Self {
            port: port.to_owned(),
            replayed: false,
            notes: Vec::new(),
            link: Link::Connected(now),
            hello: None,
            report: None,
            faces: Faces::default(),
            status: None,
            logs: VecDeque::new(),
            sequence: Sequence::default(),
            bad_frames: 0,
            last_bad: None,
            reconnects: 0,
            ages: Durations::default(),
            round_trips: Durations::default(),
            time_line: TimeLine::default(),
            arrivals: VecDeque::new(),
        }
    }

    /// Takes what came at `now`.
    pub fn take(&mut self, now: Duration, event: &LinkEvent) {
        match event {
            LinkEvent::Connected => {
                self.reconnects = self.reconnects.saturating_add(u32::from(self.is_lost()));
                self.link = Link::Connected(now);
            }
            LinkEvent::Lost(why) if !self.is_lost() => self.link = Link::Lost(now, why.clone()),
            LinkEvent::Lost(_) => {}
            LinkEvent::Message(message) => self.take_message(now, message),
            LinkEvent::Bad(error) => {
                self.bad_frames = self.bad_frames.saturating_add(1);
                self.last_bad = Some(error.clone());
            }
            LinkEvent::RoundTrip(took) => self.round_trips.push(*took),
        }
    }

    fn take_message(&mut self, now: Duration, message: &Up) {
        match message {
            Up::Hello(hello) => {
                if self.hello.as_ref().is_some_and(|old| old.labels != hello.labels) {
                    self.time_line.clear();
                }
                self.hello = Some(hello.clone());
            }
            Up::Report(report) => self.take_report(now, report),
            Up::Status(status) => self.status = Some(status.clone()),
            Up::Log(log) => {
                if self.logs.len() == LOGS {
                    self.logs.pop_front();
                }
                self.logs.push_back(log.clone());
            }
            Up::Pong(_) | Up::Ack(_) | Up::Nack(_) => {}
            Up::Slots(_) | Up::UpdateState(_) | Up::UpdateRefused(_) | Up::CameraMode(_) => {}
        }
    }

    fn take_report(&mut self, now: Duration, report: &Report) {
        let arrival = self.sequence.take(report.boot, report.seq);
        if arrival == Arrival::Duplicate {
            return;
        }
        if self.arrivals.len() == RATE_KEPT {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back(now);
        self.ages.push(Duration::from_micros(report.age_us.into()));
        self.time_line.push(now, shown(report));
        if arrival != Arrival::Late {
            if self.report.as_ref().is_some_and(|(_, before)| before.boot != report.boot) {
                self.faces.clear();
            }
            self.faces.take(now, report);
            self.report = Some((now, report.clone()));
        }
    }

    /// Whether the port is gone.
    pub fn is_lost(&self) -> bool {
        matches!(self.link, Link::Lost(..))
    }

    /// How long a connected line has brought no report, when that is long enough to mention.
    pub fn silent_for(&self, now: Duration) -> Option<Duration> {
        let Link::Connected(since) = self.link else { return None };
        let last = self.report.as_ref().map_or(since, |(at, _)| since.max(*at));
        let silent = now.saturating_sub(last);
        (silent >= SILENT_AFTER).then_some(silent)
    }

    /// Reports per second over the last five seconds.
    pub fn rate(&self, now: Duration) -> f64 {
        let recent = self.arrivals.iter().filter(|&&at| now.saturating_sub(at) < RATE_SPAN).count();
        let span = RATE_SPAN.min(now).max(Duration::from_secs(1));
        recent as f64 / span.as_secs_f64()
    }

    /// Whether the newest report comes from a start of the board that [`View::hello`] does not describe.
    pub fn hello_is_stale(&self) -> bool {
        match (&self.hello, &self.report) {
            (Some(hello), Some((_, report))) => hello.boot != report.boot,
            (hello, _) => hello.is_none(),
        }
    }

    /// The model's labels, by number while the board has not named them.
    pub fn labels(&self) -> Vec<String> {
        let face = self.report.as_ref().and_then(|(_, report)| report.face.as_ref());
        match &self.hello {
            Some(hello) if !self.hello_is_stale() => hello.labels.iter().map(|label| label.to_string()).collect(),
            _ => (0..face.map_or(0, |face| face.scores.len())).map(|n| format!("label {n}")).collect(),
        }
    }
}

fn shown(report: &Report) -> Shown {
    match &report.face {
        None => Shown::NoFace,
        Some(face) => face.label.map_or(Shown::Unsure, Shown::Label),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::sample;

    const fn s(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    fn message(view: &mut View, now: Duration, up: Up) {
        view.take(now, &LinkEvent::Message(Box::new(up)));
    }

    #[test]
    fn a_repeated_report_changes_nothing_but_its_count() {
        let mut view = View::new("p", s(0));
        message(&mut view, s(1), Up::Report(sample::report(1, Some(0))));
        message(&mut view, s(2), Up::Report(sample::report(1, Some(3))));
        assert_eq!(view.report.as_ref().unwrap().0, s(1));
        assert_eq!((view.sequence.duplicates, view.ages.last(9).count()), (1, 1));
    }

    #[test]
    fn a_late_report_counts_but_does_not_replace_a_newer_one() {
        let mut view = View::new("p", s(0));
        for seq in [1, 3, 2] {
            message(&mut view, s(1), Up::Report(sample::report(seq, None)));
        }
        assert_eq!(view.report.as_ref().unwrap().1.seq, 3);
        assert_eq!((view.sequence.lost, view.sequence.received), (0, 3));
    }

    #[test]
    fn a_lost_line_is_counted_once_and_keeps_its_first_reason() {
        let mut view = View::new("p", s(0));
        view.take(s(5), &LinkEvent::Lost("unplugged".into()));
        view.take(s(6), &LinkEvent::Lost("no such file".into()));
        assert_eq!(view.link, Link::Lost(s(5), "unplugged".into()));
        assert_eq!(view.silent_for(s(60)), None);
        view.take(s(9), &LinkEvent::Connected);
        assert_eq!((view.reconnects, view.silent_for(s(11))), (1, None));
        assert_eq!(view.silent_for(s(14)), Some(s(5)));
    }

    #[test]
    fn the_rate_is_of_the_last_five_seconds() {
        let mut view = View::new("p", s(0));
        (0..100).for_each(|n| {
            message(&mut view, Duration::from_millis(n * 100), Up::Report(sample::report(n as u32, None)))
        });
        assert!((view.rate(s(10)) - 10.0).abs() < 0.3, "{}", view.rate(s(10)));
        assert_eq!(view.rate(s(30)), 0.0);
    }

    #[test]
    fn a_hello_of_another_start_is_stale() {
        let mut view = View::new("p", s(0));
        assert!(view.hello_is_stale());
        message(&mut view, s(1), Up::Report(sample::report(0, Some(0))));
        assert_eq!(view.labels()[1], "label 1");
        message(&mut view, s(1), Up::Hello(sample::hello()));
        assert!(!view.hello_is_stale());
        assert_eq!(view.labels()[1], "happy");
        message(&mut view, s(1), Up::Report(Report { boot: 99, ..sample::report(0, Some(0)) }));
        assert!(view.hello_is_stale());
    }

    #[test]
    fn logs_are_bounded() {
        let mut view = View::new("p", s(0));
        (0..200).for_each(|n| message(&mut view, s(n), Up::Log(sample::log(&format!("line {n}")))));
        assert_eq!(view.logs.len(), LOGS);
        assert_eq!(view.logs.back().unwrap().text.as_str(), "line 199");
    }
}
