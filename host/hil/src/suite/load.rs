//! Order and accounting under load, heat, and a long run.

use crate::rig::PATIENCE;
use crate::scenario::{Failed, Scenario, claim};
use crate::{Ability, Rig, Setup, Tally};
use mtcae_wire::{Condition, Status, Up};
use std::time::{Duration, Instant};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "reports-flow",
        suite: "load",
        proves: "For a minute reports flow in order, from one start, and none is missing.",
        untried: "The age of reports on the board's own processor.",
        needs: &[Ability::Line, Ability::Pace],
        minutes: 2,
        quick: true,
        run: reports_flow,
    },
    Scenario {
        name: "drop-accounting",
        suite: "load",
        proves: "When more reports are made than the line takes, the oldest are dropped and order holds; but for what a line swallows as it goes, every missing report is said to be dropped.",
        untried: "A robot's own computer that falls behind.",
        needs: &[Ability::Line, Ability::Frames, Ability::Unplug, Ability::Pace],
        minutes: 3,
        quick: true,
        run: drop_accounting,
    },
    Scenario {
        name: "heat",
        suite: "load",
        proves: "A hot board says so, makes fewer answers, and makes more again when it has cooled.",
        untried: "Heat itself: what the board really draws and reaches in its housing.",
        needs: &[Ability::Line, Ability::Frames, Ability::Heat, Ability::Pace],
        minutes: 5,
        quick: false,
        run: heat,
    },
    Scenario {
        name: "soak",
        suite: "load",
        proves: "For as long as it runs, reports flow in order, memory stays flat, and nothing is left open.",
        untried: "Days, with a real camera and in real heat.",
        needs: &[Ability::Line, Ability::Frames, Ability::Holdings, Ability::Pace],
        minutes: 12,
        quick: false,
        run: soak,
    },
];

fn reports_flow(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let mut robot = rig.start(&Setup::default())?;
    robot.report(PATIENCE)?;
    let time = Duration::from_secs(if rig.settings.quick { 10 } else { 60 });
    robot.listen(time, |_| Ok(()))?;
    robot.session.check_stop()?;
    let Tally { reports, missing, boots, .. } = robot.tally;
    let mut ages = robot.tally.ages_us.clone();
    ages.sort_unstable();
    let at = |percent: usize| ages.get((ages.len() - 1) * percent / 100).map_or(0.0, |age| f64::from(*age) / 1e3);
    rig.figure("reports a second", reports as f64 / time.as_secs_f64(), "1/s");
    rig.figure("age of a report when it is sent, median", at(50), "ms");
    rig.figure("age of a report when it is sent, 95 of 100", at(95), "ms");
    claim(reports >= time.as_secs() / 2, || format!("{reports} reports in {} s", time.as_secs()))?;
    claim(missing == 0 && boots == 1, || format!("{missing} reports missing, {boots} starts"))?;
    rig.heard(&mut robot)
}

/// How long nobody takes what the board has to say: more reports are made than may wait.
const AWAY: Duration = Duration::from_secs(12);
/// Reports that a line may swallow in the moment in which it is pulled out: they were sent, and did not arrive.
const SWALLOWED: u64 = 64;

fn drop_accounting(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let mut robot = rig.start(&Setup { max_hz: 30.0, status_every_ms: 500, ..Setup::default() })?;
    robot.report(PATIENCE)?;
    let (mut told, times) = (0, rig.times(5, 1));
    for _ in 0..times {
        rig.unplug()?;
        let end = Instant::now() + AWAY;
        while Instant::now() < end {
            robot.session.check_stop()?;
            std::thread::sleep(Duration::from_millis(100));
        }
        rig.plug_in()?;
        let last = robot.report(PATIENCE)?.seq;
        // What still waited goes first; what was dropped before is told by what comes after.
        robot.until("later reports", PATIENCE, |up| match up {
            Up::Report(report) => (report.seq > last + 10).then_some(()),
            _ => None,
        })?;
        rig.recovery("reports again");
        let (missing, dropped) =
            (robot.tally.missing, robot.tally.last().map_or(0, |report| u64::from(report.dropped)));
        claim(dropped > told, || format!("nothing was dropped in {} s without a line", AWAY.as_secs()))?;
        told = dropped;
        let explained = (dropped..=dropped + SWALLOWED * u64::from(times)).contains(&missing);
        claim(explained, || format!("{missing} reports missing, {dropped} said to be dropped"))?;
    }
    rig.figure("reports heard", robot.tally.reports as f64, "reports");
    rig.figure("reports missing", robot.tally.missing as f64, "reports");
    rig.figure("reports said to be dropped", told as f64, "reports");
    rig.heard(&mut robot)
}

/// The next status.
fn status(robot: &mut crate::Listener, what: &str, wanted: impl Fn(&Status) -> bool) -> Result<Status, Failed> {
    robot.until(what, PATIENCE, |up| match up {
        Up::Status(status) if wanted(status) => Some(status.clone()),
        _ => None,
    })
}

fn heat(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let mut robot = rig.start(&Setup::default())?;
    robot.report(PATIENCE)?;
    let cool = status(&mut robot, "a cool status", |s| s.parts.temperature == Condition::Good)?;
    rig.bench.heat(85.0)?;
    rig.fault("85 degrees");
    let hot = status(&mut robot, "a status that says hot", |s| s.parts.temperature == Condition::Strained)?;
    claim(hot.clips_tenths < cool.clips_tenths, || format!("cool {} hot {}", cool.clips_tenths, hot.clips_tenths))?;
    rig.bench.heat(99.0)?;
    rig.fault("99 degrees");
    let worst = status(&mut robot, "a status that says too hot", |s| s.parts.temperature == Condition::Bad)?;
    claim(worst.clips_tenths < hot.clips_tenths, || format!("hot {} 99 {}", hot.clips_tenths, worst.clips_tenths))?;
    let (from, clips) = (Instant::now(), worst.counters.clips);
    let later = status(&mut robot, "a later status", |s| s.uptime_ms > worst.uptime_ms + 3_000)?;
    let most = f64::from(worst.clips_tenths) / 10.0 * (later.uptime_ms - worst.uptime_ms) as f64 / 1e3 + 2.0;
    let made = f64::from(later.counters.clips.wrapping_sub(clips));
    rig.at_most(format!("clips in {:.1} s at 99 degrees", from.elapsed().as_secs_f64()), made, most, "clips")?;
    rig.bench.heat(45.0)?;
    // The rate comes back in steps, so that a board at the limit does not swing; a quick run waits for the first one.
    let cooled = Instant::now();
    let wanted = if rig.settings.quick { worst.clips_tenths + 1 } else { cool.clips_tenths };
    let back = |up: &Up| matches!(up, Up::Status(status) if status.clips_tenths >= wanted).then_some(());
    robot.until("a status with a higher rate", 3 * PATIENCE, back)?;
    rig.recovery("45 degrees, a higher rate");
    rig.figure("until the rate had risen again", cooled.elapsed().as_secs_f64(), "s");
    rig.heard(&mut robot)
}

/// Until then caches fill.
const WARM_UP: Duration = Duration::from_secs(60);
/// Growth after it that counts as flat, KiB.
const FLAT_KIB: u64 = 8 * 1024;

fn soak(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let length = rig.settings.soak;
    let mut robot = rig.start(&Setup::default())?;
    robot.report(PATIENCE)?;
    let (began, warm_up) = (Instant::now(), WARM_UP.min(length / 3));
    let (mut warm, mut first, mut most) = (0, None, 0);
    while began.elapsed() < length {
        let before = robot.tally.reports;
        robot.listen(Duration::from_secs(1), |_| Ok(()))?;
        robot.session.check_stop()?;
        let holdings = rig.bench.holdings()?;
        if began.elapsed() < warm_up {
            warm = warm.max(holdings.rss_kib);
            continue;
        }
        claim(robot.tally.reports > before || robot.report(PATIENCE).is_ok(), || "no more reports".to_owned())?;
        let at_first = *first.get_or_insert(holdings);
        // A thermometer may be open just now.
        let same = holdings.descriptors <= at_first.descriptors + 1 && holdings.threads <= at_first.threads;
        claim(same, || format!("{holdings:?}, after the warm-up {at_first:?}"))?;
        most = most.max(holdings.rss_kib);
        let (now, flat) = (holdings.rss_kib, warm.max(at_first.rss_kib) + FLAT_KIB);
        claim(now <= flat, || format!("{now} KiB after {} s; {flat} KiB would be flat", began.elapsed().as_secs()))?;
    }
    rig.figure("length", began.elapsed().as_secs_f64() / 60.0, "min");
    rig.figure("reports", robot.tally.reports as f64, "reports");
    rig.figure("memory after the warm-up", warm as f64 / 1024.0, "MiB");
    rig.figure("memory at most", most as f64 / 1024.0, "MiB");
    claim(robot.tally.boots == 1, || format!("the daemon started {} times", robot.tally.boots))?;
    rig.heard(&mut robot)?;
    rig.bench.stop()?;
    Ok(())
}
