//! `mtcae provision`.

use crate::boards::print;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::provision::{Order, Wishes, failed};
use clap::ValueHint;
use mtcae_provision::{Done, Place, Plan, Root, Ssh, SshOptions, Target};
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// Make a board of a Jetson or a PC: launcher, units, rules, board file, keys, first version
#[derive(clap::Args)]
#[command(after_help = "\
TARGET is dir:PATH, the mounted root of the board's disk, or ssh:[USER@]HOST[:PORT], a board that \
runs. ssh is the system's own, with its keys and its configuration; the user is root or may use \
sudo without a password. For dir: be root here.

What is as it should be is not touched, so a second run does nothing; a run that was cut is \
finished by the next. A version that is installed stays: `mtcae flash` brings another. The board's \
own keys stay too. Their public halves are written to NAME.device.pub and NAME.line.pub on this \
machine; encrypt bundles to the first, and give the second to `mtcae keys trust-board`.

--bundle is needed for a new board, and holds a model and the daemon. --client gives the board a \
line key and lets that client connect. What goes where: board-configs/README.md.

Examples:
  sudo mtcae provision dir:/mnt/card --board jetson-orin-nano --name robot-17 \\
      --launcher mtcae-launcher --bundle first.mtcb --trust release.key.pub
  mtcae provision ssh:nvidia@robot-17.local --board robot.toml --launcher mtcae-launcher \\
      --bundle first.mtcb --trust release.key.pub --client desk.key.pub --dry-run")]
pub struct Args {
    /// The board
    #[arg(value_name = "TARGET", value_hint = ValueHint::Other)]
    target: Target,
    /// Its board file, or the name of one that ships
    #[arg(long, value_name = "FILE|NAME", value_hint = ValueHint::FilePath)]
    board: String,
    /// The board's own name, in place of the one in the board file
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    name: Option<String>,
    /// The launcher, built for the board; mtcae-launcher beside this program unless said
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    launcher: Option<PathBuf>,
    /// What a board without a version runs first
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    bundle: Option<PathBuf>,
    /// Who may sign bundles for it: a public signing key or a rotation, as text or file; may be repeated
    #[arg(long, value_name = "KEY", value_hint = ValueHint::FilePath, required = true)]
    trust: Vec<String>,
    /// Its device key; a new one is made for a board without one unless said
    #[arg(long, value_name = "KEY", value_hint = ValueHint::FilePath)]
    device_key: Option<PathBuf>,
    /// No device key: the board takes no encrypted bundles
    #[arg(long, conflicts_with = "device_key")]
    no_device_key: bool,
    /// Who may connect over TCP: a public line key, as text or file; may be repeated
    #[arg(long, value_name = "KEY", value_hint = ValueHint::FilePath)]
    client: Vec<String>,
    /// Where the public halves of its keys go
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, default_value = ".")]
    keys: PathBuf,
    /// Configuration for ssh, as its -F takes it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ssh_config: Option<PathBuf>,
    /// Leave the owners of files as they come out: for images whose builder sets them (dir: only)
    #[arg(long)]
    no_owners: bool,
    /// Say what would be done; change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print a JSON object (fields: board-configs/README.md)
    #[arg(long)]
    json: bool,
    /// Everything goes below this folder of the board, owners are left, and its system is told nothing (ssh: only)
    #[arg(long, hide = true, value_name = "DIR")]
    prefix: Option<String>,
}

impl Args {
    /// Provisions the board, and says what was done.
    pub fn run(self) -> Result<(), Failure> {
        let order = Order::read(&Wishes {
            board: &self.board,
            name: self.name.as_deref(),
            launcher: self.launcher.as_deref(),
            bundle: self.bundle.as_deref(),
            trust: &self.trust,
            device_key: self.device_key.as_deref(),
            no_device_key: self.no_device_key,
            clients: &self.client,
        })?;
        let mut progress = Progress::new()?;
        let mut place = self.place()?;
        // Holds the slots of a first version until the board has them.
        let stage =
            tempfile::tempdir().map_err(|reason| Failure::System { what: "make a temporary folder", reason })?;
        let (plan, mut report) = order.plan(place.as_mut(), stage.path(), &mut progress)?;
        (report.target, report.folder) = (self.target.to_string(), self.keys.clone());
        report.check_files()?;
        if self.dry_run {
            return print(&report.planned(&plan, self.json));
        }
        if !plan.is_done() {
            apply(place.as_mut(), &plan, &mut progress)?;
        }
        drop(progress);
        report.write_files()?;
        print(&report.done(&plan, self.json))
    }

    fn place(&self) -> Result<Box<dyn Place>, Failure> {
        Ok(match &self.target {
            Target::Dir(folder) => Box::new(Root::new(folder, !self.no_owners).map_err(failed)?),
            Target::Ssh(host) => {
                let asks = io::stdin().is_terminal() && !self.json;
                let options = SshOptions { configuration: self.ssh_config.clone(), asks, prefix: self.prefix.clone() };
                Box::new(Ssh::new(host.clone(), options))
            }
        })
    }
}

fn apply(place: &mut dyn Place, plan: &Plan, progress: &mut Progress) -> Result<(), Failure> {
    progress.step("writing", Some(plan.bytes()));
    let (stop, mut sent) = (progress.stop(), 0);
    let mut watch = |done: Done| {
        progress.advance(done.bytes - sent);
        sent = done.bytes;
        if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    place.apply(plan, &mut watch).map_err(failed)
}
