//! A board that echoes, on loopback, in a thread of its own.
#![allow(dead_code)] // each test takes what it needs

use mtcae_tls::{Acceptor, AcceptorCounts, ClientLine, Clients, Connection, Limits, LineKey, PublicLineKey, TlsError};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// More than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn key(n: u8) -> LineKey {
    LineKey::from_seed(&[n; 32])
}

/// The board's key, and the one of the client that it knows.
pub const BOARD: u8 = 1;
pub const CLIENT: u8 = 2;

pub fn known() -> Clients {
    Clients::fixed(&[key(CLIENT).public()])
}

pub fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// No hurry and no crowd.
pub fn calm() -> Limits {
    Limits { handshake: PATIENCE, ..Limits::default() }
}

#[derive(Debug, Default)]
pub struct Seen {
    pub counts: AcceptorCounts,
    pub most_half_open: usize,
    pub refusals: Vec<String>,
    /// Keys of those that were let in.
    pub peers: Vec<PublicLineKey>,
    /// How connections ended.
    pub ends: Vec<String>,
}

pub struct Echo {
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    pub fn start(clients: Clients, limits: Limits) -> Echo {
        let acceptor = Acceptor::bind(loopback(), &key(BOARD), clients, limits).unwrap();
        let address = acceptor.address().unwrap();
        let (seen, stop) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
        let (s, t) = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = std::thread::spawn(move || serve(acceptor, &s, &t));
        Echo { address, seen, stop, thread: Some(thread) }
    }

    pub fn connect(&self, client: u8, board: u8) -> Result<ClientLine, TlsError> {
        ClientLine::connect(&self.address.to_string(), &key(client), key(board).public(), PATIENCE)
    }

    pub fn seen<T>(&self, look: impl Fn(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap())
    }

    pub fn wait_until(&self, what: &str, wanted: impl Fn(&Seen) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !self.seen(&wanted) {
            assert!(Instant::now() < end, "never: {what}; {:?}", self.seen.lock().unwrap());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let joined = self.thread.take().unwrap().join();
        assert!(joined.is_ok() || std::thread::panicking(), "the board panicked");
    }
}

fn serve(mut acceptor: Acceptor, seen: &Mutex<Seen>, stop: &AtomicBool) {
    let mut open: Vec<Connection> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let came = acceptor.poll(Instant::now());
        let mut seen = seen.lock().unwrap();
        seen.counts = acceptor.counts();
        seen.most_half_open = seen.most_half_open.max(acceptor.half_open());
        while let Some(refused) = acceptor.refusal() {
            let shown = refused.shown.map_or("no key".to_owned(), |id| id.to_string());
            seen.refusals.push(format!("{shown}: {}", refused.why));
        }
        if let Some(connection) = came {
            seen.peers.push(connection.peer().expect("whoever is let in has a key"));
            open.push(connection);
        }
        let Seen { ends, .. } = &mut *seen;
        open.retain_mut(|connection| echo(connection).map_err(|e| ends.push(e.to_string())).is_ok());
        drop(seen);
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn echo(connection: &mut Connection) -> Result<(), TlsError> {
    let mut bytes = [0; 2048];
    while connection.flush()? {
        match connection.read(&mut bytes)? {
            0 => break,
            n => assert!(connection.write(&bytes[..n])?),
        }
    }
    Ok(())
}

/// splitmix64: small, seeded, and the same on every machine.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }

    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.below(256) as u8).collect()
    }
}
