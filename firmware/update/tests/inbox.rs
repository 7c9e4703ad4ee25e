//! A bundle that arrives while the power comes and goes.

use mtcae_update::sim::{CutMode, SimStore, Trouble};
use mtcae_update::{Digest, Inbox, StoreError, UpdateError, WINDOW};

const LEN: usize = 200_000;
const CHUNK: usize = 9_000;
const ROLLS: u64 = 4;
/// Fewer cuts than this and the test no longer tests what it says.
const FEWEST_CUTS: u64 = 400;

fn bundle() -> Vec<u8> {
    (0..LEN as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Receives what is missing; what was said to be durable stands in `durable` at any time.
fn receive(store: &mut SimStore, bytes: &[u8], durable: &mut u64) -> Result<(), UpdateError> {
    let mut inbox = Inbox::begin(store, bytes.len() as u64, Digest::of(bytes))?;
    let mut progress = inbox.progress()?;
    while progress.received < progress.total {
        let from = progress.received as usize;
        let to = (from + CHUNK).min(bytes.len());
        progress = inbox.write(store, from as u64, &bytes[from..to])?;
        *durable = progress.durable;
    }
    inbox.finish(store)
}

#[test]
fn a_bundle_goes_on_where_it_was_cut() {
    let bytes = bundle();
    let (mut cuts, mut again) = (0, 0);
    for at in 0.. {
        let mut longer = false;
        for mode in CutMode::ALL {
            for roll in 0..if mode == CutMode::Lost { 1 } else { ROLLS } {
                let mut store = SimStore::new(roll);
                let mut durable = 0;
                store.inject(at, Trouble::Cut(mode));
                let result = receive(&mut store, &bytes, &mut durable);
                longer = !store.waits();
                if !longer {
                    result.unwrap();
                    break;
                }
                cuts += 1;
                store.power_on();
                let seen = store.bytes(Inbox::FILE).map_or(0, |bytes| bytes.len() as u64);
                let on = Inbox::begin(&mut store, LEN as u64, Digest::of(&bytes)).unwrap().progress().unwrap();
                assert!(on.received >= durable, "{durable} bytes were durable, it goes on at {}", on.received);
                assert!(on.received == on.durable && seen.saturating_sub(on.received) <= WINDOW);
                again = again.max(seen.saturating_sub(on.received));
                receive(&mut store, &bytes, &mut durable).unwrap_or_else(|e| panic!("{at}, {mode:?}, {roll}: {e}"));
                assert!(store.bytes(Inbox::FILE) == Some(&bytes[..]), "{at}, {mode:?}, {roll}");
            }
        }
        if !longer {
            break;
        }
    }
    println!("{cuts} cuts of a bundle's arrival; at most {again} bytes that were there came again");
    assert!(cuts >= FEWEST_CUTS, "{cuts}");
}

#[test]
fn another_bundle_and_wrong_bytes_start_from_zero() {
    let bytes = bundle();
    let mut store = SimStore::new(1);
    let mut inbox = Inbox::begin(&mut store, LEN as u64, Digest::of(&bytes)).unwrap();
    inbox.write(&mut store, 0, &bytes[..100_000]).unwrap();
    let other = Inbox::begin(&mut store, LEN as u64, Digest::of(b"other")).unwrap();
    assert_eq!(other.progress().unwrap().received, 0);
    let mut inbox = Inbox::begin(&mut store, LEN as u64, Digest::of(b"other")).unwrap();
    inbox.write(&mut store, 0, &bytes).unwrap();
    assert_eq!(inbox.finish(&mut store), Err(UpdateError::Differs { part: Inbox::FILE.to_owned() }));
    assert_eq!(inbox.progress(), Err(UpdateError::NotBegun));
    assert_eq!(store.bytes(Inbox::FILE), None);
}

#[test]
fn a_bundle_that_cannot_be_kept_is_refused() {
    let mut store = SimStore::new(1);
    for len in [0, mtcae_update::MAX_BUNDLE + 1] {
        let refused = Inbox::begin(&mut store, len, Digest::of(b"")).err();
        assert!(matches!(refused, Some(UpdateError::BadPlan { .. })), "{len}: {refused:?}");
    }
    let refused = Inbox::begin(&mut store, 2 << 20, Digest::of(b"")).err();
    assert_eq!(refused, Some(UpdateError::NoRoom { needed: 2 << 20, free: 1 << 20 }));

    // The medium fills up on the way, though it had room.
    let bytes = bundle();
    let mut inbox = Inbox::begin(&mut store, LEN as u64, Digest::of(&bytes)).unwrap();
    inbox.write(&mut store, 0, &bytes[..70_000]).unwrap();
    store.inject(0, Trouble::Full);
    let full = inbox.write(&mut store, 70_000, &bytes[70_000..]).unwrap_err();
    assert!(matches!(full, UpdateError::Store(StoreError::NoSpace { .. })), "{full}");
    assert_eq!(inbox.write(&mut store, 70_000, b"x"), Err(UpdateError::NotBegun));
    store.repair();
    let on = Inbox::begin(&mut store, LEN as u64, Digest::of(&bytes)).unwrap().progress().unwrap().received;
    assert_eq!(on, WINDOW);
}
