//! What a slot holds, written into it once all of it was read back.

use crate::digest::Digest;
use crate::frame::{decode, encode};
use crate::slot::folder;
use crate::store::{read_small, replace_small};
use crate::{Kind, Part, Slot, Store, StoreError, UpdateError};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const MAGIC: [u8; 4] = *b"MTL1";
const NAME: &str = "seal";
const TEMPORARY: &str = "seal.new";
/// What a slot of an update of one kind runs with. It is one of the parts that the seal names, so that whoever knows of no such
/// file, an older launcher, reads the seal all the same.
const PARTNER: &str = "seal.with";
const PARTNER_MAGIC: [u8; 4] = *b"MTW1";
/// Names that a part may not have.
pub(crate) const RESERVED: [&str; 3] = [NAME, TEMPORARY, PARTNER];
/// Longest seal: the most parts with the longest names.
const LIMIT: u64 = 8192;
const BLOCK: usize = 64 * 1024;

/// How closely a slot is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Its seal and the lengths of its files.
    Lengths,
    /// Its seal and every byte.
    Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seal {
    /// Of the update's plan.
    pub update: Digest,
    /// Rises with each update of this board.
    pub sequence: u64,
    /// The kinds that the update filled; without each of them it is not whole.
    pub kinds: Vec<Kind>,
    pub version: String,
    /// SHA-256 of the file it came in.
    pub origin: Digest,
    pub counter: u64,
    /// Of this slot.
    pub parts: Vec<Part>,
}

fn path(kind: Kind, slot: Slot, name: &str) -> String {
    format!("{}/{name}", folder(kind, slot))
}

/// Writes the seal of a slot; its digest.
pub(crate) fn write<S: Store>(store: &mut S, kind: Kind, slot: Slot, seal: &Seal) -> Result<Digest, StoreError> {
    let bytes = encode(MAGIC, seal);
    replace_small(store, folder(kind, slot), NAME, TEMPORARY, &bytes)?;
    Ok(Digest::of(&bytes))
}

/// Writes that what is in a slot runs with the slot of the other kind whose seal has the digest `partner`; the part that the seal
/// of the first is to name. It is durable before the seal is.
pub(crate) fn write_partner<S: Store>(
    store: &mut S,
    kind: Kind,
    slot: Slot,
    partner: Digest,
) -> Result<Part, StoreError> {
    let bytes = encode(PARTNER_MAGIC, &partner);
    replace_small(store, folder(kind, slot), PARTNER, TEMPORARY, &bytes)?;
    Ok(Part { kind, name: PARTNER.to_owned(), len: bytes.len() as u64, sha256: Digest::of(&bytes) })
}

/// The digest of the seal that what is in a slot runs with; `None` for an update of both kinds, and for one of older firmware.
pub(crate) fn partner<S: Store>(
    store: &mut S,
    kind: Kind,
    slot: Slot,
    seal: &Seal,
) -> Result<Option<Digest>, StoreError> {
    if seal.parts.iter().all(|part| part.name != PARTNER) {
        return Ok(None);
    }
    let bytes = read_small(store, &path(kind, slot, PARTNER), LIMIT)?;
    Ok(bytes.and_then(|bytes| decode(PARTNER_MAGIC, &bytes).ok()))
}

/// The seal of a slot and its digest; `None` when there is none that is whole.
pub(crate) fn read<S: Store>(store: &mut S, kind: Kind, slot: Slot) -> Result<Option<(Seal, Digest)>, StoreError> {
    let Some(bytes) = read_small(store, &path(kind, slot, NAME), LIMIT)? else { return Ok(None) };
    Ok(decode(MAGIC, &bytes).ok().map(|seal| (seal, Digest::of(&bytes))))
}

/// What is wrong with a slot that should have the seal `expected`; `None` when it is whole.
pub(crate) fn fault<S: Store>(
    store: &mut S,
    kind: Kind,
    slot: Slot,
    expected: Option<Digest>,
    depth: Depth,
) -> Result<Option<String>, StoreError> {
    let name = folder(kind, slot);
    let Some(expected) = expected else { return Ok(Some(format!("{name} holds nothing whole"))) };
    match read(store, kind, slot)? {
        Some((seal, digest)) if digest == expected => {
            let wrong = wrong_part(store, kind, slot, &seal.parts, depth)?;
            Ok(wrong.map(|part| format!("{part} is not what was installed")))
        }
        _ => Ok(Some(format!("{name}/{NAME} is missing or not the one of its version"))),
    }
}

/// Path of the first of `parts` that is not what it should be.
pub(crate) fn wrong_part<S: Store>(
    store: &mut S,
    kind: Kind,
    slot: Slot,
    parts: &[Part],
    depth: Depth,
) -> Result<Option<String>, StoreError> {
    for part in parts {
        let path = path(kind, slot, &part.name);
        let long = store.len(&path)? == Some(part.len);
        if !long || (depth == Depth::Bytes && digest_of(store, &path, part.len)? != part.sha256) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// SHA-256 of the first `len` bytes of a file.
pub(crate) fn digest_of<S: Store>(store: &mut S, path: &str, len: u64) -> Result<Digest, StoreError> {
    let mut hasher = Sha256::new();
    let mut block = vec![0; BLOCK.min(len as usize)];
    let mut at = 0;
    while at < len {
        let want = BLOCK.min((len - at) as usize);
        let got = store.read(path, at, &mut block[..want])?;
        if got == 0 {
            break;
        }
        hasher.update(&block[..got]);
        at += got as u64;
    }
    Ok(Digest::finish(hasher))
}

/// The seals of a pair, for those who ask what runs.
pub(crate) fn counter<S: Store>(store: &mut S, kind: Kind, slot: Slot) -> Result<u64, UpdateError> {
    match read(store, kind, slot)? {
        Some((seal, _)) => Ok(seal.counter),
        None => Err(UpdateError::NoWayBack { why: format!("{} has no seal", folder(kind, slot)) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::SimStore;

    /// A seal as firmware before `seal.with` wrote it: version 1.0, a model of one byte.
    const BEFORE: &str = "4d544c31\
        0101010101010101010101010101010101010101010101010101010101010101\
        ac020100\
        03312e30\
        0303030303030303030303030303030303030303030303030303030303030303\
        07\
        0100077765696768747301\
        0202020202020202020202020202020202020202020202020202020202020202\
        848b0ddf";

    fn seal() -> Seal {
        let part = Part { kind: Kind::Model, name: "weights".into(), len: 1, sha256: Digest([2; 32]) };
        let (version, origin) = ("1.0".to_owned(), Digest([3; 32]));
        Seal {
            update: Digest([1; 32]),
            sequence: 300,
            kinds: vec![Kind::Model],
            version,
            origin,
            counter: 7,
            parts: vec![part],
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_format_is_that_of_every_launcher_so_far() {
        let mut store = SimStore::new(1);
        let digest = write(&mut store, Kind::Model, Slot::B, &seal()).unwrap();
        assert_eq!(hex(store.bytes("model-b/seal").unwrap()), BEFORE);
        assert_eq!(read(&mut store, Kind::Model, Slot::B).unwrap(), Some((seal(), digest)));
        assert_eq!(partner(&mut store, Kind::Model, Slot::B, &seal()).unwrap(), None);
    }

    #[test]
    fn what_a_slot_runs_with_is_one_of_its_parts() {
        let mut store = SimStore::new(1);
        let part = write_partner(&mut store, Kind::Model, Slot::B, Digest([9; 32])).unwrap();
        let mut seal = seal();
        seal.parts = vec![part];
        write(&mut store, Kind::Model, Slot::B, &seal).unwrap();
        let (found, digest) = read(&mut store, Kind::Model, Slot::B).unwrap().unwrap();
        assert_eq!(partner(&mut store, Kind::Model, Slot::B, &found).unwrap(), Some(Digest([9; 32])));
        assert_eq!(fault(&mut store, Kind::Model, Slot::B, Some(digest), Depth::Bytes), Ok(None));
        store.spoil("model-b/seal.with", |bytes| bytes[5] ^= 1);
        let wrong = fault(&mut store, Kind::Model, Slot::B, Some(digest), Depth::Bytes).unwrap();
        assert_eq!(wrong.as_deref(), Some("model-b/seal.with is not what was installed"));
    }
}
