//! The face as shapes in the camera's rectangle: no picture crosses the wire, so none can be shown.

use super::{DIM, inside, label_color, panel};
use crate::monitor::lines::smoothing_name;
use crate::monitor::view::View;
use mtcae_wire::{FaceReport, Report};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::symbols::Marker;
use ratatui::text::Line as Text;
use ratatui::widgets::canvas::{Canvas, Circle, Context, Line, Rectangle};
use ratatui::widgets::{Paragraph, Wrap};
use std::time::Duration;

/// After this long without a report the shapes are drawn grey.
const FRESH: Duration = Duration::from_millis(1500);

/// Width by height of the camera's picture; 16:9 while it is unknown.
pub fn aspect(view: &View) -> f64 {
    match &view.report {
        Some((_, report)) if report.width > 0 && report.height > 0 => {
            (f64::from(report.width) / f64::from(report.height)).clamp(0.4, 4.0)
        }
        _ => 16.0 / 9.0,
    }
}

/// Draws the face of the newest report into `area`.
pub fn draw(frame: &mut Frame, area: Rect, view: &View, now: Duration) {
    let Some((at, report)) = &view.report else {
        frame.render_widget(panel(" camera ".to_owned()), area);
        return note(frame, area, waiting(view));
    };
    let block = panel(format!(" camera {}x{} ", report.width, report.height));
    let Some(face) = &report.face else {
        frame.render_widget(block, area);
        return note(frame, area, "no face in view");
    };
    let labels = view.labels();
    let name = face.label.map(|index| labels.get(usize::from(index)).map_or("?", String::as_str));
    let color = match (name, face.label) {
        _ if now.saturating_sub(*at) > FRESH => Color::DarkGray,
        (Some(name), Some(index)) => label_color(name, index.into()),
        _ => Color::White,
    };
    let caption = format!(" {} · {} ", name.unwrap_or("unsure"), smoothing_name(face.smoothing));
    let sure = format!(" face {:04x} {:.2} ", face.id & 0xffff, face.confidence.to_f32());
    let block = block.title_bottom(Text::styled(caption, color)).title_bottom(Text::styled(sure, DIM).right_aligned());
    let canvas = Canvas::default()
        .block(block)
        .marker(Marker::Braille)
        .x_bounds([0.0, 1.0])
        .y_bounds([0.0, 1.0])
        .paint(|context| shapes(context, face, report, color));
    frame.render_widget(canvas, area);
}

fn waiting(view: &View) -> &'static str {
    if view.is_lost() {
        "the port is gone"
    } else if view.bad_frames > 0 && view.sequence.received == 0 {
        "bytes come, but no message: is --baud the board's?"
    } else {
        "waiting for the first report"
    }
}

/// A note in the middle of the panel.
fn note(frame: &mut Frame, area: Rect, text: &str) {
    let inner = inside(area);
    let above = inner.height.saturating_sub(1) / 2;
    let middle = Rect { y: inner.y + above, height: inner.height - above, ..inner };
    frame.render_widget(Paragraph::new(text.to_owned()).style(DIM).centered().wrap(Wrap { trim: true }), middle);
}

/// The canvas is the camera's picture, 0 to 1 both ways, upwards.
fn shapes(context: &mut Context, face: &FaceReport, report: &Report, color: Color) {
    let [x, y, width, height] = face.area.to_f32().map(f64::from);
    context.draw(&Rectangle { x, y: 1.0 - y - height, width, height, color });
    let points = face.landmarks.map(|point| point.to_f32().map(f64::from)).map(|[x, y]| (x, 1.0 - y));
    let [left_eye, right_eye, nose, left_mouth, right_mouth] = points;
    let radius = width / 14.0;
    // Circles must be round on the picture, not on the unit square.
    let stretch = f64::from(report.width.max(1)) / f64::from(report.height.max(1));
    for (x, y) in [left_eye, right_eye] {
        ellipse(context, (x, y), radius, radius * stretch, color);
    }
    let tip = (width / 20.0, height / 16.0);
    line(context, (nose.0 - tip.0, nose.1), (nose.0, nose.1 + tip.1), color);
    line(context, (nose.0, nose.1 + tip.1), (nose.0 + tip.0, nose.1), color);
    line(context, left_mouth, right_mouth, color);
    for (x, y) in [left_mouth, right_mouth] {
        context.draw(&Circle { x, y, radius: radius / 3.0, color });
    }
}

fn ellipse(context: &mut Context, (x, y): (f64, f64), a: f64, b: f64, color: Color) {
    const CORNERS: usize = 12;
    let corner = |n: usize| {
        let angle = n as f64 / CORNERS as f64 * std::f64::consts::TAU;
        (x + a * angle.cos(), y + b * angle.sin())
    };
    (0..CORNERS).for_each(|n| line(context, corner(n), corner(n + 1), color));
}

fn line(context: &mut Context, (x1, y1): (f64, f64), (x2, y2): (f64, f64), color: Color) {
    context.draw(&Line { x1, y1, x2, y2, color });
}
