//! Damages frames as a bad line does and counts the wrong messages that are delivered: none may be.
//!
//! Each damaged frame is followed by intact ones. A delivery is *wrong* when it is neither the message of
//! the damaged frame nor that of the intact frame after it. The damaged frame's own message is not wrong: it
//! cannot come out of damaged content (its encoding is unique), only of damage outside the content, such as a delimiter
//! too many.

mod common;
#[path = "common/noise.rs"]
mod noise;

use common::{any_chunk, any_down, any_up, stuff, unstuff};
use mtcae_wire::*;
use noise::{KINDS, Rng, damage};
use proptest::prop_oneof;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::fmt::Debug;

const POOL: usize = 2000;
const SEED: u64 = 0x4d54_4341_4521;

#[derive(Default, Debug)]
struct Tally {
    damaged: u64,
    kinds: [u64; KINDS.len()],
    wrong: u64,
    unharmed: u64,
    next_lost: u64,
    late: u64,
    caught_by_checksum_alone: u64,
    samples: u64,
}

/// A frame and its message.
type Sent<M> = (Vec<u8>, M);

fn pool<M: Debug>(strategy: impl Strategy<Value = M>, encode: impl Fn(&M) -> Vec<u8>) -> Vec<Sent<M>> {
    let mut runner = TestRunner::deterministic();
    let mut draw = || strategy.new_tree(&mut runner).expect("a message").current();
    (0..POOL).map(|_| draw()).map(|message| (encode(&message), message)).collect()
}

/// Pieces of updates, and requests among them.
fn to_board() -> impl Strategy<Value = FromHost> {
    prop_oneof![3 => any_chunk().prop_map(FromHost::Chunk), 1 => any_down().prop_map(FromHost::Request)]
}

fn encode_to_board(message: &FromHost) -> Vec<u8> {
    match message {
        FromHost::Chunk(chunk) => encode_chunk(chunk).expect("valid").to_vec(),
        FromHost::Request(down) => encode(down).expect("valid").to_vec(),
    }
}

fn run<M: Message + Clone + PartialEq + Debug>(pool: &[Sent<M>], trials: u64, tally: &mut Tally, rng: &mut Rng) {
    let mut decoder = Decoder::new();
    for _ in 0..trials {
        let sent = &pool[rng.below(pool.len())];
        let next = &pool[rng.below(pool.len())];
        let mut bytes = sent.0.clone();
        tally.kinds[damage(rng, &mut bytes)] += 1;
        tally.damaged += 1;
        if tally.damaged.is_multiple_of(16) {
            tally.samples += 1;
            tally.caught_by_checksum_alone += u64::from(passes_with_mended_checksum(&bytes, &sent.1));
        }
        let delimited = bytes.ends_with(&[0]);
        bytes.extend(&next.0);
        one(&mut decoder, &bytes, delimited, &sent.1, next, tally);
    }
}

/// Feeds a damaged frame with the next, intact one behind it.
fn one<M: Message + PartialEq>(
    decoder: &mut Decoder<M>,
    bytes: &[u8],
    delimited: bool,
    sent: &M,
    next: &Sent<M>,
    tally: &mut Tally,
) {
    let mut arrived = false;
    for delivered in decoder.feed(bytes).flatten() {
        if delivered == next.1 && !arrived {
            arrived = true;
        } else if delivered == *sent {
            tally.unharmed += 1;
        } else {
            tally.wrong += 1;
        }
    }
    if !arrived {
        // Damage to the delimiter makes one frame of two; with the delimiter whole there is no excuse.
        tally.next_lost += 1;
        tally.late += u64::from(delimited);
        let again = decoder.feed(&next.0).flatten().any(|delivered| delivered == next.1);
        tally.late += u64::from(!again);
    }
}

/// Whether the damaged frame would be another message if its checksum were right: the cases that only the
/// checksum stops. Without them the test would prove nothing.
fn passes_with_mended_checksum<M: Message + PartialEq>(bytes: &[u8], sent: &M) -> bool {
    let Some(mut content) = unstuff(bytes).filter(|content| (6..=MAX_LONG_FRAME - 6).contains(&content.len())) else {
        return false;
    };
    let checksum = content.len() - 4;
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&content[..checksum]);
    content[checksum..].copy_from_slice(&crc.to_le_bytes());
    Decoder::new().feed(&stuff(&content)).flatten().any(|delivered: M| delivered != *sent)
}

fn check(trials: u64) {
    let mut tally = Tally::default();
    let mut rng = Rng(SEED);
    let valid = |frame: Result<Frame, EncodeError>| frame.expect("valid").to_vec();
    run(&pool(any_up(), |up| valid(encode(up))), trials / 2, &mut tally, &mut rng);
    run(&pool(any_down(), |down| valid(encode(down))), trials / 4, &mut tally, &mut rng);
    run(&pool(to_board(), encode_to_board), trials / 4, &mut tally, &mut rng);
    println!("{} frames damaged, seed {SEED:#x}: {} wrong messages delivered", tally.damaged, tally.wrong);
    for (kind, count) in KINDS.iter().zip(tally.kinds) {
        println!("  {count:>9} {kind}");
    }
    println!("  {:>9} undamaged inside, delivered as sent", tally.unharmed);
    println!("  {:>9} took the next frame with them (delimiter hit)", tally.next_lost);
    let share = 100.0 * tally.caught_by_checksum_alone as f64 / tally.samples as f64;
    println!("  {share:>8.1}% would pass as another message if the checksum were not looked at");
    assert_eq!(tally.wrong, 0, "{tally:?}");
    assert_eq!(tally.late, 0, "not in step again after the delimiter: {tally:?}");
    assert!(tally.damaged >= trials / 4 * 4, "fewer frames damaged than asked for: {tally:?}");
    let least = tally.kinds.iter().min().copied().unwrap_or_default();
    assert!(least >= trials / 25, "a kind of damage went missing: {tally:?}");
    assert!(share >= 10.0, "the damage no longer tests the checksum: {tally:?}");
    assert!(tally.next_lost > 0, "delimiters were never hit: {tally:?}");
}

#[test]
fn no_damaged_frame_is_delivered() {
    check(300_000);
}

#[test]
#[ignore = "the full count, some 30 s: cargo test --release -p mtcae-wire --test flips -- --ignored --nocapture"]
fn no_damaged_frame_of_ten_million_is_delivered() {
    check(10_000_000);
}
