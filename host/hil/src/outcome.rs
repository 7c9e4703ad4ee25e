//! What a scenario came to: a verdict, figures, and what happened when.

use crate::Ability;
use std::time::Duration;

/// How a scenario ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// What it proves is so.
    Passed,
    /// It is not, and this is what was found.
    Failed(String),
    /// It was not tried, for this reason.
    Skipped(String),
}

impl Verdict {
    /// In one word.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Failed(_) => "failed",
            Verdict::Skipped(_) => "skipped",
        }
    }

    /// Why it failed or was skipped; empty when it passed.
    pub fn reason(&self) -> &str {
        match self {
            Verdict::Passed => "",
            Verdict::Failed(reason) | Verdict::Skipped(reason) => reason,
        }
    }
}

/// Something measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what: `s`, `ms`, `reports`.
    pub unit: &'static str,
    /// The most that is allowed, when there is a limit.
    pub limit: Option<f64>,
}

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// The suite broke something.
    Fault,
    /// It works again.
    Recovery,
    /// Something else.
    Note,
}

impl Lane {
    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Lane::Fault => "fault",
            Lane::Recovery => "recovery",
            Lane::Note => "note",
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Since the scenario's start.
    pub at: Duration,
    /// What kind.
    pub lane: Lane,
    /// What.
    pub text: String,
}

/// All that is known of one run of one scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The scenario's name.
    pub scenario: &'static str,
    /// Its suite.
    pub suite: &'static str,
    /// What it is to prove.
    pub proves: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// How long it took.
    pub took: Duration,
    /// What was measured.
    pub figures: Vec<Figure>,
    /// What happened, in order.
    pub marks: Vec<Mark>,
    /// Ages of the reports heard, from capture to sending, microseconds.
    pub ages_us: Vec<u32>,
    /// Last lines of the board's console, when it failed.
    pub console: Vec<String>,
}

/// All scenarios of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// What the target is called.
    pub target: String,
    /// The seed of all chance.
    pub seed: u64,
    /// When it began, seconds since 1970.
    pub began_unix_s: u64,
    /// What this bench cannot do, and why.
    pub lacks: Vec<(Ability, String)>,
    /// One for each scenario, in the order of the list.
    pub outcomes: Vec<Outcome>,
}

impl Run {
    /// How many passed, failed and were skipped.
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |word| self.outcomes.iter().filter(|o| o.verdict.word() == word).count();
        (count("passed"), count("failed"), count("skipped"))
    }

    /// How long all of it took.
    pub fn took(&self) -> Duration {
        self.outcomes.iter().map(|outcome| outcome.took).sum()
    }
}
