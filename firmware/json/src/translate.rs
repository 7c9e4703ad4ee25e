//! From the wire's messages to topics and payloads in REP-155's words.

use crate::faces::Faces;
use crate::hri::{
    Expression, FacialLandmarks, Header, IdsList, LANDMARK_OF_POINT, LANDMARKS, NormalizedPointOfInterest2D,
    NormalizedRegionOfInterest2D, Time, word_from_label,
};
use crate::lines::json_from_up;
use crate::topics::{Part, Publication, Topics, face_id};
use mtcae_wire::{CameraState, FaceReport, Hello, Level, Log, Report, Smoothing, Status, Up};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// One message becomes at most so many publications.
pub const MOST_AT_ONCE: usize = 8;

/// Turns a board's messages into publications. It remembers what a Hello and a Status said, and which faces are in
/// view.
#[derive(Debug, Clone)]
pub struct Translator {
    topics: Topics,
    device: String,
    hello: Option<Hello>,
    unix_offset_us: Option<i64>,
    faces: Faces,
}

impl Translator {
    /// For the board `device`, with topics below `prefix`.
    pub fn new(prefix: &str, device: &str) -> Translator {
        Translator {
            topics: Topics::new(prefix, device),
            device: device.to_owned(),
            hello: None,
            unix_offset_us: None,
            faces: Faces::default(),
        }
    }

    /// What to add to the board's time to get Unix time, microseconds, until a Status says otherwise.
    pub fn set_unix_offset(&mut self, offset_us: Option<i64>) {
        self.unix_offset_us = offset_us;
    }

    /// The device's topics.
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// What `message` becomes, at most [`MOST_AT_ONCE`]; nothing for answers to requests, which never come this way, and
    /// for lines of the log: see [`Translator::log`].
    pub fn publications(&mut self, message: &Up) -> Vec<Publication> {
        match message {
            Up::Hello(hello) => {
                self.hello = Some(hello.clone());
                Vec::new()
            }
            Up::Report(report) => self.report(report),
            Up::Status(status) => self.status(status),
            Up::Log(_)
            | Up::Pong(_)
            | Up::Ack(_)
            | Up::Nack(_)
            | Up::Slots(_)
            | Up::UpdateState(_)
            | Up::UpdateRefused(_)
            | Up::CameraMode(_) => Vec::new(),
        }
    }

    fn report(&mut self, report: &Report) -> Vec<Publication> {
        let now = report.captured_us;
        self.faces.take(report);
        let mut all = vec![self.tracked(now)];
        if let Some(face) = &report.face {
            let id = face_id(face.id);
            let header = self.header(now);
            let mut add = |part, payload: String| all.push(self.topics.publication(part, &id, payload));
            add(Part::Roi, json_text(&region(&header, face)));
            add(Part::Landmarks, json_text(&landmarks(&header, report, face)));
            add(Part::Expression, json_text(&self.expression(&header, face)));
            add(Part::Scores, self.scores(&header, report, face).to_string());
        }
        all
    }

    fn status(&mut self, message: &Status) -> Vec<Publication> {
        self.unix_offset_us = message.unix_offset_us;
        let payload = self.state(message).to_string();
        let mut all = vec![self.topics.publication(Part::Status, "", payload)];
        // Without reports nobody else says that faces are gone.
        let now = message.uptime_ms.saturating_mul(1_000);
        let streams = message.camera == CameraState::Streaming;
        let gone = if streams { self.faces.forget(now) } else { self.faces.clear() };
        if gone {
            all.push(self.tracked(now));
        }
        all
    }

    /// What a Status says, with what the last Hello said; null where there was none.
    fn state(&self, message: &Status) -> Value {
        let hello = self.hello.as_ref();
        let labels = |h: &Hello| h.labels.iter().map(|l| l.as_str().to_owned()).collect::<Vec<_>>();
        let mut state = json_from_up(&Up::Status(message.clone()), &[]);
        if let Some(fields) = state.as_object_mut() {
            fields.remove("type");
        }
        state["device"] = json!(hello.map(|h| h.device.as_str()));
        state["protocol"] = json!(hello.map(|h| h.protocol));
        state["firmware"] = json!(hello.map(|h| h.firmware.as_str()));
        state["model"] = json!(hello.map(|h| h.model.as_str()));
        state["model_version"] = json!(hello.map(|h| h.model_version.as_str()));
        state["labels"] = json!(hello.map(labels));
        state
    }

    /// A line of the board's log as `rcl_interfaces/Log`. For those who may read it: it does not go to a broker.
    pub fn log(&self, log: &Log) -> Publication {
        let logged = log.at_us != Log::HAVE_TO_WAIT;
        let message = crate::hri::Log {
            stamp: if logged { self.header(log.at_us).stamp } else { Time::default() },
            level: match log.level {
                Level::Debug => 10,
                Level::Info => 20,
                Level::Warn => 30,
                Level::Error => 40,
            },
            name: self.device.clone(),
            msg: log.text.as_str().to_owned(),
            file: String::new(),
            function: String::new(),
            line: 0,
        };
        self.topics.publication(Part::Log, "", json_text(&message))
    }

    fn tracked(&self, now: u64) -> Publication {
        let ids = self.faces.tracks().into_iter().map(face_id).collect();
        let list = IdsList { header: self.header(now), ids };
        self.topics.publication(Part::Tracked, "", json_text(&list))
    }

    fn header(&self, captured_us: u64) -> Header {
        let unix = self.unix_offset_us.and_then(|offset| i64::try_from(captured_us).ok()?.checked_add(offset));
        Header { stamp: unix.map_or_else(Time::default, Time::from_unix_us), frame_id: self.device.clone() }
    }

    fn expression(&self, header: &Header, face: &FaceReport) -> Expression {
        let label = face.label.map(usize::from);
        let word = label.and_then(|at| word_from_label(self.label(at)?));
        let score = label.and_then(|at| face.scores.get(at));
        Expression {
            header: header.clone(),
            expression: word.unwrap_or_default().to_owned(),
            valence: 0.0,
            arousal: 0.0,
            confidence: word.and(score).map_or(0.0, |score| fraction(score.to_f32())),
        }
    }

    fn scores(&self, header: &Header, report: &Report, face: &FaceReport) -> Value {
        let name = |at: usize| self.label(at).map_or_else(|| at.to_string(), str::to_owned);
        let score = |v: f32| json!((f64::from(v) * 1e4).round() / 1e4);
        let scores: Map<String, Value> =
            face.scores.iter().enumerate().map(|(at, s)| (name(at), score(s.to_f32()))).collect();
        json!({
            "header": header, "boot": report.boot, "seq": report.seq, "age_us": report.age_us,
            "dropped": report.dropped, "quality": face.quality, "label": face.label.map(|at| name(at.into())), "scores": scores,
            "state": match face.smoothing {
                Smoothing::Unsure => "unsure",
                Smoothing::Holding => "holding",
                Smoothing::Stable => "stable",
            },
        })
    }

    fn label(&self, at: usize) -> Option<&str> {
        self.hello.as_ref()?.labels.get(at).map(|label| label.as_str())
    }
}

fn region(header: &Header, face: &FaceReport) -> NormalizedRegionOfInterest2D {
    let [x, y, w, h] = face.area.to_f32();
    let inside = |v: f32| fraction(v.clamp(0.0, 1.0));
    NormalizedRegionOfInterest2D {
        header: header.clone(),
        xmin: inside(x),
        ymin: inside(y),
        xmax: inside(x + w),
        ymax: inside(y + h),
        c: fraction(face.confidence.to_f32()),
    }
}

fn landmarks(header: &Header, report: &Report, face: &FaceReport) -> FacialLandmarks {
    let mut all = vec![NormalizedPointOfInterest2D::default(); LANDMARKS];
    for (&at, point) in LANDMARK_OF_POINT.iter().zip(&face.landmarks) {
        let [x, y] = point.to_f32();
        let seen = (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y);
        all[at] = NormalizedPointOfInterest2D {
            x: fraction(x.clamp(0.0, 1.0)),
            y: fraction(y.clamp(0.0, 1.0)),
            c: if seen { fraction(face.confidence.to_f32()) } else { 0.0 },
        };
    }
    FacialLandmarks { header: header.clone(), landmarks: all, height: report.height.into(), width: report.width.into() }
}

/// Four decimals: finer than the wire's steps of 1/8192, and readable.
fn fraction(v: f32) -> f32 {
    (v * 1e4).round() / 1e4
}

/// Structs of numbers and texts always are JSON.
fn json_text(message: &impl Serialize) -> String {
    serde_json::to_string(message).unwrap_or_default()
}
