//! A row for each label: its bar now, and where it was the label during the last minute.

use super::{DIM, face, inside, label_color, panel};
use crate::monitor::history::{SPAN, Shown};
use crate::monitor::lines::smoothing_name;
use crate::monitor::view::View;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use std::time::Duration;

/// Cells of a row before its bar: space, name of at most 9 letters, space.
const NAME: usize = 11;
/// Cells for the score behind the bar.
const SCORE: usize = 7;
const EIGHTHS: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// Draws the rows into `area`.
pub fn draw(frame: &mut Frame, area: Rect, view: &View, now: Duration) {
    let several = view.faces.shown(now).len() > 1;
    let face = view.faces.main(now).map(|shown| shown.face);
    let whose = face.filter(|_| several).map_or(String::new(), |face| format!(" of face {}", face::id(face)));
    let state = face.map_or("no face", |face| smoothing_name(face.smoothing));
    let title = format!(" expression{whose}: {state} ");
    let block = panel(title).title(Line::raw(format!(" last {} s → now ", SPAN.as_secs())).right_aligned());
    frame.render_widget(block, area);
    let inner = inside(area);
    let rest = usize::from(inner.width).saturating_sub(NAME + SCORE);
    let bar = (rest / 3).min(24);
    let strip = view.time_line.columns(now, rest - bar);
    let row = |(index, name): (usize, &String)| {
        let score = face.and_then(|face| face.scores.get(index)).map(|score| score.to_f32());
        let active = face.is_some_and(|face| face.label == Some(index as u8));
        row(name, index, (score, active), bar, &strip)
    };
    let rows: Vec<Line> = view.labels().iter().enumerate().map(row).collect();
    frame.render_widget(Paragraph::new(rows), inner);
}

fn row(
    name: &str,
    index: usize,
    (score, active): (Option<f32>, bool),
    bar: usize,
    strip: &[Option<Shown>],
) -> Line<'static> {
    let color = Style::new().fg(label_color(name, index));
    let name_style = if active { color.add_modifier(Modifier::BOLD) } else { Style::new() };
    let number = score.map_or(String::new(), |score| format!("{score:.2}"));
    let mark = if active { '▸' } else { ' ' };
    let mut spans = vec![
        Span::styled(format!("{mark}{name:<9.9} "), name_style),
        Span::styled(bar_text(score.unwrap_or(0.0), bar), color),
        Span::styled(format!(" {number:<6}"), name_style),
    ];
    spans.extend(strip.iter().map(|shown| match shown {
        Some(Shown::Label(label)) if usize::from(*label) == index => Span::styled("█", color),
        // A stretch with a face and no label runs through all rows, one without a face is left blank.
        Some(Shown::Unsure) => Span::styled("·", DIM),
        Some(Shown::Label(_)) => Span::styled("─", DIM),
        Some(Shown::NoFace) | None => Span::raw(" "),
    }));
    Line::from(spans)
}

/// `share` (0 to 1) of `cells` as a bar, to an eighth of a cell.
fn bar_text(share: f32, cells: usize) -> String {
    let eighths = (share.clamp(0.0, 1.0) * (cells * 8) as f32).round() as usize;
    (0..cells).map(|cell| EIGHTHS[eighths.saturating_sub(cell * 8).min(8)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills_by_eighths() {
        assert_eq!(bar_text(0.5, 3), "█▌ ");
        assert_eq!(bar_text(1.0, 2), "██");
        assert_eq!(bar_text(7.0, 2), "██");
        assert_eq!(bar_text(f32::NAN, 2), "  ");
    }
}
