//! The privacy switch and the status light through the kernel's GPIO character device.

use crate::bench::{Bench, CAMERA, same_size};
use crate::faults::PERCENT_DROPPED;
use crate::pictures::shown;
use mtcae_wire::{CameraState, Up};
use std::time::{Duration, Instant};

const PINS: &str = "[pins]\nprivacy = \"/dev/gpiochip0:0\"\nprivate_when = \"low\"\nlight = \"/dev/gpiochip0:1\"";
const LINES: &str = "/sys/devices/platform/gpio-sim.0/gpiochip0";
const FLIPS: usize = 10;

fn flip(bench: &mut Bench, public: bool) {
    let pull = if public { "pull-up" } else { "pull-down" };
    bench.sh(&format!("echo {pull} >{LINES}/sim_gpio0/pull"));
}

/// How often the light was lit in so many looks, 20 ms apart.
fn lit(bench: &mut Bench, looks: usize) -> usize {
    let look = format!("i=0; while [ $i -lt {looks} ]; do cat {LINES}/sim_gpio1/value; sleep 0.02; i=$((i+1)); done");
    bench.sh(&look).lines().filter(|line| *line == "1").count()
}

#[test]
fn a_real_switch_closes_the_camera_and_a_real_light_says_so() {
    let Some(mut bench) = Bench::start("privacy switch and light") else { return };
    bench.show(&shown()[0].yuyv());
    // Pulled down: private from the start.
    bench.daemon(&same_size("YUYV"), PINS);
    let state = |bench: &mut Bench, wanted: CameraState| {
        bench.robot.until("state of the camera", |m| matches!(m, Up::Status(s) if s.camera == wanted).then_some(()))
    };
    state(&mut bench, CameraState::Private);
    assert_eq!(lit(&mut bench, 20), 0, "lit while nobody may look");
    let (mut longest, mut open, mut closed) = (Duration::ZERO, 0, 0);
    for i in 0..FLIPS {
        flip(&mut bench, true);
        bench.robot.face();
        let descriptors = bench.descriptors();
        assert!(i == 0 || descriptors == open, "{descriptors} {open} {closed}");
        open = descriptors;
        if i == 0 {
            std::thread::sleep(Duration::from_millis(300));
            // A busy machine loses the face for a moment; without a face it is lit in one look of twenty.
            assert!(lit(&mut bench, 20) > 10, "not lit while a face is in view");
        }
        bench.robot.forget();
        let begin = Instant::now();
        flip(&mut bench, false);
        let at = bench.robot.log("closed by the privacy switch, no picture is left").at_us;
        longest = longest.max(begin.elapsed());
        let descriptors = bench.descriptors();
        assert!(descriptors < open && (i == 0 || descriptors == closed), "the camera's device is still open");
        closed = descriptors;
        // Nothing that was seen after the switch is ever told.
        std::thread::sleep(Duration::from_millis(200));
        while let Some(message) = bench.robot.next(Duration::ZERO) {
            assert!(!matches!(&message, Up::Report(r) if r.captured_us > at), "{message:?}");
        }
    }
    println!("{FLIPS} flips of a GPIO line: closed and wiped within {longest:?}");
    // The promise is 100 ms, held to in the daemon's own tests; starting a shell to flip the line is in this figure.
    assert!(longest < Duration::from_secs(5), "{longest:?}");
}

/// The driver streams and gives nothing: the daemon waits for its first picture for up to 5 s.
#[test]
fn a_camera_that_gives_no_picture_yet_is_closed_by_the_switch_too() {
    let Some(mut bench) = Bench::start("privacy switch while the camera is being opened") else { return };
    bench.show(&shown()[0].yuyv());
    bench.sh(&format!("vivid set {CAMERA} {PERCENT_DROPPED:#x} 100"));
    bench.daemon(&same_size("YUYV"), PINS);
    bench.robot.log("closed by the privacy switch");
    let closed = bench.descriptors();
    let mut longest = Duration::ZERO;
    for _ in 0..FLIPS {
        flip(&mut bench, true);
        let open = format!("[ $(ls /proc/$(pidof mtcae-firmware)/fd | wc -l) -gt {closed} ]");
        bench.sh(&format!("until {open}; do sleep 0.02; done"));
        bench.robot.forget();
        let begin = Instant::now();
        flip(&mut bench, false);
        bench.robot.log("closed by the privacy switch, no picture is left");
        longest = longest.max(begin.elapsed());
        assert_eq!(bench.descriptors(), closed, "the camera's device is still open");
    }
    println!("{FLIPS} flips while the camera was being opened: closed within {longest:?}");
    // It took up to 5 s; the promise is held to in the daemon's own tests.
    assert!(longest < Duration::from_secs(4), "{longest:?}");
    bench.sh(&format!("vivid set {CAMERA} {PERCENT_DROPPED:#x} 0"));
    flip(&mut bench, true);
    bench.robot.face();
}
