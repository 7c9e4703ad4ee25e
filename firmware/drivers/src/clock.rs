//! The board's clock.

use mtcae_contract::Micros;
use mtcae_core::Clock;
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;

/// Microseconds since its making, on `CLOCK_MONOTONIC`: the clock V4L2 drivers stamp their pictures with.
#[derive(Debug, Clone, Copy)]
pub struct MonotonicClock {
    /// `CLOCK_MONOTONIC` at the making, microseconds.
    zero: u64,
}

impl MonotonicClock {
    /// A clock that reads 0 now.
    pub fn start() -> MonotonicClock {
        MonotonicClock { zero: monotonic_us() }
    }

    /// The same, ready to be shared among threads.
    pub fn shared() -> Arc<MonotonicClock> {
        Arc::new(Self::start())
    }

    /// A `CLOCK_MONOTONIC` time (seconds and microseconds, as V4L2 gives it) on this clock; times before its start are 0.
    pub fn micros_from_monotonic(&self, sec: i64, usec: i64) -> Micros {
        let us = i128::from(sec) * 1_000_000 + i128::from(usec) - i128::from(self.zero);
        u64::try_from(us.max(0)).unwrap_or(u64::MAX)
    }
}

impl Clock for MonotonicClock {
    fn now(&self) -> Micros {
        monotonic_us().saturating_sub(self.zero)
    }
}

fn monotonic_us() -> u64 {
    let t = clock_gettime(ClockId::Monotonic);
    // Never negative: the clock counts from the machine's start.
    t.tv_sec as u64 * 1_000_000 + t.tv_nsec as u64 / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn driver_times_land_where_now_is() {
        let clock = MonotonicClock::start();
        let before = clock.now();
        let t = clock_gettime(ClockId::Monotonic);
        let stamp = clock.micros_from_monotonic(t.tv_sec, t.tv_nsec / 1000);
        assert!(before <= stamp && stamp <= clock.now());
        assert_eq!(clock.micros_from_monotonic(0, 0), 0);
        assert_eq!(clock.micros_from_monotonic(i64::MIN, i64::MIN), 0);
    }
}
