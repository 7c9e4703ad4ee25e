//! The cable: what the screen shows is what the camera sees, byte for byte, also after the device was gone for a while.

use crate::bench::{Bench, CAMERA, SCREEN};

/// Bytes of a YUYV frame of 640x480.
const YUYV: usize = 640 * 480 * 2;
/// Frames that are captured, and different ones that are shown in turn.
const CAPTURED: usize = 120;
const SHOWN: usize = 40;
/// vivid's lever that takes its nodes away until nobody has one open.
const DISCONNECT: u32 = 0x00f0_f000 + 65;

/// Frames that no two are alike: noise of a fixed seed.
fn noise(frames: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..frames * YUYV / 8).flat_map(|_| next().to_le_bytes()).collect()
}

#[test]
fn what_is_shown_is_captured_byte_for_byte() {
    let Some(mut bench) = Bench::start("the cable") else { return };
    let file = bench.file("noise", &noise(SHOWN));
    bench.sh(&format!("vivid play {SCREEN} {file} {YUYV} 0 1000 >/tmp/player.log 2>&1 &"));
    bench.sh("until grep -q plays /tmp/player.log; do sleep 0.02; done");
    let said = bench.sh(&format!("vivid check {CAMERA} YUYV {file} {YUYV} {CAPTURED}"));
    println!("{said}");
    assert!(said.contains("640x480") && said.contains(&format!("{CAPTURED} exact, 0 other")), "{said}");
    // And it is not the same frame all the time.
    let repeat: usize = said.split(", ").last().unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(repeat < CAPTURED * 3 / 4, "{said}");
}

#[test]
fn the_screen_changes_on_demand_and_comes_back_after_the_device() {
    let Some(mut bench) = Bench::start("the screen") else { return };
    let frames = noise(2);
    let files = [bench.file("one", &frames[..YUYV]), bench.file("two", &frames[YUYV..])];
    let [one, two] = [0, 1].map(|i| format!("echo '{} {YUYV} 20' >/tmp/new; mv /tmp/new /tmp/order", files[i]));
    let shows =
        |file: &str| format!("until tail -n 1 /tmp/screen.log | grep -q {file}; do sleep 0.02; done; sleep 0.2");
    let check = |file: &str| format!("vivid check {CAMERA} YUYV {file} {YUYV} 5");
    bench.sh(&format!("{one}; vivid screen {SCREEN} /tmp/order >/tmp/screen.log 2>&1 & {}", shows(&files[0])));
    assert!(bench.sh(&check(&files[0])).contains("5 exact"));
    bench.sh(&format!("{two}; {}", shows(&files[1])));
    assert!(bench.sh(&check(&files[1])).contains("5 exact"));
    bench.sh(&format!("vivid set {CAMERA} {DISCONNECT:#x}; sleep 0.5"));
    let said = bench.sh(&check(&files[1]));
    assert!(said.contains("5 exact"), "{said}");
    bench.sh("rm /tmp/order; while pidof vivid; do sleep 0.02; done");
}
