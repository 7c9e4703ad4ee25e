//! The program `mtcae-launcher`: chooses a slot, starts the daemon in it, and watches over it; it never knows what a
//! daemon does, or what is in a model.

// They panic when nobody reads, and a launcher must not end while its daemon runs.
#![deny(clippy::print_stderr, clippy::print_stdout)]

mod error;
mod notify;
mod permit;
mod say;
mod slots;
mod supervise;
mod watch;

use clap::{Args, Parser, Subcommand};
use error::LaunchError;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use watch::Limits;

/// Starts the daemon of the right slot, starts it again when it dies, and goes back from a new version that is no good.
///
/// Ends with 0 after SIGTERM or SIGINT; 1 when something fails or is refused; 2 when an argument is wrong; 3 when no slot
/// holds anything that can start; 4 when another launcher, or a daemon it left, still runs.
#[derive(Parser)]
#[command(name = "mtcae-launcher", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the daemon and watch over it, until SIGTERM.
    Run(Run),
    /// Say what the slots hold; changes nothing.
    Status(Root),
    /// Keep the version that is on trial.
    Confirm(Root),
    /// Go back to the version before; the running daemon goes on until it is started again.
    Rollback(Rollback),
    /// Tell the launcher that started this process something, such as WATCHDOG=1; for daemons that are scripts.
    Notify {
        /// A line of systemd's notify protocol.
        text: String,
    },
}

#[derive(Args)]
struct Root {
    /// Folder with the slots.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/mtcae")]
    root: PathBuf,
}

#[derive(Args)]
struct Rollback {
    #[command(flatten)]
    root: Root,
    /// Permit of `mtcae keys permit`, for going back below the lowest security counter.
    #[arg(long, value_name = "FILE", requires = "device")]
    permit: Option<PathBuf>,
    /// Folder with the keys that may sign the permit.
    #[arg(long, value_name = "DIR", default_value = "/etc/mtcae/trusted", requires = "permit")]
    trusted: PathBuf,
    /// This board's name, `board.name` of its board file.
    #[arg(long, value_name = "NAME", requires = "permit")]
    device: Option<String>,
}

impl Rollback {
    fn run(self) -> Result<(), LaunchError> {
        let permit = match (&self.permit, &self.device) {
            (Some(file), Some(device)) => {
                // A clock before 1970 was never set.
                let now = SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|time| time.as_secs());
                Some(permit::read(file, &self.trusted, device, now)?)
            }
            _ => None,
        };
        slots::rollback(&self.root.root, permit.as_ref())
    }
}

#[derive(Args)]
struct Run {
    #[command(flatten)]
    root: Root,
    /// Time from the start of a version on trial to its good self-test or its confirmation, unless it asks for more
    /// (EXTEND_TIMEOUT_USEC); then the start has failed.
    #[arg(long, default_value_t = 120_000, value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    trial_ms: u64,
    /// Longest time between two heartbeats (WATCHDOG=1) of a daemon that has sent one.
    #[arg(long, default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    heartbeat_ms: u64,
    /// Wait before a daemon that ended is started again; doubled each time, up to thirty times as long.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    restart_ms: u64,
    /// Time that a daemon has to end after SIGTERM.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    stop_ms: u64,
    /// Arguments of the daemon, after `--`; `--model` with the slot's folder is put in front.
    #[arg(last = true)]
    daemon: Vec<OsString>,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::tell!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(command: Command) -> Result<(), LaunchError> {
    match command {
        Command::Run(run) => {
            let limits = Limits {
                trial_ms: run.trial_ms,
                heartbeat_ms: run.heartbeat_ms,
                restart_ms: run.restart_ms,
                stop_ms: run.stop_ms,
            };
            supervise::supervise(&run.root.root, limits, &run.daemon)
        }
        Command::Status(root) => slots::status(&root.root).and_then(|text| say::print(&text)),
        Command::Confirm(root) => slots::confirm(&root.root),
        Command::Rollback(rollback) => rollback.run(),
        Command::Notify { text } => notify::tell(&text),
    }
}
