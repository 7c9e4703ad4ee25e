//! Cameras that go away and come back.

use super::RECOVERY;
use crate::rig::PATIENCE;
use crate::scenario::{Failed, Scenario, claim};
use crate::{Ability, Holdings, Listener, Rig, Setup, View};
use mtcae_wire::{CameraState, Up};
use std::time::{Duration, Instant};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "camera-gone-and-back",
    suite: "camera",
    proves: "A camera that goes is said to be lost at once; once it is back reports flow again within 3 s, no report is of a frame from before, and no descriptor or thread is left behind.",
    untried: "USB and MIPI cameras that are really unplugged, and drivers that hang.",
    needs: &[Ability::Line, Ability::Frames, Ability::CameraFaults, Ability::Holdings],
    minutes: 10,
    quick: true,
    run: gone_and_back,
}];

/// Memory that may come on top of what it had after the first faults, KiB: caches are still filling then.
const FLAT_KIB: u64 = 16 * 1024;

/// Holds what a daemon has to what it had after its first faults, when everything had been opened again once.
#[derive(Default)]
pub(super) struct Leaks(Option<Holdings>);

impl Leaks {
    /// One look after fault number `fault`, from 0.
    pub(super) fn look(&mut self, fault: u32, now: Holdings) -> Result<(), Failed> {
        match self.0 {
            None if fault >= 2 => self.0 = Some(now),
            None => {}
            Some(first) => {
                // One descriptor may be on its way in or out.
                let same = now.descriptors <= first.descriptors + 1 && now.threads <= first.threads;
                let flat = now.rss_kib <= first.rss_kib + FLAT_KIB;
                claim(same && flat, || format!("after {} faults {now:?}, at first {first:?}", fault + 1))?;
            }
        }
        Ok(())
    }
}

/// Waits for a status that says so of the camera; when.
fn until(robot: &mut Listener, camera: CameraState) -> Result<Instant, Failed> {
    let what = format!("a status with the camera {camera:?}");
    robot.until(&what, PATIENCE, |up| match up {
        Up::Status(status) if status.camera == camera => Some(Instant::now()),
        _ => None,
    })
}

fn gone_and_back(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let mut robot = rig.start(&Setup { view: View::Removable, ..Setup::default() })?;
    let (mut leaks, mut slowest, times) = (Leaks::default(), Duration::ZERO, rig.times(100, 4));
    for fault in 0..times {
        for _ in 0..3 {
            robot.report(PATIENCE)?;
        }
        leaks.look(fault, rig.bench.holdings()?)?;
        let before = robot.tally.last().map_or(0, |report| report.captured_us);
        rig.bench.camera(false)?;
        rig.fault("camera taken away");
        until(&mut robot, CameraState::Lost)?;
        std::thread::sleep(Duration::from_millis(rig.dice.below(300)));
        rig.bench.camera(true)?;
        let back = Instant::now();
        until(&mut robot, CameraState::Streaming)?;
        let report = robot.report(PATIENCE)?;
        claim(report.captured_us > before, || format!("a report of {} us, before the fault", report.captured_us))?;
        slowest = slowest.max(back.elapsed());
        rig.recovery(format!("reports after {:.2} s", back.elapsed().as_secs_f64()));
    }
    rig.heard(&mut robot)?;
    rig.figure("times the camera was taken away", f64::from(times), "faults");
    rig.within("slowest recovery", slowest, RECOVERY)
}
