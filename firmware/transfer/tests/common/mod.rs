//! A host, a board and the line between them, in simulated time.
#![allow(dead_code, reason = "each test file takes what it needs")]

pub mod dice;
pub mod disk;
pub mod line;
pub mod world;

use dice::Dice;
use mtcae_wire::{Offer, Text};
use sha2::{Digest, Sha256};

/// A file of random bytes, and its offer.
pub fn file(dice: &mut Dice, length: usize) -> (Vec<u8>, Offer) {
    let bytes: Vec<u8> = (0..length).map(|_| dice.next() as u8).collect();
    let offer = offer_of(&bytes);
    (bytes, offer)
}

pub fn offer_of(bytes: &[u8]) -> Offer {
    Offer {
        length: bytes.len() as u64,
        sha256: Sha256::digest(bytes).into(),
        name: "mtcae-edge".into(),
        version: "1.4.0".into(),
        security_counter: 3,
        families: [Text::new("pc")].into_iter().collect(),
    }
}
