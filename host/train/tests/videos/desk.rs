//! A folder to work in, and the programs.

use crate::made::{encode, portrait};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

pub struct Desk(TempDir);

impl Desk {
    pub fn new() -> Desk {
        Desk(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A video of the portrait under this name.
    pub fn video(&self, name: &str, frames: usize) {
        encode(&self.path(name), &portrait(frames));
    }

    pub fn file(&self, name: &str, bytes: &[u8]) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// `mtcae-train`, about to run in this folder.
    pub fn trainer(&self, arguments: &str) -> Command {
        self.command(Path::new(env!("CARGO_BIN_EXE_mtcae-train")), arguments)
    }

    /// Exit code, standard output and error of `mtcae`, which must be beside the trainer, as it looks for it there.
    pub fn said(&self, arguments: &str) -> String {
        let tool = Path::new(env!("CARGO_BIN_EXE_mtcae-train")).with_file_name("mtcae");
        assert!(tool.is_file(), "{} is missing; `cargo test --workspace` builds it", tool.display());
        let output = self.command(&tool, arguments).output().unwrap();
        let code = output.status.code().map_or("signal".to_owned(), |code| code.to_string());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        format!("exit code: {code}\n{}{}", text(&output.stdout), text(&output.stderr))
    }

    /// As [`Desk::said`], of a command that must succeed: its output without the first line.
    pub fn done(&self, arguments: &str) -> String {
        let said = self.said(arguments);
        assert!(said.starts_with("exit code: 0\n"), "{arguments}: {said}");
        said["exit code: 0\n".len()..].to_owned()
    }

    fn command(&self, program: &Path, arguments: &str) -> Command {
        let mut command = Command::new(program);
        // With one, errors are followed by the program's own insides.
        command
            .args(arguments.split(' '))
            .current_dir(self.0.path())
            .env_remove("RUST_BACKTRACE")
            .env_remove("RUST_LIB_BACKTRACE");
        command
    }
}
