//! The frame trigger.

use crate::rig::PATIENCE;
use crate::scenario::{Failed, Scenario, claim};
use crate::{Ability, Listener, Rig, Setup};
use mtcae_wire::Up;
use std::time::{Duration, Instant};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "frame-trigger",
    suite: "trigger",
    proves: "With a frame trigger wired nothing is inferred without a pulse, and each pulse brings one answer, from a frame of its own.",
    untried: "Pulses of another device, with their edges and their noise.",
    needs: &[Ability::Line, Ability::Frames, Ability::Trigger],
    minutes: 2,
    quick: true,
    run: frame_trigger,
}];

/// How long nothing may be inferred by itself.
const ALONE: Duration = Duration::from_secs(3);
/// From a pulse to its answer: a clip's inference and the line.
const WITHIN: Duration = Duration::from_millis(500);

fn answer(up: &Up) -> Option<u64> {
    match up {
        Up::Report(report) => report.face.is_some().then_some(report.captured_us),
        _ => None,
    }
}

/// Clips inferred so far, of what is heard next: a status may be on its way.
fn clips(robot: &mut Listener) -> Result<u32, Failed> {
    let status = |up: &Up| if let Up::Status(status) = up { Some(status.counters.clips) } else { None };
    robot.until("a status", PATIENCE, status)?;
    robot.until("a status", PATIENCE, status)
}

fn frame_trigger(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let mut robot = rig.start(&Setup { trigger: true, ..Setup::default() })?;
    clips(&mut robot)?;
    robot.listen(ALONE, |up| claim(answer(up).is_none(), || format!("nobody asked for this: {up:?}")))?;
    // A slow board may not have found the face yet.
    let (begin, mut last) = (Instant::now(), None);
    while last.is_none() {
        claim(begin.elapsed() < PATIENCE, || "pulses bring no answer".to_owned())?;
        rig.bench.pulse()?;
        robot.listen(Duration::from_secs(1), |up| {
            last = last.or(answer(up));
            Ok(())
        })?;
    }
    // Answers to the pulses before that one may be on their way.
    let mut late = last;
    while late.take().is_some() {
        robot.listen(Duration::from_secs(1), |up| {
            late = late.or(answer(up));
            Ok(())
        })?;
        last = last.max(late);
    }
    let (before, mut longest, times) = (clips(&mut robot)?, Duration::ZERO, rig.times(200, 12));
    for _ in 0..times {
        let pulsed = Instant::now();
        rig.bench.pulse()?;
        let captured_us = robot.until("an answer to a pulse", PATIENCE, answer)?;
        longest = longest.max(pulsed.elapsed());
        claim(Some(captured_us) > last, || format!("two pulses were answered with the frame of {captured_us} us"))?;
        last = Some(captured_us);
    }
    let inferred = clips(&mut robot)? - before;
    claim(inferred == times, || format!("{inferred} clips were inferred for {times} pulses"))?;
    rig.heard(&mut robot)?;
    rig.figure("pulses", f64::from(times), "pulses");
    rig.within("longest time from a pulse to its answer", longest, WITHIN)
}
