//! A bundle is built: each part is packed into a stage first, as its sums stand in front of it in the file.

use crate::chunks::{ChunkReader, ChunkWriter};
use crate::digest::Summing;
use crate::header::Front;
use crate::limits::{MAX_PART, MAX_PARTS, MAX_WINDOW_LOG};
use crate::manifest::FORMAT;
use crate::seal::sealing;
use crate::validate::{check_new_version, check_not_reserved};
use crate::{
    BundleError, BundleManifest, Compression, Content, Digest, Licence, Metric, ModelDescription, Part, Provenance,
    Recipient, SigningKey,
};
use semver::Version;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

/// Zstandard's level: the highest whose memory and time stay modest. Reading back is equally fast at every level.
const LEVEL: i32 = 12;

/// Everything that a person decides about a bundle; the fields are those of [`BundleManifest`].
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Short name.
    pub name: String,
    /// Semantic version.
    pub version: Version,
    /// Security counter.
    pub security_counter: u32,
    /// Board families.
    pub boards: Vec<String>,
    /// The model inside, if there is one.
    pub model: Option<ModelDescription>,
    /// What was measured of it.
    pub metrics: Vec<Metric>,
    /// Where it comes from.
    pub provenance: Provenance,
    /// Under which terms.
    pub licences: Vec<Licence>,
}

/// Packs parts into a stage `S` (a temporary file, or memory), then writes the bundle.
pub struct Builder<S> {
    stage: S,
    recipients: Vec<Recipient>,
    manifest: BundleManifest,
}

impl<S: Read + Write + Seek> Builder<S> {
    /// A bundle without parts, encrypted to `recipients` when there are any. Packed parts are put at the start of `stage`.
    pub fn new(description: Description, recipients: &[Recipient], stage: S) -> Builder<S> {
        let Description { name, version, security_counter, boards, model, metrics, provenance, licences } = description;
        let manifest = BundleManifest {
            format: FORMAT,
            name,
            version,
            security_counter,
            boards,
            model,
            metrics,
            provenance,
            licences,
            recipients: recipients.iter().map(Recipient::id).collect(),
            parts: Vec::new(),
        };
        Builder { stage, recipients: recipients.to_vec(), manifest }
    }

    /// Packs all of `plain` as the next part.
    ///
    /// # Errors
    /// When reading or staging fails, there are too many parts or bytes, or the name is one of a slot's own files.
    pub fn add(
        &mut self,
        name: &str,
        content: Content,
        compression: Compression,
        plain: &mut dyn Read,
    ) -> Result<&Part, BundleError> {
        check_not_reserved(name)?;
        if self.manifest.parts.len() >= MAX_PARTS {
            let found = MAX_PARTS as u64 + 1;
            let (what, accepted) = ("the number of parts".to_owned(), format!("1 to {MAX_PARTS}"));
            return Err(BundleError::Limit { what, found, accepted });
        }
        self.stage.seek(SeekFrom::Start(self.manifest.stored_len())).map_err(BundleError::io("staging"))?;
        let mut chunks = ChunkWriter::new(&mut self.stage);
        let (plain, plain_sha256) = pack(name, compression, &self.recipients, plain, &mut chunks)?;
        let (stored, stored_sha256) = chunks.finish();
        let name = name.to_owned();
        let part = Part { name, content, compression, stored, plain, stored_sha256, plain_sha256 };
        self.manifest.parts.push(part);
        Ok(&self.manifest.parts[self.manifest.parts.len() - 1])
    }

    /// Signs with each of `keys` and writes the bundle; returns its manifest.
    ///
    /// # Errors
    /// When a value of the manifest is out of bounds, there are no keys or too many, or writing fails.
    pub fn finish(mut self, keys: &[&SigningKey], bundle: &mut dyn Write) -> Result<BundleManifest, BundleError> {
        check_new_version(&self.manifest.version)?;
        let front = Front::signed(self.manifest.to_bytes()?, keys)?;
        let write = || BundleError::io("writing the bundle");
        bundle.write_all(&front.to_bytes()).map_err(write())?;
        self.stage.seek(SeekFrom::Start(0)).map_err(BundleError::io("reading the stage"))?;
        let mut stage = BufReader::new(&mut self.stage);
        let mut chunk = Vec::new();
        for part in &self.manifest.parts {
            // Through the checking reader: a stage that changed meanwhile is found out here and not on a board.
            let mut chunks = ChunkReader::new(&mut stage, part, &mut chunk);
            let copied = io::copy(&mut chunks, bundle);
            match chunks.take_failure() {
                Some(failure) => return Err(failure),
                None => copied.map_err(write())?,
            };
        }
        bundle.flush().map_err(write())?;
        Ok(self.manifest)
    }
}

/// Sums up, compresses and encrypts; returns the plain length and sum.
fn pack(
    name: &str,
    compression: Compression,
    recipients: &[Recipient],
    plain: &mut dyn Read,
    stored: &mut ChunkWriter<'_>,
) -> Result<(u64, Digest), BundleError> {
    if recipients.is_empty() {
        return compress(name, compression, plain, stored);
    }
    let mut sealed = sealing(stored, recipients)?;
    let summed = compress(name, compression, plain, &mut sealed)?;
    sealed.finish().map_err(BundleError::io("staging"))?;
    Ok(summed)
}

fn compress(
    name: &str,
    compression: Compression,
    plain: &mut dyn Read,
    stored: &mut dyn Write,
) -> Result<(u64, Digest), BundleError> {
    let staging = || BundleError::io("staging");
    match compression {
        Compression::None => copy(name, plain, stored),
        Compression::Zstd => {
            let mut encoder = zstd::Encoder::new(stored, LEVEL).map_err(staging())?;
            encoder.window_log(MAX_WINDOW_LOG).map_err(staging())?;
            // The sums in the manifest are better than a checksum.
            encoder.include_checksum(false).map_err(staging())?;
            let summed = copy(name, plain, &mut encoder)?;
            encoder.finish().map_err(staging())?;
            Ok(summed)
        }
    }
}

fn copy(name: &str, plain: &mut dyn Read, target: &mut dyn Write) -> Result<(u64, Digest), BundleError> {
    let (mut sum, mut len) = (Summing::default(), 0_u64);
    let mut step = vec![0; 64 * 1024];
    loop {
        match plain.read(&mut step) {
            Ok(0) => return Ok((len, sum.finish())),
            Ok(read) => {
                len += read as u64;
                if len > MAX_PART {
                    let (what, accepted) = (format!("the length of part {name:?}"), format!("1 to {MAX_PART} bytes"));
                    return Err(BundleError::Limit { what, found: len, accepted });
                }
                sum.update(&step[..read]);
                target.write_all(&step[..read]).map_err(BundleError::io("staging"))?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(BundleError::io(format!("reading part {name:?}"))(error)),
        }
    }
}
