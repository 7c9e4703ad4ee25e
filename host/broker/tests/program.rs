//! The program: it answers an MQTT client, passes on what another publishes, names a taken port, and ends with its starter.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

fn start(port: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mtcae-broker"));
    command.args(["--port", port]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn address(broker: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(broker.stdout.take().unwrap()).read_line(&mut line).unwrap();
    line.trim().strip_prefix("listening on ").expect("an address").to_owned()
}

/// A session by the bytes of the standard (MQTT 3.1.1, section 3.1): clean, no account, no will.
fn session(address: &str, name: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut packet = vec![0x10, 12 + name.len() as u8, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, name.len() as u8];
    packet.extend(name.as_bytes());
    stream.write_all(&packet).unwrap();
    assert_eq!(take::<4>(&mut stream), [0x20, 2, 0, 0], "accepted, no earlier session");
    stream
}

fn take<const N: usize>(stream: &mut TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

fn wait(broker: &mut Child) -> bool {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = broker.try_wait().unwrap() {
            return status.success();
        }
        assert!(Instant::now() < end, "it does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn one_client_hears_another_and_everything_ends_with_the_starter() {
    let mut broker = start("0");
    let address = address(&mut broker);
    let mut ears = session(&address, "ears");
    ears.write_all(&[0x82, 6, 0, 1, 0, 1, b'#', 0]).unwrap();
    assert_eq!(take::<5>(&mut ears), [0x90, 3, 0, 1, 0], "subscribed at QoS 0");
    let mut mouth = session(&address, "mouth");
    mouth.write_all(&[0x30, 6, 0, 1, b't', b'f', b'o', b'o']).unwrap();
    assert_eq!(take::<8>(&mut ears), [0x30, 6, 0, 1, b't', b'f', b'o', b'o']);
    // Kept for one who comes later.
    mouth.write_all(&[0x31, 5, 0, 1, b'r', b'h', b'i']).unwrap();
    take::<7>(&mut ears);
    let mut late = session(&address, "late");
    late.write_all(&[0x82, 6, 0, 1, 0, 1, b'r', 0]).unwrap();
    assert_eq!(take::<5>(&mut late), [0x90, 3, 0, 1, 0]);
    assert_eq!(take::<7>(&mut late)[2..], [0, 1, b'r', b'h', b'i']);
    assert!(broker.try_wait().unwrap().is_none());
    drop(broker.stdin.take());
    assert!(wait(&mut broker));
}

#[test]
fn a_taken_port_is_named() {
    let mut first = start("0");
    let address = address(&mut first);
    let second = start(address.rsplit(':').next().unwrap()).wait_with_output().unwrap();
    let text = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(text.contains(&address) && text.contains("give another port, or 0"), "{text}");
    drop(first.stdin.take());
    assert!(wait(&mut first));
}
