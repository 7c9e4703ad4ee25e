//! What `mtcae hil run` works with: a bench for each target, and the host's own answer to a still.

use crate::failure::Failure;
use crate::say::tell;
use crate::{assets, reference};
use clap::ValueHint;
use mtcae_contract::{Manifest, Precision, softmax};
use mtcae_core::Engine;
use mtcae_drivers::TractEngine;
use mtcae_hil::{Bench, BenchError, Expected, Kind, Local, Machine, Parts, Remote, VirtualBoard, VirtualParts};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The model that ships.
const MODEL: &str = "models/zoo/edge";
const DAEMON: &str = "mtcae-firmware";
/// A file in the folder of the clips that ship.
const CLIP: &str = "tests/data/astronaut.avi";

/// What the host makes of a JPEG file.
pub type Evaluation = Box<dyn Fn(&Path) -> Result<Expected, String>>;

/// What a bench is made of, where the usual will not do.
#[derive(clap::Args)]
pub struct Chosen {
    /// The daemon for the targets local and uml, if not mtcae-firmware beside this program or in PATH; for qemu-arm64 one
    /// for its processor, if not that in the folder of `--kernel`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    daemon: Option<PathBuf>,
    /// The launcher, if not mtcae-launcher beside the daemon
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    launcher: Option<PathBuf>,
    /// Folder with the kernel of the target uml or qemu-arm64, if not what MTCAE_UML or MTCAE_ARM64 names, or
    /// tests/hil/uml/build-kernel or tests/hil/arm64/build makes
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    kernel: Option<PathBuf>,
    /// Folder of the model that runs on the board, if not the one that ships
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    model: Option<PathBuf>,
}

/// A board to be tried, and what it is compared with.
pub struct OnBench {
    /// The board.
    pub board: Box<dyn Bench>,
    model: Option<PathBuf>,
}

/// The bench for `target`.
///
/// # Errors
/// When something that it is made of is missing.
pub fn bench(target: &Kind, chosen: &Chosen) -> Result<OnBench, Failure> {
    let shipped = || assets::find(MODEL, "run it in a checkout, or give `--model` the folder of a model");
    let model = chosen.model.clone().map_or_else(shipped, Ok);
    let clips = assets::find(CLIP, "run it in a checkout, which has the clips")
        .map(|clip| clip.parent().map(Path::to_owned).unwrap_or_default());
    for (program, option, default) in [
        (&chosen.daemon, "--daemon", "mtcae-firmware beside this program or in PATH"),
        (&chosen.launcher, "--launcher", "mtcae-launcher beside the daemon"),
    ] {
        if let Some(missing) = program.as_ref().filter(|path| !path.is_file()) {
            return Err(Failure::Hil {
                reason: format!("`{option} {}` is no file", missing.display()),
                help: format!("give the path of the program, or leave {option} out: then it is {default}"),
            });
        }
    }
    let programs = |folder: Option<&Path>| -> Result<Programs, Failure> {
        let tool = std::env::current_exe().map_err(|reason| Failure::System { what: "find this program", reason })?;
        let found = || folder.map_or_else(|| beside(&tool, DAEMON), |folder| Ok(folder.join("bin").join(DAEMON)));
        let daemon = chosen.daemon.clone().map_or_else(found, Ok)?;
        let launcher = chosen.launcher.clone().or_else(|| match folder {
            Some(_) => beside_only(&daemon, "mtcae-launcher"),
            None => beside(&daemon, "mtcae-launcher").ok(),
        });
        let model = absolute(&model.as_ref().map_err(as_missing)?.clone())?;
        Ok(Programs { tool, daemon, launcher, model, clips: clips.as_ref().map_err(as_missing)?.clone() })
    };
    let board: Box<dyn Bench> = match target {
        Kind::Local => {
            let Programs { tool, daemon, launcher, model, clips } = programs(None)?;
            let broker = ["mtcae-broker", "mosquitto"].iter().find_map(|name| beside(&daemon, name).ok());
            let broker = broker.or_else(|| Some(PathBuf::from(MOSQUITTO)).filter(|path| path.is_file()));
            Box::new(Local::new(Parts { daemon, launcher, tool, model, clips, broker })?)
        }
        Kind::Board(target) => Box::new(Remote::new(target.clone())?),
        Kind::Uml | Kind::QemuArm64 => {
            let machine = if *target == Kind::Uml { Machine::Uml } else { Machine::QemuArm64 };
            // One with another processor has programs of its own, in the kernel's folder.
            let own = (machine == Machine::QemuArm64).then(|| kernel(machine, chosen)).transpose()?;
            let Programs { tool, daemon, launcher, model, clips } = programs(own.as_deref())?;
            let player = example(&daemon, "vivid").ok_or_else(|| Failure::Hil {
                reason: format!(
                    "examples/vivid, which plays pictures into its camera, is not beside {}",
                    daemon.display()
                ),
                help: if own.is_some() { format!("{BUILD_ARM64} builds it") } else { PLAYER.to_owned() },
            })?;
            let (freezer, kernel) = (example(&daemon, "freeze"), own.map_or_else(|| kernel(machine, chosen), Ok)?);
            let parts = VirtualParts { machine, kernel, daemon, launcher, player, freezer, tool, model, clips };
            Box::new(VirtualBoard::new(parts)?)
        }
    };
    Ok(OnBench { board, model: model.ok() })
}

/// Where Debian's broker is, which is in nobody's PATH.
const MOSQUITTO: &str = "/usr/sbin/mosquitto";
const PLAYER: &str = "build it: cargo build --release -p mtcae-drivers --features v4l2 --example vivid, and \
                      -p mtcae-uml --example freeze";

/// What a bench on this machine is made of.
struct Programs {
    tool: PathBuf,
    daemon: PathBuf,
    launcher: Option<PathBuf>,
    model: PathBuf,
    clips: PathBuf,
}

/// An example's program, which Cargo puts into a folder beside the others.
fn example(daemon: &Path, name: &str) -> Option<PathBuf> {
    let folder = daemon.parent()?;
    [folder.join("examples").join(name), folder.join(name)].into_iter().find(|path| path.is_file())
}

/// The folder with a virtual board's kernel; has it made where it has to be made, and says so.
fn kernel(machine: Machine, chosen: &Chosen) -> Result<PathBuf, Failure> {
    let (variable, script, takes) = match machine {
        Machine::Uml => ("MTCAE_UML", BUILD_KERNEL, "the kernel is built, in some six minutes"),
        Machine::QemuArm64 => {
            ("MTCAE_ARM64", BUILD_ARM64, "a kernel is fetched, and the programs are built, in some fifteen minutes")
        }
    };
    let named = chosen.kernel.clone().or_else(|| std::env::var_os(variable).map(PathBuf::from));
    if let Some(folder) = named {
        return Ok(folder);
    }
    let script = assets::find(script, "run it in a checkout, or give `--kernel` the folder that it prints")?;
    tell!("...      {}: where it was not done before, {takes}", script.display());
    let said = Command::new(&script).stderr(Stdio::piped()).output();
    let said =
        said.map_err(|reason| Failure::System { what: "start what makes the virtual board's kernel", reason })?;
    let last = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().last().unwrap_or_default().trim().to_owned();
    if said.status.success() {
        let folder = PathBuf::from(last(&said.stdout));
        tell!("built    {}", folder.display());
        return Ok(folder);
    }
    let why = String::from_utf8_lossy(&said.stderr).trim().to_owned();
    let reason = why.strip_prefix("skipped: ").unwrap_or(&why);
    let reason = format!("the virtual board's kernel cannot be had: {reason}");
    Err(Failure::Hil { reason, help: "`--target local` needs no kernel".to_owned() })
}

/// Make what the virtual boards are started with, and print where it is.
const BUILD_KERNEL: &str = "tests/hil/uml/build-kernel";
const BUILD_ARM64: &str = "tests/hil/arm64/build";

fn as_missing(failure: &Failure) -> Failure {
    let help = match failure {
        Failure::Asset { help, .. } => (*help).to_owned(),
        _ => "run it in a checkout".to_owned(),
    };
    Failure::Hil { reason: failure.to_string(), help }
}

/// The daemon runs in a folder of its own, or of whoever started this.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    path.canonicalize().map_err(|reason| Failure::Read { path: path.to_owned(), reason })
}

/// A program beside `other`, and nowhere else: in PATH are programs for this machine.
fn beside_only(other: &Path, name: &str) -> Option<PathBuf> {
    other.parent().map(|folder| folder.join(name)).filter(|path| path.is_file())
}

/// A program beside `other`, or in PATH.
fn beside(other: &Path, name: &str) -> Result<PathBuf, Failure> {
    let folder = other.parent().map(Path::to_owned);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = folder.into_iter().chain(std::env::split_paths(&path));
    folders.map(|folder| folder.join(name)).find(|path| path.is_file()).ok_or_else(|| Failure::Hil {
        reason: format!("{name} is neither beside {} nor in PATH", other.display()),
        help: format!("build it: cargo build --release -p {}; or give its path with `--daemon`", package(name)),
    })
}

fn package(program: &str) -> &'static str {
    if program == "mtcae-launcher" { "mtcae-launcher" } else { "mtcae-daemon -p mtcae-launcher" }
}

impl OnBench {
    /// What the host makes of a still, with the file that a board runs in tract (f32, where there is one); `None` without a
    /// model.
    pub fn evaluate(&self) -> Option<Evaluation> {
        let model = self.model.clone()?;
        Some(Box::new(move |still| evaluate(&model, still).map_err(|failure| failure.to_string())))
    }
}

fn evaluate(model: &Path, still: &Path) -> Result<Expected, Failure> {
    let path = model.join("manifest.toml");
    let text = std::fs::read_to_string(&path).map_err(|reason| Failure::Read { path: path.clone(), reason })?;
    let refuse =
        |reason: String| Failure::Hil { reason, help: "`--model` takes a folder that `mtcae export` wrote".into() };
    let manifest = Manifest::from_toml(&text).map_err(|error| refuse(format!("{}: {error}", path.display())))?;
    let clip = reference::face_clip(&manifest, Some(still)).map_err(refuse)?;
    let has = |precision| manifest.artifacts.iter().any(|file| file.precision == precision);
    let precision = [Precision::Fp32, Precision::Int8].into_iter().find(|p| has(*p)).unwrap_or(Precision::Fp32);
    let mut engine = TractEngine::load(model, precision, 1).map_err(|error| refuse(error.to_string()))?;
    let answer = engine.infer(&clip).map_err(|error| refuse(error.to_string()))?;
    Ok(Expected {
        model: (manifest.name.clone(), manifest.version.clone()),
        labels: manifest.labels.labels().iter().map(|label| label.name().to_owned()).collect(),
        scores: softmax(&answer.logits, manifest.temperature),
    })
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Failure {
        let help = "the bench could not be set up; nothing was tried".to_owned();
        Failure::Hil { reason: error.to_string(), help }
    }
}
