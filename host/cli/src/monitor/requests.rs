//! What the monitor asks the board, and when: who it is until it says so, and a sign of life every second.

use mtcae_wire::{Down, Ping, Up};
use std::time::Duration;

/// Between two questions of the same kind.
const EVERY: Duration = Duration::from_secs(1);
/// A ping without an answer is given up after this long.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Decides what to ask; told the time and every message.
#[derive(Debug, Default)]
pub struct Requests {
    hello_of: Option<u32>,
    report_of: Option<u32>,
    hello_asked: Option<Duration>,
    pinged: Option<Duration>,
    waiting: bool,
    token: u32,
}

impl Requests {
    /// Starts over on a line that has just been opened.
    pub fn reopened(&mut self) {
        *self = Self { token: self.token, ..Self::default() };
    }

    /// Takes a message that came at `now`; gives the time since the ping that it answers.
    pub fn take(&mut self, now: Duration, message: &Up) -> Option<Duration> {
        match message {
            Up::Hello(hello) => self.hello_of = Some(hello.boot),
            Up::Report(report) => self.report_of = Some(report.boot),
            Up::Pong(pong) if self.waiting && pong.token == self.token => {
                self.waiting = false;
                return self.pinged.map(|at| now.saturating_sub(at));
            }
            _ => {}
        }
        None
    }

    /// What is to be sent at `now`.
    pub fn due(&mut self, now: Duration) -> Vec<Down> {
        let mut due = Vec::new();
        let since = |at: Option<Duration>| at.map_or(Duration::MAX, |at| now.saturating_sub(at));
        let known = self.hello_of.is_some() && self.report_of.is_none_or(|boot| self.hello_of == Some(boot));
        if !known && since(self.hello_asked) >= EVERY {
            self.hello_asked = Some(now);
            due.push(Down::Hello);
        }
        if since(self.pinged) >= if self.waiting { ANSWER_WITHIN } else { EVERY } {
            self.token = self.token.wrapping_add(1);
            self.pinged = Some(now);
            self.waiting = true;
            due.push(Down::Ping(Ping { token: self.token }));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::sample;
    use mtcae_wire::{Pong, Report};

    const fn s(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn asks_for_the_hello_until_it_comes_and_again_after_a_restart() {
        let mut requests = Requests::default();
        assert!(requests.due(s(0)).contains(&Down::Hello));
        assert!(!requests.due(Duration::from_millis(500)).contains(&Down::Hello));
        assert!(requests.due(s(1)).contains(&Down::Hello));
        requests.take(s(1), &Up::Hello(sample::hello()));
        requests.take(s(1), &Up::Report(sample::report(0, None)));
        assert!(!requests.due(s(3)).contains(&Down::Hello));
        requests.take(s(4), &Up::Report(Report { boot: 8, ..sample::report(0, None) }));
        assert!(requests.due(s(4)).contains(&Down::Hello));
    }

    #[test]
    fn times_the_answer_to_its_own_ping_only() {
        let mut requests = Requests::default();
        let Some(Down::Ping(ping)) = requests.due(s(0)).pop() else { panic!("no ping") };
        let pong = |token| Up::Pong(Pong { token, board_us: 0 });
        assert_eq!(requests.take(s(1), &pong(ping.token + 1)), None);
        assert_eq!(requests.take(s(2), &pong(ping.token)), Some(s(2)));
        assert_eq!(requests.take(s(3), &pong(ping.token)), None);
    }

    #[test]
    fn one_ping_is_on_its_way_at_a_time() {
        let mut requests = Requests::default();
        let pings = |requests: &mut Requests, at| requests.due(s(at)).iter().filter(|d| **d != Down::Hello).count();
        assert_eq!((0..10).map(|at| pings(&mut requests, at)).sum::<usize>(), 2);
    }
}
