//! When a daemon has hung, and how long to wait before the next start. Time is an argument, in milliseconds.

/// The launcher's times.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From the start of a version on trial to its confirmation.
    pub trial_ms: u64,
    /// Between two heartbeats.
    pub heartbeat_ms: u64,
    /// First wait before a daemon is started again.
    pub restart_ms: u64,
    /// From SIGTERM to SIGKILL.
    pub stop_ms: u64,
}

/// What a daemon is late with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// Its confirmation; look into the record before believing it.
    Trial,
    /// Its heartbeat.
    Heartbeat,
}

/// Watches one daemon.
#[derive(Debug)]
pub struct Watch {
    limits: Limits,
    /// Until then it has to be confirmed.
    trial_until: Option<u64>,
    /// The last heartbeat. A daemon that never sends one is not asked for it.
    heartbeat: Option<u64>,
}

impl Watch {
    pub fn new(limits: Limits, now: u64, on_trial: bool) -> Watch {
        Watch { limits, trial_until: on_trial.then_some(now + limits.trial_ms), heartbeat: None }
    }

    pub fn heartbeat(&mut self, now: u64) {
        self.heartbeat = Some(now);
    }

    /// It is confirmed, or waits for the user.
    pub fn settle(&mut self) {
        self.trial_until = None;
    }

    pub fn late(&self, now: u64) -> Option<Late> {
        if self.heartbeat.is_some_and(|last| now.saturating_sub(last) > self.limits.heartbeat_ms) {
            return Some(Late::Heartbeat);
        }
        self.trial_until.is_some_and(|until| now > until).then_some(Late::Trial)
    }
}

/// Longest wait, in first waits.
const MOST: u64 = 30;

/// Spaces the starts of a daemon that keeps ending.
#[derive(Debug)]
pub struct Pace {
    first_ms: u64,
    wait_ms: u64,
}

impl Pace {
    pub fn new(first_ms: u64) -> Pace {
        Pace { first_ms, wait_ms: first_ms }
    }

    /// The wait after a run of `ran_ms`. One that ended well, or ran for longer than the longest wait, is no failure.
    pub fn wait(&mut self, ran_ms: u64, ended_well: bool) -> u64 {
        let longest = self.first_ms * MOST;
        if ended_well || ran_ms > longest {
            self.wait_ms = self.first_ms;
            return self.first_ms;
        }
        let wait = self.wait_ms;
        self.wait_ms = (2 * wait).min(longest);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { trial_ms: 1000, heartbeat_ms: 100, restart_ms: 10, stop_ms: 10 };

    #[test]
    fn a_trial_has_an_end_unless_it_is_settled() {
        let mut watch = Watch::new(LIMITS, 5, true);
        assert_eq!((watch.late(1005), watch.late(1006)), (None, Some(Late::Trial)));
        watch.settle();
        assert_eq!(watch.late(u64::MAX), None);
        assert_eq!(Watch::new(LIMITS, 5, false).late(u64::MAX), None);
    }

    #[test]
    fn only_who_has_had_a_heartbeat_can_lose_it() {
        let mut watch = Watch::new(LIMITS, 0, false);
        watch.heartbeat(500);
        assert_eq!((watch.late(600), watch.late(601)), (None, Some(Late::Heartbeat)));
    }

    #[test]
    fn waits_double_up_to_a_limit_and_start_anew_after_a_good_run() {
        let mut pace = Pace::new(10);
        let waits: Vec<u64> = (0..8).map(|_| pace.wait(1, false)).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!((pace.wait(301, false), pace.wait(1, false)), (10, 10));
        pace.wait(1, false);
        assert_eq!((pace.wait(1, true), pace.wait(1, false)), (10, 10));
    }
}
