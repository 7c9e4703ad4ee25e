//! Hears what a broker passes on: as much of MQTT 3.1.1 as that takes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Types of packets, in the upper half of their first byte.
const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
const SUBACK: u8 = 9;
/// Longest packet that is taken, bytes.
const LONGEST: usize = 1 << 20;
/// How long the broker may take to answer, and the subscriber to write.
const ANSWER: Duration = Duration::from_secs(10);

/// A message that a broker passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// Its topic.
    pub topic: String,
    /// Its content.
    pub payload: Vec<u8>,
}

/// Somebody who has subscribed to everything below a topic.
pub struct Subscriber {
    line: TcpStream,
    packets: Packets,
}

impl Subscriber {
    /// Connects to the broker at `address` and subscribes to `filter`, at most once each.
    ///
    /// # Errors
    /// When the broker does not answer, or refuses.
    pub fn new(address: SocketAddr, filter: &str) -> io::Result<Subscriber> {
        let line = TcpStream::connect(address)?;
        line.set_write_timeout(Some(ANSWER))?;
        let mut subscriber = Subscriber { line, packets: Packets::default() };
        // Version 4 of the protocol, a clean session, a sign of life every 18 hours; not every broker takes none, or no name.
        subscriber.say(0x10, &[&text("MQTT")[..], &[4, 2, 0xff, 0xff], &text("mtcae-hil")].concat())?;
        subscriber.answer(CONNACK)?;
        subscriber.say(0x82, &[&[0, 1], &text(filter)[..], &[0]].concat())?;
        subscriber.answer(SUBACK)?;
        Ok(subscriber)
    }

    /// The next message within `wait`.
    ///
    /// # Errors
    /// When the broker is gone, or says something that is no MQTT.
    pub fn next(&mut self, wait: Duration) -> io::Result<Option<Passed>> {
        let end = Instant::now() + wait;
        loop {
            match self.packet(end)? {
                Some((kind, body)) if kind >> 4 == PUBLISH => return message(kind, &body).map(Some),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    fn say(&mut self, kind: u8, body: &[u8]) -> io::Result<()> {
        // What is said here is shorter than 128 bytes.
        let length = u8::try_from(body.len()).ok().filter(|length| *length < 128);
        let length = length.ok_or_else(|| wrong("a filter that long is not sent"))?;
        self.line.write_all(&[&[kind, length], body].concat())
    }

    fn answer(&mut self, kind: u8) -> io::Result<()> {
        let end = Instant::now() + ANSWER;
        while let Some((found, body)) = self.packet(end)? {
            // Both say in their last byte whether they agree.
            if found >> 4 == kind {
                return if body.last() == Some(&0) { Ok(()) } else { Err(wrong("the broker refuses")) };
            }
        }
        Err(ErrorKind::TimedOut.into())
    }

    fn packet(&mut self, end: Instant) -> io::Result<Option<(u8, Vec<u8>)>> {
        let mut bytes = [0; 4096];
        loop {
            if let Some(packet) = self.packets.take()? {
                return Ok(Some(packet));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.line.set_read_timeout(Some(left))?;
            match self.line.read(&mut bytes) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.packets.feed(&bytes[..count]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
                Err(e) => return Err(e),
            }
        }
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what.to_owned())
}

/// A text behind its length.
fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat()
}

/// Bytes as they come, and the packets in them.
#[derive(Default)]
struct Packets(Vec<u8>);

impl Packets {
    fn feed(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next packet, once it is whole: its first byte, and what is behind its length.
    fn take(&mut self) -> io::Result<Option<(u8, Vec<u8>)>> {
        let (mut length, mut at) = (0usize, 1);
        loop {
            let Some(byte) = self.0.get(at) else { return Ok(None) };
            length |= usize::from(byte & 0x7F) << (7 * (at - 1));
            at += 1;
            if byte & 0x80 == 0 {
                break;
            }
            if at > 4 {
                return Err(wrong("a packet's length has no end"));
            }
        }
        if length > LONGEST {
            return Err(wrong("a packet is longer than any that is expected"));
        }
        if self.0.len() < at + length {
            return Ok(None);
        }
        let rest = self.0.split_off(at + length);
        let packet = std::mem::replace(&mut self.0, rest);
        Ok(Some((packet[0], packet[at..].to_vec())))
    }
}

/// Topic and payload of a PUBLISH.
fn message(kind: u8, body: &[u8]) -> io::Result<Passed> {
    let short = || wrong("a message ends in its head");
    let length = usize::from(u16::from_be_bytes(*body.first_chunk().ok_or_else(short)?));
    let (topic, rest) = body[2..].split_at_checked(length).ok_or_else(short)?;
    // Above "at most once" a number comes before the payload.
    let payload = if kind & 0x06 == 0 { rest } else { rest.get(2..).ok_or_else(short)? };
    Ok(Passed { topic: String::from_utf8_lossy(topic).into_owned(), payload: payload.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn packets_come_in_any_pieces() {
        let long = [&[0x31, 0x85, 0x01, 0, 3][..], b"a/b", &[7; 128]].concat();
        let bytes = [&[0x20, 2, 0, 0][..], &long, &[0x32, 7, 0, 1, b'c', 0, 9, b'h', b'i']].concat();
        for piece in [1, 3, bytes.len()] {
            let (mut packets, mut found) = (Packets::default(), Vec::new());
            for bytes in bytes.chunks(piece) {
                packets.feed(bytes);
                while let Some(packet) = packets.take().unwrap() {
                    found.push(packet);
                }
            }
            assert_eq!(found.len(), 3, "{piece}");
            let kept = message(found[1].0, &found[1].1).unwrap();
            assert_eq!((kept.topic.as_str(), kept.payload.len()), ("a/b", 128));
            let counted = message(found[2].0, &found[2].1).unwrap();
            assert_eq!(counted, Passed { topic: "c".to_owned(), payload: b"hi".to_vec() });
        }
    }

    #[test]
    fn what_is_no_mqtt_is_refused() {
        let take = |bytes: &[u8]| {
            let mut packets = Packets::default();
            packets.feed(bytes);
            packets.take()
        };
        assert!(take(&[0x30]).unwrap().is_none() && take(&[0x30, 0x80]).unwrap().is_none());
        assert!(take(&[0x30, 0x80, 0x80, 0x80, 0x80, 1]).is_err());
        assert!(take(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F]).is_err());
        assert!(
            message(0x30, &[0]).is_err() && message(0x30, &[0, 5, b'a']).is_err() && message(0x32, &[0, 0, 1]).is_err()
        );
    }

    #[test]
    fn a_broker_that_refuses_or_goes_is_an_error() {
        let broker = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = broker.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            for answer in [&[0x20, 2, 0, 5][..], &[0x20, 2, 0, 0, 0x90, 3, 0, 1, 0, 0x30, 4, 0, 1, b't', b'p']] {
                let (mut line, _) = broker.accept().unwrap();
                let mut asked = [0; 23];
                line.read_exact(&mut asked).unwrap();
                assert_eq!(asked, *b"\x10\x15\0\x04MQTT\x04\x02\xff\xff\0\x09mtcae-hil");
                line.write_all(answer).unwrap();
                // Held until the other end has said all it has to say.
                let _ = line.read(&mut [0; 64]);
            }
        });
        assert!(Subscriber::new(address, "mtcae/#").err().unwrap().to_string().contains("refuses"));
        let mut subscriber = Subscriber::new(address, "mtcae/#").unwrap();
        let passed = subscriber.next(Duration::from_secs(10)).unwrap().unwrap();
        assert_eq!((passed.topic.as_str(), passed.payload), ("t", b"p".to_vec()));
        thread.join().unwrap();
        assert!(subscriber.next(Duration::from_secs(10)).is_err());
    }
}
