//! A run that is cut at any change is finished by the next one.

mod common;

use common::bundle::signing_key;
use common::tree::{Tree, assert_same, touched, tree};
use common::{Desk, go_on, run};
use mtcae_bundle::{Rotation, SigningKey, Standing, write_public};
use mtcae_provision::{Place, ProvisionError, Root};
use std::ops::ControlFlow;
use std::path::Path;

/// The same, whatever the device key is.
fn without_keys(mut tree: Tree) -> Tree {
    for name in ["etc/mtcae/device.key", "etc/mtcae/device.pub"] {
        let (_, text) = tree.get_mut(name).expect("a board has a device key");
        assert!(text.starts_with(b"AGE-SECRET-KEY-1") || text.starts_with(b"age1"));
        text.clear();
    }
    tree
}

/// Both halves are of one key.
fn keys_fit(root: &Path) {
    let read = |name: &str| std::fs::read_to_string(root.join("etc/mtcae").join(name)).unwrap();
    let key = mtcae_bundle::DeviceKey::from_secret_text(&read("device.key")).unwrap();
    assert_eq!(key.recipient().to_string(), read("device.pub").trim_end());
}

#[test]
fn a_mounted_root_is_finished_after_a_cut_at_any_change() {
    let desk = Desk::new();
    let root = || Root::new(&desk.root(), rustix::process::geteuid().is_root()).unwrap();
    let mut changes = 0;
    run(&mut root(), &desk, &mut |_| {
        changes += 1;
        ControlFlow::Continue(())
    })
    .unwrap();
    let whole = without_keys(tree(&desk.root()));

    let mut cuts = 0;
    for cut in 0..changes {
        desk.fresh();
        let mut left = cut;
        let stopped = run(&mut root(), &desk, &mut |_| {
            if left == 0 {
                return ControlFlow::Break(());
            }
            left -= 1;
            ControlFlow::Continue(())
        });
        assert!(matches!(stopped, Err(ProvisionError::Stopped)), "change {cut}: {stopped:?}");
        cuts += 1;
        run(&mut root(), &desk, &mut go_on).unwrap_or_else(|error| panic!("after change {cut}: {error}"));
        assert_same(&without_keys(tree(&desk.root())), &whole, &format!("after change {cut}"));
        keys_fit(&desk.root());
        let before = touched(&desk.root());
        assert_eq!(run(&mut root(), &desk, &mut go_on).unwrap(), 0, "nothing is left to do after change {cut}");
        assert_eq!(touched(&desk.root()), before, "nothing is touched");
    }
    println!("{cuts} cuts, each finished by the next run");
    assert!(cuts >= 120, "fewer cuts: {cuts}");
}

#[test]
fn a_board_trusts_what_it_is_given_beside_what_it_had() {
    let desk = Desk::new();
    let mut root = Root::new(&desk.root(), rustix::process::geteuid().is_root()).unwrap();
    let (folder, old, new) = (desk.root().join("etc/mtcae/trusted"), SigningKey::from_seed(&[3; 32]), signing_key());
    std::fs::create_dir_all(&folder).unwrap();
    let put = |name: &str, text: &dyn ToString| write_public(&folder.join(name), &text.to_string()).unwrap();
    // The same key under another name, and a rotation to it.
    put("release.key.pub", &new.public());
    put("old.pub", &old.public());
    put("old.rotation", &Rotation::sign(&old, new.public(), 7).unwrap());
    run(&mut root, &desk, &mut go_on).unwrap();
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 4);
    let trust = mtcae_install::trusted_in(&folder).unwrap();
    let worth = [&old, &new].map(|key| trust.standing(key.public().as_bytes(), 7));
    assert_eq!(worth, [Standing::Retired, Standing::Trusted]);
}

#[test]
fn a_board_that_would_then_trust_nobody_is_not_made() {
    let desk = Desk::new();
    let folder = desk.root().join("etc/mtcae/trusted");
    std::fs::create_dir_all(&folder).unwrap();
    let old = Rotation::sign(&SigningKey::from_seed(&[3; 32]), SigningKey::from_seed(&[4; 32]).public(), 7).unwrap();
    write_public(&folder.join("old.rotation"), &old.to_string()).unwrap();
    let before = tree(&desk.root());
    let mut root = Root::new(&desk.root(), false).unwrap();
    let refusal = |root: &mut Root| run(root, &desk, &mut go_on).unwrap_err().to_string();
    let refused = refusal(&mut root);
    let named = "with /etc/mtcae/trusted/old.rotation on the board it would trust nobody: the rotation from ";
    assert!(refused.starts_with(named), "{refused}");
    assert!(mtcae_install::trusted_in(&folder).is_err(), "the board says the same");
    assert_same(&tree(&desk.root()), &before, "refused");
    // A link that leads into this machine says nothing about the board.
    std::fs::rename(folder.join("old.rotation"), desk.path("old.rotation")).unwrap();
    std::os::unix::fs::symlink(desk.path("old.rotation"), folder.join("old.rotation")).unwrap();
    assert!(refusal(&mut root).contains("leads out of the board"));
}

#[test]
fn a_program_of_this_machine_does_not_tell_the_boards_processor() {
    let desk = Desk::new();
    let mut root = Root::new(&desk.root(), false).unwrap();
    let mut processor = || root.look(&Default::default()).unwrap().processor;
    assert!(processor().is_some());
    let env = desk.root().join("usr/bin/env");
    std::fs::rename(&env, desk.path("env")).unwrap();
    std::os::unix::fs::symlink(desk.path("env"), &env).unwrap();
    assert_eq!(processor(), None);
    std::fs::rename(desk.path("env"), desk.root().join("usr/bin/busybox")).unwrap();
    std::fs::remove_file(&env).unwrap();
    std::os::unix::fs::symlink("busybox", &env).unwrap();
    assert!(processor().is_some());
}

#[test]
fn what_somebody_changed_is_put_right() {
    let desk = Desk::new();
    let mut root = Root::new(&desk.root(), rustix::process::geteuid().is_root()).unwrap();
    run(&mut root, &desk, &mut go_on).unwrap();
    let whole = tree(&desk.root());
    let at = |name: &str| desk.root().join(name);
    std::fs::write(at("etc/mtcae/board.toml"), "").unwrap();
    std::fs::remove_file(at("etc/systemd/system/mtcae.service")).unwrap();
    std::fs::remove_file(at("etc/systemd/system/multi-user.target.wants/mtcae.service")).unwrap();
    std::os::unix::fs::symlink("/dev/null", at("etc/systemd/system/mtcae.service")).unwrap();
    for (name, mode) in [("etc/mtcae/device.key", 0o644), ("usr/lib/mtcae/mtcae-launcher", 0o644), ("etc/mtcae", 0o700)]
    {
        std::fs::set_permissions(at(name), std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }
    // Six of these, and the mark twice.
    assert_eq!(run(&mut root, &desk, &mut go_on).unwrap(), 8);
    assert_same(&tree(&desk.root()), &whole, "put right");
    // The version that runs is nobody's to replace here, whatever became of its files.
    std::fs::write(at("var/lib/mtcae/model-a/edge.fp32.onnx"), "newer").unwrap();
    assert_eq!(run(&mut root, &desk, &mut go_on).unwrap(), 0);
}

#[test]
fn a_link_above_a_file_is_not_followed() {
    let desk = Desk::new();
    std::fs::remove_dir(desk.root().join("var/lib")).unwrap();
    std::fs::create_dir(desk.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(desk.path("elsewhere"), desk.root().join("var/lib")).unwrap();
    let mut root = Root::new(&desk.root(), false).unwrap();
    let refused = run(&mut root, &desk, &mut go_on).unwrap_err().to_string();
    insta::assert_snapshot!(refused, @"/var/lib on the board is a link; below a mounted root it would lead elsewhere");
    assert!(tree(&desk.path("elsewhere")).is_empty() && !desk.root().join("etc/mtcae").exists());
    let refused = Root::new(&desk.path("elsewhere"), false).err().expect("no system").to_string();
    assert!(refused.ends_with("is no root of a Linux system: it has no folder etc"), "{refused}");
}
