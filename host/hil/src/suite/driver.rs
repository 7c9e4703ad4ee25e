//! Camera drivers that fail in every way a virtual one can.

use super::RECOVERY;
use super::camera::Leaks;
use super::clips::{apart, at_rest, scores};
use crate::rig::PATIENCE;
use crate::scenario::{Failed, Scenario, claim};
use crate::{Ability, DriverFault, Listener, Rig, Setup, View};
use mtcae_wire::{CameraState, FaceReport, Report, Up};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "driver-faults",
        suite: "camera",
        proves: "After each fault of a camera's driver a face is reported again within 3 s; the first answer is that of the person who is there then, from whom nothing of the one before is left; nothing is left open.",
        untried: "Drivers of real cameras, which fail in ways of their own.",
        needs: &[Ability::Line, Ability::Frames, Ability::DriverFaults, Ability::Holdings],
        minutes: 12,
        quick: true,
        run: driver_faults,
    },
    Scenario {
        name: "clock-wraps",
        suite: "camera",
        proves: "A camera whose sequence numbers and time stamps wrap, and one that loses six buffers of ten, is reported from in order.",
        untried: "Cameras with clocks of their own.",
        needs: &[Ability::Line, Ability::Frames, Ability::DriverFaults],
        minutes: 2,
        quick: false,
        run: clock_wraps,
    },
];

/// Two people before the camera in turn, told apart by their answers.
const PEOPLE: [View; 2] = [View::Still { clip: "carphone", frame: 0 }, View::Still { clip: "astronaut", frame: 0 }];
/// Their answers differ at least by this.
const DIFFERENT: f64 = 0.1;
/// What a first answer may differ from that of the person who is there, as a share of the difference between the two: half
/// of what one frame of the other person, of the sixteen of a clip, would bring if each brought as much.
const SHARE: f64 = 1.0 / 32.0;

fn face(up: &Up) -> Option<(Report, FaceReport)> {
    match up {
        Up::Report(report) => report.face.clone().map(|face| (report.clone(), face)),
        _ => None,
    }
}

/// What is known of each person: the answers at rest.
fn known(rig: &mut Rig<'_>, robot: &mut Listener) -> Result<[Vec<f32>; 2], Failed> {
    let first = scores(&at_rest(robot)?);
    rig.bench.show(&PEOPLE[1])?;
    // Until nothing of the first one is left in a clip.
    robot.listen(Duration::from_secs(2), |_| Ok(()))?;
    let second = scores(&at_rest(robot)?);
    let different = apart(&first, &second);
    rig.figure("difference between the two people", different, "");
    claim(different >= DIFFERENT, || format!("the two people are too much alike: {first:?} {second:?}"))?;
    Ok([first, second])
}

fn driver_faults(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let mut robot = rig.start(&Setup { view: PEOPLE[0].clone(), ..Setup::default() })?;
    let known = known(rig, &mut robot)?;
    let same = apart(&known[0], &known[1]) * SHARE;
    let (mut leaks, times) = (Leaks::default(), rig.times(100, 5));
    let mut slowest: BTreeMap<DriverFault, Duration> = BTreeMap::new();
    let (mut now, mut furthest, mut looked_at) = (1, 0.0f64, 0);
    for turn in 0..times {
        let fault = DriverFault::ALL[turn as usize % DriverFault::ALL.len()];
        let (_, before) = robot.until("a face", PATIENCE, face)?;
        leaks.look(turn, rig.bench.holdings()?)?;
        rig.fault(fault.word());
        let took = if fault.loses_camera() {
            now = 1 - now;
            let after = lost_and_back(rig, &mut robot, fault, &PEOPLE[now])?;
            claim(after.face.id != before.id, || format!("{fault}: a face from before is still followed"))?;
            let answer = scores(&after.face);
            let (new, old) = (apart(&answer, &known[now]), apart(&answer, &known[1 - now]));
            if after.in_time {
                let found = format!("{fault}: the first answer is {new:.4} from who is there, {old:.4} from who was");
                rig.note(found.clone());
                claim(new <= same, || found)?;
                (furthest, looked_at) = (furthest.max(new), looked_at + 1);
            }
            after.took
        } else {
            let begin = Instant::now();
            rig.bench.driver_fault(fault, &PEOPLE[now])?;
            robot.until("a face", PATIENCE, face)?;
            begin.elapsed()
        };
        rig.recovery(format!("a face after {:.2} s", took.as_secs_f64()));
        let slowest = slowest.entry(fault).or_default();
        *slowest = took.max(*slowest);
    }
    rig.heard(&mut robot)?;
    rig.figure("faults", f64::from(times), "faults");
    rig.figure("first answers looked at", f64::from(looked_at), "answers");
    claim(looked_at > 0, || "the machine was too busy to show somebody else in time".to_owned())?;
    rig.at_most("furthest of them from the person who is there", furthest, same, "")?;
    slowest.iter().try_for_each(|(fault, took)| rig.within(format!("slowest recovery, {fault}"), *took, RECOVERY))
}

/// What came after a fault.
struct After {
    face: FaceReport,
    /// From the end of the fault until then.
    took: Duration,
    /// The next person was there before the camera was open again.
    in_time: bool,
}

/// What a board says around a fault.
#[derive(Default)]
struct Story {
    lost_us: Option<u64>,
    opened: bool,
    face: Option<FaceReport>,
}

impl Story {
    fn take(&mut self, up: &Up) -> Result<(), Failed> {
        match up {
            Up::Log(log) if log.text.as_str().contains("it is opened again") => {
                (self.lost_us, self.opened) = (Some(log.at_us), false);
            }
            Up::Log(log) if log.text.as_str().contains("is open again") => self.opened = self.lost_us.is_some(),
            Up::Report(report) => {
                let late = self.lost_us.is_some_and(|at| report.captured_us > at);
                claim(self.opened || !late, || format!("a report of {} us from a lost camera", report.captured_us))?;
                self.face = self.face.take().or_else(|| report.face.clone().filter(|_| late));
            }
            _ => {}
        }
        Ok(())
    }

    /// Listens until it says so.
    fn until(&mut self, robot: &mut Listener, what: &str, told: impl Fn(&Story) -> bool) -> Result<(), Failed> {
        let end = Instant::now() + PATIENCE;
        while !told(self) {
            claim(Instant::now() < end, || format!("{what} did not come within {} s", PATIENCE.as_secs()))?;
            robot.session.check_stop()?;
            if let Some(up) = robot.next(Duration::from_millis(100)) {
                self.take(&up)?;
            }
        }
        Ok(())
    }
}

/// One fault that loses the camera, while another person takes the place of the first.
fn lost_and_back(rig: &mut Rig<'_>, robot: &mut Listener, fault: DriverFault, who: &View) -> Result<After, Failed> {
    let (mut begin, mut story) = (Instant::now(), Story::default());
    rig.bench.driver_fault(fault, who)?;
    while let Some(up) = robot.next(Duration::ZERO) {
        story.take(&up)?;
    }
    let in_time = !story.opened;
    story.until(robot, "the word that the camera is lost", |story| story.lost_us.is_some())?;
    if fault.lasts() {
        rig.bench.driver_mended()?;
        begin = Instant::now();
    }
    story.until(robot, "a face after the fault", |story| story.face.is_some())?;
    let face = story.face.ok_or_else(|| Failed::Claim("no face".to_owned()))?;
    Ok(After { face, took: begin.elapsed(), in_time })
}

/// vivid's stamps wrap 16 s after streaming has begun.
const PAST_THE_WRAP: Duration = Duration::from_secs(20);
/// A stamp that was believed would be years away.
const BELIEVABLE_US: u32 = 20_000_000;

fn clock_wraps(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let mut robot = rig.start(&Setup { view: PEOPLE[0].clone(), ..Setup::default() })?;
    robot.until("a face", PATIENCE, face)?;
    rig.bench.driver_fault(DriverFault::ClockWraps, &PEOPLE[0])?;
    rig.fault(DriverFault::ClockWraps.word());
    robot.until("a camera that is lost", PATIENCE, |up| {
        matches!(up, Up::Status(status) if status.camera == CameraState::Lost).then_some(())
    })?;
    robot.until("a face", PATIENCE, face)?;
    let before = robot.tally.reports;
    robot.listen(PAST_THE_WRAP, |up| match up {
        Up::Report(report) => claim(report.age_us < BELIEVABLE_US, || format!("a report is {} us old", report.age_us)),
        _ => Ok(()),
    })?;
    let reports = robot.tally.reports - before;
    claim(reports > 10, || format!("{reports} reports in {} s", PAST_THE_WRAP.as_secs()))?;
    rig.bench.driver_mended()?;
    rig.recovery("the clock has wrapped");
    rig.figure("reports around the wrap", reports as f64, "reports");
    // The tally holds every report to its order.
    rig.heard(&mut robot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_wire::{Level, Log, Text};

    #[test]
    fn a_report_of_a_lost_camera_is_noticed() {
        let log = |at_us, text: &str| Up::Log(Log { at_us, level: Level::Warn, text: Text::new(text) });
        let report = |captured_us| {
            let (width, height) = (640, 480);
            Up::Report(Report {
                boot: 1,
                seq: 0,
                captured_us,
                age_us: 5,
                width,
                height,
                dropped: 0,
                faces: 0,
                face: None,
            })
        };
        let lost = log(50, "camera lost: gone; it is opened again");
        let mut story = Story::default();
        [report(40), lost.clone(), report(49)].iter().for_each(|up| story.take(up).unwrap());
        assert!(story.take(&report(51)).is_err());
        let mut story = Story::default();
        [lost, log(90, "camera x is open again"), report(95)].iter().for_each(|up| story.take(up).unwrap());
        assert!(story.opened && story.face.is_none());
    }
}
