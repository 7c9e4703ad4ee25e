//! What a board's messages become, word for word.

mod common;

use common::{hello, report, status};
use mtcae_json::{Publication, Qos, Translator};
use mtcae_wire::{CameraState, Level, Log, Report, Status, Up};
use serde_json::{Value, json};

/// One line each: quality of service, whether it is kept, topic, payload.
fn lines(publications: &[Publication]) -> String {
    let line = |p: &Publication| {
        let quality = if p.qos == Qos::AtLeastOnce { 1 } else { 0 };
        let kept = if p.retain { "kept" } else { "-" };
        format!("{quality} {kept} {} {}", p.topic, p.payload)
    };
    publications.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn ready() -> Translator {
    let mut translator = Translator::new("mtcae", "desk");
    assert_eq!(translator.publications(&hello()), []);
    translator.publications(&status(500));
    translator
}

fn without_landmarks(all: &[Publication]) -> Vec<Publication> {
    all.iter().filter(|p| !p.topic.ends_with("landmarks")).cloned().collect()
}

fn payload(all: &[Publication], end: &str) -> Value {
    let found: Vec<&Publication> = all.iter().filter(|p| p.topic.ends_with(end)).collect();
    assert_eq!(found.len(), 1, "{end} in {all:?}");
    serde_json::from_str(&found[0].payload).unwrap()
}

#[test]
fn a_face() {
    let all = ready().publications(&Up::Report(report(20, 0x2a, Some(4))));
    assert_eq!(all.len(), 5);
    insta::assert_snapshot!(lines(&without_landmarks(&all)), @r#"
    0 - mtcae/desk/faces/tracked {"header":{"stamp":{"sec":1764000001,"nanosec":320000000},"frame_id":"desk"},"ids":["f0000002a"]}
    0 - mtcae/desk/faces/f0000002a/roi {"header":{"stamp":{"sec":1764000001,"nanosec":320000000},"frame_id":"desk"},"xmin":0.35,"ymin":0.25,"xmax":0.65,"ymax":0.75,"c":0.98}
    0 - mtcae/desk/faces/f0000002a/expression {"header":{"stamp":{"sec":1764000001,"nanosec":320000000},"frame_id":"desk"},"expression":"scared","valence":0.0,"arousal":0.0,"confidence":0.65}
    0 - mtcae/desk/faces/f0000002a/scores {"age_us":52000,"boot":7,"dropped":0,"header":{"frame_id":"desk","stamp":{"nanosec":320000000,"sec":1764000001}},"label":"fear","quality":[],"scores":{"angry":0.05,"contempt":0.05,"disgust":0.05,"fear":0.65,"happy":0.05,"neutral":0.05,"sad":0.05,"surprise":0.05},"seq":20,"state":"stable"}
    "#);
}

#[test]
fn no_face() {
    let mut translator = ready();
    translator.publications(&Up::Report(report(20, 1, Some(1))));
    let mut gone = report(21, 1, None);
    gone.face = None;
    insta::assert_snapshot!(lines(&translator.publications(&Up::Report(gone))), @r#"0 - mtcae/desk/faces/tracked {"header":{"stamp":{"sec":1764000001,"nanosec":386000000},"frame_id":"desk"},"ids":[]}"#);
}

#[test]
fn the_state() {
    let mut translator = Translator::new("lab/mtcae", "desk");
    translator.publications(&hello());
    insta::assert_snapshot!(lines(&translator.publications(&status(500))), @r#"1 kept lab/mtcae/desk/status {"boot":7,"camera":"streaming","clips_per_s":10.0,"counters":{"bad_received":0,"clips":0,"dropped_frames":0,"dropped_reports":0,"frames":300,"reconnects":0,"reports":150},"device":"desk","engine":"tract","firmware":"0.1.0","fps":29.8,"labels":["neutral","happy","sad","angry","fear","disgust","surprise","contempt"],"latency_us":{"crop":{"p50":0,"p99":0},"decode":{"p50":0,"p99":0},"encode":{"p50":0,"p99":0},"infer":{"p50":0,"p99":0},"outputs":{"p50":0,"p99":0}},"model":"edge","model_version":"1.2.0","parts":{"clock":"unknown","engine":"unknown","memory":"unknown","storage":"unknown","temperature":"unknown"},"protocol":1,"rss_kib":41000,"sink":"connected","temperature_c":48.5,"unix_offset_us":1764000000000000,"uptime_ms":500}"#);
    let nothing_said = Translator::new("mtcae", "desk").publications(&status(500));
    assert_eq!(payload(&nothing_said, "status")["model"], Value::Null);
    insta::assert_snapshot!(lines(&[translator.topics().available(true), translator.topics().available(false)]), @r#"
    1 kept lab/mtcae/desk/available online
    1 kept lab/mtcae/desk/available offline
    "#);
}

#[test]
fn five_landmarks_are_the_subjects() {
    let all = ready().publications(&Up::Report(report(20, 0x2a, Some(4))));
    let landmarks = payload(&all, "landmarks");
    let list = landmarks["landmarks"].as_array().unwrap();
    assert_eq!((list.len(), &landmarks["width"], &landmarks["height"]), (70, &640.into(), &480.into()));
    let known: Vec<String> =
        list.iter().enumerate().filter(|(_, p)| p["c"] != 0.0).map(|(at, p)| format!("{at}: {p}")).collect();
    // Who looks at the camera has the right eye on the image's left side.
    insta::assert_snapshot!(known.join("\n"), @r#"
    30: {"c":0.98,"x":0.5,"y":0.5}
    48: {"c":0.98,"x":0.45,"y":0.6}
    54: {"c":0.98,"x":0.55,"y":0.6}
    68: {"c":0.98,"x":0.4,"y":0.4}
    69: {"c":0.98,"x":0.6,"y":0.4}
    "#);
    assert!(list.iter().filter(|p| p["c"] == 0.0).all(|p| p["x"] == 0.0 && p["y"] == 0.0));
}

#[test]
fn labels_become_rep_155s_words() {
    let mut translator = ready();
    let mut words = Vec::new();
    for label in (0..8).map(Some).chain([None]) {
        let all = translator.publications(&Up::Report(report(30, 1, label)));
        let (expression, scores) = (payload(&all, "expression"), payload(&all, "scores"));
        words.push(format!(
            "{} {} -> {} {}",
            scores["label"], scores["state"], expression["expression"], expression["confidence"]
        ));
    }
    insta::assert_snapshot!(words.join("\n"), @r#"
    "neutral" "stable" -> "neutral" 0.65
    "happy" "stable" -> "happy" 0.65
    "sad" "stable" -> "sad" 0.65
    "angry" "stable" -> "angry" 0.65
    "fear" "stable" -> "scared" 0.65
    "disgust" "stable" -> "disgusted" 0.65
    "surprise" "stable" -> "surprised" 0.65
    "contempt" "stable" -> "" 0.0
    null "unsure" -> "" 0.0
    "#);
}

#[test]
fn what_lies_outside_the_image_is_brought_to_its_edge() {
    let mut outside = report(20, 1, Some(1));
    let face = outside.face.as_mut().unwrap();
    face.area = mtcae_wire::Area::from_f32([-0.25, 0.5, 0.5, 0.9]).unwrap();
    face.landmarks[0] = mtcae_wire::Point::from_f32([-0.1, 0.7]).unwrap();
    let all = ready().publications(&Up::Report(outside));
    let roi = payload(&all, "roi");
    assert_eq!(
        [&roi["xmin"], &roi["ymin"], &roi["xmax"], &roi["ymax"]].map(|v| v.as_f64().unwrap()),
        [0.0, 0.5, 0.25, 1.0]
    );
    let point = &payload(&all, "landmarks")["landmarks"][68];
    assert_eq!((&point["x"], &point["c"]), (&0.0.into(), &0.0.into()), "{point}");
}

#[test]
fn faces_are_tracked_until_nobody_tells_of_them() {
    let ids = |all: &[Publication]| payload(all, "tracked")["ids"].to_string();
    let mut translator = ready();
    translator.publications(&Up::Report(report(30, 9, Some(1))));
    assert_eq!(ids(&translator.publications(&Up::Report(report(31, 4, Some(1))))), r#"["f00000004","f00000009"]"#);
    // 1.45 s and 1.52 s after the last report of track 9.
    assert_eq!(ids(&translator.publications(&Up::Report(report(52, 4, Some(1))))), r#"["f00000004","f00000009"]"#);
    assert_eq!(ids(&translator.publications(&Up::Report(report(53, 4, Some(1))))), r#"["f00000004"]"#);
    assert_eq!(translator.publications(&status(4_500)).len(), 1, "the face was reported a second ago");
    let silent = translator.publications(&status(60_000));
    assert_eq!((silent.len(), ids(&silent)), (2, "[]".to_owned()));
    for track in 0..40 {
        translator.publications(&Up::Report(report(1_000, track, Some(1))));
    }
    assert_eq!(
        payload(&translator.publications(&Up::Report(report(1_000, 40, None))), "tracked")["ids"]
            .as_array()
            .unwrap()
            .len(),
        16
    );
}

#[test]
fn a_camera_that_sees_nothing_tracks_nobody_at_once() {
    let states = [CameraState::Starting, CameraState::Lost, CameraState::Ended, CameraState::Off, CameraState::Private];
    for camera in states {
        let mut translator = ready();
        let Up::Status(streaming) = status(2_000) else { unreachable!() };
        translator.publications(&Up::Report(report(30, 9, Some(1))));
        let blind = translator.publications(&Up::Status(Status { camera, ..streaming }));
        assert_eq!(payload(&blind, "tracked")["ids"], json!([]), "{camera:?}");
    }
}

#[test]
fn a_face_whose_report_comes_late_is_tracked_until_the_next_one() {
    let mut translator = ready();
    let late = Report { age_us: 4_900_000, ..report(30, 9, Some(1)) };
    translator.publications(&Up::Report(late));
    assert_eq!(translator.publications(&status(1_980 + 4_900)).len(), 1, "it came this moment");
    let silent = translator.publications(&status(1_980 + 4_900 + 1_501));
    assert_eq!(payload(&silent, "tracked")["ids"], json!([]));
}

#[test]
fn faces_that_are_reported_seldom_are_tracked_from_turn_to_turn() {
    // Three faces, and a report every so many seconds on average: `report.max_hz` from 2 down to the least there may be;
    // alone, or as many together as clips are seen side by side.
    for (every_ms, together) in [(500, 1), (2_000, 1), (10_000, 1), (2_500, 2), (2_500, 3)] {
        let mut translator = ready();
        let sent_ms = |turn: u32| u64::from(turn / together * together * every_ms + turn % together * 50);
        for turn in 1..20 {
            let report =
                Report { captured_us: sent_ms(turn) * 1_000, age_us: 0, faces: 3, ..report(0, turn % 3, Some(1)) };
            let all = translator.publications(&Up::Report(report));
            let tracked = payload(&all, "tracked")["ids"].as_array().map(Vec::len);
            let between = translator.publications(&status(sent_ms(turn + 1) - 1)).len();
            // How often the board reports is not known before its second report.
            let steady = turn < 6 || (tracked, between) == (Some(3), 1);
            assert!(steady, "{tracked:?} of 3, then {between} of {together} every {every_ms} ms at {turn}");
        }
    }
}

#[test]
fn times_are_zero_until_the_board_knows_the_time() {
    let mut translator = Translator::new("mtcae", "desk");
    let all = translator.publications(&Up::Report(report(1, 1, Some(3))));
    assert_eq!(payload(&all, "roi")["header"].to_string(), r#"{"frame_id":"desk","stamp":{"nanosec":0,"sec":0}}"#);
    translator.set_unix_offset(Some(1_764_000_000_000_000));
    let known = translator.publications(&Up::Report(report(1, 1, Some(3))));
    assert_eq!(payload(&known, "roi")["header"]["stamp"]["sec"], 1_764_000_000);
    assert_eq!(payload(&all, "scores")["label"], "3", "numbers stand in for labels until there was a Hello");
    assert_eq!(payload(&all, "expression")["expression"], "");
}

#[test]
fn lines_of_the_log_stay_on_the_board() {
    let line = Log { level: Level::Warn, at_us: 500_000, text: "a person was here".into() };
    assert_eq!(ready().publications(&Up::Log(line.clone())), []);
    // Not of the log, and so at no time of the board's.
    let turned_away = Log { at_us: Log::HAVE_TO_WAIT, ..line.clone() };
    assert_eq!(payload(&[ready().log(&turned_away)], "log")["stamp"], json!({ "sec": 0, "nanosec": 0 }));
    // For those who may read it, the way of ROS 2.
    insta::assert_snapshot!(lines(&[ready().log(&line)]), @r#"0 - mtcae/desk/log {"stamp":{"sec":1764000000,"nanosec":500000000},"level":30,"name":"desk","msg":"a person was here","file":"","function":"","line":0}"#);
}
