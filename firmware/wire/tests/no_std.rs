//! Uses the crate as a microcontroller does: no standard library, no allocator.
#![no_std]

use mtcae_wire::{Decoder, Down, Frame, Ping, Pong, Up, encode};

/// A robot's loop: asks, and takes the answer byte by byte.
fn answered(line: impl Fn(&Frame) -> Frame) -> Option<u32> {
    let ping = encode(&Down::Ping(Ping { token: 5 })).ok()?;
    let mut decoder = Decoder::<Up>::new();
    for &byte in line(&ping).as_bytes() {
        if let Some(Ok(Up::Pong(pong))) = decoder.push(byte) {
            return Some(pong.token);
        }
    }
    None
}

#[test]
fn a_ping_is_answered() {
    let board = |frame: &Frame| {
        let mut decoder = Decoder::<Down>::new();
        let Some(Ok(Down::Ping(ping))) = decoder.feed(frame).next() else { panic!("no ping") };
        encode(&Up::Pong(Pong { token: ping.token, board_us: 17 })).expect("valid")
    };
    assert_eq!(answered(board), Some(5));
}

#[test]
fn what_a_microcontroller_must_set_aside_is_small() {
    assert!(size_of::<Decoder<Up>>() <= 300, "{} bytes", size_of::<Decoder<Up>>());
    assert!(size_of::<Frame>() <= 272, "{} bytes", size_of::<Frame>());
    assert!(size_of::<Up>() <= 512, "{} bytes", size_of::<Up>());
    assert!(size_of::<Down>() <= 320, "{} bytes", size_of::<Down>());
}
