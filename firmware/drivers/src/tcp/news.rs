//! What happens at the door, for the log: strangers must not be able to fill it.

use mtcae_wire::Level;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Told at once after a quiet time.
const BURST: u32 = 8;
/// Then one in this time.
const EVERY: Duration = Duration::from_secs(5);
/// Not asked for yet, at most.
const WAITING: usize = 2 * BURST as usize;

/// Something that a person should know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpNews {
    /// How serious it is: `Info` for known clients, `Warn` for others and for faults.
    pub level: Level,
    /// One line.
    pub text: String,
}

/// News that wait, each kind at a bounded rate of its own: strangers do not drown what known clients do.
#[derive(Default)]
pub(super) struct News {
    waiting: VecDeque<TcpNews>,
    known: Rate,
    others: Rate,
}

#[derive(Default)]
struct Rate {
    /// News told lately; one fewer for each [`EVERY`] that has passed since `at`.
    told: u32,
    at: Option<Instant>,
    untold: u64,
}

impl News {
    pub fn tell(&mut self, level: Level, mut text: String, now: Instant) {
        let rate = if level == Level::Info { &mut self.known } else { &mut self.others };
        let Some(untold) = rate.pass(now) else { return };
        if untold > 0 {
            text.push_str(&format!(" ({untold} more like this were not told)"));
        }
        if self.waiting.len() == WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(TcpNews { level, text });
    }

    pub fn next(&mut self) -> Option<TcpNews> {
        self.waiting.pop_front()
    }
}

impl Rate {
    /// How many were held back before this one, if this one may be told.
    fn pass(&mut self, now: Instant) -> Option<u64> {
        let at = *self.at.get_or_insert(now);
        let steps = (now.saturating_duration_since(at).as_millis() / EVERY.as_millis()).min(u128::from(BURST)) as u32;
        if steps > 0 {
            self.told = self.told.saturating_sub(steps);
            self.at = Some(now);
        }
        if self.told == BURST {
            self.untold += 1;
            return None;
        }
        if self.told == 0 {
            self.at = Some(now);
        }
        self.told += 1;
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_in_a_few_lines_and_counted() {
        let (mut news, start) = (News::default(), Instant::now());
        let told = |news: &mut News| std::iter::from_fn(|| news.next()).map(|n| n.text).collect::<Vec<_>>();
        for n in 0..1000u32 {
            news.tell(Level::Warn, format!("stranger {n}"), start + Duration::from_millis(n.into()));
        }
        news.tell(Level::Info, "client".into(), start);
        let first = told(&mut news);
        assert_eq!((first.len(), first[7].as_str(), first[8].as_str()), (9, "stranger 7", "client"));
        news.tell(Level::Warn, "later".into(), start + Duration::from_secs(6));
        news.tell(Level::Warn, "too soon".into(), start + Duration::from_secs(7));
        assert_eq!(told(&mut news), ["later (992 more like this were not told)"]);
        news.tell(Level::Warn, "quiet again".into(), start + Duration::from_secs(600));
        assert_eq!(told(&mut news), ["quiet again (1 more like this were not told)"]);
    }
}
