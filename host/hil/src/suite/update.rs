//! Real updates into real slots: good ones, bad ones, and power that goes at any moment.

use crate::rig::PATIENCE;
use crate::scenario::{Failed, Scenario, claim};
use crate::{Ability, BenchError, BundleKind, Faults, Listener, Rig, Setup};
use mtcae_boards::{BoardError, BundleFile, Flashed, Options, Outcome, Patience, Session, Stage, flash};
use mtcae_wire::{Hello, SlotState, Slots, Up};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "flash-and-confirm",
        suite: "update",
        proves: "A good bundle goes over the line, is tried, is confirmed by its self-test, and runs; the same again changes nothing.",
        untried: "The time that a board's own flash memory takes.",
        needs: &[Ability::Line, Ability::Frames, Ability::Updates],
        minutes: 3,
        quick: true,
        run: flash_and_confirm,
    },
    Scenario {
        name: "bad-versions",
        suite: "update",
        proves: "A version that crashes, hangs or answers wrongly is given up, and the version before it runs again.",
        untried: "A version that harms the board's other programs.",
        needs: &[Ability::Line, Ability::Frames, Ability::Updates, Ability::Pace],
        minutes: 8,
        quick: false,
        run: bad_versions,
    },
    Scenario {
        name: "update-through-noise",
        suite: "update",
        proves: "A bundle arrives whole over a line that damages bits, and over one that is pulled out again and again.",
        untried: "Hours of it.",
        needs: &[Ability::Line, Ability::Frames, Ability::Updates, Ability::LineFaults, Ability::Unplug],
        minutes: 6,
        quick: false,
        run: through_noise,
    },
    Scenario {
        name: "power-cuts",
        suite: "update",
        proves: "Power that goes at any moment of an update leaves a board that starts again with a version that is whole; the update goes on and is confirmed.",
        untried: "What a real disk loses with its power: here processes or a virtual board are killed, and what this machine had been given stays.",
        needs: &[Ability::Line, Ability::Frames, Ability::Updates, Ability::PowerCuts],
        minutes: 30,
        quick: true,
        run: power_cuts,
    },
];

/// Bytes that make a bundle take its time.
const BALLAST: usize = 1_000_000;

fn setup() -> Setup {
    Setup { slots: true, heartbeat: Duration::from_secs(15), ..Setup::default() }
}

/// A line without a pace: what takes time is the board.
fn start(rig: &mut Rig<'_>) -> Result<Listener, Failed> {
    let mut robot = rig.start_over(&setup(), Faults::default())?;
    hello(&mut robot)?;
    robot.report(PATIENCE)?;
    Ok(robot)
}

fn hello(robot: &mut Listener) -> Result<Hello, Failed> {
    Ok(robot.session.hello(Patience { tries: 6, first: Duration::from_secs(2) })?)
}

fn open(path: &Path) -> Result<BundleFile, Failed> {
    let file = |what: &str| File::open(path).map_err(BenchError::system(what.to_owned()));
    Ok(BundleFile::read(path, file("read a bundle")?, file("read a bundle")?)?)
}

fn send(session: &mut Session, path: &Path, stage: &mut dyn FnMut(Stage)) -> Result<Flashed, Failed> {
    Ok(flash(session, &open(path)?, &Options::default(), stage)?)
}

/// The version in the slot that is active and confirmed, of the model.
fn confirmed(slots: &Slots) -> Option<String> {
    let active = slots.model.active?;
    let slot = slots.model.slots[active as usize].as_ref()?;
    (slot.state == SlotState::Confirmed).then(|| slot.version.as_str().to_owned())
}

/// Whether a version is on trial.
fn on_trial(slots: &Slots) -> bool {
    let all = slots.model.slots.iter().chain(&slots.daemon.slots);
    all.flatten().any(|slot| slot.state == SlotState::Trial)
}

fn runs(robot: &mut Listener, version: &str) -> Result<(), Failed> {
    hello(robot)?;
    let slots = robot.session.slots()?;
    claim(confirmed(&slots).as_deref() == Some(version), || {
        format!("{version} is not what runs, confirmed: {slots:?}")
    })?;
    robot.report(PATIENCE).map(drop)
}

fn flash_and_confirm(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let mut robot = start(rig)?;
    let bundle = rig.bench.bundle(2, BundleKind::Good { ballast: BALLAST })?;
    rig.note("flash begins");
    let began = Instant::now();
    let flashed = send(&mut robot.session, &bundle, &mut |_| {})?;
    claim(flashed.outcome == Outcome::Confirmed, || format!("it ended as {:?}", flashed.outcome))?;
    rig.recovery("confirmed");
    rig.figure("length of the bundle", bundle.metadata().map_or(0.0, |m| m.len() as f64 / 1e6), "MB");
    rig.figure("from the offer to the confirmation", began.elapsed().as_secs_f64(), "s");
    runs(&mut robot, "1.2.0")?;
    let again = send(&mut robot.session, &bundle, &mut |_| {})?;
    claim(again.outcome == Outcome::AlreadyThere, || format!("the same again ended as {:?}", again.outcome))?;
    rig.heard(&mut robot)
}

fn bad_versions(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let mut robot = start(rig)?;
    let bad =
        [("crashes", BundleKind::Crashes), ("hangs", BundleKind::Hangs), ("answers wrongly", BundleKind::WrongAnswer)];
    for (counter, (what, kind)) in (2..).zip(bad) {
        let bundle = rig.bench.bundle(counter, kind)?;
        rig.fault(format!("a version that {what}"));
        let began = Instant::now();
        match flash(&mut robot.session, &open(&bundle)?, &Options::default(), &mut |_| {}) {
            Err(BoardError::RolledBack { .. } | BoardError::NotConfirmed { .. }) => {}
            Err(error) => return Err(Failed::Claim(format!("a version that {what}: {error}"))),
            Ok(flashed) => return Err(Failed::Claim(format!("a version that {what} ended as {:?}", flashed.outcome))),
        }
        runs(&mut robot, "1.1.0")?;
        rig.recovery("the version before it runs");
        rig.figure(format!("until a version that {what} is given up"), began.elapsed().as_secs_f64(), "s");
    }
    rig.heard(&mut robot)
}

fn through_noise(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let mut robot = start(rig)?;
    let bundle = rig.bench.bundle(2, BundleKind::Good { ballast: BALLAST })?;
    // Chunks are long frames: at this rate one in ten is damaged.
    rig.line(Faults { noise: crate::NoiseKind::Bits { rate: 1e-5 }, ..Faults::default() });
    rig.fault("bits at 1e-5");
    let flashed = send(&mut robot.session, &bundle, &mut |_| {})?;
    rig.line(Faults::default());
    claim(flashed.outcome == Outcome::Confirmed, || format!("it ended as {:?}", flashed.outcome))?;
    rig.figure("faults injected", rig.line_counts().down.faults as f64, "faults");
    rig.recovery("confirmed");
    let bundle = rig.bench.bundle(3, BundleKind::Good { ballast: BALLAST })?;
    rig.heard(&mut robot)?;
    // A line has one user at a time.
    drop(robot);
    let (flight, times) = (Flight::start(rig, &bundle)?, rig.times(10, 3));
    for _ in 0..times {
        std::thread::sleep(Duration::from_millis(300 + rig.dice.below(1_500)));
        rig.unplug()?;
        std::thread::sleep(Duration::from_millis(rig.dice.below(800)));
        rig.plug_in()?;
    }
    let outcome = flight.end(rig.patience() * 2)?;
    claim(matches!(outcome, Some(Outcome::Confirmed)), || format!("it ended as {outcome:?}"))?;
    rig.recovery("confirmed");
    rig.figure("times pulled out", f64::from(times), "faults");
    let mut robot = rig.listen()?;
    runs(&mut robot, "1.3.0")?;
    rig.heard(&mut robot)
}

/// A flash in a thread of its own, so that something can happen to it.
struct Flight {
    stop: Arc<AtomicBool>,
    /// The whole run's.
    run_stops: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Result<Flashed, Failed>>,
}

impl Flight {
    fn start(rig: &Rig<'_>, bundle: &Path) -> Result<Flight, Failed> {
        let (mut session, stop) = (rig.listen()?.session, Arc::new(AtomicBool::new(false)));
        session.stop_with(Arc::clone(&stop));
        let bundle = bundle.to_owned();
        let thread = std::thread::Builder::new()
            .name("flash".to_owned())
            .spawn(move || send(&mut session, &bundle, &mut |_| {}))
            .map_err(BenchError::system("start a thread"))?;
        Ok(Flight { stop, run_stops: Arc::clone(&rig.settings.stop), thread })
    }

    /// Waits at most so long for its end, or until the whole run is stopped.
    fn wait(&self, patience: Duration) {
        let end = Instant::now() + patience;
        while !self.thread.is_finished() && !self.run_stops.load(Ordering::Relaxed) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits at most so long, then stops it; how it ended, `None` when it was stopped.
    fn end(self, patience: Duration) -> Result<Option<Outcome>, Failed> {
        self.wait(patience);
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(Ok(flashed)) => Ok(Some(flashed.outcome)),
            Ok(Err(Failed::Board(BoardError::Stopped))) => Ok(None),
            Ok(Err(failed)) => Err(failed),
            Err(_) => Err(Failed::Claim("the flash panicked".to_owned())),
        }
    }
}

fn power_cuts(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let mut robot = start(rig)?;
    // One update without a cut says how long the others may take until they are cut.
    let bundle = rig.bench.bundle(2, BundleKind::Good { ballast: BALLAST })?;
    let began = Instant::now();
    send(&mut robot.session, &bundle, &mut |_| {})?;
    let usual_ms = began.elapsed().as_millis() as u64;
    runs(&mut robot, "1.2.0")?;
    rig.heard(&mut robot)?;
    drop(robot);
    rig.note(format!("an update takes {:.1} s when nobody cuts it", usual_ms as f64 / 1e3));
    let wanted = rig.times(50, 3);
    let (mut cuts, mut updates, mut counter) = (0, 0, 2);
    while cuts < wanted {
        counter += 1;
        let bundle = rig.bench.bundle(counter, BundleKind::Good { ballast: BALLAST })?;
        cuts += update_under_cuts(rig, &bundle, counter, wanted - cuts, usual_ms)?;
        updates += 1;
    }
    rig.figure("power cuts", f64::from(cuts), "cuts");
    rig.figure("updates confirmed in spite of them", f64::from(updates), "updates");
    rig.figure("starts with a version that is whole", f64::from(cuts), "starts");
    Ok(())
}

/// One update until it is confirmed; how often it was cut.
fn update_under_cuts(rig: &mut Rig<'_>, bundle: &Path, counter: u32, most: u32, usual_ms: u64) -> Result<u32, Failed> {
    let (mut cuts, mut spare) = (0, false);
    let before = format!("1.{}.0", counter - 1);
    let after = format!("1.{counter}.0");
    loop {
        let flight = Flight::start(rig, bundle)?;
        let cut = cuts < most && !spare;
        let after_ms = if cut { rig.dice.below(usual_ms * 11 / 10) } else { 2 * rig.patience().as_millis() as u64 };
        let (ended, was_cut) = flight.end_after(Duration::from_millis(after_ms), cut, rig)?;
        if let (Some(outcome), false) = (ended, was_cut) {
            let fine = matches!(outcome, Outcome::Confirmed | Outcome::AlreadyThere);
            claim(fine, || format!("the update ended as {outcome:?}"))?;
            let mut robot = rig.listen()?;
            return runs(&mut robot, &after).map(|()| cuts);
        }
        claim(was_cut, || format!("{after} was not confirmed in {} s", 2 * rig.patience().as_secs()))?;
        cuts += 1;
        rig.fault(format!("power cut {after_ms} ms into {after}"));
        rig.bench.power_on()?;
        let back = Instant::now();
        let mut robot = rig.listen()?;
        hello(&mut robot)?;
        let slots = robot.session.slots()?;
        let whole = confirmed(&slots).is_some_and(|version| version == before || version == after) || on_trial(&slots);
        claim(whole, || format!("after a cut {after_ms} ms into {after}: {slots:?}"))?;
        robot.until("a report after a power cut", PATIENCE, |up| matches!(up, Up::Report(_)).then_some(()))?;
        // A third start on trial that does not end well gives a version up, and rightly.
        spare = on_trial(&slots);
        rig.recovery(format!("reports after {:.1} s", back.elapsed().as_secs_f64()));
        robot.tally.check()?;
    }
}

impl Flight {
    /// Lets it run for so long, then cuts the power when it still runs and `cut`; how it ended, and whether it was cut. It
    /// may have ended in the moment of the cut.
    fn end_after(self, time: Duration, cut: bool, rig: &mut Rig<'_>) -> Result<(Option<Outcome>, bool), Failed> {
        self.wait(time);
        if !cut || self.thread.is_finished() {
            return self.end(Duration::ZERO).map(|outcome| (outcome, false));
        }
        rig.bench.power_cut()?;
        // However the flash takes it: what counts is what the board makes of it.
        let outcome = self.end(Duration::ZERO).unwrap_or(None);
        Ok((outcome, true))
    }
}
