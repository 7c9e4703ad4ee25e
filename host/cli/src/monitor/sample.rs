//! Messages for this crate's tests.

use mtcae_wire::*;

/// Seven labels, engine `tract`, boot 7.
pub fn hello() -> Hello {
    let labels = ["neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"].map(Text::from);
    Hello {
        protocol: VERSION,
        boot: 7,
        device: "demo".into(),
        firmware: "0.1.0".into(),
        model: "edge".into(),
        model_version: "0.3.1".into(),
        engine: "tract".into(),
        labels: heapless::Vec::from_slice(&labels).unwrap(),
    }
}

/// A report of boot 7 with a face whose leading label is `label` (`None`: unsure), age 85 ms + `seq` ms.
pub fn report(seq: u32, label: Option<u8>) -> Report {
    let mut scores = [0.05f32; 7];
    scores[usize::from(label.unwrap_or(0))] = if label.is_some() { 0.7 } else { 0.2 };
    let point = |x, y| Point::from_f32([x, y]).unwrap();
    let face = FaceReport {
        id: 0x1c3f,
        area: Area::from_f32([0.35, 0.15, 0.25, 0.6]).unwrap(),
        landmarks: [point(0.42, 0.36), point(0.53, 0.36), point(0.475, 0.48), point(0.43, 0.6), point(0.52, 0.6)],
        confidence: Share::from_f32(0.98).unwrap(),
        scores: scores_from_f32(&scores).unwrap(),
        label,
        smoothing: if label.is_some() { Smoothing::Stable } else { Smoothing::Unsure },
        quality: Quality::GOOD,
    };
    Report {
        boot: 7,
        seq,
        captured_us: 1_000_000 + u64::from(seq) * 100_000,
        age_us: 85_000 + seq * 1_000,
        width: 640,
        height: 360,
        dropped: 0,
        faces: 1,
        face: Some(face),
    }
}

/// A board that has run for ten seconds.
pub fn status() -> Status {
    let stage = |p50_us, p99_us| Percentiles { p50_us, p99_us };
    Status {
        boot: 7,
        uptime_ms: 10_500,
        unix_offset_us: None,
        engine: "tract".into(),
        camera: CameraState::Streaming,
        sink: SinkState::Connected,
        counters: Counters { frames: 300, clips: 95, reports: 95, dropped_frames: 2, ..Counters::default() },
        fps_tenths: 298,
        temperature_tenths_c: Some(451),
        rss_kib: 123_000,
        latency: Latencies {
            decode: stage(1_800, 2_900),
            crop: stage(900, 1_400),
            infer: stage(71_000, 80_200),
            outputs: stage(30, 55),
            encode: stage(8, 14),
        },
        parts: Parts { engine: Condition::Good, ..Parts::default() },
        clips_tenths: 100,
    }
}

/// A line of the log at level info.
pub fn log(text: &str) -> Log {
    Log { level: Level::Info, at_us: 1_500_000, text: text.into() }
}
