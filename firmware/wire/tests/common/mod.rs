//! Arbitrary messages, and frames that `encode` would not make.
#![allow(dead_code, reason = "each test file takes what it needs")]

#[path = "update.rs"]
mod update;

use mtcae_wire::*;
use proptest::array::uniform5;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Every field of every kind, over its whole range.
pub fn any_up() -> impl Strategy<Value = Up> {
    let answer = prop_oneof![
        (any::<u32>(), any::<u64>()).prop_map(|(token, board_us)| Up::Pong(Pong { token, board_us })),
        any::<u32>().prop_map(|token| Up::Ack(Ack { token })),
        (any::<u32>(), reason(), text()).prop_map(|(token, reason, detail)| Up::Nack(Nack { token, reason, detail })),
    ];
    prop_oneof![
        2 => hello().prop_map(Up::Hello),
        6 => report().prop_map(Up::Report),
        2 => status().prop_map(Up::Status),
        1 => (level(), any::<u64>(), text()).prop_map(|(level, at_us, text)| Up::Log(Log { level, at_us, text })),
        1 => answer,
        1 => camera_mode().prop_map(Up::CameraMode),
        3 => update::any_up(),
    ]
}

pub fn any_down() -> impl Strategy<Value = Down> {
    prop_oneof![
        1 => Just(Down::Hello),
        1 => any::<u32>().prop_map(|token| Down::Ping(Ping { token })),
        1 => (any::<u32>(), any::<u64>()).prop_map(|(token, unix_us)| Down::SetTime(SetTime { token, unix_us })),
        1 => any::<u32>().prop_map(|token| Down::CameraModesQuery(Request { token })),
        1 => (any::<u32>(), action()).prop_map(|(token, action)| Down::Camera(CameraOrder { token, action })),
        1 => subscribe().prop_map(Down::Subscribe),
        4 => update::any_down(),
    ]
}

pub fn any_chunk() -> impl Strategy<Value = UpdateChunk> {
    update::any_chunk()
}

fn text<const N: usize>() -> impl Strategy<Value = Text<N>> {
    vec(any::<char>(), 0..=N).prop_map(|chars| Text::new(&chars.into_iter().collect::<String>()))
}

fn hello() -> impl Strategy<Value = Hello> {
    let labels = vec(text(), 0..=MAX_LABELS).prop_map(|all| {
        let mut labels = heapless::Vec::new();
        for label in all {
            if !labels.contains(&label) {
                labels.push(label).unwrap();
            }
        }
        labels
    });
    let names = (text(), text(), text(), text(), text());
    (any::<u8>(), any::<u32>(), names, labels).prop_map(|(protocol, boot, names, labels)| {
        let (device, firmware, model, model_version, engine) = names;
        Hello { protocol, boot, device, firmware, model, model_version, engine, labels }
    })
}

fn report() -> impl Strategy<Value = Report> {
    (any::<[u32; 4]>(), any::<u64>(), any::<[u16; 2]>(), 1u8.., option::weighted(0.9, face())).prop_map(
        |([boot, seq, age_us, dropped], captured_us, [width, height], faces, face)| Report {
            boot,
            seq,
            captured_us,
            age_us,
            width,
            height,
            dropped,
            faces: if face.is_some() { faces } else { 0 },
            face,
        },
    )
}

fn face() -> impl Strategy<Value = FaceReport> {
    let scores = vec(share(), 0..=MAX_LABELS);
    (any::<u32>(), area(), uniform5(point()), share(), scores, any::<(u8, bool, bool)>(), 0u8..32).prop_map(
        |(id, area, landmarks, confidence, scores, (pick, unsure, holding), quality)| {
            let unsure = unsure || scores.is_empty();
            let smoothing = match (unsure, holding) {
                (true, _) => Smoothing::Unsure,
                (false, true) => Smoothing::Holding,
                (false, false) => Smoothing::Stable,
            };
            let label = (!unsure).then(|| pick % scores.len() as u8);
            let scores = scores.into_iter().collect();
            let quality = Quality::try_from(quality).unwrap();
            FaceReport { id, area, landmarks, confidence, scores, label, smoothing, quality }
        },
    )
}

fn share() -> impl Strategy<Value = Share> {
    (0..=SCALE).prop_map(|steps| Share::try_from(steps).unwrap())
}

fn coord(min: i16) -> impl Strategy<Value = Coord> {
    (min..=Coord::MAX.steps()).prop_map(|steps| Coord::try_from(steps).unwrap())
}

fn point() -> impl Strategy<Value = Point> {
    let min = Coord::MIN.steps();
    (coord(min), coord(min)).prop_map(|(x, y)| Point { x, y })
}

fn area() -> impl Strategy<Value = Area> {
    (point(), coord(0), coord(0)).prop_map(|(Point { x, y }, w, h)| Area { x, y, w, h })
}

fn condition() -> impl Strategy<Value = Condition> {
    select(vec![Condition::Unknown, Condition::Good, Condition::Strained, Condition::Bad])
}

fn mode() -> impl Strategy<Value = Mode> {
    (text(), any::<[u16; 3]>()).prop_map(|(format, [width, height, fps_tenths])| Mode {
        format,
        width,
        height,
        fps_tenths,
    })
}

fn camera_mode() -> impl Strategy<Value = CameraMode> {
    (any::<u32>(), any::<u16>(), 1u16.., mode(), any::<[bool; 2]>()).prop_map(
        |(token, index, count, mode, [current, readable])| CameraMode {
            token,
            index: index % count,
            count,
            mode,
            current,
            readable,
        },
    )
}

fn action() -> impl Strategy<Value = CameraAction> {
    prop_oneof![Just(CameraAction::Stop), Just(CameraAction::Start), mode().prop_map(CameraAction::Choose)]
}

fn subscribe() -> impl Strategy<Value = Subscribe> {
    let often = option::of(Subscribe::LEAST_STATUS_MS..);
    (any::<u32>(), any::<Option<u16>>(), often, option::of(level())).prop_map(
        |(token, report_every_ms, status_every_ms, log)| Subscribe { token, report_every_ms, status_every_ms, log },
    )
}

fn status() -> impl Strategy<Value = Status> {
    let clock = (any::<u32>(), any::<u64>(), any::<Option<i64>>());
    let states = (text(), camera(), sink());
    let numbers = (any::<u16>(), any::<Option<i16>>(), any::<u32>());
    (clock, states, any::<[u32; 7]>(), numbers, any::<[[u32; 2]; 5]>(), uniform5(condition()), any::<u16>()).prop_map(
        |(clock, states, counters, numbers, latency, parts, clips_tenths)| {
            let [engine_part, storage, temperature, memory, clock_part] = parts;
            let (boot, uptime_ms, unix_offset_us) = clock;
            let (engine, camera, sink) = states;
            let (fps_tenths, temperature_tenths_c, rss_kib) = numbers;
            let [frames, clips, reports, dropped_frames, dropped_reports, bad_received, reconnects] = counters;
            let [decode, crop, infer, outputs, encode] = latency.map(|[p50_us, p99_us]| Percentiles { p50_us, p99_us });
            Status {
                boot,
                uptime_ms,
                unix_offset_us,
                engine,
                camera,
                sink,
                counters: Counters {
                    frames,
                    clips,
                    reports,
                    dropped_frames,
                    dropped_reports,
                    bad_received,
                    reconnects,
                },
                fps_tenths,
                temperature_tenths_c,
                rss_kib,
                latency: Latencies { decode, crop, infer, outputs, encode },
                parts: Parts { engine: engine_part, storage, temperature, memory, clock: clock_part },
                clips_tenths,
            }
        },
    )
}

fn camera() -> impl Strategy<Value = CameraState> {
    use CameraState::*;
    select(vec![Starting, Streaming, Lost, Ended, Off, Private])
}

fn sink() -> impl Strategy<Value = SinkState> {
    use SinkState::*;
    select(vec![Connecting, Connected, Lost])
}

fn level() -> impl Strategy<Value = Level> {
    use Level::*;
    select(vec![Error, Warn, Info, Debug])
}

fn reason() -> impl Strategy<Value = Reason> {
    use Reason::*;
    select(vec![Unsupported, BadValue, Busy, Failed])
}

/// A frame around any version byte and body, with a right checksum.
pub fn frame_of(first: u8, body: &[u8]) -> Vec<u8> {
    let mut content = vec![first];
    content.extend(body);
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&content);
    content.extend(crc.to_le_bytes());
    stuff(&content)
}

/// COBS with its delimiter.
pub fn stuff(content: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    for run in content.split(|&b| b == 0) {
        let mut groups = run.chunks(254).peekable();
        if groups.peek().is_none() {
            frame.push(1);
        }
        for group in groups {
            frame.push(group.len() as u8 + 1);
            frame.extend(group);
        }
        // The zero behind a full group needs a code of its own.
        if !run.is_empty()
            && run.len().is_multiple_of(254)
            && !std::ptr::eq(run.as_ptr_range().end, content.as_ptr_range().end)
        {
            frame.push(1);
        }
    }
    frame.push(0);
    frame
}

/// The content of a frame, or `None` when it has none.
pub fn unstuff(frame: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let mut rest = frame.strip_suffix(&[0])?;
    while let Some((&code, more)) = rest.split_first() {
        let run = more.get(..usize::from(code).checked_sub(1)?)?;
        content.extend(run);
        rest = &more[run.len()..];
        if !rest.is_empty() && code < 255 {
            content.push(0);
        }
    }
    Some(content)
}

/// The body of an encoded message.
pub fn body_of(frame: &[u8]) -> Vec<u8> {
    let content = unstuff(frame).expect("a whole frame");
    content[1..content.len() - 4].to_vec()
}
