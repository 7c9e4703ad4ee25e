//! The real binary and a board's real TCP sink, on loopback: from new keys to what the board says.

mod common;

use common::{hello, mtcae, report, transcript};
use mtcae_bundle::{write_public, write_secret};
use mtcae_core::Sink;
use mtcae_drivers::{TcpOptions, TcpSink};
use mtcae_tls::LineKey;
use mtcae_wire::{Down, FromHost};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;

/// A folder with a person's configuration and a board's, and the board.
struct Bench {
    folder: TempDir,
    target: String,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Bench {
    /// The board says hello when asked, and a report with each number from 10 on.
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let (key, clients) = (folder.path().join("line.key"), folder.path().join("clients"));
        let [board, other] = [1, 9].map(|n| LineKey::from_seed(&[n; 32]));
        write_secret(&key, &board.to_secret_text()).unwrap();
        write_public(&folder.path().join("line.key.pub"), &board.public().to_string()).unwrap();
        fs::create_dir(&clients).unwrap();
        write_public(&clients.join("other.pub"), &other.public().to_string()).unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let mut sink = TcpSink::open(&TcpOptions { listen, key, clients }).unwrap();
        let (target, stop) = (format!("tcp:{}", sink.address().unwrap()), Arc::<AtomicBool>::default());
        let ended = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut seq = 10;
            while !ended.load(Ordering::Relaxed) {
                while let Some(message) = sink.poll().unwrap() {
                    if message == FromHost::Request(Down::Hello) {
                        let _ = sink.send(&hello());
                    }
                }
                if sink.session().is_some() && sink.send(&report(seq)).is_ok() {
                    seq += 1;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Bench { folder, target, stop, thread: Some(thread) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn said(&self, arguments: &[&str]) -> String {
        let config = self.path("config");
        let output = mtcae(arguments).env("XDG_CONFIG_HOME", config).current_dir(self.folder.path()).output().unwrap();
        let said = transcript(&output).replace(self.folder.path().to_str().unwrap(), "FOLDER");
        said.replace(self.target.strip_prefix("tcp:").unwrap(), "BOARD")
    }

    fn good(&self, arguments: &[&str]) -> String {
        let said = self.said(arguments);
        said.strip_prefix("exit code: 0\n").unwrap_or_else(|| panic!("{said}")).to_owned()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[test]
fn from_a_new_key_to_what_a_board_sees() {
    let bench = Bench::new();
    let new: Value = serde_json::from_str(&bench.good(&["keys", "new", "--line", "--json"])).unwrap();
    assert_eq!((&new["kind"], &new["secret_file"]), (&"line-key".into(), &"FOLDER/config/mtcae/line.key".into()));
    let mode = |name: &str| bench.path(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("config/mtcae"), mode("config/mtcae/line.key")), (0o700, 0o600));
    let shown = bench.good(&["keys", "show", "config/mtcae/line.key"]);
    assert!(
        shown.starts_with(&format!("line key {}, secret and public half\n", new["id"].as_str().unwrap())),
        "{shown}"
    );
    assert_eq!(bench.good(&["keys", "show", "config/mtcae/line.key.pub"]).lines().last(), shown.lines().last());
    // The person carries the desk's key to the board, and the board's to the desk.
    fs::copy(bench.path("config/mtcae/line.key.pub"), bench.path("clients/desk.pub")).unwrap();
    insta::assert_snapshot!(bench.good(&["keys", "trust-board", &bench.target, "line.key.pub"]), @"tcp:BOARD is the board with line key 34750f98bd59fcfc");
    let seen = bench.good(&["monitor", "--port", &bench.target, "--json", "--seconds", "2"]);
    let lines: Vec<Value> = seen.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| lines.iter().filter(|line| line["type"] == kind).collect::<Vec<_>>();
    assert_eq!(of("hello")[0]["device"], "bench");
    assert!(of("report").len() >= 5, "{seen}");
    let summary = of("summary")[0];
    assert_eq!((&summary["lost"], &summary["bad_frames"]), (&0.into(), &0.into()), "{summary}");
    let devices = bench.good(&["devices", "--tcp", bench.target.strip_prefix("tcp:").unwrap(), "--json"]);
    assert!(devices.contains("\"target\":\"tcp:BOARD\"") && devices.contains("bench"), "{devices}");
}

#[test]
fn each_step_that_is_missing_is_named() {
    let bench = Bench::new();
    let monitor = ["monitor", "--port", &bench.target, "--seconds", "1"];
    insta::assert_snapshot!(bench.said(&monitor), @"
    exit code: 1
    mtcae::port
    
      × cannot open tcp:BOARD: this desk has no line key: FOLDER/config/mtcae/line.key is not there
      help: make one with `mtcae keys new --line`, and put the .pub file beside it into the board's /etc/mtcae/clients
    ");
    bench.good(&["keys", "new", "--line"]);
    insta::assert_snapshot!(bench.said(&["keys", "new", "--line"]), @"
    exit code: 1
    mtcae::exists
    
      × FOLDER/config/mtcae/line.key.pub is there already
      help: nothing is ever overwritten: give another name, or move that one away
    ");
    insta::assert_snapshot!(bench.said(&monitor), @"
    exit code: 1
    mtcae::port
    
      × cannot open tcp:BOARD: the line key of BOARD is not known here
      help: a board never becomes known by itself: get its /etc/mtcae/line.pub over a way that you trust, then `mtcae keys trust-board tcp:BOARD line.pub`
    ");
    bench.good(&["keys", "trust-board", &bench.target, "line.key.pub"]);
    let own = bench.good(&["keys", "show", "config/mtcae/line.key", "--json"]);
    let own: Value = serde_json::from_str(&own).unwrap();
    let refused = bench.said(&monitor).replace(own["id"].as_str().unwrap(), "DESK");
    insta::assert_snapshot!(refused, @"
    exit code: 1
    mtcae::port
    
      × cannot open tcp:BOARD: the other end does not know line key DESK, which is this side's
      help: put this desk's line.key.pub (`mtcae keys show` on its line key prints it) into the board's /etc/mtcae/clients as NAME.pub
    ");
    insta::assert_snapshot!(bench.said(&["keys", "trust-board", &bench.target, "clients/other.pub"]), @"
    exit code: 1
    mtcae::key
    
      × BOARD is known with line key 34750f98bd59fcfc, and this is dbc298251c51321b
      help: has the board got a new key? Only if you know that it has: the same command with --replace
    ");
    bench.good(&["keys", "trust-board", &bench.target, "clients/other.pub", "--replace"]);
    insta::assert_snapshot!(bench.said(&monitor), @"
    exit code: 1
    mtcae::port
    
      × cannot open tcp:BOARD: the other end has line key 34750f98bd59fcfc, and dbc298251c51321b was expected; not connected
      help: somebody else answers there, or the board has a new key: get its /etc/mtcae/line.pub over a way that you trust, then `mtcae keys trust-board tcp:BOARD line.pub --replace`
    ");
}

#[test]
fn keys_of_other_kinds_are_refused() {
    let bench = Bench::new();
    bench.good(&["keys", "new", "release.key"]);
    bench.good(&["keys", "new", "--line", "desk.key"]);
    let signing = bench.said(&["keys", "trust-board", &bench.target, "release.key.pub"]);
    insta::assert_snapshot!(signing, @r#"
    exit code: 1
    mtcae::key
    
      × release.key.pub: "mtcae-signing-key-v1"... is not a public line key; accepted: one line, `mtcae-line-key-v1:` and 64 lower-case hexadecimal digits
      help: `mtcae keys new --line FILE` writes a line key's public half to FILE.pub, `mtcae keys show FILE` prints it
    "#);
    let secret = bench.said(&["keys", "trust-board", &bench.target, "desk.key"]);
    assert!(
        secret.starts_with("exit code: 1\nmtcae::key\n") && secret.contains("is not a public line key"),
        "{secret}"
    );
    let digits = fs::read_to_string(bench.path("desk.key")).unwrap();
    assert!(!secret.contains(&digits.trim()[30..50]), "a secret was shown");
    insta::assert_snapshot!(bench.said(&["keys", "trust-board", "/dev/ttyUSB0", "desk.key.pub"]), @"
    exit code: 2
    error: invalid value '/dev/ttyUSB0' for '<TARGET>': it is not on the network, and needs no keys; accepted: tcp:HOST:PORT

    For more information, try '--help'.
    ");
    let rotate = bench.said(&[
        "keys",
        "rotate",
        "--old",
        "release.key",
        "--new",
        "desk.key.pub",
        "--counter",
        "1",
        "--out",
        "r",
    ]);
    insta::assert_snapshot!(rotate, @r#"
    exit code: 1
    mtcae::key
    
      × desk.key.pub: "mtcae-line-key-v1"... is not a public signing key; accepted: one line, `mtcae-signing-key-v1:` and 64 lower-case hexadecimal digits
      help: `mtcae keys new FILE` writes a signing key's public half to FILE.pub, `mtcae keys show FILE` prints it
    "#);
    insta::assert_snapshot!(bench.said(&["monitor", "--port", "tcp:board", "--seconds", "1"]), @"
    exit code: 1
    mtcae::port
    
      × cannot open tcp:board: the port after `tcp:HOST:` is missing
      help: a board on the network is tcp:HOST:PORT, as its board file says
    ");
}
