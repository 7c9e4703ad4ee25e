//! The serial sink on pseudo-terminals, and the JSON lines.
#![cfg(all(feature = "serial", feature = "stdout"))]

use insta::assert_snapshot;
use mtcae_core::{Sink, SinkError};
use mtcae_drivers::{JsonLines, SerialSink};
use mtcae_wire::*;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The robot's end of a line, and the path of the board's.
fn pty() -> (OwnedFd, String) {
    let robot = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&robot).unwrap();
    unlockpt(&robot).unwrap();
    fcntl_setfl(&robot, OFlags::RDWR | OFlags::NONBLOCK).unwrap();
    let path = ptsname(&robot, Vec::new()).unwrap().into_string().unwrap();
    (robot, path)
}

/// Everything that has arrived at the robot's end.
fn arrived(robot: &OwnedFd, decoder: &mut Decoder<Up>) -> Vec<Up> {
    let mut messages = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(n) = rustix::io::read(robot, &mut buffer) {
        if n == 0 {
            break;
        }
        messages.extend(decoder.feed(&buffer[..n]).map(|m| m.unwrap()));
    }
    messages
}

fn log(text: &str) -> Up {
    Up::Log(Log { level: Level::Info, at_us: 5, text: text.into() })
}

fn poll_until(sink: &mut SerialSink) -> Result<FromHost, SinkError> {
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        if let Some(down) = sink.poll()? {
            return Ok(down);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("nothing arrived in 5 s");
}

#[test]
fn messages_go_both_ways_and_garbage_is_counted() {
    let (robot, path) = pty();
    let mut sink = SerialSink::open(&path, 115_200).unwrap();
    let mut decoder = Decoder::new();
    for i in 0..20 {
        sink.send(&log(&format!("line {i}"))).unwrap();
    }
    std::thread::sleep(Duration::from_millis(20));
    let got = arrived(&robot, &mut decoder);
    assert_eq!(got.len(), 20);
    assert_eq!(got[19], log("line 19"));
    assert_eq!(sink.poll(), Ok(None));
    // Bytes that a cooked terminal would change or swallow are among these.
    rustix::io::write(&robot, &[3, 4, 13, 10, 17, 19, 127, 0]).unwrap();
    for token in [13, 0x0a0d_1311] {
        let ping = encode(&Down::Ping(Ping { token })).unwrap();
        rustix::io::write(&robot, &ping[..5]).unwrap();
        rustix::io::write(&robot, &ping[5..]).unwrap();
        assert_eq!(poll_until(&mut sink), Ok(FromHost::Request(Down::Ping(Ping { token }))));
    }
    assert_eq!(sink.counts().bad, 1);
}

#[test]
fn a_slow_reader_makes_it_busy_and_no_frame_is_torn() {
    let (robot, path) = pty();
    let mut sink = SerialSink::open(&path, 115_200).unwrap();
    let (mut accepted, mut busy) = (Vec::new(), 0);
    let mut decoder = Decoder::new();
    let mut got = Vec::new();
    for i in 0..5000 {
        let message = log(&format!("{i} {}", "x".repeat(i % 180)));
        let begin = Instant::now();
        match sink.send(&message) {
            Ok(()) => accepted.push(message),
            Err(SinkError::Busy) => {
                busy += 1;
                if busy % 5 == 0 {
                    got.extend(arrived(&robot, &mut decoder));
                }
            }
            Err(e) => panic!("{e}"),
        }
        assert!(begin.elapsed() < Duration::from_secs(2), "send took {:?}", begin.elapsed());
        if busy >= 25 {
            break;
        }
    }
    assert!(busy >= 25, "the line never filled");
    let end = Instant::now() + Duration::from_secs(5);
    while got.len() < accepted.len() && Instant::now() < end {
        sink.poll().unwrap();
        got.extend(arrived(&robot, &mut decoder));
    }
    assert_eq!(got, accepted);
    assert_eq!(decoder.counts().bad, 0);
}

#[test]
fn a_line_that_goes_is_lost_and_can_be_opened_again() {
    let (robot, path) = pty();
    let mut sink = SerialSink::open(&path, 115_200).unwrap();
    sink.send(&log("before")).unwrap();
    drop(robot);
    let end = Instant::now() + Duration::from_secs(5);
    let lost = loop {
        assert!(Instant::now() < end, "the line went, and 5 s later nothing has noticed");
        if let Some(lost) = sink.poll().err().or_else(|| sink.send(&log("after")).err()) {
            break lost;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let text = lost.to_string().replace(&path, "PORT");
    assert_snapshot!(text, @"serial port PORT is gone (Input/output error (os error 5)); plug it in again, it is then opened again");
    let (_robot, path) = pty();
    SerialSink::open(&path, 921_600).unwrap().send(&log("again")).unwrap();
}

#[test]
fn ports_that_cannot_be_opened_say_why() {
    let text = |port: &str| match SerialSink::open(port, 115_200).map(|_| ()) {
        Err(SinkError::Lost(text)) => text,
        other => panic!("{other:?}"),
    };
    let absent = text("/dev/ttyUSB987");
    assert!(absent.starts_with("serial port /dev/ttyUSB987: there is no such device; ports here: "), "{absent}");
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(text(file.path().to_str().unwrap()).ends_with("is it a serial port?"));
}

/// Keeps what is written, or breaks.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>, bool);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.1 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn hello() -> Up {
    let labels = ["neutral", "happy"].map(|l| l.into()).into_iter().collect();
    Up::Hello(Hello {
        protocol: 1,
        boot: 7,
        device: "robot-1".into(),
        firmware: "0.1.0".into(),
        model: "edge".into(),
        model_version: "0.1.0".into(),
        engine: "tract".into(),
        labels,
    })
}

fn report() -> Up {
    let face = FaceReport {
        id: 9,
        area: Area::from_f32([0.25, 0.125, 0.5, 0.5]).unwrap(),
        landmarks: [[0.3, 0.3], [0.6, 0.3], [0.45, 0.4], [0.35, 0.5], [0.55, 0.5]].map(|p| Point::from_f32(p).unwrap()),
        confidence: Share::from_f32(0.99).unwrap(),
        scores: scores_from_f32(&[0.2, 0.8]).unwrap(),
        label: Some(1),
        smoothing: Smoothing::Stable,
        quality: mtcae_wire::Quality::SMALL,
    };
    let face = Some(face);
    Up::Report(Report {
        boot: 7,
        seq: 3,
        captured_us: 1000,
        age_us: 50,
        width: 640,
        height: 480,
        dropped: 0,
        faces: face.is_some().into(),
        face,
    })
}

#[test]
fn every_message_is_one_line_of_json() {
    let kept = Kept::default();
    let mut sink = JsonLines::new("test", Box::new(kept.clone()));
    for message in [report(), hello(), report(), log("a \"quoted\" word")] {
        sink.send(&message).unwrap();
    }
    assert_eq!(sink.poll(), Ok(None));
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines[0]["face"]["label"], "1");
    assert_eq!(lines[2]["face"]["label"], "happy");
    assert_eq!(lines[2]["face"]["scores"], serde_json::json!({ "neutral": 0.2, "happy": 0.8 }));
    assert_eq!(lines[2]["face"]["box"], serde_json::json!({ "x": 0.25, "y": 0.125, "w": 0.5, "h": 0.5 }));
    assert_eq!(lines[2]["face"]["state"], "stable");
    assert_eq!(lines[1]["labels"], serde_json::json!(["neutral", "happy"]));
    let last = serde_json::json!({ "type": "log", "level": "info", "at_us": 5, "text": "a \"quoted\" word" });
    assert_eq!(lines[3], last);
}

#[test]
fn a_closed_pipe_is_lost() {
    let mut sink = JsonLines::new("stdout", Box::new(Kept(Arc::default(), true)));
    assert_snapshot!(sink.send(&hello()).unwrap_err(), @"stdout: the reader has closed the pipe");
}
