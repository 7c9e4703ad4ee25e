//! Whose the files of the slots are, when root or a narrow umask had a hand in them.
#![cfg(feature = "store")]

use mtcae_drivers::DirStore;
use mtcae_update::{DAEMON_FILE, DIRECTORIES, Inbox, Store, StoreError};
use rustix::process::{geteuid, umask};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const OWNER: (u32, u32) = (1234, 1235);
const NOBODY: u32 = 65534;
/// Set in the process that is nobody: the slots' root.
const ROOT: &str = "MTCAE_TEST_SLOTS";

/// Whether this is root, as whom alone files can be given away.
fn root() -> bool {
    let root = geteuid().is_root();
    if !root {
        println!("skipped: owners can be tried by root alone");
    }
    root
}

fn about(path: &Path) -> (u32, u32, u32) {
    let about = fs::symlink_metadata(path).unwrap();
    (about.uid(), about.gid(), about.mode() & 0o7777)
}

#[test]
fn what_is_new_is_the_owners_and_open_to_readers_whatever_the_umask() {
    umask(0o027.into());
    let temp = TempDir::new().unwrap();
    let slots = temp.path().join("slots");
    fs::create_dir(&slots).unwrap();
    let owner = if root() {
        chown(&slots, Some(OWNER.0), Some(OWNER.1)).unwrap();
        OWNER
    } else {
        let (user, group, _) = about(&slots);
        (user, group)
    };
    let mut store = DirStore::open(&slots).unwrap();
    let daemon = format!("daemon-a/{DAEMON_FILE}");
    let files = ["slots.0", "journal", "model-a/seal", Inbox::FILE, &daemon];
    files.iter().for_each(|file| store.create(file).unwrap());
    for (name, mode) in DIRECTORIES.map(|name| (name, 0o755)).into_iter().chain([("lock", 0o600), (&daemon, 0o755)]) {
        assert_eq!(about(&slots.join(name)), (owner.0, owner.1, mode), "{name}");
    }
    for name in &files[..4] {
        assert_eq!(about(&slots.join(name)), (owner.0, owner.1, 0o644), "{name}");
    }
    drop(store);
    let made = temp.path().join("made");
    DirStore::open(&made).unwrap();
    assert_eq!(about(&made).2, 0o755);
}

#[test]
fn roots_lock_is_given_back_and_no_file_behind_a_link_given_away() {
    if !root() {
        return;
    }
    let temp = TempDir::new().unwrap();
    let (slots, other) = (temp.path().join("slots"), temp.path().join("other"));
    fs::create_dir(&slots).unwrap();
    chown(&slots, Some(OWNER.0), Some(OWNER.1)).unwrap();
    fs::write(slots.join("lock"), "").unwrap();
    DirStore::open(&slots).unwrap();
    assert_eq!(about(&slots.join("lock")).0, OWNER.0);
    fs::write(&other, "root's").unwrap();
    fs::remove_file(slots.join("lock")).unwrap();
    symlink(&other, slots.join("lock")).unwrap();
    assert!(DirStore::open(&slots).is_err());
    fs::remove_file(slots.join("lock")).unwrap();
    fs::hard_link(&other, slots.join("lock")).unwrap();
    DirStore::open(&slots).unwrap();
    fs::remove_dir(slots.join("model-a")).unwrap();
    fs::create_dir(temp.path().join("elsewhere")).unwrap();
    symlink(temp.path().join("elsewhere"), slots.join("model-a")).unwrap();
    DirStore::open(&slots).unwrap().create("model-a/seal").unwrap();
    for name in ["other", "elsewhere", "elsewhere/seal"] {
        assert_eq!(about(&temp.path().join(name)).0, 0, "{name}");
    }
}

#[test]
fn what_is_roots_is_said_to_be() {
    if let Some(slots) = std::env::var_os(ROOT) {
        return denied(Path::new(&slots));
    }
    if !root() {
        return;
    }
    let temp = TempDir::new().unwrap();
    fs::set_permissions(temp.path(), PermissionsExt::from_mode(0o755)).unwrap();
    DirStore::open(temp.path()).unwrap().create("slots.0").unwrap();
    fs::set_permissions(temp.path().join("slots.0"), PermissionsExt::from_mode(0o640)).unwrap();
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "what_is_roots_is_said_to_be", "--nocapture"]).env(ROOT, temp.path());
    let said = again.uid(NOBODY).gid(NOBODY).output().unwrap();
    assert!(said.status.success() && String::from_utf8_lossy(&said.stdout).contains("1 passed"), "{said:?}");
}

/// As nobody.
fn denied(slots: &Path) {
    let opened = DirStore::open(slots).unwrap_err();
    let said = opened.to_string().replace(&slots.display().to_string(), "SLOTS");
    insta::assert_snapshot!(said, @"SLOTS/lock belongs to root and is closed to user 65534, who runs this; on the board `systemd-tmpfiles --create` gives it back, or run this as root");
    let mut reader = DirStore::reader(slots).unwrap();
    let refused = [
        reader.create("x").unwrap_err(),
        reader.read("slots.0", 0, &mut [0]).unwrap_err(),
        DirStore::open(&slots.join("new")).unwrap_err(),
    ];
    for error in refused {
        assert!(matches!(&error, StoreError::Denied { owner, .. } if owner == "root"), "{error}");
    }
}
