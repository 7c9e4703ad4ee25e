//! A run's log as a picture.

use anyhow::{Context, Result};
use std::fmt::Write;
use std::path::Path;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 20.0;

/// Draws the losses in the log at `log` into the SVG at `picture`; does nothing where there are none.
pub fn plot_losses(log: &Path, picture: &Path) -> Result<()> {
    let text = std::fs::read_to_string(log).with_context(|| log.display().to_string())?;
    let Some(svg) = drawn(&losses(&text)) else { return Ok(()) };
    std::fs::write(picture, svg).with_context(|| picture.display().to_string())
}

/// Update and loss of each line that has them. Of an update that was done again after a cut, the last.
fn losses(log: &str) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for line in log.lines() {
        let Ok(line) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        if let (Some(update), Some(loss)) = (line["update"].as_f64(), line["loss"].as_f64()) {
            while points.last().is_some_and(|p| p.0 >= update) {
                points.pop();
            }
            points.push((update, loss));
        }
    }
    points
}

fn drawn(points: &[(f64, f64)]) -> Option<String> {
    let (&(first, _), &(last, end)) = (points.first()?, points.last()?);
    let most = points.iter().map(|p| p.1).fold(f64::MIN_POSITIVE, f64::max);
    let x = |update: f64| LEFT + WIDTH * (update - first) / (last - first).max(1.0);
    let y = |loss: f64| TOP + HEIGHT * (1.0 - loss / most);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        LEFT + WIDTH + 60.0,
        TOP + HEIGHT + 40.0
    );
    // Writing to a String does not fail, hence the results that are dropped.
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let (loss, update) = (most * share, first + (last - first) * share);
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {0:.1}h{WIDTH}\" stroke=\"#ddd\"/><text x=\"{1}\" y=\"{0:.1}\" text-anchor=\"end\">{loss:.3}</text>\
             <text x=\"{2:.1}\" y=\"{3}\" text-anchor=\"middle\">{update:.0}</text>",
            y(loss),
            LEFT - 6.0,
            x(update),
            TOP + HEIGHT + 16.0
        );
    }
    // As many as the picture can show; each the mean of those that fall together.
    let each = points.len().div_ceil(WIDTH as usize / 2);
    let mean = |p: &[(f64, f64)]| {
        let n = p.len() as f64;
        (p.iter().map(|p| p.0).sum::<f64>() / n, p.iter().map(|p| p.1).sum::<f64>() / n)
    };
    let line: Vec<String> = points.chunks(each).map(mean).map(|(u, l)| format!("{:.1},{:.1}", x(u), y(l))).collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#2f6fb5\" stroke-width=\"1.5\"/>\n<text x=\"{}\" y=\"{:.1}\">{end:.4}</text>\n\
         <text x=\"{}\" y=\"{}\" text-anchor=\"end\">updates</text>\n</svg>",
        line.join(" "),
        LEFT + WIDTH + 4.0,
        y(end),
        LEFT + WIDTH,
        TOP + HEIGHT + 34.0
    );
    Some(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_again_is_drawn_once() {
        let log = "{\"update\":1,\"loss\":4.0}\n{\"update\":2,\"loss\":3.0}\n{\"update\":2,\"scores\":{}}\ncut in {\n\
                   {\"update\":3,\"loss\":9.0}\n{\"update\":3,\"loss\":1.0}\n";
        assert_eq!(losses(log), [(1.0, 4.0), (2.0, 3.0), (3.0, 1.0)]);
        let svg = drawn(&losses(log)).unwrap();
        assert!(svg.contains("points=\"60.0,20.0 380.0,80.0 700.0,200.0\""), "{svg}");
        assert_eq!(drawn(&[]), None);
        let many: Vec<_> = (0..5000).map(|i| (f64::from(i), 1.0)).collect();
        let line = drawn(&many).unwrap();
        let line = line.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        assert!((200..=320).contains(&line.split(' ').count()), "{}", line.split(' ').count());
    }
}
