//! Keys that sign: what they look like as text, and what a signature covers.

use crate::digest::{bytes_from_hex, hex};
use crate::{Digest, KeyError};
use ed25519_dalek::{Signer, VerifyingKey};
use serde::Serialize;
use std::{fmt, str::FromStr};
use zeroize::{Zeroize, Zeroizing};

const SECRET_PREFIX: &str = "mtcae-signing-secret-v1:";
const PUBLIC_PREFIX: &str = "mtcae-signing-key-v1:";

/// Bytes of a signature.
pub const SIGNATURE_LEN: usize = 64;

/// A short name for a [`PublicKey`]: the first 8 bytes of its SHA-256, as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct KeyId([u8; 8]);

impl KeyId {
    /// The name of the key with these bytes.
    pub fn of(public: &[u8; 32]) -> KeyId {
        KeyId(first_eight(&Digest::of(public)))
    }
}

pub(crate) fn first_eight(digest: &Digest) -> [u8; 8] {
    let mut id = [0; 8];
    id.copy_from_slice(&digest.as_bytes()[..8]);
    id
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> String {
        id.to_string()
    }
}

/// The public half of an ed25519 key pair.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// From its 32 bytes.
    ///
    /// # Errors
    /// When they are no point of the curve.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<PublicKey, KeyError> {
        let wrong = |_| KeyError::Public { value: hex(bytes), accepted: "a point of curve 25519" };
        VerifyingKey::from_bytes(bytes).map(PublicKey).map_err(wrong)
    }

    /// Its 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Its short name.
    pub fn id(&self) -> KeyId {
        KeyId::of(self.as_bytes())
    }

    /// Whether `signature` is this key's, made for `purpose` over `message`. Weak keys and signatures that could be
    /// changed into other valid ones are not accepted.
    pub fn verifies(&self, purpose: &str, message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.0.verify_strict(&for_purpose(purpose, message), &signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    /// The one line of a public key file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC_PREFIX}{}", hex(self.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bytes = text.trim_end().strip_prefix(PUBLIC_PREFIX).and_then(bytes_from_hex);
        let accepted = "one line, `mtcae-signing-key-v1:` and 64 lower-case hexadecimal digits";
        let bytes = bytes.ok_or_else(|| KeyError::Public { value: shown(text), accepted })?;
        PublicKey::from_bytes(&bytes)
    }
}

/// The beginning of a text that is no key, for an error; never the whole of it, as it may be a secret put in the wrong place.
fn shown(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let name: String = first.chars().take_while(|c| *c != ':').filter(|c| !c.is_control()).take(24).collect();
    if name.len() < text.trim_end().len() { format!("{name:?}...") } else { format!("{name:?}") }
}

/// A key pair that signs bundles and rotations. Wiped when dropped; shows its id only.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// A new one, from the operating system's randomness.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn generate() -> Result<SigningKey, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice()).map_err(|e| KeyError::Random(e.to_string()))?;
        Ok(SigningKey::from_seed(&seed))
    }

    /// The one that belongs to `seed`.
    pub fn from_seed(seed: &[u8; 32]) -> SigningKey {
        SigningKey(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The half that others may know.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// The one line of a secret key file.
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        // Made at its full length at once: a text that grows leaves copies of its beginning behind.
        let mut text = Zeroizing::new(String::with_capacity(SECRET_PREFIX.len() + 64));
        text.push_str(SECRET_PREFIX);
        for byte in self.0.as_bytes() {
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
            }
        }
        text
    }

    /// From the one line of a secret key file.
    ///
    /// # Errors
    /// When it is not one. The text is not shown.
    pub fn from_secret_text(text: &str) -> Result<SigningKey, KeyError> {
        let mut seed: [u8; 32] =
            text.trim_end().strip_prefix(SECRET_PREFIX).and_then(bytes_from_hex).ok_or(KeyError::Secret {
                accepted: "one line, `mtcae-signing-secret-v1:` and 64 lower-case hexadecimal digits",
            })?;
        let key = SigningKey::from_seed(&seed);
        seed.zeroize();
        Ok(key)
    }

    /// Signs `message` for `purpose`; it then counts for no other purpose.
    pub fn sign(&self, purpose: &str, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        self.0.sign(&for_purpose(purpose, message)).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public().id())
    }
}

fn for_purpose(purpose: &str, message: &[u8]) -> Vec<u8> {
    // A purpose has no zero byte, so no two pairs of purpose and message give the same bytes.
    [b"mtcae ", purpose.as_bytes(), &[0], message].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_seed(&[7; 32])
    }

    #[test]
    fn texts_read_back() {
        let secret = key().to_secret_text();
        assert_eq!(SigningKey::from_secret_text(&secret).unwrap().public(), key().public());
        let public = key().public().to_string();
        insta::assert_snapshot!(public, @"mtcae-signing-key-v1:ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c");
        assert_eq!(format!("{public}\n").parse::<PublicKey>().unwrap(), key().public());
        insta::assert_snapshot!(key().public().id(), @"fe812c12f3ab4ce6");
    }

    #[test]
    fn no_secret_is_ever_shown() {
        let secret = key().to_secret_text();
        let digits = secret.strip_prefix(SECRET_PREFIX).unwrap();
        assert!(!format!("{:?}", key()).contains(&digits[..8]));
        let error = secret.parse::<PublicKey>().unwrap_err().to_string();
        insta::assert_snapshot!(error, @r#""mtcae-signing-secret-v1"... is not a public signing key; accepted: one line, `mtcae-signing-key-v1:` and 64 lower-case hexadecimal digits"#);
        let error = SigningKey::from_secret_text(&secret[..secret.len() - 1]).unwrap_err().to_string();
        insta::assert_snapshot!(error, @"not a secret key (the text is not shown); accepted: one line, `mtcae-signing-secret-v1:` and 64 lower-case hexadecimal digits");
        assert!(!digits.parse::<PublicKey>().unwrap_err().to_string().contains(&digits[..32]));
    }

    #[test]
    fn a_signature_counts_for_its_purpose_alone() {
        let signature = key().sign("test", b"message");
        assert!(key().public().verifies("test", b"message", &signature));
        assert!(!key().public().verifies("other", b"message", &signature));
        assert!(!key().public().verifies("test", b"messagf", &signature));
        assert!(!SigningKey::from_seed(&[8; 32]).public().verifies("test", b"message", &signature));
    }

    #[test]
    fn generated_keys_differ() {
        assert_ne!(SigningKey::generate().unwrap().public(), SigningKey::generate().unwrap().public());
    }
}
