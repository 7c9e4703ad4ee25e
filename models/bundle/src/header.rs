//! The bytes in front of the parts: magic, version, lengths, signatures, manifest. Nothing is parsed here but numbers.

use crate::limits::{MAX_MANIFEST, MAX_SIGNERS};
use crate::manifest::FORMAT;
use crate::signing::{KeyId, SIGNATURE_LEN};
use crate::{BundleError, PublicKey, SigningKey, Trust};
use std::io::{self, Read};

/// The first bytes of every bundle. A byte above 127 and both line ends make a transfer as text show.
pub const MAGIC: [u8; 8] = *b"\x8dMTCB\r\n\x1a";

/// Magic, format (u16), number of signers (u16), length of the manifest (u32); little-endian.
pub const FIXED_LEN: usize = 16;

/// A signer's public key and its signature.
pub const SIGNER_LEN: usize = 32 + SIGNATURE_LEN;

/// What a bundle's signatures are made for.
pub(crate) const PURPOSE: &str = "bundle v1";

/// A signer and its signature, not yet checked.
pub(crate) struct Signer {
    pub(crate) public: [u8; 32],
    pub(crate) signature: [u8; SIGNATURE_LEN],
}

/// All that stands before the parts, lengths checked and nothing else.
pub(crate) struct Front {
    pub(crate) signers: Vec<Signer>,
    pub(crate) manifest: Vec<u8>,
}

impl Front {
    /// Bytes before the first part.
    pub(crate) fn len(&self) -> u64 {
        (FIXED_LEN + self.signers.len() * SIGNER_LEN + self.manifest.len()) as u64
    }

    /// Reads up to the first part.
    pub(crate) fn read(source: &mut dyn Read) -> Result<Front, BundleError> {
        let mut magic = [0; 8];
        let found = read_up_to(source, &mut magic)?;
        if magic[..found] != MAGIC[..found] || found == 0 {
            let [found, accepted] = [&magic[..found], &MAGIC].map(crate::digest::hex);
            let found = if found.is_empty() { "nothing".to_owned() } else { found };
            return Err(BundleError::NotABundle { found, accepted });
        }
        if found < magic.len() {
            return Err(BundleError::Truncated {
                inside: "its header".to_owned(),
                missing: (FIXED_LEN - found) as u64,
            });
        }
        let mut numbers = [0; FIXED_LEN - 8];
        fill(source, &mut numbers, "its header")?;
        let [f0, f1, s0, s1, m @ ..] = numbers;
        let format = u16::from_le_bytes([f0, f1]);
        if format != FORMAT {
            return Err(BundleError::Format { found: format, accepted: FORMAT });
        }
        let signers = within("the number of signatures", u16::from_le_bytes([s0, s1]).into(), MAX_SIGNERS.into())?;
        let manifest_len = within("the length of the manifest", u32::from_le_bytes(m).into(), MAX_MANIFEST.into())?;
        let signers = (0..signers).map(|_| Signer::read(source)).collect::<Result<_, _>>()?;
        let mut manifest = vec![0; manifest_len as usize];
        fill(source, &mut manifest, "its manifest")?;
        Ok(Front { signers, manifest })
    }

    /// Signs `manifest` with each of `keys`.
    ///
    /// Every signature covers who else signs, so none can be taken off or put on afterwards.
    pub(crate) fn signed(manifest: Vec<u8>, keys: &[&SigningKey]) -> Result<Front, BundleError> {
        within("the number of signatures", keys.len() as u64, MAX_SIGNERS.into())?;
        within("the length of the manifest", manifest.len() as u64, MAX_MANIFEST.into())?;
        let publics: Vec<[u8; 32]> = keys.iter().map(|key| *key.public().as_bytes()).collect();
        let message = signed_bytes(&publics, &manifest);
        let sign =
            |key: &&SigningKey| Signer { public: *key.public().as_bytes(), signature: key.sign(PURPOSE, &message) };
        Ok(Front { signers: keys.iter().map(sign).collect(), manifest })
    }

    /// As it stands in the file.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = fixed(self.signers.len(), self.manifest.len());
        for signer in &self.signers {
            bytes.extend(signer.public);
            bytes.extend(signer.signature);
        }
        bytes.extend(&self.manifest);
        bytes
    }

    /// Checks every signature, whether its key is trusted or not.
    pub(crate) fn check_signatures(&self) -> Result<(), BundleError> {
        let publics: Vec<[u8; 32]> = self.signers.iter().map(|signer| signer.public).collect();
        let message = signed_bytes(&publics, &self.manifest);
        for signer in &self.signers {
            let good = PublicKey::from_bytes(&signer.public)
                .is_ok_and(|key| key.verifies(PURPOSE, &message, &signer.signature));
            if !good {
                return Err(BundleError::Signature { key: KeyId::of(&signer.public).to_string() });
            }
        }
        Ok(())
    }

    /// Refuses a bundle of which no signer is known, before any signature is computed.
    pub(crate) fn check_known(&self, trust: &Trust) -> Result<(), BundleError> {
        if self.signers.iter().any(|signer| trust.knows(&signer.public)) {
            return Ok(());
        }
        let found: Vec<String> = self.signers.iter().map(|signer| KeyId::of(&signer.public).to_string()).collect();
        Err(BundleError::UnknownKey { found: found.join(", "), trusted: trust.names() })
    }
}

impl Signer {
    fn read(source: &mut dyn Read) -> Result<Signer, BundleError> {
        let mut signer = Signer { public: [0; 32], signature: [0; SIGNATURE_LEN] };
        fill(source, &mut signer.public, "its signatures")?;
        fill(source, &mut signer.signature, "its signatures")?;
        Ok(signer)
    }
}

fn fixed(signers: usize, manifest: usize) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(FORMAT.to_le_bytes());
    bytes.extend((signers as u16).to_le_bytes());
    bytes.extend((manifest as u32).to_le_bytes());
    bytes
}

fn signed_bytes(publics: &[[u8; 32]], manifest: &[u8]) -> Vec<u8> {
    let mut bytes = fixed(publics.len(), manifest.len());
    publics.iter().for_each(|public| bytes.extend(public));
    bytes.extend(manifest);
    bytes
}

fn within(what: &str, found: u64, limit: u64) -> Result<u64, BundleError> {
    if (1..=limit).contains(&found) {
        return Ok(found);
    }
    Err(BundleError::Limit { what: what.to_owned(), found, accepted: format!("1 to {limit}") })
}

/// Fills `buffer` as far as the source reaches; returns how far.
pub(crate) fn read_up_to(source: &mut dyn Read, buffer: &mut [u8]) -> Result<usize, BundleError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(len) => filled += len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(BundleError::io("reading the bundle")(error)),
        }
    }
    Ok(filled)
}

/// Fills `buffer`, or says that the file ends inside `inside`.
pub(crate) fn fill(source: &mut dyn Read, buffer: &mut [u8], inside: &str) -> Result<(), BundleError> {
    match read_up_to(source, buffer)? {
        len if len == buffer.len() => Ok(()),
        len => Err(BundleError::Truncated { inside: inside.to_owned(), missing: (buffer.len() - len) as u64 }),
    }
}
