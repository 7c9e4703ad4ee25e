//! `mtcae import|data|pretrain|train|evaluate|curves|ablate|tables|quantize`: hands over to the program `mtcae-train`.

use crate::failure::Failure;
use std::env;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

const PROGRAM: &str = "mtcae-train";

/// Everything after the command's name goes to mtcae-train as it is
#[derive(clap::Args)]
pub struct Args {
    /// Arguments for mtcae-train; `--help` shows its help
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// The trainer's program: beside this one, else where PATH says; and where it was looked for first.
pub fn program() -> (PathBuf, PathBuf) {
    let beside = env::current_exe().map(|own| own.with_file_name(PROGRAM)).unwrap_or_else(|_| PROGRAM.into());
    (if beside.is_file() { beside.clone() } else { PathBuf::from(PROGRAM) }, beside)
}

impl Args {
    /// Becomes `mtcae-train command arguments...`; returns only when that fails.
    pub fn run(self, command: &'static str) -> Result<(), Failure> {
        let (program, beside) = program();
        let refused = Command::new(&program).arg(command).args(self.arguments).exec();
        Err(match refused.kind() {
            ErrorKind::NotFound => Failure::NoTrainer { command, beside },
            _ => Failure::TrainerStart { program, reason: refused },
        })
    }
}
