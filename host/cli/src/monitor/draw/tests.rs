//! Pictures of known views.

use super::*;
use crate::monitor::sample;
use crate::monitor::view::LinkEvent;
use mtcae_wire::{DecodeError, Report, Up};
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

#[test]
fn before_anything_came() {
    let view = View::new("/dev/ttyUSB0", Duration::ZERO);
    insta::assert_snapshot!(picture(&view, Duration::from_secs(5), 80, 24));
}

#[test]
fn a_lost_port() {
    let (mut view, now) = busy();
    view.take(now, &LinkEvent::Bad(DecodeError::Framing { len: 12 }));
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
    let (mut view, now) = busy();
    for (width, height) in (1..140).step_by(7).flat_map(|w| (1..50).step_by(3).map(move |h| (w, h))) {
        picture(&view, now, width, height);
    }
    let odd = Report { width: 1, height: u16::MAX, ..sample::report(999, Some(6)) };
    view.take(now, &LinkEvent::Message(Box::new(Up::Report(odd))));
    picture(&view, now, 60, 20);
}
