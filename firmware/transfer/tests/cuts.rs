//! Cuts, lost bytes, noise, and restarts of either end at random moments: the file always gets there, and no restart costs
//! more than a window. The simulation itself asserts after each message that nothing durable is gone and that the board
//! is never more than a window behind what it had.

mod common;

use common::world::{Link, World};
use common::{dice::Dice, file};
use mtcae_transfer::{MAX_RESTARTS, SendError, Sender, WINDOW};
use mtcae_wire::{Refusal, UpdatePhase};

const SEEDS: u64 = 1_000;
const FAULTS: [&str; 6] = [
    "line cut, back after up to 2 s",
    "bytes on the line lost unnoticed",
    "noise on the line",
    "board lost power",
    "host started anew",
    "board lost power and host started anew",
];

#[derive(Default)]
struct Tally {
    faults: [u64; FAULTS.len()],
    chunks: u64,
    sent: u64,
    taken: u64,
    worst_extra: u64,
    flipped: u64,
}

fn strike(world: &mut World, tally: &mut Tally) -> u64 {
    let kind = world.dice.below(FAULTS.len() as u64) as usize;
    tally.faults[kind] += 1;
    let pause = 1 + world.dice.below(2_000_000);
    match kind {
        0 => world.cut_line(pause),
        1 => world.lose_bytes(),
        2 => world.noise(),
        3 => world.board_loses_power(pause),
        4 => world.host_starts_anew(),
        _ => {
            world.board_loses_power(pause);
            world.host_starts_anew();
        }
    }
    u64::from(matches!(kind, 3 | 5))
}

fn one(seed: u64, tally: &mut Tally) {
    let mut dice = Dice(seed);
    let length = 1 + dice.below(400_000) as usize;
    let (bytes, offer) = file(&mut dice, length);
    let baud = [115_200, 921_600, 3_000_000][dice.below(3) as usize];
    let error_rate = [0.0, 1e-5, 5e-5][dice.below(3) as usize];
    let link = Link { baud, round_trip_us: 1_000 + dice.below(100_000), error_rate, report_every_us: 100_000 };
    let mut world = World::new(&link, bytes, offer.clone(), dice.next());
    // As long as the file takes on a clean line, and a little longer.
    let whole = length as u64 * 10_000_000 / baud + 300_000;
    let (faults, mut losses) = (1 + dice.below(8), 0);
    let mut moments: Vec<u64> = (0..faults).map(|_| dice.below(whole)).collect();
    moments.sort_unstable();
    for moment in moments {
        world.run_until(moment);
        losses += strike(&mut world, tally);
    }
    let host_ends = world.ended.take();
    assert!(matches!(host_ends, None | Some(Ok(_))), "seed {seed}: {host_ends:?}");
    world.run_until(world.now + 600_000_000);
    assert_eq!(world.ended, Some(Ok(UpdatePhase::Verified)), "seed {seed}");
    assert!(world.arrived(), "seed {seed}: another file arrived");
    world.count();
    // Each loss of power costs the board at most a window of what it had.
    let chunks = u64::from(offer.chunks());
    let extra = world.taken.saturating_sub(chunks);
    assert!(extra <= losses * u64::from(WINDOW), "seed {seed}: {extra} chunks more than the file's {chunks}");
    tally.worst_extra = tally.worst_extra.max(extra);
    tally.chunks += chunks;
    tally.sent += world.sent;
    tally.taken += world.taken;
    tally.flipped += world.down.flipped + world.up.flipped;
}

#[test]
fn a_thousand_seeds_of_cuts_and_restarts_end_verified() {
    let mut tally = Tally::default();
    (0..SEEDS).for_each(|seed| one(seed, &mut tally));
    println!("{SEEDS} seeds, all verified; {} faults:", tally.faults.iter().sum::<u64>());
    for (name, count) in FAULTS.iter().zip(tally.faults) {
        println!("  {count:>6} {name}");
    }
    println!("  {:>6} bits flipped", tally.flipped);
    println!("{} chunks of files; {} sent, {} taken by boards", tally.chunks, tally.sent, tally.taken);
    println!("at most {} chunks of one file taken again (a window is {WINDOW})", tally.worst_extra);
    assert!(tally.faults.iter().all(|&count| count >= 600), "faults went missing: {:?}", tally.faults);
    assert!(tally.flipped >= 5_000 && tally.worst_extra > 0, "the line or the losses no longer do harm");
}

fn quick() -> Link {
    Link { baud: 921_600, round_trip_us: 20_000, error_rate: 0.0, report_every_us: 0 }
}

fn world(seed: u64, length: usize) -> World {
    let mut dice = Dice(seed);
    let (bytes, offer) = file(&mut dice, length);
    World::new(&quick(), bytes, offer, dice.next())
}

#[test]
fn every_failing_operation_of_the_storage_is_survived() {
    let mut clean = world(7, 90_000);
    clean.run_until(60_000_000);
    let operations = clean.disk().operations;
    assert!(operations >= 90, "{operations}");
    let mut refused = 0;
    for fail_in in 1..=operations as u32 {
        let mut world = world(7, 90_000);
        world.disk().fail_in = fail_in;
        world.run_until(60_000_000);
        if let Some(Err(SendError::Refused { refusal: Refusal::Storage, detail })) = &world.ended {
            assert!(detail.contains("input/output error"), "{detail}");
            refused += 1;
        }
        world.ended = None;
        world.host_starts_anew();
        world.run_until(120_000_000);
        assert_eq!(world.ended, Some(Ok(UpdatePhase::Verified)), "{fail_in}");
        assert!(world.arrived(), "{fail_in}");
    }
    println!("{operations} operations failed one by one; {refused} refused as `Storage`, then resumed");
    assert_eq!(refused, operations);
}

#[test]
fn a_file_for_which_there_is_no_room_is_refused_before_a_chunk_is_sent() {
    let mut world = world(8, 50_000);
    world.disk().room = Some(49_999);
    world.run_until(60_000_000);
    let Some(Err(SendError::Refused { refusal: Refusal::NoSpace, .. })) = world.ended else {
        panic!("{:?}", world.ended);
    };
    assert_eq!(world.sent, 0);
}

#[test]
fn a_byte_stored_wrong_is_found_and_the_file_sent_again() {
    let mut world = world(9, 70_000);
    world.disk().flip_at = Some(33_333);
    world.most_durable = 0;
    let mut ended = false;
    // The simulation's own check that nothing durable is lost does not hold here.
    while !ended {
        world.most_durable = 0;
        world.most_received = 0;
        world.run_until(world.now + 1);
        ended = world.ended.is_some() || world.now > 60_000_000;
    }
    assert_eq!(world.ended, Some(Ok(UpdatePhase::Verified)));
    assert!(world.arrived());
    assert_eq!(world.sent, 2 * u64::from(world.offer.chunks()));
}

#[test]
fn a_board_that_never_keeps_the_file_is_given_up() {
    let mut world = world(10, 30_000);
    let mut attempts = 0;
    while world.ended.is_none() && world.now < 60_000_000 {
        (world.most_durable, world.most_received) = (0, 0);
        if world.disk().flip_at.is_none() && world.disk().bytes().is_empty() {
            world.disk().flip_at = Some(100);
            attempts += 1;
        }
        world.run_until(world.now + 1);
    }
    let Some(Err(SendError::Refused { refusal: Refusal::Damaged, .. })) = world.ended else {
        panic!("{:?}", world.ended);
    };
    assert_eq!(world.sent, u64::from(MAX_RESTARTS + 1) * u64::from(world.offer.chunks()));
    assert_eq!(attempts, MAX_RESTARTS + 2, "dropped for good after the last attempt");
}

#[test]
fn a_dead_board_is_given_up_and_the_file_goes_on_later() {
    let mut world = world(11, 300_000);
    world.run_until(1_500_000);
    world.board_loses_power(200_000_000);
    world.run_until(190_000_000);
    assert_eq!(world.ended, Some(Err(SendError::Silent)));
    assert!(world.now <= 63_000_000, "{}", world.now);
    let durable = world.disk().durable_bytes();
    assert!(durable > 50_000);
    world.ended = None;
    world.sender = Sender::new(world.offer.clone(), 5);
    world.board_back_at = world.now;
    let before = world.sent;
    world.run_until(400_000_000);
    assert_eq!(world.ended, Some(Ok(UpdatePhase::Verified)));
    let rest = u64::from(world.offer.chunks()) - durable as u64 / 1024;
    assert_eq!(world.sent - before, rest);
}
