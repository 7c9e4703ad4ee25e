//! One realistic message of every kind, and the largest.
#![allow(dead_code, reason = "each test file takes what it needs")]

use mtcae_wire::*;

/// Every kind upward, by the name of its golden files.
pub fn up() -> Vec<(&'static str, Up)> {
    let nack = Nack { token: 41, reason: Reason::BadValue, detail: "the time is before 2020".into() };
    vec![
        ("up-hello", Up::Hello(hello())),
        ("up-report", Up::Report(report(Some(face())))),
        ("up-report-no-face", Up::Report(report(None))),
        ("up-status", Up::Status(status())),
        (
            "up-log",
            Up::Log(Log { level: Level::Warn, at_us: 61_002_417, text: "camera lost; opening it again".into() }),
        ),
        ("up-pong", Up::Pong(Pong { token: 0xdead_beef, board_us: 1_234_567_890 })),
        ("up-ack", Up::Ack(Ack { token: 40 })),
        ("up-nack", Up::Nack(nack)),
    ]
}

/// Every kind downward, by the name of its golden files.
pub fn down() -> Vec<(&'static str, Down)> {
    vec![
        ("down-hello", Down::Hello),
        ("down-ping", Down::Ping(Ping { token: 0xdead_beef })),
        ("down-set-time", Down::SetTime(SetTime { token: 40, unix_us: 1_767_225_600_000_000 })),
    ]
}

fn labels() -> heapless::Vec<Text<12>, MAX_LABELS> {
    ["neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"].into_iter().map(Text::new).collect()
}

fn hello() -> Hello {
    Hello {
        protocol: VERSION,
        boot: 0x5eed_0001,
        device: "robot-7-head".into(),
        firmware: "0.1.0".into(),
        model: "mtcae-edge".into(),
        model_version: "2026.11".into(),
        engine: "tract".into(),
        labels: labels(),
    }
}

fn report(face: Option<FaceReport>) -> Report {
    Report {
        boot: 0x5eed_0001,
        seq: 4321,
        captured_us: 432_100_000,
        age_us: 96_250,
        width: 640,
        height: 360,
        dropped: 2,
        face,
    }
}

fn face() -> FaceReport {
    let points = [[0.45, 0.32], [0.53, 0.31], [0.492, 0.40], [0.455, 0.47], [0.535, 0.465]];
    FaceReport {
        id: 51_234,
        area: Area::from_f32([0.41, 0.18, 0.16, 0.37]).expect("finite"),
        landmarks: points.map(|point| Point::from_f32(point).expect("finite")),
        confidence: Share::from_f32(0.998).expect("finite"),
        scores: scores_from_f32(&[0.11, 0.79, 0.02, 0.01, 0.02, 0.01, 0.04]).expect("seven finite numbers"),
        label: Some(1),
        smoothing: Smoothing::Stable,
    }
}

fn status() -> Status {
    let times = |p50_us, p99_us| Percentiles { p50_us, p99_us };
    Status {
        boot: 0x5eed_0001,
        uptime_ms: 432_196,
        unix_offset_us: Some(1_767_225_167_900_000),
        engine: "tract".into(),
        camera: CameraState::Streaming,
        sink: SinkState::Connected,
        counters: Counters {
            frames: 12_960,
            clips: 4330,
            reports: 4320,
            dropped_frames: 12,
            dropped_reports: 2,
            bad_received: 0,
            reconnects: 1,
        },
        fps_tenths: 299,
        temperature_tenths_c: Some(-55),
        rss_kib: 148_212,
        latency: Latencies {
            decode: times(1210, 1890),
            crop: times(640, 1020),
            infer: times(88_400, 97_300),
            outputs: times(35, 61),
            encode: times(1, 3),
        },
    }
}

fn full<const N: usize>() -> Text<N> {
    Text::new(&"m".repeat(N))
}

/// The largest message of every kind upward.
pub fn largest_up() -> Vec<(&'static str, Up)> {
    let far = Coord::MAX;
    let longest = Percentiles { p50_us: u32::MAX, p99_us: u32::MAX };
    let (one, all) = (Share::ONE, u32::MAX);
    let face = FaceReport {
        id: all,
        area: Area { x: far, y: far, w: far, h: far },
        landmarks: [Point { x: far, y: far }; LANDMARKS],
        confidence: one,
        scores: [one; MAX_LABELS].into_iter().collect(),
        label: Some(7),
        smoothing: Smoothing::Stable,
    };
    let report = Report {
        boot: all,
        seq: all,
        captured_us: u64::MAX,
        age_us: all,
        width: u16::MAX,
        height: u16::MAX,
        dropped: all,
        face: None,
    };
    let labels = (0..MAX_LABELS).map(|i| Text::new(&format!("{i:>12}"))).collect();
    let hello = Hello {
        protocol: u8::MAX,
        boot: all,
        device: full(),
        firmware: full(),
        model: full(),
        model_version: full(),
        engine: full(),
        labels,
    };
    let counters = Counters {
        frames: all,
        clips: all,
        reports: all,
        dropped_frames: all,
        dropped_reports: all,
        bad_received: all,
        reconnects: all,
    };
    let status = Status {
        boot: all,
        uptime_ms: u64::MAX,
        unix_offset_us: Some(i64::MIN),
        engine: full(),
        camera: CameraState::Private,
        sink: SinkState::Lost,
        counters,
        fps_tenths: u16::MAX,
        temperature_tenths_c: Some(i16::MIN),
        rss_kib: all,
        latency: Latencies { decode: longest, crop: longest, infer: longest, outputs: longest, encode: longest },
    };
    vec![
        ("up-hello", Up::Hello(hello)),
        ("up-report", Up::Report(Report { face: Some(face), ..report.clone() })),
        ("up-report-no-face", Up::Report(report)),
        ("up-status", Up::Status(status)),
        ("up-log", Up::Log(Log { level: Level::Debug, at_us: u64::MAX, text: full() })),
        ("up-pong", Up::Pong(Pong { token: all, board_us: u64::MAX })),
        ("up-ack", Up::Ack(Ack { token: all })),
        ("up-nack", Up::Nack(Nack { token: all, reason: Reason::Failed, detail: full() })),
    ]
}

/// The largest message of every kind downward.
pub fn largest_down() -> Vec<(&'static str, Down)> {
    vec![
        ("down-hello", Down::Hello),
        ("down-ping", Down::Ping(Ping { token: u32::MAX })),
        ("down-set-time", Down::SetTime(SetTime { token: u32::MAX, unix_us: u64::MAX })),
    ]
}
