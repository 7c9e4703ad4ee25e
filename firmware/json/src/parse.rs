//! The way back from what programs print: what a monitor shows of a board, from its JSON.

use crate::lines::POINTS;
use mtcae_wire::{
    Area, CameraState, Condition, Counters, FaceReport, Hello, Latencies, Level, Log, Message, Parts, Percentiles,
    Point, Quality, Report, Scores, Share, SinkState, Smoothing, Status, Text, Up, heapless,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;

/// Why an object is no message.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// It has no `type`, or not as a text.
    #[error("an object without a `type`")]
    NoType,
    /// A field is missing, is not what it should be, or contradicts another.
    #[error("`{kind}`: {reason}")]
    Field {
        /// The object's type.
        kind: &'static str,
        /// Which field, and what is accepted.
        reason: String,
    },
}

/// The Hello, Report, Status or Log that `value` is; `None` for every other type. `labels` are those that
/// [`json_from_up`](crate::json_from_up) was given; numbers are understood too.
///
/// # Errors
/// [`JsonError`] when a field is missing or out of its range, or fields contradict each other.
pub fn up_from_json(value: &Value, labels: &[String]) -> Result<Option<Up>, JsonError> {
    let kind = value.get("type").and_then(Value::as_str).ok_or(JsonError::NoType)?;
    let (kind, up) = match kind {
        "hello" => ("hello", Up::Hello(hello(fields("hello", value)?)?)),
        "report" => ("report", Up::Report(report(fields("report", value)?, labels)?)),
        "status" => ("status", Up::Status(status(fields("status", value)?)?)),
        "log" => ("log", Up::Log(log(fields("log", value)?))),
        _ => return Ok(None),
    };
    up.check().map_err(|invalid| refused(kind, invalid.to_string()))?;
    Ok(Some(up))
}

fn fields<T: DeserializeOwned>(kind: &'static str, value: &Value) -> Result<T, JsonError> {
    T::deserialize(value).map_err(|error| JsonError::Field { kind, reason: error.to_string() })
}

#[derive(Deserialize)]
struct HelloFields {
    protocol: u8,
    boot: u32,
    device: String,
    firmware: String,
    model: String,
    model_version: String,
    engine: String,
    labels: Vec<String>,
}

fn hello(h: HelloFields) -> Result<Hello, JsonError> {
    let many = || refused("hello", format!("{} labels; at most {}", h.labels.len(), mtcae_wire::MAX_LABELS));
    let mut labels = heapless::Vec::new();
    for label in &h.labels {
        labels.push(Text::new(label)).map_err(|_| many())?;
    }
    Ok(Hello {
        protocol: h.protocol,
        boot: h.boot,
        device: Text::new(&h.device),
        firmware: Text::new(&h.firmware),
        model: Text::new(&h.model),
        model_version: Text::new(&h.model_version),
        engine: Text::new(&h.engine),
        labels,
    })
}

#[derive(Deserialize)]
struct ReportFields {
    boot: u32,
    seq: u32,
    captured_us: u64,
    age_us: u32,
    width: u16,
    height: u16,
    dropped: u32,
    /// Recordings of before it was there have one face or none.
    faces: Option<u8>,
    face: Option<FaceFields>,
}

#[derive(Deserialize)]
struct FaceFields {
    id: u32,
    #[serde(rename = "box")]
    area: AreaFields,
    landmarks: BTreeMap<String, [f32; 2]>,
    confidence: f32,
    label: Option<String>,
    state: SmoothingName,
    scores: BTreeMap<String, f32>,
    #[serde(default)]
    quality: Quality,
}

#[derive(Deserialize)]
struct AreaFields {
    x: f32,
    y: f32,
    w: f32,
    h: f32,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum SmoothingName {
    Unsure,
    Holding,
    Stable,
}

fn report(r: ReportFields, labels: &[String]) -> Result<Report, JsonError> {
    let face = r.face.map(|f| face(f, labels)).transpose()?;
    Ok(Report {
        boot: r.boot,
        seq: r.seq,
        captured_us: r.captured_us,
        age_us: r.age_us,
        width: r.width,
        height: r.height,
        dropped: r.dropped,
        faces: r.faces.unwrap_or(u8::from(face.is_some())),
        face,
    })
}

fn face(f: FaceFields, labels: &[String]) -> Result<FaceReport, JsonError> {
    let wrong = |reason: &str| refused("report", reason.to_owned());
    let AreaFields { x, y, w, h } = f.area;
    let mut landmarks = [Point::default(); mtcae_wire::LANDMARKS];
    for (name, landmark) in POINTS.iter().zip(&mut landmarks) {
        let point = f.landmarks.get(*name).and_then(|point| Point::from_f32(*point));
        *landmark = point.ok_or_else(|| refused("report", format!("no landmark `{name}`")))?;
    }
    let label = f.label.as_deref().map(|name| index(name, labels)).transpose()?;
    Ok(FaceReport {
        id: f.id,
        area: Area::from_f32([x, y, w, h]).ok_or_else(|| wrong("a box that is no number"))?,
        landmarks,
        confidence: Share::from_f32(f.confidence).ok_or_else(|| wrong("a confidence that is no number"))?,
        scores: scores(&f.scores, labels)?,
        label: label.and_then(|index| u8::try_from(index).ok()),
        smoothing: match f.state {
            SmoothingName::Unsure => Smoothing::Unsure,
            SmoothingName::Holding => Smoothing::Holding,
            SmoothingName::Stable => Smoothing::Stable,
        },
        quality: f.quality,
    })
}

/// In the labels' order, each exactly once.
fn scores(named: &BTreeMap<String, f32>, labels: &[String]) -> Result<Scores, JsonError> {
    let mut placed = vec![None; named.len()];
    for (name, score) in named {
        let at = index(name, labels)?;
        let place = placed.get_mut(at).ok_or_else(|| refused("report", format!("no score before `{name}`")))?;
        *place = Share::from_f32(*score);
    }
    let mut scores = Scores::new();
    for score in placed {
        let score = score.ok_or_else(|| refused("report", "a score is missing, or no number".to_owned()))?;
        scores.push(score).map_err(|_| refused("report", format!("more than {} scores", mtcae_wire::MAX_LABELS)))?;
    }
    Ok(scores)
}

fn index(name: &str, labels: &[String]) -> Result<usize, JsonError> {
    let number = || name.parse().ok().filter(|at| *at < mtcae_wire::MAX_LABELS);
    let found = labels.iter().position(|label| label == name).or_else(number);
    found.ok_or_else(|| refused("report", format!("the label `{name}` is not one of the hello's")))
}

#[derive(Deserialize)]
struct StatusFields {
    boot: u32,
    uptime_ms: u64,
    unix_offset_us: Option<i64>,
    engine: String,
    camera: String,
    sink: String,
    fps: f64,
    temperature_c: Option<f64>,
    rss_kib: u32,
    #[serde(default)]
    clips_per_s: f64,
    latency_us: LatencyFields,
    #[serde(default)]
    parts: BTreeMap<String, String>,
    counters: CounterFields,
}

#[derive(Deserialize)]
struct LatencyFields {
    decode: StageFields,
    crop: StageFields,
    infer: StageFields,
    outputs: StageFields,
    encode: StageFields,
}

#[derive(Deserialize)]
struct StageFields {
    p50: u32,
    p99: u32,
}

#[derive(Deserialize)]
struct CounterFields {
    frames: u32,
    clips: u32,
    reports: u32,
    dropped_frames: u32,
    dropped_reports: u32,
    bad_received: u32,
    reconnects: u32,
}

fn status(s: StatusFields) -> Result<Status, JsonError> {
    let stage = |s: StageFields| Percentiles { p50_us: s.p50, p99_us: s.p99 };
    let part = |name: &str| s.parts.get(name).map_or(Ok(Condition::Unknown), |state| condition(state));
    let c = s.counters;
    Ok(Status {
        boot: s.boot,
        uptime_ms: s.uptime_ms,
        unix_offset_us: s.unix_offset_us,
        engine: Text::new(&s.engine),
        camera: camera(&s.camera)?,
        sink: sink(&s.sink)?,
        counters: Counters {
            frames: c.frames,
            clips: c.clips,
            reports: c.reports,
            dropped_frames: c.dropped_frames,
            dropped_reports: c.dropped_reports,
            bad_received: c.bad_received,
            reconnects: c.reconnects,
        },
        fps_tenths: tenths(s.fps) as u16,
        temperature_tenths_c: s.temperature_c.map(|c| tenths(c) as i16),
        rss_kib: s.rss_kib,
        latency: Latencies {
            decode: stage(s.latency_us.decode),
            crop: stage(s.latency_us.crop),
            infer: stage(s.latency_us.infer),
            outputs: stage(s.latency_us.outputs),
            encode: stage(s.latency_us.encode),
        },
        parts: Parts {
            engine: part("engine")?,
            storage: part("storage")?,
            temperature: part("temperature")?,
            memory: part("memory")?,
            clock: part("clock")?,
        },
        clips_tenths: tenths(s.clips_per_s) as u16,
    })
}

/// Casts from it stop at the ends of their type.
fn tenths(value: f64) -> f64 {
    (value * 10.0).round()
}

fn condition(state: &str) -> Result<Condition, JsonError> {
    Ok(match state {
        "unknown" => Condition::Unknown,
        "good" => Condition::Good,
        "strained" => Condition::Strained,
        "bad" => Condition::Bad,
        _ => return Err(refused("status", format!("a part is `{state}`; accepted: unknown, good, strained, bad"))),
    })
}

fn camera(state: &str) -> Result<CameraState, JsonError> {
    Ok(match state {
        "starting" => CameraState::Starting,
        "streaming" => CameraState::Streaming,
        "lost" => CameraState::Lost,
        "ended" => CameraState::Ended,
        "off" => CameraState::Off,
        "private" => CameraState::Private,
        _ => return Err(refused("status", format!("a camera is never `{state}`"))),
    })
}

fn sink(state: &str) -> Result<SinkState, JsonError> {
    Ok(match state {
        "connecting" => SinkState::Connecting,
        "connected" => SinkState::Connected,
        "lost" => SinkState::Lost,
        _ => return Err(refused("status", format!("a sink is never `{state}`"))),
    })
}

#[derive(Deserialize)]
struct LogFields {
    level: LevelName,
    at_us: u64,
    text: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum LevelName {
    Error,
    Warn,
    Info,
    Debug,
}

fn log(l: LogFields) -> Log {
    let level = match l.level {
        LevelName::Error => Level::Error,
        LevelName::Warn => Level::Warn,
        LevelName::Info => Level::Info,
        LevelName::Debug => Level::Debug,
    };
    Log { level, at_us: l.at_us, text: Text::new(&l.text) }
}

fn refused(kind: &'static str, reason: String) -> JsonError {
    JsonError::Field { kind, reason }
}
