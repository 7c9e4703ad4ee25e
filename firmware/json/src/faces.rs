//! The faces in view, as far as a board's messages tell: each is reported in turn with the others, and is gone when that
//! stops.

use mtcae_wire::Report;

/// Faces told of at once, at most; the one longest unreported makes room.
const MOST: usize = 16;
/// A face alone is gone after so long without a report, microseconds; one of several has its turn less often.
const PATIENCE: u64 = 1_500_000;
/// The longest time between two reports that a board file allows, microseconds; a longer one is a pause.
const SLOWEST: u64 = 10_000_000;

/// Times are the board's, when a report was sent and not when its frame was captured: those of a Status are, too.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faces {
    /// Track, and when its last report came; in that order, so that a clock that went back forgets them all.
    seen: Vec<(u32, u64)>,
    /// Faces that the board follows.
    followed: u8,
    /// When the last report came.
    last: Option<u64>,
    /// From one report to the next, lately.
    interval: u64,
}

impl Faces {
    /// Takes a report.
    pub(crate) fn take(&mut self, report: &Report) {
        let now = report.captured_us.saturating_add(report.age_us.into());
        let interval = self.last.replace(now).map_or(0, |last| now.abs_diff(last).min(SLOWEST));
        // Clips that are seen side by side give reports that come together, and then none for long.
        self.interval = interval.max(self.interval / 2);
        self.followed = report.faces;
        let Some(face) = &report.face else { return self.seen.clear() };
        self.forget(now);
        self.seen.retain(|(track, _)| *track != face.id);
        if self.seen.len() == MOST {
            self.seen.remove(0);
        }
        self.seen.push((face.id, now));
    }

    /// Forgets those that should have been reported by `now`; whether there were any.
    pub(crate) fn forget(&mut self, now: u64) -> bool {
        let (before, patience) = (self.seen.len(), self.patience());
        self.seen.retain(|(_, came)| now.abs_diff(*came) <= patience);
        self.seen.len() < before
    }

    /// Forgets all, as when the camera sees nothing; whether there were any.
    pub(crate) fn clear(&mut self) -> bool {
        !std::mem::take(self).seen.is_empty()
    }

    /// Their tracks, the lowest first.
    pub(crate) fn tracks(&self) -> Vec<u32> {
        let mut tracks: Vec<u32> = self.seen.iter().map(|(track, _)| *track).collect();
        tracks.sort_unstable();
        tracks
    }

    /// A board that reports seldom, such as one with a low `report.max_hz`, reports each of several faces more seldom still.
    fn patience(&self) -> u64 {
        PATIENCE.max(2 * self.interval) * u64::from(self.followed).clamp(1, MOST as u64)
    }
}
