//! What programs print, read back: the same message, whatever it was.

use mtcae_json::{json_from_up, up_from_json};
use mtcae_wire::{
    Area, CameraState, Condition, Coord, Counters, FaceReport, Hello, Latencies, Level, Log, Parts, Percentiles, Point,
    Quality, Report, SCALE, Scores, Share, SinkState, Smoothing, Status, Text, Up, heapless,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const LABELS: [&str; 8] = ["neutral", "happy", "sad", "angry", "fear", "disgust", "surprise", "contempt"];

fn text<const N: usize>() -> impl Strategy<Value = Text<N>> {
    proptest::string::string_regex("[ -~äß…]{0,12}").unwrap().prop_map(|text| Text::new(&text))
}

fn coord() -> impl Strategy<Value = Coord> {
    (-(SCALE as i16)..=2 * SCALE as i16).prop_map(|steps| Coord::try_from(steps).unwrap())
}

fn share() -> impl Strategy<Value = Share> {
    (0..=SCALE).prop_map(|steps| Share::try_from(steps).unwrap())
}

fn point() -> impl Strategy<Value = Point> {
    (coord(), coord()).prop_map(|(x, y)| Point { x, y })
}

fn face() -> impl Strategy<Value = FaceReport> {
    let size = || coord().prop_map(|c| if c < Coord::default() { Coord::default() } else { c });
    let area = (coord(), coord(), size(), size()).prop_map(|(x, y, w, h)| Area { x, y, w, h });
    let scores = proptest::collection::vec(share(), 1..=8);
    let parts = (any::<u32>(), area, proptest::array::uniform5(point()), share(), scores);
    (parts, any::<prop::sample::Index>(), 0..3u8, 0..32u8).prop_map(
        |((id, area, landmarks, confidence, all), at, state, bits)| {
            let scores = Scores::from_slice(&all).unwrap();
            FaceReport {
                id,
                area,
                landmarks,
                confidence,
                label: (state > 0).then(|| at.index(all.len()) as u8),
                scores,
                smoothing: [Smoothing::Unsure, Smoothing::Holding, Smoothing::Stable][usize::from(state)],
                quality: Quality::try_from(bits).unwrap(),
            }
        },
    )
}

fn report() -> impl Strategy<Value = Report> {
    let numbers = (any::<u32>(), any::<u32>(), any::<u64>(), any::<u32>(), any::<u16>(), any::<u16>(), any::<u32>());
    (numbers, proptest::option::of(face()), 1..=255u8).prop_map(
        |((boot, seq, captured_us, age_us, width, height, dropped), face, faces)| Report {
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

fn hello() -> impl Strategy<Value = Hello> {
    (any::<u8>(), any::<u32>(), text(), text(), text(), (text(), text()), 0..=8usize).prop_map(
        |(protocol, boot, device, firmware, model, (model_version, engine), labels)| Hello {
            protocol,
            boot,
            device,
            firmware,
            model,
            model_version,
            engine,
            labels: heapless::Vec::from_slice(&LABELS.map(Text::from)[..labels]).unwrap(),
        },
    )
}

fn status() -> impl Strategy<Value = Status> {
    let states = [CameraState::Starting, CameraState::Streaming, CameraState::Lost, CameraState::Ended];
    let states = [&states[..], &[CameraState::Off, CameraState::Private]].concat();
    let sinks = [SinkState::Connecting, SinkState::Connected, SinkState::Lost];
    let part =
        || (0..4usize).prop_map(|at| [Condition::Unknown, Condition::Good, Condition::Strained, Condition::Bad][at]);
    let parts = (part(), part(), part(), part(), part());
    let stage = || (any::<u32>(), any::<u32>()).prop_map(|(p50_us, p99_us)| Percentiles { p50_us, p99_us });
    let latency = (stage(), stage(), stage(), stage(), stage());
    let numbers = (
        any::<u32>(),
        any::<u64>(),
        any::<Option<i64>>(),
        any::<u16>(),
        any::<Option<i16>>(),
        any::<u32>(),
        any::<u16>(),
    );
    let kinds = (prop::sample::select(states), prop::sample::select(sinks.to_vec()), text());
    (numbers, kinds, latency, parts, proptest::array::uniform7(any::<u32>())).prop_map(
        |(numbers, kinds, latency, parts, c)| {
            let (boot, uptime_ms, unix_offset_us, fps_tenths, temperature_tenths_c, rss_kib, clips_tenths) = numbers;
            let (camera, sink, engine) = kinds;
            let (decode, crop, infer, outputs, encode) = latency;
            let (engine_part, storage, temperature, memory, clock) = parts;
            Status {
                boot,
                uptime_ms,
                unix_offset_us,
                engine,
                camera,
                sink,
                counters: Counters {
                    frames: c[0],
                    clips: c[1],
                    reports: c[2],
                    dropped_frames: c[3],
                    dropped_reports: c[4],
                    bad_received: c[5],
                    reconnects: c[6],
                },
                fps_tenths,
                temperature_tenths_c,
                rss_kib,
                latency: Latencies { decode, crop, infer, outputs, encode },
                parts: Parts { engine: engine_part, storage, temperature, memory, clock },
                clips_tenths,
            }
        },
    )
}

fn log() -> impl Strategy<Value = Log> {
    (0..4usize, any::<u64>(), text()).prop_map(|(level, at_us, text)| Log {
        level: [Level::Error, Level::Warn, Level::Info, Level::Debug][level],
        at_us,
        text,
    })
}

fn message() -> impl Strategy<Value = Up> {
    prop_oneof![
        hello().prop_map(Up::Hello),
        report().prop_map(Up::Report),
        status().prop_map(Up::Status),
        log().prop_map(Up::Log),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_message_comes_back_as_it_was(message in message(), named in 0..=8usize) {
        let labels: Vec<String> = LABELS[..named].iter().map(|label| (*label).to_owned()).collect();
        let line = json_from_up(&message, &labels).to_string();
        let value: Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(up_from_json(&value, &labels).unwrap(), Some(message));
    }

    #[test]
    fn an_object_that_lacks_something_is_an_error_or_still_a_message(message in message(), cut in any::<prop::sample::Index>()) {
        let mut value = json_from_up(&message, &[]);
        let fields = value.as_object_mut().unwrap();
        let name = fields.keys().nth(cut.index(fields.len())).unwrap().clone();
        fields.remove(&name);
        let _ = up_from_json(&value, &[]);
        value[&name] = json!({ "another": ["kind"] });
        prop_assert!(up_from_json(&value, &[]).is_err(), "{} of {}", name, value);
    }
}

#[test]
fn other_types_are_nobodys_message_and_errors_name_the_field() {
    let none = |value: Value| up_from_json(&value, &[]).unwrap().is_none();
    assert!(none(json!({ "type": "round_trip", "us": 3 })) && none(json!({ "type": "of the future" })));
    let error = |value: Value| up_from_json(&value, &[]).unwrap_err().to_string();
    assert_eq!(error(json!({ "us": 3 })), "an object without a `type`");
    assert_eq!(error(json!([1])), "an object without a `type`");
    assert_eq!(error(json!({ "type": "log", "level": "info", "text": "" })), "`log`: missing field `at_us`");
    let loud = error(json!({ "type": "log", "level": "loud", "at_us": 1, "text": "" }));
    assert!(loud.starts_with("`log`: unknown variant `loud`, expected one of `error`"), "{loud}");
}

#[test]
fn fields_that_contradict_each_other_are_refused_as_on_the_wire() {
    let labels = LABELS.map(str::to_owned);
    let face = json!({
        "id": 1, "box": { "x": 0.1, "y": 0.1, "w": 0.2, "h": 0.2 },
        "landmarks": {
            "left_eye": [0.1, 0.1], "right_eye": [0.2, 0.1], "nose": [0.2, 0.2], "left_mouth": [0.1, 0.3],
            "right_mouth": [0.2, 0.3],
        },
        "confidence": 0.9, "label": "happy", "state": "stable", "scores": { "neutral": 0.2, "happy": 0.8 },
    });
    let report = json!({
        "type": "report", "boot": 1, "seq": 0, "captured_us": 0, "age_us": 0, "width": 640, "height": 480,
        "dropped": 0, "faces": 1, "face": face,
    });
    assert!(up_from_json(&report, &labels).unwrap().is_some());
    let error = |field: &str, value: Value| {
        let mut wrong = report.clone();
        *wrong.pointer_mut(field).unwrap() = value;
        up_from_json(&wrong, &labels).unwrap_err().to_string()
    };
    assert_eq!(error("/faces", json!(0)), "`report`: `Report.faces`: must be 0 exactly when there is no face");
    assert_eq!(error("/face/label", json!("sad")), "`report`: `Report.face.label`: must be an index into `scores`");
    assert_eq!(
        error("/face/label", Value::Null),
        "`report`: `Report.face.smoothing`: must be `Unsure` exactly when there is no label"
    );
    let hello = json!({
        "type": "hello", "protocol": 2, "boot": 1, "device": "a", "firmware": "b", "model": "c", "model_version": "d",
        "engine": "e", "labels": ["happy", "happy"],
    });
    let twice = up_from_json(&hello, &[]).unwrap_err().to_string();
    assert_eq!(twice, "`hello`: `Hello.labels`: no label may come twice");
}
