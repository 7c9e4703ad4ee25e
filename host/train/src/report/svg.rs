//! Plots as SVG, each a string of its own.

use crate::metrics::Interval;
use std::fmt::Write;

/// Colour of bars and points.
const BLUE: &str = "#2f6fb5";

/// Bins of a histogram.
const BINS: usize = 20;

/// Text that cannot be taken for markup.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A drawing of `width` x `height`; what is put into it is drawn in order.
struct Svg(String);

// Writing to a String does not fail, hence the results that are dropped.
impl Svg {
    fn new(width: f32, height: f32, title: &str) -> Svg {
        let title = escaped(title);
        Svg(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" role=\"img\" aria-label=\"{title}\">\n"
        ))
    }

    fn bar(&mut self, [x, y, w, h]: [f32; 4], color: &str, tip: &str) {
        let tip = escaped(tip);
        let _ = writeln!(
            self.0,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" fill=\"{color}\"><title>{tip}</title></rect>"
        );
    }

    fn line(&mut self, [x1, y1, x2, y2]: [f32; 4], color: &str) {
        let _ =
            writeln!(self.0, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{color}\"/>");
    }

    /// `anchor`: start, middle, end.
    fn text(&mut self, x: f32, y: f32, anchor: &str, text: &str) {
        let text = escaped(text);
        let _ = writeln!(self.0, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>");
    }

    fn end(mut self) -> String {
        self.0 += "</svg>\n";
        self.0
    }
}

/// Rows are true classes, columns answers; darker is more of its row.
pub(super) fn confusion(labels: &[String], rows: &[Vec<usize>]) -> String {
    let (left, top, cell) = (80.0, 70.0, 46.0);
    let side = cell * labels.len() as f32;
    let mut svg = Svg::new(left + side + 10.0, top + side + 10.0, "confusion matrix");
    for (r, (label, row)) in labels.iter().zip(rows).enumerate() {
        let y = top + cell * r as f32;
        svg.text(left - 6.0, y + cell / 2.0 + 4.0, "end", label);
        // Every second name is higher, so that long ones do not touch.
        svg.text(
            left + cell * (r as f32 + 0.5),
            if r.is_multiple_of(2) { top - 8.0 } else { top - 26.0 },
            "middle",
            label,
        );
        let all: usize = row.iter().sum();
        for (c, n) in row.iter().enumerate() {
            let share = *n as f32 / all.max(1) as f32;
            let x = left + cell * c as f32;
            let tip = format!("{label} named {}: {n} of {all}", labels[c]);
            svg.bar([x, y, cell - 1.0, cell - 1.0], &shade(share), &tip);
            if *n > 0 {
                let _ = writeln!(
                    svg.0,
                    "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"{}\">{:.0}%</text>",
                    x + cell / 2.0,
                    y + cell / 2.0 + 4.0,
                    if share > 0.5 { "#fff" } else { "#222" },
                    share * 100.0
                );
            }
        }
    }
    svg.end()
}

/// White to blue.
fn shade(share: f32) -> String {
    let mix = |to: f32| (255.0 + (to - 255.0) * share.clamp(0.0, 1.0)) as u8;
    format!("rgb({},{},{})", mix(47.0), mix(111.0), mix(181.0))
}

/// Bars from 0 to 1, one a name, with their values.
pub(super) fn bars(title: &str, values: &[(String, f32)]) -> String {
    let (left, row, width) = (90.0, 24.0, 260.0);
    let mut svg = Svg::new(left + width + 60.0, row * values.len() as f32 + 10.0, title);
    for (i, (name, value)) in values.iter().enumerate() {
        let y = 5.0 + row * i as f32;
        svg.text(left - 6.0, y + 15.0, "end", name);
        if value.is_nan() {
            svg.text(left + 4.0, y + 15.0, "start", "no samples");
            continue;
        }
        svg.bar([left, y, width * value.clamp(0.0, 1.0), row - 6.0], BLUE, &format!("{name}: {value:.3}"));
        svg.text(left + width * value.clamp(0.0, 1.0) + 4.0, y + 15.0, "start", &format!("{value:.3}"));
    }
    svg.end()
}

/// A value and where it may lie, one a name, on an axis from 0 to 1.
pub(super) fn ranges(title: &str, values: &[(String, f32, Option<Interval>)]) -> String {
    let (left, row, width) = (90.0, 24.0, 320.0);
    let height = row * values.len() as f32 + 34.0;
    let mut svg = Svg::new(left + width + 30.0, height, title);
    for tick in 0..=5 {
        let x = left + width * tick as f32 / 5.0;
        svg.line([x, 4.0, x, height - 24.0], "#ddd");
        svg.text(x, height - 8.0, "middle", &format!("{:.1}", tick as f32 / 5.0));
    }
    for (i, (name, value, interval)) in values.iter().enumerate() {
        let y = 16.0 + row * i as f32;
        svg.text(left - 6.0, y + 4.0, "end", name);
        let mut tip = format!("{name}: {value:.4}");
        if let Some(Interval { low, high }) = interval {
            svg.line([left + width * low, y, left + width * high, y], BLUE);
            tip += &format!(", 95 % within {low:.3} and {high:.3}");
        }
        svg.bar([left + width * value - 4.0, y - 4.0, 8.0, 8.0], BLUE, &tip);
    }
    svg.end()
}

/// Accuracy by confidence; on the line, a model knows how sure it may be. Each bin: samples, confidence, accuracy.
pub(super) fn reliability(bins: &[(usize, f32, f32)]) -> String {
    let (left, side) = (40.0, 260.0);
    let mut svg = Svg::new(left + side + 20.0, side + 40.0, "reliability");
    let (x, y) = (|v: f32| left + side * v, |v: f32| 10.0 + side * (1.0 - v));
    let width = side / bins.len().max(1) as f32;
    for (i, (samples, confidence, accuracy)) in bins.iter().enumerate().filter(|(_, b)| b.0 > 0) {
        let tip = format!("{samples} samples: confidence {confidence:.3}, accuracy {accuracy:.3}");
        svg.bar([left + width * i as f32, y(*accuracy), width - 1.0, side * accuracy], BLUE, &tip);
    }
    svg.line([x(0.0), y(0.0), x(1.0), y(1.0)], "#c33");
    svg.line([x(0.0), y(0.0), x(1.0), y(0.0)], "#888");
    for tick in [0.0, 0.5, 1.0] {
        svg.text(x(tick), y(0.0) + 16.0, "middle", &format!("{tick}"));
        svg.text(left - 4.0, y(tick) + 4.0, "end", &format!("{tick}"));
    }
    svg.end()
}

/// How often values of each size occur, from 0 to `most`; larger ones count into the last bin.
pub(super) fn histogram(title: &str, values: &[f32], most: f32) -> String {
    let (left, width, height) = (10.0, 300.0, 140.0);
    let mut counts = [0usize; BINS];
    for v in values.iter().filter(|v| v.is_finite()) {
        counts[((v / most * BINS as f32).max(0.0) as usize).min(BINS - 1)] += 1;
    }
    let highest = counts.iter().copied().max().unwrap_or(0).max(1) as f32;
    let mut svg = Svg::new(left + width + 20.0, height + 30.0, title);
    let step = width / BINS as f32;
    for (i, n) in counts.iter().enumerate() {
        let h = height * *n as f32 / highest;
        let from = most * i as f32 / BINS as f32;
        let above = if i + 1 == BINS { " or more" } else { "" };
        svg.bar([left + step * i as f32, 6.0 + height - h, step - 1.0, h], BLUE, &format!("{from:.3}{above}: {n}"));
    }
    svg.line([left, 6.0 + height, left + width, 6.0 + height], "#888");
    for tick in [0.0, 0.5, 1.0] {
        svg.text(left + width * tick, height + 22.0, "middle", &format!("{:.2}", most * tick));
    }
    svg.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_everything_once() {
        let svg = histogram("x", &[0.0, 0.01, 0.5, 0.99, 7.0, f32::NAN], 1.0);
        assert!(svg.contains("<title>0.000: 2</title>") && svg.contains("<title>0.950 or more: 2</title>"), "{svg}");
        assert_eq!(svg.matches("<rect").count(), BINS);
    }

    #[test]
    fn a_full_cell_is_blue_and_an_empty_one_white() {
        assert_eq!((shade(0.0), shade(1.0)), ("rgb(255,255,255)".to_owned(), "rgb(47,111,181)".to_owned()));
        let svg = confusion(&["a".to_owned(), "b<".to_owned()], &[vec![3, 1], vec![0, 0]]);
        assert!(svg.contains("a named b&lt;: 1 of 4") && svg.contains(">75%<") && !svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn a_class_without_samples_says_so() {
        let svg = bars("recall", &[("sad".to_owned(), f32::NAN), ("happy".to_owned(), 0.5)]);
        assert!(svg.contains("no samples") && svg.contains(">0.500<") && !svg.contains("NaN"));
    }
}
