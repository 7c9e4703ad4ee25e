//! For other programs.

use crate::outcome::Run;
use crate::scenario::Scenario;
use serde_json::{Value, json};

/// The run as one JSON object; its fields are in this crate's README.
pub fn json(run: &Run) -> Value {
    let (passed, failed, skipped) = run.counts();
    let outcome = |o: &crate::Outcome| {
        let figure = |f: &crate::Figure| json!({"name": f.name, "value": f.value, "unit": f.unit, "limit": f.limit});
        let mark = |m: &crate::Mark| json!({"at_s": m.at.as_secs_f64(), "lane": m.lane.word(), "text": m.text});
        json!({
            "scenario": o.scenario,
            "suite": o.suite,
            "verdict": o.verdict.word(),
            "reason": o.verdict.reason(),
            "took_s": o.took.as_secs_f64(),
            "figures": o.figures.iter().map(figure).collect::<Vec<_>>(),
            "marks": o.marks.iter().map(mark).collect::<Vec<_>>(),
            "console": o.console,
        })
    };
    let lacks: Vec<Value> = run.lacks.iter().map(|(a, why)| json!({"ability": a.word(), "reason": why})).collect();
    json!({
        "target": run.target,
        "seed": run.seed,
        "began_unix_s": run.began_unix_s,
        "took_s": run.took().as_secs_f64(),
        "passed": passed,
        "failed": failed,
        "skipped": skipped,
        "lacks": lacks,
        "outcomes": run.outcomes.iter().map(outcome).collect::<Vec<_>>(),
    })
}

/// A scenario as a JSON object: `scenario`, `suite`, `proves`, `untried` (empty when nothing is left), `needs`, `minutes`
/// (at most, in full), `quick`.
pub fn scenario_json(scenario: &Scenario) -> Value {
    let needs: Vec<&str> = scenario.needs.iter().map(|need| need.word()).collect();
    json!({
        "scenario": scenario.name, "suite": scenario.suite, "proves": scenario.proves, "untried": scenario.untried,
        "needs": needs, "minutes": scenario.minutes, "quick": scenario.quick,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::text::tests::example;

    #[test]
    fn every_outcome_is_there_with_its_reason() {
        let object = json(&example());
        assert_eq!((&object["passed"], &object["failed"], &object["skipped"]), (&1.into(), &1.into(), &1.into()));
        let outcomes = object["outcomes"].as_array().unwrap();
        assert_eq!(outcomes.len(), 3);
        assert_eq!((&outcomes[0]["verdict"], &outcomes[0]["reason"]), (&"passed".into(), &"".into()));
        assert_eq!(outcomes[1]["figures"][0]["limit"], 10.0);
        assert_eq!(outcomes[1]["marks"][0]["lane"], "fault");
        assert_eq!(object["lacks"][0]["ability"], "heat");
    }
}
