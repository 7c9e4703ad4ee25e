//! A daemon that dies or hangs is started again.

use crate::rig::PATIENCE;
use crate::scenario::{Failed, Scenario, claim};
use crate::{Ability, Listener, Rig, Setup};
use mtcae_boards::Patience;
use mtcae_wire::{Hello, Up};
use std::time::{Duration, Instant};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "daemon-killed",
        suite: "watchdog",
        proves: "A daemon that is killed is started again by its launcher, as a new start, and reports again.",
        untried: "systemd as the one who starts the launcher again.",
        needs: &[Ability::Line, Ability::Frames, Ability::Kill],
        minutes: 5,
        quick: true,
        run: killed,
    },
    Scenario {
        name: "threads-frozen",
        suite: "watchdog",
        proves: "Each kind of thread of the daemon, stopped by itself, is noticed within the heartbeat's limit, and the daemon is started again.",
        untried: "The hardware watchdog, which resets the whole board.",
        needs: &[Ability::Line, Ability::Frames, Ability::Kill, Ability::Freeze],
        minutes: 8,
        quick: false,
        run: frozen,
    },
    Scenario {
        name: "board-hangs",
        suite: "watchdog",
        proves: "A board whose system hangs is reset by its watchdog, starts, and reports again as a new start.",
        untried: "A watchdog in hardware, which outlives a kernel that is dead.",
        needs: &[Ability::Line, Ability::Frames, Ability::Reset],
        minutes: 2,
        quick: true,
        run: hangs,
    },
];

/// Longest time between heartbeats that the launcher bears.
const HEARTBEAT: Duration = Duration::from_secs(4);
/// For ending what hangs and starting it again, on a busy machine.
const RESTART: Duration = Duration::from_secs(20);

fn hello(robot: &mut Listener) -> Result<Hello, Failed> {
    Ok(robot.session.hello(Patience { tries: 6, first: Duration::from_secs(1) })?)
}

/// Waits for a report of another start than `boot`.
fn again(robot: &mut Listener, boot: u32) -> Result<(), Failed> {
    robot.until("a report of a new start", PATIENCE, |up| match up {
        Up::Report(report) if report.boot != boot => Some(()),
        _ => None,
    })
}

fn killed(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let mut robot = rig.start(&Setup { slots: true, ..Setup::default() })?;
    let (mut slowest, times) = (Duration::ZERO, rig.times(20, 2));
    for _ in 0..times {
        let boot = robot.report(PATIENCE)?.boot;
        robot.listen(Duration::from_millis(rig.dice.below(1500)), |_| Ok(()))?;
        rig.bench.kill()?;
        let dead = Instant::now();
        rig.fault("daemon killed");
        again(&mut robot, boot)?;
        slowest = slowest.max(dead.elapsed());
        rig.recovery(format!("reports of a new start after {:.2} s", dead.elapsed().as_secs_f64()));
    }
    let boots = robot.tally.boots;
    claim(boots == times + 1, || format!("{times} kills, {boots} starts heard"))?;
    rig.heard(&mut robot)?;
    rig.figure("kills", f64::from(times), "kills");
    // A launcher waits twice as long from one start that ends early to the next, up to thirty times as long.
    rig.in_time("slowest return", slowest, Duration::from_secs(15))
}

fn frozen(rig: &mut Rig<'_>) -> Result<(), Failed> {
    // The thread that looks at the switch is one of them.
    let switch = rig.bench.lacks(Ability::Privacy).is_none();
    let mut robot = rig.start(&Setup { slots: true, switch, heartbeat: HEARTBEAT, ..Setup::default() })?;
    hello(&mut robot)?;
    robot.report(PATIENCE)?;
    let threads = rig.bench.threads()?;
    claim(threads.len() >= 3, || format!("only these threads can be frozen: {threads:?}"))?;
    let (mut slowest, limit) = (Duration::ZERO, HEARTBEAT + RESTART);
    for thread in &threads {
        let boot = robot.report(PATIENCE)?.boot;
        // Its first heartbeat has been heard by then.
        robot.listen(HEARTBEAT / 2, |_| Ok(()))?;
        rig.bench.freeze(thread)?;
        let stopped = Instant::now();
        rig.fault(format!("thread {thread} frozen"));
        again(&mut robot, boot)?;
        slowest = slowest.max(stopped.elapsed());
        rig.recovery(format!("reports of a new start after {:.1} s", stopped.elapsed().as_secs_f64()));
    }
    rig.figure("kinds of threads frozen", threads.len() as f64, "kinds");
    rig.heard(&mut robot)?;
    rig.in_time("slowest from the freeze to a report of a new start", slowest, limit)
}

fn hangs(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let mut robot = rig.start(&Setup::default())?;
    let boot = robot.report(PATIENCE)?.boot;
    rig.fault("the board hangs");
    let reset = rig.bench.hang()?;
    let up = Instant::now();
    again(&mut robot, boot)?;
    rig.recovery("reports of a new start");
    rig.heard(&mut robot)?;
    rig.figure("from the hang until the board is up again", reset.as_secs_f64(), "s");
    rig.in_time("from there to a report of a new start", up.elapsed(), RESTART)
}
