//! Age and latency, the list of faces, and how the board and the line are.

use super::{DIM, inside, panel, parts};
use crate::monitor::lines::ms;
use crate::monitor::view::View;
use mtcae_wire::{CameraState, Condition, Percentiles, Status};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Sparkline};
use std::time::Duration;

/// Rows of the board's panel, its frame included, that the list of faces leaves it.
const BOARD_LEAST: u16 = 5;
/// Rows of the smallest panel.
const PANEL_LEAST: u16 = 3;

/// Draws age, faces and board into `area`. Where not all have room, several faces come before the age, and the board's
/// less important lines go first.
pub fn draw(frame: &mut Frame, area: Rect, view: &View, now: Duration) {
    let faces = view.faces.shown(now);
    let lines = board_lines(view, usize::from(area.width.saturating_sub(2)));
    let [age, list, board] = rows(area.height, faces.len() as u16, lines.len() as u16);
    let [upper, middle, lower] = Layout::vertical([age, list, board].map(Constraint::Length)).areas(area);
    if age > 0 {
        self::age(frame, upper, view);
    }
    if list > 0 {
        super::faces::draw(frame, middle, view, &faces);
    }
    frame.render_widget(panel(" board and line ".to_owned()), lower);
    frame.render_widget(Paragraph::new(lines), inside(lower));
}

/// Of `height` rows: those of the age, of the list of `faces`, and of the board's panel, which wants `lines`.
fn rows(height: u16, faces: u16, lines: u16) -> [u16; 3] {
    let (wanted, board_wanted) = (faces + 2, lines + 2);
    let list = match faces {
        0 => 0,
        1 if height < board_wanted + wanted + PANEL_LEAST => 0,
        1 => wanted,
        _ => wanted.min(height.saturating_sub(BOARD_LEAST)).max(PANEL_LEAST),
    };
    let rest = height.saturating_sub(list);
    let board = board_wanted.min(if list == 0 { rest.saturating_sub(PANEL_LEAST) } else { rest });
    // Too little for the age: the board has it.
    if rest - board < PANEL_LEAST { [0, list, rest] } else { [rest - board, list, board] }
}

fn age(frame: &mut Frame, area: Rect, view: &View) {
    let title = match (view.ages.newest(), view.ages.percentile(0.5), view.ages.percentile(0.99)) {
        (Some(newest), Some(p50), Some(p99)) => format!(" age {} · p50 {} p99 {} ", ms(newest), ms(p50), ms(p99)),
        _ => " age ".to_owned(),
    };
    frame.render_widget(panel(title), area);
    let inner = inside(area);
    let data: Vec<u64> = view.ages.last(inner.width.into()).map(|age| age.as_micros() as u64).collect();
    frame.render_widget(Sparkline::default().data(data).style(Style::new().fg(Color::Cyan)), inner);
}

/// The most important first, each at most `width` cells.
fn board_lines(view: &View, width: usize) -> Vec<Line<'static>> {
    let status = view.status.as_ref();
    let mut lines = status.map_or_else(Vec::new, |status| vec![camera_line(status)]);
    lines.extend(status.map_or_else(Vec::new, |status| parts::lines(&status.parts, width)));
    lines.extend(status.map(work_line));
    lines.push(line_line(view));
    if let Some(error) = &view.last_bad {
        lines.push(Line::styled(format!("bad: {error}"), Style::new().fg(Color::Yellow)));
    }
    let round_trip = view.round_trips.newest().map_or("–".to_owned(), ms);
    let more = [count(view.reconnects, "reconnects"), count(view.sequence.restarts, "restarts")];
    lines.push(toned(more.into_iter().chain([(false, format!("ping {round_trip}"))])));
    lines.extend(status.map(|status| latency_line(status, width)));
    lines
}

fn camera_line(status: &Status) -> Line<'static> {
    let camera = format!("camera {}", format!("{:?}", status.camera).to_lowercase());
    let mut parts = vec![
        (status.camera != CameraState::Streaming, camera),
        (false, format!("{:.1} fps", f64::from(status.fps_tenths) / 10.0)),
    ];
    if let Some(tenths) = status.temperature_tenths_c {
        let hot = status.parts.temperature >= Condition::Strained;
        parts.push((hot, format!("{:.1} °C", f64::from(tenths) / 10.0)));
    }
    toned(parts)
}

/// How much the board works, and what it leaves out.
fn work_line(status: &Status) -> Line<'static> {
    let counters = status.counters;
    let slowed = status.parts.temperature >= Condition::Strained;
    let clips = format!("≤ {:.1} clips/s", f64::from(status.clips_tenths) / 10.0);
    let dropped = format!("{} of {} frames dropped", counters.dropped_frames, counters.frames);
    toned([(slowed, clips), (false, dropped)])
}

fn line_line(view: &View) -> Line<'static> {
    let dropped = view.report.as_ref().map_or(0, |(_, report)| report.dropped);
    let sequence = &view.sequence;
    toned([
        count(sequence.lost, "lost"),
        count(sequence.duplicates, "repeated"),
        count(view.bad_frames, "bad"),
        count(dropped, "unsent"),
    ])
}

/// What stages take; the memory, too, where it has room.
fn latency_line(status: &Status, width: usize) -> Line<'static> {
    let stages = &status.latency;
    let p50 = |stage: Percentiles| format!("{:.1}", f64::from(stage.p50_us) / 1e3);
    let [decode, crop, infer] = [stages.decode, stages.crop, stages.infer].map(p50);
    let stages = format!("decode {decode}, crop {crop}, infer {infer} ms");
    let all = format!("{stages} · {} MB", status.rss_kib / 1024);
    Line::styled(if all.chars().count() > width { stages } else { all }, DIM)
}

fn count(number: u32, what: &str) -> (bool, String) {
    (number > 0, format!("{number} {what}"))
}

/// Parts with dots between them; those marked are bad news and yellow.
fn toned(parts: impl IntoIterator<Item = (bool, String)>) -> Line<'static> {
    let mut line = Line::default();
    for (bad, text) in parts {
        if !line.spans.is_empty() {
            line.push_span(ratatui::text::Span::styled(" · ", DIM));
        }
        let style = if bad { Style::new().fg(Color::Yellow) } else { Style::new() };
        line.push_span(ratatui::text::Span::styled(text, style));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces_come_before_the_age_and_the_board_gives_way() {
        // A common terminal, a face, then several.
        assert_eq!(rows(12, 1, 7), [3, 0, 9]);
        assert_eq!(rows(12, 3, 7), [0, 5, 7]);
        assert_eq!(rows(12, 16, 7), [0, 7, 5]);
        // A high one has room for everything.
        assert_eq!(rows(40, 1, 7), [28, 3, 9]);
        assert_eq!(rows(40, 16, 7), [13, 18, 9]);
        // The smallest.
        assert_eq!(rows(7, 0, 3), [3, 0, 4]);
        assert_eq!(rows(7, 5, 7), [0, 3, 4]);
    }
}
