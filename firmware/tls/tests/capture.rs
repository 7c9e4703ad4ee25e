//! Somebody in the middle who listens, and one who changes what passes.

mod common;

use common::{BOARD, CLIENT, Echo, PATIENCE, calm, key, known, loopback};
use mtcae_tls::ClientLine;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Passes bytes both ways and keeps them; the byte with this number from the desk has a bit flipped.
struct Middle {
    address: SocketAddr,
    up: Arc<Mutex<Vec<u8>>>,
    down: Arc<Mutex<Vec<u8>>>,
    thread: JoinHandle<()>,
}

impl Middle {
    fn start(to: SocketAddr, flip: Option<usize>) -> Middle {
        let listener = TcpListener::bind(loopback()).unwrap();
        let address = listener.local_addr().unwrap();
        let (up, down) = (Arc::<Mutex<Vec<u8>>>::default(), Arc::<Mutex<Vec<u8>>>::default());
        let (u, d) = (Arc::clone(&up), Arc::clone(&down));
        let thread = std::thread::spawn(move || {
            let (desk, board) = (listener.accept().unwrap().0, TcpStream::connect(to).unwrap());
            let (desk2, board2) = (desk.try_clone().unwrap(), board.try_clone().unwrap());
            let other = std::thread::spawn(move || pass(board2, desk2, &d, None));
            pass(desk, board, &u, flip);
            other.join().unwrap();
        });
        Middle { address, up, down, thread }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, kept: &Mutex<Vec<u8>>, flip: Option<usize>) {
    let mut bytes = [0; 4096];
    while let Ok(n @ 1..) = from.read(&mut bytes) {
        let mut kept = kept.lock().unwrap();
        if let Some(at) = flip.and_then(|at| at.checked_sub(kept.len())).filter(|at| *at < n) {
            bytes[at] ^= 1;
        }
        kept.extend_from_slice(&bytes[..n]);
        drop(kept);
        if to.write_all(&bytes[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

#[test]
fn nothing_readable_passes() {
    const SAID: &[u8] = b"this is what a face report would be: happy 0.87";
    let board = Echo::start(known(), calm());
    let middle = Middle::start(board.address, None);
    let mut line = connect(middle.address, PATIENCE).unwrap();
    for _ in 0..100 {
        line.write_all(SAID).unwrap();
        let mut heard = vec![0; SAID.len()];
        line.read_exact(&mut heard).unwrap();
        assert_eq!(heard, SAID);
    }
    drop(line);
    middle.thread.join().unwrap();
    for (way, kept) in [("to the board", middle.up), ("to the desk", middle.down)] {
        let kept = kept.lock().unwrap();
        // Four bytes in a row of ours would turn up by chance in one of some hundred thousand such captures.
        let found = SAID.windows(4).filter(|piece| kept.windows(4).any(|w| w == *piece)).count();
        println!("{} bytes {way} for {} said, {found} pieces of plain text", kept.len(), 100 * SAID.len());
        assert!(kept.len() > 100 * SAID.len(), "it did not pass here");
        assert_eq!(found, 0);
        let keys = [BOARD, CLIENT].map(|n| key(n).public().to_string());
        assert!(keys.iter().all(|text| !kept.windows(16).any(|w| text.as_bytes().starts_with(w))));
    }
}

#[test]
fn a_changed_byte_never_changes_a_message() {
    let (handshake, sent) = undisturbed();
    let ignored = outward_bytes(&sent);
    let places: Vec<usize> = (0..handshake).step_by(7).chain(handshake..sent.len()).collect();
    let (mut ended, mut harmless) = (0, 0);
    for &at in &places {
        let board = Echo::start(known(), calm());
        let middle = Middle::start(board.address, Some(at));
        // A length that grew makes an end wait for more, so not for long here.
        let Ok(mut line) = connect(middle.address, Duration::from_secs(1)) else {
            ended += 1;
            continue;
        };
        let mut heard = [0; 50];
        match line.write_all(&[5; 50]).and_then(|()| line.read_exact(&mut heard)) {
            Ok(()) => {
                assert!(heard == [5; 50] && ignored.contains(&at), "byte {at} was changed, and nobody noticed");
                harmless += 1;
            }
            Err(_) => ended += 1,
        }
    }
    println!(
        "{} bytes changed, one at a time: {ended} ended the connection, {harmless} were of a record's outward kind",
        places.len()
    );
    assert!(ended >= 100 && ended + harmless == places.len());
}

/// How many bytes a desk sends until it is let in, and all that it sends with one message.
fn undisturbed() -> (usize, Vec<u8>) {
    let board = Echo::start(known(), calm());
    let middle = Middle::start(board.address, None);
    let mut line = connect(middle.address, PATIENCE).unwrap();
    let handshake = middle.up.lock().unwrap().len();
    line.write_all(&[5; 50]).unwrap();
    line.read_exact(&mut [0; 50]).unwrap();
    let sent = middle.up.lock().unwrap().clone();
    assert!(sent.len() > handshake + 50);
    (handshake, sent)
}

/// The first three bytes of each record's head: its outward kind and version, which mean nothing once it is encrypted.
fn outward_bytes(sent: &[u8]) -> Vec<usize> {
    let (mut places, mut at) = (Vec::new(), 0);
    while at + 5 <= sent.len() {
        places.extend(at..at + 3);
        at += 5 + usize::from(u16::from_be_bytes([sent[at + 3], sent[at + 4]]));
    }
    places
}

fn connect(address: SocketAddr, timeout: Duration) -> Result<ClientLine, mtcae_tls::TlsError> {
    ClientLine::connect(&address.to_string(), &key(CLIENT), key(BOARD).public(), timeout)
}
