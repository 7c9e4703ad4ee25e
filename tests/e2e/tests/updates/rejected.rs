//! Bundles that a board must not take, and versions that it must give up.

use crate::bench::Bench;
use crate::bundles::{Recipe, noise};
use mtcae_update::{MAX_STARTS, Outcome, State, Why};
use std::time::Duration;

const BAUD: u32 = 4_000_000;
const DELAY: Duration = Duration::from_millis(5);

/// Flashes what is no good; the error output.
fn refused(bench: &Bench, bundle: &[u8]) -> String {
    let path = bench.write("bad.mtcb", bundle);
    let (code, lines, errors) = bench.run(&["flash", "LINE", path.to_str().unwrap()]);
    assert_eq!(code, 1, "{lines:?} {errors}");
    let status = bench.status();
    assert_eq!(status.state, State::Running, "{errors}");
    assert_eq!(status.confirmed.unwrap().names[0], "tiny 1.1.0", "{errors}");
    errors
}

#[test]
fn a_version_that_crashes_hangs_or_answers_wrongly_is_given_up() {
    let bench = Bench::new(BAUD, DELAY, "self-test");
    let board = bench.power_on();
    let script = |text: &str| Some(format!("#!/bin/sh\n{text}\n").into_bytes());
    let bad = [
        ("crashes", Recipe { counter: 2, daemon: script("exit 1"), ..Recipe::default() }, Why::Starts),
        ("is no program", Recipe { counter: 3, daemon: Some(noise(5000, 3)), ..Recipe::default() }, Why::Starts),
        ("hangs", Recipe { counter: 4, daemon: script("exec sleep 1000"), ..Recipe::default() }, Why::Starts),
        ("answers wrongly", Recipe { counter: 5, wrong_answer: true, ..Recipe::default() }, Why::SelfTest),
    ];
    let mut given_up = 0;
    for (what, recipe, why) in bad {
        let errors = refused(&bench, &recipe.build());
        assert_eq!(bench.status().last, Outcome::RolledBack(why), "{what}: {errors}");
        given_up += 1;
    }
    let starts = |text: &str| board.errors().iter().filter(|line| line.contains(text)).count();
    assert!(starts("on trial, start") <= given_up * usize::from(MAX_STARTS), "{:#?}", board.errors());
    println!("{given_up} bad versions given up, at most {MAX_STARTS} starts each");
    assert_eq!(given_up, 4);
}

#[test]
fn bundles_that_are_not_for_the_board_change_nothing() {
    let bench = Bench::new(BAUD, DELAY, "self-test");
    let _board = bench.power_on();
    let good = Recipe { counter: 2, ballast: 20_000, ..Recipe::default() };
    let bundle = good.build();
    let before = std::fs::read(bench.slots().join("model-a/manifest.toml")).unwrap();
    let mut damaged = bundle.clone();
    let at = damaged.len() - 5000;
    damaged[at] ^= 1;
    refused(&bench, &damaged);
    refused(&bench, &Recipe { counter: 0, ..Recipe::default() }.build());
    let stranger = mtcae_bundle::DeviceKey::generate().unwrap().recipient();
    refused(&bench, &Recipe { recipients: vec![stranger], ..good }.build());
    assert_eq!(std::fs::read(bench.slots().join("model-a/manifest.toml")).unwrap(), before);
    // And the good one still goes in.
    let path = bench.write("good.mtcb", &bundle);
    let (code, _, errors) = bench.run(&["flash", "LINE", path.to_str().unwrap()]);
    assert_eq!((code, bench.confirmed().as_str()), (0, "tiny 1.2.0"), "{errors}");
}
