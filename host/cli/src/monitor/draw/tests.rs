//! Pictures of known views.

use super::*;
use crate::monitor::sample;
use crate::monitor::view::LinkEvent;
use mtcae_wire::{Area, Condition, DecodeError, Parts, Point, Quality, Report, Up};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

fn picture(view: &View, now: Duration, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, view, now)).unwrap();
    terminal.backend().to_string()
}

/// A minute: no face, then neutral, unsure, happy; three reports lost.
fn busy() -> (View, Duration) {
    let mut view = View::new("/dev/ttyUSB0", Duration::ZERO);
    let mut message = |at: u32, up: Up| view.take(Duration::from_millis(at.into()), &LinkEvent::Message(Box::new(up)));
    message(0, Up::Hello(sample::hello()));
    for n in 0..120 {
        let label = match n {
            0..60 => Some(0),
            60..75 => None,
            _ => Some(1),
        };
        let report = sample::report(n + 3 * u32::from(n > 20), label);
        let face = report.face.clone().filter(|_| n >= 20);
        message(n * 500, Up::Report(Report { face, ..report }));
    }
    message(59_900, Up::Status(sample::status()));
    message(59_950, Up::Log(sample::log("camera opened again")));
    (view, Duration::from_millis(59_990))
}

#[test]
fn a_face_in_a_common_terminal() {
    let (view, now) = busy();
    insta::assert_snapshot!(picture(&view, now, 80, 24));
}

#[test]
fn a_face_in_a_wide_terminal() {
    let (view, now) = busy();
    insta::assert_snapshot!(picture(&view, now, 132, 40));
}

/// A point of the sample's face, in another face's box.
fn within(point: Point, [left, top, width, height]: [f32; 4]) -> Point {
    let [x, y] = point.to_f32();
    Point::from_f32([left + (x - 0.35) / 0.25 * width, top + (y - 0.15) / 0.6 * height]).unwrap()
}

/// Three faces that take turns, on a board that is too hot; `busy` before.
fn crowd() -> (View, Duration) {
    let (mut view, now) = busy();
    let mut message = |ms: u64, up: Up| {
        view.take(now + Duration::from_millis(ms), &LinkEvent::Message(Box::new(up)));
    };
    let faces = [
        (0x1c3f, [0.1, 0.1, 0.2, 0.5], Some(1), Quality::GOOD),
        (0xaa01, [0.42, 0.3, 0.15, 0.4], None, Quality::SMALL.with(Quality::DARK)),
        (0xbb02, [0.7, 0.2, 0.22, 0.6], Some(2), Quality::OCCLUDED),
    ];
    for turn in 0..6 {
        let (id, area, label, quality) = faces[turn % 3];
        let mut report = sample::report(200 + turn as u32, label);
        report.faces = 3;
        if let Some(face) = &mut report.face {
            (face.id, face.area, face.quality) = (id, Area::from_f32(area).unwrap(), quality);
            face.landmarks = face.landmarks.map(|point| within(point, area));
        }
        message(turn as u64 * 200, Up::Report(report));
    }
    let parts = Parts { storage: Condition::Bad, temperature: Condition::Strained, ..sample::status().parts };
    let hot = mtcae_wire::Status { parts, clips_tenths: 25, temperature_tenths_c: Some(884), ..sample::status() };
    message(1_200, Up::Status(hot));
    (view, now + Duration::from_millis(1_300))
}

#[test]
fn several_faces_in_a_common_terminal() {
    let (view, now) = crowd();
    insta::assert_snapshot!(picture(&view, now, 80, 24));
}

#[test]
fn several_faces_in_a_wide_terminal() {
    let (view, now) = crowd();
    insta::assert_snapshot!(picture(&view, now, 132, 40));
}

#[test]
fn several_faces_in_the_smallest_terminal() {
    let (view, now) = crowd();
    insta::assert_snapshot!(picture(&view, now, 60, 20));
}

#[test]
fn faces_fade_and_then_they_are_gone() {
    let (view, now) = crowd();
    let colors = |later: u64| {
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|frame| draw(frame, &view, now + Duration::from_millis(later))).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let listed = buffer.content.iter().filter(|cell| cell.fg == Color::Yellow).count();
        (listed, terminal.backend().to_string())
    };
    let (before, shown) = colors(0);
    let (faded, still_shown) = colors(5_000);
    assert!(shown.contains("happy") && still_shown.contains("1c3f happy") && faded < before, "{faded} {before}");
    assert!(colors(10_000).1.contains("no report for a while"));
}

#[test]
fn before_anything_came() {
    let view = View::new("/dev/ttyUSB0", Duration::ZERO);
    insta::assert_snapshot!(picture(&view, Duration::from_secs(5), 80, 24));
}

#[test]
fn a_lost_port() {
    let (mut view, now) = busy();
    view.take(now, &LinkEvent::Bad(DecodeError::Framing { len: 12 }.to_string()));
    view.take(now, &LinkEvent::Lost("unplugged".into()));
    insta::assert_snapshot!(picture(&view, now + Duration::from_secs(65), 80, 24));
}

#[test]
fn a_small_terminal_says_so() {
    let (view, now) = busy();
    assert!(picture(&view, now, 40, 10).contains("60x20 are needed"));
}

#[test]
fn no_size_and_no_report_makes_it_panic() {
    let (mut view, now) = crowd();
    for (width, height) in (1..140).step_by(7).flat_map(|w| (1..50).step_by(3).map(move |h| (w, h))) {
        picture(&view, now, width, height);
    }
    let odd = Report { width: 1, height: u16::MAX, ..sample::report(999, Some(6)) };
    view.take(now, &LinkEvent::Message(Box::new(Up::Report(odd))));
    picture(&view, now, 60, 20);
}
