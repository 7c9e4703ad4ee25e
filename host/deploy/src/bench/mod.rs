//! Engines side by side: one process each, that take turns, so that a busy machine treats them alike.
//!
//! ```text
//! settings -> one process each, loaded and warm -> rounds: each runs clips for one turn -> figures -> table, plot
//! ```

mod child;
mod energy;
mod figures;
mod line;
mod plot;
mod random;
mod table;
mod turn;

pub use child::{BenchError, Child};
pub use energy::PowerMeter;
pub use figures::{Against, Figures, Run, against, ratio};
pub use line::{Line, Turn};
pub use plot::plot;
#[cfg(test)]
pub(crate) use random::random_manifest;
pub use random::random_model;
pub use table::{Machine, table};
pub use turn::{Stream, cpu_us, turn};

use mtcae_contract::Precision;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// One way to run one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The model's name, and the side of its frames where it is not the model's own.
    pub model: String,
    /// `tract`, `cpu-ort`, `cuda` or `tensorrt`.
    pub engine: String,
    /// Number format of the file.
    pub precision: Precision,
    /// Threads that work on one clip.
    pub threads: usize,
    /// Clips at once, each in an engine of its own.
    pub streams: usize,
}

/// How long and how often.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Turns of each setting.
    pub rounds: usize,
    /// Time of one turn, which ends with a clip.
    pub turn: Duration,
    /// Starts of each setting's process; the last one stays for the turns.
    pub starts: usize,
}

/// Where a bench is; for a progress bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Setting `.0` (from 0) is started.
    Start(usize),
    /// Setting `.1` (from 0) has its turn in round `.0` (from 0).
    Turn(usize, usize),
}

/// Starts the process of each setting by what `command` gives for it, warms it up, and lets them take turns. A setting that
/// fails is out of the next rounds and has its reason in [`Run::failure`].
pub fn run(
    settings: &[Setting],
    plan: Plan,
    command: &dyn Fn(&Setting) -> Command,
    progress: &mut dyn FnMut(Step),
) -> Vec<Run> {
    let meter = PowerMeter::find(Path::new("/sys"));
    let mut runs: Vec<Run> = settings.iter().cloned().map(Run::new).collect();
    let mut children: Vec<Option<Child>> = Vec::new();
    for (i, run) in runs.iter_mut().enumerate() {
        progress(Step::Start(i));
        children.push(start(run, plan, command));
    }
    for round in 0..plan.rounds {
        for (i, (child, run)) in children.iter_mut().zip(&mut runs).enumerate() {
            let Some(running) = child else { continue };
            progress(Step::Turn(round, i));
            let before = meter.as_ref().map(PowerMeter::joules);
            match running.turn(plan.turn) {
                Ok(turn) => run.turns.push(turn),
                Err(error) => {
                    run.failure = Some(error.to_string());
                    *child = None;
                }
            }
            if let (Some(meter), Some(before)) = (&meter, before) {
                *run.joules.get_or_insert(0.0) += meter.joules() - before;
            }
        }
    }
    for (child, run) in children.into_iter().zip(&mut runs) {
        match child.map(Child::end) {
            Some(Ok(kib)) => run.peak_kib = kib,
            Some(Err(error)) => run.failure = Some(error.to_string()),
            None => {}
        }
    }
    runs
}

/// The process of a setting after one turn that does not count; `None` when it failed.
fn start(run: &mut Run, plan: Plan, command: &dyn Fn(&Setting) -> Command) -> Option<Child> {
    let mut child = None;
    for _ in 0..plan.starts.max(1) {
        // The one before ends first: two at once would disturb each other.
        drop(child.take());
        match Child::start(command(&run.setting)) {
            Ok(started) => {
                run.load_ms.push(started.load_ms);
                run.first_ms.push(started.first_ms);
                run.first_cpu_ms.push(started.first_cpu_ms);
                run.note.clone_from(&started.note);
                child = Some(started);
            }
            Err(error) => {
                run.failure = Some(error.to_string());
                return None;
            }
        }
    }
    let warm = child.as_mut().map(|child| child.turn(plan.turn));
    if let Some(Err(error)) = warm {
        run.failure = Some(error.to_string());
        return None;
    }
    child
}
