//! Times encoding and decoding: `cargo run --release -p mtcae-wire --example times`.

#[path = "../tests/common/samples.rs"]
mod samples;

use mtcae_wire::*;
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 1001;
/// Calls in a round; so few that most rounds are over before another process has its turn.
const CALLS: u32 = 200;

/// Median nanoseconds of one call over many rounds.
fn median_ns(mut call: impl FnMut()) -> f64 {
    let mut round = || {
        let start = Instant::now();
        (0..CALLS).for_each(|_| call());
        start.elapsed().as_nanos() as f64 / f64::from(CALLS)
    };
    let mut times: Vec<f64> = (0..ROUNDS).map(|_| round()).collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

fn main() -> Result<(), EncodeError> {
    for (name, up) in samples::up() {
        let frame = encode(&up)?;
        let mut decoder = Decoder::<Up>::new();
        let encoding = median_ns(|| {
            black_box(encode(black_box(&up)).is_ok());
        });
        let decoding = median_ns(|| {
            black_box(decoder.feed(black_box(&frame)).count());
        });
        println!("| `{name}` | {} | {encoding:.0} | {decoding:.0} |", frame.len());
    }
    let chunk = samples::largest_chunk();
    let frame = encode_chunk(&chunk)?;
    let mut decoder = Decoder::<FromHost>::new();
    let encoding = median_ns(|| {
        black_box(encode_chunk(black_box(&chunk)).is_ok());
    });
    let decoding = median_ns(|| {
        black_box(decoder.feed(black_box(&frame)).count());
    });
    println!("| `down-update-chunk` | {} | {encoding:.0} | {decoding:.0} |", frame.len());
    Ok(())
}
