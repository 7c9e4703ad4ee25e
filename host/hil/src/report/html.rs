//! One page for a browser, with plots; it loads nothing and runs nothing.

use super::markup::{escaped, number, utc};
use super::plot::{histogram, time_line};
use crate::outcome::{Lane, Outcome, Run};
use std::fmt::Write as _;

/// Marks listed below a time line at most.
const LISTED: usize = 60;

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}\
h1{font-size:1.5rem}h2{font-size:1.1rem;margin:2rem 0 .3rem}table{border-collapse:collapse;width:100%}\
td,th{text-align:left;padding:.2rem .6rem .2rem 0;vertical-align:top;border-bottom:1px solid #d8dee4}\
.passed{color:#116329}.failed{color:#a40e26;font-weight:600}.skipped{color:#6e7781}.why{white-space:pre-wrap}\
svg{width:100%;height:auto;margin:.5rem 0;font-size:11px}.bar{fill:#4d7fbd}.mean,.axis{stroke:#57606a;stroke-width:1}\
.lane{stroke:#d8dee4}text,text.lane{fill:#57606a;stroke:none}text.end{text-anchor:end}\
circle.fault{fill:#cf222e}circle.recovery{fill:#1a7f37}circle.note{fill:#9a9fa5}\
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}td,th{border-color:#30363d}\
.passed{color:#56d364}.failed{color:#ff7b72}text,text.lane{fill:#9da7b1}.lane{stroke:#30363d}}";

/// The run as one HTML page.
pub fn html(run: &Run) -> String {
    let (passed, failed, skipped) = run.counts();
    let title = format!("{}: {passed} passed, {failed} failed, {skipped} skipped", run.target);
    let title = escaped(&title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title><style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n\
         <p>Begun {}, took {:.0} s, seed {}.</p>\n",
        utc(run.began_unix_s),
        run.took().as_secs_f64(),
        run.seed,
    );
    overview(&mut page, run);
    let ages: Vec<u32> = run.outcomes.iter().flat_map(|outcome| outcome.ages_us.iter().copied()).collect();
    if !ages.is_empty() {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "<h2>How old reports are when they are sent</h2>\n{}", histogram(&ages));
    }
    run.outcomes.iter().filter(|outcome| outcome.verdict.word() != "skipped").for_each(|o| section(&mut page, o));
    page.push_str("</body></html>\n");
    page
}

fn overview(page: &mut String, run: &Run) {
    page.push_str("<table><tr><th>scenario<th>verdict<th>s<th>proves, or why not</tr>\n");
    for outcome in &run.outcomes {
        let (word, name) = (outcome.verdict.word(), escaped(outcome.scenario));
        let reason = outcome.verdict.reason();
        let text = escaped(if reason.is_empty() { outcome.proves } else { reason });
        let _ = writeln!(
            page,
            "<tr><td>{name}<td class=\"{word}\">{word}<td>{:.1}<td class=\"why\">{text}</tr>",
            outcome.took.as_secs_f64(),
        );
    }
    page.push_str("</table>\n");
    if !run.lacks.is_empty() {
        page.push_str("<h2>What this bench cannot do</h2>\n<ul>\n");
        for (ability, why) in &run.lacks {
            let _ = writeln!(page, "<li>{ability} ({}): {}</li>", escaped(ability.what()), escaped(why));
        }
        page.push_str("</ul>\n");
    }
}

fn section(page: &mut String, outcome: &Outcome) {
    let (word, name) = (outcome.verdict.word(), escaped(outcome.scenario));
    let proves = escaped(outcome.proves);
    let _ = writeln!(page, "<h2>{name} <span class=\"{word}\">{word}</span></h2>\n<p>{proves}</p>");
    if !outcome.verdict.reason().is_empty() {
        let _ = writeln!(page, "<p class=\"{word} why\">{}</p>", escaped(outcome.verdict.reason()));
    }
    if !outcome.figures.is_empty() {
        page.push_str("<table>\n");
        for figure in &outcome.figures {
            let limit = figure.limit.map_or(String::new(), |limit| format!("at most {}", number(limit)));
            let (name, unit) = (escaped(&figure.name), escaped(figure.unit));
            let _ = writeln!(page, "<tr><td>{name}<td>{} {unit}<td>{limit}</tr>", number(figure.value));
        }
        page.push_str("</table>\n");
    }
    page.push_str(&time_line(&outcome.marks, outcome.took));
    page.push_str(&histogram(&outcome.ages_us));
    let told: Vec<_> =
        outcome.marks.iter().filter(|mark| mark.lane != Lane::Note || outcome.marks.len() <= LISTED).collect();
    if !told.is_empty() {
        let _ = write!(page, "<details><summary>{} events</summary>\n<table>\n", told.len());
        for mark in told.iter().take(LISTED) {
            let (at, lane, text) = (mark.at.as_secs_f64(), mark.lane.word(), escaped(&mark.text));
            let _ = writeln!(page, "<tr><td>{at:.2} s<td>{lane}<td>{text}</tr>");
        }
        page.push_str("</table></details>\n");
    }
    if !outcome.console.is_empty() {
        let _ = writeln!(
            page,
            "<details><summary>console</summary><pre>{}</pre></details>",
            escaped(&outcome.console.join("\n"))
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::text::tests::example;

    #[test]
    fn the_page_says_everything_and_loads_nothing() {
        let page = html(&example());
        for part in
            ["1 passed, 1 failed, 1 skipped", "got &lt;5&gt; &amp;", "at most 10", "bits &amp; bytes", "<svg", "heat"]
        {
            assert!(page.contains(part), "{part:?} is missing in\n{page}");
        }
        for loads in ["<script", "src=", "href=", "url(", "@import", "http:", "https:"] {
            assert!(!page.contains(loads), "{loads:?} is in the page");
        }
        assert_eq!(page.matches("<circle").count(), 3);
    }
}
