//! Names as numbers.

use sha2::{Digest, Sha256};

/// What a shard keeps of a person's name: the first 8 bytes, little endian, of its SHA-256.
pub fn subject_hash(name: &str) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&Sha256::digest(name.as_bytes())[..8]);
    u64::from_le_bytes(first)
}

/// 32 hexadecimal digits that only `what` decides.
pub(crate) fn fingerprint(what: impl AsRef<[u8]>) -> String {
    Sha256::digest(what.as_ref())[..16].iter().map(|b| format!("{b:02x}")).collect()
}
