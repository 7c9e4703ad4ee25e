//! Serial ports: as a line, and which of them there are.

#![allow(unsafe_code)]

use crate::line::{Line, LineError};
use crate::{DEFAULT_BAUD, Target};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use serialport::{ErrorKind, TTYPort};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

/// At most this many ports are listed in an error.
const LISTED: usize = 8;

/// An open serial port: raw, 8N1, no flow control, for this program alone. A pseudo-terminal will do.
pub struct SerialLine(TTYPort);

impl SerialLine {
    /// Opens `port` (a device's path) at `baud`.
    ///
    /// # Errors
    /// What the system says, with the next step and the ports that are there.
    pub fn open(port: &str, baud: u32) -> Result<SerialLine, LineError> {
        let failed = |error: &serialport::Error| failure(port, baud, error);
        let line = SerialLine(TTYPort::open(&serialport::new(port, baud)).map_err(|error| failed(&error))?);
        // serialport leaves the descriptor blocking: one write to a stuck line would hold the tool.
        fcntl_setfl(line.fd(), OFlags::RDWR | OFlags::NONBLOCK)
            .map_err(|error| failed(&io::Error::from(error).into()))?;
        Ok(line)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the port is open for as long as `self` is there, and `self` is borrowed.
        unsafe { BorrowedFd::borrow_raw(self.0.as_raw_fd()) }
    }
}

/// Nothing to give or to take is no error of the line.
fn or_nothing(result: Result<usize, Errno>) -> io::Result<usize> {
    match result {
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        other => Ok(other?),
    }
}

impl Line for SerialLine {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match rustix::io::read(self.fd(), buffer) {
            Ok(0) => Err(io::Error::other("the other end has closed the line")),
            result => or_nothing(result),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        or_nothing(rustix::io::write(self.fd(), bytes))
    }

    fn wait(&mut self, to_write: bool, at_most: Duration) -> io::Result<()> {
        let timeout = Timespec { tv_sec: at_most.as_secs() as _, tv_nsec: at_most.subsec_nanos() as _ };
        let flags = if to_write { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        match poll(&mut [PollFd::from_borrowed_fd(self.fd(), flags)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The serial ports of this machine, by path, in order.
pub fn serial_ports() -> Vec<String> {
    // serialport's listing expects this folder to be there; some containers have none.
    if !Path::new("/sys/class/tty").is_dir() {
        return Vec::new();
    }
    let ports = serialport::available_ports().unwrap_or_default();
    let mut names: Vec<String> = ports.into_iter().map(|port| port.port_name).collect();
    names.sort();
    names.dedup();
    names
}

/// `error` of opening `port`, with the next step.
fn failure(port: &str, baud: u32, error: &serialport::Error) -> LineError {
    let exists = Path::new(port).exists();
    let next = match error.kind() {
        ErrorKind::Io(io::ErrorKind::PermissionDenied) => {
            "you may not use it: `sudo usermod -aG dialout $USER`, then log in again".to_owned()
        }
        ErrorKind::NoDevice if exists => "another program has it open; close that one".to_owned(),
        _ if !exists => "is the board's cable plugged in?".to_owned(),
        ErrorKind::InvalidInput if baud != DEFAULT_BAUD => {
            format!("it does not do {baud} baud; the board file's `sink.baud` says which one it is")
        }
        _ => "is it a serial port, such as /dev/ttyUSB0?".to_owned(),
    };
    let target = Target::Serial { port: port.to_owned(), baud }.to_string();
    LineError { target, reason: error.to_string(), help: format!("{next}\n{}", listed(&serial_ports())) }
}

fn listed(names: &[String]) -> String {
    match names.len() {
        0 => "serial ports here: none".to_owned(),
        n if n > LISTED => format!("serial ports here: {} and {} more", names[..LISTED].join(", "), n - LISTED),
        _ => format!("serial ports here: {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_next_step() {
        let help = |port: &str, kind| failure(port, 9600, &serialport::Error::new(kind, "")).help;
        assert!(help("/dev/null", ErrorKind::Io(io::ErrorKind::PermissionDenied)).contains("dialout"));
        assert!(help("/dev/null", ErrorKind::NoDevice).contains("another program"));
        assert!(help("/no/such/port", ErrorKind::Io(io::ErrorKind::NotFound)).contains("plugged in"));
        assert!(help("/dev/null", ErrorKind::InvalidInput).contains("9600 baud"));
        assert!(help("/dev/null", ErrorKind::Unknown).contains("is it a serial port"));
    }

    #[test]
    fn a_long_list_is_cut() {
        let names: Vec<_> = (0..10).map(|n| format!("/dev/ttyS{n}")).collect();
        assert!(listed(&names).ends_with("/dev/ttyS7 and 2 more"));
        assert_eq!(listed(&names[..1]), "serial ports here: /dev/ttyS0");
        assert_eq!(listed(&[]), "serial ports here: none");
    }
}
