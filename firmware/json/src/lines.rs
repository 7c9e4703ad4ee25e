//! Messages as programs print them: one object each, with a key `type`; fields and units are in `host/cli/MONITOR.md`.

use mtcae_wire::{Area, FaceReport, Hello, Point, Report, Share, Slot, SlotPair, Slots, Smoothing, Status, Up};
use serde::Serialize;
use serde_json::{Map, Value, json};

pub(crate) const POINTS: [&str; mtcae_wire::LANDMARKS] = ["left_eye", "right_eye", "nose", "left_mouth", "right_mouth"];

/// `message` as a JSON object with a key `type`; `labels` (from the last Hello) name the scores, numbers stand in
/// where there are none.
pub fn json_from_up(message: &Up, labels: &[String]) -> Value {
    match message {
        Up::Hello(h) => hello(h),
        Up::Report(r) => report(r, labels),
        Up::Status(s) => status(s),
        Up::Log(l) => json!({ "type": "log", "level": name(l.level), "at_us": l.at_us, "text": l.text.as_str() }),
        Up::Pong(p) => json!({ "type": "pong", "token": p.token, "board_us": p.board_us }),
        Up::Ack(a) => json!({ "type": "ack", "token": a.token }),
        Up::Nack(n) => {
            json!({ "type": "nack", "token": n.token, "reason": name(n.reason), "detail": n.detail.as_str() })
        }
        Up::Slots(s) => slots(s),
        Up::UpdateState(s) => json!({
            "type": "update_state", "token": s.token, "transfer": s.transfer, "phase": name(s.phase),
            "chunks": s.chunks, "durable": s.durable, "received": s.received, "checked": s.checked,
        }),
        Up::UpdateRefused(r) => json!({
            "type": "update_refused", "token": r.token, "transfer": r.transfer, "refusal": name(r.refusal),
            "detail": r.detail.as_str(),
        }),
        Up::CameraMode(m) => json!({
            "type": "camera_mode", "token": m.token, "index": m.index, "count": m.count,
            "format": m.mode.format.as_str(), "width": m.mode.width, "height": m.mode.height,
            "fps": f64::from(m.mode.fps_tenths) / 10.0, "current": m.current, "readable": m.readable,
        }),
    }
}

fn slots(s: &Slots) -> Value {
    let slot = |slot: &Slot| {
        json!({
            "transfer": slot.transfer, "version": slot.version.as_str(), "security_counter": slot.security_counter,
            "state": name(slot.state),
        })
    };
    let pair = |pair: &SlotPair| {
        let [a, b] = &pair.slots;
        json!({ "active": pair.active.map(name), "a": a.as_ref().map(slot), "b": b.as_ref().map(slot) })
    };
    json!({
        "type": "slots", "token": s.token, "family": s.family.as_str(), "model": pair(&s.model),
        "daemon": pair(&s.daemon), "trial_starts_left": s.trial_starts_left,
        "security_counter": s.security_counter, "free_bytes": s.free_bytes,
    })
}

fn hello(h: &Hello) -> Value {
    let labels: Vec<&str> = h.labels.iter().map(|l| l.as_str()).collect();
    json!({
        "type": "hello", "protocol": h.protocol, "boot": h.boot, "device": h.device.as_str(),
        "firmware": h.firmware.as_str(), "model": h.model.as_str(), "model_version": h.model_version.as_str(),
        "engine": h.engine.as_str(), "labels": labels,
    })
}

fn report(r: &Report, labels: &[String]) -> Value {
    json!({
        "type": "report", "boot": r.boot, "seq": r.seq, "captured_us": r.captured_us, "age_us": r.age_us,
        "width": r.width, "height": r.height, "dropped": r.dropped, "faces": r.faces,
        "face": r.face.as_ref().map(|f| face(f, labels)),
    })
}

fn face(f: &FaceReport, labels: &[String]) -> Value {
    let label = |i: usize| labels.get(i).cloned().unwrap_or_else(|| i.to_string());
    let scores: Map<String, Value> = f.scores.iter().enumerate().map(|(i, s)| (label(i), share(*s))).collect();
    let landmarks: Map<String, Value> =
        POINTS.iter().zip(&f.landmarks).map(|(name, p)| ((*name).to_owned(), point(*p))).collect();
    json!({
        "id": f.id, "box": area(f.area), "landmarks": landmarks, "confidence": share(f.confidence),
        "label": f.label.map(|i| label(i.into())),
        "state": match f.smoothing {
            Smoothing::Unsure => "unsure",
            Smoothing::Holding => "holding",
            Smoothing::Stable => "stable",
        },
        "scores": scores, "quality": f.quality,
    })
}

fn status(s: &Status) -> Value {
    let stages = [
        ("decode", s.latency.decode),
        ("crop", s.latency.crop),
        ("infer", s.latency.infer),
        ("outputs", s.latency.outputs),
        ("encode", s.latency.encode),
    ];
    let latency: Map<String, Value> =
        stages.iter().map(|(k, p)| ((*k).to_owned(), json!({ "p50": p.p50_us, "p99": p.p99_us }))).collect();
    let c = &s.counters;
    json!({
        "type": "status", "boot": s.boot, "uptime_ms": s.uptime_ms, "unix_offset_us": s.unix_offset_us,
        "engine": s.engine.as_str(), "camera": name(s.camera), "sink": name(s.sink),
        "fps": f64::from(s.fps_tenths) / 10.0, "temperature_c": s.temperature_tenths_c.map(|t| f64::from(t) / 10.0),
        "rss_kib": s.rss_kib, "clips_per_s": f64::from(s.clips_tenths) / 10.0, "latency_us": latency,
        "parts": {
            "engine": name(s.parts.engine), "storage": name(s.parts.storage), "temperature": name(s.parts.temperature),
            "memory": name(s.parts.memory), "clock": name(s.parts.clock),
        },
        "counters": {
            "frames": c.frames, "clips": c.clips, "reports": c.reports, "dropped_frames": c.dropped_frames,
            "dropped_reports": c.dropped_reports, "bad_received": c.bad_received, "reconnects": c.reconnects,
        },
    })
}

/// A unit variant's name in lower case.
fn name(variant: impl Serialize) -> Value {
    match serde_json::to_value(variant) {
        Ok(Value::String(name)) => Value::String(name.to_lowercase()),
        other => other.unwrap_or_default(),
    }
}

/// Four decimals: finer than the wire's steps of 1/8192, and readable.
fn fraction(v: f32) -> Value {
    json!((f64::from(v) * 1e4).round() / 1e4)
}

fn share(s: Share) -> Value {
    fraction(s.to_f32())
}

fn point(p: Point) -> Value {
    Value::from(p.to_f32().map(fraction).to_vec())
}

fn area(a: Area) -> Value {
    let [x, y, w, h] = a.to_f32().map(fraction);
    json!({ "x": x, "y": y, "w": w, "h": h })
}
