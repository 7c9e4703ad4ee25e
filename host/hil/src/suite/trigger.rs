//! The frame trigger.

use crate::rig::PATIENCE;
use crate::scenario::{Failed, Scenario, claim};
use crate::{Ability, Listener, Rig, Setup};
use mtcae_wire::Up;
use std::time::{Duration, Instant};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "frame-trigger",
    suite: "trigger",
    proves: "With a frame trigger wired nothing is inferred without a pulse, and each pulse brings an answer from a frame of its own: a face, or that there is none.",
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

/// When the answer to the last pulse has surely come, and that of a second face, too.
const SETTLE: Duration = Duration::from_secs(1);

/// What is heard, and in how many reports a face was.
#[derive(Default)]
struct Heard {
    faces: u32,
}

impl Heard {
    /// Capture time of the frame that `up` reports of.
    fn take(&mut self, up: &Up) -> Option<u64> {
        let Up::Report(report) = up else { return None };
        self.faces += u32::from(report.face.is_some());
        Some(report.captured_us)
    }

    /// Clips inferred so far, once all is quiet.
    fn clips(&mut self, robot: &mut Listener) -> Result<u32, Failed> {
        robot.listen(SETTLE, |up| {
            self.take(up);
            Ok(())
        })?;
        // The first status may have been on its way.
        let mut statuses = 0;
        robot.until("two statuses", PATIENCE, |up| {
            self.take(up);
            let Up::Status(status) = up else { return None };
            statuses += 1;
            (statuses == 2).then_some(status.counters.clips)
        })
    }
}

fn frame_trigger(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let (mut robot, mut heard) = (rig.start(&Setup { trigger: true, ..Setup::default() })?, Heard::default());
    robot.until("a status", PATIENCE, |up| matches!(up, Up::Status(_)).then_some(()))?;
    robot.listen(ALONE, |up| {
        heard.take(up);
        claim(heard.faces == 0, || format!("nobody asked for this: {up:?}"))
    })?;
    let before = heard.clips(&mut robot)?;
    let (mut longest, mut last, times) = (Duration::ZERO, None, rig.times(200, 12));
    for _ in 0..times {
        let pulsed = Instant::now();
        rig.bench.pulse()?;
        // A face in a newer frame, or that there is none. Others in the same frame belong to the pulse before.
        let newer = |up: &Up| heard.take(up).filter(|captured_us| Some(*captured_us) > last);
        last = Some(robot.until("an answer to a pulse", PATIENCE, newer)?);
        longest = longest.max(pulsed.elapsed());
    }
    let inferred = heard.clips(&mut robot)? - before;
    rig.heard(&mut robot)?;
    rig.figure("pulses", f64::from(times), "pulses");
    rig.figure("faces told of", f64::from(heard.faces), "faces");
    claim(heard.faces >= times / 2, || format!("a face in {} answers to {times} pulses", heard.faces))?;
    claim(inferred == heard.faces, || format!("{inferred} clips were inferred for {} faces", heard.faces))?;
    rig.within("longest time from a pulse to its answer", longest, WITHIN)
}
