//! The program on a TCP port, with a real client at its other end.

use super::firmware::{Bench, PATIENCE};
use mtcae_bundle::{write_public, write_secret};
use mtcae_tls::{ClientLine, LineKey, TlsError};
use mtcae_wire::{Decoder, Down, Ping, Up, encode};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

const STDOUT: &str = "[[sink]]\nkind = \"stdout\"\n";

fn key(n: u8) -> LineKey {
    LineKey::from_seed(&[n; 32])
}

/// A bench with a TCP sink, before `more`. Its board has key 1 and knows client 2.
fn bench(more: &str) -> (Bench, SocketAddr) {
    // Free a moment ago; whoever takes it in between fails this test.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let bench = Bench::on_clip(true, "");
    let dir = bench.dir.path();
    write_secret(&dir.join("line.key"), &key(1).to_secret_text()).unwrap();
    std::fs::create_dir(dir.join("clients")).unwrap();
    write_public(&dir.join("clients/desk.pub"), &key(2).public().to_string()).unwrap();
    let paths = [dir.join("line.key"), dir.join("clients")];
    let sink =
        format!("[[sink]]\nkind = \"tcp\"\nlisten = \"{address}\"\nkey = {:?}\nclients = {:?}\n", paths[0], paths[1]);
    let board = std::fs::read_to_string(bench.board()).unwrap() + &sink + more;
    std::fs::write(bench.board(), board).unwrap();
    (bench, address)
}

struct Desk {
    line: ClientLine,
    decoder: Decoder<Up>,
    waiting: VecDeque<Up>,
}

impl Desk {
    /// Connects as soon as the program listens.
    fn connect(address: SocketAddr, own: u8) -> Result<Desk, TlsError> {
        let end = Instant::now() + PATIENCE;
        loop {
            match ClientLine::connect(&address.to_string(), &key(own), key(1).public(), PATIENCE) {
                Err(TlsError::Reach { .. }) if Instant::now() < end => std::thread::sleep(Duration::from_millis(20)),
                line => return Ok(Desk { line: line?, decoder: Decoder::new(), waiting: VecDeque::new() }),
            }
        }
    }

    fn ask(&mut self, request: Down) {
        self.line.write_all(&encode(&request).unwrap()).unwrap();
    }

    fn next(&mut self) -> Up {
        let mut bytes = [0; 2048];
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return message;
            }
            let n = self.line.read(&mut bytes).unwrap();
            assert!(n > 0, "the board has closed the line");
            self.waiting.extend(self.decoder.feed(&bytes[..n]).map(Result::unwrap));
        }
    }

    fn next_that<T>(&mut self, wanted: impl Fn(&Up) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(found) = wanted(&self.next()) {
                return found;
            }
        }
        panic!("nothing like that came");
    }
}

fn report(message: &Up) -> Option<mtcae_wire::Report> {
    if let Up::Report(report) = message { Some(report.clone()) } else { None }
}

#[test]
fn clients_come_and_go() {
    let (bench, address) = bench("");
    let mut firmware = bench.start(&[]);
    let mut first = Desk::connect(address, 2).unwrap();
    let hello = first.next();
    assert!(matches!(&hello, Up::Hello(h) if h.device.as_str() == "bench"), "{hello:?}");
    let seen = first.next_that(report);
    first.ask(Down::Ping(Ping { token: 77 }));
    first.next_that(|m| matches!(m, Up::Pong(p) if p.token == 77).then_some(()));
    first.next_that(|m| matches!(m, Up::Status(_)).then_some(()));
    let mut second = Desk::connect(address, 2).unwrap();
    second.next_that(|m| matches!(m, Up::Log(l) if l.text.as_str().contains("has this line")).then_some(()));
    first.next_that(report);
    drop(first);
    assert_eq!(second.next(), hello, "the second hears a Hello first");
    let later = second.next_that(report);
    assert!(later.boot == seen.boot && later.seq > seen.seq, "{seen:?} {later:?}");
    assert!(matches!(Desk::connect(address, 9), Err(TlsError::Refused { .. })));
    firmware.says("refused 127.0.0.1:");
    drop(second);
    firmware.says("has left: ");
    firmware.terminate();
    assert_eq!(firmware.wait().code(), Some(0));
    assert!(!firmware.errors().iter().any(|line| line.contains("sink lost")), "{:?}", firmware.errors());
}

#[test]
fn waiting_for_a_client_is_quiet_and_what_waits_stays_young() {
    let (bench, address) = bench(STDOUT);
    let mut firmware = bench.start(&[]);
    // Longer than a report may wait.
    let first = firmware.next_of("report")["captured_us"].as_u64().unwrap();
    firmware.next_that(|m| m["captured_us"].as_u64() > Some(first + 6_000_000));
    let status = firmware.next_of("status");
    assert_eq!(status["sink"], "connected", "nobody there is no fault: {status}");
    assert!(!firmware.errors().iter().any(|line| line.starts_with("warning")), "{:?}", firmware.errors());
    let mut desk = Desk::connect(address, 2).unwrap();
    assert!(matches!(desk.next(), Up::Hello(_)));
    let mut before = Vec::new();
    let report = loop {
        match desk.next() {
            Up::Report(report) => break report,
            other => before.push(other),
        }
    };
    assert!(report.age_us < 5_500_000 && report.dropped > 0, "{report:?}");
    assert!(before.iter().filter(|m| matches!(m, Up::Status(_))).count() <= 2, "{before:?}");
    firmware.terminate();
    assert_eq!(firmware.wait().code(), Some(0));
}

#[test]
fn a_board_without_its_key_says_so_and_takes_it_later() {
    let (bench, address) = bench("");
    let file = bench.dir.path().join("line.key");
    std::fs::remove_file(&file).unwrap();
    let firmware = bench.start(&[]);
    let said = firmware.says("make the board's line key with `mtcae keys new --line ");
    assert!(said.starts_with("warning: tcp:127.0.0.1:") && said.ends_with("tried again every few seconds"), "{said}");
    write_secret(&file, &key(1).to_secret_text()).unwrap();
    assert!(matches!(Desk::connect(address, 2).unwrap().next(), Up::Hello(_)));
}
