//! The monitor's JSON: one object a line. The messages are in the daemon's own JSON form; the line's events and the
//! summary are added here. All fields are in `host/cli/MONITOR.md`.

use super::Surface;
use super::view::{LinkEvent, View};
use crate::failure::Failure;
use mtcae_json::{JsonError, json_from_up, up_from_json};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::time::Duration;

/// Writes one JSON object for each message, and a summary at the end.
pub struct JsonLines<W>(pub W);

impl<W: Write> Surface for JsonLines<W> {
    fn event(&mut self, _now: Duration, event: &LinkEvent, view: &View) -> Result<(), Failure> {
        Ok(line(&mut self.0, &object(event, view))?)
    }

    fn finish(&mut self, now: Duration, view: &View) -> Result<(), Failure> {
        Ok(line(&mut self.0, &summary(now, view))?)
    }
}

/// Writes `value` as one line, at once.
pub fn line<W: Write>(out: &mut W, value: &Value) -> io::Result<()> {
    // A recording of somebody else's may hold what moves a terminal's cursor; JSON itself keeps only the first 32 out.
    let text = value.to_string();
    match text.contains(|c: char| matches!(c, '\x7f'..='\u{9f}')) {
        false => writeln!(out, "{text}")?,
        true => {
            let escaped = |c: char| match c {
                '\x7f'..='\u{9f}' => format!("\\u{:04x}", u32::from(c)),
                c => c.to_string(),
            };
            writeln!(out, "{}", text.chars().map(escaped).collect::<String>())?;
        }
    }
    out.flush()
}

/// An event that `view` has taken.
pub fn object(event: &LinkEvent, view: &View) -> Value {
    match event {
        LinkEvent::Connected => json!({ "type": "link", "state": "connected", "port": view.port }),
        LinkEvent::Lost(why) => json!({ "type": "link", "state": "lost", "port": view.port, "reason": why }),
        LinkEvent::Bad(error) => json!({ "type": "bad_frame", "error": error }),
        LinkEvent::RoundTrip(took) => json!({ "type": "round_trip", "us": took.as_micros() as u64 }),
        LinkEvent::Message(message) => {
            // Labels of another start of the board would name the wrong scores.
            let labels = if view.hello_is_stale() { Vec::new() } else { view.labels() };
            json_from_up(message, &labels)
        }
    }
}

/// The way back: the event that `line` tells of; `None` for what a view has no use for. `labels` are the last hello's.
///
/// # Errors
/// When a field of it is missing or out of its range.
pub fn event_from_line(line: &Value, labels: &[String]) -> Result<Option<LinkEvent>, JsonError> {
    let text = |field: &str| printable(line[field].as_str().unwrap_or_default());
    Ok(match line["type"].as_str() {
        Some("link") if line["state"] == "lost" => Some(LinkEvent::Lost(text("reason"))),
        Some("link") => Some(LinkEvent::Connected),
        Some("bad_frame") => Some(LinkEvent::Bad(text("error"))),
        Some("round_trip") => {
            Some(LinkEvent::RoundTrip(Duration::from_micros(line["us"].as_u64().unwrap_or_default())))
        }
        _ => up_from_json(line, labels)?.map(|up| LinkEvent::Message(Box::new(up))),
    })
}

/// Without control characters: a file may come from anybody, and a terminal obeys them.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What was seen until `now`, the time since the start.
pub fn summary(now: Duration, view: &View) -> Value {
    let us = |share| view.ages.percentile(share).map(|age| age.as_micros() as u64);
    let sequence = &view.sequence;
    json!({
        "type": "summary", "seconds": (now.as_secs_f64() * 1e3).round() / 1e3, "reports": sequence.received,
        "lost": sequence.lost, "duplicates": sequence.duplicates, "restarts": sequence.restarts,
        "bad_frames": view.bad_frames, "reconnects": view.reconnects, "age_us": { "p50": us(0.5), "p99": us(0.99) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::sample;
    use mtcae_wire::{Report, Up};

    #[test]
    fn nothing_that_moves_a_cursor_comes_out() {
        let mut out = Vec::new();
        line(&mut out, &json!({ "error": "\u{9b}2J\u{7f}\u{1b}ä" })).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "{\"error\":\"\\u009b2J\\u007f\\u001bä\"}\n");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["error"], "\u{9b}2J\u{7f}\u{1b}ä");
    }

    fn lines(events: Vec<LinkEvent>) -> String {
        let mut out = JsonLines(Vec::new());
        let mut view = View::new("/dev/ttyUSB0", Duration::ZERO);
        for event in events {
            view.take(Duration::from_secs(1), &event);
            out.event(Duration::from_secs(1), &event, &view).unwrap();
        }
        out.finish(Duration::from_secs(12), &view).unwrap();
        String::from_utf8(out.0).unwrap()
    }

    #[test]
    fn the_lines_own_events_and_the_summary() {
        insta::assert_snapshot!(lines(vec![
            LinkEvent::RoundTrip(Duration::from_micros(2345)),
            LinkEvent::Bad(mtcae_wire::DecodeError::Direction.to_string()),
            LinkEvent::Lost("unplugged".into()),
            LinkEvent::Connected,
        ]));
    }

    #[test]
    fn every_event_comes_back_from_its_line() {
        let mut view = View::new("p", Duration::ZERO);
        let message = |up| LinkEvent::Message(Box::new(up));
        let events = [
            message(Up::Hello(sample::hello())),
            message(Up::Report(sample::report(1, Some(1)))),
            message(Up::Status(sample::status())),
            message(Up::Log(sample::log("camera opened"))),
            LinkEvent::RoundTrip(Duration::from_micros(2345)),
            LinkEvent::Bad("the framing".into()),
            LinkEvent::Lost("unplugged".into()),
            LinkEvent::Connected,
        ];
        for event in events {
            view.take(Duration::ZERO, &event);
            assert_eq!(event_from_line(&object(&event, &view), &view.labels()).unwrap(), Some(event));
        }
        let evil = json!({ "type": "link", "state": "lost", "reason": "\u{1b}[2J" });
        assert_eq!(event_from_line(&evil, &[]).unwrap(), Some(LinkEvent::Lost(" [2J".into())));
        assert_eq!(event_from_line(&json!({ "type": "recording" }), &[]).unwrap(), None);
        assert!(event_from_line(&json!({ "type": "report" }), &[]).is_err());
    }

    #[test]
    fn labels_are_named_by_the_hello_of_the_same_start() {
        let message = |up| LinkEvent::Message(Box::new(up));
        let report = |boot, seq| message(Up::Report(Report { boot, ..sample::report(seq, Some(1)) }));
        let text = lines(vec![report(7, 0), message(Up::Hello(sample::hello())), report(7, 1), report(9, 0)]);
        let labels: Vec<Value> =
            text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["face"]["label"].clone()).collect();
        assert_eq!(labels, [json!("1"), Value::Null, json!("happy"), json!("1"), Value::Null]);
    }
}
