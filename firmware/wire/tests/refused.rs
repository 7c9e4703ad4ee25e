//! Whole frames, right checksum, and yet refused: each with its own error.

mod common;

use common::{body_of, frame_of};
use mtcae_wire::*;

fn refusal(frame: &[u8]) -> String {
    let got: Vec<_> = Decoder::<Up>::new().feed(frame).collect();
    match got.as_slice() {
        [Err(error)] => error.to_string(),
        other => panic!("{other:?}"),
    }
}

fn face() -> FaceReport {
    FaceReport {
        id: 7,
        area: Area::from_f32([0.4, 0.2, 0.1, 0.2]).unwrap(),
        landmarks: [Point::default(); LANDMARKS],
        confidence: Share::ONE,
        scores: scores_from_f32(&[0.75, 0.25]).unwrap(),
        label: Some(0),
        smoothing: Smoothing::Stable,
        quality: Quality::GOOD,
    }
}

fn report(face: FaceReport) -> Up {
    Up::Report(Report {
        boot: 1,
        seq: 2,
        captured_us: 3,
        age_us: 4,
        width: 640,
        height: 360,
        dropped: 0,
        faces: 1,
        face: Some(face),
    })
}

#[test]
fn other_versions_are_recognised() {
    insta::assert_snapshot!(refusal(&frame_of(1, &[0xff; 40])), @"the peer speaks protocol version 1, this end version 2; update the older end");
    let newer: Vec<_> = Decoder::<Down>::new().feed(&frame_of(3 | DOWN_BIT, &[9])).collect();
    assert_eq!(newer, [Err(DecodeError::Version { found: 3 })]);
}

#[test]
fn an_echo_is_not_obeyed() {
    let ping = encode(&Down::Ping(Ping { token: 1 })).unwrap();
    insta::assert_snapshot!(refusal(&ping), @"the frame goes the other way; does the line echo?");
}

#[test]
fn later_kinds_are_unknown() {
    insta::assert_snapshot!(refusal(&frame_of(VERSION, &[11, 1, 2])), @"message kind 11 is unknown to this build; the peer is newer");
}

#[test]
fn the_last_known_kinds_are_accepted() {
    let mode = Mode { format: "YUYV".into(), width: 2, height: 2, fps_tenths: 0 };
    let mode = CameraMode { token: 1, index: 0, count: 1, mode, current: true, readable: true };
    assert_eq!(body_of(&encode(&Up::CameraMode(mode)).unwrap())[0], Up::KINDS - 1);
    let all = Subscribe { token: 1, report_every_ms: Some(0), status_every_ms: None, log: None };
    assert_eq!(body_of(&encode(&Down::Subscribe(all)).unwrap())[0], Down::KINDS - 1);
}

#[test]
fn bytes_behind_the_message_are_refused() {
    let mut body = body_of(&encode(&Up::Ack(Ack { token: 300 })).unwrap());
    assert!(Decoder::<Up>::new().feed(&frame_of(VERSION, &body)).all(|got| got.is_ok()));
    body.push(0);
    insta::assert_snapshot!(refusal(&frame_of(VERSION, &body)), @"the body of message kind 5 is not acceptable");
}

#[test]
fn numbers_longer_than_needed_are_refused() {
    assert!(Decoder::<Up>::new().feed(&frame_of(VERSION, &[5, 3])).all(|got| got.is_ok()));
    assert_eq!(refusal(&frame_of(VERSION, &[5, 0x83, 0])), "the body of message kind 5 is not acceptable");
}

#[test]
fn every_shortened_body_is_refused() {
    let body = body_of(&encode(&report(face())).unwrap());
    for len in 1..body.len() {
        assert_eq!(refusal(&frame_of(VERSION, &body[..len])), "the body of message kind 1 is not acceptable", "{len}");
    }
}

#[test]
fn a_score_above_one_is_refused() {
    let body = body_of(&encode(&report(face())).unwrap());
    // The confidence, 1.0, is the only 8192 = varint 80 40 in this message.
    let at = body.windows(2).rposition(|pair| pair == [0x80, 0x40]).unwrap();
    let mut above = body.clone();
    above[at] = 0x81;
    assert_eq!(refusal(&frame_of(VERSION, &above)), "the body of message kind 1 is not acceptable");
}

#[test]
fn a_count_of_faces_that_disagrees_with_the_face_is_refused() {
    let Up::Report(good) = report(face()) else { unreachable!() };
    let none = Up::Report(Report { faces: 0, ..good.clone() });
    assert!(matches!(encode(&none), Err(EncodeError::Invalid(_))), "{:?}", encode(&none));
    let empty = Up::Report(Report { face: None, ..good });
    assert!(matches!(encode(&empty), Err(EncodeError::Invalid(_))));
}

#[test]
fn escape_sequences_are_refused() {
    let log = Log { level: Level::Info, at_us: 0, text: "abc".into() };
    let mut body = body_of(&encode(&Up::Log(log)).unwrap());
    let at = body.iter().position(|&b| b == b'a').unwrap();
    body[at] = 0x1b;
    assert_eq!(refusal(&frame_of(VERSION, &body)), "the body of message kind 3 is not acceptable");
    body[at] = 0xff;
    assert_eq!(refusal(&frame_of(VERSION, &body)), "the body of message kind 3 is not acceptable", "not UTF-8");
}

#[test]
fn a_text_longer_than_its_bound_is_refused() {
    let body = [&[3, 2, 0, 201, 1], [b'a'; 201].as_slice()].concat();
    assert_eq!(refusal(&frame_of(VERSION, &body)), "the body of message kind 3 is not acceptable");
    let body = [&[3, 2, 0, 200, 1], [b'a'; 200].as_slice()].concat();
    assert!(Decoder::<Up>::new().feed(&frame_of(VERSION, &body)).all(|got| got.is_ok()));
}

#[test]
fn contradictions_are_refused_on_both_ends() {
    let no_such_label = report(FaceReport { label: Some(2), ..face() });
    let error = encode(&no_such_label).unwrap_err();
    insta::assert_snapshot!(error, @"message not sent: `Report.face.label`: must be an index into `scores`");
    let frame = frame_of(VERSION, &postcard::to_allocvec(&no_such_label).unwrap());
    insta::assert_snapshot!(refusal(&frame), @"message refused: `Report.face.label`: must be an index into `scores`");

    let unsure = report(FaceReport { smoothing: Smoothing::Unsure, ..face() });
    insta::assert_snapshot!(encode(&unsure).unwrap_err(), @"message not sent: `Report.face.smoothing`: must be `Unsure` exactly when there is no label");
    let negative = Area { w: Coord::MIN, ..face().area };
    let negative = report(FaceReport { area: negative, ..face() });
    insta::assert_snapshot!(encode(&negative).unwrap_err(), @"message not sent: `Report.face.area.w`: must not be negative");
}

#[test]
fn noise_is_refused_and_counted() {
    let mut decoder = Decoder::<Up>::new();
    let frame = encode(&Up::Ack(Ack { token: 1 })).unwrap();
    let mut noise = vec![5, 0, 1, 1, 0];
    noise.extend([1; 2000]);
    noise.push(0);
    noise.extend(frame.as_bytes());
    let mut flipped = frame.to_vec();
    flipped[2] ^= 0x10;
    noise.extend(flipped);
    let got: Vec<_> = decoder
        .feed(&noise)
        .map(|got| match got {
            Ok(up) => format!("{up:?}"),
            Err(error) => error.to_string(),
        })
        .collect();
    insta::assert_snapshot!(got.join("\n"), @r"
    the framing of 1 received byte(s) is broken
    a frame with 1 byte(s) of content is too short; the shortest message has 6
    no delimiter within 256 bytes; wrong baud rate, or not this protocol
    Ack(Ack { token: 1 })
    checksum 0xf6b5c9af does not match the content's 0xbc77dbfe
    ");
    assert_eq!(decoder.counts(), Counts { good: 1, bad: 4, overlong: 1 });
}

#[test]
fn reset_forgets_a_frame_begun() {
    let mut decoder = Decoder::<Up>::new();
    let frame = encode(&Up::Ack(Ack { token: 9 })).unwrap();
    assert_eq!(decoder.feed(&frame[..4]).count(), 0);
    decoder.reset();
    let got: Vec<_> = decoder.feed(&frame).collect();
    assert_eq!(got, [Ok(Up::Ack(Ack { token: 9 }))]);
}
