//! kill -9 of host and daemon at random moments of real flashes.

use crate::bench::{Bench, PATIENCE, Running};
use crate::bundles::Recipe;
use mtcae_update::State;
use rustix::process::{Signal, kill_process};
use std::time::{Duration, Instant};

/// Kills in all; `MTCAE_KILLS` sets another number.
const KILLS: usize = 200;
const BAUD: u32 = 4_000_000;
/// Some four seconds of the line.
const BALLAST: usize = 1_600_000;
/// A window of chunks: no more may be lost by a kill.
const WINDOW: u64 = 128 * 1024;
/// Kills of the daemon while a version is on trial: a third start that fails would give it up, and rightly.
const KILLS_ON_TRIAL: usize = 1;

#[derive(Debug, Default)]
struct Tally {
    host: usize,
    daemon: usize,
    on_trial: usize,
    flashes: usize,
    /// Times that a new host process went on with what was there.
    resumed: usize,
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % n
    }
}

/// The first and the most bytes that the board had, as far as this host process was told.
fn received(flash: &Running) -> Option<(u64, u64)> {
    let objects = flash.objects();
    let sending = objects.iter().filter(|object| object["stage"] == "sending");
    let told: Vec<u64> = sending.filter_map(|object| object["done"].as_u64()).collect();
    // Nothing is known before the board has answered.
    Some((*told.iter().find(|bytes| **bytes > 0)?, *told.iter().max()?))
}

#[test]
fn kills_at_random_moments_cost_no_more_than_a_window() {
    let kills = std::env::var("MTCAE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS);
    let bench = Bench::new(BAUD, Duration::from_millis(5), "self-test");
    let board = bench.power_on();
    let (mut tally, mut dice, mut version) = (Tally::default(), Dice(0x5EED), 1);
    while tally.host + tally.daemon < kills {
        version += 1;
        flash_under_fire(&bench, &board, version, kills, &mut tally, &mut dice);
        tally.flashes += 1;
    }
    println!("{tally:?}: each flash ended with its version confirmed");
    assert!(tally.host >= kills / 4 && tally.daemon >= kills / 4 && tally.resumed >= kills / 8, "{tally:?}");
}

fn flash_under_fire(bench: &Bench, board: &Running, version: u32, kills: usize, tally: &mut Tally, dice: &mut Dice) {
    let bundle = Recipe { counter: version, ballast: BALLAST, ..Recipe::default() }.build();
    let path = bench.write("next.mtcb", &bundle);
    let arguments = ["flash", "LINE", path.to_str().unwrap(), "--json"];
    let before = bench.line.down();
    let (mut flash, mut most, mut shots, mut on_trial) = (bench.mtcae(&arguments), 0, 0, 0);
    let inbox = bench.slots().join("inbox/bundle");
    let mut arrived = 0;
    let end = Instant::now() + 3 * PATIENCE;
    loop {
        assert!(Instant::now() < end, "no end: {:#?} {:#?}", flash.output(), board.errors());
        std::thread::sleep(Duration::from_millis(40 + dice.below(900)));
        // What lies on the board's disk never falls back by more than a window, until it is installed and gone.
        if let Ok(about) = inbox.metadata() {
            assert!(about.len() + WINDOW >= arrived, "{} bytes of {arrived} are left on the board", about.len());
            arrived = arrived.max(about.len());
        }
        if let Some(status) = flash.ended() {
            flash.wait();
            assert!(status.success(), "{status}: {:#?} {:#?} {:#?}", flash.output(), flash.errors(), board.errors());
            break;
        }
        if tally.host + tally.daemon >= kills {
            continue;
        }
        if dice.below(2) == 0 {
            flash.kill();
            flash.wait();
            if let Some((first, last)) = received(&flash) {
                assert!(first + WINDOW >= most, "went on at {first}, {most} were there");
                tally.resumed += usize::from(first > 0);
                most = most.max(last);
            }
            tally.host += 1;
            flash = bench.mtcae(&arguments);
        } else {
            let trial = bench.status().state == State::Trial;
            if trial && on_trial >= KILLS_ON_TRIAL {
                continue;
            }
            let Some(daemon) = board.children().first().copied() else { continue };
            let _ = kill_process(crate::bench::pid(daemon), Signal::KILL);
            (on_trial, tally.on_trial) = (on_trial + usize::from(trial), tally.on_trial + usize::from(trial));
            tally.daemon += 1;
        }
        shots += 1;
    }
    assert_eq!(bench.confirmed(), format!("tiny 1.{version}.0"));
    // Framing takes 3 %; a kill may cost a window, and requests some bytes.
    let sent = bench.line.down() - before;
    let most = bundle.len() as u64 * 103 / 100 + (shots + 1) * (WINDOW + 8 * 1024);
    assert!(sent <= most, "{sent} bytes went down for a bundle of {} and {shots} kills", bundle.len());
}
