//! The virtual board as a process: start, order, cut its power.

use crate::archive::Archive;
use crate::console::Line;
use crate::{UmlError, libraries};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

const INIT: &[u8] = include_bytes!("../guest/init");
/// More than a start takes on a busy machine.
const START: Duration = Duration::from_secs(60);
/// Lines of the console that are kept.
const KEPT: usize = 500;
/// An HDMI input (0) that the HDMI output can be plugged into, a webcam (1), and that output; no others of vivid's nodes.
const CAMERA: [&str; 6] = [
    "vivid.n_devs=1",
    "vivid.node_types=0x101",
    "vivid.num_inputs=2",
    "vivid.input_types=0x3",
    "vivid.num_outputs=1",
    "vivid.output_types=0x1",
];

/// What `build-kernel` made.
#[derive(Debug, Clone)]
pub struct Kernel {
    linux: PathBuf,
    busybox: PathBuf,
}

impl Kernel {
    /// The kernel and the busybox in the folder that `build-kernel` printed.
    ///
    /// # Errors
    /// [`UmlError::NoKernel`] when one of them is not there.
    pub fn in_folder(folder: &Path) -> Result<Kernel, UmlError> {
        let part = |name: &str| {
            let path = folder.join(name);
            if path.is_file() { Ok(path) } else { Err(UmlError::NoKernel(path)) }
        };
        Ok(Kernel { linux: part("linux")?, busybox: part("busybox")? })
    }
}

/// What a virtual board has.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Folder for the board's own files on this machine.
    pub folder: PathBuf,
    /// Folder that the board sees as `/mnt`, and may write; a script `start` in it runs at every start.
    pub share: PathBuf,
    /// Programs that are to run there; their libraries go along, they themselves do not.
    pub programs: Vec<PathBuf>,
    /// The file of an ext4 disk, `/disk` there.
    pub disk: Option<PathBuf>,
    /// The terminal that is `/dev/ttyS0` there.
    pub serial: Option<String>,
    /// Memory, MiB.
    pub memory_mib: u32,
    /// Time after which the watchdog resets a board that has opened it and does not feed it, seconds.
    pub watchdog_s: u32,
}

impl Setup {
    /// A board with 512 MiB and nothing but a share.
    pub fn new(folder: &Path, share: &Path) -> Setup {
        Setup {
            folder: folder.to_owned(),
            share: share.to_owned(),
            programs: Vec::new(),
            disk: None,
            serial: None,
            memory_mib: 512,
            watchdog_s: 5,
        }
    }

    fn arguments(&self, initrd: &Path) -> Vec<String> {
        let mut all: Vec<String> = [
            format!("mem={}M", self.memory_mib),
            format!("initrd={}", initrd.display()),
            format!("uml_dir={}", self.folder.display()),
            format!("MTCAE_SHARE={}", self.share.display()),
            format!("softdog.soft_margin={}", self.watchdog_s),
        ]
        .into();
        all.extend(["con=null", "con0=fd:0,fd:1", "ssl=null", "quiet", "loglevel=2", "panic=1"].map(str::to_owned));
        all.extend(CAMERA.map(str::to_owned));
        all.extend(self.disk.iter().map(|disk| format!("ubd0={}", disk.display())));
        all.extend(self.serial.iter().map(|tty| format!("ssl0=tty:{tty}")));
        all
    }

    fn initrd(&self, busybox: &Path) -> Result<Vec<u8>, UmlError> {
        let read = |path: &Path| std::fs::read(path).map_err(|e| UmlError::host(path.display().to_string(), e));
        let mut archive = Archive::default();
        let mut folders = BTreeSet::new();
        let mut inside = |archive: &mut Archive, path: &str| {
            for (at, _) in path.match_indices('/') {
                if folders.insert(path[..at].to_owned()) {
                    archive.folder(&path[..at]);
                }
            }
        };
        for path in ["dev/", "bin/"] {
            inside(&mut archive, path);
        }
        archive.device("dev/console", 5, 1);
        archive.file("init", INIT);
        archive.file("bin/busybox", &read(busybox)?);
        for library in libraries(&self.programs)? {
            let path = library.to_string_lossy().trim_start_matches('/').to_owned();
            inside(&mut archive, &path);
            archive.file(&path, &read(&library)?);
        }
        Ok(archive.finish())
    }
}

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its exit code.
    pub code: i32,
    /// Its output and error output, line by line.
    pub lines: Vec<String>,
}

/// A board that runs. Its power is cut with its value.
pub struct Board {
    child: Child,
    orders: ChildStdin,
    console: Receiver<Line>,
    last: Vec<String>,
}

impl Board {
    /// Starts the board and waits until it takes orders.
    ///
    /// # Errors
    /// [`UmlError`], when a file is missing or the kernel does not come up within a minute.
    pub fn start(kernel: &Kernel, setup: &Setup) -> Result<Board, UmlError> {
        let initrd = setup.folder.join("initrd");
        let bytes = setup.initrd(&kernel.busybox)?;
        std::fs::write(&initrd, bytes).map_err(|e| UmlError::host(initrd.display().to_string(), e))?;
        let started = Command::new(&kernel.linux)
            .args(setup.arguments(&initrd))
            .env("TMPDIR", &setup.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        let host = |e| UmlError::host(kernel.linux.display().to_string(), e);
        let mut child = started.map_err(host)?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (orders, output) = pipes.ok_or_else(|| host(std::io::Error::other("no pipes")))?;
        let (lines, console) = channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = Vec::new();
            while matches!(output.read_until(b'\n', &mut line), Ok(1..)) {
                if lines.send(Line::parse(&String::from_utf8_lossy(&line))).is_err() {
                    return;
                }
                line.clear();
            }
        });
        let mut board = Board { child, orders, console, last: Vec::new() };
        board.wait_until_up(START)?;
        Ok(board)
    }

    /// Waits until it takes orders (again, after a reset), at most `within`.
    ///
    /// # Errors
    /// [`UmlError::Silent`], [`UmlError::Ended`].
    pub fn wait_until_up(&mut self, within: Duration) -> Result<(), UmlError> {
        let end = Instant::now() + within;
        while self.next("start", end, within)? != Line::Ready {}
        Ok(())
    }

    /// Runs a line of shell there and waits for its end, at most `within`; what is to go on belongs in the background,
    /// its output in a file.
    ///
    /// # Errors
    /// [`UmlError::Silent`], [`UmlError::Ended`].
    pub fn run(&mut self, command: &str, within: Duration) -> Result<Answer, UmlError> {
        let end = Instant::now() + within;
        if writeln!(self.orders, "{command}").is_err() {
            return Err(UmlError::Ended { asked: command.to_owned(), last: self.last_words() });
        }
        let mut lines = Vec::new();
        loop {
            match self.next(command, end, within)? {
                Line::Said(line) => lines.push(line),
                Line::Done(code) => return Ok(Answer { code, lines }),
                Line::Ready | Line::Kernel(_) => {}
            }
        }
    }

    /// Pulls the plug: what the board has not written to its disk is lost.
    pub fn cut_power(&mut self) {
        if let Some(group) = Pid::from_raw(self.child.id() as i32) {
            // It may have ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }

    /// Has the kernel look at its lines of this machine: now and then it misses that one was hung up, and keeps what is
    /// dead.
    pub fn notice(&self) {
        if let Some(kernel) = Pid::from_raw(self.child.id() as i32) {
            // It may have ended by itself.
            let _ = kill_process(kernel, Signal::IO);
        }
    }

    /// Whether it runs.
    pub fn is_on(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn next(&mut self, asked: &str, end: Instant, within: Duration) -> Result<Line, UmlError> {
        let line = self.console.recv_timeout(end.saturating_duration_since(Instant::now()));
        let asked = || asked.to_owned();
        let line = match line {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => {
                let last = self.last_words();
                return Err(UmlError::Silent { asked: asked(), seconds: within.as_secs(), last });
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(UmlError::Ended { asked: asked(), last: self.last_words() });
            }
        };
        if self.last.len() == KEPT {
            self.last.remove(0);
        }
        self.last.push(format!("{line:?}"));
        Ok(line)
    }

    fn last_words(&self) -> String {
        let from = self.last.len().saturating_sub(20);
        self.last[from..].join(" / ")
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.cut_power();
    }
}
