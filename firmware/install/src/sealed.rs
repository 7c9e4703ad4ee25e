//! A model that stays encrypted in its slot, and is plain in memory only.

use crate::error::InstallError;
use mtcae_bundle::{BundleError, BundleManifest, Content, DeviceKey, Part, PartSink, Reader, Trust};
use std::io::{self, Read};

/// Name of an encrypted bundle in a model's slot.
pub const SEALED_FILE: &str = "model.mtcb";
/// Most bytes of one part in memory.
const MAX_BYTES: u64 = 256 << 20;

/// The unpacked parts of a model, in memory.
#[derive(Default)]
pub struct Unsealed {
    parts: Vec<(String, Vec<u8>)>,
    /// Whether the part at hand is kept.
    keeps: bool,
}

impl Unsealed {
    /// Bytes of the part with that name.
    pub fn part(&self, name: &str) -> Option<&[u8]> {
        self.parts.iter().find(|(known, _)| known == name).map(|(_, bytes)| bytes.as_slice())
    }

    /// Takes the part with that name out.
    pub fn take(&mut self, name: &str) -> Option<Vec<u8>> {
        let at = self.parts.iter().position(|(known, _)| known == name)?;
        Some(self.parts.swap_remove(at).1)
    }
}

/// Verifies a sealed bundle and unpacks its model into memory. The board it is for was checked when it was installed, and
/// so was whether its key still counted: one that was replaced since still opens it.
///
/// # Errors
/// When it is damaged, its key was never trusted, no key opens it, or a part has more than 256 MiB.
pub fn unseal(source: impl Read, trust: &Trust, keys: &[DeviceKey]) -> Result<Unsealed, InstallError> {
    let mut unsealed = Unsealed::default();
    Reader::open_installed(source, trust)?.unpack(keys, &mut unsealed).map_err(|error| match error {
        BundleError::Sink { part, error } => {
            BundleError::Contents { part, reason: format!("{error}; accepted: at most {MAX_BYTES} bytes") }
        }
        error => error,
    })?;
    Ok(unsealed)
}

impl PartSink for Unsealed {
    fn begin(&mut self, part: &Part) -> io::Result<()> {
        self.keeps = !matches!(part.content, Content::Firmware { .. } | Content::Document);
        if self.keeps {
            if part.plain > MAX_BYTES {
                return Err(io::Error::other(format!("it has {} bytes", part.plain)));
            }
            self.parts.push((part.name.clone(), Vec::with_capacity(part.plain as usize)));
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.keeps
            && let Some((_, kept)) = self.parts.last_mut()
        {
            kept.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn end(&mut self, _: &Part) -> io::Result<()> {
        Ok(())
    }

    fn commit(&mut self, _: &BundleManifest) -> io::Result<()> {
        Ok(())
    }

    fn abort(&mut self) {
        self.parts.clear();
    }
}
