//! Signs of life to whoever started the daemon: the launcher, or systemd.

use crate::Watch;
use crate::shared::Shared;
use mtcae_contract::Micros;
use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Signs of life, sent only while every kind of thread shows that it does not hang.
pub(crate) struct Signs {
    notify: Notify,
    within: Option<Micros>,
    next: Micros,
}

impl Signs {
    /// To `watch`; silent when nobody listens.
    pub fn new(watch: Option<Watch>) -> Signs {
        let within = watch.as_ref().and_then(|watch| watch.within).map(|within| within.as_micros() as Micros);
        let notify = Notify::to(watch.map(|watch| watch.socket));
        Signs { notify, within, next: 0 }
    }

    /// The daemon has begun its work.
    pub fn ready(&self) {
        self.notify.tell("READY=1");
    }

    /// The trial of this version takes `time` from now on, which may be longer than the launcher would wait.
    pub fn needs(&self, time: Micros) {
        self.notify.tell(&more_time(time));
    }

    /// One look; four signs go out in the time within which one is wanted. `trial` is the time that the trial needs from now on.
    pub fn look(&mut self, shared: &Shared, trial: Option<Micros>) {
        let (Some(within), now) = (self.within, shared.now()) else { return };
        if now >= self.next && shared.beats.silence(now) < within / 2 {
            self.next = now + within / 4;
            let more = trial.map_or(String::new(), |time| format!("\n{}", more_time(time)));
            self.notify.tell(&format!("WATCHDOG=1{more}"));
        }
    }

    /// The daemon ends.
    pub fn stopping(&self) {
        self.notify.tell("STOPPING=1");
    }
}

fn more_time(time: Micros) -> String {
    format!("EXTEND_TIMEOUT_USEC={time}")
}

/// systemd's notify protocol; silent when nobody listens.
struct Notify(Option<(UnixDatagram, SocketAddr)>);

impl Notify {
    /// To `socket`, the value of `NOTIFY_SOCKET`.
    fn to(socket: Option<OsString>) -> Notify {
        let open = |path: OsString| {
            let address = match path.as_bytes().strip_prefix(b"@") {
                Some(name) => SocketAddr::from_abstract_name(name),
                None => SocketAddr::from_pathname(&path),
            };
            let sender = UnixDatagram::unbound()?;
            sender.set_nonblocking(true)?;
            Ok::<_, std::io::Error>((sender, address?))
        };
        Notify(socket.and_then(|path| open(path).ok()))
    }

    /// Sends a line, as `READY=1` or `WATCHDOG=1`. Nothing is to be done about one that does not arrive.
    fn tell(&self, text: &str) {
        if let Some((socket, address)) = &self.0 {
            let _ = socket.send_to_addr(text.as_bytes(), address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_says_how_long_it_takes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let ear = UnixDatagram::bind(&path).unwrap();
        let signs = Signs::new(Some(Watch { socket: path.into_os_string(), within: None }));
        signs.needs(70_000_000);
        signs.ready();
        let mut buffer = [0; 100];
        for expected in ["EXTEND_TIMEOUT_USEC=70000000", "READY=1"] {
            let len = ear.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..len], expected.as_bytes());
        }
    }
}
