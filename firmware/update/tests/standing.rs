//! How far each slot is trusted, once updates of one kind have taken places.

mod common;

use common::{Release, install, open, try_out};
use mtcae_update::sim::SimStore;
use mtcae_update::{Depth, Kind, Standing, State, Updater, Verdict};

const BOTH: &[Kind] = &Kind::ALL;
const MODEL: &[Kind] = &[Kind::Model];
const DAEMON: &[Kind] = &[Kind::Daemon];

/// A board on which these releases were installed, one after the other, and whether each was confirmed.
fn after(history: &[(&[Kind], bool)]) -> Updater<SimStore> {
    let mut updater = open(SimStore::new(1));
    for (number, (kinds, good)) in history.iter().enumerate() {
        install(&mut updater, &Release::new(number as u8, kinds)).unwrap();
        if *good {
            try_out(&mut updater).unwrap();
        } else {
            updater.choose(Depth::Bytes).unwrap();
            assert_eq!(updater.self_test(Verdict::Wrong).unwrap(), State::Running);
        }
    }
    updater
}

/// What the slots hold, models first: number of the release and how far it is trusted.
fn held(updater: &mut Updater<SimStore>) -> Vec<(u64, Standing)> {
    let slots = updater.slots().unwrap();
    slots.iter().flatten().flatten().map(|held| (held.counter, held.standing)).collect()
}

#[test]
fn a_good_version_whose_place_was_taken_did_not_fail() {
    let all_good = |counters: [u64; 4]| counters.map(|counter| (counter, Standing::Confirmed)).to_vec();
    let mut board = after(&[(BOTH, true), (DAEMON, true), (MODEL, true)]);
    assert_eq!(held(&mut board), all_good([0, 2, 0, 1]));
    // The daemon of release 1 is neither of the first update nor of the one before.
    let mut board = after(&[(BOTH, true), (DAEMON, true), (DAEMON, true), (MODEL, true)]);
    assert_eq!(board.status().unwrap().previous.unwrap().names[1], "1.0.2");
    assert_eq!(held(&mut board), all_good([0, 3, 2, 1]));
}

#[test]
fn a_version_that_failed_did_so_whatever_came_after() {
    let mut board = after(&[(BOTH, true), (BOTH, false)]);
    let (good, failed) = (Standing::Confirmed, Standing::Failed);
    assert_eq!(held(&mut board), [(0, good), (1, failed), (0, good), (1, failed)]);
    let mut board = after(&[(BOTH, true), (BOTH, false), (DAEMON, true)]);
    assert_eq!(held(&mut board), [(0, good), (1, failed), (0, good), (2, good)]);
    let mut board = after(&[(BOTH, true), (DAEMON, true), (MODEL, false), (DAEMON, true)]);
    assert_eq!(held(&mut board), [(0, good), (2, failed), (3, good), (1, good)]);
}

#[test]
fn a_version_that_was_damaged_is_given_up() {
    let mut board = after(&[(BOTH, true), (BOTH, true)]);
    board.rollback(None).unwrap_err();
    board.rollback(Some(&mtcae_update::Permit { lowest_counter: 0 })).unwrap();
    assert!(board.store_mut().spoil("model-a/model.onnx", |bytes| bytes[7] ^= 1));
    board.choose(Depth::Bytes).unwrap();
    let (good, failed) = (Standing::Confirmed, Standing::Failed);
    assert_eq!(held(&mut board), [(0, failed), (1, good), (0, failed), (1, good)]);
}
