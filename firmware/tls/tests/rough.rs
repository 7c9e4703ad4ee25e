//! Talkers of something else, slow ones, vanishing ones, ones that never read, and random bytes.

mod common;

use common::{BOARD, CLIENT, Dice, Echo, PATIENCE, calm, key, known, loopback};
use mtcae_tls::{Acceptor, ClientLine, Connection, Limits, MAX_WRITE, SEND_BUFFER, SILENCE, TlsError};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Byte streams thrown at the door, and how many go in at once.
const STREAMS: u64 = 10_000;
const BATCH: u64 = 16;

#[test]
fn plain_text_gets_an_alert_and_nothing_else() {
    let board = Echo::start(known(), calm());
    for said in
        [&b"GET / HTTP/1.1\r\nHost: board\r\n\r\n"[..], &[0, 3, 1, 1, 0], b"\x16\x03\x01\x00\x05hello", &[0x80; 600]]
    {
        let mut stream = TcpStream::connect(board.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(said).unwrap();
        let mut heard = Vec::new();
        // A reset is an answer, too.
        let _ = stream.read_to_end(&mut heard);
        assert!(heard.is_empty() || (heard[0] == 0x15 && heard.len() == 7), "not an alert: {heard:02x?}");
    }
    board.wait_until("all are counted", |s| s.counts.faulty == 4);
    board.connect(CLIENT, BOARD).unwrap();
}

#[test]
fn slow_handshakes_keep_nobody_out() {
    let limits =
        Limits { handshake: Duration::from_secs(2), patience: Duration::from_millis(100), ..Limits::default() };
    let board = Echo::start(known(), limits);
    let hello = client_hello();
    let mut drips: Vec<(TcpStream, usize)> = Vec::new();
    let (mut opened, mut good) = (0u64, 0u64);
    for round in 0..20 {
        // A few more each time, and one more byte of a good beginning from each that is still there.
        for _ in 0..10 {
            drips.push((TcpStream::connect(board.address).unwrap(), 0));
            opened += 1;
        }
        drips.retain_mut(|(stream, sent)| {
            *sent += 1;
            stream.write_all(&hello[*sent - 1..*sent]).is_ok()
        });
        if round % 4 == 3 {
            drop(board.connect(CLIENT, BOARD).unwrap());
            good += 1;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    board.wait_until("every slow one is refused", |s| s.counts.refused() == opened);
    let (counts, most) = board.seen(|s| (s.counts, s.most_half_open));
    println!(
        "{opened} slow handshakes: {} timed out, {} made room, {} broke off; at most {most} at once; {good} good clients let in meanwhile",
        counts.slow, counts.crowded, counts.faulty
    );
    assert_eq!(counts.let_in, good);
    assert!(most <= limits.half_open && counts.crowded > 0, "{counts:?}");
    assert!(opened >= 200 && good >= 5);
}

#[test]
fn a_silent_one_is_refused_when_its_time_is_over() {
    let board = Echo::start(known(), Limits { handshake: Duration::from_millis(200), ..Limits::default() });
    let _silent = TcpStream::connect(board.address).unwrap();
    board.wait_until("it is counted", |s| s.counts.slow == 1);
    assert_eq!(board.seen(|s| s.refusals.clone()), ["no key: the handshake took longer than 0.2 s"]);
}

#[test]
fn random_bytes_never_panic() {
    let limits = Limits { at_once: BATCH as usize, every: Duration::ZERO, half_open: BATCH as usize, ..calm() };
    let mut acceptor = Acceptor::bind(loopback(), &key(BOARD), known(), limits).unwrap();
    let address = acceptor.address().unwrap();
    let (hello, mut dice) = (client_hello(), Dice(7));
    let mut bytes = 0;
    for batch in 0..STREAMS / BATCH {
        let streams: Vec<TcpStream> = (0..BATCH)
            .map(|_| {
                let mut stream = TcpStream::connect(address).unwrap();
                let noise = noise(&mut dice, &hello);
                bytes += noise.len();
                // The door may have closed before all of it has gone.
                let _ = stream.write_all(&noise).and_then(|()| stream.shutdown(Shutdown::Write));
                stream
            })
            .collect();
        let end = Instant::now() + PATIENCE;
        while acceptor.counts().refused() < (batch + 1) * BATCH {
            assert!(acceptor.poll(Instant::now()).is_none(), "noise was let in");
            assert!(Instant::now() < end, "stuck: {:?}", acceptor.counts());
        }
        drop(streams);
    }
    let counts = acceptor.counts();
    println!("{STREAMS} streams of {bytes} bytes in all, 0 panics: {counts:?}");
    assert_eq!((counts.refused(), counts.let_in), (STREAMS, 0));
    assert!(STREAMS >= 10_000 && bytes > 1_000_000);
}

/// Noise alone, a real first flight that was changed, or one that goes on with noise.
fn noise(dice: &mut Dice, hello: &[u8]) -> Vec<u8> {
    let length = dice.below(600);
    match dice.below(4) {
        0 => dice.bytes(length),
        1 => [&[0x16, 3, 1, (length >> 8) as u8, length as u8], &dice.bytes(length)[..]].concat(),
        2 => {
            let mut changed = hello.to_vec();
            for _ in 0..=dice.below(4) {
                let at = dice.below(changed.len());
                changed[at] ^= 1 << dice.below(8);
            }
            changed.truncate(1 + dice.below(2 * changed.len()));
            changed
        }
        _ => [hello, &[0x17, 3, 3, (length >> 8) as u8, length as u8], &dice.bytes(length)].concat(),
    }
}

#[test]
fn a_client_that_never_reads_fills_a_bounded_room_and_is_gone_in_the_end() {
    let (mut board, client) = pair();
    let (mut taken, mut messages) = (0, 0u64);
    let message = [7; 200];
    let began = Instant::now();
    let mut last = began;
    let lost = loop {
        match board.write(&message) {
            Ok(true) => {
                taken += message.len();
                messages += 1;
                last = Instant::now();
            }
            Ok(false) => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => break error,
        }
        assert!(began.elapsed() < PATIENCE, "{taken} bytes taken, still connected");
    };
    println!(
        "a client that never reads: {messages} messages, {taken} bytes taken; lost {:.1} s after the last: {lost}",
        last.elapsed().as_secs_f32()
    );
    // The receiver's own room is the system's affair: megabytes at most.
    assert!(taken < 16 * 1024 * 1024 && taken > SEND_BUFFER, "{taken}");
    assert!(matches!(lost, TlsError::Lost(_)), "{lost}");
    assert!(last.elapsed() < 4 * SILENCE);
    drop(client);
}

#[test]
fn clients_that_vanish_are_noticed() {
    let (mut board, client) = pair();
    drop(client);
    assert!(matches!(ended(&mut board), TlsError::Closed));
    let (mut board, client) = raw_pair();
    // Gone with bytes unread: the system sends a reset.
    assert!(board.write(&[1; MAX_WRITE]).unwrap());
    std::thread::sleep(Duration::from_millis(50));
    drop(client);
    let end = ended(&mut board);
    assert!(matches!(end, TlsError::Lost(_) | TlsError::Closed), "{end}");
}

fn ended(board: &mut Connection) -> TlsError {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Err(error) = board.read(&mut [0; 64]) {
            return error;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("not noticed");
}

/// Both ends of a line.
fn pair() -> (Connection, ClientLine) {
    let mut acceptor = Acceptor::bind(loopback(), &key(BOARD), known(), calm()).unwrap();
    let address = acceptor.address().unwrap().to_string();
    let client =
        std::thread::spawn(move || ClientLine::connect(&address, &key(CLIENT), key(BOARD).public(), PATIENCE).unwrap());
    let board = let_in(&mut acceptor);
    (board, client.join().unwrap())
}

fn let_in(acceptor: &mut Acceptor) -> Connection {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(connection) = acceptor.poll(Instant::now()) {
            return connection;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("nobody came: {:?}", acceptor.counts());
}

/// As [`pair`], the client behind a relay whose socket is given.
fn raw_pair() -> (Connection, TcpStream) {
    let mut acceptor = Acceptor::bind(loopback(), &key(BOARD), known(), calm()).unwrap();
    let (relay, to) = (std::net::TcpListener::bind(loopback()).unwrap(), acceptor.address().unwrap());
    let through = relay.local_addr().unwrap().to_string();
    let client =
        std::thread::spawn(move || ClientLine::connect(&through, &key(CLIENT), key(BOARD).public(), PATIENCE).unwrap());
    let (desk, board) = (relay.accept().unwrap().0, TcpStream::connect(to).unwrap());
    copy(desk.try_clone().unwrap(), board.try_clone().unwrap(), None);
    let heard = copy_until_told(board.try_clone().unwrap(), desk);
    let connection = let_in(&mut acceptor);
    drop(client.join().unwrap());
    drop(heard);
    (connection, board)
}

fn copy(mut from: TcpStream, mut to: TcpStream, until: Option<std::sync::mpsc::Receiver<()>>) {
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        from.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        loop {
            let told = until.as_ref().is_some_and(|told| told.try_recv() != Err(std::sync::mpsc::TryRecvError::Empty));
            match from.read(&mut bytes) {
                _ if told => return,
                Ok(0) => return,
                Ok(n) if to.write_all(&bytes[..n]).is_err() => return,
                Ok(_) => {}
                Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
                Err(_) => return,
            }
        }
    });
}

fn copy_until_told(from: TcpStream, to: TcpStream) -> std::sync::mpsc::Sender<()> {
    let (tell, told) = std::sync::mpsc::channel();
    copy(from, to, Some(told));
    tell
}

/// What a good client says first.
fn client_hello() -> Vec<u8> {
    let listener = std::net::TcpListener::bind(loopback()).unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let client = std::thread::spawn(move || {
        ClientLine::connect(&address.to_string(), &key(CLIENT), key(BOARD).public(), Duration::from_millis(300)).err()
    });
    let mut stream = listener.accept().unwrap().0;
    let mut bytes = [0; 4096];
    let n = stream.read(&mut bytes).unwrap();
    assert!(matches!(client.join().unwrap(), Some(TlsError::TimedOut { .. })));
    bytes[..n].to_vec()
}
