//! How small structures lie on the medium: 4 bytes that name the format, a postcard message, its CRC-32.

use crc::{CRC_32_ISO_HDLC, Crc};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

pub(crate) fn encode<T: Serialize>(magic: [u8; 4], value: &T) -> Vec<u8> {
    // Into memory, and of types whose lengths are known: nothing in it can fail.
    let body = postcard::to_allocvec(value).unwrap_or_default();
    let mut bytes = magic.to_vec();
    bytes.extend(body);
    let crc = CRC.checksum(&bytes);
    bytes.extend(crc.to_le_bytes());
    bytes
}

/// The value, or what is wrong with the bytes.
pub(crate) fn decode<T: DeserializeOwned>(magic: [u8; 4], bytes: &[u8]) -> Result<T, &'static str> {
    let (rest, crc) = bytes.split_last_chunk::<4>().ok_or("too short")?;
    let body = rest.strip_prefix(&magic[..]).ok_or("another format")?;
    if CRC.checksum(rest) != u32::from_le_bytes(*crc) {
        return Err("wrong checksum");
    }
    let (value, left) = postcard::take_from_bytes(body).map_err(|_| "another content")?;
    if left.is_empty() { Ok(value) } else { Err("bytes left over") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_bit_and_every_cut_is_noticed() {
        let good = encode(*b"TEST", &(7_u64, vec![1_u8, 2, 3]));
        assert_eq!(decode::<(u64, Vec<u8>)>(*b"TEST", &good), Ok((7, vec![1, 2, 3])));
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode::<(u64, Vec<u8>)>(*b"TEST", &bad).is_err(), "bit {bit}");
        }
        for len in 0..good.len() {
            assert!(decode::<(u64, Vec<u8>)>(*b"TEST", &good[..len]).is_err(), "{len} bytes");
        }
        assert_eq!(decode::<(u64, Vec<u8>)>(*b"ELSE", &good), Err("another format"));
    }
}
