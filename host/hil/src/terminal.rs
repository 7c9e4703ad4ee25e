//! Pseudo-terminals, and terminals as raw descriptors.

use crate::BenchError;
use rustix::fs::{Mode, OFlags, fcntl_setfl, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// A pseudo-terminal. A program opens the near side by its path; this holds the far one, non-blocking.
#[derive(Debug)]
pub struct Terminal {
    /// The far side: what is written to it the program reads.
    pub far: OwnedFd,
    /// Path of the near side.
    pub path: String,
}

impl Terminal {
    /// A fresh one, raw.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn new() -> Result<Terminal, BenchError> {
        terminal().map_err(BenchError::system("make a pseudo-terminal"))
    }

    /// Holds the near side open, so that a program that ends does not hang the line up.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn hold(&self) -> Result<OwnedFd, BenchError> {
        open_raw(Path::new(&self.path), None)
    }
}

fn terminal() -> io::Result<Terminal> {
    // A program started later must not hold this end open, or nobody would notice that it is unplugged.
    let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&far)?;
    unlockpt(&far)?;
    fcntl_setfl(&far, OFlags::RDWR | OFlags::NONBLOCK)?;
    let path = ptsname(&far, Vec::new())?.into_string().map_err(io::Error::other)?;
    Ok(Terminal { far, path })
}

/// Opens a terminal's device raw and non-blocking, at `baud` bits per second unless its speed is to stay as it is.
///
/// # Errors
/// When it cannot be opened, or is no terminal.
pub fn open_raw(path: &Path, baud: Option<u32>) -> Result<OwnedFd, BenchError> {
    let raw = || -> io::Result<OwnedFd> {
        let fd = open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())?;
        let mut settings = tcgetattr(&fd)?;
        settings.make_raw();
        if let Some(baud) = baud {
            settings.set_speed(baud)?;
        }
        tcsetattr(&fd, OptionalActions::Now, &settings)?;
        Ok(fd)
    };
    raw().map_err(BenchError::system(format!("open {}", path.display())))
}
