//! From nothing to the first report, and what a board says of itself.

use crate::rig::PATIENCE;
use crate::scenario::{Failed, Scenario, claim};
use crate::{Ability, Rig, Setup};
use mtcae_boards::Patience;
use mtcae_wire::{CameraState, Condition, Up};
use std::time::{Duration, Instant};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "cold-start",
        suite: "start",
        proves: "A board that is started says who it is before anything else, and reports a face.",
        untried: "The time from power to the first report, with the board's own boot, camera and engine.",
        needs: &[Ability::Line, Ability::Frames],
        minutes: 2,
        quick: true,
        run: cold_start,
    },
    Scenario {
        name: "says-who-it-is",
        suite: "start",
        proves: "A running board answers who it is and how it is, and streams.",
        untried: "A real thermometer and the memory of a real board in the status.",
        needs: &[Ability::Line],
        minutes: 1,
        quick: true,
        run: says_who_it_is,
    },
    Scenario {
        name: "time-sync",
        suite: "start",
        proves: "Reports can be placed on the host's clock with an error below half the way there and back.",
        untried: "The drift of a real board's clock over hours.",
        needs: &[Ability::Line],
        minutes: 1,
        quick: true,
        run: time_sync,
    },
];

fn cold_start(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let mut starts = Vec::new();
    for _ in 0..rig.times(5, 1) {
        let began = Instant::now();
        let mut robot = rig.start(&Setup::default())?;
        let mut first = None;
        let said_hello = loop {
            let what = "the first message";
            let message = robot.until(what, PATIENCE, |up| Some(up.clone()))?;
            match message {
                Up::Hello(_) => break true,
                Up::Report(_) => break false,
                other => first = first.or(Some(other)),
            }
        };
        claim(said_hello && first.is_none(), || format!("before the hello came {first:?}"))?;
        rig.note("hello");
        robot.until("a report with a face", PATIENCE, |up| match up {
            Up::Report(report) => report.face.as_ref().map(drop),
            _ => None,
        })?;
        starts.push(began.elapsed().as_secs_f64());
        rig.recovery("first report with a face");
        rig.heard(&mut robot)?;
        drop(robot);
        rig.bench.stop()?;
    }
    rig.figure("from the start to a report with a face, slowest", starts.iter().copied().fold(0.0, f64::max), "s");
    Ok(())
}

fn says_who_it_is(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let mut robot = rig.start(&Setup::default())?;
    let hello = robot.session.hello(Patience { tries: 6, first: Duration::from_secs(1) })?;
    claim(hello.labels.len() >= 2, || format!("the model has {} labels", hello.labels.len()))?;
    rig.note(format!(
        "{}, firmware {}, model {} {}, engine {}",
        hello.device, hello.firmware, hello.model, hello.model_version, hello.engine
    ));
    let streams = |up: &Up| match up {
        Up::Status(status) if status.camera == CameraState::Streaming && status.counters.frames > 0 => {
            Some(status.clone())
        }
        _ => None,
    };
    let status = robot.until("a status that says that frames come", PATIENCE, streams)?;
    claim(status.boot == hello.boot, || "hello and status are of two starts".to_owned())?;
    claim(status.parts.memory != Condition::Bad, || format!("memory is above the limit: {} KiB", status.rss_kib))?;
    rig.figure("frames a second", f64::from(status.fps_tenths) / 10.0, "1/s");
    rig.figure("memory of the daemon", f64::from(status.rss_kib) / 1024.0, "MiB");
    robot.report(PATIENCE)?;
    rig.heard(&mut robot)
}

fn time_sync(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let mut robot = rig.start(&Setup::default())?;
    robot.session.hello(Patience { tries: 6, first: Duration::from_secs(1) })?;
    let (mut ways, mut offsets) = (Vec::new(), Vec::new());
    for _ in 0..rig.times(40, 12) {
        let clock = robot.session.clock()?;
        ways.push(clock.round_trip_us);
        offsets.push(clock.host_offset_us);
    }
    // The fastest answer is the best guess; every other one may be wrong by half its own way.
    let best = ways.iter().enumerate().min_by_key(|(_, way)| **way).map_or(0, |(at, _)| at);
    for (way, offset) in ways.iter().zip(&offsets) {
        let allowed = (way + ways[best]) / 2 + 1_000;
        let apart = offset.abs_diff(offsets[best]);
        claim(apart <= allowed, || format!("clocks compared twice differ by {apart} us; the ways allow {allowed} us"))?;
    }
    rig.figure("fastest way there and back", ways[best] as f64 / 1e3, "ms");
    rig.in_time("error of the clock at most", Duration::from_micros(ways[best] / 2), Duration::from_millis(50))
}
