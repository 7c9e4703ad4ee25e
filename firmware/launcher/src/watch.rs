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
    /// Its confirmation, so many milliseconds after its start; look into the record before believing it.
    Trial(u64),
    /// Its heartbeat.
    Heartbeat,
}

/// Longest time that a daemon on trial gets at a time, milliseconds: more than the longest self-test that a board file can ask
/// for. It may ask again for as long as its heart beats.
const MOST_AHEAD: u64 = 900_000;

/// Watches one daemon.
#[derive(Debug)]
pub struct Watch {
    limits: Limits,
    started: u64,
    /// Until then it has to be confirmed.
    trial_until: Option<u64>,
    /// The last heartbeat. A daemon that never sends one is not asked for it.
    heartbeat: Option<u64>,
}

impl Watch {
    pub fn new(limits: Limits, now: u64, on_trial: bool) -> Watch {
        Watch { limits, started: now, trial_until: on_trial.then_some(now + limits.trial_ms), heartbeat: None }
    }

    pub fn heartbeat(&mut self, now: u64) {
        self.heartbeat = Some(now);
    }

    /// The daemon says that its trial takes so long from now on.
    pub fn extend(&mut self, now: u64, more_ms: u64) {
        let until = now.saturating_add(more_ms.min(MOST_AHEAD));
        self.trial_until = self.trial_until.map(|before| before.max(until));
    }

    /// It is confirmed, or waits for the user.
    pub fn settle(&mut self) {
        self.trial_until = None;
    }

    pub fn late(&self, now: u64) -> Option<Late> {
        if self.heartbeat.is_some_and(|last| now.saturating_sub(last) > self.limits.heartbeat_ms) {
            return Some(Late::Heartbeat);
        }
        self.trial_until.filter(|until| now > *until).map(|until| Late::Trial(until - self.started))
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
        assert_eq!((watch.late(1005), watch.late(1006)), (None, Some(Late::Trial(1000))));
        watch.settle();
        assert_eq!(watch.late(u64::MAX), None);
        assert_eq!(Watch::new(LIMITS, 5, false).late(u64::MAX), None);
    }

    #[test]
    fn a_trial_ends_later_when_the_daemon_asks_and_its_heart_beats() {
        let mut watch = Watch::new(LIMITS, 5, true);
        watch.extend(10, 100);
        assert_eq!(watch.late(1006), Some(Late::Trial(1000)), "asking for less takes nothing away");
        watch.extend(900, 700);
        assert_eq!((watch.late(1600), watch.late(1601)), (None, Some(Late::Trial(1595))));
        watch.extend(1000, u64::MAX);
        assert_eq!(watch.late(1000 + MOST_AHEAD + 1), Some(Late::Trial(995 + MOST_AHEAD)));
        watch.heartbeat(2000);
        assert_eq!(watch.late(2101), Some(Late::Heartbeat));
        let mut confirmed = Watch::new(LIMITS, 5, false);
        confirmed.extend(10, 100);
        assert_eq!(confirmed.late(u64::MAX), None);
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
