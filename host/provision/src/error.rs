//! Why a board is not provisioned.

use crate::Processor;
use mtcae_board_configs::BoardError;
use mtcae_install::InstallError;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why a board is not provisioned. What was done before stays there, and the next run goes on from it.
#[derive(Debug, Error)]
pub enum ProvisionError {
    /// Not a target.
    #[error("{target:?} is no target: {reason}; accepted: dir:PATH (a mounted root) or ssh:[USER@]HOST[:PORT]")]
    Target {
        /// As given.
        target: String,
        /// What is wrong.
        reason: String,
    },
    /// A file of this machine cannot be read.
    #[error("cannot read {}: {error}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// The board file is wrong.
    #[error(transparent)]
    BoardFile(#[from] BoardError),
    /// The board file is right, but not for a board that is provisioned like this.
    #[error("{file}: `{key}` is {found:?}; accepted: {accepted:?}, where a provisioned board has it")]
    Elsewhere {
        /// The board file.
        file: String,
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// The only one that will do.
        accepted: &'static str,
    },
    /// A program that the board cannot run.
    #[error("{what} is for {found}; the board takes {accepted}")]
    Processor {
        /// Which program.
        what: String,
        /// What it is for.
        found: Processor,
        /// What the board is.
        accepted: String,
    },
    /// Not a program.
    #[error("{} is no program for Linux on a processor that is known here", .path.display())]
    NoProgram {
        /// The file.
        path: PathBuf,
    },
    /// The first version does not get into its slots.
    #[error("the first version: {0}")]
    First(#[from] InstallError),
    /// What is mounted, or reached, is no board's system.
    #[error("{place} is no root of a Linux system: {reason}")]
    NoSystem {
        /// The folder or the host.
        place: String,
        /// What is missing.
        reason: String,
    },
    /// Something stands where something else has to be.
    #[error("{path} on the board is {found}; it has to be {wanted}")]
    InTheWay {
        /// Path on the board.
        path: String,
        /// What is there.
        found: &'static str,
        /// What has to be.
        wanted: &'static str,
    },
    /// A link on the way to a file of a mounted root leads somewhere in this machine.
    #[error("{path} on the board is a link; below a mounted root it would lead elsewhere")]
    Linked {
        /// Path on the board.
        path: String,
    },
    /// The board has another key already.
    #[error("{path} on the board is another key than the one given; what was encrypted to it would no longer open")]
    OtherKey {
        /// Path on the board.
        path: &'static str,
    },
    /// What it trusts already does not fit what it gets.
    #[error("with {path} on the board it would trust nobody: {reason}")]
    TrustsNobody {
        /// Path on the board.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The first version is encrypted to a key that only the board has.
    #[error("the bundle is encrypted, and the board has a device key already, which does not leave it")]
    KeyStays,
    /// Only root can say whose files are whose.
    #[error("the files of {place} belong to root and to mtcae, and only root can make them so")]
    NotRoot {
        /// The folder.
        place: String,
    },
    /// The program `ssh` does not run.
    #[error("cannot start ssh: {0}")]
    NoSsh(#[source] io::Error),
    /// The board is not reached, or does not let us in.
    #[error("cannot connect to {host}: {reason}")]
    Connect {
        /// The board.
        host: String,
        /// What ssh says.
        reason: String,
    },
    /// It lets us in, but not as root.
    #[error("{host} does not let this user become root without a password")]
    NoSudo {
        /// The board.
        host: String,
    },
    /// The board takes too long.
    #[error("{host} did not answer for {seconds} s")]
    Silent {
        /// The board.
        host: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The board's answer is not what its commands give.
    #[error("{host} answers nonsense: {reason}")]
    Nonsense {
        /// The board.
        host: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A step fails.
    #[error("step {step} of {of}, {what}: {reason}")]
    Step {
        /// Its number, counted from 1.
        step: usize,
        /// How many there are.
        of: usize,
        /// What it is for, with its path.
        what: String,
        /// What the system says.
        reason: String,
    },
    /// Everything was done, and yet not everything is as it should be.
    #[error("after all steps {path} on the board is not as it should be")]
    NotKept {
        /// The first such path.
        path: String,
    },
    /// Whoever asked for it wants no more.
    #[error("stopped before the end")]
    Stopped,
}
