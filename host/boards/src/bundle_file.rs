//! The bundle that is sent: read and checked once, and then piece by piece.

use crate::BoardError;
use crate::admission::Brings;
use mtcae_bundle::{BundleError, BundleManifest, Content, Inspection, Part, SignedBy, Trust};
use mtcae_wire::{CHUNK, MAX_FAMILIES, Offer, UpdateChunk, heapless};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A whole bundle on this machine's disk.
#[derive(Debug)]
pub struct BundleFile {
    path: PathBuf,
    file: File,
    sha256: [u8; 32],
    length: u64,
    /// What it says about itself.
    pub manifest: BundleManifest,
    /// Who signed it; who of them counts is the board's affair.
    pub signers: Vec<SignedBy>,
}

impl BundleFile {
    /// Reads all of `source`, which reads `file`, and checks every signature and every stored byte: a damaged bundle is
    /// not worth an hour on a serial line.
    ///
    /// # Errors
    /// `Bundle`.
    pub fn read(path: &Path, file: File, source: impl Read) -> Result<BundleFile, BoardError> {
        let mut summed = Summed { inner: source, hash: Sha256::new(), length: 0 };
        let inspection = Inspection::read(&mut summed, &Trust::nobody())
            .map_err(|error| BoardError::Bundle { path: path.to_owned(), error })?;
        let (length, sha256) = (summed.length, summed.hash.finalize().into());
        if !(1..=Offer::MAX_LENGTH).contains(&length) {
            let (what, accepted) = ("the bundle's length".to_owned(), format!("1 to {}", Offer::MAX_LENGTH));
            let error = BundleError::Limit { what, found: length, accepted };
            return Err(BoardError::Bundle { path: path.to_owned(), error });
        }
        let Inspection { manifest, signers, .. } = inspection;
        Ok(BundleFile { path: path.to_owned(), file, sha256, length, manifest, signers })
    }

    /// Name and version, for people.
    pub fn title(&self) -> String {
        format!("{} {}", self.manifest.name, self.manifest.version)
    }

    /// Whether it brings a model, and whether it brings a daemon.
    pub fn brings(&self) -> Brings {
        let daemon = |part: &Part| matches!(part.content, Content::Firmware { .. });
        Brings { model: self.manifest.model.is_some(), daemon: self.manifest.parts.iter().any(daemon) }
    }

    /// Bytes of the file.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What a board of `family` is told before the first byte. Of more families than fit, its own is among them.
    pub fn offer(&self, family: &str) -> Offer {
        let mut families = heapless::Vec::<_, MAX_FAMILIES>::new();
        let (own, others): (Vec<&String>, Vec<&String>) = self.manifest.boards.iter().partition(|name| *name == family);
        for name in own.into_iter().chain(others).take(MAX_FAMILIES) {
            // There is room: no more are taken than fit.
            let _ = families.push(name.as_str().into());
        }
        Offer {
            length: self.length,
            sha256: self.sha256,
            name: self.manifest.name.as_str().into(),
            version: self.manifest.version.to_string().as_str().into(),
            security_counter: self.manifest.security_counter,
            families,
        }
    }

    /// Chunk `index` of the file, as it goes on the line.
    ///
    /// # Errors
    /// `Read`.
    pub fn chunk(&self, offer: &Offer, index: u32) -> Result<UpdateChunk, BoardError> {
        let mut data = heapless::Vec::<u8, CHUNK>::new();
        let failed = |error| BoardError::Read { path: self.path.clone(), error };
        data.resize_default(offer.chunk_len(index)).map_err(|_| failed(io::ErrorKind::InvalidInput.into()))?;
        self.file.read_exact_at(&mut data, u64::from(index) * CHUNK as u64).map_err(failed)?;
        Ok(UpdateChunk { transfer: offer.transfer(), index, data })
    }
}

struct Summed<R> {
    inner: R,
    hash: Sha256,
    length: u64,
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.hash.update(&buffer[..got]);
        self.length += got as u64;
        Ok(got)
    }
}
