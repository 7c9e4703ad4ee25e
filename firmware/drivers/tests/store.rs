//! Update slots in a real directory.
#![cfg(feature = "store")]

use mtcae_drivers::DirStore;
use mtcae_update::{
    Choice, Confirm, DAEMON_FILE, DIRECTORIES, Depth, Digest, Inbox, Kind, Note, Part, Plan, State, Store, StoreError,
    UpdateError, Updater, Verdict,
};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

fn release(number: u8) -> (Plan, Vec<u8>) {
    let mut bytes = Vec::new();
    let mut part = |kind, name: &str, len: usize| {
        let data: Vec<u8> = (0..len).map(|i| (i / 3) as u8 ^ number).collect();
        bytes.extend(&data);
        Part { kind, name: name.into(), len: len as u64, sha256: Digest::of(&data) }
    };
    let parts = vec![part(Kind::Model, "model.onnx", 300_000), part(Kind::Daemon, DAEMON_FILE, 150_000)];
    let (version, counter) = (format!("{number}.0.0"), u64::from(number));
    (Plan { version, counter, origin: Digest::of(b"file"), confirm: Confirm::BySelfTest, parts }, bytes)
}

fn install(updater: &mut Updater<DirStore>, number: u8) -> Result<(), UpdateError> {
    let (plan, bytes) = release(number);
    let from = updater.begin(&plan, None)?.received;
    for (index, chunk) in bytes[from as usize..].chunks(10_000).enumerate() {
        updater.write(from + index as u64 * 10_000, chunk)?;
    }
    updater.finish()?;
    updater.switch()
}

#[test]
fn two_versions_take_turns() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("made/by/it");
    for number in 1..=3 {
        let mut updater = Updater::new(DirStore::open(&root).unwrap());
        install(&mut updater, number).unwrap();
        let Choice::Start { pair, trial: Some(1), note: None } = updater.choose(Depth::Bytes).unwrap() else {
            panic!("version {number} is not on trial")
        };
        assert_eq!(updater.self_test(Verdict::Good).unwrap(), State::Running);
        let (_, bytes) = release(number);
        assert!(fs::read(root.join(pair.model_folder()).join("model.onnx")).unwrap() == bytes[..300_000]);
        let daemon = root.join(pair.daemon_folder()).join(DAEMON_FILE);
        assert!(fs::read(&daemon).unwrap() == bytes[300_000..]);
        assert_ne!(fs::metadata(&daemon).unwrap().permissions().mode() & 0o100, 0, "it can be started");
    }
    let status = Updater::new(DirStore::reader(&root).unwrap()).status().unwrap();
    assert_eq!(status.confirmed.unwrap().names[1], "3.0.0");
    assert_eq!(status.previous.unwrap().names[1], "2.0.0");
}

#[test]
fn an_update_goes_on_in_another_program() {
    let folder = TempDir::new().unwrap();
    let (plan, bytes) = release(1);
    let mut updater = Updater::new(DirStore::open(folder.path()).unwrap());
    updater.begin(&plan, None).unwrap();
    let progress = updater.write(0, &bytes[..180_000]).unwrap();
    assert_eq!((progress.received, progress.durable), (180_000, 131_072));
    drop(updater);
    let mut updater = Updater::new(DirStore::open(folder.path()).unwrap());
    assert_eq!(updater.begin(&plan, None).unwrap().received, 131_072);
    install(&mut updater, 1).unwrap();
    assert_eq!(updater.status().unwrap().state, State::Trial);
}

#[test]
fn one_program_changes_it_and_any_may_look() {
    let folder = TempDir::new().unwrap();
    let mut store = DirStore::open(folder.path()).unwrap();
    assert!(matches!(DirStore::open(folder.path()), Err(StoreError::Busy { .. })));
    assert!(DIRECTORIES.iter().all(|name| folder.path().join(name).is_dir()));
    let mut inbox = Inbox::begin(&mut store, 5, Digest::of(b"hello")).unwrap();
    inbox.write(&mut store, 0, b"hello").unwrap();
    inbox.finish(&mut store).unwrap();

    let mut reader = DirStore::reader(folder.path()).unwrap();
    let mut buffer = [0; 9];
    assert_eq!(reader.read(Inbox::FILE, 1, &mut buffer).unwrap(), 4);
    assert_eq!(&buffer[..4], b"ello");
    let refused = [
        reader.create("x"),
        reader.append(Inbox::FILE, b"x"),
        reader.truncate(Inbox::FILE, 0),
        reader.sync_file(Inbox::FILE),
        reader.rename("inbox.journal", "x"),
        reader.remove(Inbox::FILE),
        reader.sync_dir(""),
    ];
    for result in refused {
        assert!(matches!(result, Err(StoreError::ReadOnly { .. })), "{result:?}");
    }
    drop(store);
    assert!(DirStore::open(folder.path()).is_ok());
    assert!(matches!(DirStore::reader(&folder.path().join("nowhere")), Err(StoreError::Io { .. })));
}

#[test]
fn a_root_that_can_only_be_read_starts_the_confirmed_version() {
    let folder = TempDir::new().unwrap();
    let mut updater = Updater::new(DirStore::open(folder.path()).unwrap());
    install(&mut updater, 1).unwrap();
    updater.choose(Depth::Bytes).unwrap();
    updater.self_test(Verdict::Good).unwrap();
    install(&mut updater, 2).unwrap();
    let choice = Updater::new(DirStore::reader(folder.path()).unwrap()).choose(Depth::Bytes).unwrap();
    let Choice::Start { pair, trial: None, note: Some(Note::Postponed(StoreError::ReadOnly { .. })) } = choice else {
        panic!("{choice:?}")
    };
    assert_eq!(pair.to_string(), "daemon-a with model-a");
}

#[test]
fn a_full_device_is_told_apart() {
    let folder = TempDir::new().unwrap();
    let mut store = DirStore::open(folder.path()).unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path().join("full")).unwrap();
    assert_eq!(store.append("full", b"x"), Err(StoreError::NoSpace { path: "full".into() }));
    assert!(matches!(store.append("nowhere", b"x"), Err(StoreError::Io { .. })));
    assert!(store.free_space().unwrap() > 0);
    assert_eq!(store.remove("nowhere"), Ok(()));
}
