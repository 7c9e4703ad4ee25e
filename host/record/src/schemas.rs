//! The JSON schemas of a recording's topics.

use mtcae_json::Part;
use serde_json::{Value, json};

/// Name of the schema of [`MESSAGES`](crate::MESSAGES).
pub const MESSAGE: &str = "mtcae/Message";

const IDS: &str = "hri_msgs/IdsList";
const REGION: &str = "hri_msgs/NormalizedRegionOfInterest2D";
const LANDMARKS: &str = "hri_msgs/FacialLandmarks";
const EXPRESSION: &str = "hri_msgs/Expression";
const SCORES: &str = "mtcae/Scores";
const STATUS: &str = "mtcae/Status";
const LOG: &str = "rcl_interfaces/Log";

/// Name of the schema of a part's topic.
pub fn of(part: Part) -> &'static str {
    match part {
        Part::Tracked => IDS,
        Part::Roi => REGION,
        Part::Landmarks => LANDMARKS,
        Part::Expression => EXPRESSION,
        Part::Scores => SCORES,
        Part::Status => STATUS,
        Part::Log => LOG,
        // Whether a broker has the board says nothing in a file.
        Part::Available => MESSAGE,
    }
}

/// All schemas as texts.
pub struct Schemas(Vec<(&'static str, String)>);

impl Default for Schemas {
    fn default() -> Self {
        let all = [
            (MESSAGE, message()),
            (IDS, ids()),
            (REGION, region()),
            (LANDMARKS, landmarks()),
            (EXPRESSION, expression()),
            (SCORES, scores()),
            (STATUS, status()),
            (LOG, log()),
        ];
        Self(all.map(|(name, schema)| (name, schema.to_string())).to_vec())
    }
}

impl Schemas {
    /// The text of a schema; that of anything at all for a name that there is not.
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| *known == name).map_or("{}", |(_, text)| text)
    }

    /// Bytes of a schema's record, at most.
    pub fn bytes_of(&self, name: &str) -> usize {
        name.len() + self.text(name).len() + 64
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(name, _)| self.bytes_of(name)).sum()
    }
}

/// An object that has all of `properties`, and perhaps others.
fn object(title: &str, properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().into_iter().flat_map(|fields| fields.keys()).collect();
    json!({ "type": "object", "title": title, "required": required, "properties": properties })
}

fn number() -> Value {
    json!({ "type": "number" })
}

fn integer() -> Value {
    json!({ "type": "integer" })
}

fn text() -> Value {
    json!({ "type": "string" })
}

/// `schema`, or null.
fn or_null(kind: &str) -> Value {
    json!({ "type": [kind, "null"] })
}

fn list(of: Value) -> Value {
    json!({ "type": "array", "items": of })
}

/// Any names, each with a value of one kind.
fn named(values: Value) -> Value {
    json!({ "type": "object", "additionalProperties": values })
}

fn time() -> Value {
    object("builtin_interfaces/Time", json!({ "sec": integer(), "nanosec": integer() }))
}

fn header() -> Value {
    object("std_msgs/Header", json!({ "stamp": time(), "frame_id": text() }))
}

fn message() -> Value {
    json!({ "type": "object", "title": MESSAGE, "required": ["type"], "properties": { "type": text() } })
}

fn ids() -> Value {
    object(IDS, json!({ "header": header(), "ids": list(text()) }))
}

fn region() -> Value {
    let fields = json!({
        "header": header(), "xmin": number(), "ymin": number(), "xmax": number(), "ymax": number(), "c": number(),
    });
    object(REGION, fields)
}

fn landmarks() -> Value {
    let point = object("hri_msgs/NormalizedPointOfInterest2D", json!({ "x": number(), "y": number(), "c": number() }));
    let fields = json!({ "header": header(), "landmarks": list(point), "height": integer(), "width": integer() });
    object(LANDMARKS, fields)
}

fn expression() -> Value {
    let fields = json!({
        "header": header(), "expression": text(), "valence": number(), "arousal": number(), "confidence": number(),
    });
    object(EXPRESSION, fields)
}

fn scores() -> Value {
    let fields = json!({
        "header": header(), "boot": integer(), "seq": integer(), "age_us": integer(), "dropped": integer(),
        "quality": list(text()), "label": or_null("string"), "scores": named(number()), "state": text(),
    });
    object(SCORES, fields)
}

fn status() -> Value {
    let stage = object("times", json!({ "p50": integer(), "p99": integer() }));
    let fields = json!({
        "device": or_null("string"), "protocol": or_null("integer"), "firmware": or_null("string"),
        "model": or_null("string"), "model_version": or_null("string"), "labels": { "type": ["array", "null"] },
        "boot": integer(), "uptime_ms": integer(), "unix_offset_us": or_null("integer"), "engine": text(),
        "camera": text(), "sink": text(), "fps": number(), "temperature_c": or_null("number"),
        "rss_kib": integer(), "clips_per_s": number(), "latency_us": named(stage), "parts": named(text()),
        "counters": named(integer()),
    });
    object(STATUS, fields)
}

fn log() -> Value {
    let fields = json!({
        "stamp": time(), "level": integer(), "name": text(), "msg": text(), "file": text(), "function": text(),
        "line": integer(),
    });
    object(LOG, fields)
}
