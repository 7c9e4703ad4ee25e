//! The broker of `demo --mqtt`: the program `mtcae-broker`, for as long as the demonstration lasts.

use crate::failure::Failure;
use std::env;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = "mtcae-broker";

/// A running broker. It ends with this value: its standard input is then closed.
pub struct Broker {
    child: Child,
    /// Where clients find it.
    pub address: SocketAddr,
}

impl Broker {
    /// Starts one at `port` of 127.0.0.1, 0 for any that is free, and waits until clients may come.
    ///
    /// # Errors
    /// When the program is not there, or does not get its port.
    pub fn start(port: u16) -> Result<Broker, Failure> {
        let beside = env::current_exe().map(|own| own.with_file_name(PROGRAM)).unwrap_or_else(|_| PROGRAM.into());
        let program = if beside.is_file() { beside.clone() } else { PathBuf::from(PROGRAM) };
        let started = Command::new(&program)
            .args(["--port", &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = started.map_err(|reason| match reason.kind() {
            ErrorKind::NotFound => Failure::NoBroker { beside },
            _ => Failure::System { what: "start mtcae-broker", reason },
        })?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            // A broker that cannot start closes its output; it never keeps silent for long.
            let _ = BufReader::new(out).read_line(&mut line);
        }
        match line.trim().strip_prefix("listening on ").map(str::parse) {
            Some(Ok(address)) => Ok(Broker { child, address }),
            _ => {
                let mut why = String::new();
                if let Some(mut err) = child.stderr.take() {
                    let _ = err.by_ref().take(4096).read_to_string(&mut why);
                }
                let _ = child.kill();
                let _ = child.wait();
                Err(Failure::Broker(why.trim().trim_start_matches("mtcae-broker: ").to_owned()))
            }
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
