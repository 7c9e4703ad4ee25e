//! The serial line: what a robot sends arrives, however slow the reader, and what the board says meanwhile comes back.

use crate::bench::{PATIENCE, alone, kernel};
use mtcae_uml::{Board, Setup, Terminal};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Bytes to the board, and those that are sent at once: more than every buffer on the way holds.
const BYTES: usize = 2 << 20;
const WINDOW: usize = 256 << 10;
/// Lines that the board says meanwhile.
const SAID: usize = 100;

/// Noise of a fixed seed.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..BYTES / 8).flat_map(|_| next().to_le_bytes()).collect()
}

/// Writes all of it, as fast as the line takes it; how far it came.
fn send(line: &Terminal, bytes: &[u8]) -> usize {
    let (mut sent, mut moved) = (0, Instant::now());
    while sent < bytes.len() && moved.elapsed() < PATIENCE / 4 {
        match line.write(&bytes[sent..]).unwrap() {
            0 => sleep(Duration::from_millis(1)),
            n => (sent, moved) = (sent + n, Instant::now()),
        }
    }
    sent
}

/// Reads as much as is wanted, or as comes.
fn receive(line: &Terminal, wanted: usize) -> Vec<u8> {
    let (mut all, mut part, mut moved) = (Vec::new(), vec![0; 65536], Instant::now());
    while all.len() < wanted && moved.elapsed() < PATIENCE / 4 {
        match line.read(&mut part).unwrap() {
            0 => sleep(Duration::from_millis(1)),
            n => {
                all.extend_from_slice(&part[..n]);
                moved = Instant::now();
            }
        }
    }
    all
}

#[test]
fn a_slow_reader_gets_everything_and_is_heard_meanwhile() {
    let Some(kernel) = kernel("the serial line") else { return };
    let (_alone, dir) = (alone(), tempfile::tempdir().unwrap());
    let share = dir.path().join("share");
    std::fs::create_dir(&share).unwrap();
    let terminal = Terminal::new().unwrap();
    let mut setup = Setup::new(dir.path(), &share);
    setup.serial = Some(terminal.path().to_owned());
    let there = noise(0x1234_5678_9abc_def1);
    let back: String = (1..=SAID).map(|i| format!("report {i}\n")).collect();
    let mut board = Board::start(&kernel, &setup).unwrap();
    let begin = Instant::now();
    let arrived = || std::fs::read(share.join("there")).unwrap_or_default();
    // A reader that takes its time: the kernel has to ask the line to wait, and to go on.
    let slow = format!("head -c {WINDOW} | (sleep 0.2; cat) >>/mnt/there");
    let hears = format!("for i in $(seq {}); do {slow}; done", BYTES / WINDOW);
    let says = format!("for i in $(seq {SAID}); do echo report $i; sleep 0.02; done");
    board.run(&format!("({hears}) </dev/ttyS0 & ({says}) >/dev/ttyS0 &"), PATIENCE).unwrap();
    let (sent, got) = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut sent = 0;
            for window in there.chunks(WINDOW) {
                sent += send(&terminal, window);
                // A robot sends the next window when this one has been answered.
                let begin = Instant::now();
                while arrived().len() < sent && begin.elapsed() < PATIENCE / 4 {
                    sleep(Duration::from_millis(10));
                }
                if arrived().len() < sent {
                    break;
                }
            }
            sent
        });
        let got = receive(&terminal, back.len());
        (sender.join().unwrap(), got)
    });
    let arrived = arrived();
    println!("{} bytes sent, {} arrived, {} came back, {:?}", sent, arrived.len(), got.len(), begin.elapsed());
    assert!(arrived == there, "not what was sent");
    assert_eq!(String::from_utf8_lossy(&got), back);
}
