//! The privacy switch and the light, with files in place of GPIO lines.

use super::firmware::{Bench, PATIENCE};
use super::robot::{Robot, Socket};
use mtcae_wire::{CameraAction, CameraOrder, CameraState, Down, Reason, Up};
use std::path::PathBuf;
use std::time::{Duration, Instant};

struct Switch {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl Switch {
    fn new(private: bool) -> Switch {
        let dir = tempfile::tempdir().unwrap();
        let switch = Switch { path: dir.path().join("value"), _dir: dir };
        switch.set(private);
        switch
    }

    /// In one write of one byte, so that the daemon never reads half of it.
    fn set(&self, private: bool) {
        use std::os::unix::fs::FileExt;
        let file = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(&self.path).unwrap();
        file.write_all_at(if private { b"0" } else { b"1" }, 0).unwrap();
    }

    fn pins(&self) -> String {
        format!("[pins]\nprivacy = {:?}\n", self.path)
    }
}

fn log(m: &Up, text: &str) -> Option<u64> {
    if let Up::Log(line) = m { line.text.as_str().contains(text).then_some(line.at_us) } else { None }
}

/// Flips the switch so often; the longest time from a flip to the word that the camera is closed and no picture is left.
fn flip(switch: &Switch, robot: &mut Robot, times: u32) -> Duration {
    let (mut longest, mut closed_at) = (Duration::ZERO, 0);
    for i in 0..times {
        switch.set(true);
        let flipped = Instant::now();
        loop {
            let message = robot.next();
            if let Some(at) = log(&message, "closed by the privacy switch, no picture is left") {
                closed_at = closed_at.max(at);
                break;
            }
            assert!(flipped.elapsed() < PATIENCE);
        }
        longest = longest.max(flipped.elapsed());
        // Up to 30 ms private, so that flips meet the daemon at any moment of its work.
        std::thread::sleep(Duration::from_millis(u64::from(i * 7 % 31)));
        switch.set(false);
        loop {
            let message = robot.next();
            assert!(!matches!(message, Up::Report(_)), "flip {i}: of a camera closed at {closed_at}: {message:?}");
            if log(&message, "is open again").is_some() {
                break;
            }
        }
        robot.next_that(|m| if let Up::Report(r) = m { (r.captured_us > closed_at).then_some(()) } else { None });
    }
    longest
}

fn flips(times: u32) {
    let (socket, switch) = (Socket::new(), Switch::new(false));
    let mut robot = socket.plug_in();
    let bench = Bench::on_clip(true, &(switch.pins() + &socket.sink()));
    let firmware = bench.start(&[]);
    robot.next_that(|m| matches!(m, Up::Report(_)).then_some(()));
    let before = descriptors(firmware.id());
    let longest = flip(&switch, &mut robot, times);
    println!("{times} flips, at most {longest:?} from a flip to the word that no picture is left");
    // The promise is 100 ms; this machine may be busy with other tests.
    assert!(longest < Duration::from_millis(500), "{longest:?}");
    assert_eq!(descriptors(firmware.id()), before, "descriptors leak");
}

fn descriptors(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count()
}

#[test]
fn no_frame_comes_from_behind_the_switch() {
    flips(20);
}

#[test]
#[ignore = "takes minutes"]
fn a_thousand_flips() {
    flips(1000);
}

#[test]
fn it_starts_closed_obeys_no_order_and_opens_when_it_may() {
    let (socket, switch) = (Socket::new(), Switch::new(true));
    let mut robot = socket.plug_in();
    let bench = Bench::on_clip(true, &(switch.pins() + &socket.sink()));
    let firmware = bench.start(&[]);
    firmware.says("closed by the privacy switch");
    let state = |wanted| move |m| matches!(m, Up::Status(s) if s.camera == wanted).then_some(());
    robot.next_that(state(CameraState::Private));
    robot.ask(Down::Camera(CameraOrder { token: 3, action: CameraAction::Start }));
    let why = robot.next_that(|m| if let Up::Nack(n) = m { Some(n) } else { None });
    assert_eq!((why.reason, why.detail.as_str()), (Reason::Failed, "the privacy switch keeps the camera closed"));
    switch.set(false);
    robot.next_that(|m| matches!(m, Up::Report(_)).then_some(()));
    std::fs::write(&switch.path, "?").unwrap();
    firmware.says("the privacy switch cannot be read, and counts as private");
    robot.next_that(state(CameraState::Private));
}

#[test]
fn a_switch_that_is_not_there_stops_the_start() {
    let bench = Bench::on_clip(true, "[pins]\nprivacy = \"/nowhere/value\"\n[[sink]]\nkind = \"stdout\"\n");
    let (code, text) = bench.refusal(&[]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("`pins.privacy`: /nowhere/value: No such file"), "{text}");
}

#[test]
fn the_light_shows_what_the_board_is_at() {
    let (socket, switch) = (Socket::new(), Switch::new(false));
    let mut robot = socket.plug_in();
    let light = switch.path.with_file_name("brightness");
    std::fs::write(&light, "0").unwrap();
    let pins = format!("{}light = {light:?}\n", switch.pins());
    let bench = Bench::on_clip(true, &(pins + &socket.sink()));
    let mut firmware = bench.start(&[]);
    let is = |wanted: &str| {
        let end = Instant::now() + PATIENCE;
        while std::fs::read_to_string(&light).unwrap() != wanted {
            assert!(Instant::now() < end, "the light is not {wanted}");
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    robot.next_that(|m| if let Up::Report(r) = m { r.face.map(drop) } else { None });
    is("1");
    switch.set(true);
    robot.next_that(|m| log(&m, "closed by the privacy switch"));
    is("0");
    switch.set(false);
    is("1");
    firmware.terminate();
    firmware.wait();
    is("0");
}
