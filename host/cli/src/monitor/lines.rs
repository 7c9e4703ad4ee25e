//! The monitor without a terminal: one line of text for each report.

use super::Surface;
use super::view::{LinkEvent, View};
use crate::failure::Failure;
use mtcae_wire::{FaceReport, Level, Report, Smoothing, Up};
use std::io::Write;
use std::time::Duration;

/// Writes one line for each report and each change of the line's state, and a closing line.
pub struct TextLines<W>(pub W);

impl<W: Write> Surface for TextLines<W> {
    fn event(&mut self, now: Duration, event: &LinkEvent, view: &View) -> Result<(), Failure> {
        let Some(text) = text(event, view) else { return Ok(()) };
        writeln!(self.0, "{:9.3}  {text}", now.as_secs_f64())?;
        Ok(self.0.flush()?)
    }

    fn finish(&mut self, now: Duration, view: &View) -> Result<(), Failure> {
        writeln!(self.0, "{}", closing(now, view))?;
        Ok(self.0.flush()?)
    }
}

/// What was seen, in one line.
pub fn closing(now: Duration, view: &View) -> String {
    let sequence = &view.sequence;
    let mut text = format!("{} reports in {:.1} s", sequence.received, now.as_secs_f64());
    if let (Some(p50), Some(p99)) = (view.ages.percentile(0.5), view.ages.percentile(0.99)) {
        text += &format!(", age p50 {} p99 {}", ms(p50), ms(p99));
    }
    text += &format!("; {} lost, {} repeated, {} bad frames", sequence.lost, sequence.duplicates, view.bad_frames);
    if view.reconnects > 0 {
        text += &format!(", port opened again {} times", view.reconnects);
    }
    text
}

/// Milliseconds for a person: a decimal where it says something.
pub fn ms(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1e3;
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

/// The level as in a log.
pub fn level_name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
    }
}

/// The smoothing state as the user reads it.
pub fn smoothing_name(smoothing: Smoothing) -> &'static str {
    match smoothing {
        Smoothing::Unsure => "unsure",
        Smoothing::Holding => "holding",
        Smoothing::Stable => "stable",
    }
}

/// What makes a face's answer doubtful; `None` when nothing does.
pub fn quality_words(face: &FaceReport) -> Option<String> {
    let words: Vec<_> = face.quality.words().collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn text(event: &LinkEvent, view: &View) -> Option<String> {
    Some(match event {
        LinkEvent::Connected => format!("connected to {} again", view.port),
        LinkEvent::Lost(why) => format!("lost {}: {why}; trying to open it again", view.port),
        LinkEvent::Bad(error) => format!("bad frame: {error}"),
        LinkEvent::RoundTrip(_) => return None,
        LinkEvent::Message(message) => match &**message {
            Up::Hello(hello) => format!(
                "board {}, firmware {}, model {} {}, engine {}",
                hello.device, hello.firmware, hello.model, hello.model_version, hello.engine
            ),
            Up::Report(report) => report_text(report, view),
            Up::Log(log) => format!("{}: {}", level_name(log.level), log.text),
            Up::Status(_) | Up::Pong(_) | Up::Ack(_) | Up::Nack(_) => return None,
            Up::Slots(_) | Up::UpdateState(_) | Up::UpdateRefused(_) | Up::CameraMode(_) => return None,
        },
    })
}

fn report_text(report: &Report, view: &View) -> String {
    let age = ms(Duration::from_micros(report.age_us.into()));
    let what = report.face.as_ref().map_or_else(|| "no face".to_owned(), |face| face_text(face, view));
    let others = if report.faces > 1 { format!("  one of {} faces", report.faces) } else { String::new() };
    format!("#{:<6} {what}  age {age}{others}", report.seq)
}

fn face_text(face: &FaceReport, view: &View) -> String {
    let labels = view.labels();
    let (name, score) = match face.label.map(usize::from) {
        Some(index) => {
            let name = labels.get(index).map_or("?", String::as_str);
            (name, face.scores.get(index).map_or(0.0, |score| score.to_f32()))
        }
        None => ("-", face.scores.iter().map(|score| score.to_f32()).fold(0.0, f32::max)),
    };
    let [x, y, w, h] = face.area.to_f32();
    let smoothing = smoothing_name(face.smoothing);
    let doubt = quality_words(face).map_or(String::new(), |words| format!("  {words}"));
    format!("{name:8} {score:.2} {smoothing:7}  face {:08x} at {x:.3},{y:.3} size {w:.3}x{h:.3}{doubt}", face.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::sample;

    #[test]
    fn one_line_for_each_report() {
        let mut out = TextLines(Vec::new());
        let mut view = View::new("/dev/ttyUSB0", Duration::ZERO);
        let ups = [
            Up::Hello(sample::hello()),
            Up::Report(sample::report(1, Some(1))),
            Up::Report(sample::report(3, None)),
            Up::Report(Report { faces: 0, face: None, ..sample::report(4, None) }),
            Up::Status(sample::status()),
            Up::Log(sample::log("camera opened")),
        ];
        let mut events: Vec<_> = ups.into_iter().map(|up| LinkEvent::Message(Box::new(up))).collect();
        events.extend([
            LinkEvent::Bad(mtcae_wire::DecodeError::Direction.to_string()),
            LinkEvent::Lost("unplugged".into()),
        ]);
        events.push(LinkEvent::Connected);
        for (n, event) in events.iter().enumerate() {
            let now = Duration::from_millis(n as u64 * 100);
            view.take(now, event);
            out.event(now, event, &view).unwrap();
        }
        out.finish(Duration::from_secs(2), &view).unwrap();
        insta::assert_snapshot!(String::from_utf8(out.0).unwrap());
    }
}
