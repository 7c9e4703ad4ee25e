//! The faces as shapes in the camera's rectangle: no picture crosses the wire, so none can be shown.

use super::{DIM, inside, label_color, panel};
use crate::monitor::faces::Shown;
use crate::monitor::lines::{quality_words, smoothing_name};
use crate::monitor::view::View;
use mtcae_wire::{FaceReport, Report};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::Line as Text;
use ratatui::widgets::canvas::{Canvas, Circle, Context, Line, Rectangle};
use ratatui::widgets::{Paragraph, Wrap};
use std::time::Duration;

/// Width by height of the camera's picture; 16:9 while it is unknown.
pub fn aspect(view: &View) -> f64 {
    match &view.report {
        Some((_, report)) if report.width > 0 && report.height > 0 => {
            (f64::from(report.width) / f64::from(report.height)).clamp(0.4, 4.0)
        }
        _ => 16.0 / 9.0,
    }
}

/// A face's label, `unsure` without one.
pub fn name<'a>(face: &FaceReport, labels: &'a [String]) -> &'a str {
    face.label.map_or("unsure", |index| labels.get(usize::from(index)).map_or("?", String::as_str))
}

/// The colour of a face: its label's, grey when it is old news.
pub fn color(shown: &Shown, labels: &[String]) -> Color {
    match shown.face.label {
        _ if shown.faded => Color::DarkGray,
        Some(index) => label_color(name(shown.face, labels), index.into()),
        None => Color::White,
    }
}

/// A face's number, as short as it is told apart.
pub fn id(face: &FaceReport) -> String {
    format!("{:04x}", face.id & 0xffff)
}

/// Draws the faces in view into `area`.
pub fn draw(frame: &mut Frame, area: Rect, view: &View, now: Duration) {
    let Some((_, report)) = &view.report else {
        frame.render_widget(panel(" camera ".to_owned()), area);
        return note(frame, area, waiting(view));
    };
    let faces = view.faces.shown(now);
    let many = if faces.len() > 1 { format!("· {} faces ", faces.len()) } else { String::new() };
    let block = panel(format!(" camera {}x{} {many}", report.width, report.height));
    let Some(newest) = faces.iter().find(|shown| shown.newest) else {
        frame.render_widget(block, area);
        let nobody = report.face.is_none();
        return note(frame, area, if nobody { "no face in view" } else { "no report for a while" });
    };
    let labels = view.labels();
    let face = newest.face;
    let doubt = quality_words(face).map_or(String::new(), |words| format!("· {words} "));
    let caption = format!(" {} · {} {doubt}", name(face, &labels), smoothing_name(face.smoothing));
    let sure = format!(" face {} {:.2} ", id(face), face.confidence.to_f32());
    let block = block
        .title_bottom(Text::styled(caption, color(newest, &labels)))
        .title_bottom(Text::styled(sure, DIM).right_aligned());
    let canvas = Canvas::default()
        .block(block)
        .marker(Marker::Braille)
        .x_bounds([0.0, 1.0])
        .y_bounds([0.0, 1.0])
        .paint(|context| picture(context, &faces, report, &labels));
    frame.render_widget(canvas, area);
}

/// All boxes; the face reported last lies over the others and has its features drawn.
fn picture(context: &mut Context, faces: &[Shown], report: &Report, labels: &[String]) {
    let (newest, others): (Vec<&Shown>, Vec<&Shown>) = faces.iter().partition(|shown| shown.newest);
    for shown in others {
        outline(context, shown.face, color(shown, labels));
    }
    for shown in newest {
        context.layer();
        outline(context, shown.face, color(shown, labels));
        features(context, shown.face, report, color(shown, labels));
    }
    // One alone is told of below the picture.
    for shown in faces.iter().filter(|_| faces.len() > 1) {
        let [x, y, ..] = shown.face.area.to_f32().map(f64::from);
        let style = Style::new().fg(color(shown, labels));
        let style = if shown.newest { style.add_modifier(Modifier::BOLD) } else { style };
        let mark = if shown.newest { "▸" } else { "" };
        let text = format!("{mark}{} {}", id(shown.face), name(shown.face, labels));
        context.print(x.clamp(0.0, 1.0), (1.0 - y).clamp(0.0, 1.0), Text::styled(text, style));
    }
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
fn outline(context: &mut Context, face: &FaceReport, color: Color) {
    let [x, y, width, height] = face.area.to_f32().map(f64::from);
    context.draw(&Rectangle { x, y: 1.0 - y - height, width, height, color });
}

/// Eyes, nose and mouth.
fn features(context: &mut Context, face: &FaceReport, report: &Report, color: Color) {
    let [_, _, width, height] = face.area.to_f32().map(f64::from);
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
