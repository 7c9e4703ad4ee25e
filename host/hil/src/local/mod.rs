//! The target `local`: the real daemon and launcher as processes of this machine, with files for a camera, a switch and a
//! thermometer, and a pseudo-terminal for a line.

mod setup;
mod slots;

use crate::broker::Broker;
use crate::first::First;
use crate::packing::target;
use crate::process::{Process, WATCHED, holdings, signal, threads};
use crate::terminal::Terminal;
use crate::{Ability, Bench, BenchError, BundleKind, Eye, Holdings, Plug, Setup, freeze};
use rustix::process::Signal;
use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// More than a start or an end takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a pulse lasts, and the pause after it, on a machine that may be busy; a board takes 5 ms.
const PULSE: Duration = Duration::from_millis(30);

/// What a local bench is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The program `mtcae-firmware`.
    pub daemon: PathBuf,
    /// The program `mtcae-launcher`; without it there are no slots.
    pub launcher: Option<PathBuf>,
    /// The program `mtcae`, which packs bundles.
    pub tool: PathBuf,
    /// Folder of the model.
    pub model: PathBuf,
    /// Folder of the clips that ship, `tests/data`.
    pub clips: PathBuf,
    /// A program that is an MQTT broker: `mtcae-broker` or `mosquitto`; without it no broker fails.
    pub broker: Option<PathBuf>,
}

/// The bench.
pub struct Local {
    parts: Parts,
    /// Holds everything; bundles stay, the board is made anew at each start.
    dir: TempDir,
    /// Holds the path of the line, which a board file wants below /dev.
    line: TempDir,
    /// A line that the daemon finds at its start, until it is plugged in.
    ready: Option<OwnedFd>,
    first: First,
    broker: Option<Broker>,
    board: Option<Process>,
    slots: bool,
    heartbeat: Duration,
    no_freeze: Option<String>,
    console: Vec<String>,
}

impl Local {
    /// A bench of these parts.
    ///
    /// # Errors
    /// When a part is missing, or there is no room for files.
    pub fn new(parts: Parts) -> Result<Local, BenchError> {
        for path in [&parts.daemon, &parts.model, &parts.clips] {
            let missing = || BenchError::system(format!("find {}", path.display()));
            path.metadata().map_err(missing())?;
        }
        let dir = tempfile::tempdir().map_err(BenchError::system("make a folder"))?;
        Ok(Local {
            first: First::new(&parts.tool, &parts.model, dir.path(), target()),
            parts,
            dir,
            line: tempfile::tempdir_in("/dev/shm").map_err(BenchError::system("make a folder in /dev/shm"))?,
            ready: None,
            broker: None,
            board: None,
            slots: false,
            heartbeat: PATIENCE,
            no_freeze: freeze::cannot_freeze(),
            console: Vec::new(),
        })
    }

    fn board_dir(&self) -> PathBuf {
        self.dir.path().join("board")
    }

    fn slots_dir(&self) -> PathBuf {
        self.board_dir().join("slots")
    }

    fn etc(&self) -> PathBuf {
        self.board_dir().join("etc")
    }

    fn pictures(&self) -> PathBuf {
        self.board_dir().join("pictures")
    }

    /// A file that stands for the status light's line.
    fn light(&self) -> PathBuf {
        self.board_dir().join("light")
    }

    /// A file that stands for the frame trigger's line.
    fn trigger(&self) -> PathBuf {
        self.board_dir().join("trigger")
    }

    fn board_file(&self) -> PathBuf {
        self.etc().join("board.toml")
    }

    /// A fresh pseudo-terminal behind the path that the daemon opens.
    fn fresh_line(&self) -> Result<OwnedFd, BenchError> {
        let (terminal, path) = (Terminal::new()?, self.line.path().join("port"));
        let _ = std::fs::remove_file(&path);
        symlink(&terminal.path, &path).map_err(BenchError::system(format!("link {}", path.display())))?;
        Ok(terminal.far)
    }

    fn write(&self, path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), BenchError> {
        std::fs::write(path, bytes).map_err(BenchError::system(format!("write {}", path.display())))
    }

    fn folder(&self, path: &Path) -> Result<(), BenchError> {
        std::fs::create_dir_all(path).map_err(BenchError::system(format!("make {}", path.display())))
    }

    fn run(&mut self) -> Result<(), BenchError> {
        let command = match (&self.parts.launcher, self.slots) {
            (Some(launcher), true) => {
                let mut command = Command::new(launcher);
                command.args(["run", "--restart-ms", "50", "--trial-ms", "30000", "--stop-ms", "1000"]);
                command.arg("--heartbeat-ms").arg(self.heartbeat.as_millis().to_string());
                command.arg("--root").arg(self.slots_dir()).args(["--", "--board"]).arg(self.board_file());
                command
            }
            _ => {
                let mut command = Command::new(&self.parts.daemon);
                command.arg("--board").arg(self.board_file());
                command
            }
        };
        self.board = Some(Process::start(command)?);
        Ok(())
    }

    fn board(&self) -> Result<&Process, BenchError> {
        self.board.as_ref().ok_or_else(|| BenchError::Board("no board runs".to_owned()))
    }

    /// Id of the daemon; a launcher may be about to start it.
    fn daemon(&self) -> Result<u32, BenchError> {
        let board = self.board()?;
        if !self.slots {
            return Ok(board.id());
        }
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(child) = board.children().first() {
                return Ok(*child);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(BenchError::Board("the launcher starts no daemon".to_owned()))
    }

    fn end(&mut self) {
        if let Some(mut board) = self.board.take() {
            board.kill_all();
            self.console = board.lines();
        }
    }
}

/// Sets a file that stands for a line, in one write of one byte, so that the daemon never reads half of it.
fn set_level(path: &Path, high: bool) -> std::io::Result<()> {
    let file = File::options().write(true).create(true).truncate(false).open(path);
    file.and_then(|file| file.write_all_at(if high { b"1" } else { b"0" }, 0))
}

impl Bench for Local {
    fn name(&self) -> String {
        "local".to_owned()
    }

    fn lacks(&self, ability: Ability) -> Option<String> {
        let watched = [Ability::Kill, Ability::Updates, Ability::PowerCuts, Ability::Freeze].contains(&ability);
        if watched && self.parts.launcher.is_none() {
            return Some("the program mtcae-launcher is not beside the daemon; build it".to_owned());
        }
        let none = |what: &str| Some(what.to_owned());
        match ability {
            Ability::Freeze => self.no_freeze.clone(),
            Ability::Broker if self.parts.broker.is_none() => none("neither mtcae-broker nor mosquitto is here"),
            Ability::DriverFaults | Ability::Formats => none("its camera is a file, which has no driver"),
            Ability::Reset => none("nobody may hang or reset this machine"),
            _ => None,
        }
    }

    fn start(&mut self, setup: &Setup) -> Result<(), BenchError> {
        self.end();
        let board = self.board_dir();
        if board.exists() {
            std::fs::remove_dir_all(&board).map_err(BenchError::system("remove the board before"))?;
        }
        self.folder(&self.etc())?;
        self.folder(&board.join("thermal/thermal_zone0"))?;
        self.heat(45.0)?;
        self.privacy(false)?;
        self.write(&self.light(), "0")?;
        self.write(&self.trigger(), "0")?;
        self.broker = None;
        if setup.broker {
            self.broker(true)?;
        }
        (self.slots, self.heartbeat) = (setup.slots, setup.heartbeat);
        self.write_board_file(setup)?;
        if self.slots {
            self.first_version()?;
        }
        self.ready = Some(self.fresh_line()?);
        self.run()
    }

    fn plug_in(&mut self) -> Result<Plug, BenchError> {
        match self.ready.take() {
            Some(line) => Ok(Plug::Descriptor(line)),
            None => self.fresh_line().map(Plug::Descriptor),
        }
    }

    fn unplug(&mut self) -> Result<(), BenchError> {
        let path = self.line.path().join("port");
        std::fs::remove_file(&path).map_err(BenchError::system(format!("remove {}", path.display())))
    }

    fn stop(&mut self) -> Result<(), BenchError> {
        self.ready = None;
        let Some(board) = self.board.take() else { return Ok(()) };
        board.terminate(PATIENCE)
    }

    fn camera(&mut self, there: bool) -> Result<(), BenchError> {
        let (here, away) = (self.pictures(), self.board_dir().join("away"));
        let (from, to) = if there { (away, here) } else { (here, away) };
        std::fs::rename(&from, &to).map_err(BenchError::system(format!("move {}", from.display())))
    }

    fn seen(&mut self, setup: &Setup) -> Result<PathBuf, BenchError> {
        let folder = self.dir.path().join("seen");
        self.folder(&folder)?;
        self.frames(&setup.view, &folder)?;
        Ok(folder)
    }

    fn lit(&mut self) -> Result<bool, BenchError> {
        let text = std::fs::read_to_string(self.light()).map_err(BenchError::system("look at the light"))?;
        Ok(text.trim() == "1")
    }

    fn broker(&mut self, there: bool) -> Result<SocketAddr, BenchError> {
        let Some(program) = &self.parts.broker else { return Err(BenchError::Lacks(Ability::Broker)) };
        match &mut self.broker {
            Some(broker) => broker.turn(there),
            None => {
                let broker = Broker::new(program, self.dir.path())?;
                self.broker.insert(broker).turn(there)
            }
        }
    }

    fn privacy(&mut self, private: bool) -> Result<(), BenchError> {
        set_level(&self.board_dir().join("switch"), !private).map_err(BenchError::system("flip the switch"))
    }

    fn pulse(&mut self) -> Result<(), BenchError> {
        let pulse = || BenchError::system("pulse the trigger");
        set_level(&self.trigger(), true).map_err(pulse())?;
        std::thread::sleep(PULSE);
        set_level(&self.trigger(), false).map_err(pulse())?;
        // The pause before the next one must be seen, too.
        std::thread::sleep(PULSE);
        Ok(())
    }

    fn heat(&mut self, celsius: f32) -> Result<(), BenchError> {
        let path = self.board_dir().join("thermal/thermal_zone0/temp");
        self.write(&path, format!("{:.0}", celsius * 1000.0))
    }

    fn kill(&mut self) -> Result<(), BenchError> {
        signal(self.daemon()?, Signal::KILL);
        Ok(())
    }

    fn threads(&mut self) -> Result<Vec<String>, BenchError> {
        let found = threads(self.daemon()?)?;
        let there = |name: &&&str| found.iter().any(|(_, thread)| thread == **name);
        Ok(WATCHED.iter().filter(there).map(|name| (*name).to_owned()).collect())
    }

    fn freeze(&mut self, thread: &str) -> Result<(), BenchError> {
        freeze::named(self.daemon()?, thread)?.into_iter().try_for_each(freeze::freeze)
    }

    fn power_cut(&mut self) -> Result<(), BenchError> {
        self.end();
        Ok(())
    }

    fn power_on(&mut self) -> Result<(), BenchError> {
        self.run()
    }

    fn bundle(&mut self, counter: u32, kind: BundleKind) -> Result<PathBuf, BenchError> {
        self.first.packer()?.pack(counter, kind, None)
    }

    fn holdings(&mut self) -> Result<Holdings, BenchError> {
        holdings(self.daemon()?)
    }

    fn slack(&self) -> Option<f64> {
        // A laptop has other work to do; a board has none.
        Some(3.0)
    }

    fn eye(&self) -> Option<Eye> {
        self.board.as_ref().map(Process::eye)
    }

    fn console(&mut self) -> Vec<String> {
        self.board.as_ref().map_or_else(|| self.console.clone(), Process::lines)
    }
}
