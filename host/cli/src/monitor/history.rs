//! What happened lately, in bounded memory: recent durations, and the expression over the last minute.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::Duration;

/// How many durations are kept for percentiles and the sparkline.
pub const KEPT: usize = 600;

/// How long the time line reaches back.
pub const SPAN: Duration = Duration::from_secs(60);

/// One column of the time line's store.
const SLOT: Duration = Duration::from_millis(250);
const SLOTS: usize = (SPAN.as_millis() / SLOT.as_millis()) as usize;

/// The newest [`KEPT`] durations.
#[derive(Debug, Clone, Default)]
pub struct Durations(VecDeque<Duration>);

impl Durations {
    /// Adds one; forgets the oldest when full.
    pub fn push(&mut self, duration: Duration) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(duration);
    }

    /// The newest one.
    pub fn newest(&self) -> Option<Duration> {
        self.0.back().copied()
    }

    /// The value that `share` (0 to 1) of the kept ones do not exceed; `None` while there are none.
    pub fn percentile(&self, share: f64) -> Option<Duration> {
        let mut sorted: Vec<_> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied()
    }

    /// The newest `count`, oldest first.
    pub fn last(&self, count: usize) -> impl Iterator<Item = Duration> + '_ {
        self.0.iter().skip(self.0.len().saturating_sub(count)).copied()
    }
}

/// What a stretch of the last minute mostly showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shown {
    /// The label with this index.
    Label(u8),
    /// A face without a label.
    Unsure,
    /// Reports without a face.
    NoFace,
}

/// The expression over the last minute: one vote per report, in slots of a quarter of a second.
#[derive(Debug, Clone, Default)]
pub struct TimeLine {
    /// Newest last; slot number and the votes in it, at most one entry per kind.
    slots: VecDeque<(u64, Vec<(Shown, u32)>)>,
}

impl TimeLine {
    /// Adds a report that came at `now`.
    pub fn push(&mut self, now: Duration, shown: Shown) {
        let number = slot_number(now);
        if self.slots.back().is_none_or(|(newest, _)| *newest < number) {
            self.slots.push_back((number, Vec::new()));
        }
        while self.slots.len() > SLOTS {
            self.slots.pop_front();
        }
        if let Some((_, votes)) = self.slots.back_mut() {
            add(votes, shown, 1);
        }
    }

    /// The last minute before `now` in `columns` equal stretches, oldest first; `None` where nothing came.
    pub fn columns(&self, now: Duration, columns: usize) -> Vec<Option<Shown>> {
        let newest = slot_number(now);
        let mut slots: [&[(Shown, u32)]; SLOTS] = [&[]; SLOTS];
        for (number, votes) in &self.slots {
            let back = newest.saturating_sub(*number) as usize;
            if back < SLOTS {
                slots[SLOTS - 1 - back] = votes;
            }
        }
        let stretch = |column: usize| {
            let from = column * SLOTS / columns;
            &slots[from..((column + 1) * SLOTS / columns).max(from + 1)]
        };
        (0..columns).map(|column| most(stretch(column))).collect()
    }

    /// Forgets everything, as when the labels change.
    pub fn clear(&mut self) {
        self.slots.clear();
    }
}

fn slot_number(now: Duration) -> u64 {
    (now.as_millis() / SLOT.as_millis()) as u64
}

/// What most votes are for. Of equal counts the smaller kind wins, so that the picture does not flicker.
fn most(slots: &[&[(Shown, u32)]]) -> Option<Shown> {
    let mut votes = Vec::new();
    slots.iter().flat_map(|slot| slot.iter()).for_each(|&(shown, count)| add(&mut votes, shown, count));
    votes.into_iter().max_by_key(|&(shown, count)| (count, Reverse(shown))).map(|(shown, _)| shown)
}

fn add(votes: &mut Vec<(Shown, u32)>, shown: Shown, count: u32) {
    match votes.iter_mut().find(|(kind, _)| *kind == shown) {
        Some((_, votes)) => *votes += count,
        None => votes.push((shown, count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn percentiles_are_of_the_newest() {
        let mut durations = Durations::default();
        assert_eq!(durations.percentile(0.5), None);
        (1..=100).for_each(|n| durations.push(ms(n)));
        assert_eq!(durations.percentile(0.5), Some(ms(50)));
        assert_eq!(durations.percentile(0.99), Some(ms(99)));
        (0..KEPT).for_each(|_| durations.push(ms(7)));
        assert_eq!(durations.percentile(0.99), Some(ms(7)));
        assert_eq!(durations.last(10_000).count(), KEPT);
    }

    #[test]
    fn a_column_shows_what_most_reports_in_it_said() {
        let mut line = TimeLine::default();
        for (at, shown) in
            [(0, Shown::Label(1)), (300, Shown::Label(2)), (400, Shown::Label(2)), (59_900, Shown::NoFace)]
        {
            line.push(ms(at), shown);
        }
        let columns = line.columns(ms(59_999), 60);
        assert_eq!(columns[0], Some(Shown::Label(2)));
        assert_eq!(columns[30], None);
        assert_eq!(columns[59], Some(Shown::NoFace));
        assert_eq!(line.columns(ms(61_000), 60)[0], None);
        assert_eq!(line.columns(ms(61_000), 0), []);
        // Wider than the store is fine: a slot then fills several columns.
        assert_eq!(line.columns(ms(59_999), 480)[478..], [Some(Shown::NoFace); 2]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut line = TimeLine::default();
        (0..100_000).for_each(|n| line.push(ms(n * 33), Shown::Label((n % 8) as u8)));
        assert!(line.slots.len() <= SLOTS);
        assert!(line.slots.iter().all(|(_, votes)| votes.len() <= 10));
    }
}
