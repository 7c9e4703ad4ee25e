//! A simulated board in a thread, on a pseudo-terminal that can be cut: the real decoder and the real receiver over a storage in
//! memory.
#![allow(dead_code, reason = "each test file takes what it needs")]

pub mod brain;
pub mod bundle;

use brain::{Brain, Script};
use mtcae_boards::Target;
use mtcae_wire::{Decoder, FromHost, encode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What happened to the board, for counting.
#[derive(Debug, Clone, Default)]
pub struct Happened {
    /// Times the line was cut.
    pub cuts: u32,
    /// Times the board lost its power.
    pub power_cuts: u32,
    /// Bytes of noise sent and bits flipped.
    pub noise: u32,
    /// Chunks taken that were new, and ones that were there.
    pub chunks: u64,
    pub again: u64,
    /// Offers heard.
    pub begins: u32,
    /// The file is whole and was asked to be installed so often.
    pub installs: u32,
    /// Times that it went back.
    pub rollbacks: u32,
}

/// The board. Dropped, it is switched off.
pub struct Board {
    folder: TempDir,
    happened: Arc<Mutex<Happened>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Board {
    pub fn start(script: Script) -> Board {
        let folder = tempfile::tempdir().unwrap();
        let (happened, stop) = (Arc::new(Mutex::new(Happened::default())), Arc::new(AtomicBool::new(false)));
        let mut power = Power {
            wire: Wire::plug(&folder.path().join("port")),
            port: folder.path().join("port"),
            brain: Brain::new(script),
            happened: happened.clone(),
            bytes: 0,
            unplugged_until: None,
        };
        let ended = stop.clone();
        let thread = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                power.step();
            }
        });
        Board { folder, happened, stop, thread: Some(thread) }
    }

    pub fn target(&self) -> Target {
        format!("serial:{}", self.folder.path().join("port").display()).parse().unwrap()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn happened(&self) -> Happened {
        self.happened.lock().unwrap().clone()
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One pseudo-terminal; this side is the board.
struct Wire {
    master: File,
    /// Held open, so that the line stays up while nobody else has it.
    _slave: File,
    decoder: Decoder<FromHost>,
}

impl Wire {
    /// A new line, at `port` in place of the one before.
    fn plug(port: &Path) -> Wire {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = OpenOptions::new().read(true).write(true).open(&name).unwrap();
        let mut modes = rustix::termios::tcgetattr(&slave).unwrap();
        modes.make_raw();
        rustix::termios::tcsetattr(&slave, rustix::termios::OptionalActions::Now, &modes).unwrap();
        let flags = rustix::fs::fcntl_getfl(&master).unwrap();
        rustix::fs::fcntl_setfl(&master, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
        let new = port.with_extension("new");
        let _ = std::fs::remove_file(&new);
        symlink(&name, &new).unwrap();
        std::fs::rename(&new, port).unwrap();
        Wire { master: File::from(master), _slave: slave, decoder: Decoder::new() }
    }
}

struct Power {
    wire: Wire,
    port: PathBuf,
    brain: Brain,
    happened: Arc<Mutex<Happened>>,
    /// Bytes heard.
    bytes: u64,
    unplugged_until: Option<Instant>,
}

impl Power {
    fn step(&mut self) {
        if let Some(until) = self.unplugged_until {
            std::thread::sleep(until.saturating_duration_since(Instant::now()).min(Duration::from_millis(20)));
            if Instant::now() < until {
                return;
            }
            self.unplugged_until = None;
            self.wire = Wire::plug(&self.port);
        }
        let timeout = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
        let _ = poll(&mut [PollFd::new(&self.wire.master, PollFlags::IN)], Some(&timeout));
        let mut buffer = [0; 1024];
        if self.brain.is_slow() {
            std::thread::sleep(Duration::from_millis(2));
        }
        let got = match self.wire.master.read(&mut buffer) {
            Ok(got) => got,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(_) => 0,
        };
        self.bytes += got as u64;
        self.brain.damage(&mut buffer[..got], &mut self.happened.lock().unwrap());
        // What is damaged is skipped, as on a board.
        for message in self.wire.decoder.feed(&buffer[..got]).flatten() {
            self.brain.take(&message);
        }
        for bytes in self.brain.says() {
            self.write(&bytes);
        }
        self.brain.count(&mut self.happened.lock().unwrap());
        self.faults();
    }

    fn write(&mut self, bytes: &[u8]) {
        let until = Instant::now() + Duration::from_millis(200);
        let mut sent = 0;
        // A line that nobody reads takes nothing: the rest is dropped, as on a board.
        while sent < bytes.len() && Instant::now() < until {
            match self.wire.master.write(&bytes[sent..]) {
                Ok(wrote) => sent += wrote,
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    fn faults(&mut self) {
        let Some(fault) = self.brain.fault(self.bytes) else { return };
        let mut happened = self.happened.lock().unwrap();
        if fault.power {
            happened.power_cuts += 1;
            self.brain.power_cut();
        }
        if fault.line {
            happened.cuts += 1;
            self.unplugged_until = Some(Instant::now() + Duration::from_millis(fault.away_ms));
            // The old line is gone at once: its far end hears so.
            self.wire = Wire::plug(&self.port.with_extension("nowhere"));
            let _ = std::fs::remove_file(&self.port);
        }
    }
}

/// Bytes of a message.
pub fn frame(up: &mtcae_wire::Up) -> Vec<u8> {
    encode(up).unwrap().as_bytes().to_vec()
}

/// No keys: these boards are on serial lines.
pub fn nobody() -> mtcae_boards::KnownBoards {
    mtcae_boards::KnownBoards::new(None)
}
