//! Payloads against the definitions of ROS 2 `hri_msgs`: the same fields, of the same types, and no others, so that a
//! bridge may copy them by name.

mod common;

use common::{LABELS, hello, report, status};
use mtcae_json::{Translator, hri};
use mtcae_wire::Up;
use serde_json::{Value, json};

/// Type and name of every field, in order. From <https://github.com/ros4hri/hri_msgs>, commit
/// 52bdab7fedaa92b281839c2cb221cc1e35e09f90 (`msg/*.msg`); `NormalizedPointOfInterest2D` from
/// <https://docs.ros.org/en/humble/p/hri_msgs/msg/NormalizedPointOfInterest2D.html>; `Header` and `Time` from
/// `std_msgs` and `builtin_interfaces` of the same release.
const DEFINITIONS: [(&str, &[(&str, &str)]); 7] = [
    ("builtin_interfaces/Time", &[("int32", "sec"), ("uint32", "nanosec")]),
    ("std_msgs/Header", &[("builtin_interfaces/Time", "stamp"), ("string", "frame_id")]),
    ("hri_msgs/IdsList", &[("std_msgs/Header", "header"), ("string[]", "ids")]),
    (
        "hri_msgs/NormalizedRegionOfInterest2D",
        &[
            ("std_msgs/Header", "header"),
            ("float32", "xmin"),
            ("float32", "ymin"),
            ("float32", "xmax"),
            ("float32", "ymax"),
            ("float32", "c"),
        ],
    ),
    ("hri_msgs/NormalizedPointOfInterest2D", &[("float32", "x"), ("float32", "y"), ("float32", "c")]),
    (
        "hri_msgs/FacialLandmarks",
        &[
            ("std_msgs/Header", "header"),
            ("hri_msgs/NormalizedPointOfInterest2D[70]", "landmarks"),
            ("uint32", "height"),
            ("uint32", "width"),
        ],
    ),
    (
        "hri_msgs/Expression",
        &[
            ("std_msgs/Header", "header"),
            ("string", "expression"),
            ("float32", "valence"),
            ("float32", "arousal"),
            ("float32", "confidence"),
        ],
    ),
];

/// The constants of `Expression.msg`.
const WORDS: [&str; 25] = [
    "neutral",
    "angry",
    "sad",
    "happy",
    "surprised",
    "disgusted",
    "scared",
    "pleading",
    "vulnerable",
    "despaired",
    "guilty",
    "disappointed",
    "embarrassed",
    "horrified",
    "skeptical",
    "annoyed",
    "furious",
    "suspicious",
    "rejected",
    "bored",
    "tired",
    "asleep",
    "confused",
    "amazed",
    "excited",
];

/// Constants of `FacialLandmarks.msg`, in the order of a report's points: the image's left eye is the subject's right.
const POINTS: [(&str, usize); 5] =
    [("RIGHT_PUPIL", 68), ("LEFT_PUPIL", 69), ("NOSE", 30), ("MOUTH_OUTER_RIGHT", 48), ("MOUTH_OUTER_LEFT", 54)];

/// Type of the message on each topic.
const TOPICS: [(&str, &str); 4] = [
    ("/faces/tracked", "hri_msgs/IdsList"),
    ("/roi", "hri_msgs/NormalizedRegionOfInterest2D"),
    ("/landmarks", "hri_msgs/FacialLandmarks"),
    ("/expression", "hri_msgs/Expression"),
];

fn check(value: &Value, kind: &str, place: &str) -> Result<(), String> {
    let wrong = || Err(format!("{place} is {value}, no {kind}"));
    if let Some((item, size)) = kind.strip_suffix(']').and_then(|k| k.split_once('[')) {
        let Some(list) = value.as_array() else { return wrong() };
        if !size.is_empty() && size.parse() != Ok(list.len()) {
            return Err(format!("{place} has {} items, not {size}", list.len()));
        }
        return list.iter().enumerate().try_for_each(|(at, v)| check(v, item, &format!("{place}[{at}]")));
    }
    match kind {
        "string" if value.is_string() => Ok(()),
        "int32" if value.as_i64().is_some_and(|v| i32::try_from(v).is_ok()) => Ok(()),
        "uint32" if value.as_u64().is_some_and(|v| u32::try_from(v).is_ok()) => Ok(()),
        // A number that is no float32 to a reader without a decimal point would be an int to Python.
        "float32" if value.is_f64() => Ok(()),
        "string" | "int32" | "uint32" | "float32" => wrong(),
        kind => {
            let (_, fields) = DEFINITIONS.iter().find(|(name, _)| *name == kind).ok_or(format!("no type {kind}"))?;
            let Some(object) = value.as_object() else { return wrong() };
            if let Some(other) = object.keys().find(|key| fields.iter().all(|(_, name)| name != key)) {
                return Err(format!("{place} has a field {other}, which {kind} has not"));
            }
            fields.iter().try_for_each(|(kind, name)| {
                let place = format!("{place}.{name}");
                check(object.get(*name).ok_or(format!("{place} is missing"))?, kind, &place)
            })
        }
    }
}

#[test]
fn every_payload_is_a_message_of_hri_msgs() {
    let mut translator = Translator::new("mtcae", "desk");
    let mut checked = [0; TOPICS.len()];
    for seq in 0..400u32 {
        // With and without a Hello, the time, a label, a face.
        match seq {
            50 => assert!(translator.publications(&hello()).is_empty()),
            100 => assert_eq!(translator.publications(&status(6_600)).len(), 1),
            _ => {}
        }
        let mut message = report(seq, seq % 5, (!seq.is_multiple_of(9)).then_some((seq % 8) as u8));
        if seq.is_multiple_of(7) {
            message.face = None;
        }
        for publication in translator.publications(&Up::Report(message)) {
            let payload: Value = serde_json::from_str(&publication.payload).unwrap();
            let Some(at) = TOPICS.iter().position(|(end, _)| publication.topic.ends_with(end)) else {
                assert!(publication.topic.ends_with("/scores"), "{}", publication.topic);
                continue;
            };
            check(&payload, TOPICS[at].1, TOPICS[at].0).unwrap();
            checked[at] += 1;
        }
    }
    println!("payloads checked: {checked:?}");
    assert!(checked.iter().all(|&n| n >= 300), "{checked:?}");
}

#[test]
fn the_check_finds_what_is_wrong() {
    let right = json!({
        "header": { "stamp": { "sec": 1, "nanosec": 2 }, "frame_id": "desk" },
        "expression": "sad", "valence": 0.0, "arousal": 0.0, "confidence": 0.5,
    });
    let kind = "hri_msgs/Expression";
    assert_eq!(check(&right, kind, "x"), Ok(()));
    let with = |pointer: &str, value: Value| {
        let mut wrong = right.clone();
        *wrong.pointer_mut(pointer).unwrap() = value;
        check(&wrong, kind, "x").unwrap_err()
    };
    assert_eq!(with("/header/stamp/sec", json!(1u64 << 40)), "x.header.stamp.sec is 1099511627776, no int32");
    assert_eq!(with("/confidence", json!("0.5")), "x.confidence is \"0.5\", no float32");
    assert_eq!(with("/header/stamp", json!({ "sec": 1 })), "x.header.stamp.nanosec is missing");
    assert_eq!(with("/header", json!({ "seq": 1 })), "x.header has a field seq, which std_msgs/Header has not");
    assert!(check(&json!([]), "hri_msgs/NormalizedPointOfInterest2D[70]", "x").unwrap_err().ends_with("not 70"));
}

#[test]
fn words_and_landmarks_are_those_of_the_definitions() {
    let words: Vec<&str> = LABELS.iter().filter_map(|label| hri::word_from_label(label)).collect();
    assert_eq!(words, ["neutral", "happy", "sad", "angry", "scared", "disgusted", "surprised"]);
    assert!(words.iter().all(|word| WORDS.contains(word)));
    // A word of REP-155 that a model might have as a label, but that has not been thought about, is not passed on.
    assert_eq!(hri::word_from_label("bored"), None);
    assert_eq!(hri::LANDMARK_OF_POINT, POINTS.map(|(_, at)| at));
    assert_eq!(hri::LANDMARKS, 70);
}
