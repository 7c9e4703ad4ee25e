//! Releases, boards and what people do with them.
#![allow(dead_code)]

use mtcae_update::sim::SimStore;
use mtcae_update::{
    Choice, Confirm, DAEMON_FILE, Depth, Digest, Kind, Part, Plan, State, UpdateError, Updater, Verdict,
};
use std::sync::LazyLock;

pub const WINDOW: u64 = 1024;
/// Bytes that come at a time; no divisor of the window.
pub const CHUNK: usize = 300;

/// A version with its bytes.
pub struct Release {
    pub plan: Plan,
    pub bytes: Vec<u8>,
}

impl Release {
    pub fn new(number: u8, kinds: &[Kind]) -> Release {
        let files =
            [(Kind::Model, "manifest.toml", 330), (Kind::Model, "model.onnx", 2500), (Kind::Daemon, DAEMON_FILE, 1800)];
        let mut bytes = Vec::new();
        let mut parts = Vec::new();
        for (kind, name, len) in files.into_iter().filter(|(kind, ..)| kinds.contains(kind)) {
            let data: Vec<u8> = (0..len).map(|i| (i * 7 + i / 251) as u8 ^ number.wrapping_mul(37)).collect();
            parts.push(Part { kind, name: name.into(), len: len as u64, sha256: Digest::of(&data) });
            bytes.extend(data);
        }
        let (version, counter) = (format!("1.0.{number}"), u64::from(number));
        Release {
            plan: Plan { version, counter, origin: Digest::of(b"file"), confirm: Confirm::BySelfTest, parts },
            bytes,
        }
    }

    pub fn both(number: u8) -> Release {
        Release::new(number, &Kind::ALL)
    }
}

/// Releases 0 to 5; 3 has a model only, 5 a daemon only, which any of the others may follow.
pub fn releases() -> &'static [Release] {
    static ALL: LazyLock<Vec<Release>> = LazyLock::new(|| {
        let release = |n| if n == 3 { Release::new(n, &[Kind::Model]) } else { Release::both(n) };
        let mut all: Vec<Release> = (0..5).map(release).collect();
        all.push(Release::new(5, &[Kind::Daemon]));
        all[5].plan.counter = 1;
        all
    });
    &ALL
}

pub fn open(store: SimStore) -> Updater<SimStore> {
    Updater::new(store).with_window(WINDOW)
}

/// Sends what is missing of an update, up to byte `until`.
pub fn send(updater: &mut Updater<SimStore>, release: &Release, until: u64) -> Result<u64, UpdateError> {
    let mut progress = updater.begin(&release.plan, None)?;
    while progress.received < until {
        let from = progress.received as usize;
        let to = (from + CHUNK).min(until as usize);
        progress = updater.write(from as u64, &release.bytes[from..to])?;
    }
    Ok(progress.durable)
}

/// An update from its offer to its trial.
pub fn install(updater: &mut Updater<SimStore>, release: &Release) -> Result<(), UpdateError> {
    send(updater, release, release.plan.total())?;
    updater.finish()?;
    updater.switch()
}

/// Start, good self-test.
pub fn try_out(updater: &mut Updater<SimStore>) -> Result<(), UpdateError> {
    updater.choose(Depth::Bytes)?;
    assert_eq!(updater.self_test(Verdict::Good)?, State::Running);
    Ok(())
}

/// A board on which release 0 and then release 1 were confirmed.
pub fn running() -> SimStore {
    let mut updater = open(SimStore::new(1));
    for number in [0, 1] {
        install(&mut updater, &Release::both(number)).unwrap();
        try_out(&mut updater).unwrap();
    }
    updater.into_store()
}

/// The numbers of the releases whose model and daemon start, from every byte of their files; `None` when nothing starts.
pub fn starts(store: &SimStore, choice: &Choice) -> Option<(u8, u8)> {
    starts_of(releases(), store, choice)
}

/// The same of other releases, by their places.
pub fn starts_of(releases: &[Release], store: &SimStore, choice: &Choice) -> Option<(u8, u8)> {
    let Choice::Start { pair, .. } = choice else { return None };
    let number = |kind: Kind, folder: &str| {
        let whole = |release: &Release| {
            let mut at = 0;
            release.plan.parts.iter().all(|part| {
                let expected = &release.bytes[at..at + part.len as usize];
                at += part.len as usize;
                part.kind != kind || store.bytes(&format!("{folder}/{}", part.name)) == Some(expected)
            }) && release.plan.kinds().contains(&kind)
        };
        releases.iter().position(whole).unwrap_or_else(|| panic!("{folder} is a mix")) as u8
    };
    Some((number(Kind::Model, pair.model_folder()), number(Kind::Daemon, pair.daemon_folder())))
}
