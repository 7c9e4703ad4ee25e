//! The serial line: what is written at one end is read at the other, however much and in both directions at once.

use crate::bench::{PATIENCE, alone, kernel};
use mtcae_uml::{Board, Setup, Terminal};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Bytes each way, and bytes that are sent at once: more than every buffer on the way holds.
const BYTES: usize = 2 << 20;
const WINDOW: usize = 256 << 10;

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
fn the_line_carries_everything_both_ways() {
    let Some(kernel) = kernel("the serial line") else { return };
    let (_alone, dir) = (alone(), tempfile::tempdir().unwrap());
    let share = dir.path().join("share");
    std::fs::create_dir(&share).unwrap();
    let terminal = Terminal::new().unwrap();
    let mut setup = Setup::new(dir.path(), &share);
    setup.serial = Some(terminal.path().to_owned());
    let (there, back) = (noise(0x1234_5678_9abc_def1), noise(0xfeed_beef_dead_cafe));
    std::fs::write(share.join("back"), &back).unwrap();
    let mut board = Board::start(&kernel, &setup).unwrap();
    let begin = Instant::now();
    let arrived = || std::fs::read(share.join("there")).unwrap_or_default();
    // A reader that takes its time: the kernel has to ask the line to wait, and to go on.
    let slow = format!("head -c {WINDOW} /dev/ttyS0 | (sleep 0.2; cat) >>/mnt/there");
    let times = BYTES / WINDOW;
    board.run(&format!("(for i in $(seq {times}); do {slow}; done) & cat /mnt/back >/dev/ttyS0 &"), PATIENCE).unwrap();
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
        let got = receive(&terminal, BYTES);
        (sender.join().unwrap(), got)
    });
    let arrived = arrived();
    println!("{} bytes sent, {} arrived, {} came back, {:?}", sent, arrived.len(), got.len(), begin.elapsed());
    assert!(arrived == there, "not what was sent");
    assert!(got == back, "not what the board sent");
}
