//! Chunks that came before their turn.

use crate::WINDOW;
use mtcae_wire::CHUNK;

const PLACES: usize = WINDOW as usize;

/// Holds the chunks of one window beyond the first missing one, 128 KiB at most.
pub(crate) struct Ahead {
    bytes: Box<[[u8; CHUNK]]>,
    /// Bit `i` is chunk `first missing + 1 + i`.
    later: u128,
}

impl Ahead {
    pub fn new() -> Ahead {
        Ahead { bytes: vec![[0; CHUNK]; PLACES].into_boxed_slice(), later: 0 }
    }

    /// Which are there: bit `i` is chunk `first missing + 1 + i`.
    pub fn later(&self) -> u128 {
        self.later
    }

    /// Keeps chunk `index`, which lies at most [`WINDOW`] beyond `missing`; false when it is there already.
    pub fn put(&mut self, missing: u32, index: u32, data: &[u8]) -> bool {
        let bit = 1 << (index - missing - 1);
        let new = self.later & bit == 0;
        if new {
            self.bytes[index as usize % PLACES][..data.len()].copy_from_slice(data);
            self.later |= bit;
        }
        new
    }

    /// Goes on to the next chunk as the first missing one; its bytes (of a whole chunk), when it is there.
    pub fn advance(&mut self, next: u32) -> Option<&[u8; CHUNK]> {
        let there = self.later & 1 == 1;
        self.later >>= 1;
        there.then(|| &self.bytes[next as usize % PLACES])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_come_out_in_their_turn() {
        let mut ahead = Ahead::new();
        assert!(ahead.put(10, 12, &[2; 8]));
        assert!(ahead.put(10, 10 + 128, &[9; CHUNK]));
        assert!(!ahead.put(10, 12, &[3; 8]));
        assert_eq!(ahead.later(), 0b10 | 1 << 127);
        assert_eq!(ahead.advance(11), None);
        assert_eq!(ahead.advance(12).map(|bytes| bytes[..8].to_vec()), Some(vec![2; 8]));
        assert!((13..138).all(|next| ahead.advance(next).is_none()));
        assert_eq!(ahead.advance(138), Some(&[9; CHUNK]));
        assert_eq!(ahead.later(), 0);
    }
}
