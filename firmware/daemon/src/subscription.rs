//! What the other side of a line wants to hear.

use mtcae_contract::Micros;
use mtcae_wire::{Level, Subscribe, Up};

/// Faces whose last report is remembered; as many as can be followed, and some that have just gone.
const FACES: usize = 16;

/// Decides about each message; without a wish everything is heard.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subscription {
    asked: Option<Subscribe>,
    /// Each face, or that there is none, and the capture time of its last report that was let through.
    last: Vec<(Option<u32>, Micros)>,
}

impl Subscription {
    /// As `asked` from now on.
    pub fn new(asked: Subscribe) -> Subscription {
        Subscription { asked: Some(asked), last: Vec::new() }
    }

    /// Time between two statuses, where `usual` is the board's own; `None` for none.
    pub fn status_every(&self, usual: Micros) -> Option<Micros> {
        self.asked.map_or(Some(usual), |asked| asked.status_every_ms.map(|ms| Micros::from(ms) * 1000))
    }

    /// Whether `message` is to be heard; a report that is counts as the last of its face.
    pub fn wants(&mut self, message: &Up) -> bool {
        let Some(asked) = self.asked else { return true };
        match message {
            Up::Report(report) => {
                let Some(every) = asked.report_every_ms else { return false };
                self.is_due(report.face.as_ref().map(|face| face.id), report.captured_us, Micros::from(every) * 1000)
            }
            Up::Log(line) => asked.log.is_some_and(|least: Level| line.level <= least),
            _ => true,
        }
    }

    fn is_due(&mut self, face: Option<u32>, captured: Micros, every: Micros) -> bool {
        let at = self.last.iter().position(|(id, _)| *id == face);
        if at.is_some_and(|at| captured.abs_diff(self.last[at].1) < every) {
            return false;
        }
        if let Some(at) = at {
            self.last.remove(at);
        } else if self.last.len() == FACES {
            self.last.remove(0);
        }
        self.last.push((face, captured));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_wire::{Log, Report, Text};

    fn asked(report_every_ms: Option<u16>, log: Option<Level>) -> Subscription {
        Subscription::new(Subscribe { token: 1, report_every_ms, status_every_ms: None, log })
    }

    fn report(captured_ms: u64) -> Up {
        let captured_us = captured_ms * 1000;
        let (boot, seq, age_us, width, height, dropped, faces, face) = (1, 0, 0, 64, 48, 0, 0, None);
        Up::Report(Report { boot, seq, captured_us, age_us, width, height, dropped, faces, face })
    }

    #[test]
    fn reports_come_no_closer_than_asked() {
        let mut some = asked(Some(200), None);
        let heard: Vec<u64> = (0..100).map(|i| i * 30).filter(|ms| some.wants(&report(*ms))).collect();
        assert!(heard.windows(2).all(|pair| (200..=230).contains(&(pair[1] - pair[0]))), "{heard:?}");
        assert!(heard.len() >= 13, "{heard:?}");
        assert!((0..9).all(|ms| asked(Some(0), None).wants(&report(ms))));
        assert!(!asked(None, None).wants(&report(0)));
        assert!(some.wants(&report(5)), "a clock that went back");
        assert!(Subscription::default().wants(&report(0)));
    }

    #[test]
    fn faces_are_many_and_are_remembered_within_a_bound() {
        let mut some = asked(Some(1000), None);
        assert!((0..100).all(|id| some.is_due(Some(id), 0, 1000)));
        assert_eq!(some.last.len(), FACES);
        assert!(!some.is_due(Some(99), 1, 1000) && some.is_due(Some(0), 1, 1000));
    }

    #[test]
    fn log_lines_are_as_serious_as_asked() {
        let line = |level| Up::Log(Log { level, at_us: 0, text: Text::new("x") });
        let all = [Level::Error, Level::Warn, Level::Info, Level::Debug];
        let heard = |least| all.map(|level| asked(None, least).wants(&line(level)));
        assert_eq!(heard(Some(Level::Warn)), [true, true, false, false]);
        assert_eq!(heard(None), [false; 4]);
    }
}
