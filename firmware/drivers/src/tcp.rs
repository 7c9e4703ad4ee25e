//! A TCP port as a sink: one known client at a time, encrypted; reports out, requests in.

mod client;
mod news;

use client::Client;
use mtcae_core::{Sink, SinkError};
use mtcae_tls::{Acceptor, AcceptorCounts, Clients, Connection, Limits, LineKey, TlsError};
use mtcae_wire::{FromHost, Level, Log, Text, Up};
use news::News;
pub use news::TcpNews;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a second client waits for the first to end: longer than it takes to notice that the first is gone.
const WAITS: Duration = Duration::from_secs(10);

/// Where to listen, as whom, for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpOptions {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// File with the board's secret line key.
    pub key: PathBuf,
    /// Folder with the public line keys of those who may connect.
    pub clients: PathBuf,
}

/// A TCP port that speaks `mtcae-wire` with one client at a time. While nobody is connected it is no lost line:
/// [`TcpSink::session`] says so, and [`Sink::send`] is busy.
pub struct TcpSink {
    name: String,
    acceptor: Acceptor,
    present: Option<Client>,
    /// The next one, known and told to wait.
    waiting: Option<(Client, Instant)>,
    sessions: u64,
    /// Bad frames received from clients that have left.
    bad_before: u64,
    news: News,
}

impl TcpSink {
    /// Listens. Key and clients are read now, the folder of clients again when it changes.
    ///
    /// # Errors
    /// [`SinkError::Lost`] with the reason and the next step.
    pub fn open(options: &TcpOptions) -> Result<TcpSink, SinkError> {
        let name = format!("tcp:{}", options.listen);
        let lost = |error: TlsError| SinkError::Lost(open_text(&name, options, &error));
        let key = LineKey::read(&options.key).map_err(lost)?;
        let clients = Clients::read(&options.clients).map_err(lost)?;
        let mut news = News::default();
        for fault in clients.faults() {
            news.tell(Level::Warn, format!("{name}: a client's key was left out: {fault}"), Instant::now());
        }
        let acceptor = Acceptor::bind(options.listen, &key, clients, Limits::default()).map_err(lost)?;
        Ok(TcpSink { name, acceptor, present: None, waiting: None, sessions: 0, bad_before: 0, news })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.acceptor.address()
    }

    /// A number for the client that is connected now, other than those of all clients before; none when nobody is.
    pub fn session(&self) -> Option<u64> {
        self.present.as_ref().map(|_| self.sessions)
    }

    /// Bad frames received since it was opened.
    pub fn bad_received(&self) -> u64 {
        self.bad_before + self.present.as_ref().map_or(0, Client::bad_received)
    }

    /// Who came to the door.
    pub fn counts(&self) -> AcceptorCounts {
        self.acceptor.counts()
    }

    /// Something that a person should know of, at a bounded rate.
    pub fn news(&mut self) -> Option<TcpNews> {
        self.news.next()
    }

    /// Lets in who may come in, and has the next one take the place of one who has left.
    fn look_around(&mut self, now: Instant) {
        if let Some(connection) = self.acceptor.poll(now) {
            self.arrive(connection, now);
        }
        while let Some(refused) = self.acceptor.refusal() {
            let shown = refused.shown.map_or(String::new(), |id| format!(", who shows line key {id}"));
            let place = match &refused.why {
                TlsError::WrongKey { .. } => format!("that key is not in {}", self.acceptor.clients().place()),
                why => why.to_string(),
            };
            self.news.tell(Level::Warn, format!("{}: refused {}{shown}: {place}", self.name, refused.address), now);
        }
        if let Some((mut client, until)) = self.waiting.take() {
            match client.still_there() {
                Ok(()) if self.present.is_none() => self.welcome(client, now),
                Ok(()) if now < until => self.waiting = Some((client, until)),
                Ok(()) => client.close(),
                Err(_) => {}
            }
        }
    }

    fn arrive(&mut self, connection: Connection, now: Instant) {
        let mut client = Client::new(connection);
        let Some(present) = &self.present else {
            self.welcome(client, now);
            return;
        };
        let (here, other) = (present.name(), client.name().to_owned());
        let full = self.waiting.is_some();
        let then = if full { "come back later" } else { "wait 10 s, or come back later" };
        // It is told so in the only words that it is sure to understand.
        let text = Text::new(&format!("client {here} has this line, which is for one at a time; {then}"));
        let _ = client.send(&Up::Log(Log { level: Level::Warn, at_us: Log::HAVE_TO_WAIT, text }), Duration::ZERO);
        self.news.tell(Level::Info, format!("{}: client {other} has to wait for client {here}", self.name), now);
        if full {
            client.close();
        } else {
            self.waiting = Some((client, now + WAITS));
        }
    }

    fn welcome(&mut self, client: Client, now: Instant) {
        self.sessions += 1;
        self.news.tell(Level::Info, format!("{}: client {} is connected", self.name, client.name()), now);
        self.present = Some(client);
    }

    fn part(&mut self, why: &TlsError) {
        let Some(client) = self.present.take() else { return };
        self.bad_before += client.bad_received();
        let text = format!("{}: client {} has left: {why}", self.name, client.name());
        self.news.tell(Level::Info, text, Instant::now());
    }
}

impl Sink for TcpSink {
    fn name(&self) -> &str {
        &self.name
    }

    /// Works at most 20 ms. A frame that was taken may still be on its way when the next one comes, which is
    /// [`SinkError::Busy`] until then; so it is while nobody is connected.
    fn send(&mut self, message: &Up) -> Result<(), SinkError> {
        let Some(client) = &mut self.present else { return Err(SinkError::Busy) };
        match client.send(message, client::SEND_BUDGET) {
            Ok(true) => Ok(()),
            Ok(false) => Err(SinkError::Busy),
            Err(why) => {
                self.part(&why);
                Err(SinkError::Busy)
            }
        }
    }

    /// Also lets new clients in. A client that leaves is no error: the line is there for the next one.
    fn poll(&mut self) -> Result<Option<FromHost>, SinkError> {
        self.look_around(Instant::now());
        let Some(client) = &mut self.present else { return Ok(None) };
        Ok(client.next().unwrap_or_else(|why| {
            self.part(&why);
            None
        }))
    }
}

fn open_text(name: &str, options: &TcpOptions, error: &TlsError) -> String {
    let key = options.key.display();
    match error {
        TlsError::KeyFile(_) if !options.key.exists() => {
            format!("{name}: {error}; make the board's line key with `mtcae keys new --line {key}`")
        }
        TlsError::SecretKey { .. } => format!("{name}: {key}: {error}"),
        _ => format!("{name}: {error}"),
    }
}
