//! The faces a board follows: each has reports of its own, in turn with the others, and is gone when they stop.

use mtcae_wire::{FaceReport, Report};
use std::time::Duration;

/// The most faces that are kept; the one longest unreported makes room.
const MOST: usize = 16;
/// A face alone is old news after this long without a report; one of several has its turn less often.
const FRESH: Duration = Duration::from_millis(1500);
/// A face is gone after so many times the time after which it is old news.
const GONE: u32 = 2;

/// A face and its newest report.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// What was reported.
    pub face: FaceReport,
    /// When that came.
    pub at: Duration,
    /// When its first report came.
    pub first: Duration,
}

/// A face as it is to be shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown<'a> {
    /// What was reported.
    pub face: &'a FaceReport,
    /// How long ago.
    pub age: Duration,
    /// It was not reported when it should have been.
    pub faded: bool,
    /// It is the one reported last.
    pub newest: bool,
}

/// All faces in view.
#[derive(Debug, Clone, Default)]
pub struct Faces {
    /// The one reported last is at the end.
    seen: Vec<Seen>,
    followed: u8,
}

impl Faces {
    /// Takes a report that came at `now` and is newer than those before.
    pub fn take(&mut self, now: Duration, report: &Report) {
        self.followed = report.faces;
        let Some(face) = &report.face else { return self.clear() };
        let patience = self.patience() * GONE;
        self.seen.retain(|seen| now.saturating_sub(seen.at) < patience);
        let before = self.seen.iter().position(|seen| seen.face.id == face.id).map(|at| self.seen.remove(at));
        if self.seen.len() == MOST {
            self.seen.remove(0);
        }
        self.seen.push(Seen { face: face.clone(), at: now, first: before.map_or(now, |seen| seen.first) });
    }

    /// Forgets all of them, as when the board has started anew.
    pub fn clear(&mut self) {
        self.seen.clear();
    }

    /// Those in view at `now`, the one longest in view first.
    pub fn shown(&self, now: Duration) -> Vec<Shown<'_>> {
        let patience = self.patience();
        let mut shown = Vec::new();
        for (turn, seen) in self.seen.iter().rev().enumerate() {
            let age = now.saturating_sub(seen.at);
            // The board follows so many; what stands behind them has just been lost.
            let faded = age >= patience || turn >= usize::from(self.followed.max(1));
            if age < patience * GONE {
                shown.push((seen.first, Shown { face: &seen.face, age, faded, newest: turn == 0 }));
            }
        }
        shown.sort_by_key(|(first, shown)| (*first, shown.face.id));
        shown.into_iter().map(|(_, shown)| shown).collect()
    }

    /// The face that is told of at length: the one longest in view of those that are followed.
    pub fn main(&self, now: Duration) -> Option<Shown<'_>> {
        let shown = self.shown(now);
        shown.iter().find(|shown| !shown.faded).or(shown.first()).copied()
    }

    fn patience(&self) -> Duration {
        FRESH * u32::from(self.followed).clamp(1, MOST as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::sample;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn report(id: u32, faces: u8) -> Report {
        let mut report = sample::report(0, Some(1));
        report.faces = faces;
        report.face.iter_mut().for_each(|face| face.id = id);
        report
    }

    /// Id, whether faded, whether newest.
    fn ids(faces: &Faces, now: u64) -> Vec<(u32, bool, bool)> {
        faces.shown(ms(now)).iter().map(|shown| (shown.face.id, shown.faded, shown.newest)).collect()
    }

    #[test]
    fn faces_take_turns_and_keep_their_places() {
        let mut faces = Faces::default();
        for (at, id) in [(0, 7), (100, 9), (200, 7), (300, 9)] {
            faces.take(ms(at), &report(id, 2));
        }
        assert_eq!(ids(&faces, 350), [(7, false, false), (9, false, true)]);
        faces.take(ms(400), &report(7, 2));
        assert_eq!(ids(&faces, 450), [(7, false, true), (9, false, false)]);
        assert_eq!(faces.main(ms(450)).map(|shown| (shown.face.id, shown.age)), Some((7, ms(50))));
    }

    #[test]
    fn a_face_that_is_not_reported_fades_and_goes() {
        let mut faces = Faces::default();
        faces.take(ms(0), &report(7, 1));
        assert_eq!(ids(&faces, 1_499), [(7, false, true)]);
        assert_eq!(ids(&faces, 1_500), [(7, true, true)]);
        assert_eq!(ids(&faces, 3_000), []);
        // Of four, each has its turn less often.
        faces.take(ms(10_000), &report(7, 4));
        assert_eq!(ids(&faces, 15_900), [(7, false, true)]);
        assert_eq!(ids(&faces, 22_000), []);
    }

    #[test]
    fn fewer_followed_faces_fade_the_one_whose_turn_was_left_out() {
        let mut faces = Faces::default();
        for (at, id, followed) in [(0, 1, 3), (100, 2, 3), (200, 3, 3), (300, 1, 2), (400, 3, 2)] {
            faces.take(ms(at), &report(id, followed));
        }
        assert_eq!(ids(&faces, 400), [(1, false, false), (2, true, false), (3, false, true)]);
        faces.take(ms(500), &Report { faces: 0, face: None, ..report(1, 0) });
        assert_eq!(ids(&faces, 500), []);
    }

    #[test]
    fn a_face_under_a_new_number_is_the_one_told_of() {
        let mut faces = Faces::default();
        faces.take(ms(0), &report(1, 1));
        faces.take(ms(100), &report(2, 1));
        assert_eq!(ids(&faces, 100), [(1, true, false), (2, false, true)]);
        assert_eq!(faces.main(ms(100)).map(|shown| shown.face.id), Some(2));
        assert_eq!(faces.main(ms(60_000)), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut faces = Faces::default();
        (0..1_000).for_each(|id| faces.take(ms(0), &report(id, 255)));
        assert_eq!(faces.shown(ms(0)).len(), MOST);
    }
}
