//! The cable itself: what the screen shows is what the camera sees, byte for byte.

use crate::bench::{Bench, CAMERA, SCREEN};
use crate::pictures::{YUYV, noise};

/// Frames that are captured, and different ones that are shown in turn.
const CAPTURED: usize = 120;
const SHOWN: usize = 40;

#[test]
fn what_is_shown_is_captured_byte_for_byte() {
    let Some(mut bench) = Bench::start("the cable") else { return };
    let file = bench.file(&noise(SHOWN, YUYV));
    bench.sh(&format!("vivid play {SCREEN} {file} {YUYV} 0 1000 >/tmp/player.log 2>&1 &"));
    bench.wait_for_the_screen();
    let said = bench.sh(&format!("vivid check {CAMERA} YUYV {file} {YUYV} {CAPTURED}"));
    println!("{said}");
    assert!(said.contains("640x480") && said.contains(&format!("{CAPTURED} exact, 0 other")), "{said}");
    // And it is not the same frame all the time.
    let repeat: usize = said.split(", ").last().unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(repeat < CAPTURED * 3 / 4, "{said}");
}
