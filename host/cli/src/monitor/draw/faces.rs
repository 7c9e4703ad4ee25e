//! A row for each face in view: number, label, score, state, age, and what makes the answer doubtful.

use super::{DIM, face, inside, panel};
use crate::monitor::faces::Shown;
use crate::monitor::lines::{ms, smoothing_name};
use crate::monitor::view::View;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Cells of a row before its doubts.
const FIXED: usize = 32;

/// Draws the list into `area`; the last row says how many have no room.
pub fn draw(frame: &mut Frame, area: Rect, view: &View, faces: &[Shown]) {
    let title = format!(" {} face{} ", faces.len(), if faces.len() == 1 { "" } else { "s" });
    let age = view.ages.percentile(0.5).map_or(String::new(), |p50| format!(" age p50 {} ", ms(p50)));
    frame.render_widget(panel(title).title(Line::styled(age, DIM).right_aligned()), area);
    let inner = inside(area);
    let (labels, room) = (view.labels(), usize::from(inner.height));
    // A single row is better spent on a face.
    let fits = if faces.len() > room { room.saturating_sub(1).max(1) } else { faces.len() };
    let mut rows: Vec<Line> = faces[..fits].iter().map(|shown| row(shown, &labels, usize::from(inner.width))).collect();
    if fits < faces.len() && fits < room {
        rows.push(Line::styled(format!(" and {} more", faces.len() - fits), DIM));
    }
    frame.render_widget(Paragraph::new(rows), inner);
}

fn row(shown: &Shown, labels: &[String], width: usize) -> Line<'static> {
    let face = shown.face;
    let color = Style::new().fg(face::color(shown, labels));
    let style = if shown.newest { color.add_modifier(Modifier::BOLD) } else { color };
    let score = match face.label {
        Some(index) => face.scores.get(usize::from(index)).map_or(0.0, |score| score.to_f32()),
        None => face.scores.iter().map(|score| score.to_f32()).fold(0.0, f32::max),
    };
    let score = format!("{score:.2}");
    let mark = if shown.newest { '▸' } else { ' ' };
    // Without a label the state says so already.
    let name = if face.label.is_some() { face::name(face, labels) } else { "–" };
    let state = smoothing_name(face.smoothing);
    let head = format!("{mark}{} {name:<8.8} {:<3.3} ", face::id(face), score.trim_start_matches('0'));
    let age = format!("{:>3.1}s ", shown.age.as_secs_f64());
    let doubts = doubts(&face.quality.words().collect::<Vec<_>>(), width.saturating_sub(FIXED));
    Line::from(vec![
        Span::styled(head, style),
        Span::styled(format!("{state:<7} "), if shown.faded { DIM } else { Style::new() }),
        Span::styled(age, DIM),
        Span::styled(doubts, Style::new().fg(ratatui::style::Color::Yellow)),
    ])
}

/// All words when they fit into `room` cells, else the first and how many more there are.
fn doubts(words: &[&str], room: usize) -> String {
    let all = words.join(" ");
    match words {
        [first, more @ ..] if all.len() > room => format!("{first}+{}", more.len()),
        _ => all,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubts_are_shortened_to_the_room() {
        assert_eq!(doubts(&[], 8), "");
        assert_eq!(doubts(&["occluded"], 8), "occluded");
        assert_eq!(doubts(&["dark", "oblique"], 12), "dark oblique");
        assert_eq!(doubts(&["dark", "oblique", "partial"], 8), "dark+2");
    }
}
