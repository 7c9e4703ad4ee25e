//! What the board `desk` says.
#![allow(dead_code, reason = "each test file uses a part of it")]

use mtcae_wire::{
    Area, CameraState, Counters, FaceReport, Hello, LANDMARKS, Latencies, Parts, Point, Quality, Report, Share,
    SinkState, Smoothing, Status, Text, Up, heapless, scores_from_f32,
};

pub const LABELS: [&str; 8] = ["neutral", "happy", "sad", "angry", "fear", "disgust", "surprise", "contempt"];

/// What the board `desk` says of itself.
pub fn hello() -> Up {
    let mut labels = heapless::Vec::new();
    LABELS.iter().for_each(|label| labels.push(Text::new(label)).unwrap());
    Up::Hello(Hello {
        protocol: 1,
        boot: 7,
        device: "desk".into(),
        firmware: "0.1.0".into(),
        model: "edge".into(),
        model_version: "1.2.0".into(),
        engine: "tract".into(),
        labels,
    })
}

/// Its state `uptime_ms` after the start, which was at 2025-11-24 16:00 UTC.
pub fn status(uptime_ms: u64) -> Up {
    Up::Status(Status {
        boot: 7,
        uptime_ms,
        unix_offset_us: Some(1_764_000_000_000_000),
        engine: "tract".into(),
        camera: CameraState::Streaming,
        sink: SinkState::Connected,
        counters: Counters { frames: 300, reports: 150, ..Counters::default() },
        fps_tenths: 298,
        temperature_tenths_c: Some(485),
        rss_kib: 41_000,
        latency: Latencies::default(),
        parts: Parts::default(),
        clips_tenths: 100,
    })
}

/// A report of the face of `track`, whose label is the `label`th; its left side (in the image) is at 0.4, its right
/// at 0.6.
pub fn report(seq: u32, track: u32, label: Option<u8>) -> Report {
    let mut scores = [0.05; LABELS.len()];
    scores[usize::from(label.unwrap_or(0))] = if label.is_some() { 0.65 } else { 0.3 };
    let point = |x, y| Point::from_f32([x, y]).unwrap();
    let landmarks: [Point; LANDMARKS] =
        [point(0.4, 0.4), point(0.6, 0.4), point(0.5, 0.5), point(0.45, 0.6), point(0.55, 0.6)];
    Report {
        boot: 7,
        seq,
        captured_us: u64::from(seq) * 66_000,
        age_us: 52_000,
        width: 640,
        height: 480,
        dropped: 0,
        faces: 1,
        face: Some(FaceReport {
            id: track,
            area: Area::from_f32([0.35, 0.25, 0.3, 0.5]).unwrap(),
            landmarks,
            confidence: Share::from_f32(0.98).unwrap(),
            scores: scores_from_f32(&scores).unwrap(),
            label,
            smoothing: if label.is_some() { Smoothing::Stable } else { Smoothing::Unsure },
            quality: Quality::GOOD,
        }),
    }
}
