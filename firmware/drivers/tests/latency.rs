//! What encryption and TCP add to the time a message takes, against a pseudo-terminal. Not run by default: it measures.
#![cfg(all(feature = "serial", feature = "tcp"))]

use mtcae_bundle::{write_public, write_secret};
use mtcae_core::{Sink, SinkError};
use mtcae_drivers::{SerialSink, TcpOptions, TcpSink};
use mtcae_tls::{ClientLine, LineKey};
use mtcae_wire::{Decoder, Level, Log, Up};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::io::Read;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const MESSAGES: u64 = 2_000;

/// Sends messages one at a time, and gives the microseconds from `send` until each was decoded at the other end.
fn times(sink: &mut dyn Sink, arrived: &Receiver<(u64, Instant)>) -> Vec<u128> {
    (0..MESSAGES)
        .map(|n| {
            let message = Up::Log(Log { level: Level::Info, at_us: n, text: "x".repeat(120).as_str().into() });
            let sent = Instant::now();
            while sink.send(&message) == Err(SinkError::Busy) {}
            let (number, at) = arrived.recv_timeout(Duration::from_secs(60)).unwrap();
            assert_eq!(number, n);
            std::thread::sleep(Duration::from_millis(1));
            (at - sent).as_micros()
        })
        .collect()
}

/// Decodes what `read` gives, and says when each message was whole.
fn listen(mut read: impl FnMut(&mut [u8]) -> usize + Send + 'static) -> Receiver<(u64, Instant)> {
    let (sender, arrived) = channel();
    std::thread::spawn(move || {
        let (mut decoder, mut bytes) = (Decoder::<Up>::new(), [0; 4096]);
        loop {
            let n = read(&mut bytes);
            for message in decoder.feed(&bytes[..n]) {
                let Ok(Up::Log(log)) = message else { panic!("{message:?}") };
                if sender.send((log.at_us, Instant::now())).is_err() {
                    return;
                }
            }
        }
    });
    arrived
}

fn show(name: &str, mut times: Vec<u128>) -> u128 {
    times.sort_unstable();
    let at = |share: usize| times[times.len() * share / 100];
    println!("{name}: {MESSAGES} messages, p50 {} us, p90 {} us, p99 {} us", at(50), at(90), at(99));
    at(50)
}

#[test]
#[ignore = "it measures"]
fn what_tls_adds() {
    let robot = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&robot).unwrap();
    unlockpt(&robot).unwrap();
    let path = ptsname(&robot, Vec::new()).unwrap().into_string().unwrap();
    let mut serial = SerialSink::open(&path, 115_200).unwrap();
    let arrived = listen(move |bytes| rustix::io::read(&robot, bytes).unwrap_or(0));
    let terminal = show("pseudo-terminal", times(&mut serial, &arrived));

    let dir = tempfile::tempdir().unwrap();
    let [board, desk] = [1, 2].map(|n| LineKey::from_seed(&[n; 32]));
    write_secret(&dir.path().join("line.key"), &board.to_secret_text()).unwrap();
    write_public(&dir.path().join("desk.pub"), &desk.public().to_string()).unwrap();
    let (listen_on, key) = ("127.0.0.1:0".parse().unwrap(), dir.path().join("line.key"));
    let mut tcp = TcpSink::open(&TcpOptions { listen: listen_on, key, clients: dir.path().to_owned() }).unwrap();
    let address = tcp.address().unwrap().to_string();
    let patience = Duration::from_secs(60);
    let client = std::thread::spawn(move || ClientLine::connect(&address, &desk, board.public(), patience).unwrap());
    while tcp.session().is_none() {
        tcp.poll().unwrap();
    }
    let mut line = client.join().unwrap();
    let arrived = listen(move |bytes| line.read(bytes).unwrap_or(0));
    let encrypted = show("TLS over TCP, loopback", times(&mut tcp, &arrived));
    println!("added at p50: {} us", encrypted as i128 - terminal as i128);
}
