//! systemd's notify protocol, both ways: the launcher listens to its daemon, and tells systemd about itself.

use crate::error::LaunchError;
use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest message; the rest of a longer one is not looked at.
const LONGEST: usize = 4096;
/// Messages taken at a time, so that a daemon that floods the socket cannot keep the launcher from its work.
const MOST: usize = 64;

/// What a daemon has said since it was last listened to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heard {
    /// It lives.
    pub heartbeat: bool,
    /// Its trial takes so long from now on, milliseconds.
    pub extend_ms: Option<u64>,
}

impl Heard {
    fn take(&mut self, message: &[u8]) {
        for line in message.split(|byte| *byte == b'\n') {
            self.heartbeat |= line == b"WATCHDOG=1";
            let more = line.strip_prefix(b"EXTEND_TIMEOUT_USEC=").and_then(|digits| str::from_utf8(digits).ok());
            let more = more.and_then(|digits| digits.parse::<u64>().ok()).map(|microseconds| microseconds / 1000);
            self.extend_ms = self.extend_ms.max(more);
        }
    }
}

/// Where a daemon tells how it is.
pub struct Ear {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Ear {
    /// Listens in `root`, or among the temporary files where nothing can be written there.
    pub fn new(root: &Path) -> Result<Ear, LaunchError> {
        let elsewhere = || std::env::temp_dir().join(format!("mtcae-notify-{}", std::process::id()));
        Ear::at(root.join("notify")).or_else(|_| Ear::at(elsewhere()))
    }

    fn at(path: PathBuf) -> Result<Ear, LaunchError> {
        let cannot = || LaunchError::system(format!("cannot listen at {}", path.display()));
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(cannot()(error)),
            _ => {}
        }
        let socket = UnixDatagram::bind(&path).map_err(cannot())?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o700)).map_err(cannot())?;
        Ok(Ear { socket, path })
    }

    /// What to hand to the daemon as `NOTIFY_SOCKET`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for at most `wait`, and gives what came.
    pub fn hear(&self, wait: Duration) -> Heard {
        let mut buffer = [0; LONGEST];
        let mut heard = Heard::default();
        // Zero would mean forever; and where no timeout can be set, the loop around this still goes on.
        let _ = self.socket.set_nonblocking(false);
        let _ = self.socket.set_read_timeout(Some(wait.max(Duration::from_millis(1))));
        for _ in 0..MOST {
            match self.socket.recv(&mut buffer) {
                Ok(len) => heard.take(&buffer[..len]),
                Err(_) => break,
            }
            let _ = self.socket.set_nonblocking(true);
        }
        heard
    }

    /// Forgets what an earlier daemon said.
    pub fn clear(&self) {
        while self.hear(Duration::from_millis(1)) != Heard::default() {}
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        // One that stays behind is removed at the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Sends `text` to whoever started this process.
pub fn tell(text: &str) -> Result<(), LaunchError> {
    let socket = std::env::var_os("NOTIFY_SOCKET").ok_or(LaunchError::NobodyToTell)?;
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&socket),
    };
    let cannot = || LaunchError::system(format!("cannot send to {}", socket.display()));
    let address = address.map_err(cannot())?;
    let sender = UnixDatagram::unbound().map_err(cannot())?;
    sender.send_to_addr(text.as_bytes(), &address).map_err(cannot())?;
    Ok(())
}

/// The same, where there may be nobody who listens.
pub fn tell_if_asked(text: &str) {
    // Without systemd there is nobody; and with it there is nothing to do about it.
    let _ = tell(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(messages: &[&[u8]]) -> Heard {
        let mut heard = Heard::default();
        messages.iter().for_each(|message| heard.take(message));
        heard
    }

    #[test]
    fn a_message_is_taken_line_by_line() {
        let more = |ms| Heard { extend_ms: Some(ms), ..Heard::default() };
        assert_eq!(heard(&[b"READY=1\nSTATUS=fine"]), Heard::default());
        assert_eq!(heard(&[b"EXTEND_TIMEOUT_USEC=2500000"]), more(2500));
        let both = Heard { heartbeat: true, ..more(7000) };
        assert_eq!(heard(&[b"WATCHDOG=1\nEXTEND_TIMEOUT_USEC=7000000\n", b"EXTEND_TIMEOUT_USEC=1000"]), both);
        for wrong in
            [&b"EXTEND_TIMEOUT_USEC="[..], b"EXTEND_TIMEOUT_USEC=-1", b"EXTEND_TIMEOUT_USEC=\xff", b"WATCHDOG=2"]
        {
            assert_eq!(heard(&[wrong]), Heard::default());
        }
        assert_eq!(heard(&[b"EXTEND_TIMEOUT_USEC=99999999999999999999"]), Heard::default());
    }
}
