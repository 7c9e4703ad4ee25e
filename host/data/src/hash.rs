//! Names as numbers.

use mtcae_contract::Image;
use sha2::{Digest, Sha256};

/// What a shard keeps of a person's name: the first 8 bytes, little endian, of its SHA-256.
pub fn subject_hash(name: &str) -> u64 {
    first_word(Sha256::new_with_prefix(name))
}

/// What a shard keeps of the picture, or the frames, that a sample was cut from: the same number of their sizes and pixels.
pub(crate) fn picture_hash<'a>(frames: impl IntoIterator<Item = &'a Image>) -> u64 {
    let mut sha = Sha256::new();
    for frame in frames {
        sha.update(frame.width().to_le_bytes());
        sha.update(frame.height().to_le_bytes());
        sha.update(frame.rgb());
    }
    first_word(sha)
}

/// The same number of a file's bytes.
pub(crate) fn content_hash(bytes: &[u8]) -> u64 {
    first_word(Sha256::new_with_prefix(bytes))
}

fn first_word(sha: Sha256) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&sha.finalize()[..8]);
    u64::from_le_bytes(first)
}

/// 32 hexadecimal digits that only `what` decides.
pub(crate) fn fingerprint(what: impl AsRef<[u8]>) -> String {
    Sha256::digest(what.as_ref())[..16].iter().map(|b| format!("{b:02x}")).collect()
}
