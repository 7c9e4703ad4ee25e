//! Serial ports and TCP lines: opening one, and saying what is wrong when a port does not open.

use crate::failure::Failure;
use mtcae_boards::{LineError, LineKeys, Target, serial_ports};
use mtcae_tls::ClientLine;
use serialport::{ErrorKind, TTYPort};
use std::io;
use std::path::Path;
use std::time::Duration;

/// How long a read waits for bytes and a write for room.
const WAIT: Duration = Duration::from_millis(100);
/// At most this many ports are listed in an error.
const LISTED: usize = 8;

/// Opens `port` at `baud`, raw, 8N1, for this program alone.
///
/// # Errors
/// What the system says.
pub fn open(port: &str, baud: u32) -> serialport::Result<TTYPort> {
    TTYPort::open(&serialport::new(port, baud).timeout(WAIT))
}

/// Connects to the board at `target` on the network.
///
/// # Errors
/// What is wrong, with the next step.
pub fn connect(target: &Target, keys: &LineKeys) -> Result<ClientLine, LineError> {
    let mut line = mtcae_boards::connect(target, keys)?;
    line.set_timeout(WAIT);
    Ok(line)
}

/// `error` of opening `port`, with the next step.
pub fn failure(port: &str, error: &serialport::Error) -> Failure {
    let exists = Path::new(port).exists();
    let next = match error.kind() {
        ErrorKind::Io(io::ErrorKind::PermissionDenied) => {
            "you may not use it: `sudo usermod -aG dialout $USER`, then log in again"
        }
        ErrorKind::NoDevice if exists => "another program has it open; close that one",
        _ if !exists => "is the board's cable plugged in?",
        _ => "is it a serial port? `--port` takes a device such as /dev/ttyUSB0",
    };
    let help = format!("{next}\n{}", listed(&serial_ports()));
    Failure::Port { port: port.to_owned(), reason: error.to_string(), help }
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
        let help = |port: &str, kind| match failure(port, &serialport::Error::new(kind, "")) {
            Failure::Port { help, .. } => help,
            other => panic!("{other}"),
        };
        assert!(help("/dev/null", ErrorKind::Io(io::ErrorKind::PermissionDenied)).contains("dialout"));
        assert!(help("/dev/null", ErrorKind::NoDevice).contains("another program"));
        assert!(help("/no/such/port", ErrorKind::Io(io::ErrorKind::NotFound)).contains("plugged in"));
        assert!(help("/dev/null", ErrorKind::Unknown).contains("is it a serial port?"));
    }

    #[test]
    fn a_long_list_is_cut() {
        let names: Vec<_> = (0..10).map(|n| format!("/dev/ttyS{n}")).collect();
        assert!(listed(&names).ends_with("/dev/ttyS7 and 2 more"));
        assert_eq!(listed(&names[..1]), "serial ports here: /dev/ttyS0");
        assert_eq!(listed(&[]), "serial ports here: none");
    }
}
