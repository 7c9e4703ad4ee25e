//! How much a board works while it is hot: less at once, more again only after it has been cool for a while.

use mtcae_contract::Micros;

/// Hot for so long at one rate means that the rate is still too high, microseconds.
const HALVE_AFTER: Micros = 10_000_000;
/// Cool for so long means that more can be tried, microseconds.
const DOUBLE_AFTER: Micros = 30_000_000;
/// The least share of the work.
const LEAST: f32 = 1.0 / 16.0;

/// What the board's sensors say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Heat {
    /// As it should be.
    Cool,
    /// Cooler than it was, not yet cool: nothing changes.
    Warm,
    /// It slows its processors down, or is about to.
    Hot,
    /// It is about to switch itself off.
    Critical,
}

/// Halves the work while the board is hot, and doubles it back.
#[derive(Debug, Clone)]
pub struct Throttle {
    share: f32,
    /// When the share changed last.
    changed: Micros,
    /// When the board last was not cool.
    warm: Micros,
}

impl Default for Throttle {
    fn default() -> Throttle {
        Throttle { share: 1.0, changed: 0, warm: 0 }
    }
}

impl Throttle {
    /// The share of the configured rate to work at, 1/16 to 1, after a look at `now`.
    pub fn look(&mut self, heat: Heat, now: Micros) -> f32 {
        // A clock that went back begins the waits anew.
        (self.changed, self.warm) = (self.changed.min(now), self.warm.min(now));
        if heat != Heat::Cool {
            self.warm = now;
        }
        let share = match heat {
            Heat::Critical => LEAST,
            // At full rate there is nothing to wait for.
            Heat::Hot if self.share == 1.0 || now - self.changed >= HALVE_AFTER => (self.share / 2.0).max(LEAST),
            Heat::Cool if now - self.changed.max(self.warm) >= DOUBLE_AFTER => (self.share * 2.0).min(1.0),
            _ => self.share,
        };
        if share != self.share {
            (self.share, self.changed) = (share, now);
        }
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Micros = 1_000_000;

    #[test]
    fn hot_boards_work_less_and_cool_ones_more_again() {
        let mut throttle = Throttle::default();
        let mut share = |heat, second: u64| throttle.look(heat, second * SECOND);
        assert_eq!(share(Heat::Cool, 0), 1.0);
        assert_eq!([1, 5, 10].map(|s| share(Heat::Hot, s)), [0.5; 3]);
        assert_eq!([11, 21, 31, 41, 90].map(|s| share(Heat::Hot, s)), [0.25, 0.125, 0.0625, 0.0625, 0.0625]);
        assert_eq!([91, 92].map(|s| share(Heat::Warm, s)), [0.0625; 2]);
        assert_eq!([100, 121, 122, 151, 152].map(|s| share(Heat::Cool, s)), [0.0625, 0.0625, 0.125, 0.125, 0.25]);
        assert_eq!([182, 212, 500].map(|s| share(Heat::Cool, s)), [0.5, 1.0, 1.0]);
        assert_eq!([501, 600].map(|s| share(Heat::Critical, s)), [LEAST; 2]);
        assert_eq!([601, 629, 630].map(|s| share(Heat::Cool, s)), [LEAST, LEAST, 2.0 * LEAST], "cool for a while");
    }

    proptest! {
        #[test]
        fn whatever_comes_it_stays_in_bounds_and_comes_back(
            looks in prop::collection::vec((0u64..100_000_000, 0u8..4), 1..200),
        ) {
            let mut throttle = Throttle::default();
            for (now, heat) in looks {
                let heat = [Heat::Cool, Heat::Warm, Heat::Hot, Heat::Critical][usize::from(heat)];
                prop_assert!((LEAST..=1.0).contains(&throttle.look(heat, now)));
            }
            let mut now = 0;
            for _ in 0..7 {
                now += DOUBLE_AFTER;
                throttle.look(Heat::Cool, now);
            }
            prop_assert_eq!(throttle.look(Heat::Cool, now), 1.0);
        }
    }
}
