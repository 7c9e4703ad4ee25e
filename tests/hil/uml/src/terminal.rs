//! A pseudo-terminal that stands for a serial line's far end.

use crate::UmlError;
use rustix::fs::{Mode, OFlags, fcntl_setfl, open};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::os::fd::OwnedFd;

/// One line: this program has one end, the virtual board or another program opens [`Terminal::path`]. It is as fast as
/// the machine: baud rates mean nothing on it.
pub struct Terminal {
    far: OwnedFd,
    path: String,
    /// Held open so that a board that ends does not hang the line up.
    _near: OwnedFd,
}

impl Terminal {
    /// A new line, raw, with nobody at the other end.
    ///
    /// # Errors
    /// [`UmlError::Host`] when this machine has no pseudo-terminal left.
    pub fn new() -> Result<Terminal, UmlError> {
        Self::make().map_err(|e| UmlError::host("a pseudo-terminal", e))
    }

    fn make() -> Result<Terminal, Errno> {
        let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&far)?;
        unlockpt(&far)?;
        fcntl_setfl(&far, OFlags::RDWR | OFlags::NONBLOCK)?;
        let path = ptsname(&far, Vec::new())?.to_string_lossy().into_owned();
        let near = open(&path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        let mut settings = tcgetattr(&near)?;
        settings.make_raw();
        tcsetattr(&near, OptionalActions::Now, &settings)?;
        Ok(Terminal { far, path, _near: near })
    }

    /// The device at the other end.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Takes what has come; 0 when there is nothing.
    ///
    /// # Errors
    /// [`UmlError::Host`].
    pub fn read(&self, bytes: &mut [u8]) -> Result<usize, UmlError> {
        match rustix::io::read(&self.far, bytes) {
            Ok(count) => Ok(count),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(e) => Err(UmlError::host(&self.path, e)),
        }
    }

    /// Sends `bytes`; the count that the line had room for.
    ///
    /// # Errors
    /// [`UmlError::Host`].
    pub fn write(&self, bytes: &[u8]) -> Result<usize, UmlError> {
        match rustix::io::write(&self.far, bytes) {
            Ok(count) => Ok(count),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(e) => Err(UmlError::host(&self.path, e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn bytes_pass_unchanged_both_ways() {
        let line = Terminal::new().unwrap();
        let mut near = std::fs::OpenOptions::new().read(true).write(true).open(line.path()).unwrap();
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(line.write(&all).unwrap(), 256);
        let mut got = [0; 256];
        near.read_exact(&mut got).unwrap();
        assert_eq!(got.as_slice(), all);
        assert_eq!(line.read(&mut got).unwrap(), 0);
        near.write_all(b"\n\r\x03\x00").unwrap();
        let count = line.read(&mut got).unwrap();
        assert_eq!(&got[..count], b"\n\r\x03\x00");
    }
}
