//! Data at rest: sealed streams open for their recipients alone, and never without a log entry.

mod common;

use common::*;
use mtcae_bundle::*;
use proptest::prelude::*;
use std::io::{self, Read};

fn sealed(plain: &[u8], recipients: &[Recipient]) -> Vec<u8> {
    let mut sealed = Vec::new();
    assert_eq!(seal(&mut &*plain, &mut sealed, recipients).unwrap(), plain.len() as u64);
    sealed
}

/// Opens and reads to the end.
fn opened(sealed: &[u8], keys: &[DeviceKey]) -> Result<(Vec<u8>, Vec<RecipientId>), SealError> {
    let mut log = Vec::new();
    let mut plain = Vec::new();
    open(sealed, "shard", keys, &mut |opening| {
        log.push(opening.key);
        Ok(())
    })?
    .read_to_end(&mut plain)?;
    Ok((plain, log))
}

#[test]
fn the_key_that_opened_is_the_one_logged() {
    let keys: Vec<DeviceKey> = (0..3).map(|_| DeviceKey::generate().unwrap()).collect();
    let id = |n: usize| keys[n].recipient().id();
    let bytes = sealed(b"faces", &[keys[1].recipient(), keys[2].recipient()]);
    assert_eq!(opened(&bytes, &keys).unwrap(), (b"faces".to_vec(), vec![id(1)]));
    let reversed: Vec<DeviceKey> = keys.iter().rev().cloned().collect();
    assert_eq!(opened(&bytes, &reversed).unwrap().1, [id(2)]);
    let error = opened(&bytes, &keys[..1]).unwrap_err().to_string();
    insta::assert_snapshot!(error.replace(&id(0).to_string(), "KEY"), @"none of the keys opens it; keys at hand: KEY");
}

#[test]
fn what_cannot_be_logged_stays_shut() {
    let key = DeviceKey::generate().unwrap();
    let bytes = sealed(b"faces", &[key.recipient()]);
    let refused = open(bytes.as_slice(), "shard", &[key], &mut |opening| {
        assert_eq!(opening.what, "shard");
        Err(io::ErrorKind::StorageFull.into())
    });
    insta::assert_snapshot!(refused.err().unwrap(), @"not opened, because the opening could not be logged: no storage space");
}

#[test]
fn recipients_are_counted() {
    let one = DeviceKey::generate().unwrap().recipient();
    let refused = |recipients: &[Recipient]| seal(&mut &b"x"[..], &mut io::sink(), recipients).unwrap_err().to_string();
    insta::assert_snapshot!(refused(&[]), @"0 recipient(s); accepted: 1 to 32 different ones");
    insta::assert_snapshot!(refused(&[one.clone(), one]), @"2 recipient(s); accepted: 1 to 32 different ones");
}

#[test]
fn every_flip_and_every_cut_of_a_sealed_stream_is_found_out() {
    let key = DeviceKey::from_secret_text(DEVICE_KEY).unwrap();
    let plain = weights(300, 4);
    let bytes = sealed(&plain, &[key.recipient()]);
    let keys = [key];
    let (mut flips, mut cuts) = (0, 0);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            assert!(opened(&changed, &keys).is_err(), "byte {at}, bit {bit}");
            flips += 1;
        }
        assert!(opened(&bytes[..at], &keys).is_err(), "cut at {at}");
        cuts += 1;
    }
    assert!(opened(&[bytes.as_slice(), b"x"].concat(), &keys).is_err(), "a byte too many");
    println!("sealed stream: {flips} flips and {cuts} cuts refused");
    assert!(flips >= 4000 && cuts >= 500);
}

/// An age header that never ends must not fill the memory.
#[test]
fn an_endless_header_ends() {
    let key = DeviceKey::from_secret_text(DEVICE_KEY).unwrap();
    let start = b"age-encryption.org/v1\n";
    let endless = start.chain(Repeating { text: b"-> X25519 a\n\n", at: 0, given: 0 });
    let refused = open(endless, "shard", &[key], &mut |_| panic!("nothing was opened"));
    insta::assert_snapshot!(refused.err().unwrap(), @"not a sealed file, or a damaged one: its header is longer than 65536 bytes");
}

struct Repeating {
    text: &'static [u8],
    at: usize,
    given: usize,
}

impl Read for Repeating {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for byte in buffer.iter_mut() {
            *byte = self.text[self.at];
            self.at = (self.at + 1) % self.text.len();
        }
        self.given += buffer.len();
        assert!(self.given < 1 << 20, "read on for {} bytes", self.given);
        Ok(buffer.len())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn streams_round_trip(plain in prop::collection::vec(any::<u8>(), 0..200_000)) {
        let key = DeviceKey::from_secret_text(DEVICE_KEY).unwrap();
        let bytes = sealed(&plain, &[key.recipient()]);
        prop_assert_eq!(opened(&bytes, &[key]).unwrap().0, plain);
    }
}
