//! What a board's own system says of what it gets: systemd, udev, and those that make users and owners.

mod common;

use common::tree::tree;
use common::{Desk, go_on, run};
use mtcae_provision::Root;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Output};

fn provisioned(sets_owners: bool) -> (Desk, Root) {
    let desk = Desk::new();
    let mut root = Root::new(&desk.root(), sets_owners).unwrap();
    run(&mut root, &desk, &mut go_on).unwrap();
    (desk, root)
}

/// The output of a program, `None` where it is not installed.
fn output(program: &str, arguments: &[&str]) -> Option<Output> {
    Command::new(program).args(arguments).output().ok()
}

#[test]
fn systemd_accepts_the_units() {
    let (desk, _) = provisioned(false);
    let root = desk.root();
    let system = Path::new("/usr/lib/systemd/system");
    if output("systemd-analyze", &["--version"]).is_none() || !system.exists() {
        println!("skipped: systemd-analyze verify because systemd is not installed");
        return;
    }
    std::fs::create_dir_all(root.join("usr/lib/systemd")).unwrap();
    assert!(Command::new("cp").arg("-a").arg(system).arg(root.join("usr/lib/systemd")).status().unwrap().success());
    for program in ["systemd-sysusers", "systemd-tmpfiles"] {
        let made =
            Command::new("install").args(["-m", "755", "/dev/null"]).arg(root.join("usr/bin").join(program)).status();
        assert!(made.unwrap().success());
    }
    let verify = || {
        let root = format!("--root={}", root.display());
        let said = output("systemd-analyze", &["--man=no", &root, "verify", "mtcae.service"]).unwrap();
        (said.status.success(), String::from_utf8(said.stdout).unwrap() + &String::from_utf8(said.stderr).unwrap())
    };
    let (good, said) = verify();
    if said.contains("nrecognized option") || said.contains("not supported") {
        println!("skipped: systemd-analyze verify because this version knows no --root");
        return;
    }
    assert!(good && said.trim().is_empty(), "{said}");
    // It would say something.
    let unit = root.join("etc/systemd/system/mtcae.service");
    std::fs::write(&unit, mtcae_board_configs::UNIT.replace("WatchdogSec", "WatchdgSec")).unwrap();
    assert!(verify().1.contains("WatchdgSec"));
}

#[test]
fn udev_accepts_the_rules() {
    let (desk, _) = provisioned(false);
    let rules = desk.root().join("etc/udev/rules.d/70-mtcae.rules");
    let knows = output("udevadm", &["verify", "--help"]).is_some_and(|output| output.status.success());
    if !knows {
        println!("skipped: udevadm verify because udevadm is missing or older than systemd 254");
        return;
    }
    let said = output("udevadm", &["verify", rules.to_str().unwrap()]).unwrap();
    assert!(said.status.success(), "{said:?}");
}

#[test]
fn the_board_makes_the_user_and_hands_over_its_files() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: owners on a mounted root because only root can set them");
        return;
    }
    let (desk, mut root) = provisioned(true);
    let at = |name: &str| desk.root().join(name).symlink_metadata().unwrap();
    assert!(tree(&desk.root()).keys().all(|name| at(name.trim_end_matches('/')).uid() == 0));
    let option = format!("--root={}", desk.root().display());
    let users = output("systemd-sysusers", &[&option, "mtcae.conf"]);
    let owners = output("systemd-tmpfiles", &[&option, "--create", "mtcae.conf"]);
    let (Some(users), Some(owners)) = (users, owners) else {
        println!("skipped: owners on a mounted root because systemd is not installed");
        return;
    };
    assert!(users.status.success() && owners.status.success(), "{users:?} {owners:?}");
    let users = std::fs::read_to_string(desk.root().join("etc/passwd")).unwrap();
    let user: u32 =
        users.lines().find(|line| line.starts_with("mtcae:")).unwrap().split(':').nth(2).unwrap().parse().unwrap();
    for (name, owner) in [
        ("etc/mtcae/device.key", user),
        ("etc/mtcae/device.pub", 0),
        ("etc/mtcae/board.toml", 0),
        ("usr/lib/mtcae/mtcae-launcher", 0),
        ("var/lib/mtcae", user),
        ("var/lib/mtcae/slots.1", user),
        ("var/lib/mtcae/daemon-a/mtcae-firmware", user),
    ] {
        assert_eq!(at(name).uid(), owner, "{name}");
    }
    assert_eq!(at("etc/mtcae/device.key").mode() & 0o777, 0o600);
    assert_eq!(run(&mut root, &desk, &mut go_on).unwrap(), 0, "a board that has started is as it has to be");
    // One that somebody copied as root is handed over again.
    std::os::unix::fs::chown(desk.root().join("etc/mtcae/device.key"), Some(0), Some(0)).unwrap();
    assert!(run(&mut root, &desk, &mut go_on).unwrap() > 0);
    assert_eq!(at("etc/mtcae/device.key").uid(), user);
}
