//! A broker that goes and comes back.

use crate::rig::PATIENCE;
use crate::scenario::{Failed, Scenario, claim};
use crate::subscriber::{Passed, Subscriber};
use crate::suite::camera::Leaks;
use crate::{Ability, BenchError, Listener, Rig, Setup};
use std::time::{Duration, Instant};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "broker-gone-and-back",
    suite: "broker",
    proves: "A broker that is killed and comes back hears within 5 s that the board is available, and its reports, in order and none twice; the line loses none meanwhile, and nothing is left open.",
    untried: "A broker on another machine, behind a network that drops packets.",
    needs: &[Ability::Line, Ability::Frames, Ability::Holdings, Ability::Broker],
    minutes: 4,
    quick: true,
    run: gone_and_back,
}];

/// The board tries again every 4 s at most.
const BACK: Duration = Duration::from_secs(5);
const EVERYTHING: &str = "mtcae/#";

/// What a subscriber has heard of one board.
#[derive(Default)]
struct Heard {
    available: bool,
    /// Start and number of the newest report.
    last: Option<(u64, u64)>,
    reports: u64,
    broken: Option<String>,
}

impl Heard {
    fn take(&mut self, passed: &Passed) {
        if passed.topic.ends_with("/available") {
            self.available = passed.payload == b"online";
        }
        if !passed.topic.ends_with("/scores") {
            return;
        }
        let json: serde_json::Value = serde_json::from_slice(&passed.payload).unwrap_or_default();
        let Some(now) = json["boot"].as_u64().zip(json["seq"].as_u64()) else {
            self.broken = Some(format!("{}: no boot and seq", passed.topic));
            return;
        };
        if let Some(last) = self.last
            && (now.0 != last.0 || now.1 <= last.1)
        {
            self.broken.get_or_insert(format!("report {now:?} (start, number) came after {last:?}"));
        }
        (self.last, self.reports) = (Some(now), self.reports + 1);
    }

    /// Listens until the board is available and one more report has come.
    fn until_a_report(&mut self, subscriber: &mut Subscriber, robot: &Listener) -> Result<(), Failed> {
        let (end, before) = (Instant::now() + PATIENCE, self.reports);
        self.available = false;
        while Instant::now() < end {
            robot.session.check_stop()?;
            let passed = subscriber.next(Duration::from_millis(100)).map_err(BenchError::system("hear the broker"))?;
            passed.iter().for_each(|passed| self.take(passed));
            if self.available && self.reports > before {
                return claim(self.broken.is_none(), || self.broken.clone().unwrap_or_default());
            }
        }
        let said = if self.available { "is available" } else { "is not available" };
        Err(Failed::Claim(format!("no report in {} s from a board that {said}", PATIENCE.as_secs())))
    }
}

fn gone_and_back(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let mut robot = rig.start(&Setup { broker: true, ..Setup::default() })?;
    robot.report(PATIENCE)?;
    let mut address = rig.bench.broker(true)?;
    let subscribe = |at| Subscriber::new(at, EVERYTHING).map_err(BenchError::system("subscribe"));
    let (mut subscriber, mut heard) = (subscribe(address)?, Heard::default());
    heard.until_a_report(&mut subscriber, &robot)?;
    let (mut leaks, mut slowest, times) = (Leaks::default(), Duration::ZERO, rig.times(30, 4));
    for fault in 0..times {
        leaks.look(fault, rig.bench.holdings()?)?;
        rig.bench.broker(false)?;
        rig.fault("broker killed");
        robot.listen(Duration::from_millis(200 + rig.dice.below(2_000)), |_| Ok(()))?;
        address = rig.bench.broker(true)?;
        let back = Instant::now();
        subscriber = subscribe(address)?;
        heard.until_a_report(&mut subscriber, &robot)?;
        slowest = slowest.max(back.elapsed());
        rig.recovery(format!("available, and a report after {:.2} s", back.elapsed().as_secs_f64()));
        // What the line has said meanwhile waits there.
        robot.report(PATIENCE)?;
    }
    rig.figure("times the broker was killed", f64::from(times), "faults");
    rig.figure("reports that the broker passed on", heard.reports as f64, "reports");
    let missing = robot.tally.missing;
    claim(missing == 0 && robot.tally.boots == 1, || format!("{missing} reports missing on the line"))?;
    rig.heard(&mut robot)?;
    rig.within("slowest recovery", slowest, BACK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_comes_twice_is_noticed() {
        let scores = |seq: u32| Passed {
            topic: "mtcae/bench/faces/f1/scores".to_owned(),
            payload: format!("{{\"boot\":7,\"seq\":{seq}}}").into_bytes(),
        };
        let mut heard = Heard::default();
        heard.take(&Passed { topic: "mtcae/bench/available".to_owned(), payload: b"online".to_vec() });
        [3, 4, 9].iter().for_each(|seq| heard.take(&scores(*seq)));
        assert!(heard.available && heard.reports == 3 && heard.broken.is_none());
        heard.take(&scores(9));
        assert!(heard.broken.unwrap().contains("came after"));
    }
}
