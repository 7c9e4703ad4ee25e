//! Messages on their way to one sink: bounded, in order, newest reports first to live.

use mtcae_contract::Micros;
use mtcae_wire::Up;
use std::collections::VecDeque;

/// First pause after a busy line, microseconds; doubles with every further try.
const FIRST_PAUSE: Micros = 2_000;
/// Longest pause, microseconds.
const LONGEST_PAUSE: Micros = 100_000;

/// How much an outbox holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Most reports waiting, at least 1.
    pub reports: usize,
    /// Most messages waiting, reports included, at least `reports`.
    pub messages: usize,
    /// A report older than this is dropped instead of sent, microseconds.
    pub report_age: Micros,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self { reports: 8, messages: 64, report_age: 5_000_000 }
    }
}

/// Counts of one outbox; `pushed == sent + dropped + waiting` for reports and for all others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxCounts {
    /// Reports given to the outbox.
    pub pushed_reports: u64,
    /// Reports the sink took.
    pub sent_reports: u64,
    /// Reports dropped: overtaken by newer ones or too old.
    pub dropped_reports: u64,
    /// Other messages given to the outbox.
    pub pushed_others: u64,
    /// Other messages the sink took.
    pub sent_others: u64,
    /// Other messages dropped because there were too many of them.
    pub dropped_others: u64,
    /// Times the line was busy.
    pub busy: u64,
}

/// What waits for one sink.
pub struct Outbox {
    limits: OutboxLimits,
    queue: VecDeque<Up>,
    reports: usize,
    pause: Micros,
    retry_at: Option<Micros>,
    counts: OutboxCounts,
}

impl Outbox {
    /// An empty outbox.
    pub fn new(limits: OutboxLimits) -> Outbox {
        Outbox {
            limits,
            queue: VecDeque::new(),
            reports: 0,
            pause: FIRST_PAUSE,
            retry_at: None,
            counts: OutboxCounts::default(),
        }
    }

    /// Puts a message at the end. When there is no room the oldest report goes; only when there is no report, the
    /// oldest log line, then the oldest status, then the oldest message.
    pub fn push(&mut self, message: Up) {
        if is_report(&message) {
            self.counts.pushed_reports += 1;
            self.reports += 1;
        } else {
            self.counts.pushed_others += 1;
        }
        self.queue.push_back(message);
        if self.reports > self.limits.reports.max(1) {
            self.drop_first(is_report);
        }
        if self.queue.len() > self.limits.messages.max(1) {
            let _ = self.drop_first(is_report)
                || self.drop_first(|m| matches!(m, Up::Log(_)))
                || self.drop_first(|m| matches!(m, Up::Status(_)))
                || self.drop_first(|_| true);
        }
    }

    /// The message to send now, a report with its age and the count of dropped ones brought up to date. `None` when
    /// nothing waits or the line was busy a moment ago. Then [`Outbox::sent`] or [`Outbox::busy`].
    pub fn front(&mut self, now: Micros) -> Option<&Up> {
        if self.wait(now)? > 0 {
            return None;
        }
        while let Some(Up::Report(report)) = self.queue.front()
            && now.saturating_sub(report.captured_us) > self.limits.report_age
        {
            self.drop_first(is_report);
        }
        let dropped = self.counts.dropped_reports as u32;
        let front = self.queue.front_mut()?;
        if let Up::Report(report) = front {
            report.age_us = now.saturating_sub(report.captured_us).min(u64::from(u32::MAX)) as u32;
            report.dropped = dropped;
        }
        Some(front)
    }

    /// The sink took the front message.
    pub fn sent(&mut self) {
        let Some(message) = self.queue.pop_front() else { return };
        if is_report(&message) {
            self.reports -= 1;
            self.counts.sent_reports += 1;
        } else {
            self.counts.sent_others += 1;
        }
        self.resume();
    }

    /// The line was busy at `now`: the same message is tried again, later each time.
    pub fn busy(&mut self, now: Micros) {
        self.counts.busy += 1;
        self.retry_at = Some(now + self.pause);
        self.pause = (2 * self.pause).min(LONGEST_PAUSE);
    }

    /// The line is good again (opened anew): no need to wait any longer.
    pub fn resume(&mut self) {
        self.retry_at = None;
        self.pause = FIRST_PAUSE;
    }

    /// The front message cannot be sent by any line (it does not encode): drops and counts it.
    pub fn refuse(&mut self) {
        self.drop_first(|_| true);
    }

    /// Time until [`Outbox::front`] may give something, microseconds; `None` when nothing waits.
    pub fn wait(&self, now: Micros) -> Option<Micros> {
        if self.queue.is_empty() {
            return None;
        }
        // A retry time further away than any pause means that the clock went back.
        let left = self.retry_at.map_or(0, |at| at.saturating_sub(now));
        Some(if left > LONGEST_PAUSE { 0 } else { left })
    }

    /// Lets go of answers: whoever asked is gone. Reports, statuses and log lines are for the next one as well.
    pub fn forget_answers(&mut self) {
        while self.drop_first(|m| !matches!(m, Up::Report(_) | Up::Status(_) | Up::Log(_))) {}
    }

    /// Messages that fit at once.
    pub fn room(&self) -> usize {
        self.limits.messages.max(1)
    }

    /// Messages waiting.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Reports waiting.
    pub fn reports(&self) -> usize {
        self.reports
    }

    /// What happened to messages so far.
    pub fn counts(&self) -> OutboxCounts {
        self.counts
    }

    fn drop_first(&mut self, which: fn(&Up) -> bool) -> bool {
        let Some(message) = self.queue.iter().position(which).and_then(|at| self.queue.remove(at)) else {
            return false;
        };
        if is_report(&message) {
            self.reports -= 1;
            self.counts.dropped_reports += 1;
        } else {
            self.counts.dropped_others += 1;
        }
        true
    }
}

fn is_report(message: &Up) -> bool {
    matches!(message, Up::Report(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_wire::{Level, Log, Pong, Report, Text};
    use proptest::prelude::*;

    fn report(seq: u32) -> Up {
        let captured_us = u64::from(seq) * 1000;
        Up::Report(Report {
            boot: 1,
            seq,
            captured_us,
            age_us: 0,
            width: 64,
            height: 48,
            dropped: 0,
            faces: 0,
            face: None,
        })
    }

    fn pong(token: u32) -> Up {
        Up::Pong(Pong { token, board_us: 0 })
    }

    fn log(at_us: u64) -> Up {
        Up::Log(Log { level: Level::Info, at_us, text: Text::new("x") })
    }

    fn outbox(reports: usize, messages: usize) -> Outbox {
        Outbox::new(OutboxLimits { reports, messages, report_age: 1_000_000 })
    }

    fn drain(o: &mut Outbox, now: Micros) -> Vec<Up> {
        let mut all = Vec::new();
        while let Some(message) = o.front(now).cloned() {
            all.push(message);
            o.sent();
        }
        all
    }

    #[test]
    fn of_somebody_who_has_left_only_answers_go() {
        let mut o = Outbox::new(OutboxLimits { report_age: u64::MAX, ..OutboxLimits::default() });
        let pong = |token| Up::Pong(Pong { token, board_us: 0 });
        let log = Up::Log(Log { level: Level::Info, at_us: 0, text: Text::new("x") });
        for message in [pong(1), report(1), pong(2), log] {
            o.push(message);
        }
        o.forget_answers();
        assert_eq!((o.len(), o.reports(), o.counts().dropped_others), (2, 1, 2));
    }

    #[test]
    fn the_oldest_report_makes_room_and_replies_stay_in_order() {
        let mut o = outbox(2, 4);
        o.push(pong(1));
        (0..5).for_each(|i| o.push(report(i)));
        o.push(pong(2));
        o.push(pong(3));
        let sent = drain(&mut o, 5_000);
        let [Up::Pong(a), Up::Report(r), Up::Pong(b), Up::Pong(c)] = &sent[..] else { panic!("{sent:?}") };
        assert_eq!((a.token, r.seq, b.token, c.token), (1, 4, 2, 3));
        assert_eq!((r.dropped, r.age_us), (4, 1_000));
        let counts = o.counts();
        assert_eq!((counts.dropped_reports, counts.dropped_others, counts.sent_others), (4, 0, 3));
    }

    #[test]
    fn without_reports_log_lines_go_first() {
        let mut o = outbox(2, 3);
        [pong(1), log(1), pong(2), pong(3)].into_iter().for_each(|m| o.push(m));
        o.push(report(0));
        assert_eq!(drain(&mut o, 0), [pong(1), pong(2), pong(3)]);
        assert_eq!((o.counts().dropped_others, o.counts().dropped_reports), (1, 1));
    }

    #[test]
    fn a_busy_line_is_tried_again_later_and_later() {
        let mut o = outbox(2, 4);
        o.push(pong(1));
        assert_eq!(o.wait(0), Some(0));
        o.busy(0);
        assert_eq!(o.front(0), None);
        assert_eq!(o.wait(0), Some(2_000));
        o.busy(2_000);
        assert_eq!(o.wait(2_000), Some(4_000));
        (0..20).for_each(|_| o.busy(10_000));
        assert_eq!(o.wait(10_000), Some(LONGEST_PAUSE));
        o.resume();
        assert_eq!(drain(&mut o, 10_000), [pong(1)]);
        assert_eq!((o.wait(0), o.counts().busy), (None, 22));
    }

    #[test]
    fn a_report_too_old_is_not_sent() {
        let mut o = outbox(4, 4);
        o.push(report(0));
        o.push(report(900));
        let sent = drain(&mut o, 1_500_000);
        assert!(matches!(&sent[..], [Up::Report(r)] if r.seq == 900 && r.dropped == 1));
    }

    proptest! {
        #[test]
        fn bounds_order_and_counts_hold(steps in prop::collection::vec(0u8..8, 1..300), reports in 1usize..5, more in 0usize..5) {
            let mut o = outbox(reports, reports + more);
            let (mut seq, mut token, mut now) = (0, 0, 0);
            let (mut last_seq, mut last_token) = (None, None);
            for step in steps {
                now += 3_000;
                match step {
                    0..=3 => { o.push(report(seq)); seq += 1; }
                    4 => { o.push(pong(token)); token += 1; }
                    5 => o.busy(now),
                    _ => if let Some(message) = o.front(now).cloned() {
                        match message {
                            Up::Report(r) => { prop_assert!(last_seq < Some(r.seq)); last_seq = Some(r.seq); }
                            Up::Pong(p) => { prop_assert!(last_token < Some(p.token)); last_token = Some(p.token); }
                            other => prop_assert!(false, "{:?}", other),
                        }
                        o.sent();
                    }
                }
                let c = o.counts();
                prop_assert!(o.reports() <= reports && o.len() <= reports + more);
                prop_assert_eq!(c.pushed_reports, c.sent_reports + c.dropped_reports + o.reports() as u64);
                prop_assert_eq!(c.pushed_others, c.sent_others + c.dropped_others + (o.len() - o.reports()) as u64);
            }
        }
    }
}
