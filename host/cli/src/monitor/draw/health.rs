//! Age and latency, and how the board and the line are.

use super::{DIM, inside, panel};
use crate::monitor::lines::ms;
use crate::monitor::view::View;
use mtcae_wire::{CameraState, Percentiles, Status};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Sparkline};

/// Draws both panels into `area`.
pub fn draw(frame: &mut Frame, area: Rect, view: &View) {
    let lines = board_lines(view);
    let [upper, lower] = Layout::vertical([Constraint::Min(4), Constraint::Max(lines.len() as u16 + 2)]).areas(area);
    age(frame, upper, view);
    frame.render_widget(panel(" board and line ".to_owned()), lower);
    frame.render_widget(Paragraph::new(lines), inside(lower));
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

fn board_lines(view: &View) -> Vec<Line<'static>> {
    let mut lines = view.status.as_ref().map_or_else(Vec::new, status_lines);
    let dropped = view.report.as_ref().map_or(0, |(_, report)| report.dropped);
    let sequence = &view.sequence;
    let line = [
        count(sequence.lost, "lost"),
        count(sequence.duplicates, "repeated"),
        count(view.bad_frames, "bad"),
        count(dropped, "unsent"),
    ];
    lines.push(toned(line));
    let round_trip = view.round_trips.newest().map_or("–".to_owned(), ms);
    let more = [count(view.reconnects, "reconnects"), count(sequence.restarts, "restarts")];
    let bad = more.iter().any(|(bad, _)| *bad);
    lines.push(toned([(bad, format!("{} · {}", more[0].1, more[1].1)), (false, format!("ping {round_trip}"))]));
    if let Some(error) = &view.last_bad {
        lines.push(Line::styled(format!("bad: {error}"), Style::new().fg(Color::Yellow)));
    }
    lines
}

fn status_lines(status: &Status) -> Vec<Line<'static>> {
    let counters = status.counters;
    let camera = format!("camera {}", format!("{:?}", status.camera).to_lowercase());
    let mut first = vec![
        (status.camera != CameraState::Streaming, camera),
        (false, format!("{:.1} fps", f64::from(status.fps_tenths) / 10.0)),
    ];
    if let Some(tenths) = status.temperature_tenths_c {
        first.push((tenths >= 850, format!("{:.1} °C", f64::from(tenths) / 10.0)));
    }
    let stages = &status.latency;
    let p50 = |stage: Percentiles| format!("{:.1}", f64::from(stage.p50_us) / 1e3);
    vec![
        toned(first),
        Line::raw(format!("decode {}, crop {}, infer {} ms", p50(stages.decode), p50(stages.crop), p50(stages.infer))),
        Line::styled(
            format!("{} MB · {} frames, {} dropped", status.rss_kib / 1024, counters.frames, counters.dropped_frames),
            DIM,
        ),
    ]
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
