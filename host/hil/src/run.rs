//! Runs scenarios on a bench, one after another.

use crate::outcome::{Outcome, Run, Verdict};
use crate::rig::{Rig, Settings};
use crate::scenario::{Failed, Scenario};
use crate::{Ability, Bench};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What is heard while it runs.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// This one begins.
    Begins(&'a Scenario),
    /// It has ended.
    Ended(&'a Outcome),
}

/// Runs `scenarios` in their order. What the bench lacks is skipped with the reason; so is what is not quick in a quick
/// run, and everything after a request to stop.
pub fn run(
    bench: &mut dyn Bench,
    scenarios: &[&Scenario],
    settings: &Settings<'_>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Run {
    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let lacks = Ability::ALL.iter().filter_map(|a| bench.lacks(*a).map(|why| (*a, why))).collect();
    let mut outcomes = Vec::new();
    for scenario in scenarios {
        progress(Progress::Begins(scenario));
        let outcome = match why_not(bench, scenario, settings) {
            Some(reason) => skipped(scenario, reason),
            None => one(bench, scenario, settings),
        };
        progress(Progress::Ended(&outcome));
        outcomes.push(outcome);
    }
    Run { target: bench.name(), seed: settings.seed, began_unix_s: began.as_secs(), lacks, outcomes }
}

fn why_not(bench: &dyn Bench, scenario: &Scenario, settings: &Settings<'_>) -> Option<String> {
    if settings.stop.load(Ordering::Relaxed) {
        return Some("the run was stopped before".to_owned());
    }
    if settings.quick && !scenario.quick {
        return Some("it is no part of a quick run".to_owned());
    }
    let missing = scenario.needs.iter().find_map(|need| bench.lacks(*need).map(|why| (need, why)));
    missing.map(|(need, why)| format!("it needs {need} ({}), and {} has none: {why}", need.what(), bench.name()))
}

fn skipped(scenario: &Scenario, reason: String) -> Outcome {
    outcome(scenario, Verdict::Skipped(reason), Duration::ZERO)
}

fn outcome(scenario: &Scenario, verdict: Verdict, took: Duration) -> Outcome {
    Outcome {
        scenario: scenario.name,
        suite: scenario.suite,
        proves: scenario.proves,
        verdict,
        took,
        figures: Vec::new(),
        marks: Vec::new(),
        ages_us: Vec::new(),
        console: Vec::new(),
    }
}

fn one(bench: &mut dyn Bench, scenario: &Scenario, settings: &Settings<'_>) -> Outcome {
    let began = Instant::now();
    let mut rig = Rig::new(bench, settings, settings.seed ^ seed_of(scenario.name));
    let result = (scenario.run)(&mut rig);
    let (figures, marks, ages_us) = rig.into_book();
    let verdict = match result {
        // What was given up on request says nothing of the board.
        _ if settings.stop.load(Ordering::Relaxed) => Verdict::Skipped("the run was stopped meanwhile".to_owned()),
        Err(Failed::Skip(reason)) => Verdict::Skipped(reason),
        Err(failed) => Verdict::Failed(failed.to_string()),
        Ok(()) => Verdict::Passed,
    };
    let console = if matches!(verdict, Verdict::Failed(_)) { bench.console() } else { Vec::new() };
    // What runs is ended in any case; how it ends counts only for a scenario that asks.
    let _ = bench.stop();
    Outcome { figures, marks, ages_us, console, ..outcome(scenario, verdict, began.elapsed()) }
}

/// A scenario keeps its chance when others are added before it (FNV-1a).
fn seed_of(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
}
