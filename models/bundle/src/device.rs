//! Keys that open what was encrypted: a board's, or a person's at a desk.

use crate::signing::first_eight;
use crate::{Digest, KeyError};
use age::secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use zeroize::Zeroizing;

/// Longest text of a recipient, bytes.
const RECIPIENT_LEN: usize = 62;

/// A short name for a [`Recipient`]: the first 8 bytes of the SHA-256 of its text, as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecipientId([u8; 8]);

impl fmt::Display for RecipientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::digest::hex(&self.0))
    }
}

impl From<RecipientId> for String {
    fn from(id: RecipientId) -> String {
        id.to_string()
    }
}

impl TryFrom<String> for RecipientId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = || format!("{text:?} is not a recipient's id; accepted: 16 lower-case hexadecimal digits");
        crate::digest::bytes_from_hex(&text).map(RecipientId).ok_or_else(wrong)
    }
}

/// Whom something is encrypted to: an age X25519 recipient, `age1...`.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient(pub(crate) age::x25519::Recipient);

impl Recipient {
    /// Its short name.
    pub fn id(&self) -> RecipientId {
        RecipientId(first_eight(&Digest::of(self.to_string().as_bytes())))
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({self})")
    }
}

impl FromStr for Recipient {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let text = text.trim_end();
        let parsed = if text.len() <= RECIPIENT_LEN { text.parse().ok() } else { None };
        // Four characters tell `age1` from `AGE-SECRET-KEY-1`, and show no secret.
        parsed.map(Recipient).ok_or_else(|| KeyError::Recipient { value: text.chars().take(4).collect() })
    }
}

/// A key that opens what was encrypted to its [`Recipient`]: an age X25519 identity. Wiped when dropped; shows its
/// recipient only.
#[derive(Clone)]
pub struct DeviceKey(pub(crate) age::x25519::Identity);

impl DeviceKey {
    /// A new one, from the operating system's randomness.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn generate() -> Result<DeviceKey, KeyError> {
        // age panics without randomness, so that is found out first.
        getrandom::fill(&mut [0; 1]).map_err(|e| KeyError::Random(e.to_string()))?;
        Ok(DeviceKey(age::x25519::Identity::generate()))
    }

    /// Whom to encrypt to so that this key opens it.
    pub fn recipient(&self) -> Recipient {
        Recipient(self.0.to_public())
    }

    /// The one line of a key file, `AGE-SECRET-KEY-1...`; the `age` program reads it as well.
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_string().expose_secret().to_owned())
    }

    /// From the text of a key file. Lines that start with `#` are skipped, as `age-keygen` writes them.
    ///
    /// # Errors
    /// When there is not exactly one key in it. The text is not shown.
    pub fn from_secret_text(text: &str) -> Result<DeviceKey, KeyError> {
        let wrong = || KeyError::Secret { accepted: "one line, `AGE-SECRET-KEY-1` and 58 letters and digits" };
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let (Some(line), None) = (lines.next(), lines.next()) else { return Err(wrong()) };
        line.parse().map(DeviceKey).map_err(|_| wrong())
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey({})", self.recipient())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_read_back_and_secrets_stay_hidden() {
        let key = DeviceKey::generate().unwrap();
        let secret = key.to_secret_text();
        let again = DeviceKey::from_secret_text(&format!("# a comment\n{}\n", *secret)).unwrap();
        assert_eq!(again.recipient(), key.recipient());
        assert_eq!(key.recipient().to_string().parse::<Recipient>().unwrap(), key.recipient());
        assert_eq!(key.recipient().to_string().len(), RECIPIENT_LEN);
        assert!(!format!("{key:?}").contains("SECRET"));
        insta::assert_snapshot!(secret.parse::<Recipient>().unwrap_err(), @r#""AGE-" is not a recipient; accepted: `age1` and 58 letters and digits, as `mtcae keys show` prints it"#);
        let two = format!("{0}\n{0}\n", *secret);
        let error = DeviceKey::from_secret_text(&two).unwrap_err();
        insta::assert_snapshot!(error, @"not a secret key (the text is not shown); accepted: one line, `AGE-SECRET-KEY-1` and 58 letters and digits");
    }
}
