//! The real binary makes boards: of a mounted root, and over a real sshd.

mod common;
#[allow(dead_code, reason = "host/provision takes more of it")]
#[path = "../../provision/tests/common/sshd.rs"]
mod sshd;
#[path = "../../provision/tests/common/tree.rs"]
mod tree;

use common::desk::{Desk, WHOLE};
use common::transcript;
use mtcae_bundle::DeviceKey;
use serde_json::Value;
use sshd::Sshd;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tree::{assert_same, touched, tree};

/// What begins like a program of this machine.
fn program() -> Vec<u8> {
    let machine = if cfg!(target_arch = "aarch64") { 183u16 } else { 62 };
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
    bytes.extend(machine.to_le_bytes());
    bytes.resize(5000, 7);
    bytes
}

/// A desk with a launcher, a board file, a first bundle, and a system on which nothing of ours is.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("mtcae-launcher", &program());
    desk.write("built", &program());
    desk.write("robot.toml", b"# any of ten\n[board]\nname = \"any\"\nfamily = \"pc\"\n\n[update]\nenabled = true\n");
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let firmware = ["--firmware", "built", "--target", &target];
    desk.good(&desk.bundle("first.mtcb", &[&WHOLE[..], &firmware].concat()));
    fresh(&desk, "root");
    desk
}

fn fresh(desk: &Desk, root: &str) {
    for folder in ["etc/systemd/system", "usr/bin", "usr/lib", "var/lib", "var/tmp"] {
        fs::create_dir_all(desk.path(root).join(folder)).unwrap();
    }
    fs::write(desk.path(root).join("usr/bin/env"), program()).unwrap();
}

const WISHES: [&str; 8] =
    ["--board", "robot.toml", "--launcher", "mtcae-launcher", "--bundle", "first.mtcb", "--trust", "release.key.pub"];

fn provision<'a>(target: &'a str, besides: &[&'a str]) -> Vec<&'a str> {
    [&["provision", target][..], &WISHES, besides].concat()
}

fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_mounted_root_becomes_a_board() {
    let desk = desk();
    let arguments = |besides| provision("dir:root", &[&["--name", "robot-17", "--no-owners"][..], besides].concat());
    let planned = desk.good(&arguments(&["--dry-run"]));
    assert!(
        desk.path("root").join("etc/mtcae").symlink_metadata().is_err() && !desk.path("robot-17.device.pub").exists()
    );
    let done = desk.good(&arguments(&[]));
    let recipient = String::from_utf8(desk.read("robot-17.device.pub")).unwrap();
    assert_eq!(recipient.as_bytes(), desk.read("root/etc/mtcae/device.pub"));
    let key = DeviceKey::from_secret_text(&String::from_utf8(desk.read("root/etc/mtcae/device.key")).unwrap()).unwrap();
    assert_eq!(key.recipient().to_string(), recipient.trim_end());
    let mode = |name: &str| desk.path("root").join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("etc/mtcae/device.key"), mode("usr/lib/mtcae/mtcae-launcher")), (0o600, 0o755));
    let mut steady = planned + &done.replace(recipient.trim_end(), "RECIPIENT");
    // The size of the system's units is theirs.
    steady = steady.replace(std::env::consts::ARCH, "ARCH");
    insta::assert_snapshot!("provisioned", steady);

    // A board file with another name, and all else as it was.
    let board = String::from_utf8(desk.read("root/etc/mtcae/board.toml")).unwrap();
    assert!(board.starts_with("# any of ten\n[board]\nname = \"robot-17\"\n"), "{board}");
    let before = touched(&desk.path("root"));
    let again = object(&desk.good(&arguments(&["--json"])));
    assert_eq!((&again["changes"], &again["recipient"]["new"]), (&0.into(), &false.into()), "{again}");
    assert_eq!(again["recipient"]["text"], recipient.trim_end());
    assert_eq!(touched(&desk.path("root")), before, "nothing is touched");
    // The recipient is told again when it was lost here.
    fs::remove_file(desk.path("robot-17.device.pub")).unwrap();
    assert!(desk.good(&arguments(&[])).contains("nothing to do"));
    assert_eq!(desk.read("robot-17.device.pub"), recipient.as_bytes());

    // What is encrypted to it is for it alone.
    let encrypted = [&WHOLE[..], &["--encrypt-to", "robot-17.device.pub"]].concat();
    desk.good(&desk.bundle("for-17.mtcb", &encrypted));
    // It starts with its first version on trial.
    let status = mtcae_update::Updater::new(slots(&desk)).status().unwrap();
    assert_eq!(status.state, mtcae_update::State::Trial);
    assert_eq!(status.new.unwrap().names, ["tiny 1.0.0", "tiny 1.0.0"]);
}

fn slots(desk: &Desk) -> mtcae_drivers::DirStore {
    mtcae_drivers::DirStore::reader(&desk.path("root/var/lib/mtcae")).unwrap()
}

#[test]
fn a_board_on_a_network_gets_a_line_key_and_knows_its_clients() {
    let desk = desk();
    let client = mtcae_tls::LineKey::generate().unwrap().public();
    desk.write("desk.key.pub", format!("{client}\n").as_bytes());
    let arguments =
        provision("dir:root", &["--name", "robot-17", "--no-owners", "--client", "desk.key.pub", "--keys", "state"]);
    fs::create_dir(desk.path("state")).unwrap();
    let done = desk.good(&arguments);
    let public = desk.read("root/etc/mtcae/line.pub");
    assert_eq!(desk.read("state/robot-17.line.pub"), public);
    let public = String::from_utf8(public).unwrap();
    assert!(done.contains(&format!("line key   {}, in state/robot-17.line.pub\n", public.trim_end())), "{done}");
    let key = mtcae_tls::LineKey::read(&desk.path("root/etc/mtcae/line.key")).unwrap();
    assert_eq!(key.public().to_string(), public.trim_end());
    let clients = mtcae_tls::Clients::read(&desk.path("root/etc/mtcae/clients")).unwrap();
    assert!(clients.faults().is_empty() && clients.keys()[..] == [client]);
    let again = desk.good(&arguments);
    assert!(again.contains("nothing to do") && again.contains("so its clients cannot connect"), "{again}");
    // The other way round: a port, and nobody who may connect.
    let robot = [&desk.read("robot.toml")[..], b"\n[[sink]]\nkind = \"tcp\"\n"].concat();
    desk.write("robot.toml", &robot);
    assert!(!desk.good(&arguments).contains("note "));
    fresh(&desk, "other");
    let told = desk.good(&provision("dir:other", &["--name", "robot-18", "--no-owners", "--dry-run"]));
    assert!(told.contains("lets nobody in: give it a client with --client"), "{told}");
}

#[test]
fn an_encrypted_first_version_needs_the_boards_key() {
    let desk = desk();
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let besides = ["--firmware", "built", "--target", &target, "--encrypt-to", "lab.key.pub"];
    desk.good(&desk.bundle("sealed.mtcb", &[&WHOLE[..], &besides].concat()));
    let mut arguments = provision("dir:root", &["--no-owners"]);
    arguments[7] = "sealed.mtcb";
    let refused = desk.said(&arguments);
    assert!(refused.contains("mtcae::provision") && refused.contains("--device-key"), "{refused}");
    desk.good(&[&arguments[..], &["--device-key", "lab.key"]].concat());
    let own = desk.recipient().to_string();
    assert_eq!(desk.read("root/etc/mtcae/device.pub"), format!("{own}\n").as_bytes());
    // Another key does not take its place, and no key is asked for the second time.
    desk.good(&["keys", "new", "--device", "other.key"]);
    let refused = desk.said(&[&arguments[..], &["--device-key", "other.key"]].concat());
    assert!(refused.contains("another key than the one given"), "{refused}");
    assert!(desk.good(&arguments).contains("nothing to do"));
    // A board that has the key needs no other, where it can be read.
    for root in ["keyed", "over-ssh"] {
        fresh(&desk, root);
        fs::create_dir_all(desk.path(root).join("etc/mtcae")).unwrap();
        fs::copy(desk.path("lab.key"), desk.path(root).join("etc/mtcae/device.key")).unwrap();
    }
    arguments[1] = "dir:keyed";
    assert!(desk.good(&arguments).contains("on trial at its first start"));
    let tools = tempfile::tempdir().unwrap();
    let Some(sshd) = Sshd::start(tools.path()) else { return };
    let (target, prefix) = (format!("ssh:127.0.0.1:{}", sshd.port), desk.path("over-ssh").display().to_string());
    let configuration = sshd.configuration().display().to_string();
    let mut arguments = provision(&target, &["--ssh-config", &configuration, "--prefix", &prefix]);
    arguments[7] = "sealed.mtcb";
    let refused = desk.said(&arguments);
    assert!(refused.contains("which does not leave it") && refused.contains("take a plain bundle"), "{refused}");
}

#[test]
fn what_is_wrong_is_named_and_the_board_stays_as_it_was() {
    let desk = desk();
    let before = tree(&desk.path("root"));
    let mut other = program();
    other[18] = 243;
    desk.write("other", &other);
    desk.write("script", b"#!/bin/sh\nexec true\n");
    desk.write("elsewhere.toml", b"[board]\nname = \"any\"\nfamily = \"pc\"\n[update]\nroot = \"/data\"\n");
    desk.good(&desk.bundle("model.mtcb", &WHOLE));
    let with = |at: usize, value: &'static str| {
        let mut arguments = provision("dir:root", &["--no-owners"]);
        arguments[at] = value;
        arguments
    };
    let mut said = String::new();
    for arguments in [
        with(1, "dir:tiny"),
        with(3, "robot-nano"),
        with(3, "elsewhere.toml"),
        with(5, "other"),
        with(5, "script"),
        with(7, "model.mtcb"),
        with(7, "none.mtcb"),
        with(9, "next.key.pub"),
        [&with(1, "dir:root")[..], &["--name", "Robot 17"]].concat(),
    ] {
        said += &desk.said(&arguments);
    }
    desk.write("any.device.pub", b"age1somebody-elses\n");
    said += &desk.said(&with(1, "dir:root"));
    fs::remove_file(desk.path("any.device.pub")).unwrap();
    insta::assert_snapshot!("provision_refused", said.replace(std::env::consts::ARCH, "ARCH"));
    assert_eq!(said.matches("exit code: 1\n").count(), 10);
    assert_same(&tree(&desk.path("root")), &before, "refused");
    let text = desk.said(&with(1, "board-17"));
    assert!(text.starts_with("exit code: 2\n") && text.contains("dir:PATH"), "{text}");
}

#[test]
fn a_board_that_runs_becomes_one_over_ssh() {
    let desk = desk();
    let tools = tempfile::tempdir().unwrap();
    let Some(sshd) = Sshd::start(tools.path()) else { return };
    let target = format!("ssh:127.0.0.1:{}", sshd.port);
    let prefix = desk.path("root").display().to_string();
    let configuration = sshd.configuration().display().to_string();
    let arguments = |besides| {
        provision(
            &target,
            &[&["--name", "robot-17", "--ssh-config", &configuration, "--prefix", &prefix][..], besides].concat(),
        )
    };
    let planned = object(&desk.good(&arguments(&["--dry-run", "--json"])));
    let done = object(&desk.good(&arguments(&["--json"])));
    assert_eq!((&planned["changes"], &planned["dry_run"]), (&done["changes"], &true.into()));
    let recipient = done["recipient"]["text"].as_str().unwrap();
    assert_eq!(desk.read("robot-17.device.pub"), format!("{recipient}\n").as_bytes());
    let before = touched(&desk.path("root"));
    assert!(desk.good(&arguments(&[])).contains("nothing to do"));
    assert_eq!(touched(&desk.path("root")), before, "nothing is touched");

    // The same as a mounted root gets.
    fresh(&desk, "mounted");
    fs::write(desk.path("board.key"), desk.read("root/etc/mtcae/device.key")).unwrap();
    fs::set_permissions(desk.path("board.key"), fs::Permissions::from_mode(0o600)).unwrap();
    desk.good(&provision("dir:mounted", &["--name", "robot-17", "--no-owners", "--device-key", "board.key"]));
    assert_same(&tree(&desk.path("mounted")), &tree(&desk.path("root")), "over SSH and mounted");

    sshd.know(&sshd.another_key());
    let text = transcript(&desk.command(&arguments(&[])).output().unwrap());
    assert!(text.contains("Host key verification failed") && text.contains("compare the fingerprint"), "{text}");
}
