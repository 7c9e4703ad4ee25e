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
        ("up-slots", Up::Slots(slots())),
        ("up-update-state", Up::UpdateState(state())),
        ("up-update-refused", Up::UpdateRefused(refused())),
        ("up-camera-mode", Up::CameraMode(camera_mode())),
    ]
}

/// Every kind downward, by the name of its golden files.
pub fn down() -> Vec<(&'static str, Down)> {
    vec![
        ("down-hello", Down::Hello),
        ("down-ping", Down::Ping(Ping { token: 0xdead_beef })),
        ("down-set-time", Down::SetTime(SetTime { token: 40, unix_us: 1_767_225_600_000_000 })),
        ("down-slots-query", Down::SlotsQuery(Request { token: 41 })),
        ("down-update-begin", Down::UpdateBegin(UpdateBegin { token: 0x5eed_1001, offer: offer() })),
        ("down-update-query", Down::UpdateQuery(Request { token: 0x5eed_1002 })),
        ("down-update-finish", Down::UpdateFinish(UpdateFinish { token: 0x5eed_1003, transfer: offer().transfer() })),
        ("down-confirm", Down::Confirm(Request { token: 42 })),
        ("down-rollback", Down::Rollback(Request { token: 43 })),
        ("down-logs-query", Down::LogsQuery(LogsQuery { token: 44, lines: 20 })),
        ("down-permit", Down::Permit(PermitOffer { token: 45, permit: (0..=139).collect() })),
        ("down-camera-modes-query", Down::CameraModesQuery(Request { token: 46 })),
        ("down-camera", Down::Camera(CameraOrder { token: 47, action: CameraAction::Choose(mode()) })),
        ("down-subscribe", Down::Subscribe(subscribe())),
    ]
}

fn mode() -> Mode {
    Mode { format: "YUYV".into(), width: 1280, height: 720, fps_tenths: 100 }
}

fn camera_mode() -> CameraMode {
    CameraMode { token: 46, index: 3, count: 14, mode: mode(), current: false, readable: true }
}

fn subscribe() -> Subscribe {
    Subscribe { token: 48, report_every_ms: Some(200), status_every_ms: Some(1000), log: Some(Level::Warn) }
}

/// A short piece of an update, with a group of full length and zeros.
pub fn chunk() -> UpdateChunk {
    let data = (0..300u16).map(|i| if i < 260 { (i % 255) as u8 + 1 } else { (i % 3) as u8 }).collect();
    UpdateChunk { transfer: offer().transfer(), index: 5859, data }
}

/// The largest piece of an update.
pub fn largest_chunk() -> UpdateChunk {
    UpdateChunk { transfer: u32::MAX, index: u32::MAX, data: [7; CHUNK].into_iter().collect() }
}

fn offer() -> Offer {
    Offer {
        length: 6_000_000,
        sha256: std::array::from_fn(|i| 0x1f_u8.wrapping_mul(i as u8 + 3)),
        name: "mtcae-edge".into(),
        version: "1.4.0".into(),
        security_counter: 3,
        families: ["jetson-orin-nano", "pc"].into_iter().map(Text::new).collect(),
    }
}

fn state() -> UpdateState {
    UpdateState {
        token: 0x5eed_1002,
        transfer: offer().transfer(),
        phase: UpdatePhase::Receiving,
        chunks: 5860,
        durable: 1280,
        received: 1303,
        later: 0b1011,
        window: 128,
        checked: 0,
    }
}

fn refused() -> UpdateRefused {
    UpdateRefused {
        token: 0x5eed_1001,
        transfer: offer().transfer(),
        refusal: Refusal::WrongBoard,
        detail: "the bundle is for jetson-orin-nano, this board is a pc".into(),
    }
}

fn slots() -> Slots {
    let slot = |transfer, version: &str, state| Slot { transfer, version: version.into(), security_counter: 3, state };
    let confirmed = slot(0xa1b2_c3d4, "1.3.2", SlotState::Confirmed);
    let trial = slot(offer().transfer(), "1.4.0", SlotState::Trial);
    Slots {
        token: 41,
        family: "jetson-orin-nano".into(),
        model: SlotPair { active: Some(SlotName::B), slots: [Some(confirmed.clone()), Some(trial)] },
        daemon: SlotPair { active: Some(SlotName::A), slots: [Some(confirmed), None] },
        trial_starts_left: Some(2),
        security_counter: 3,
        free_bytes: 11_274_289_152,
    }
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
        faces: if face.is_some() { 2 } else { 0 },
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
        quality: Quality::SMALL.with(Quality::PARTIAL),
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
        parts: Parts {
            engine: Condition::Good,
            storage: Condition::Good,
            temperature: Condition::Strained,
            memory: Condition::Good,
            clock: Condition::Unknown,
        },
        clips_tenths: 50,
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
        quality: Quality::WORDS.iter().fold(Quality::GOOD, |all, (flag, _)| all.with(*flag)),
    };
    let report = Report {
        boot: all,
        seq: all,
        captured_us: u64::MAX,
        age_us: all,
        width: u16::MAX,
        height: u16::MAX,
        dropped: all,
        faces: 0,
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
        parts: Parts {
            engine: Condition::Bad,
            storage: Condition::Bad,
            temperature: Condition::Bad,
            memory: Condition::Bad,
            clock: Condition::Bad,
        },
        clips_tenths: u16::MAX,
    };
    vec![
        ("up-hello", Up::Hello(hello)),
        ("up-report", Up::Report(Report { faces: u8::MAX, face: Some(face), ..report.clone() })),
        ("up-report-no-face", Up::Report(report)),
        ("up-status", Up::Status(status)),
        ("up-log", Up::Log(Log { level: Level::Debug, at_us: u64::MAX, text: full() })),
        ("up-pong", Up::Pong(Pong { token: all, board_us: u64::MAX })),
        ("up-ack", Up::Ack(Ack { token: all })),
        ("up-nack", Up::Nack(Nack { token: all, reason: Reason::Failed, detail: full() })),
        ("up-slots", Up::Slots(largest_slots())),
        ("up-update-state", Up::UpdateState(largest_state())),
        (
            "up-update-refused",
            Up::UpdateRefused(UpdateRefused {
                token: all,
                transfer: all,
                refusal: Refusal::NotAllowed,
                detail: full(),
            }),
        ),
        (
            "up-camera-mode",
            Up::CameraMode(CameraMode {
                token: all,
                index: u16::MAX - 1,
                count: u16::MAX,
                mode: largest_mode(),
                current: true,
                readable: true,
            }),
        ),
    ]
}

fn largest_state() -> UpdateState {
    let all = u32::MAX;
    UpdateState {
        token: all,
        transfer: all,
        phase: UpdatePhase::Installed,
        chunks: all,
        durable: all - 200,
        received: all - 200,
        later: u128::MAX,
        window: MAX_WINDOW,
        checked: all - 200,
    }
}

fn largest_slots() -> Slots {
    let slot = Slot { transfer: u32::MAX, version: full(), security_counter: u32::MAX, state: SlotState::Failed };
    let pair = SlotPair { active: Some(SlotName::B), slots: [Some(slot.clone()), Some(slot)] };
    Slots {
        token: u32::MAX,
        family: full(),
        model: pair.clone(),
        daemon: pair,
        trial_starts_left: Some(u8::MAX),
        security_counter: u32::MAX,
        free_bytes: u64::MAX,
    }
}

/// The largest message of every kind downward.
pub fn largest_down() -> Vec<(&'static str, Down)> {
    vec![
        ("down-hello", Down::Hello),
        ("down-ping", Down::Ping(Ping { token: u32::MAX })),
        ("down-set-time", Down::SetTime(SetTime { token: u32::MAX, unix_us: u64::MAX })),
        ("down-slots-query", Down::SlotsQuery(Request { token: u32::MAX })),
        ("down-update-begin", Down::UpdateBegin(UpdateBegin { token: u32::MAX, offer: largest_offer() })),
        ("down-update-query", Down::UpdateQuery(Request { token: u32::MAX })),
        ("down-update-finish", Down::UpdateFinish(UpdateFinish { token: u32::MAX, transfer: u32::MAX })),
        ("down-confirm", Down::Confirm(Request { token: u32::MAX })),
        ("down-rollback", Down::Rollback(Request { token: u32::MAX })),
        ("down-logs-query", Down::LogsQuery(LogsQuery { token: u32::MAX, lines: u8::MAX })),
        ("down-permit", Down::Permit(PermitOffer { token: u32::MAX, permit: [255; MAX_PERMIT].into_iter().collect() })),
        ("down-camera-modes-query", Down::CameraModesQuery(Request { token: u32::MAX })),
        ("down-camera", Down::Camera(CameraOrder { token: u32::MAX, action: CameraAction::Choose(largest_mode()) })),
        (
            "down-subscribe",
            Down::Subscribe(Subscribe {
                token: u32::MAX,
                report_every_ms: Some(u16::MAX),
                status_every_ms: Some(u32::MAX),
                log: Some(Level::Debug),
            }),
        ),
    ]
}

fn largest_mode() -> Mode {
    Mode { format: full(), width: u16::MAX, height: u16::MAX, fps_tenths: u16::MAX }
}

fn largest_offer() -> Offer {
    Offer {
        length: Offer::MAX_LENGTH,
        sha256: [u8::MAX; 32],
        name: full(),
        version: full(),
        security_counter: u32::MAX,
        families: (0..MAX_FAMILIES).map(|_| full()).collect(),
    }
}
