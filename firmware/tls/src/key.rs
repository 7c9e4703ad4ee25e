//! Line keys: who a board and its clients are to each other. They sign handshakes and nothing else.

use crate::TlsError;
use ed25519_dalek::VerifyingKey;
use mtcae_bundle::{KeyError, KeyId, read_public, read_secret};
use std::path::Path;
use std::{fmt, str::FromStr};
use zeroize::{Zeroize, Zeroizing};

// Other words than those of a signing key, so that neither is ever taken for the other.
const SECRET_PREFIX: &str = "mtcae-line-secret-v1:";
const PUBLIC_PREFIX: &str = "mtcae-line-key-v1:";
const SECRET_FORM: &str = "one line, `mtcae-line-secret-v1:` and 64 lower-case hexadecimal digits";
const PUBLIC_FORM: &str = "one line, `mtcae-line-key-v1:` and 64 lower-case hexadecimal digits";

/// What stands in front of the 32 bytes of an ed25519 key in DER: SubjectPublicKeyInfo (RFC 8410).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// The same for a secret one: PKCS #8, version 1.
const PKCS8: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// The public half of a [`LineKey`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicLineKey(VerifyingKey);

impl PublicLineKey {
    /// The key of a public key file.
    ///
    /// # Errors
    /// When the file cannot be read or holds none.
    pub fn read(path: &Path) -> Result<PublicLineKey, TlsError> {
        read_public(path)?.parse()
    }

    /// Its short name: the first 8 bytes of its SHA-256.
    pub fn id(&self) -> KeyId {
        KeyId::of(self.0.as_bytes())
    }

    fn from_bytes(bytes: &[u8; 32]) -> Option<PublicLineKey> {
        // With a weak key, one signature fits many messages.
        VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak()).map(PublicLineKey)
    }

    pub(crate) fn spki(&self) -> Vec<u8> {
        [&SPKI[..], self.0.as_bytes()].concat()
    }

    pub(crate) fn from_spki(der: &[u8]) -> Option<PublicLineKey> {
        PublicLineKey::from_bytes(der.strip_prefix(&SPKI)?.try_into().ok()?)
    }
}

impl fmt::Display for PublicLineKey {
    /// The one line of a public key file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PUBLIC_PREFIX)?;
        self.0.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicLineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicLineKey({})", self.id())
    }
}

impl FromStr for PublicLineKey {
    type Err = TlsError;

    fn from_str(text: &str) -> Result<Self, TlsError> {
        let bytes = text.trim_end().strip_prefix(PUBLIC_PREFIX).and_then(bytes_from_hex);
        let refuse = || TlsError::PublicKey { value: shown(text), accepted: PUBLIC_FORM };
        PublicLineKey::from_bytes(&*bytes.ok_or_else(refuse)?).ok_or_else(refuse)
    }
}

/// The key pair of a board or of a client. Wiped when dropped; shows its id only.
pub struct LineKey(ed25519_dalek::SigningKey);

impl LineKey {
    /// A new one, from the operating system's randomness.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn generate() -> Result<LineKey, TlsError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice()).map_err(|e| KeyError::Random(e.to_string()))?;
        Ok(LineKey::from_seed(&seed))
    }

    /// The one that belongs to `seed`.
    pub fn from_seed(seed: &[u8; 32]) -> LineKey {
        LineKey(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The key of a secret key file.
    ///
    /// # Errors
    /// When the file cannot be read, can be read by others than its owner, or holds none.
    pub fn read(path: &Path) -> Result<LineKey, TlsError> {
        LineKey::from_secret_text(&read_secret(path)?)
    }

    /// The half that others may know.
    pub fn public(&self) -> PublicLineKey {
        PublicLineKey(self.0.verifying_key())
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
    pub fn from_secret_text(text: &str) -> Result<LineKey, TlsError> {
        let seed = text.trim_end().strip_prefix(SECRET_PREFIX).and_then(bytes_from_hex);
        Ok(LineKey::from_seed(&*seed.ok_or(TlsError::SecretKey { accepted: SECRET_FORM })?))
    }

    /// As the libraries below want it.
    pub(crate) fn pkcs8(&self) -> Zeroizing<[u8; 48]> {
        let mut der = Zeroizing::new([0; 48]);
        der[..16].copy_from_slice(&PKCS8);
        der[16..].copy_from_slice(self.0.as_bytes());
        der
    }
}

impl fmt::Debug for LineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LineKey({})", self.public().id())
    }
}

/// Exactly 32 bytes from lower-case hexadecimal digits; one text per value.
fn bytes_from_hex(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    let digit = |b: u8| char::from(b).to_digit(16).filter(|_| !b.is_ascii_uppercase());
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(bytes)
}

/// The beginning of a text that is no key, for an error; never the whole of it, as it may be a secret put in the wrong
/// place.
fn shown(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let mut name: String = first.chars().take_while(|c| *c != ':').filter(|c| !c.is_control()).take(24).collect();
    let whole = name.len() >= text.trim_end().len();
    let shown = if whole { format!("{name:?}") } else { format!("{name:?}...") };
    name.zeroize();
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_bundle::SigningKey;

    fn key() -> LineKey {
        LineKey::from_seed(&[7; 32])
    }

    #[test]
    fn texts_read_back() {
        let secret = key().to_secret_text();
        assert_eq!(LineKey::from_secret_text(&secret).unwrap().public(), key().public());
        let public = key().public().to_string();
        insta::assert_snapshot!(public, @"mtcae-line-key-v1:ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c");
        assert_eq!(format!("{public}\n").parse::<PublicLineKey>().unwrap(), key().public());
        insta::assert_snapshot!(key().public().id(), @"fe812c12f3ab4ce6");
        assert_eq!(PublicLineKey::from_spki(&key().public().spki()), Some(key().public()));
    }

    #[test]
    fn a_line_key_is_no_signing_key_and_the_other_way_round() {
        let (line, signing) = (key(), SigningKey::from_seed(&[7; 32]));
        assert!(SigningKey::from_secret_text(&line.to_secret_text()).is_err());
        assert!(LineKey::from_secret_text(&signing.to_secret_text()).is_err());
        assert!(line.public().to_string().parse::<mtcae_bundle::PublicKey>().is_err());
        let error = signing.public().to_string().parse::<PublicLineKey>().unwrap_err();
        insta::assert_snapshot!(error, @r#""mtcae-signing-key-v1"... is not a public line key; accepted: one line, `mtcae-line-key-v1:` and 64 lower-case hexadecimal digits"#);
    }

    #[test]
    fn no_secret_is_ever_shown() {
        let secret = key().to_secret_text();
        let digits = secret.strip_prefix(SECRET_PREFIX).unwrap();
        assert!(!format!("{:?}", key()).contains(&digits[..8]));
        for text in [&*secret, digits, &secret[..secret.len() - 1]] {
            let errors = [text.parse::<PublicLineKey>().unwrap_err().to_string()];
            assert!(errors.iter().all(|e| !e.contains(&digits[..32])), "{errors:?}");
        }
        let error = LineKey::from_secret_text(&secret[..secret.len() - 1]).unwrap_err();
        insta::assert_snapshot!(error, @"not a secret line key (the text is not shown); accepted: one line, `mtcae-line-secret-v1:` and 64 lower-case hexadecimal digits");
    }

    #[test]
    fn weak_keys_and_other_forms_are_refused() {
        let form = |digits: &str| format!("{PUBLIC_PREFIX}{digits}").parse::<PublicLineKey>();
        // The neutral element, a point of order 4, and 32 bytes that are no point.
        for weak in [format!("01{}", "00".repeat(31)), "00".repeat(32), format!("02{}", "00".repeat(31))] {
            assert!(form(&weak).is_err(), "{weak}");
        }
        let good = key().public().to_string();
        let digits = good.strip_prefix(PUBLIC_PREFIX).unwrap();
        assert!(form(digits).is_ok());
        assert!(form(&digits.to_uppercase()).is_err() && form(&digits[1..]).is_err() && form("").is_err());
    }
}
