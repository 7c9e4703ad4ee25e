//! The TCP sink and its clients, on loopback.
#![cfg(feature = "tcp")]

use insta::assert_snapshot;
use mtcae_bundle::{write_public, write_secret};
use mtcae_core::{Sink, SinkError};
use mtcae_drivers::{TcpOptions, TcpSink};
use mtcae_tls::{ClientLine, LineKey, SEND_BUFFER, TlsError};
use mtcae_wire::*;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// More than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn key(n: u8) -> LineKey {
    LineKey::from_seed(&[n; 32])
}

/// A board's folder: its line key is that of seed 1, and it knows the clients of seeds 2 and 3.
fn folder() -> (TempDir, TcpOptions) {
    let dir = tempfile::tempdir().unwrap();
    write_secret(&dir.path().join("line.key"), &key(1).to_secret_text()).unwrap();
    std::fs::create_dir(dir.path().join("clients")).unwrap();
    for n in [2, 3] {
        let file = dir.path().join(format!("clients/{n}.pub"));
        write_public(&file, &key(n).public().to_string()).unwrap();
    }
    let (key, clients) = (dir.path().join("line.key"), dir.path().join("clients"));
    (dir, TcpOptions { listen: "127.0.0.1:0".parse().unwrap(), key, clients })
}

/// A sink that a thread polls, as a daemon's does.
struct Board {
    sink: Arc<Mutex<TcpSink>>,
    heard: Arc<Mutex<Vec<FromHost>>>,
    news: Arc<Mutex<Vec<String>>>,
    address: String,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _dir: TempDir,
}

impl Board {
    fn start() -> Board {
        let (dir, options) = folder();
        let sink = TcpSink::open(&options).unwrap();
        let address = sink.address().unwrap().to_string();
        let (sink, heard, news) =
            (Arc::new(Mutex::new(sink)), Arc::<Mutex<Vec<_>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let stop = Arc::<AtomicBool>::default();
        let shared = (Arc::clone(&sink), Arc::clone(&heard), Arc::clone(&news), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let (sink, heard, news, stop) = shared;
            while !stop.load(Ordering::Relaxed) {
                let mut sink = sink.lock().unwrap();
                while let Some(message) = sink.poll().unwrap() {
                    heard.lock().unwrap().push(message);
                }
                while let Some(told) = sink.news() {
                    news.lock().unwrap().push(format!("{:?} {}", told.level, told.text));
                }
                drop(sink);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Board { sink, heard, news, address, stop, thread: Some(thread), _dir: dir }
    }

    fn connect(&self, n: u8) -> Client {
        self.try_connect(n).unwrap()
    }

    fn try_connect(&self, n: u8) -> Result<Client, TlsError> {
        let line = ClientLine::connect(&self.address, &key(n), key(1).public(), PATIENCE)?;
        Ok(Client { line, decoder: Decoder::new(), waiting: Vec::new() })
    }

    fn send(&self, message: &Up) -> Result<(), SinkError> {
        self.sink.lock().unwrap().send(message)
    }

    fn session(&self) -> Option<u64> {
        self.sink.lock().unwrap().session()
    }

    fn wait_until(&self, what: &str, wanted: impl Fn(&Board) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !wanted(self) {
            assert!(Instant::now() < end, "never: {what}; {:?}", self.news.lock().unwrap());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// What was told, without the machine's own numbers.
    fn told(&self) -> String {
        let text = self.news.lock().unwrap().join("\n");
        let mut said = String::new();
        // Ports of clients differ.
        for (i, part) in text.split("127.0.0.1:").enumerate() {
            said += if i == 0 { "" } else { "HOST:" };
            said += part.trim_start_matches(|c: char| i > 0 && c.is_ascii_digit());
        }
        said
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let joined = self.thread.take().unwrap().join();
        assert!(joined.is_ok() || std::thread::panicking(), "the board panicked");
    }
}

struct Client {
    line: ClientLine,
    decoder: Decoder<Up>,
    waiting: Vec<Up>,
}

impl Client {
    fn ask(&mut self, token: u32) {
        self.line.write_all(&encode(&Down::Ping(Ping { token })).unwrap()).unwrap();
    }

    /// The next message; none when the board has closed the line.
    fn next(&mut self) -> Option<Up> {
        let mut bytes = [0; 512];
        while self.waiting.is_empty() {
            match self.line.read(&mut bytes).unwrap() {
                0 => return None,
                n => self.waiting.extend(self.decoder.feed(&bytes[..n]).map(|m| m.unwrap())),
            }
        }
        Some(self.waiting.remove(0))
    }
}

fn log(text: &str) -> Up {
    Up::Log(Log { level: Level::Info, at_us: 5, text: text.into() })
}

fn ping(token: u32) -> FromHost {
    FromHost::Request(Down::Ping(Ping { token }))
}

#[test]
fn messages_go_both_ways() {
    let board = Board::start();
    assert_eq!((board.session(), board.send(&log("to nobody"))), (None, Err(SinkError::Busy)));
    let mut client = board.connect(2);
    board.wait_until("it is connected", |b| b.session() == Some(1));
    for i in 0..20 {
        board.send(&log(&format!("line {i}"))).unwrap();
    }
    for i in 0..20 {
        assert_eq!(client.next(), Some(log(&format!("line {i}"))));
    }
    // What is no frame is counted, and the next one is heard.
    client.line.write_all(b"no frame at all\0").unwrap();
    client.ask(7);
    client.ask(0x0a0d_1311);
    board.wait_until("both are heard", |b| *b.heard.lock().unwrap() == [ping(7), ping(0x0a0d_1311)]);
    assert_eq!(board.sink.lock().unwrap().bad_received(), 1);
    drop(client);
    board.wait_until("it has left", |b| b.session().is_none());
    drop(board.connect(3));
    board.wait_until("the second has left", |b| b.told().matches("left").count() == 2);
    assert_eq!(board.sink.lock().unwrap().bad_received(), 1);
    assert_snapshot!(board.told(), @"
    Info tcp:HOST:: client 6a3803d5f059902a at HOST: is connected
    Info tcp:HOST:: client 6a3803d5f059902a at HOST: has left: the other end has closed the connection
    Info tcp:HOST:: client b62e867fa2f33afe at HOST: is connected
    Info tcp:HOST:: client b62e867fa2f33afe at HOST: has left: the other end has closed the connection
    ");
}

#[test]
fn a_second_client_waits_and_takes_over() {
    let board = Board::start();
    let mut first = board.connect(2);
    board.wait_until("it is connected", |b| b.session() == Some(1));
    let mut second = board.connect(3);
    let Some(Up::Log(told)) = second.next() else { panic!("it is not told") };
    let told = told.text.as_str().replace(|c: char| c.is_ascii_digit(), "N");
    assert_snapshot!(told, @"client NaNNNNdNfNNNNNNa at NNN.N.N.N:NNNNN has this line, which is for one at a time; wait NN s, or come back later");
    // It may ask already; its turn comes.
    second.ask(33);
    let mut third = board.connect(2);
    assert!(matches!(third.next(), Some(Up::Log(l)) if l.text.as_str().ends_with("come back later")));
    assert_eq!(third.next(), None, "one waits at most");
    board.send(&log("for the first")).unwrap();
    assert_eq!(first.next(), Some(log("for the first")));
    first.ask(1);
    board.wait_until("the first is heard", |b| *b.heard.lock().unwrap() == [ping(1)]);
    drop(first);
    board.wait_until("the second is connected", |b| b.session() == Some(2));
    board.wait_until("the second is heard", |b| *b.heard.lock().unwrap() == [ping(1), ping(33)]);
    board.send(&log("for the second")).unwrap();
    assert_eq!(second.next(), Some(log("for the second")));
}

#[test]
fn who_waits_too_long_is_sent_away() {
    let board = Board::start();
    let _first = board.connect(2);
    board.wait_until("it is connected", |b| b.session() == Some(1));
    let mut second = board.connect(3);
    let began = Instant::now();
    assert!(matches!(second.next(), Some(Up::Log(_))));
    assert_eq!(second.next(), None);
    assert!(began.elapsed() > Duration::from_secs(5), "too soon: {:?}", began.elapsed());
    assert_eq!(board.session(), Some(1), "the first is still there");
}

#[test]
fn strangers_do_not_disturb_the_client_and_are_told_of_in_a_few_lines() {
    let board = Board::start();
    let mut client = board.connect(2);
    board.wait_until("it is connected", |b| b.session() == Some(1));
    let strangers = 40;
    let mut plain = Vec::new();
    for n in 0..strangers {
        if n % 2 == 0 {
            assert!(matches!(board.try_connect(9), Err(TlsError::Refused { .. })));
        } else {
            let mut stream = TcpStream::connect(&board.address).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            plain.push(stream);
        }
        board.send(&log(&format!("{n}"))).unwrap();
        assert_eq!(client.next(), Some(log(&format!("{n}"))));
    }
    board.wait_until("all are counted", |b| b.sink.lock().unwrap().counts().refused() == strangers);
    let counts = board.sink.lock().unwrap().counts();
    let told = board.told();
    println!("{strangers} strangers: {counts:?}; {} lines", told.lines().count());
    assert_eq!((counts.strangers, counts.faulty, counts.let_in), (20, 20, 1));
    assert!((2..30).contains(&told.lines().count()), "{told}");
    let stranger = told.lines().find(|line| line.contains("who shows")).unwrap();
    let place = stranger.split("that key").next().unwrap();
    assert_snapshot!(place, @"Warn tcp:HOST:: refused HOST:, who shows line key dbc298251c51321b:");
}

#[test]
fn a_client_that_never_reads_makes_it_busy_and_then_leaves_the_line() {
    let board = Board::start();
    let mut client = board.connect(2);
    board.wait_until("it is connected", |b| b.session() == Some(1));
    let (mut taken, mut bytes, mut busy, mut longest) = (0u64, 0, 0u64, Duration::ZERO);
    let end = Instant::now() + PATIENCE;
    while board.session().is_some() {
        assert!(Instant::now() < end, "still there after {taken} messages");
        let message = log(&format!("{taken} {}", "x".repeat(150)));
        let began = Instant::now();
        match board.send(&message) {
            Ok(()) => {
                taken += 1;
                bytes += encode(&message).unwrap().len();
            }
            Err(SinkError::Busy) => busy += 1,
            Err(lost) => panic!("{lost}"),
        }
        longest = longest.max(began.elapsed());
    }
    println!("never read: {taken} messages of {bytes} bytes taken, {busy} times busy, at most {longest:?} for one");
    assert!(busy > 50 && bytes > SEND_BUFFER && bytes < 16 * 1024 * 1024);
    // What had gone out before arrives whole and in order.
    client.line.set_timeout(Duration::from_secs(1));
    let (mut got, mut buffer) = (0u64, [0; 4096]);
    loop {
        match client.line.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                for message in client.decoder.feed(&buffer[..n]) {
                    let Ok(Up::Log(message)) = message else { panic!("{message:?}") };
                    assert!(message.text.as_str().starts_with(&format!("{got} ")), "{message:?}");
                    got += 1;
                }
            }
            Err(e) if matches!(e.kind(), ErrorKind::TimedOut | ErrorKind::ConnectionReset) => break,
            Err(e) => panic!("{e}"),
        }
    }
    assert!(got <= taken, "{got} of {taken}");
    drop(board.connect(3));
}

#[test]
fn a_sink_that_cannot_be_opened_says_why() {
    let (dir, good) = folder();
    let said = |options: &TcpOptions| match TcpSink::open(options).map(|_| ()) {
        Err(SinkError::Lost(text)) => text.replace(dir.path().to_str().unwrap(), "DIR"),
        other => panic!("{other:?}"),
    };
    assert_snapshot!(said(&TcpOptions { key: dir.path().join("none.key"), ..good.clone() }), @"tcp:127.0.0.1:0: DIR/none.key: No such file or directory (os error 2); make the board's line key with `mtcae keys new --line DIR/none.key`");
    let public = dir.path().join("clients/2.pub");
    let secret_text = dir.path().join("text.key");
    write_secret(&secret_text, "hello").unwrap();
    assert_snapshot!(said(&TcpOptions { key: secret_text, ..good.clone() }), @"tcp:127.0.0.1:0: DIR/text.key: not a secret line key (the text is not shown); accepted: one line, `mtcae-line-secret-v1:` and 64 lower-case hexadecimal digits");
    assert!(said(&TcpOptions { key: public, ..good.clone() }).contains("not a secret line key"));
    assert_snapshot!(said(&TcpOptions { clients: dir.path().to_owned(), ..good.clone() }), @"tcp:127.0.0.1:0: DIR holds no client's key, so nobody may connect; put a client's public line key there as NAME.pub");
    assert_snapshot!(said(&TcpOptions { listen: "192.0.2.1:7452".parse().unwrap(), ..good.clone() }), @"tcp:192.0.2.1:7452: cannot listen on 192.0.2.1:7452: Cannot assign requested address (os error 99); is another program there, and is it an address of this machine?");
    let first = TcpSink::open(&good).unwrap();
    let taken = TcpOptions { listen: first.address().unwrap(), ..good.clone() };
    assert!(said(&taken).contains("Address already in use"));
}
