//! The other end of a serial line: a pseudo-terminal under a path of its own that can come and go.

use mtcae_wire::{Decoder, Down, Up, encode};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A path below /dev that a board file accepts.
pub struct Socket {
    _dir: TempDir,
    pub path: PathBuf,
}

impl Socket {
    pub fn new() -> Socket {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        Socket { path: dir.path().join("port"), _dir: dir }
    }

    pub fn sink(&self) -> String {
        format!("[[sink]]\nkind = \"serial\"\nport = {:?}\n", self.path)
    }

    pub fn plug_in(&self) -> Robot {
        // A program started later must not hold this end open, or nobody would notice that it is unplugged.
        let fd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&fd).unwrap();
        unlockpt(&fd).unwrap();
        fcntl_setfl(&fd, OFlags::RDWR | OFlags::NONBLOCK).unwrap();
        let pts = ptsname(&fd, Vec::new()).unwrap().into_string().unwrap();
        let _ = std::fs::remove_file(&self.path);
        std::os::unix::fs::symlink(pts, &self.path).unwrap();
        Robot { fd, decoder: Decoder::new(), waiting: VecDeque::new(), capture: None }
    }

    pub fn unplug(&self, robot: Robot) {
        std::fs::remove_file(&self.path).unwrap();
        drop(robot);
    }
}

pub struct Robot {
    fd: OwnedFd,
    decoder: Decoder<Up>,
    waiting: VecDeque<Up>,
    /// Bytes that came, kept when somebody wants them.
    pub capture: Option<Vec<u8>>,
}

impl Robot {
    pub fn ask(&self, request: Down) {
        let frame = encode(&request).unwrap();
        assert_eq!(rustix::io::write(&self.fd, &frame), Ok(frame.len()));
    }

    pub fn next(&mut self) -> Up {
        let end = Instant::now() + super::firmware::PATIENCE;
        let mut buffer = [0; 4096];
        while Instant::now() < end {
            if let Some(message) = self.waiting.pop_front() {
                return message;
            }
            match rustix::io::read(&self.fd, &mut buffer) {
                Ok(n) => {
                    self.capture.iter_mut().for_each(|kept| kept.extend_from_slice(&buffer[..n]));
                    self.waiting.extend(self.decoder.feed(&buffer[..n]).map(Result::unwrap));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        panic!("the line is silent");
    }

    /// What is left on a line whose other end has closed it.
    pub fn rest(&mut self) -> Vec<Up> {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = rustix::io::read(&self.fd, &mut buffer) {
            self.capture.iter_mut().for_each(|kept| kept.extend_from_slice(&buffer[..n]));
            self.waiting.extend(self.decoder.feed(&buffer[..n]).map(Result::unwrap));
        }
        self.waiting.drain(..).collect()
    }

    pub fn next_that<T>(&mut self, wanted: impl Fn(Up) -> Option<T>) -> T {
        let end = Instant::now() + super::firmware::PATIENCE;
        while Instant::now() < end {
            if let Some(found) = wanted(self.next()) {
                return found;
            }
        }
        panic!("nothing like that came");
    }
}
