//! The frame trigger, with a file in place of a GPIO line.

use super::firmware::Bench;
use super::robot::Socket;
use mtcae_wire::{Report, Up};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

const PULSES: usize = 12;

#[test]
fn a_pulse_asks_for_one_answer_and_nothing_else_does() {
    let (socket, dir) = (Socket::new(), tempfile::tempdir().unwrap());
    let mut robot = socket.plug_in();
    let line = dir.path().join("value");
    std::fs::write(&line, "0").unwrap();
    let pins = format!("[pins]\ntrigger = {line:?}\n");
    let bench = Bench::on_clip(true, &(pins + &socket.sink()));
    let _firmware = bench.start(&[]);
    let file = std::fs::OpenOptions::new().write(true).open(&line).unwrap();
    let is_answer = |m: Up| if let Up::Report(r) = m { r.face.is_some().then_some(r) } else { None };
    // By itself it looks for faces, and infers none.
    let mut statuses = 0;
    while statuses < 8 {
        match robot.next() {
            Up::Status(_) => statuses += 1,
            Up::Report(r) => assert!(r.face.is_none(), "nobody asked: {r:?}"),
            _ => {}
        }
    }
    let (mut answers, mut slowest): (Vec<Report>, _) = (Vec::new(), Duration::ZERO);
    for _ in 0..PULSES {
        file.write_all_at(b"1", 0).unwrap();
        let pulsed = Instant::now();
        answers.push(robot.next_that(is_answer));
        slowest = slowest.max(pulsed.elapsed());
        file.write_all_at(b"0", 0).unwrap();
        std::thread::sleep(Duration::from_millis(30));
    }
    println!("{PULSES} pulses, {PULSES} answers, the slowest after {slowest:?}");
    assert!(answers.windows(2).all(|w| w[1].captured_us > w[0].captured_us), "each with a frame of its own");
    let clips = robot.next_that(|m| if let Up::Status(s) = m { Some(s.counters.clips as usize) } else { None });
    assert!((PULSES..=PULSES + 1).contains(&clips), "{clips} clips for {PULSES} pulses");
}
