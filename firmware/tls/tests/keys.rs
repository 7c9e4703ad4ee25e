//! Who is let in and who is not.

mod common;

use common::{BOARD, CLIENT, Dice, Echo, calm, key, known};
use mtcae_tls::{Clients, TlsError};
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, Stream};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn a_known_client_is_let_in_and_bytes_go_both_ways() {
    let board = Echo::start(known(), calm());
    let mut line = board.connect(CLIENT, BOARD).unwrap();
    board.wait_until("it is known by its key", |s| s.peers == [key(CLIENT).public()]);
    line.set_timeout(Duration::from_millis(20));
    assert_eq!(line.read(&mut [0; 10]).unwrap_err().kind(), ErrorKind::TimedOut);
    line.set_timeout(common::PATIENCE);
    let mut dice = Dice(1);
    for length in [1, 255, 4096, 5000, 100_000] {
        let said = dice.bytes(length);
        let mut heard = vec![0; length];
        // In pieces: an echo that nobody reads is an echo that stops listening.
        for (out, back) in said.chunks(8_000).zip(heard.chunks_mut(8_000)) {
            line.write_all(out).unwrap();
            line.flush().unwrap();
            line.read_exact(back).unwrap();
        }
        assert!(heard == said, "{length} bytes came back changed");
    }
    drop(line);
    board.wait_until("the end is noticed", |s| s.ends == ["the other end has closed the connection"]);
    assert_eq!(board.seen(|s| (s.counts.let_in, s.counts.refused())), (1, 0));
}

#[test]
fn an_unknown_client_is_refused_and_told_so() {
    let board = Echo::start(known(), calm());
    let refused = board.connect(3, BOARD).err().expect("nobody knows this key");
    let id = key(3).public().id();
    assert!(matches!(&refused, TlsError::Refused { own } if *own == id.to_string()), "{refused}");
    board.wait_until("it is counted", |s| s.counts.strangers == 1);
    insta::assert_snapshot!(board.seen(|s| s.refusals.join("\n")), @"b62e867fa2f33afe: the other end has line key b62e867fa2f33afe, and a known client's was expected; not connected");
    assert!(board.seen(|s| s.peers.is_empty()));
    board.connect(CLIENT, BOARD).unwrap();
}

#[test]
fn another_board_is_refused_before_it_hears_anything() {
    let board = Echo::start(known(), calm());
    let refused = board.connect(CLIENT, 9).err().expect("it is another board");
    let [found, expected] = [BOARD, 9].map(|n| key(n).public().id().to_string());
    assert!(
        matches!(&refused, TlsError::WrongKey { found: f, expected: e } if *f == found && *e == expected),
        "{refused}"
    );
    board.wait_until("it is counted", |s| s.counts.strangers == 1);
    insta::assert_snapshot!(board.seen(|s| s.refusals.join("\n")), @"no key: the other end does not know line key 34750f98bd59fcfc, which is this side's");
}

#[test]
fn a_client_may_come_and_go_while_the_board_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = |n: u8| folder.path().join(format!("{n}.pub"));
    let write = |n: u8| std::fs::write(file(n), format!("{}\n", key(n).public())).unwrap();
    // A folder's time has steps; two changes within one are one.
    let step = || std::thread::sleep(Duration::from_millis(50));
    write(CLIENT);
    let board = Echo::start(Clients::read(folder.path()).unwrap(), calm());
    assert!(matches!(board.connect(3, BOARD), Err(TlsError::Refused { .. })));
    step();
    write(3);
    drop(board.connect(3, BOARD).unwrap());
    step();
    std::fs::remove_file(file(3)).unwrap();
    assert!(matches!(board.connect(3, BOARD), Err(TlsError::Refused { .. })));
    board.connect(CLIENT, BOARD).unwrap();
}

#[test]
fn no_key_and_no_raw_key_are_refused() {
    let board = Echo::start(known(), calm());
    for (tried, (raw, offers)) in [(true, true), (true, false), (false, false)].into_iter().enumerate() {
        let failed = keyless(&board, raw, offers);
        println!("a client without a key that takes raw keys: {raw}, says that it has one: {offers}: {failed}");
        assert!(failed.contains(if offers { "CertificateRequired" } else { "HandshakeFailure" }), "{failed}");
        board.wait_until("it is counted", |s| s.counts.refused() == tried as u64 + 1);
    }
    assert_eq!(board.seen(|s| s.counts.let_in), 0);
}

#[test]
fn an_address_where_nobody_is() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let connect = |to: &str| {
        mtcae_tls::ClientLine::connect(to, &key(CLIENT), key(BOARD).public(), Duration::from_secs(5)).err().unwrap()
    };
    let text = connect(&free.to_string()).to_string().replace(&free.port().to_string(), "PORT");
    insta::assert_snapshot!(text, @"cannot reach 127.0.0.1:PORT: Connection refused (os error 111)");
    assert!(matches!(connect("127.0.0.1"), TlsError::Reach { .. }), "no port");
}

/// How the connection of a client that has no key of its own ends.
fn keyless(board: &Echo, raw: bool, offers: bool) -> String {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible { raw }));
    let config = if offers { config.with_client_cert_resolver(Arc::new(Empty)) } else { config.with_no_client_auth() };
    let mut tls = ClientConnection::new(Arc::new(config), ServerName::try_from("board").unwrap()).unwrap();
    let mut stream = TcpStream::connect(board.address).unwrap();
    stream.set_read_timeout(Some(common::PATIENCE)).unwrap();
    let mut bytes = [0; 16];
    match Stream::new(&mut tls, &mut stream).read(&mut bytes) {
        Ok(n) => panic!("{n} bytes came, {:?}", &bytes[..n]),
        Err(error) => error.to_string(),
    }
}

/// Says that it has a raw key, and has none.
#[derive(Debug)]
struct Empty;

impl ResolvesClientCert for Empty {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Believes every server.
#[derive(Debug)]
struct Gullible {
    raw: bool,
}

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.raw
    }
}
