//! A virtual board with a player before its camera.

use mtcae_uml::{Board, Kernel, Setup};
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

pub struct Bench {
    dir: TempDir,
    board: Board,
    /// Let go after the board.
    _alone: MutexGuard<'static, ()>,
}

impl Bench {
    /// A board whose camera shows what the screen shows. `None` when there is no kernel.
    pub fn start(what: &str) -> Option<Bench> {
        let kernel = kernel(what)?;
        if !target().join(PLAYER).is_file() {
            println!("skipped: {what} on the virtual board because mtcae-drivers was built without its feature v4l2");
            return None;
        }
        let (alone, dir) = (alone(), tempfile::tempdir().unwrap());
        let share = dir.path().join("share");
        give(&program(PLAYER), &share.join("bin/vivid"));
        let mut setup = Setup::new(dir.path(), &share);
        setup.programs = vec![program(PLAYER)];
        let board = Board::start(&kernel, &setup).unwrap();
        let mut bench = Bench { dir, board, _alone: alone };
        bench.sh(&format!("vivid connect {SCREEN} {CAMERA} YUYV {TIMINGS}"));
        Some(bench)
    }

    /// Runs a line of shell on the board, which must end well.
    pub fn sh(&mut self, command: &str) -> String {
        let answer = self.board.run(command, PATIENCE).unwrap();
        assert_eq!(answer.code, 0, "{command}: {:#?}", answer.lines);
        answer.lines.join("\n")
    }

    /// Writes a file for the board; its name there.
    pub fn file(&mut self, name: &str, content: &[u8]) -> String {
        std::fs::write(self.dir.path().join("share").join(name), content).unwrap();
        format!("/mnt/{name}")
    }
}

fn give(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    // A link to a link would point to nothing there.
    let from = from.canonicalize().unwrap();
    if std::fs::hard_link(&from, to).is_err() {
        std::fs::copy(&from, to).unwrap();
    }
}
