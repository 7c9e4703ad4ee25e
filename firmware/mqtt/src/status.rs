//! The board's state as JSON: what its Status says, with what its Hello said.

use mtcae_wire::{CameraState, Hello, Percentiles, SinkState, Status};
use serde_json::{Value, json};

/// `hello` is the last one, if any; its fields are null until there is one.
pub(crate) fn status(s: &Status, hello: Option<&Hello>) -> Value {
    let c = &s.counters;
    let stage = |p: &Percentiles| json!({ "p50": p.p50_us, "p99": p.p99_us });
    let labels = |h: &Hello| h.labels.iter().map(|l| l.as_str().to_owned()).collect::<Vec<_>>();
    json!({
        "device": hello.map(|h| h.device.as_str()), "protocol": hello.map(|h| h.protocol),
        "firmware": hello.map(|h| h.firmware.as_str()), "model": hello.map(|h| h.model.as_str()),
        "model_version": hello.map(|h| h.model_version.as_str()), "labels": hello.map(labels),
        "boot": s.boot, "uptime_ms": s.uptime_ms, "unix_offset_us": s.unix_offset_us,
        "engine": s.engine.as_str(), "camera": camera(s.camera), "sink": sink(s.sink),
        "fps": f64::from(s.fps_tenths) / 10.0, "temperature_c": s.temperature_tenths_c.map(|t| f64::from(t) / 10.0),
        "rss_kib": s.rss_kib,
        "latency_us": {
            "decode": stage(&s.latency.decode), "crop": stage(&s.latency.crop), "infer": stage(&s.latency.infer),
            "outputs": stage(&s.latency.outputs), "encode": stage(&s.latency.encode),
        },
        "counters": {
            "frames": c.frames, "clips": c.clips, "reports": c.reports, "dropped_frames": c.dropped_frames,
            "dropped_reports": c.dropped_reports, "bad_received": c.bad_received, "reconnects": c.reconnects,
        },
    })
}

fn camera(state: CameraState) -> &'static str {
    match state {
        CameraState::Starting => "starting",
        CameraState::Streaming => "streaming",
        CameraState::Lost => "lost",
        CameraState::Ended => "ended",
        CameraState::Off => "off",
        CameraState::Private => "private",
    }
}

fn sink(state: SinkState) -> &'static str {
    match state {
        SinkState::Connecting => "connecting",
        SinkState::Connected => "connected",
        SinkState::Lost => "lost",
    }
}
