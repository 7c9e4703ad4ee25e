//! How much of a serial line's capacity is file, in simulated time: 6 MB, 50 ms there and back.
//!
//! `cargo test -p mtcae-transfer --test line -- --nocapture` prints the table of README.md.

mod common;

use common::world::{Link, World};
use common::{dice::Dice, file};
use mtcae_wire::UpdatePhase;

const LENGTH: usize = 6_000_000;
const BAUDS: [u64; 3] = [115_200, 921_600, 3_000_000];

struct Run {
    seconds: f64,
    share: f64,
    resent: u64,
    flipped: u64,
    reports: usize,
    /// Bytes a second towards the host, reports among them.
    upward: f64,
    /// Longest time without a report, seconds.
    longest_gap: f64,
}

fn send(baud: u64, error_rate: f64, report_every_us: u64) -> Run {
    let mut dice = Dice(0x6c69_6e65);
    let (bytes, offer) = file(&mut dice, LENGTH);
    let link = Link { baud, round_trip_us: 50_000, error_rate, report_every_us };
    let mut world = World::new(&link, bytes, offer, dice.next());
    world.run_until(100_000_000_000);
    assert_eq!(world.ended, Some(Ok(UpdatePhase::Verified)), "{baud} baud, {error_rate}");
    assert!(world.arrived());
    let seconds = world.now as f64 / 1e6;
    let times: Vec<f64> = world.report_times.iter().map(|&us| us as f64 / 1e6).chain([seconds]).collect();
    let longest_gap = times.windows(2).map(|pair| pair[1] - pair[0]).fold(times[0], f64::max);
    Run {
        seconds,
        share: LENGTH as f64 / (seconds * baud as f64 / 10.0),
        resent: world.sender.progress().resent_chunks,
        flipped: world.down.flipped + world.up.flipped,
        reports: world.report_times.len(),
        upward: world.up.carried as f64 / seconds,
        longest_gap,
    }
}

fn table(name: &str, error_rate: f64, report_every_us: u64) -> Vec<Run> {
    let mut runs = Vec::new();
    for baud in BAUDS {
        let run = send(baud, error_rate, report_every_us);
        let Run { seconds, share, resent, flipped, reports, upward, .. } = run;
        let share = 100.0 * share;
        println!("| {baud} | {name} | {seconds:.1} | {share:.1} % | {resent} | {flipped} | {reports} | {upward:.0} |");
        runs.push(run);
    }
    runs
}

#[test]
fn a_clean_line_is_full() {
    for run in table("clean", 0.0, 0) {
        assert!(run.share >= 0.95, "{}", run.share);
        assert_eq!(run.resent, 0);
    }
}

#[test]
fn reports_flow_on_and_the_line_is_still_full() {
    for run in table("clean, ten reports a second", 0.0, 100_000) {
        assert!(run.share >= 0.95, "{}", run.share);
        assert!(run.longest_gap < 1.0 && run.reports as f64 >= run.seconds, "{} s", run.longest_gap);
    }
}

#[test]
fn a_bit_in_a_hundred_thousand() {
    for run in table("1e-5 of the bits flipped, ten reports a second", 1e-5, 100_000) {
        assert!(run.share >= 0.85, "{}", run.share);
        assert!(run.flipped >= 450, "the line no longer damages: {}", run.flipped);
        assert!(run.longest_gap < 1.0, "{} s", run.longest_gap);
    }
}

#[test]
fn a_bit_in_ten_thousand() {
    for run in table("1e-4 of the bits flipped, ten reports a second", 1e-4, 100_000) {
        assert!(run.share >= 0.30, "{}", run.share);
        assert!(run.flipped >= 10_000, "the line no longer damages: {}", run.flipped);
    }
}
