//! A virtual board with the real daemon and a player before its camera.

use crate::robot::Robot;
use mtcae_uml::{Answer, Board, Kernel, Setup};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

/// More than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// The capture node, and the output that is plugged into it.
pub const CAMERA: &str = "/dev/video0";
pub const SCREEN: &str = "/dev/video1";
/// An example of mtcae-drivers.
const PLAYER: &str = "examples/vivid";
/// vivid's timings of 640x480 at 59.94 frames/s.
const TIMINGS: u32 = 0;

/// The kernel, or none and a line that says that `what` was skipped.
pub fn kernel(what: &str) -> Option<Kernel> {
    let named = std::env::var_os("MTCAE_UML").map(PathBuf::from);
    match named.or_else(built).ok_or("it has not been built".to_owned()).map(|f| Kernel::in_folder(&f)) {
        Ok(Ok(kernel)) => Some(kernel),
        Ok(Err(why)) => skip(what, &why.to_string()),
        Err(why) => skip(what, &why),
    }
}

/// One board at a time: two would take each other's processor, and each test's patience.
pub fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    // A test that failed is no reason for the next to do so.
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn skip(what: &str, why: &str) -> Option<Kernel> {
    println!("skipped: {what} on the virtual board because its kernel is missing: {why}; tests/hil/uml/build-kernel");
    None
}

/// The newest kernel below the target folder.
fn built() -> Option<PathBuf> {
    let folder = target().parent()?.join("uml");
    let all = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    all.filter(|path| path.join("linux").is_file()).max_by_key(|path| path.metadata().and_then(|m| m.modified()).ok())
}

/// `target/debug` or `target/release`.
fn target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().to_owned()
}

/// A program beside this test.
pub fn program(name: &str) -> PathBuf {
    let path = target().join(name);
    assert!(path.is_file(), "{} is missing; `cargo test --workspace` builds it", path.display());
    path
}

pub fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../models/zoo/edge").canonicalize().unwrap()
}

pub struct Bench {
    pub dir: TempDir,
    board: Option<Board>,
    pub robot: Robot,
    /// Files that were written for the board: the board need not see that one has changed, so each has a new name.
    files: usize,
    /// Let go after the board.
    _alone: MutexGuard<'static, ()>,
}

impl Bench {
    /// A board whose camera shows what the screen shows; no daemon yet. `None` when there is no kernel.
    pub fn start(what: &str) -> Option<Bench> {
        let kernel = kernel(what)?;
        if !target().join(PLAYER).is_file() {
            println!("skipped: {what} on the virtual board because mtcae-drivers was built without its feature v4l2");
            return None;
        }
        let alone = alone();
        let dir = tempfile::tempdir().unwrap();
        let mut bench = Bench { dir, board: None, robot: Robot::new(), files: 0, _alone: alone };
        for (name, place) in [("mtcae-firmware", "mtcae-firmware"), ("vivid", PLAYER)] {
            give(&program(place), &bench.share().join("bin").join(name));
        }
        for file in std::fs::read_dir(model()).unwrap().flatten().filter(|f| f.path().is_file()) {
            give(&file.path(), &bench.share().join("model").join(file.file_name()));
        }
        let mut setup = Setup::new(bench.dir.path(), &bench.share());
        setup.programs = vec![program("mtcae-firmware"), program(PLAYER)];
        setup.serial = Some(bench.robot.path());
        bench.board = Some(Board::start(&kernel, &setup).unwrap());
        bench.plug_in("YUYV");
        Some(bench)
    }

    pub fn share(&self) -> PathBuf {
        self.dir.path().join("share")
    }

    pub fn board(&mut self) -> &mut Board {
        self.board.as_mut().expect("started")
    }

    /// Runs a line of shell on the board.
    pub fn run(&mut self, command: &str) -> Answer {
        self.board().run(command, PATIENCE).unwrap()
    }

    /// The same, which must end well.
    pub fn sh(&mut self, command: &str) -> String {
        let answer = self.run(command);
        assert_eq!(answer.code, 0, "{command}: {:#?}", answer.lines);
        answer.lines.join("\n")
    }

    /// Plugs the screen into the camera; the screen takes frames of `format`.
    pub fn plug_in(&mut self, format: &str) -> String {
        self.sh(&format!("vivid connect {SCREEN} {CAMERA} {format} {TIMINGS}"))
    }

    /// Shows one frame from now on; as soon as the screen is there, when it is gone.
    pub fn show(&mut self, frame: &[u8]) {
        self.blank();
        let (file, bytes) = (self.file(frame), frame.len());
        let play = format!("vivid play {SCREEN} {file} {bytes} 3600000 1");
        self.sh(&format!(
            "touch /tmp/play; while [ -e /tmp/play ]; do {play}; sleep 0.05; done >/tmp/player.log 2>&1 &"
        ));
    }

    /// Waits until the screen shows what it was told to.
    pub fn wait_for_the_screen(&mut self) {
        self.sh("until grep -q plays /tmp/player.log; do sleep 0.02; done");
    }

    /// Writes a file for the board; its name there.
    pub fn file(&mut self, content: &[u8]) -> String {
        self.files += 1;
        let name = format!("file{}", self.files);
        std::fs::write(self.share().join(&name), content).unwrap();
        format!("/mnt/{name}")
    }

    /// Nobody plays: the camera shows noise.
    pub fn blank(&mut self) {
        self.run("rm -f /tmp/play; killall vivid; while pidof vivid; do sleep 0.01; done; sleep 0.06");
    }

    /// Starts the daemon with these lines in its board file besides those of line and model.
    pub fn daemon(&mut self, camera: &str, more: &str) {
        let board = format!(
            "[board]\nname = \"uml\"\nfamily = \"pc\"\nmemory_limit_mib = 512\n\
             [camera]\nsource = \"v4l2\"\n{camera}\n\
             [model]\npath = \"/mnt/model\"\n[report]\nstatus_every_ms = 500\n{more}\n\
             [[sink]]\nkind = \"serial\"\nport = \"/dev/ttyS0\"\nbaud = 921600\n"
        );
        let board = self.file(board.as_bytes());
        self.sh(&format!("mtcae-firmware --board {board} >/tmp/daemon.log 2>&1 &"));
    }

    /// Ends the daemon and waits for its end.
    pub fn end_daemon(&mut self) {
        self.run("killall mtcae-firmware; while pidof mtcae-firmware; do sleep 0.02; done");
    }

    /// What the daemon said on its error output.
    pub fn said(&mut self) -> String {
        self.run("cat /tmp/daemon.log").lines.join("\n")
    }

    /// Open descriptors of the daemon.
    pub fn descriptors(&mut self) -> usize {
        self.sh("ls /proc/$(pidof mtcae-firmware)/fd | wc -l").trim().parse().unwrap()
    }
}

/// The size that the screen has.
pub fn same_size(format: &str) -> String {
    format!("device = \"{CAMERA}\"\nwidth = 640\nheight = 480\nfps = 60\nformats = [\"{format}\"]")
}

fn give(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    // A link to a link would point to nothing there.
    let from = from.canonicalize().unwrap();
    if std::fs::hard_link(&from, to).is_err() {
        std::fs::copy(&from, to).unwrap();
    }
}
