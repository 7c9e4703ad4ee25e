//! A bundle is read once, from front to back, in steps that cannot be taken out of order:
//! [`Reader::open`], then [`Reader::accept`], then [`Accepted::unpack`].

use crate::chunks::ChunkReader;
use crate::header::{Front, read_up_to};
use crate::unpack::unpack;
use crate::{BundleError, BundleManifest, DeviceKey, KeyId, PartSink, Refusal, Standing, Target, Trust, accept};
use serde::Serialize;
use std::fmt::{self, Debug, Formatter};
use std::io::Read;

/// A signer whose signature fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SignedBy {
    /// Its key.
    pub key: KeyId,
    /// What its signature is worth here.
    pub standing: Standing,
}

/// A bundle whose manifest is signed by a trusted key. Its parts are not read yet.
pub struct Reader<R> {
    source: R,
    manifest: BundleManifest,
    signers: Vec<SignedBy>,
    front_len: u64,
}

impl<R: Read> Reader<R> {
    /// Reads up to the first part. The manifest is parsed only after a trusted key's signature over its bytes was found
    /// good.
    ///
    /// # Errors
    /// When it is no bundle of this format, no signer is trusted for its security counter, a signature does not fit, or
    /// the manifest is not acceptable.
    pub fn open(mut source: R, trust: &Trust) -> Result<Reader<R>, BundleError> {
        let front = Front::read(&mut source)?;
        front.check_known(trust)?;
        let reader = Reader::checked(source, &front, trust)?;
        if reader.signers.iter().any(|signer| signer.standing == Standing::Trusted) {
            return Ok(reader);
        }
        // Some signer is known, so it is a retired one that brought us here.
        let retired = |public: &[u8; 32]| Some((KeyId::of(public), trust.retired_from(public)?));
        let (key, from) = front.signers.iter().find_map(|s| retired(&s.public)).unwrap_or((reader.signers[0].key, 0));
        Err(BundleError::RetiredKey { key: key.to_string(), from, counter: reader.manifest.security_counter })
    }

    /// The same for a bundle that lies in a slot: it was judged, and taken, when it was installed. Its key may have been
    /// replaced since, and a rotation must not keep what runs from starting again.
    ///
    /// # Errors
    /// As [`Reader::open`], except that a retired key counts.
    pub fn open_installed(mut source: R, trust: &Trust) -> Result<Accepted<R>, BundleError> {
        let front = Front::read(&mut source)?;
        front.check_known(trust)?;
        Reader::checked(source, &front, trust).map(Accepted)
    }

    /// The same whoever has signed it: for showing it to a person, never for using it.
    pub(crate) fn open_for_display(mut source: R, trust: &Trust) -> Result<Reader<R>, BundleError> {
        let front = Front::read(&mut source)?;
        Reader::checked(source, &front, trust)
    }

    fn checked(source: R, front: &Front, trust: &Trust) -> Result<Reader<R>, BundleError> {
        front.check_signatures()?;
        let manifest = BundleManifest::from_bytes(&front.manifest)?;
        let standing = |public: &[u8; 32]| trust.standing(public, manifest.security_counter);
        let signed_by = |public| SignedBy { key: KeyId::of(public), standing: standing(public) };
        let signers = front.signers.iter().map(|signer| signed_by(&signer.public)).collect();
        Ok(Reader { source, signers, front_len: front.len(), manifest })
    }

    /// What the bundle says about itself.
    pub fn manifest(&self) -> &BundleManifest {
        &self.manifest
    }

    /// Who signed it.
    pub fn signers(&self) -> &[SignedBy] {
        &self.signers
    }

    /// Bytes of the whole bundle.
    pub fn bundle_len(&self) -> u64 {
        self.front_len.saturating_add(self.manifest.stored_len())
    }

    /// Goes on only when the bundle is for `target`.
    ///
    /// # Errors
    /// The rule that it breaks; see [`accept()`].
    pub fn accept(self, target: &Target) -> Result<Accepted<R>, Refusal> {
        accept(&self.manifest, target)?;
        Ok(Accepted(self))
    }

    /// Goes on for whatever board the bundle is: for the host, which stores and shows bundles but does not run them.
    pub fn accept_for_host(self) -> Accepted<R> {
        Accepted(self)
    }

    /// Reads and checks every stored byte without unpacking any, and that the file ends where it should.
    ///
    /// # Errors
    /// When a part is damaged or missing, or bytes follow the last one.
    pub fn check_stored(mut self) -> Result<BundleManifest, BundleError> {
        let mut chunk = Vec::new();
        for part in &self.manifest.parts {
            ChunkReader::new(&mut self.source, part, &mut chunk).skip_rest()?;
        }
        self.check_end()?;
        Ok(self.manifest)
    }

    fn check_end(&mut self) -> Result<(), BundleError> {
        match read_up_to(&mut self.source, &mut [0])? {
            0 => Ok(()),
            _ => Err(BundleError::Trailing { len: self.bundle_len() }),
        }
    }
}

impl<R> Debug for Reader<R> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({} {}, signed by {:?})", self.manifest.name, self.manifest.version, self.signers)
    }
}

/// A bundle that is signed by a trusted key and is for this board, or was when it was installed. Only such a one can be
/// unpacked.
#[derive(Debug)]
pub struct Accepted<R>(Reader<R>);

impl<R: Read> Accepted<R> {
    /// What the bundle says about itself.
    pub fn manifest(&self) -> &BundleManifest {
        self.0.manifest()
    }

    /// Reads the parts into `sink`, with `keys` for encrypted ones, and commits there when every hash was right and
    /// the file ends where it should. Otherwise `sink` is told to abort.
    ///
    /// Holds one [`CHUNK`](crate::CHUNK) of stored bytes, the decoder's window and two buffers of 64 KiB, however long the
    /// bundle is.
    ///
    /// # Errors
    /// When a part is damaged, does not unpack to what was announced, no key opens it, bytes follow the last part, or
    /// the sink fails.
    pub fn unpack(mut self, keys: &[DeviceKey], sink: &mut dyn PartSink) -> Result<BundleManifest, BundleError> {
        match self.parts(keys, sink) {
            Ok(()) => Ok(self.0.manifest),
            Err(error) => {
                sink.abort();
                Err(error)
            }
        }
    }

    fn parts(&mut self, keys: &[DeviceKey], sink: &mut dyn PartSink) -> Result<(), BundleError> {
        let Reader { source, manifest, .. } = &mut self.0;
        let mut chunk = Vec::new();
        for part in &manifest.parts {
            let kept = |error| BundleError::Sink { part: part.name.clone(), error };
            sink.begin(part).map_err(kept)?;
            unpack(source, &mut chunk, manifest, part, keys, sink)?;
            sink.end(part).map_err(kept)?;
        }
        self.0.check_end()?;
        let whole = |error| BundleError::Sink { part: "whole bundle".to_owned(), error };
        sink.commit(&self.0.manifest).map_err(whole)
    }
}
