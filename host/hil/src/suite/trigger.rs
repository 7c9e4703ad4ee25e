//! The frame trigger.

use crate::rig::PATIENCE;
use crate::scenario::{Failed, Scenario, claim};
use crate::{Ability, Listener, Rig, Setup};
use mtcae_wire::Up;
use std::time::{Duration, Instant};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "frame-trigger",
    suite: "trigger",
    proves: "With a frame trigger wired nothing is inferred without a pulse, and a pulse brings one answer, from a frame of its own.",
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

/// A pulse that brings none until then met no face, and is given again.
const AGAIN: Duration = Duration::from_secs(5);

/// Clips inferred so far, of what is heard next: a status may be on its way.
fn clips(robot: &mut Listener) -> Result<u32, Failed> {
    let status = |up: &Up| if let Up::Status(status) = up { Some(status.counters.clips) } else { None };
    robot.until("a status", PATIENCE, status)?;
    robot.until("a status", PATIENCE, status)
}

/// Gives a pulse until one is answered, with a frame captured after `last`; when that was captured, and the pulses given.
fn pulsed(rig: &mut Rig<'_>, robot: &mut Listener, last: u64) -> Result<(u64, u32), Failed> {
    let begin = Instant::now();
    for pulses in 1.. {
        claim(begin.elapsed() < PATIENCE, || "pulses bring no answer".to_owned())?;
        rig.bench.pulse()?;
        let given = Instant::now();
        while given.elapsed() < AGAIN {
            let Some(captured_us) = robot.next(Duration::from_millis(20)).as_ref().and_then(answer) else { continue };
            claim(captured_us > last, || format!("two pulses were answered with the frame of {captured_us} us"))?;
            return Ok((captured_us, pulses));
        }
    }
    Err(Failed::Claim("pulses bring no answer".to_owned()))
}

fn frame_trigger(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let mut robot = rig.start(&Setup { trigger: true, ..Setup::default() })?;
    clips(&mut robot)?;
    robot.listen(ALONE, |up| claim(answer(up).is_none(), || format!("nobody asked for this: {up:?}")))?;
    // A slow board may not have found the face yet.
    let (mut last, _) = pulsed(rig, &mut robot, 0)?;
    let (before, mut longest, mut given, times) = (clips(&mut robot)?, Duration::ZERO, 0, rig.times(200, 12));
    for _ in 0..times {
        let begin = Instant::now();
        let (captured_us, pulses) = pulsed(rig, &mut robot, last)?;
        if pulses == 1 {
            longest = longest.max(begin.elapsed());
        }
        (last, given) = (captured_us, given + pulses);
    }
    let inferred = clips(&mut robot)? - before;
    // The clip of the pulse before them may be counted late.
    claim((times..=given + 1).contains(&inferred), || format!("{inferred} clips were inferred for {given} pulses"))?;
    rig.figure("pulses that met no face", f64::from(given - times), "pulses");
    claim(given <= times * 2, || format!("{given} pulses brought {times} answers"))?;
    rig.heard(&mut robot)?;
    rig.figure("pulses", f64::from(times), "pulses");
    rig.within("longest time from a pulse to its answer", longest, WITHIN)
}
