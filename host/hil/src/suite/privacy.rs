//! The privacy switch.

use crate::rig::PATIENCE;
use crate::scenario::{Failed, Scenario, claim};
use crate::{Ability, DriverFault, Listener, Rig, Setup};
use mtcae_wire::{CameraState, Up};
use std::time::{Duration, Instant};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "privacy-switch",
        suite: "privacy",
        proves: "After a flip of the privacy switch no report of later frames comes, the board says that no picture is left, and it looks again when it may.",
        untried: "A real switch, with its bouncing contacts and its broken wire.",
        needs: &[Ability::Line, Ability::Frames, Ability::Privacy],
        minutes: 5,
        quick: true,
        run: privacy_switch,
    },
    Scenario {
        name: "privacy-before-a-picture",
        suite: "privacy",
        proves: "A camera that was opened and gives no picture yet is closed by the switch as soon as one that does.",
        untried: "A sensor that takes its time to start.",
        needs: &[Ability::Line, Ability::Frames, Ability::Privacy, Ability::DriverFaults, Ability::Holdings],
        minutes: 3,
        quick: true,
        run: privacy_before_a_picture,
    },
    Scenario {
        name: "status-light",
        suite: "privacy",
        proves: "The status light is lit while a face is in view, and dark while nobody may look.",
        untried: "A light that a person sees.",
        needs: &[Ability::Line, Ability::Frames, Ability::Privacy, Ability::Light],
        minutes: 2,
        quick: true,
        run: status_light,
    },
];

/// The line of the log that says so.
const CLOSED: &str = "no picture is left";
/// The promise is 100 ms; the rest is for the line.
const WITHIN: Duration = Duration::from_millis(200);

/// Waits for a line of the log with `text`; the board's time of it.
fn log(robot: &mut Listener, text: &str) -> Result<u64, Failed> {
    robot.until(&format!("the log line {text:?}"), PATIENCE, |up| match up {
        Up::Log(line) if line.text.as_str().contains(text) => Some(line.at_us),
        _ => None,
    })
}

fn privacy_switch(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let mut robot = rig.start(&Setup { switch: true, ..Setup::default() })?;
    robot.report(PATIENCE)?;
    let (mut longest, times) = (Duration::ZERO, rig.times(200, 6));
    for _ in 0..times {
        rig.bench.privacy(true)?;
        let flipped = Instant::now();
        rig.fault("switch flipped: private");
        let closed_us = log(&mut robot, CLOSED)?;
        longest = longest.max(flipped.elapsed());
        let wait = Duration::from_millis(20 + rig.dice.below(200));
        robot.listen(wait, |up| {
            let late = matches!(up, Up::Report(report) if report.captured_us > closed_us);
            claim(!late, || format!("of a camera closed at {closed_us} us: {up:?}"))
        })?;
        rig.bench.privacy(false)?;
        log(&mut robot, "is open again")?;
        let report = robot.report(PATIENCE)?;
        claim(report.captured_us > closed_us, || format!("a report of {} us, before it closed", report.captured_us))?;
        rig.recovery("reports again");
    }
    rig.bench.privacy(true)?;
    robot.until("a status that says private", PATIENCE, |up| match up {
        Up::Status(status) => (status.camera == CameraState::Private).then_some(()),
        _ => None,
    })?;
    rig.heard(&mut robot)?;
    rig.figure("flips", f64::from(times), "flips");
    rig.within("longest time from a flip to the word that no picture is left", longest, WITHIN)
}

/// The driver streams and gives nothing: the daemon waits seconds for its first picture.
fn privacy_before_a_picture(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let setup = Setup { switch: true, ..Setup::default() };
    let mut robot = rig.start(&setup)?;
    robot.report(PATIENCE)?;
    rig.bench.privacy(true)?;
    log(&mut robot, CLOSED)?;
    let closed = rig.bench.holdings()?.descriptors;
    rig.bench.driver_fault(DriverFault::BuffersDropped, &setup.view)?;
    rig.fault(DriverFault::BuffersDropped.word());
    let (mut longest, times) = (Duration::ZERO, rig.times(50, 4));
    for _ in 0..times {
        rig.bench.privacy(false)?;
        let begin = Instant::now();
        while rig.bench.holdings()?.descriptors <= closed {
            claim(begin.elapsed() < PATIENCE, || "the camera was not opened again".to_owned())?;
        }
        rig.bench.privacy(true)?;
        let flipped = Instant::now();
        log(&mut robot, CLOSED)?;
        longest = longest.max(flipped.elapsed());
        let now = rig.bench.holdings()?.descriptors;
        claim(now == closed, || format!("{now} descriptors are open behind the switch, {closed} were before"))?;
    }
    rig.bench.driver_mended()?;
    rig.bench.privacy(false)?;
    robot.until("a face", PATIENCE, |up| matches!(up, Up::Report(r) if r.face.is_some()).then_some(()))?;
    rig.recovery("reports again");
    rig.heard(&mut robot)?;
    rig.figure("flips", f64::from(times), "flips");
    rig.within("longest time from a flip to the word that no picture is left", longest, WITHIN)
}

/// How often the light is lit in so many looks.
fn lit(rig: &mut Rig<'_>, looks: u32) -> Result<u32, Failed> {
    let mut count = 0;
    for _ in 0..looks {
        count += u32::from(rig.bench.lit()?);
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(count)
}

fn status_light(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let mut robot = rig.start(&Setup { switch: true, ..Setup::default() })?;
    let looks = 20;
    for _ in 0..rig.times(5, 1) {
        robot.until("a face", PATIENCE, |up| matches!(up, Up::Report(r) if r.face.is_some()).then_some(()))?;
        // Its pattern changes a moment after the report.
        robot.listen(Duration::from_millis(500), |_| Ok(()))?;
        let on = lit(rig, looks)?;
        rig.figure("looks at a face in which the light was lit", f64::from(on) / f64::from(looks) * 100.0, "%");
        // Without a face it is lit in one look of twenty; a busy machine loses the face for a moment.
        claim(on > looks / 2, || format!("lit in {on} of {looks} looks while a face is in view"))?;
        rig.bench.privacy(true)?;
        rig.note("private");
        log(&mut robot, CLOSED)?;
        robot.listen(Duration::from_millis(200), |_| Ok(()))?;
        let on = lit(rig, looks)?;
        claim(on == 0, || format!("lit in {on} of {looks} looks while nobody may look"))?;
        rig.bench.privacy(false)?;
        log(&mut robot, "is open again")?;
    }
    rig.heard(&mut robot)
}
