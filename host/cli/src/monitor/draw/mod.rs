//! The picture: pure functions from a [`View`] and the time to a frame of the terminal.

mod expression;
mod face;
mod faces;
mod health;
mod parts;
#[cfg(test)]
mod tests;

use super::lines::level_name;
use super::view::{Link, View};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Paragraph};
use std::time::Duration;

/// The smallest terminal that everything fits into.
const SMALLEST: (u16, u16) = (60, 20);
const DIM: Style = Style::new().fg(Color::DarkGray);

/// Draws all of `view` as it is at `now`.
pub fn draw(frame: &mut Frame, view: &View, now: Duration) {
    let area = frame.area();
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let (width, height) = SMALLEST;
        let text = format!("The terminal is {}x{}; {width}x{height} are needed. q quits.", area.width, area.height);
        frame.render_widget(Paragraph::new(text), area);
        return;
    }
    let rows = view.labels().len().max(7) as u16 + 2;
    let [head, board, upper, lower, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(7),
        Constraint::Max(rows),
        Constraint::Length(1),
    ])
    .areas(area);
    // A cell is about twice as high as wide: the camera's picture gets its own shape, the rest goes to the numbers.
    let camera = (f64::from(upper.height - 2) * 2.0 * face::aspect(view)).round() as u16 + 2;
    let numbers = if area.width < 110 { 42 } else { 56 };
    let widest = area.width - numbers.min(area.width / 2);
    let [left, right] = Layout::horizontal([Constraint::Length(camera.min(widest)), Constraint::Fill(1)]).areas(upper);
    frame.render_widget(head_line(view, now), head);
    frame.render_widget(board_line(view), board);
    face::draw(frame, left, view, now);
    health::draw(frame, right, view, now);
    expression::draw(frame, lower, view, now);
    frame.render_widget(foot_line(view), foot);
}

/// A panel's frame.
fn panel(title: String) -> Block<'static> {
    Block::bordered().border_type(BorderType::Rounded).border_style(DIM).title(Span::raw(title))
}

/// A label's colour: the usual ones for known expressions, else by number.
fn label_color(name: &str, index: usize) -> Color {
    const OTHERS: [Color; 6] =
        [Color::Cyan, Color::LightBlue, Color::LightGreen, Color::LightRed, Color::LightMagenta, Color::LightYellow];
    match name {
        "neutral" => Color::Gray,
        "calm" => Color::Cyan,
        "happy" => Color::Yellow,
        "sad" => Color::Blue,
        "angry" => Color::Red,
        "fear" => Color::Magenta,
        "disgust" => Color::Green,
        "surprise" => Color::LightCyan,
        "contempt" => Color::LightMagenta,
        _ => OTHERS[index % OTHERS.len()],
    }
}

fn head_line(view: &View, now: Duration) -> Line<'static> {
    let alarm = |text: String| Span::styled(text, Style::new().fg(Color::Red).add_modifier(Modifier::BOLD));
    let state = match &view.link {
        Link::Lost(since, why) => alarm(format!("✗ lost for {}: {why}; reconnecting", clock(now, *since))),
        Link::Connected(since) => match view.silent_for(now) {
            Some(silent) => Span::styled(
                format!("● connected, no report for {} s", silent.as_secs()),
                Style::new().fg(Color::Yellow),
            ),
            None if view.replayed => Span::styled(format!("▶ {}", clock(now, *since)), Style::new().fg(Color::Cyan)),
            None => Span::styled(format!("● connected {}", clock(now, *since)), Style::new().fg(Color::Green)),
        },
    };
    let bold = Style::new().add_modifier(Modifier::BOLD);
    Line::from(vec![
        Span::styled(if view.replayed { " mtcae replay " } else { " mtcae monitor " }, bold),
        Span::raw(format!(" {}  ", view.port)),
        state,
        Span::styled(format!("  {:.1} reports/s", view.rate(now)), DIM),
    ])
}

fn board_line(view: &View) -> Line<'static> {
    match &view.hello {
        None => Line::styled(" the board has not said yet who it is", DIM),
        Some(hello) => Line::raw(format!(
            " board {} · firmware {} · model {} {} · engine {}",
            hello.device, hello.firmware, hello.model, hello.model_version, hello.engine
        )),
    }
}

fn foot_line(view: &View) -> Line<'static> {
    let log = view.logs.back().map(|log| format!("   {}: {}", level_name(log.level), log.text));
    let notes: String = view.notes.iter().map(|note| format!("   {note}")).collect();
    Line::styled(format!(" q quit{notes}{}", log.unwrap_or_default()), DIM)
}

fn clock(now: Duration, since: Duration) -> String {
    let seconds = now.saturating_sub(since).as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// The part of `area` inside a panel's frame.
fn inside(area: Rect) -> Rect {
    Rect { x: area.x + 1, y: area.y + 1, width: area.width.saturating_sub(2), height: area.height.saturating_sub(2) }
}
