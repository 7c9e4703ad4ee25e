//! Whose signature counts: trusted keys, and rotations that replace them.

use crate::digest::{bytes_from_hex, hex};
use crate::limits::MAX_TRUSTED_KEYS;
use crate::{KeyError, KeyId, PublicKey, SIGNATURE_LEN, SigningKey};
use serde::Serialize;
use std::{fmt, str::FromStr};

const PREFIX: &str = "mtcae-rotation-v1";
const PURPOSE: &str = "key rotation v1";

/// The old key's word that a new one takes its place. A value of this type carries a signature that was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    old: PublicKey,
    new: PublicKey,
    from_counter: u32,
    signature: [u8; SIGNATURE_LEN],
}

impl Rotation {
    /// Has `old` introduce `new`. Bundles with a security counter of `from_counter` or more no longer count as signed
    /// when only `old` signed them.
    ///
    /// # Errors
    /// When both are the same key.
    pub fn sign(old: &SigningKey, new: PublicKey, from_counter: u32) -> Result<Rotation, KeyError> {
        let signature = old.sign(PURPOSE, &message(&old.public(), &new, from_counter));
        Rotation::checked(old.public(), new, from_counter, signature)
    }

    fn checked(
        old: PublicKey,
        new: PublicKey,
        from_counter: u32,
        signature: [u8; SIGNATURE_LEN],
    ) -> Result<Rotation, KeyError> {
        let refuse = |reason: &str| Err(KeyError::Rotation { reason: reason.to_owned() });
        if old == new {
            return refuse("old and new key are the same");
        }
        if !old.verifies(PURPOSE, &message(&old, &new, from_counter), &signature) {
            return refuse("the old key's signature does not fit");
        }
        Ok(Rotation { old, new, from_counter, signature })
    }

    /// The key that is replaced.
    pub fn old(&self) -> PublicKey {
        self.old
    }

    /// The key that takes its place.
    pub fn new_key(&self) -> PublicKey {
        self.new
    }

    /// First security counter the old key no longer counts for.
    pub fn from_counter(&self) -> u32 {
        self.from_counter
    }
}

fn message(old: &PublicKey, new: &PublicKey, from_counter: u32) -> Vec<u8> {
    [old.as_bytes().as_slice(), new.as_bytes(), &from_counter.to_le_bytes()].concat()
}

impl fmt::Display for Rotation {
    /// The one line of a rotation file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [old, new] = [self.old, self.new].map(|key| hex(key.as_bytes()));
        write!(f, "{PREFIX}:{old}:{new}:{}:{}", self.from_counter, hex(&self.signature))
    }
}

impl FromStr for Rotation {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let fields: Vec<&str> = text.trim_end().split(':').collect();
        let [PREFIX, old, new, counter, signature] = fields[..] else {
            return Err(KeyError::Rotation { reason: format!("it is not {PREFIX}:OLD:NEW:COUNTER:SIGNATURE") });
        };
        let field = |name: &str| KeyError::Rotation { reason: format!("its {name} is malformed") };
        let key = |digits: &str, name| PublicKey::from_bytes(&bytes_from_hex(digits).ok_or_else(|| field(name))?);
        let (old, new) = (key(old, "old key")?, key(new, "new key")?);
        let from_counter: u32 = counter.parse().map_err(|_| field("counter"))?;
        if from_counter.to_string() != counter {
            return Err(field("counter"));
        }
        Rotation::checked(old, new, from_counter, bytes_from_hex(signature).ok_or_else(|| field("signature"))?)
    }
}

/// What a key's signature is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It counts.
    Trusted,
    /// It counted before a rotation.
    Retired,
    /// It never counted.
    Unknown,
}

/// The keys whose signature counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    keys: Vec<TrustedKey>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TrustedKey {
    key: PublicKey,
    retired_by: Option<Rotation>,
}

impl Trust {
    /// Trusts nobody: for looking at a bundle. No [`Reader`](crate::Reader) opens with it.
    pub fn nobody() -> Trust {
        Trust { keys: Vec::new() }
    }

    /// Trusts `keys`.
    ///
    /// # Errors
    /// When there are none, more than [`MAX_TRUSTED_KEYS`], or the same one twice.
    pub fn new(keys: &[PublicKey]) -> Result<Trust, KeyError> {
        let twice = keys.iter().enumerate().any(|(i, key)| keys[..i].contains(key));
        if keys.is_empty() || keys.len() > MAX_TRUSTED_KEYS || twice {
            return Err(KeyError::Count { found: keys.len(), limit: MAX_TRUSTED_KEYS });
        }
        Ok(Trust { keys: keys.iter().map(|&key| TrustedKey { key, retired_by: None }).collect() })
    }

    /// The same with `rotations` applied, whatever their order. The new key of one may be trusted already: somebody who brings
    /// the key brings no rotation.
    ///
    /// # Errors
    /// When one starts from a key that is neither trusted nor introduced by another of them, when two contradict each
    /// other, when some lead in a circle, or when there are too many keys then.
    pub fn rotated(mut self, rotations: &[Rotation]) -> Result<Trust, KeyError> {
        let mut open: Vec<&Rotation> = rotations.iter().collect();
        while let Some(&first) = open.first() {
            let startable = open.iter().position(|r| self.keys.iter().any(|known| known.key == r.old));
            let Some(next) = startable else {
                let [old, new] = [first.old, first.new].map(|key| key.id().to_string());
                return Err(KeyError::UnknownOldKey { old, new, trusted: self.names() });
            };
            let rotation = *open.remove(next);
            self.apply(rotation)?;
        }
        Ok(self)
    }

    fn apply(&mut self, rotation: Rotation) -> Result<(), KeyError> {
        let [old_id, new_id] = [rotation.old, rotation.new].map(|key| key.id().to_string());
        let conflict = |reason: String| KeyError::Conflict { old: old_id.clone(), new: new_id.clone(), reason };
        let Some(at) = self.keys.iter().position(|known| known.key == rotation.old) else { return Ok(()) };
        match self.keys[at].retired_by {
            Some(before) if before == rotation => return Ok(()),
            Some(before) => {
                let (from, to) = (before.from_counter, before.new.id());
                return Err(conflict(format!("{old_id} was replaced by {to} for security counters from {from}")));
            }
            None => {}
        }
        if self.leads_to(rotation.new, rotation.old) {
            return Err(conflict(format!("{new_id} was trusted before")));
        }
        if self.find(rotation.new.as_bytes()).is_none() {
            if self.keys.len() >= MAX_TRUSTED_KEYS {
                return Err(KeyError::Count { found: self.keys.len() + 1, limit: MAX_TRUSTED_KEYS });
            }
            self.keys.push(TrustedKey { key: rotation.new, retired_by: None });
        }
        self.keys[at].retired_by = Some(rotation);
        Ok(())
    }

    /// Whether `to` has taken the place of `from`, or of a key that has. It ends, as no rotation that closes a circle gets in.
    fn leads_to(&self, mut from: PublicKey, to: PublicKey) -> bool {
        while let Some(rotation) = self.find(from.as_bytes()).and_then(|known| known.retired_by) {
            if rotation.new == to {
                return true;
            }
            from = rotation.new;
        }
        false
    }

    /// What a signature by the key with these bytes is worth on a bundle with security counter `counter`.
    pub fn standing(&self, public: &[u8; 32], counter: u32) -> Standing {
        match self.find(public) {
            None => Standing::Unknown,
            Some(TrustedKey { retired_by: Some(rotation), .. }) if counter >= rotation.from_counter => {
                Standing::Retired
            }
            Some(_) => Standing::Trusted,
        }
    }

    fn find(&self, public: &[u8; 32]) -> Option<&TrustedKey> {
        self.keys.iter().find(|known| known.key.as_bytes() == public)
    }

    /// Whether the key ever counted.
    pub(crate) fn knows(&self, public: &[u8; 32]) -> bool {
        self.find(public).is_some()
    }

    /// First counter the key no longer counts for.
    pub(crate) fn retired_from(&self, public: &[u8; 32]) -> Option<u32> {
        self.find(public)?.retired_by.map(|rotation| rotation.from_counter)
    }

    /// The ids of all keys, for messages.
    pub(crate) fn names(&self) -> String {
        if self.keys.is_empty() {
            return "nobody".to_owned();
        }
        self.keys.iter().map(|known| known.key.id().to_string()).collect::<Vec<_>>().join(", ")
    }

    /// The ids of all keys, retired ones included.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.keys.iter().map(|known| known.key.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> SigningKey {
        SigningKey::from_seed(&[n; 32])
    }

    fn rotation(old: u8, new: u8, from: u32) -> Rotation {
        Rotation::sign(&key(old), key(new).public(), from).unwrap()
    }

    fn standing(trust: &Trust, n: u8, counter: u32) -> Standing {
        trust.standing(key(n).public().as_bytes(), counter)
    }

    #[test]
    fn the_new_key_counts_and_the_old_one_no_longer() {
        let trust = Trust::new(&[key(1).public()]).unwrap();
        assert_eq!(standing(&trust, 2, 0), Standing::Unknown);
        let trust = trust.rotated(&[rotation(1, 2, 5)]).unwrap();
        for (n, counter, expected) in [
            (1, 4, Standing::Trusted),
            (1, 5, Standing::Retired),
            (2, 0, Standing::Trusted),
            (2, 9, Standing::Trusted),
            (3, 0, Standing::Unknown),
        ] {
            assert_eq!(standing(&trust, n, counter), expected, "key {n}, counter {counter}");
        }
    }

    #[test]
    fn chains_work_in_any_order_and_twice() {
        let chain = [rotation(1, 2, 5), rotation(2, 3, 9), rotation(1, 2, 5)];
        let start = Trust::new(&[key(1).public()]).unwrap();
        let forward = start.clone().rotated(&chain).unwrap();
        let backward = start.rotated(&[chain[1], chain[0]]).unwrap();
        assert_eq!(forward, backward);
        assert_eq!((standing(&forward, 2, 9), standing(&forward, 3, 9)), (Standing::Retired, Standing::Trusted));
    }

    #[test]
    fn a_rotation_to_a_key_that_is_trusted_already_retires_the_old_one() {
        let public = |n| key(n).public();
        let keys = [public(1), public(2)];
        let trust = Trust::new(&keys).unwrap().rotated(&[rotation(1, 2, 5)]).unwrap();
        assert_eq!((standing(&trust, 1, 5), standing(&trust, 2, 5)), (Standing::Retired, Standing::Trusted));
        // The same when the new key is itself replaced, whichever of the two is read first.
        for chain in [[rotation(1, 2, 5), rotation(2, 3, 9)], [rotation(2, 3, 9), rotation(1, 2, 5)]] {
            let trust = Trust::new(&keys).unwrap().rotated(&chain).unwrap();
            let worth = [1, 2, 3].map(|n| standing(&trust, n, 9));
            assert_eq!(worth, [Standing::Retired, Standing::Retired, Standing::Trusted]);
        }
        let full: Vec<PublicKey> = (1..=MAX_TRUSTED_KEYS as u8).map(public).collect();
        let full = Trust::new(&full).unwrap();
        assert!(full.clone().rotated(&[rotation(1, 2, 5)]).is_ok(), "it brings no key more");
        assert!(matches!(full.rotated(&[rotation(1, 99, 5)]), Err(KeyError::Count { .. })));
    }

    #[test]
    fn rotations_in_a_circle_are_refused_wherever_one_begins() {
        let circle = [rotation(1, 2, 5), rotation(2, 3, 6), rotation(3, 1, 7)];
        for known in 1..=3_u8 {
            let keys: Vec<PublicKey> = (1..=known).map(|n| key(n).public()).collect();
            for first in 0..3 {
                let mut rotations = circle;
                rotations.rotate_left(first);
                let error = Trust::new(&keys).unwrap().rotated(&rotations).unwrap_err();
                assert!(matches!(error, KeyError::Conflict { .. }), "{error}");
            }
        }
    }

    #[test]
    fn strangers_and_contradictions_are_refused() {
        let start = || Trust::new(&[key(1).public()]).unwrap();
        let refusal = |rotations: &[Rotation]| start().rotated(rotations).unwrap_err().to_string();
        insta::assert_snapshot!(refusal(&[rotation(3, 2, 0)]), @"the rotation from b62e867fa2f33afe to 6a3803d5f059902a does not start from a trusted key; trusted: 34750f98bd59fcfc");
        insta::assert_snapshot!(refusal(&[rotation(1, 2, 5), rotation(1, 3, 5)]), @"the rotation from 34750f98bd59fcfc to b62e867fa2f33afe contradicts another: 34750f98bd59fcfc was replaced by 6a3803d5f059902a for security counters from 5; remove the wrong one");
        insta::assert_snapshot!(refusal(&[rotation(1, 2, 5), rotation(2, 1, 6)]), @"the rotation from 6a3803d5f059902a to 34750f98bd59fcfc contradicts another: 34750f98bd59fcfc was trusted before; remove the wrong one");
        assert!(Rotation::sign(&key(1), key(1).public(), 0).is_err());
        assert!(matches!(Trust::new(&[]), Err(KeyError::Count { found: 0, .. })));
        assert!(matches!(Trust::new(&[key(1).public(); 2]), Err(KeyError::Count { found: 2, .. })));
        assert_eq!(standing(&Trust::nobody(), 1, 0), Standing::Unknown);
        let refusal = Trust::nobody().rotated(&[rotation(1, 2, 0)]).unwrap_err().to_string();
        assert!(refusal.ends_with("does not start from a trusted key; trusted: nobody"), "{refusal}");
    }

    #[test]
    fn every_changed_character_of_a_rotation_is_refused() {
        let text = rotation(1, 2, 50).to_string();
        assert_eq!(format!("{text}\n").parse::<Rotation>().unwrap(), rotation(1, 2, 50));
        let mut refused = 0;
        for at in 0..text.len() {
            for other in [b'0', b'9', b'a', b'F', b':', b' '] {
                let mut changed = text.clone().into_bytes();
                if changed[at] != other {
                    changed[at] = other;
                    let changed = String::from_utf8(changed).unwrap();
                    assert!(changed.parse::<Rotation>().is_err(), "{changed}");
                    refused += 1;
                }
            }
        }
        println!("{refused} changed rotations refused");
        assert!(refused >= 1500, "fewer changes tried: {refused}");
        let error = text.replace(":50:", ":050:").parse::<Rotation>().unwrap_err();
        insta::assert_snapshot!(error, @"not a rotation: its counter is malformed; accepted: the one line that `mtcae keys rotate` writes");
    }
}
