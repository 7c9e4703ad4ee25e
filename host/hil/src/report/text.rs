//! For a person: the list of scenarios, a line for each outcome, and a summary.

use super::markup::number;
use crate::outcome::{Outcome, Run};
use crate::scenario::Scenario;
use std::fmt::Write as _;

/// What each scenario needs and proves.
pub fn list(scenarios: &[&Scenario]) -> String {
    let (mut text, mut suite) = (String::new(), "");
    for scenario in scenarios {
        // Writing to a String cannot fail.
        if scenario.suite != suite {
            suite = scenario.suite;
            let _ = writeln!(text, "{suite}");
        }
        let needs: Vec<&str> = scenario.needs.iter().map(|need| need.word()).collect();
        let quick = if scenario.quick { ", quick" } else { "" };
        let _ = writeln!(text, "  {}  ({} min at most{quick})", scenario.name, scenario.minutes);
        let _ = writeln!(text, "    proves  {}", scenario.proves);
        let _ = writeln!(text, "    needs   {}", needs.join(", "));
    }
    text
}

/// One line, or two.
pub fn outcome_line(outcome: &Outcome) -> String {
    let (word, reason) = (outcome.verdict.word(), outcome.verdict.reason());
    let why = if reason.is_empty() { String::new() } else { format!("\n         {reason}") };
    format!("{word:8} {:24} {:7.1} s{why}", outcome.scenario, outcome.took.as_secs_f64())
}

/// The whole run: verdicts, figures, what was not tried and why, and the last line says how it ended.
pub fn summary(run: &Run) -> String {
    let mut text = format!("target {}, seed {}\n\n", run.target, run.seed);
    for outcome in &run.outcomes {
        let _ = writeln!(text, "{}", outcome_line(outcome));
        for figure in &outcome.figures {
            let limit = figure.limit.map_or(String::new(), |limit| format!(", at most {}", number(limit)));
            let _ = writeln!(text, "           {}: {} {}{limit}", figure.name, number(figure.value), figure.unit);
        }
    }
    let (passed, failed, skipped) = run.counts();
    if !run.lacks.is_empty() {
        let _ = writeln!(text, "\n{} cannot:", run.target);
        for (ability, why) in &run.lacks {
            let _ = writeln!(text, "  {ability}: {why}");
        }
    }
    let _ =
        writeln!(text, "\n{passed} passed, {failed} failed, {skipped} skipped in {:.0} s", run.took().as_secs_f64());
    text
}

#[cfg(test)]
pub(in crate::report) mod tests {
    use super::*;
    use crate::Ability;
    use crate::outcome::{Figure, Lane, Mark, Verdict};
    use std::time::Duration;

    /// A run with one of each.
    pub fn example() -> Run {
        let outcome = |scenario, suite, verdict| Outcome {
            scenario,
            suite,
            proves: "It holds.",
            verdict,
            took: Duration::from_millis(1500),
            figures: Vec::new(),
            marks: Vec::new(),
            ages_us: Vec::new(),
            console: Vec::new(),
        };
        let failed = Verdict::Failed("got <5> & \"more\" than 'that'\u{1}".to_owned());
        let mark = |ms, lane, text: &str| Mark { at: Duration::from_millis(ms), lane, text: text.to_owned() };
        let figure = |name: &str, value, unit, limit| Figure { name: name.to_owned(), value, unit, limit };
        let broken = Outcome {
            figures: vec![figure("largest age <95>", 12.5, "ms", Some(10.0))],
            marks: vec![
                mark(200, Lane::Fault, "bits & bytes"),
                mark(900, Lane::Recovery, "reports"),
                mark(1_400, Lane::Note, "end"),
            ],
            ages_us: (0..500).map(|i| 10_000 + i * i).collect(),
            console: vec!["warning: <x>".to_owned()],
            ..outcome("noise", "line", failed)
        };
        Run {
            target: "local".to_owned(),
            seed: 7,
            began_unix_s: 1_790_000_000,
            lacks: vec![(Ability::Heat, "there is no thermometer".to_owned())],
            outcomes: vec![
                outcome("cold-start", "start", Verdict::Passed),
                broken,
                outcome("soak", "line", Verdict::Skipped("it is no part of a quick run".to_owned())),
            ],
        }
    }

    #[test]
    fn a_person_sees_what_failed_and_what_was_not_tried() {
        let text = summary(&example());
        for part in [
            "passed   cold-start",
            "got <5> & \"more\"",
            "largest age <95>: 12.50 ms, at most 10",
            "skipped  soak",
            "it is no part of a quick run",
            "heat: there is no thermometer",
        ] {
            assert!(text.contains(part), "{part:?} is missing in\n{text}");
        }
        assert!(text.ends_with("1 passed, 1 failed, 1 skipped in 4 s\n"), "{text}");
    }

    #[test]
    fn the_list_has_every_scenario_once() {
        let scenarios = crate::scenarios();
        let text = list(&scenarios);
        for scenario in &scenarios {
            let line = format!("  {}  (", scenario.name);
            assert_eq!(text.matches(&line).count(), 1, "{line}");
        }
        assert_eq!(text.matches("    needs   ").count(), scenarios.len());
    }
}
