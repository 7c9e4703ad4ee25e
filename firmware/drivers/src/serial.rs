//! A serial line as a sink: reports out, requests in.

#![allow(unsafe_code)]

use mtcae_core::{Sink, SinkError};
use mtcae_wire::{Counts, Decoder, FromHost, Up, encode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use serialport::{ErrorKind, TTYPort};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// Longest time [`Sink::send`] works on one frame.
const SEND_BUDGET: Duration = Duration::from_millis(20);
/// Bytes read at a time, as many as the kernel keeps of a line that nobody reads.
const READ_AT_ONCE: usize = 4096;
/// Ports named in an error at most.
const PORTS_LISTED: usize = 8;

/// A serial port that speaks `mtcae-wire`. Its owner drops it after [`SinkError::Lost`] and opens a new one later.
pub struct SerialSink {
    name: String,
    fd: OwnedFd,
    decoder: Decoder<FromHost>,
    /// The frame being sent; what lies behind `sent` goes out before anything else does.
    frame: Vec<u8>,
    sent: usize,
    /// Bytes received; what lies between `taken` and `filled` is not decoded yet.
    input: [u8; READ_AT_ONCE],
    taken: usize,
    filled: usize,
}

impl SerialSink {
    /// Opens `port` (a device's path) raw at `baud`, 8N1, without flow control. A pseudo-terminal will do.
    ///
    /// # Errors
    /// [`SinkError::Lost`] with the reason, the next step, and the ports that are there.
    pub fn open(port: &str, baud: u32) -> Result<SerialSink, SinkError> {
        let tty = open_tty(port, baud)
            .map_err(|e| SinkError::Lost(open_text(port, baud, &e, std::path::Path::new(port).exists())))?;
        // SAFETY: `into_raw_fd` gives the descriptor up, so it is open and nobody else's.
        let fd = unsafe { OwnedFd::from_raw_fd(tty.into_raw_fd()) };
        // serialport leaves the descriptor blocking: one write to a stuck line would hold the daemon.
        fcntl_setfl(&fd, OFlags::RDWR | OFlags::NONBLOCK).map_err(|e| gone(port, e))?;
        // The first zero ends whatever the receiver had heard before.
        let frame = vec![0];
        let input = [0; READ_AT_ONCE];
        Ok(SerialSink {
            name: port.to_owned(),
            fd,
            decoder: Decoder::new(),
            frame,
            sent: 0,
            input,
            taken: 0,
            filled: 0,
        })
    }

    /// What was received since the port was opened.
    pub fn counts(&self) -> Counts {
        self.decoder.counts()
    }

    /// Writes what is left of the frame begun, for at most `budget`; true when nothing is left.
    fn flush(&mut self, budget: Duration) -> Result<bool, SinkError> {
        let end = Instant::now() + budget;
        while self.sent < self.frame.len() {
            match rustix::io::write(&self.fd, &self.frame[self.sent..]) {
                Ok(n) if n > 0 => self.sent += n,
                Ok(_) | Err(Errno::AGAIN) => {
                    let left = end.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Ok(false);
                    }
                    self.wait_writable(left)?;
                }
                Err(Errno::INTR) => {}
                Err(e) => return Err(gone(&self.name, e)),
            }
        }
        Ok(true)
    }

    fn wait_writable(&self, left: Duration) -> Result<(), SinkError> {
        let timeout = Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos() as _ };
        match poll(&mut [PollFd::new(&self.fd, PollFlags::OUT)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(e) => Err(gone(&self.name, e)),
        }
    }
}

impl Sink for SerialSink {
    fn name(&self) -> &str {
        &self.name
    }

    /// Works at most 20 ms. A frame of which the line took the first part counts as sent: its rest goes out before
    /// the next frame, which is [`SinkError::Busy`] until then.
    fn send(&mut self, message: &Up) -> Result<(), SinkError> {
        let end = Instant::now() + SEND_BUDGET;
        if !self.flush(SEND_BUDGET)? {
            return Err(SinkError::Busy);
        }
        // An unencodable message is a bug of the caller that another try will not mend, and no fault of the line.
        let Ok(frame) = encode(message) else {
            debug_assert!(false, "message does not encode: {message:?}");
            return Ok(());
        };
        self.frame.clear();
        self.frame.extend_from_slice(&frame);
        self.sent = 0;
        if self.flush(end.saturating_duration_since(Instant::now()))? || self.sent > 0 {
            return Ok(());
        }
        self.frame.clear();
        Err(SinkError::Busy)
    }

    fn poll(&mut self) -> Result<Option<FromHost>, SinkError> {
        self.flush(Duration::ZERO)?;
        loop {
            while self.taken < self.filled {
                self.taken += 1;
                // Errors are counted by the decoder, which goes on at the next delimiter.
                if let Some(Ok(message)) = self.decoder.push(self.input[self.taken - 1]) {
                    return Ok(Some(message));
                }
            }
            (self.taken, self.filled) = (0, 0);
            match rustix::io::read(&self.fd, &mut self.input) {
                Ok(0) => return Err(gone(&self.name, Errno::IO)),
                Ok(n) => self.filled = n,
                Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
                Err(e) => return Err(gone(&self.name, e)),
            }
        }
    }
}

/// Exclusive where the terminal knows what that is.
fn open_tty(port: &str, baud: u32) -> Result<TTYPort, serialport::Error> {
    let builder = serialport::new(port, baud).dtr_on_open(true);
    builder.clone().open_native().or_else(|e| match e.kind() {
        ErrorKind::Io(std::io::ErrorKind::PermissionDenied) | ErrorKind::NoDevice => Err(e),
        _ => builder.exclusive(false).open_native(),
    })
}

fn gone(port: &str, cause: Errno) -> SinkError {
    let cause = std::io::Error::from(cause);
    SinkError::Lost(format!("serial port {port} is gone ({cause}); plug it in again, it is then opened again"))
}

/// The ports this machine has, by path, in order; a board's own consoles among them.
pub fn serial_ports() -> Vec<String> {
    // serialport's listing expects /sys/class/tty to be there.
    if !std::path::Path::new("/sys/class/tty").is_dir() {
        return Vec::new();
    }
    let mut ports: Vec<String> =
        serialport::available_ports().unwrap_or_default().into_iter().map(|p| p.port_name).collect();
    ports.sort();
    ports.dedup();
    ports
}

fn open_text(port: &str, baud: u32, error: &serialport::Error, exists: bool) -> String {
    let step = match error.kind() {
        _ if !exists => format!("there is no such device; ports here: {}", list(&serial_ports())),
        ErrorKind::Io(std::io::ErrorKind::PermissionDenied) => {
            "permission denied; add the user to the group that owns it, usually `sudo usermod -aG dialout $USER`, \
             and log in again"
                .to_owned()
        }
        ErrorKind::NoDevice => "another program has it open; `fuser -v` on it says which".to_owned(),
        ErrorKind::InvalidInput => format!("it does not do {baud} baud; use a rate that both ends know, as 115200"),
        _ => format!("{error}; is it a serial port?"),
    };
    format!("serial port {port}: {step}")
}

fn list(ports: &[String]) -> String {
    match ports {
        [] => "none".to_owned(),
        ports if ports.len() > PORTS_LISTED => {
            format!("{} and {} more", ports[..PORTS_LISTED].join(", "), ports.len() - PORTS_LISTED)
        }
        ports => ports.join(", "),
    }
}
