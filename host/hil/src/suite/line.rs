//! A line that is pulled out, damaged, slow, or split.

use super::RECOVERY;
use super::camera::Leaks;
use crate::rig::PATIENCE;
use crate::scenario::{Failed, Scenario, claim};
use crate::{Ability, Faults, NoiseKind, Rig, Setup};
use mtcae_wire::Up;
use std::time::{Duration, Instant};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "line-pulled-out",
        suite: "line",
        proves: "A line that is pulled out and put back in carries a hello and reports again within 3 s, in order and none twice; no descriptor or thread is left behind.",
        untried: "Real plugs, USB adapters that come back under another name, and chatter on the way in.",
        needs: &[Ability::Line, Ability::Frames, Ability::Unplug, Ability::Holdings],
        minutes: 10,
        quick: true,
        run: pulled_out,
    },
    Scenario {
        name: "bit-errors",
        suite: "line",
        proves: "On a line that damages bits alone (1e-4) or in bursts (1e-3) reports go on, none that is accepted is out of order or of a start that never was, and no more are missing than the faults explain.",
        untried: "Noise, crosstalk and a wrong baud rate on copper.",
        needs: &[Ability::Line, Ability::LineFaults],
        minutes: 4,
        quick: true,
        run: bit_errors,
    },
    Scenario {
        name: "slow-and-split",
        suite: "line",
        proves: "At 9600 baud, with delays and with frames split into single bytes, whatever arrives is whole and in order.",
        untried: "A UART's own buffers and flow control.",
        needs: &[Ability::Line, Ability::Frames, Ability::LineFaults, Ability::Pace],
        minutes: 2,
        quick: false,
        run: slow_and_split,
    },
];

fn pulled_out(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let mut robot = rig.start(&Setup::default())?;
    let (mut leaks, mut slowest, times) = (Leaks::default(), Duration::ZERO, rig.times(100, 4));
    for fault in 0..times {
        for _ in 0..3 {
            robot.report(PATIENCE)?;
        }
        leaks.look(fault, rig.bench.holdings()?)?;
        rig.unplug()?;
        // What had arrived before is heard before what comes after.
        robot.listen(Duration::from_millis(60 + rig.dice.below(500)), |_| Ok(()))?;
        rig.plug_in()?;
        let back = Instant::now();
        robot.until("a hello", PATIENCE, |up| matches!(up, Up::Hello(_)).then_some(()))?;
        robot.report(PATIENCE)?;
        slowest = slowest.max(back.elapsed());
        rig.recovery(format!("reports after {:.2} s", back.elapsed().as_secs_f64()));
    }
    let dropped = robot.tally.last().map_or(0, |report| report.dropped);
    rig.heard(&mut robot)?;
    rig.figure("times pulled out", f64::from(times), "faults");
    rig.figure("reports missing", robot.tally.missing as f64, "reports");
    rig.figure("reports said to be dropped", f64::from(dropped), "reports");
    // What was written into a line that had just been pulled out is neither received nor known to be lost.
    claim(robot.tally.missing >= u64::from(dropped), || format!("{dropped} dropped, {} missing", robot.tally.missing))?;
    rig.within("slowest recovery", slowest, RECOVERY)
}

fn bit_errors(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let kinds = [
        ("bits at 1e-4", NoiseKind::Bits { rate: 1e-4 }),
        ("bursts at 1e-3", NoiseKind::Bursts { rate: 1e-3, length: 24 }),
    ];
    let mut robot = rig.start(&Setup { status_every_ms: 200, max_hz: 30.0, ..Setup::default() })?;
    robot.report(PATIENCE)?;
    let time = Duration::from_secs(if rig.settings.quick { 8 } else { 90 });
    for (name, noise) in kinds {
        let before = (robot.tally.missing, robot.session.counts(), rig.line_counts().up);
        rig.line(Faults { noise, ..Faults::default() });
        rig.fault(name);
        robot.listen(time, |_| Ok(()))?;
        rig.line(Faults::default());
        let report = Instant::now();
        robot.report(PATIENCE)?;
        rig.recovery(format!("{name} ended; a report after {:.2} s", report.elapsed().as_secs_f64()));
        let (missing, counts, up) = (robot.tally.missing - before.0, robot.session.counts(), rig.line_counts().up);
        let (faults, bad) = (up.faults - before.2.faults, u64::from(counts.bad - before.1.bad));
        rig.figure(format!("{name}: faults injected on the way up"), faults as f64, "faults");
        rig.figure(format!("{name}: frames refused"), bad as f64, "frames");
        rig.figure(format!("{name}: reports missing"), missing as f64, "reports");
        claim(faults > 0 || rig.settings.quick, || format!("{name}: no fault was injected"))?;
        // A fault may hit a delimiter, and so two frames.
        claim(missing <= 2 * faults, || format!("{name}: {missing} reports missing after {faults} faults"))?;
    }
    // The tally holds every report that was accepted to order and start.
    claim(robot.tally.boots == 1, || format!("reports of {} starts were accepted", robot.tally.boots))?;
    rig.heard(&mut robot)
}

fn slow_and_split(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let setup = Setup { baud: 9600, max_hz: 15.0, status_every_ms: 2000, ..Setup::default() };
    let faults = Faults { baud: 9600, delay_us: 30_000, jitter_us: 20_000, split: 1, ..Faults::default() };
    let mut robot = rig.start_over(&setup, faults)?;
    robot.report(PATIENCE)?;
    // Who opens a line in the middle of a frame hears its end.
    let before = robot.session.counts().bad;
    rig.fault("9600 baud, 30 to 50 ms late, byte by byte");
    robot.listen(Duration::from_secs(if rig.settings.quick { 10 } else { 45 }), |_| Ok(()))?;
    let bad = robot.session.counts().bad - before;
    claim(bad == 0, || format!("{bad} damaged frames on a line without noise"))?;
    let (dropped, missing) = (robot.tally.last().map_or(0, |report| report.dropped), robot.tally.missing);
    rig.figure("reports heard", robot.tally.reports as f64, "reports");
    rig.figure("reports missing", missing as f64, "reports");
    rig.figure("reports said to be dropped", f64::from(dropped), "reports");
    let mut ages = robot.tally.ages_us.clone();
    ages.sort_unstable();
    let age = ages.get(ages.len() * 95 / 100).map_or(0.0, |age| f64::from(*age) / 1e3);
    rig.figure("age of a report when it is sent, 95 of 100", age, "ms");
    claim(robot.tally.reports >= 10, || format!("only {} reports", robot.tally.reports))?;
    rig.heard(&mut robot)
}
