//! JUnit XML, which every build server reads.

use super::markup::{escaped, number, seconds, utc};
use crate::outcome::{Figure, Outcome, Run, Verdict};
use std::fmt::Write as _;
use std::time::Duration;

/// The run as JUnit XML: a test suite for each suite, a test case for each scenario; figures as properties, what happened as
/// standard output.
pub fn junit(run: &Run) -> String {
    let (_, failed, skipped) = run.counts();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a String cannot fail.
    let _ = writeln!(
        xml,
        "<testsuites name=\"mtcae hil {}\" tests=\"{}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\" time=\"{}\">",
        escaped(&run.target),
        run.outcomes.len(),
        seconds(run.took()),
    );
    let mut suites: Vec<&str> = run.outcomes.iter().map(|outcome| outcome.suite).collect();
    suites.dedup();
    for suite in suites {
        let cases: Vec<&Outcome> = run.outcomes.iter().filter(|outcome| outcome.suite == suite).collect();
        let count = |word| cases.iter().filter(|case| case.verdict.word() == word).count();
        let took: Duration = cases.iter().map(|case| case.took).sum();
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{}\" timestamp=\"{}\" hostname=\"{}\">",
            escaped(suite),
            cases.len(),
            count("failed"),
            count("skipped"),
            seconds(took),
            utc(run.began_unix_s).trim_end_matches('Z'),
            escaped(&run.target),
        );
        cases.iter().for_each(|case| test_case(&mut xml, &run.target, case));
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn test_case(xml: &mut String, target: &str, case: &Outcome) {
    let (suite, name) = (escaped(case.suite), escaped(case.scenario));
    let class = format!("hil.{}.{suite}", escaped(target));
    let _ = writeln!(xml, "    <testcase name=\"{name}\" classname=\"{class}\" time=\"{}\">", seconds(case.took));
    if !case.figures.is_empty() {
        xml.push_str("      <properties>\n");
        for Figure { name, value, unit, .. } in &case.figures {
            let (name, value) = (escaped(name), number(*value));
            let text = format!("{value} {unit}");
            let _ = writeln!(xml, "        <property name=\"{name}\" value=\"{}\"/>", escaped(text.trim_end()));
        }
        xml.push_str("      </properties>\n");
    }
    match &case.verdict {
        Verdict::Passed => {}
        Verdict::Skipped(reason) => {
            let _ = writeln!(xml, "      <skipped message=\"{}\"/>", escaped(reason));
        }
        Verdict::Failed(reason) => {
            let proves = escaped(case.proves);
            let _ = writeln!(xml, "      <failure message=\"{}\">{proves}</failure>", escaped(reason));
        }
    }
    let marks = case.marks.iter().map(|m| format!("{:9.3} s  {}: {}", m.at.as_secs_f64(), m.lane.word(), m.text));
    let lines: Vec<String> = marks.chain(case.console.iter().map(|line| format!("board: {line}"))).collect();
    if !lines.is_empty() {
        let _ = writeln!(xml, "      <system-out>{}</system-out>", escaped(&lines.join("\n")));
    }
    xml.push_str("    </testcase>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::text::tests::example;
    use roxmltree::Document;

    #[test]
    fn a_build_server_reads_what_happened() {
        let xml = junit(&example());
        let document = Document::parse(&xml).unwrap();
        let root = document.root_element();
        assert_eq!(
            (root.attribute("tests"), root.attribute("failures"), root.attribute("skipped")),
            (Some("3"), Some("1"), Some("1"))
        );
        let suites: Vec<_> = root.children().filter(|n| n.has_tag_name("testsuite")).collect();
        assert_eq!(suites.iter().map(|s| s.attribute("name")).collect::<Vec<_>>(), [Some("start"), Some("line")]);
        assert_eq!(suites[1].attribute("failures"), Some("1"));
        let case = |name: &str| document.descendants().find(|n| n.attribute("name") == Some(name)).unwrap();
        let failure = case("noise").children().find(|n| n.has_tag_name("failure")).unwrap();
        // Markup, quotes and control characters in a reason stand for themselves, or are replaced.
        assert_eq!(failure.attribute("message"), Some("got <5> & \"more\" than 'that'?"));
        assert_eq!(failure.text(), Some("It holds."));
        let skipped = case("soak").children().find(|n| n.has_tag_name("skipped")).unwrap();
        assert!(skipped.attribute("message").unwrap().contains("no part of a quick run"));
        let property = case("largest age <95>");
        assert_eq!(property.attribute("value"), Some("12.50 ms"));
        let out = case("noise").children().find(|n| n.has_tag_name("system-out")).unwrap().text().unwrap();
        assert!(out.contains("fault: bits & bytes") && out.contains("board: warning: <x>"), "{out}");
    }
}
