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
        notify.tell("READY=1");
        Signs { notify, within, next: 0 }
    }

    /// One look; four signs go out in the time within which one is wanted.
    pub fn look(&mut self, shared: &Shared) {
        let (Some(within), now) = (self.within, shared.now()) else { return };
        if now >= self.next && shared.beats.silence(now) < within / 2 {
            self.next = now + within / 4;
            self.notify.tell("WATCHDOG=1");
        }
    }

    /// The daemon ends.
    pub fn stopping(&self) {
        self.notify.tell("STOPPING=1");
    }
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
