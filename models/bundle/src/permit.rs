//! Leave to go below a board's security counter: signed, for one board, for some days.

use crate::digest::{bytes_from_hex, hex};
use crate::limits::{MAX_PERMIT, MAX_PERMIT_S};
use crate::{KeyId, PublicKey, SIGNATURE_LEN, SigningKey, Standing, Trust};
use std::{fmt, str::FromStr};
use thiserror::Error;

const PREFIX: &str = "mtcae-permit-v1";
const PURPOSE: &str = "downgrade permit v1";
/// First byte of the binary form.
const VERSION: u8 = 1;
/// Longest name of a board, bytes.
const MAX_DEVICE: usize = 32;
/// Bytes of the binary form without the name: version, length of the name, counter, two times, key, signature.
const FIXED: usize = 2 + 4 + 8 + 8 + 32 + SIGNATURE_LEN;
const _: () = assert!(FIXED + MAX_DEVICE == MAX_PERMIT);

/// Why a permit is not made or does not count.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PermitError {
    /// Not a permit, or changed since it was signed: get it again.
    #[error("not a permit: {reason}; accepted: what `mtcae keys permit` writes; copy it again from where it was made")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// No board has that name.
    #[error("{name:?} is no name of a board; accepted: 1 to 32 of a-z, 0-9 and -, as `board.name` in its board file")]
    Name {
        /// The name given.
        name: String,
    },
    /// Lasts no time, or too long.
    #[error("a permit of {seconds} s; accepted: 1 s to {MAX_PERMIT_S} s, which is 90 days")]
    Lasting {
        /// How long it would last.
        seconds: u64,
    },
    /// For another board.
    #[error(
        "the permit is for the board {permitted:?}; this one is {device:?}; make one for it with `mtcae keys permit --device {device}`"
    )]
    Device {
        /// The board it is for.
        permitted: String,
        /// This board.
        device: String,
    },
    /// Nobody here knows the key.
    #[error(
        "the permit is signed by {key}, which does not count here; trusted: {trusted}; have it signed with one of these"
    )]
    Untrusted {
        /// Who signed.
        key: KeyId,
        /// Ids of the keys that are trusted.
        trusted: String,
    },
    /// The key was replaced; whoever has it now may be anybody.
    #[error(
        "the permit is signed by {key}, which a rotation has replaced; have it signed with the key that took its place"
    )]
    Retired {
        /// Who signed.
        key: KeyId,
    },
    /// Nobody knows what time it is.
    #[error("a permit expires, and this board does not know what time it is; set its clock and try again")]
    NoClock,
    /// The clock cannot be right.
    #[error(
        "this board's clock is at {now_unix_s} s (Unix), and the permit was made at {made_unix_s} s; set the clock and try again"
    )]
    ClockBehind {
        /// The board's time.
        now_unix_s: u64,
        /// When the permit was made.
        made_unix_s: u64,
    },
    /// It is over.
    #[error("the permit expired at {expires_unix_s} s (Unix), {} s ago; make a new one with `mtcae keys permit`", .now_unix_s - .expires_unix_s)]
    Expired {
        /// The first second it no longer counts.
        expires_unix_s: u64,
        /// The board's time.
        now_unix_s: u64,
    },
}

/// Leave for one board to install, or go back to, a version whose security counter is lower than the board's. A value of this
/// type carries a signature that was checked; whether that counts is for [`Permit::check`] to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    device: String,
    lowest_counter: u32,
    made_unix_s: u64,
    expires_unix_s: u64,
    key: PublicKey,
    signature: [u8; SIGNATURE_LEN],
}

impl Permit {
    /// Has `key` allow the board `device` counters from `lowest_counter` on, from `made_unix_s` until before
    /// `expires_unix_s` (seconds since 1970).
    ///
    /// # Errors
    /// When no board has that name, or it would last longer than [`MAX_PERMIT_S`].
    pub fn sign(
        key: &SigningKey,
        device: &str,
        lowest_counter: u32,
        made_unix_s: u64,
        expires_unix_s: u64,
    ) -> Result<Permit, PermitError> {
        let (device, public) = (device.to_owned(), key.public());
        let signature = [0; SIGNATURE_LEN];
        let mut permit = Permit { device, lowest_counter, made_unix_s, expires_unix_s, key: public, signature };
        permit.check_fields()?;
        permit.signature = key.sign(PURPOSE, &permit.message());
        Ok(permit)
    }

    fn check_fields(&self) -> Result<(), PermitError> {
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=MAX_DEVICE).contains(&self.device.len()) || !self.device.bytes().all(letter) {
            return Err(PermitError::Name { name: self.device.chars().take(40).collect() });
        }
        let seconds = self.expires_unix_s.saturating_sub(self.made_unix_s);
        if !(1..=MAX_PERMIT_S).contains(&seconds) {
            return Err(PermitError::Lasting { seconds });
        }
        Ok(())
    }

    /// The same, with its signature checked.
    fn checked(self) -> Result<Permit, PermitError> {
        self.check_fields()?;
        if !self.key.verifies(PURPOSE, &self.message(), &self.signature) {
            return Err(malformed("its signature does not fit"));
        }
        Ok(self)
    }

    /// What is signed, and the binary form up to the signature.
    fn message(&self) -> Vec<u8> {
        // A checked name has 32 bytes at most.
        let mut bytes = vec![VERSION, self.device.len() as u8];
        bytes.extend_from_slice(self.device.as_bytes());
        bytes.extend_from_slice(&self.lowest_counter.to_le_bytes());
        bytes.extend_from_slice(&self.made_unix_s.to_le_bytes());
        bytes.extend_from_slice(&self.expires_unix_s.to_le_bytes());
        bytes.extend_from_slice(self.key.as_bytes());
        bytes
    }

    /// The binary form, at most [`MAX_PERMIT`] bytes: version 1, length of the name, name, lowest counter (`u32`), made and
    /// expires (`u64`), public key, signature; little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.message().as_slice(), &self.signature].concat()
    }

    /// From the binary form.
    ///
    /// # Errors
    /// `Malformed` when it is none, or its signature does not fit; `Name` and `Lasting`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Permit, PermitError> {
        let mut fields = Fields(bytes);
        let [version, len] = fields.take()?;
        if version != VERSION {
            return Err(malformed(format!("form {version}, accepted: {VERSION}")));
        }
        if bytes.len() != FIXED + usize::from(len) {
            return Err(malformed(format!("{} bytes with a name of {len}", bytes.len())));
        }
        let (name, rest) = fields.0.split_at(len.into());
        fields.0 = rest;
        let device = std::str::from_utf8(name).map_err(|_| malformed("its device is no text"))?.to_owned();
        let lowest_counter = u32::from_le_bytes(fields.take()?);
        let made_unix_s = u64::from_le_bytes(fields.take()?);
        let expires_unix_s = u64::from_le_bytes(fields.take()?);
        let key = PublicKey::from_bytes(&fields.take()?).map_err(|_| malformed("its key is none"))?;
        let signature = fields.take()?;
        Permit { device, lowest_counter, made_unix_s, expires_unix_s, key, signature }.checked()
    }

    /// Whether it counts on the board `device` at `now_unix_s`, seconds since 1970, `None` without a clock that was set; the
    /// lowest counter it allows. A key that a rotation has replaced signs no permit, whatever the counter: else a leaked one
    /// could open the way for the old bundles that it still counts for.
    ///
    /// # Errors
    /// `Untrusted`, `Retired`, `Device`, `NoClock`, `ClockBehind`, `Expired`.
    pub fn check(&self, trust: &Trust, device: &str, now_unix_s: Option<u64>) -> Result<u32, PermitError> {
        let key = self.key.id();
        match trust.standing(self.key.as_bytes(), u32::MAX) {
            Standing::Trusted => {}
            Standing::Retired => return Err(PermitError::Retired { key }),
            Standing::Unknown => return Err(PermitError::Untrusted { key, trusted: trust.names() }),
        }
        if device != self.device {
            return Err(PermitError::Device { permitted: self.device.clone(), device: device.to_owned() });
        }
        let (made_unix_s, expires_unix_s) = (self.made_unix_s, self.expires_unix_s);
        match now_unix_s {
            None => Err(PermitError::NoClock),
            Some(now_unix_s) if now_unix_s < made_unix_s => Err(PermitError::ClockBehind { now_unix_s, made_unix_s }),
            Some(now_unix_s) if now_unix_s >= expires_unix_s => {
                Err(PermitError::Expired { expires_unix_s, now_unix_s })
            }
            Some(_) => Ok(self.lowest_counter),
        }
    }

    /// Name of the board it is for.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// The lowest security counter it allows.
    pub fn lowest_counter(&self) -> u32 {
        self.lowest_counter
    }

    /// When it was made, seconds since 1970; before that it does not count.
    pub fn made_unix_s(&self) -> u64 {
        self.made_unix_s
    }

    /// The first second since 1970 at which it no longer counts.
    pub fn expires_unix_s(&self) -> u64 {
        self.expires_unix_s
    }

    /// Who signed it.
    pub fn signed_by(&self) -> PublicKey {
        self.key
    }
}

/// What is left of a binary form.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], PermitError> {
        let (field, rest) = self.0.split_first_chunk().ok_or_else(|| malformed("it ends too early"))?;
        self.0 = rest;
        Ok(*field)
    }
}

fn malformed(reason: impl Into<String>) -> PermitError {
    PermitError::Malformed { reason: reason.into() }
}

impl fmt::Display for Permit {
    /// The one line of a permit file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Permit { device, lowest_counter, made_unix_s, expires_unix_s, key, signature } = self;
        let (key, signature) = (hex(key.as_bytes()), hex(signature));
        write!(f, "{PREFIX}:{device}:{lowest_counter}:{made_unix_s}:{expires_unix_s}:{key}:{signature}")
    }
}

impl FromStr for Permit {
    type Err = PermitError;

    fn from_str(text: &str) -> Result<Self, PermitError> {
        let fields: Vec<&str> = text.trim_end().split(':').collect();
        let [PREFIX, device, lowest, made, expires, key, signature] = fields[..] else {
            return Err(malformed(format!("it is not {PREFIX}:DEVICE:LOWEST:MADE:EXPIRES:KEY:SIGNATURE")));
        };
        let field = |name: &str| malformed(format!("its {name} is malformed"));
        let key = bytes_from_hex(key).and_then(|bytes| PublicKey::from_bytes(&bytes).ok());
        Permit {
            device: device.to_owned(),
            lowest_counter: number(lowest).ok_or_else(|| field("counter"))?,
            made_unix_s: number(made).ok_or_else(|| field("time"))?,
            expires_unix_s: number(expires).ok_or_else(|| field("time"))?,
            key: key.ok_or_else(|| field("key"))?,
            signature: bytes_from_hex(signature).ok_or_else(|| field("signature"))?,
        }
        .checked()
    }
}

/// A number in the one form that this crate writes.
fn number<N: FromStr + ToString>(text: &str) -> Option<N> {
    text.parse().ok().filter(|number: &N| number.to_string() == text)
}

#[cfg(test)]
mod tests;
