//! Everything a command can fail with: a code, what happened, and what to do next.

use crate::boards::BoardFailure;
use miette::Diagnostic;
use mtcae_boards::{BoardError, LineError};
use mtcae_deploy::ExportError;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use thiserror::Error;

/// Why a command failed. What the system said is part of the message, and never a field called `source`: miette would show
/// it once more.
#[derive(Debug, Error, Diagnostic)]
pub enum Failure {
    /// The serial port cannot be opened.
    #[error("cannot open the serial port {port}: {reason}")]
    #[diagnostic(code(mtcae::port))]
    Port {
        /// As given.
        port: String,
        /// What the system says.
        reason: String,
        /// What to do, and which ports there are.
        #[help]
        help: String,
    },
    /// A board cannot be asked, or does not do what it was asked.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Board(BoardFailure),
    /// Nobody answers on any serial port.
    #[error("no board answers on a serial port here")]
    #[diagnostic(
        code("mtcae::no-boards"),
        help(
            "asked at 115200 and 921600 baud, if --baud did not say another; `mtcae devices` shows the ports; name the boards behind BUNDLE"
        )
    )]
    NoBoards,
    /// Some of several boards were not flashed.
    #[error("{failed} of {boards} boards failed; the reasons are above")]
    #[diagnostic(
        code(mtcae::bench),
        help("run it again for them: each goes on where it was; boards that are done are left as they are")
    )]
    Bench {
        /// How many failed.
        failed: usize,
        /// How many there were.
        boards: usize,
    },
    /// Something does not work.
    #[error("{bad} {} not work", if *.bad == 1 { "thing does" } else { "things do" })]
    #[diagnostic(code(mtcae::doctor), help("what to do is below each of them"))]
    Unwell {
        /// How many.
        bad: usize,
    },
    /// A run of the suite does not begin, or something failed in it.
    #[error("{reason}")]
    #[diagnostic(code(mtcae::hil))]
    Hil {
        /// What is wrong.
        reason: String,
        /// What to do.
        #[help]
        help: String,
    },
    /// A board is not provisioned.
    #[error("{reason}")]
    #[diagnostic(code(mtcae::provision))]
    Provision {
        /// What is wrong.
        reason: String,
        /// What to do.
        #[help]
        help: String,
    },
    /// `mtcae-train` is nowhere.
    #[error("`mtcae {command}` is run by the program mtcae-train, and it is neither {} nor in PATH", .beside.display())]
    #[diagnostic(
        code(mtcae::trainer),
        help(
            "build it:  cargo build --release -p mtcae-train\nIt is apart so that the first build of mtcae has no \
             trainer in it."
        )
    )]
    NoTrainer {
        /// The command asked for.
        command: &'static str,
        /// Where it would be beside this program.
        beside: PathBuf,
    },
    /// `mtcae-broker` is not there.
    #[error("`mtcae demo --mqtt` needs the program mtcae-broker; it is neither {} nor in a folder of PATH", .beside.display())]
    #[diagnostic(
        code(mtcae::no_broker),
        help(
            "build it once with `cargo build --release -p mtcae-broker`, or point `mtcae-firmware --sink mqtt:HOST` at a broker of yours"
        )
    )]
    NoBroker {
        /// Where it would be beside this program.
        beside: PathBuf,
    },
    /// `mtcae-broker` is there and did not get so far that clients may come.
    #[error("the demonstration's broker did not start: {0}")]
    #[diagnostic(
        code(mtcae::broker),
        help("another program may have its port: give another one, `--mqtt 1884`, or `--mqtt 0` for any")
    )]
    Broker(String),
    /// `mtcae-train` is there and does not start.
    #[error("cannot start {}: {reason}", .program.display())]
    #[diagnostic(code(mtcae::trainer), help("is it a program for this machine, and may you run it?"))]
    TrainerStart {
        /// The program.
        program: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// A file that ships is nowhere.
    #[error("cannot find {path}; looked in {}", .looked.join(", "))]
    #[diagnostic(code(mtcae::asset), help("{help}"))]
    Asset {
        /// The file's place in a checkout.
        path: String,
        /// Folders looked in.
        looked: Vec<String>,
        /// What to do.
        help: &'static str,
    },
    /// The board's pipeline does not start, or fails.
    #[error("{0}")]
    #[diagnostic(
        code(mtcae::daemon),
        help(
            "correct what it names: `--board`, `--clip` and `--model` say what is run; `mtcae demo` without them runs what ships"
        )
    )]
    Daemon(String),
    /// An export stops.
    #[error("{0}")]
    #[diagnostic(
        code(mtcae::export),
        help(
            "`--checkpoint` takes what `mtcae train` wrote, `--manifest` the description of that very network, such as \
             host/train/recipes/edge.manifest.toml, and `--out` a folder with room"
        )
    )]
    Export(String),
    /// A model is not what it should be, or cannot be looked at.
    #[error("{reason}")]
    #[diagnostic(code(mtcae::verify))]
    Verify {
        /// What is wrong.
        reason: String,
        /// What to do.
        #[help]
        help: String,
    },
    /// Engines are not measured, or not all.
    #[error("{reason}")]
    #[diagnostic(code(mtcae::measure))]
    Measure {
        /// What is wrong.
        reason: String,
        /// What to do.
        #[help]
        help: String,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {reason}", .path.display())]
    #[diagnostic(code(mtcae::file), help("give the path of a readable file"))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// A network's description is not acceptable.
    #[error("{0}")]
    #[diagnostic(code(mtcae::network), help("`mtcae cost --preset NAME` shows what a network that is accepted costs"))]
    Network(String),
    /// A key, a recipient or a rotation is no good.
    #[error("{reason}")]
    #[diagnostic(code(mtcae::key))]
    Key {
        /// What is wrong; never the secret.
        reason: String,
        /// What to do.
        #[help]
        help: String,
    },
    /// A bundle is not built, or a file is no good bundle.
    #[error("{reason}")]
    #[diagnostic(code(mtcae::bundle))]
    Bundle {
        /// What is wrong.
        reason: String,
        /// What to do.
        #[help]
        help: String,
    },
    /// A good bundle, but of somebody else.
    #[error("{} is whole, but signed by {signers}, and that does not count; trusted: {trusted}", .path.display())]
    #[diagnostic(
        code(mtcae::untrusted),
        help(
            "a board with these keys refuses it; is a key or a rotation missing from `--trust`, or is it not from whom you think?"
        )
    )]
    Untrusted {
        /// The bundle.
        path: PathBuf,
        /// Ids of its signers.
        signers: String,
        /// Ids of the keys given.
        trusted: String,
    },
    /// The facts about a bundle are no good.
    #[error("{}: {reason}", .path.display())]
    #[diagnostic(code(mtcae::facts), help("its keys and an example are in host/cli/BUNDLES.md"))]
    Facts {
        /// The file.
        path: PathBuf,
        /// Line, key and what is accepted.
        reason: String,
    },
    /// A file is not sealed or not opened.
    #[error("{reason}")]
    #[diagnostic(code(mtcae::seal))]
    Seal {
        /// What is wrong.
        reason: String,
        /// What to do.
        #[help]
        help: String,
    },
    /// Something is in the place of an output.
    #[error("{} is there already", .path.display())]
    #[diagnostic(code(mtcae::exists), help("nothing is ever overwritten: give another name, or move that one away"))]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A recording is in the place of another.
    #[error("{} is there already", .path.display())]
    #[diagnostic(code(mtcae::exists), help("give another name, or `--force` to put the new recording in its place"))]
    RecordingExists {
        /// The file.
        path: PathBuf,
    },
    /// A recording cannot be made, or not played.
    #[error("{reason}")]
    #[diagnostic(code(mtcae::recording))]
    Recording {
        /// What is wrong.
        reason: String,
        /// What to do.
        #[help]
        help: String,
    },
    /// The page for a browser cannot be served.
    #[error("cannot serve a page at 127.0.0.1:{port}: {reason}")]
    #[diagnostic(
        code(mtcae::page),
        help("another program may have the port: give another one, `--web 7481`, or `--web 0` for any")
    )]
    Page {
        /// As given.
        port: u16,
        /// What the system says.
        reason: io::Error,
    },
    /// An output cannot be written.
    #[error("cannot write {}: {reason}", .path.display())]
    #[diagnostic(code(mtcae::write), help("is its folder there, may you write to it, and is there room?"))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// A signal came.
    #[error("stopped by a signal before the end")]
    #[diagnostic(code(mtcae::stopped), help("run it again; a file appears only when it is whole, so there is none"))]
    Stopped,
    /// The terminal cannot be used.
    #[error("cannot draw in this terminal: {0}")]
    #[diagnostic(code(mtcae::terminal), help("`--json`, or output into a pipe, needs no terminal"))]
    Terminal(io::Error),
    /// Standard output does not take what is written.
    #[error("cannot write the output: {0}")]
    #[diagnostic(code(mtcae::output), help("is there room where standard output goes?"))]
    Output(io::Error),
    /// The system refuses something that always works.
    #[error("cannot {what}: {reason}")]
    #[diagnostic(code(mtcae::system), help("is there room, memory and a free process? Then try again"))]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system says.
        reason: io::Error,
    },
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

impl From<BoardError> for Failure {
    fn from(error: BoardError) -> Failure {
        Failure::Board(BoardFailure(error))
    }
}

impl From<LineError> for Failure {
    fn from(error: LineError) -> Failure {
        BoardError::from(error).into()
    }
}

/// What is wrong with a model's files, as a sentence.
pub fn sentence(error: &ExportError) -> String {
    match error {
        // What is written has another name until it is whole, and that one says nothing to anybody.
        ExportError::Io { action: action @ "write", path, source } if source.raw_os_error().is_none() => {
            format!("cannot {action} {}: {}", path.display(), source.kind())
        }
        ExportError::Io { .. } => format!("cannot {error}"),
        error => error.to_string(),
    }
}

impl Failure {
    /// Whether the reader of standard output has gone away.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == ErrorKind::BrokenPipe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_model_is_named_and_no_temporary_one() {
        let io = |action, source| sentence(&ExportError::Io { action, path: "out/edge.onnx".into(), source });
        assert_eq!(
            io("read", io::Error::from_raw_os_error(2)),
            "cannot read out/edge.onnx: No such file or directory (os error 2)"
        );
        let folder = tempfile::tempdir().unwrap();
        let named = tempfile::NamedTempFile::new_in(folder.path().join("none")).unwrap_err();
        assert!(named.to_string().contains(".tmp"), "{named}");
        assert_eq!(io("write", named), "cannot write out/edge.onnx: entity not found");
    }
}
