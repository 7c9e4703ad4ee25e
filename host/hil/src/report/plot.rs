//! Plots as SVG, without scripts: how old reports are, and when faults and recoveries happened.

use super::markup::escaped;
use crate::outcome::{Lane, Mark};
use std::fmt::Write as _;
use std::time::Duration;

/// Width of a plot.
const WIDTH: f64 = 720.0;
/// Height of a histogram's bars.
const HEIGHT: f64 = 120.0;
/// Bars of a histogram.
const BARS: usize = 60;
/// Marks drawn at most, so that a soak's page stays small.
const MAX_MARKS: usize = 2_000;

/// How often reports were how old, with the median and the 99th percentile; empty without ages.
pub fn histogram(ages_us: &[u32]) -> String {
    let mut sorted = ages_us.to_vec();
    sorted.sort_unstable();
    let at = |percent: usize| sorted.get((sorted.len().saturating_sub(1)) * percent / 100).copied().unwrap_or(0);
    if sorted.is_empty() {
        return String::new();
    }
    // What lies far out would press everything else into one bar: it is counted in the last one.
    let most = f64::from(at(99)).max(1.0) * 1.25;
    let mut bars = [0u32; BARS];
    for age in &sorted {
        let bar = (f64::from(*age) / most * BARS as f64) as usize;
        bars[bar.min(BARS - 1)] += 1;
    }
    let highest = f64::from(bars.iter().copied().max().unwrap_or(1).max(1));
    let mut svg = open(HEIGHT + 34.0, "ages of reports");
    let width = WIDTH / BARS as f64;
    for (i, bar) in bars.iter().enumerate().filter(|(_, bar)| **bar > 0) {
        let height = (f64::from(*bar) / highest * HEIGHT).max(1.0);
        let (x, y, w) = (i as f64 * width, HEIGHT - height, width - 1.0);
        let _ = write!(svg, "<rect class=\"bar\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{height:.1}\"/>");
    }
    for (percent, name) in [(50, "median"), (99, "99 %")] {
        let x = f64::from(at(percent)) / most * WIDTH;
        let _ = write!(svg, "<line class=\"mean\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"0\" y2=\"{HEIGHT}\"/>");
        let label = format!("{name} {:.1} ms", f64::from(at(percent)) / 1e3);
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            x + 4.0,
            12.0 + percent as f64 / 4.0,
            escaped(&label)
        );
    }
    axis(&mut svg, HEIGHT, "0", &format!("{:.1} ms, {} reports", most / 1e3, sorted.len()));
    svg
}

/// Faults, recoveries and notes on a time axis as long as `took`; empty without marks.
pub fn time_line(marks: &[Mark], took: Duration) -> String {
    if marks.is_empty() {
        return String::new();
    }
    let length = took.as_secs_f64().max(0.001);
    let mut svg = open(94.0, "faults and recoveries");
    let lanes = [(Lane::Fault, 14.0), (Lane::Recovery, 36.0), (Lane::Note, 58.0)];
    for (lane, y) in lanes {
        let _ = write!(svg, "<line class=\"lane\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{y}\" y2=\"{y}\"/>");
        let _ = write!(svg, "<text class=\"lane\" x=\"0\" y=\"{:.1}\">{}</text>", y - 4.0, lane.word());
    }
    for mark in marks.iter().take(MAX_MARKS) {
        let x = mark.at.as_secs_f64() / length * WIDTH;
        let y = lanes.iter().find(|(lane, _)| *lane == mark.lane).map_or(0.0, |(_, y)| *y);
        let title = escaped(&format!("{:.2} s: {}", mark.at.as_secs_f64(), mark.text));
        let (class, r) = (mark.lane.word(), 4);
        let _ =
            write!(svg, "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y}\" r=\"{r}\"><title>{title}</title></circle>");
    }
    axis(&mut svg, 66.0, "0", &format!("{length:.1} s"));
    svg
}

fn open(height: f64, what: &str) -> String {
    format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">", escaped(what))
}

fn axis(svg: &mut String, y: f64, left: &str, right: &str) {
    let _ = write!(svg, "<line class=\"axis\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{y}\" y2=\"{y}\"/>");
    let _ = write!(svg, "<text x=\"0\" y=\"{:.1}\">{}</text>", y + 16.0, escaped(left));
    let _ = write!(svg, "<text class=\"end\" x=\"{WIDTH}\" y=\"{:.1}\">{}</text></svg>", y + 16.0, escaped(right));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_has_all_reports_and_says_where_the_middle_is() {
        let ages: Vec<u32> = (0..1000).map(|i| 20_000 + 10 * i).chain([9_000_000]).collect();
        let svg = histogram(&ages);
        let document = roxmltree::Document::parse(&svg).unwrap();
        let bars = document.descendants().filter(|n| n.has_tag_name("rect")).count();
        assert!((15..=BARS).contains(&bars), "{bars} bars");
        assert!(svg.contains("median 25.0 ms") && svg.contains("1001 reports"), "{svg}");
        assert_eq!(histogram(&[]), "");
        assert!(histogram(&[0]).contains("1 reports"));
    }

    #[test]
    fn each_mark_stands_in_its_lane_at_its_time() {
        let mark = |s, lane| Mark { at: Duration::from_secs(s), lane, text: "a <b>".to_owned() };
        let svg = time_line(&[mark(5, Lane::Fault), mark(10, Lane::Recovery)], Duration::from_secs(20));
        let document = roxmltree::Document::parse(&svg).unwrap();
        let circles: Vec<_> = document.descendants().filter(|n| n.has_tag_name("circle")).collect();
        let places = circles.iter().map(|c| (c.attribute("class").unwrap(), c.attribute("cx").unwrap()));
        assert_eq!(places.collect::<Vec<_>>(), [("fault", "180.0"), ("recovery", "360.0")]);
        assert_eq!(time_line(&[], Duration::ZERO), "");
    }
}
