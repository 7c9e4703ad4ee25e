//! Anything at all in place of bundles, manifests, keys, rotations, permits and sealed files: nothing panics, nothing is
//! committed that was not signed for, and what a reader takes it would write the same way again.
//!
//! One execution is one damaged thing given to one reader. What lies behind a signature is damaged and then signed with the
//! trusted key, so that it is looked at; most executions are of the cheap kinds. The run ends after 30 s, and fails when a
//! stage was reached by too few of its executions. In the environment, `MTCAE_FUZZ_EXECUTIONS` sets their number in place of
//! the time, and `MTCAE_FUZZ_SEED` the seed, which else comes from the clock; a panic prints what caused it.

mod bundles;
#[path = "../common/mod.rs"]
mod common;
mod mutate;
mod sealed;
mod tally;
mod texts;

use common::Rng;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant, SystemTime};
use tally::{Cause, Tally};

const LENGTH: Duration = Duration::from_secs(30);
/// Executions between two looks at the clock.
const ROUND: u64 = 1000;
const PROGRESS_EVERY: Duration = Duration::from_secs(60);

/// Everything that executions start from.
struct World {
    bundles: bundles::Pool,
    sealed: sealed::Pool,
    texts: texts::Pool,
}

type Execution = fn(&World, &mut Rng, &mut Tally, &mut Cause);

/// What is tried, and how many of a thousand executions try it.
const EXECUTIONS: [(usize, Execution); 10] = [
    (300, |world, rng, tally, cause| world.bundles.front(rng, tally, cause)),
    (200, |world, rng, tally, cause| world.bundles.manifest(rng, tally, cause)),
    (20, |world, rng, tally, cause| world.bundles.whole(rng, tally, cause)),
    (20, |world, rng, tally, cause| world.bundles.signed_manifest(rng, tally, cause)),
    (25, |world, rng, tally, cause| world.bundles.signed_part(rng, tally, cause)),
    (5, |world, rng, tally, cause| world.bundles.signed_and_sealed_part(rng, tally, cause)),
    (30, |world, rng, tally, cause| world.sealed.open(rng, tally, cause)),
    (140, |world, rng, tally, cause| world.texts.key(rng, tally, cause)),
    (130, |world, rng, tally, cause| world.texts.rotation(rng, tally, cause)),
    (130, |world, rng, tally, cause| world.texts.permit(rng, tally, cause)),
];

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    Some(parsed.unwrap_or_else(|_| panic!("{name} is {text:?}; accepted: a number, or 0x and hexadecimal digits")))
}

fn round(world: &World, rng: &mut Rng, tally: &mut Tally, executions: u64) {
    for _ in 0..executions {
        let mut choice = rng.below(1000);
        let execute = EXECUTIONS.iter().find(|(share, _)| {
            let here = choice < *share;
            choice = choice.wrapping_sub(*share);
            here
        });
        let (_, execute) = execute.expect("the shares add up to a thousand");
        let mut cause = Cause::default();
        let caught = catch_unwind(AssertUnwindSafe(|| execute(world, rng, tally, &mut cause)));
        if let Err(panic) = caught {
            println!("{cause}");
            resume_unwind(panic);
        }
        tally.executions += 1;
    }
}

#[test]
fn nothing_harms_a_reader() {
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |time| time.as_nanos() as u64);
    let seed = number("MTCAE_FUZZ_SEED").unwrap_or(clock);
    let wanted = number("MTCAE_FUZZ_EXECUTIONS");
    let started = Instant::now();
    let (mut rng, mut tally, mut said) = (Rng(seed), Tally::default(), started);
    let world = World { bundles: bundles::Pool::new(), sealed: sealed::Pool::new(), texts: texts::Pool::new() };
    loop {
        let left = match wanted {
            Some(wanted) => wanted - tally.executions,
            None if started.elapsed() < LENGTH => ROUND,
            None => 0,
        };
        if left == 0 {
            break;
        }
        round(&world, &mut rng, &mut tally, left.min(ROUND));
        if said.elapsed() >= PROGRESS_EVERY {
            said = Instant::now();
            println!("{}", tally.report(seed, started.elapsed()));
        }
    }
    println!("{}", tally.report(seed, started.elapsed()));
    tally.check();
}
