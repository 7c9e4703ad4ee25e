//! The figures as a picture: a bar for each setting.

use super::figures::Run;
use super::table::{Machine, precision};
use std::fmt::Write;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 300.0;
const ROW: f64 = 26.0;
const TOP: f64 = 60.0;
const COLOURS: [(&str, &str); 4] =
    [("tract", "#3b6ea5"), ("cpu-ort", "#d17a22"), ("cuda", "#5a9e4b"), ("tensorrt", "#8a5aa8")];

/// An SVG: processor time of a clip as a bar, and p50 to p99 by the clock as a line. Settings without figures are left out.
pub fn plot(runs: &[Run], machine: &Machine) -> String {
    let bars: Vec<_> = runs.iter().filter_map(|run| Some((run, run.figures()?))).collect();
    let most = bars.iter().map(|(_, f)| f.cpu_ms.max(f.p99_ms)).fold(1e-9, f64::max);
    let x = |ms: f64| LEFT + ms / most * (WIDTH - LEFT - 90.0);
    let height = TOP + bars.len() as f64 * ROW + 20.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"22\" font-size=\"15\">A clip, milliseconds: processor time (bar), p50 to p99 by the clock (line)</text>\n\
         <text x=\"10\" y=\"42\" fill=\"#666\">{}, {} cores{}</text>\n",
        escaped(&machine.processor),
        machine.cores,
        if machine.is_busy(runs) { ", busy with other work" } else { "" }
    );
    for (i, (run, f)) in bars.iter().enumerate() {
        let (y, s) = (TOP + i as f64 * ROW, &run.setting);
        let colour = COLOURS.iter().find(|(engine, _)| *engine == s.engine).map_or("#777", |(_, colour)| colour);
        let label =
            format!("{}, {} {}, {} thr, {} str", s.model, s.engine, precision(s.precision), s.threads, s.streams);
        // Writing to a String does not fail.
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n\
             <rect x=\"{LEFT}\" y=\"{}\" width=\"{:.1}\" height=\"14\" fill=\"{colour}\"/>\n\
             <line x1=\"{:.1}\" y1=\"{m}\" x2=\"{:.1}\" y2=\"{m}\" stroke=\"black\" stroke-width=\"2\"/>\n\
             <text x=\"{:.1}\" y=\"{}\">{:.1}</text>",
            LEFT - 8.0,
            y + 15.0,
            escaped(&label),
            y + 4.0,
            x(f.cpu_ms) - LEFT,
            x(f.p50_ms),
            x(f.p99_ms),
            x(f.cpu_ms.max(f.p99_ms)) + 6.0,
            y + 15.0,
            f.cpu_ms,
            m = y + 11.0,
        );
    }
    svg + "</svg>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::run;
    use super::*;
    use mtcae_contract::Precision;

    #[test]
    fn every_setting_with_figures_has_a_bar() {
        let machine = Machine { processor: "A & B <C>".into(), cores: 1, load: [0.0, 0.0], energy: false };
        let runs = [
            run("tract", Precision::Fp32, 1, &[20_000]),
            run("cpu-ort", Precision::Int8, 2, &[10_000]),
            run("cuda", Precision::Fp32, 1, &[]),
        ];
        let svg = plot(&runs, &machine);
        assert_eq!((svg.matches("height=\"14\"").count(), svg.matches("<line").count()), (2, 2));
        assert!(svg.contains("A &amp; B &lt;C&gt;") && svg.contains("tiny, cpu-ort int8, 2 thr, 1 str"), "{svg}");
        // The longest one ends within the picture.
        assert!(svg.contains("x2=\"810.0\""), "{svg}");
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    }
}
