//! Starts, watches, stops, starts again.

use crate::error::LaunchError;
use crate::notify::{Ear, tell_if_asked};
use crate::say::tell;
use crate::slots;
use crate::watch::{Late, Limits, Pace, Watch};
use mtcae_update::{Choice, DAEMON_FILE, Depth, MAX_STARTS, Note, Pair, Why, WhyNothing};
use rustix::fs::{FlockOperation, flock};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Time between two looks at the daemon.
const LOOK: Duration = Duration::from_millis(100);
/// Looks between two signs of life for systemd.
const LOOKS_BETWEEN_SIGNS: u32 = 20;

/// What the launcher has for as long as it runs.
struct Launcher<'a> {
    root: &'a Path,
    limits: Limits,
    arguments: &'a [OsString],
    ear: Ear,
    stop: Arc<AtomicBool>,
    began: Instant,
    looks: u32,
}

/// Keeps a daemon running until SIGTERM or SIGINT.
pub fn supervise(root: &Path, limits: Limits, arguments: &[OsString]) -> Result<(), LaunchError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(LaunchError::system("no signal handler"))?;
    }
    slots::there(root)?;
    let _held = hold(root)?;
    let ear = Ear::new(root)?;
    let began = Instant::now();
    let mut launcher = Launcher { root, limits, arguments, ear, stop, began, looks: 0 };
    let mut pace = Pace::new(limits.restart_ms);
    let mut depth = Depth::Bytes;
    while !launcher.stopping() {
        let (ran_ms, ended_well) = match slots::choose(root, depth) {
            Ok(choice) => launcher.turn(choice)?,
            Err(error) => {
                tell!("{error}");
                (0, false)
            }
        };
        depth = Depth::Lengths;
        launcher.rest(pace.wait(ran_ms, ended_well));
    }
    tell_if_asked("STOPPING=1");
    Ok(())
}

/// Sees to it that one launcher runs on a root. The daemon inherits the lock, so that one that outlives its launcher keeps
/// the next launcher from starting a second. The folder itself is locked, which needs no writing.
fn hold(root: &Path) -> Result<File, LaunchError> {
    let cannot = || LaunchError::system(format!("cannot lock {}", root.display()));
    let file = File::open(root).map_err(cannot())?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(LaunchError::Running(root.display().to_string())),
        Err(error) => return Err(cannot()(error.into())),
    }
    fcntl_setfd(&file, FdFlags::empty()).map_err(|e| cannot()(e.into()))?;
    Ok(file)
}

impl Launcher<'_> {
    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// A sign of life for systemd, every so many looks.
    fn look(&mut self) {
        if self.looks.is_multiple_of(LOOKS_BETWEEN_SIGNS) {
            tell_if_asked("WATCHDOG=1");
        }
        self.looks = self.looks.wrapping_add(1);
    }

    fn rest(&mut self, wait_ms: u64) {
        let until = self.now() + wait_ms;
        while !self.stopping() && self.now() < until {
            self.look();
            sleep(LOOK.min(Duration::from_millis(until.saturating_sub(self.now()))));
        }
    }

    /// One start and what comes of it: how long it ran, and whether it ended by itself without an error.
    fn turn(&mut self, choice: Choice) -> Result<(u64, bool), LaunchError> {
        let (pair, trial, note) = match choice {
            Choice::Nothing(WhyNothing::Empty) => {
                return Err(LaunchError::Nothing(format!(
                    "no version is installed below {}; install one with `mtcae flash`",
                    self.root.display()
                )));
            }
            Choice::Nothing(WhyNothing::Damaged(what)) => {
                return Err(LaunchError::Nothing(format!("{what}, and no other version is whole; install one again")));
            }
            Choice::Start { pair, trial, note } => (pair, trial, note),
        };
        if let Some(note) = note {
            tell!("{}", told(&note));
        }
        let on_trial = trial.map_or(String::new(), |start| format!(", on trial, start {start} of {MAX_STARTS}"));
        let line = format!("starts {pair}{on_trial}");
        tell!("{line}");
        self.ear.clear();
        let started = self.now();
        let mut child = match self.start(pair) {
            Ok(child) => child,
            Err(error) => {
                tell!("{error}");
                return Ok((0, false));
            }
        };
        tell_if_asked(&format!("READY=1\nSTATUS={line}"));
        let watch = Watch::new(self.limits, started, trial.is_some());
        let status = self.watch(&mut child, watch)?;
        end_group(&child, Signal::KILL);
        let ran_ms = self.now() - started;
        let ended_well = status.success();
        tell!("the daemon {} after {:.1} s", ended(status), ran_ms as f64 / 1000.0);
        Ok((ran_ms, ended_well))
    }

    fn start(&self, pair: Pair) -> Result<Child, LaunchError> {
        let program = self.root.join(pair.daemon_folder()).join(DAEMON_FILE);
        Command::new(&program)
            .arg("--model")
            .arg(self.root.join(pair.model_folder()))
            .args(self.arguments)
            .env("NOTIFY_SOCKET", self.ear.path())
            .env("WATCHDOG_USEC", (self.limits.heartbeat_ms * 1000).to_string())
            .env_remove("WATCHDOG_PID")
            .process_group(0)
            .spawn()
            .map_err(LaunchError::system(format!("cannot start {}", program.display())))
    }

    /// Waits for the daemon's end, and brings it about when it is asked to stop, or hangs.
    fn watch(&mut self, child: &mut Child, mut watch: Watch) -> Result<ExitStatus, LaunchError> {
        loop {
            self.look();
            let (heard, now) = (self.ear.hear(LOOK), self.now());
            if heard.heartbeat {
                watch.heartbeat(now);
            }
            if let Some(more_ms) = heard.extend_ms {
                watch.extend(now, more_ms);
            }
            if let Some(status) = child.try_wait().map_err(LaunchError::system("cannot wait for the daemon"))? {
                return Ok(status);
            }
            if self.stopping() {
                return self.end(child);
            }
            match watch.late(self.now()) {
                None => {}
                Some(Late::Trial(_)) if slots::settled(self.root).unwrap_or(false) => watch.settle(),
                Some(late) => {
                    let heartbeat_ms = self.limits.heartbeat_ms;
                    match late {
                        Late::Trial(within_ms) => tell!("not confirmed within {within_ms} ms; the daemon is stopped"),
                        Late::Heartbeat => tell!("no heartbeat for {heartbeat_ms} ms; the daemon is stopped"),
                    }
                    return self.end(child);
                }
            }
        }
    }

    /// SIGTERM, some time, SIGKILL.
    fn end(&mut self, child: &mut Child) -> Result<ExitStatus, LaunchError> {
        end_group(child, Signal::TERM);
        let until = self.now() + self.limits.stop_ms;
        while self.now() < until {
            self.look();
            if let Some(status) = child.try_wait().map_err(LaunchError::system("cannot wait for the daemon"))? {
                return Ok(status);
            }
            sleep(LOOK.min(Duration::from_millis(20)));
        }
        end_group(child, Signal::KILL);
        child.wait().map_err(LaunchError::system("cannot wait for the daemon"))
    }
}

/// Signals the daemon and whatever it started.
fn end_group(child: &Child, signal: Signal) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // Nobody left in it is as good.
        let _ = kill_process_group(group, signal);
    }
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

fn told(note: &Note) -> String {
    match note {
        Note::WentBack(Why::Starts) => {
            format!("the version on trial had {MAX_STARTS} starts and was not confirmed; it is given up")
        }
        Note::WentBack(Why::SelfTest | Why::User) => "the version on trial is given up".to_owned(),
        Note::WentBack(Why::Damage) => "the version on trial is damaged; it is given up".to_owned(),
        Note::Replaced(what) => format!("{what}; the version before it takes its place"),
        Note::Postponed(error) => format!("the version on trial has to wait: {error}"),
        Note::Anyway(error) => format!("there is only this version, which starts all the same: {error}"),
    }
}
