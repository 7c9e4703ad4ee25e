//! The lamp on the bytes of a board, golden ones and damaged ones.

use embedded_hal::digital::{ErrorType, OutputPin};
use mtcae_lamp::{ASK_MS, LIT_MS, Lamp};
use mtcae_wire::{Decoder, Down, Frame, Hello, Report, Up, encode};
use std::convert::Infallible;

/// A pin that remembers how often it was set.
#[derive(Debug, Default)]
struct Pin {
    high: bool,
    set: u32,
}

impl ErrorType for Pin {
    type Error = Infallible;
}

impl OutputPin for Pin {
    fn set_low(&mut self) -> Result<(), Infallible> {
        (self.high, self.set) = (false, self.set + 1);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        (self.high, self.set) = (true, self.set + 1);
        Ok(())
    }
}

fn golden(name: &str) -> Vec<u8> {
    let path = format!("{}/../wire/tests/golden/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let hex = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn message(name: &str) -> Up {
    Decoder::<Up>::new().feed(&golden(name)).next().expect("one").expect("good")
}

fn hello() -> Hello {
    let Up::Hello(hello) = message("up-hello") else { panic!("not a Hello") };
    hello
}

fn report() -> Report {
    let Up::Report(report) = message("up-report") else { panic!("not a Report") };
    report
}

fn lamp() -> Lamp<Pin> {
    let Ok(lamp) = Lamp::new(Pin::default());
    lamp
}

fn take(lamp: &mut Lamp<Pin>, bytes: &[u8], now_ms: u32) {
    for &byte in bytes {
        let Ok(()) = lamp.take(byte, now_ms);
    }
}

fn tick(lamp: &mut Lamp<Pin>, now_ms: u32) -> Option<Frame> {
    let Ok(request) = lamp.tick(now_ms);
    request
}

fn say(lamp: &mut Lamp<Pin>, up: Up, now_ms: u32) {
    take(lamp, &encode(&up).expect("valid"), now_ms);
}

#[test]
fn a_happy_face_lights_it_for_a_second() {
    let mut lamp = lamp();
    assert!(!lamp.pin().high);
    take(&mut lamp, &golden("up-hello"), 0);
    take(&mut lamp, &golden("up-report-no-face"), 5);
    assert!(!lamp.pin().high);
    take(&mut lamp, &golden("up-report"), 10);
    assert!(lamp.pin().high);
    assert!(tick(&mut lamp, 10 + LIT_MS - 1).is_none() && lamp.pin().high);
    tick(&mut lamp, 10 + LIT_MS);
    assert!(!lamp.pin().high);
    assert_eq!(lamp.pin().set, 3, "it flickers");
}

#[test]
fn only_the_label_counts_that_its_board_calls_happy() {
    let mut lamp = lamp();
    let mut other = hello();
    other.labels.swap(0, 1);
    say(&mut lamp, Up::Hello(other.clone()), 0);
    take(&mut lamp, &golden("up-report"), 1);
    assert!(!lamp.pin().high, "label 1 is `neutral` here");
    other.labels.clear();
    say(&mut lamp, Up::Hello(other), 2);
    let mut unsure = report();
    let face = unsure.face.as_mut().expect("a face");
    (face.label, face.smoothing) = (None, mtcae_wire::Smoothing::Unsure);
    say(&mut lamp, Up::Report(unsure), 3);
    assert!(!lamp.pin().high, "no label is not the label that the model does not have");
}

#[test]
fn it_asks_once_a_second_until_it_knows_the_labels_and_again_after_a_new_start() {
    let mut lamp = lamp();
    let ask = encode(&Down::Hello).expect("valid");
    assert_eq!(tick(&mut lamp, 7), Some(ask));
    assert_eq!(tick(&mut lamp, 6 + ASK_MS), None);
    assert_eq!(tick(&mut lamp, 7 + ASK_MS), Some(ask));
    take(&mut lamp, &golden("up-report"), 2000);
    assert!(!lamp.pin().high, "lit without knowing what label 1 is");
    take(&mut lamp, &golden("up-hello"), 2001);
    assert_eq!(tick(&mut lamp, 90_000), None);
    say(&mut lamp, Up::Report(Report { boot: 1, ..report() }), 90_001);
    assert!(!lamp.pin().high, "lit by a board that started anew");
    assert_eq!(tick(&mut lamp, 90_002), Some(ask));
}

#[test]
fn a_clock_that_wraps_does_not_matter() {
    let mut lamp = lamp();
    take(&mut lamp, &golden("up-hello"), u32::MAX - 9);
    take(&mut lamp, &golden("up-report"), u32::MAX - 9);
    tick(&mut lamp, LIT_MS - 11);
    assert!(lamp.pin().high);
    tick(&mut lamp, LIT_MS - 10);
    assert!(!lamp.pin().high);
}

#[test]
fn no_flipped_bit_lights_it() {
    let frame = golden("up-report");
    let mut lamp = lamp();
    take(&mut lamp, &golden("up-hello"), 0);
    for bit in 0..8 * (frame.len() - 1) {
        let mut bad = frame.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        take(&mut lamp, &bad, 1);
    }
    assert_eq!(lamp.pin().set, 1);
    take(&mut lamp, &frame, 2);
    assert!(lamp.pin().high, "it is not in step again");
}
