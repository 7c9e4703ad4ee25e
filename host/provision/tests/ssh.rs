//! Over a real sshd, into a temporary root.

mod common;

use common::sshd::Sshd;
use common::tree::{assert_same, touched, tree};
use common::{Desk, go_on, run};
use mtcae_provision::{ProvisionError, Root, Ssh, SshHost, SshOptions};
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;

/// A `mv` that ends the whole session when its turn has come; without a `turn` file it is the real one.
const MV: &str = "#!/bin/sh\nif [ -f DIR/turn ]; then n=$(cat DIR/turn); [ \"$n\" -gt 0 ] || { kill -9 $PPID; exit 1; }; \
                  echo $((n - 1)) >DIR/turn; fi\nexec /bin/mv \"$@\"\n";

struct Bench {
    desk: Desk,
    /// In front of the board's own programs.
    tools: tempfile::TempDir,
    sshd: Sshd,
}

impl Bench {
    fn new() -> Option<Bench> {
        let desk = Desk::new();
        // Programs do not run in every temporary folder.
        let tools = tempfile::tempdir().unwrap();
        let sshd = Sshd::start(tools.path())?;
        Some(Bench { desk, tools, sshd })
    }

    fn tool(&self, name: &str) -> std::path::PathBuf {
        self.tools.path().join(name)
    }

    fn board(&self) -> Ssh {
        let host = SshHost { user: None, host: "127.0.0.1".into(), port: Some(self.sshd.port) };
        let prefix = Some(self.desk.root().display().to_string());
        Ssh::new(host, SshOptions { configuration: Some(self.sshd.configuration()), asks: false, prefix })
    }

    fn refusal(&self) -> String {
        let said = run(&mut self.board(), &self.desk, &mut go_on).unwrap_err().to_string();
        said.replace(&self.sshd.port.to_string(), "PORT").replace(&self.desk.root().display().to_string(), "ROOT")
    }
}

#[test]
fn a_board_gets_over_ssh_what_a_mounted_root_gets() {
    let Some(bench) = Bench::new() else { return };
    let desk = &bench.desk;
    let changes = run(&mut bench.board(), desk, &mut go_on).unwrap();
    assert!(changes > 30, "{changes}");
    let mut over_ssh = tree(&desk.root());
    let before = touched(&desk.root());
    assert_eq!(run(&mut bench.board(), desk, &mut go_on).unwrap(), 0, "nothing is left to do");
    // A mounted root has nothing to do on it either.
    assert_eq!(run(&mut Root::new(&desk.root(), false).unwrap(), desk, &mut go_on).unwrap(), 0);
    assert_eq!(touched(&desk.root()), before, "nothing is touched");

    desk.fresh();
    run(&mut Root::new(&desk.root(), false).unwrap(), desk, &mut go_on).unwrap();
    let mut mounted = tree(&desk.root());
    for tree in [&mut over_ssh, &mut mounted] {
        for name in ["etc/mtcae/device.key", "etc/mtcae/device.pub"] {
            assert_eq!(
                tree.get_mut(name).map(|(mode, text)| (*mode & 0o077, text.clear()).0 == 0),
                Some(name.ends_with("key"))
            );
        }
    }
    assert_same(&over_ssh, &mounted, "over SSH and mounted");
}

#[test]
fn it_is_finished_after_a_cut_at_any_rename() {
    let Some(mut bench) = Bench::new() else { return };
    bench.sshd.share();
    let desk = &bench.desk;
    let mv = bench.tool("mv");
    fs::write(&mv, MV.replace("DIR", &bench.tools.path().display().to_string())).unwrap();
    fs::set_permissions(&mv, fs::Permissions::from_mode(0o755)).unwrap();
    let mut cuts = 0;
    loop {
        desk.fresh();
        fs::write(bench.tool("turn"), cuts.to_string()).unwrap();
        let cut = run(&mut bench.board(), desk, &mut go_on);
        fs::remove_file(bench.tool("turn")).unwrap();
        if cut.is_ok() {
            break;
        }
        cuts += 1;
        assert!(run(&mut bench.board(), desk, &mut go_on).unwrap() > 0);
        let left = |name: &String| {
            name.starts_with("var/tmp/mtcae") || name.contains("mtcae-new") || name.contains("unfinished")
        };
        let left: Vec<String> = tree(&desk.root()).into_keys().filter(left).collect();
        assert!(left.is_empty(), "{left:?}");
    }
    println!("{cuts} cuts over SSH, each finished by the next run");
    assert!(cuts >= 15, "fewer cuts: {cuts}");
}

#[test]
fn what_is_in_the_way_is_named() {
    let Some(bench) = Bench::new() else { return };
    let root = bench.desk.root();
    // A step that fails.
    fs::write(root.join("etc/udev"), "").unwrap();
    insta::assert_snapshot!(bench.refusal(), @"/etc/udev on the board is a file or a link; it has to be a folder");
    fs::remove_file(root.join("etc/udev")).unwrap();
    // What it trusts already, read there as the firmware reads it.
    let trusted = root.join("etc/mtcae/trusted");
    fs::create_dir_all(&trusted).unwrap();
    let public = mtcae_bundle::SigningKey::from_seed(&[3; 32]).public().to_string();
    fs::write(trusted.join("copy.pub"), format!("{public}\n{public}\n")).unwrap();
    let refusal = bench.refusal();
    assert!(refusal.starts_with("with /etc/mtcae/trusted/copy.pub on the board it would trust nobody: "), "{refusal}");
    fs::write(trusted.join("copy.pub"), format!("{public}\n")).unwrap();
    let cp = bench.tool("cp");
    fs::write(&cp, "#!/bin/sh\ncase \"$2\" in *board.toml*) echo \"cp: error writing '$2': No space left on device\" >&2; exit 1;; esac\nexec /bin/cp \"$@\"\n").unwrap();
    fs::set_permissions(&cp, fs::Permissions::from_mode(0o755)).unwrap();
    insta::assert_snapshot!(bench.refusal(), @"step 20 of 40, board file /etc/mtcae/board.toml: cp: error writing 'ROOT/etc/mtcae/.board.toml.mtcae-new': No space left on device");
    fs::remove_file(&cp).unwrap();

    // Stopped by whoever started it.
    let stopped = run(&mut bench.board(), &bench.desk, &mut |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(ProvisionError::Stopped)), "{stopped:?}");
    assert!(run(&mut bench.board(), &bench.desk, &mut go_on).is_ok());

    // A host that is another one, and one that does not let us in.
    bench.sshd.know(&bench.sshd.another_key());
    insta::assert_snapshot!(bench.refusal(), @"cannot connect to 127.0.0.1:PORT: Host key verification failed.");
    let bench = Bench::new().expect("it was there a moment ago");
    bench.sshd.lock();
    let refusal = bench.refusal();
    assert!(
        refusal.starts_with("cannot connect to 127.0.0.1:PORT: ") && refusal.contains("Permission denied (publickey)"),
        "{refusal}"
    );
}
