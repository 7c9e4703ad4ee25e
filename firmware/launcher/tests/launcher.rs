//! The real launcher on a real directory, with shell scripts for daemons.

use mtcae_bundle::{Permit, SigningKey, write_public};
use mtcae_drivers::DirStore;
use mtcae_update::{Confirm, DAEMON_FILE, Digest, Kind, Outcome, Part, Plan, State, Status, Updater, Why};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

const LAUNCHER: &str = env!("CARGO_BIN_EXE_mtcae-launcher");
/// Much longer than anything here takes on an idle machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// A root and what its launcher said.
struct Board {
    folder: TempDir,
}

impl Board {
    fn new() -> Board {
        Board { folder: TempDir::new().unwrap() }
    }

    fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("root")
    }

    /// The daemons write a line at each start.
    fn diary(&self) -> String {
        fs::read_to_string(self.folder.path().join("diary")).unwrap_or_default()
    }

    fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("said")).unwrap_or_default()
    }

    fn updater(&self) -> Updater<DirStore> {
        let until = Instant::now() + PATIENCE;
        loop {
            match DirStore::open(&self.root()) {
                Ok(store) => return Updater::new(store),
                Err(error) if Instant::now() > until => panic!("{error}"),
                Err(_) => sleep(Duration::from_millis(10)),
            }
        }
    }

    fn status(&self) -> Status {
        Updater::new(DirStore::reader(&self.root()).unwrap()).status().unwrap()
    }

    /// Installs a version whose daemon is a script, and puts it on trial.
    fn install(&self, version: u64, confirm: Confirm, script: &str) {
        let diary = self.folder.path().join("diary");
        let script = format!(
            "#!/bin/sh\nset -e\necho \"{version} $(cat \"$2/weights\")\" >>{}\nshift 2\nLAUNCHER={LAUNCHER}\nROOT={}\n{script}\n",
            diary.display(),
            self.root().display()
        );
        let files = [(Kind::Model, "weights", format!("weights of {version}")), (Kind::Daemon, DAEMON_FILE, script)];
        let part = |(kind, name, text): &(Kind, &str, String)| Part {
            kind: *kind,
            name: (*name).to_owned(),
            len: text.len() as u64,
            sha256: Digest::of(text.as_bytes()),
        };
        let parts = files.iter().map(part).collect();
        let plan =
            Plan { version: format!("{version}.0.0"), counter: version, origin: Digest::of(b"file"), confirm, parts };
        let bytes: String = files.iter().map(|(_, _, text)| text.as_str()).collect();
        let mut updater = self.updater();
        updater.begin(&plan, None).unwrap();
        updater.write(0, bytes.as_bytes()).unwrap();
        updater.finish().unwrap();
        updater.switch().unwrap();
    }

    fn command(&self, trial_ms: u64, heartbeat_ms: u64) -> Command {
        let mut command = Command::new(LAUNCHER);
        command.args(["run", "--restart-ms", "10", "--stop-ms", "200"]);
        command.args(["--trial-ms", &trial_ms.to_string(), "--heartbeat-ms", &heartbeat_ms.to_string()]);
        command.arg("--root").arg(self.root()).args(["--", "--board", "my board"]);
        command.env_remove("NOTIFY_SOCKET");
        command
    }

    fn launch(&self, trial_ms: u64, heartbeat_ms: u64) -> Running {
        let said = fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("said")).unwrap();
        let child = self.command(trial_ms, heartbeat_ms).stderr(said).spawn().unwrap();
        Running { child }
    }

    fn one_shot(&self, verb: &str) -> Output {
        Command::new(LAUNCHER).arg(verb).arg("--root").arg(self.root()).output().unwrap()
    }

    fn wait_for(&self, what: &str, there: impl Fn(&Board) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !there(self) {
            assert!(Instant::now() < until, "{what} never came; {:?}\n{}{}", self.status(), self.diary(), self.said());
            sleep(Duration::from_millis(20));
        }
    }
}

/// A launcher, ended with the test.
struct Running {
    child: Child,
}

impl Running {
    fn stop(mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it does not end");
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Confirms itself, and lives on.
const GOOD: &str = "\"$LAUNCHER\" confirm --root \"$ROOT\"\nexec sleep 1000";

/// The same, with a heartbeat.
const ALIVE: &str = "\"$LAUNCHER\" confirm --root \"$ROOT\"\n\
    while :; do \"$LAUNCHER\" notify WATCHDOG=1; sleep 0.05; done";

/// A board on which version 1 is confirmed, and its launcher ended.
fn with_version_1() -> Board {
    let board = Board::new();
    board.install(1, Confirm::BySelfTest, GOOD);
    let launcher = board.launch(90_000, 30_000);
    board.wait_for("version 1", |board| board.status().state == State::Running);
    assert!(launcher.stop().success());
    fs::remove_file(board.folder.path().join("diary")).unwrap();
    board
}

fn starts_of(diary: &str, version: u64) -> usize {
    diary.lines().filter(|line| **line == format!("{version} weights of {version}")).count()
}

fn goes_back(board: &Board, heartbeat_ms: u64, trial_ms: u64) {
    let launcher = board.launch(trial_ms, heartbeat_ms);
    board.wait_for("version 1", |board| starts_of(&board.diary(), 1) == 1);
    assert!(launcher.stop().success());
    let status = board.status();
    assert_eq!((status.state, status.last), (State::Running, Outcome::RolledBack(Why::Starts)));
    let (diary, said) = (board.diary(), board.said());
    // A busy machine may not let a version write its line before it is killed.
    assert!(starts_of(&diary, 2) <= 3, "{diary}");
    let whole = starts_of(&diary, 1) + starts_of(&diary, 2);
    assert_eq!(diary.lines().count(), whole, "model and daemon of one version each time: {diary}");
    let told = ["start 1 of 3", "start 2 of 3", "start 3 of 3", "given up"];
    assert!(told.iter().all(|text| said.contains(text)), "{said}");
}

#[test]
fn a_version_that_crashes_is_gone_after_three_starts() {
    let board = with_version_1();
    board.install(2, Confirm::BySelfTest, "exit 7");
    goes_back(&board, 30_000, 90_000);
    assert!(board.said().contains("exit code 7"), "{}", board.said());
}

#[test]
fn a_version_that_hangs_before_its_self_test_is_gone_after_three_starts() {
    let board = with_version_1();
    board.install(2, Confirm::BySelfTest, "trap '' TERM\nsleep 1000 & wait");
    goes_back(&board, 30_000, 300);
    assert!(board.said().contains("not confirmed within 300 ms"), "{}", board.said());
}

#[test]
fn a_version_whose_heart_stops_is_gone_after_three_starts() {
    let board = with_version_1();
    board.install(2, Confirm::BySelfTest, "\"$LAUNCHER\" notify WATCHDOG=1\nexec sleep 1000");
    goes_back(&board, 500, 90_000);
    assert!(board.said().contains("no heartbeat for 500 ms"), "{}", board.said());
}

#[test]
fn a_version_that_asks_for_more_time_gets_it_while_its_heart_beats() {
    let board = with_version_1();
    let signs = "\"$LAUNCHER\" notify \"WATCHDOG=1\nEXTEND_TIMEOUT_USEC=60000000\"";
    // It confirms itself long after the time that the launcher gives by itself.
    board.install(2, Confirm::BySelfTest, &format!("{signs}\nsleep 6\n{GOOD}"));
    let launcher = board.launch(4_000, 90_000);
    board.wait_for("an end of the trial", |board| board.status().new.is_none());
    assert!(launcher.stop().success());
    assert_eq!(board.status().last, Outcome::Confirmed, "{}{}", board.diary(), board.said());
    // One that hangs is stopped for its heart, whatever time it has.
    board.install(3, Confirm::BySelfTest, &format!("{signs}\nexec sleep 1000"));
    let launcher = board.launch(90_000, 500);
    board.wait_for("an end of the trial", |board| board.status().new.is_none());
    assert!(launcher.stop().success());
    assert_eq!(board.status().last, Outcome::RolledBack(Why::Starts), "{}", board.said());
}

#[test]
fn a_good_version_is_confirmed_and_stays() {
    let board = with_version_1();
    board.install(2, Confirm::BySelfTest, ALIVE);
    // The launcher has to listen elsewhere.
    fs::create_dir(board.root().join("notify")).unwrap();
    let launcher = board.launch(60_000, 30_000);
    board.wait_for("the confirmation", |board| {
        board.status().last == Outcome::Confirmed && board.status().new.is_none()
    });
    // A second launcher has no place here.
    let second = board.command(30_000, 30_000).output().unwrap();
    assert_eq!(second.status.code(), Some(4), "{second:?}");
    assert!(launcher.stop().success());
    let shown = String::from_utf8(board.one_shot("status").stdout).unwrap();
    let expected = "state:     Running\n\
        confirmed: daemon 2.0.0 in daemon-b, model 2.0.0 in model-b\n\
        before it: daemon 1.0.0 in daemon-a, model 1.0.0 in model-a\n\
        counters:  model 2 or more, daemon 2 or more\n\
        last:      confirmed\n";
    assert_eq!(shown, expected);
    assert!(starts_of(&board.diary(), 2) == 1 && starts_of(&board.diary(), 1) == 0, "{}", board.diary());
}

#[test]
fn the_user_confirms_or_goes_back() {
    let board = with_version_1();
    assert_eq!(board.one_shot("confirm").status.code(), Some(1), "nothing is on trial");
    let refused = String::from_utf8(board.one_shot("rollback").stderr).unwrap();
    assert!(refused.contains("no version to go back to"), "{refused}");
    board.install(2, Confirm::ByUser, "exec sleep 1000");
    let launcher = board.launch(60_000, 30_000);
    board.wait_for("version 2", |board| starts_of(&board.diary(), 2) == 1);
    assert!(board.one_shot("rollback").status.success());
    assert!(launcher.stop().success());
    assert_eq!(board.status().last, Outcome::RolledBack(Why::User));
}

/// What the launcher says to a rollback with these arguments besides.
fn rollback(board: &Board, besides: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(LAUNCHER);
    command.arg("rollback").arg("--root").arg(board.root()).args(besides).current_dir(board.folder.path());
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn an_outdated_version_comes_back_with_a_permit_only() {
    let board = with_version_1();
    board.install(2, Confirm::BySelfTest, GOOD);
    let launcher = board.launch(90_000, 30_000);
    board.wait_for("version 2", |board| board.status().last == Outcome::Confirmed && board.status().new.is_none());
    assert!(launcher.stop().success());

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let keys = [1, 2].map(|seed| SigningKey::from_seed(&[seed; 32]));
    fs::create_dir(board.folder.path().join("trusted")).unwrap();
    write_public(&board.folder.path().join("trusted/release.pub"), &keys[0].public().to_string()).unwrap();
    let permit = |name: &str, key: &SigningKey, device: &str, lowest, made, expires| {
        let permit = Permit::sign(key, device, lowest, made, expires).unwrap();
        write_public(&board.folder.path().join(name), &permit.to_string()).unwrap();
    };
    permit("good", &keys[0], "robot-17", 1, now - 10, now + 86_400);
    permit("strangers", &keys[1], "robot-17", 1, now - 10, now + 86_400);
    permit("other", &keys[0], "robot-18", 1, now - 10, now + 86_400);
    permit("old", &keys[0], "robot-17", 1, now - 86_400, now - 10);
    permit("early", &keys[0], "robot-17", 1, now + 86_400, now + 2 * 86_400);
    permit("high", &keys[0], "robot-17", 2, now - 10, now + 86_400);
    let with = |permit| rollback(&board, &["--permit", permit, "--trusted", "trusted", "--device", "robot-17"]);
    for (permit, why) in [
        ("strangers", "does not count here"),
        ("other", "is for the board \"robot-18\""),
        ("old", "expired"),
        ("early", "set the clock"),
        ("high", "counter"),
        ("none", "none: "),
        ("trusted/release.pub", "not a permit"),
    ] {
        let (code, said) = with(permit);
        assert!(code == Some(1) && said.contains(why) && said.lines().count() == 1, "{permit}: {code:?} {said}");
    }
    let (code, said) = rollback(&board, &[]);
    assert!(code == Some(1) && said.contains("counter"), "{said}");
    let (code, said) = rollback(&board, &["--permit", "good", "--device", "robot-17", "--trusted", "none"]);
    assert!(code == Some(1) && said.contains("trusted keys"), "{said}");
    assert_eq!(rollback(&board, &["--permit", "good"]).0, Some(2), "a permit is for a board");
    assert_eq!(board.status().confirmed.unwrap().names, ["2.0.0", "2.0.0"]);

    assert_eq!(with("good"), (Some(0), String::new()));
    let status = board.status();
    assert_eq!((status.confirmed.unwrap().names, status.lowest), (["1.0.0", "1.0.0"].map(str::to_owned), [1, 1]));
}

#[test]
fn a_log_that_nobody_reads_ends_nothing() {
    let board = Board::new();
    board.install(1, Confirm::BySelfTest, "\"$LAUNCHER\" confirm --root \"$ROOT\" || true\nexit 1");
    let (_, nobody_reads) = std::io::pipe().unwrap();
    let child = board.command(90_000, 30_000).stderr(nobody_reads).spawn().unwrap();
    let launcher = Running { child };
    board.wait_for("three starts", |board| starts_of(&board.diary(), 1) >= 3);
    assert!(launcher.stop().success());
    let (_, nobody_reads) = std::io::pipe().unwrap();
    let mut status = Command::new(LAUNCHER);
    status.args(["status", "--root"]).arg(board.root()).stdout(nobody_reads);
    assert_eq!(status.status().unwrap().code(), Some(0));
}

#[test]
fn a_daemon_that_keeps_ending_is_started_again_and_again() {
    let board = Board::new();
    board.install(1, Confirm::BySelfTest, "\"$LAUNCHER\" confirm --root \"$ROOT\" || true\nexit 1");
    let launcher = board.launch(90_000, 30_000);
    board.wait_for("six starts", |board| starts_of(&board.diary(), 1) >= 6);
    assert!(launcher.stop().success());
    assert_eq!(board.status().state, State::Running);
}

#[test]
fn an_orphaned_daemon_keeps_a_second_one_from_starting() {
    let board = Board::new();
    board.install(1, Confirm::BySelfTest, "echo $$ >\"$ROOT/pid\"\nexec sleep 1000");
    let mut launcher = board.launch(60_000, 30_000);
    board.wait_for("version 1", |board| board.root().join("pid").exists());
    launcher.child.kill().unwrap();
    launcher.child.wait().unwrap();
    let second = board.command(60_000, 30_000).output().unwrap();
    assert_eq!(second.status.code(), Some(4), "{second:?}");
    board.wait_for("the daemon's pid", |board| orphan(board).is_some());
    kill_process(orphan(&board).unwrap(), Signal::KILL).unwrap();
    // The lock goes when the daemon is really gone, which may be a moment later than this.
    let until = Instant::now() + PATIENCE;
    let third = loop {
        let mut third = board.launch(60_000, 30_000);
        while starts_of(&board.diary(), 1) < 2 && third.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < until, "no other start: {}", board.said());
            sleep(Duration::from_millis(20));
        }
        match third.child.try_wait().unwrap() {
            None => break third,
            Some(status) => assert_eq!(status.code(), Some(4), "{}", board.said()),
        }
    };
    assert!(third.stop().success());
}

fn orphan(board: &Board) -> Option<Pid> {
    Pid::from_raw(fs::read_to_string(board.root().join("pid")).ok()?.trim().parse().ok()?)
}

#[test]
fn an_empty_root_says_so() {
    let board = Board::new();
    fs::create_dir(board.root()).unwrap();
    let output = board.command(1000, 1000).stdout(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("no version is installed") && text.lines().count() == 1, "{text}");
    for (verb, says) in [("confirm", "nothing to confirm"), ("rollback", "nothing to go back from")] {
        let said = String::from_utf8(board.one_shot(verb).stderr).unwrap();
        assert!(said.contains(&format!("{says}: no version is installed; install one with `mtcae flash`")), "{said}");
    }
    for verb in ["status", "confirm", "rollback", "run"] {
        let nowhere = Command::new(LAUNCHER).args([verb, "--root", "/nowhere/at/all"]).output().unwrap();
        let said = String::from_utf8(nowhere.stderr).unwrap();
        assert!(nowhere.status.code() == Some(1) && said.contains("no slots at /nowhere/at/all; "), "{verb}: {said}");
    }
}

#[test]
fn the_unit_starts_the_launcher_with_what_it_accepts() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../board-configs/systemd/mtcae.service");
    let unit = fs::read_to_string(unit).unwrap();
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("it starts something");
    let mut words = line.split(' ');
    assert!(words.next().is_some_and(|program| program.ends_with("/mtcae-launcher")));
    let words: Vec<&str> = words.map(|word| if word == "/var/lib/mtcae" { "/nowhere/at/all" } else { word }).collect();
    let output = Command::new(LAUNCHER).args(words).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "not refused as a wrong argument, but for want of a root: {output:?}");
}
