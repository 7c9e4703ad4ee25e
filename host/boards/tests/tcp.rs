//! A simulated board behind the board's real TCP sink, on loopback.

mod common;

use common::Happened;
use common::brain::{Brain, Script};
use common::bundle::{Recipe, read};
use mtcae_boards::{BoardError, Heard, KnownBoards, LineError, Options, Outcome, Patience, Session, Target, flash};
use mtcae_bundle::{write_public, write_secret};
use mtcae_core::{Sink, SinkError};
use mtcae_drivers::{TcpOptions, TcpSink};
use mtcae_tls::LineKey;
use mtcae_wire::{Decoder, Up};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn key(n: u8) -> LineKey {
    LineKey::from_seed(&[n; 32])
}

struct Board {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Board {
    /// With key 1, for the client with key 2; port 0 takes a free one.
    fn start(folder: &TempDir, address: SocketAddr, script: Script) -> Board {
        let (key_file, clients) = (folder.path().join("line.key"), folder.path().join("clients"));
        if !clients.exists() {
            write_secret(&key_file, &key(1).to_secret_text()).unwrap();
            std::fs::create_dir(&clients).unwrap();
            write_public(&clients.join("desk.pub"), &key(2).public().to_string()).unwrap();
        }
        let mut sink = TcpSink::open(&TcpOptions { listen: address, key: key_file, clients }).unwrap();
        let (address, stop) = (sink.address().unwrap(), Arc::<AtomicBool>::default());
        let ended = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (mut brain, mut happened) = (Brain::new(script), Happened::default());
            while !ended.load(Ordering::Relaxed) {
                while let Some(message) = sink.poll().unwrap() {
                    brain.take(&message);
                }
                for bytes in brain.says() {
                    for message in Decoder::<Up>::new().feed(&bytes).flatten() {
                        say(&mut sink, &message);
                    }
                }
                brain.count(&mut happened);
                std::thread::sleep(Duration::from_micros(500));
            }
        });
        Board { address, stop, thread: Some(thread) }
    }

    fn target(&self) -> Target {
        format!("tcp:{}", self.address).parse().unwrap()
    }
}

/// A line that nobody reads takes nothing: the message is dropped then, as on a board.
fn say(sink: &mut TcpSink, message: &Up) {
    let until = Instant::now() + Duration::from_millis(200);
    while sink.session().is_some() && sink.send(message) == Err(SinkError::Busy) && Instant::now() < until {}
}

impl Drop for Board {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn free() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// A desk whose own key is that of `seed`.
fn desk(folder: &TempDir, seed: u8) -> KnownBoards {
    let known = KnownBoards::new(Some(folder.path().join(format!("desk-{seed}"))));
    known.make_folder().unwrap();
    write_secret(&known.own_key_file().unwrap(), &key(seed).to_secret_text()).unwrap();
    known
}

fn failure(target: &Target, known: &KnownBoards) -> String {
    let Err(LineError { target: name, reason, help }) = Session::open(target, known) else { panic!("it opened") };
    format!("{name}: {reason}\n{help}").replace(&target.to_string(), "BOARD")
}

#[test]
fn a_bundle_gets_there_over_tcp() {
    let folder = tempfile::tempdir().unwrap();
    let board = Board::start(&folder, free(), Script::default());
    let known = desk(&folder, 2);
    known.trust(&board.target(), key(1).public(), false).unwrap();
    let bundle = read(&Recipe { firmware: 1_000_000, ..Recipe::new(5) }.write(folder.path()));
    let mut session = Session::open(&board.target(), &known).unwrap();
    let began = Instant::now();
    let done = flash(&mut session, &bundle, &Options::default(), &mut |_| {}).unwrap();
    let took = began.elapsed();
    println!("{} bytes over TLS on loopback, from the first question to confirmed, in {took:?}", bundle.length());
    assert_eq!((done.outcome, done.resumed_from, done.reconnects), (Outcome::Confirmed, 0, 0));
    assert_eq!(session.counts().bad, 0);
}

#[test]
fn a_board_that_restarts_is_connected_again() {
    let folder = tempfile::tempdir().unwrap();
    let board = Board::start(&folder, free(), Script::default());
    let known = desk(&folder, 2);
    let (address, target) = (board.address, board.target());
    known.trust(&target, key(1).public(), false).unwrap();
    let mut session = Session::open(&target, &known).unwrap();
    assert_eq!(session.hello(Patience::NORMAL).unwrap().device.as_str(), "bench");
    drop(board);
    let until = Instant::now() + Duration::from_secs(60);
    while session.receive(Duration::from_millis(50)) != Some(Heard::Lost) {
        assert!(Instant::now() < until, "the end was not noticed");
    }
    let Err(error @ BoardError::Gone { .. }) = session.hello(Patience::SHORT) else { panic!("nobody is there") };
    assert!(error.to_string().contains("Connection refused"), "{error}");
    let _board = Board::start(&folder, address, Script::default());
    session.hello(Patience::NORMAL).unwrap();
    assert_eq!(session.counts().reconnects, 1);
}

#[test]
fn a_line_that_another_client_has_is_not_taken_for_a_dead_board() {
    let folder = tempfile::tempdir().unwrap();
    let board = Board::start(&folder, free(), Script::default());
    let known = desk(&folder, 2);
    known.trust(&board.target(), key(1).public(), false).unwrap();
    let mut first = Session::open(&board.target(), &known).unwrap();
    first.hello(Patience::NORMAL).unwrap();
    let mut second = Session::open(&board.target(), &known).unwrap();
    let error = second.hello(Patience::SHORT).unwrap_err();
    let BoardError::Taken { said, .. } = &error else { panic!("{error}") };
    assert!(said.contains("has this line, which is for one at a time"), "{said}");
    assert_eq!(error.code(), "mtcae::taken");
    drop(first);
    assert_eq!(second.hello(Patience::NORMAL).unwrap().device.as_str(), "bench", "it has its turn now");
    let later = second.silent("this");
    assert!(matches!(later, BoardError::Silent { .. }), "what was said once does not stick: {later}");
}

#[test]
fn who_is_not_known_is_not_talked_to() {
    let folder = tempfile::tempdir().unwrap();
    let board = Board::start(&folder, free(), Script::default());
    let target = board.target();
    let known = desk(&folder, 2);
    let address = board.address.to_string();
    let said = |text: String| text.replace(&address, "BOARD");
    insta::assert_snapshot!(said(failure(&target, &known)), @"
    BOARD: the line key of BOARD is not known here
    a board never becomes known by itself: get its /etc/mtcae/line.pub over a way that you trust, then `mtcae keys trust-board BOARD line.pub`
    ");
    known.trust(&target, key(9).public(), false).unwrap();
    insta::assert_snapshot!(failure(&target, &known), @"
    BOARD: the other end has line key 34750f98bd59fcfc, and dbc298251c51321b was expected; not connected
    somebody else answers there, or the board has a new key: get its /etc/mtcae/line.pub over a way that you trust, then `mtcae keys trust-board BOARD line.pub --replace`
    ");
    let stranger = desk(&folder, 3);
    stranger.trust(&target, key(1).public(), false).unwrap();
    insta::assert_snapshot!(failure(&target, &stranger), @"
    BOARD: the other end does not know line key b62e867fa2f33afe, which is this side's
    put this desk's line.key.pub (`mtcae keys show` on its line key prints it) into the board's /etc/mtcae/clients as NAME.pub
    ");
    drop(board);
    known.trust(&target, key(1).public(), true).unwrap();
    insta::assert_snapshot!(failure(&target, &known), @r#"
    BOARD: Connection refused (os error 111)
    is the board on and on this network, and has its file a [[sink]] with kind = "tcp" that listens on an address that can be reached from here?
    "#);
}
