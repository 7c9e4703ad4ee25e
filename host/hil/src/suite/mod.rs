//! The scenarios, one file for each suite.

mod broker;
mod camera;
mod clips;
mod driver;
mod line;
mod load;
mod privacy;
mod start;
mod trigger;
mod update;
mod watchdog;

use crate::scenario::Scenario;
use std::time::Duration;

/// How soon reports flow again after a fault.
const RECOVERY: Duration = Duration::from_secs(3);

/// Every scenario, in the order in which they run.
pub fn scenarios() -> Vec<&'static Scenario> {
    [
        start::SCENARIOS,
        clips::SCENARIOS,
        camera::SCENARIOS,
        driver::SCENARIOS,
        privacy::SCENARIOS,
        trigger::SCENARIOS,
        line::SCENARIOS,
        broker::SCENARIOS,
        load::SCENARIOS,
        update::SCENARIOS,
        watchdog::SCENARIOS,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The names of the suites, in order.
pub fn suites() -> Vec<&'static str> {
    let mut names: Vec<&str> = scenarios().iter().map(|scenario| scenario.suite).collect();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn scenarios_are_named_and_described() {
        let all = scenarios();
        let names: BTreeSet<&str> = all.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), all.len());
        assert!(all.len() >= 15 && suites().iter().collect::<BTreeSet<_>>().len() == suites().len());
        for scenario in all {
            let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(scenario.name.chars().all(fine) && scenario.suite.chars().all(fine), "{}", scenario.name);
            assert!(scenario.proves.ends_with('.') && scenario.minutes > 0, "{}", scenario.name);
            assert!(scenario.untried.is_empty() || scenario.untried.ends_with('.'), "{}", scenario.name);
            assert!(!scenario.needs.is_empty(), "{}", scenario.name);
        }
    }
}
