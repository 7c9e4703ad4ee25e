//! A model's folder: the manifest and the file of one precision, checked against each other before any engine sees them.

use mtcae_contract::{Clip, ClipSpec, Manifest, ManifestError, Precision};
use mtcae_core::EngineError;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Largest model file, bytes: what protobuf holds. `large` in fp32 has 1.5 GB.
pub const MAX_MODEL_BYTES: u64 = i32::MAX as u64;
/// Largest manifest, bytes; real ones have about one thousand.
const MAX_MANIFEST_BYTES: u64 = 64 << 10;
/// The key under which an exported file carries [`Manifest::contract_hash`].
pub(crate) const CONTRACT_KEY: &str = "mtcae.contract";
/// The manifest's name in a model's folder.
const MANIFEST: &str = "manifest.toml";

/// Why a model cannot be used; each names the file, what was found, what is needed, and the next step.
#[derive(Debug, Error)]
pub enum ModelError {
    /// A file or the folder is not there.
    #[error(
        "model file {path} is missing; give a folder that holds {MANIFEST} and its files, as `mtcae export` writes it"
    )]
    Missing {
        /// The file.
        path: String,
    },
    /// A file cannot be read.
    #[error("model file {path} cannot be read: {cause}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        cause: std::io::Error,
    },
    /// A file is too large.
    #[error("model file {path} has more than {max} bytes; is it a model?")]
    TooLarge {
        /// The file.
        path: String,
        /// The limit.
        max: u64,
    },
    /// The manifest is not acceptable.
    #[error("model file {path}: {cause}; write it again with `mtcae export`")]
    Manifest {
        /// The manifest.
        path: String,
        /// Which key, which value, what is accepted.
        cause: ManifestError,
    },
    /// The manifest is not text.
    #[error("model file {path} is not text (UTF-8); write it again with `mtcae export`")]
    NotText {
        /// The manifest.
        path: String,
    },
    /// The manifest lists no file of this precision.
    #[error("model {path} has no file of precision {wanted}; it has: {has}; export that one, or configure another")]
    NoPrecision {
        /// The manifest.
        path: String,
        /// What was asked for.
        wanted: String,
        /// What is listed.
        has: String,
    },
    /// The file's bytes are not those the manifest was written for.
    #[error("model file {path} is damaged: its SHA-256 is {found}, the manifest says {needed}; copy it again")]
    Sha256 {
        /// The file.
        path: String,
        /// Of the bytes.
        found: String,
        /// In the manifest.
        needed: String,
    },
    /// The bytes are no network, or none of the needed form.
    #[error("model file {path} cannot be used: {found}; needed: {needed}; export it again with `mtcae export`")]
    Unusable {
        /// The file.
        path: String,
        /// What was found.
        found: String,
        /// What is needed.
        needed: String,
    },
}

impl From<ModelError> for EngineError {
    fn from(error: ModelError) -> EngineError {
        EngineError::Refused(error.to_string())
    }
}

/// A model that was read and whose bytes are those of its manifest.
#[derive(Debug, Clone)]
pub struct ModelFile {
    /// What the model is.
    pub manifest: Manifest,
    /// Number format of `bytes`.
    pub precision: Precision,
    /// Where the bytes were read.
    pub path: PathBuf,
    /// The ONNX file.
    pub bytes: Vec<u8>,
}

impl ModelFile {
    /// Reads `manifest.toml` in `folder` and the file it lists for `precision`.
    ///
    /// # Errors
    /// When either is missing, too large or damaged.
    pub fn read(folder: &Path, precision: Precision) -> Result<ModelFile, ModelError> {
        let bytes = |name: &str, max| read(&folder.join(name), max);
        ModelFile::find(folder, precision, bytes)
    }

    /// The same from parts in memory, of which `part` gives the bytes; `place` is what errors call the folder.
    ///
    /// # Errors
    /// When either is missing, too large or damaged.
    pub fn from_parts(
        place: &Path,
        precision: Precision,
        mut part: impl FnMut(&str) -> Option<Vec<u8>>,
    ) -> Result<ModelFile, ModelError> {
        let bytes = |name: &str, max: u64| {
            let path = || text(&place.join(name));
            match part(name) {
                None => Err(ModelError::Missing { path: path() }),
                Some(bytes) if bytes.len() as u64 > max => Err(ModelError::TooLarge { path: path(), max }),
                Some(bytes) => Ok(bytes),
            }
        };
        ModelFile::find(place, precision, bytes)
    }

    fn find(
        folder: &Path,
        precision: Precision,
        mut bytes: impl FnMut(&str, u64) -> Result<Vec<u8>, ModelError>,
    ) -> Result<ModelFile, ModelError> {
        let manifest = parse_manifest(folder, bytes(MANIFEST, MAX_MANIFEST_BYTES)?)?;
        let Some(artifact) = manifest.artifact(precision) else {
            let has: Vec<_> = manifest.artifacts.iter().map(|a| name(a.precision)).collect();
            let has = if has.is_empty() { "none".to_owned() } else { has.join(", ") };
            return Err(ModelError::NoPrecision { path: text(&folder.join(MANIFEST)), wanted: name(precision), has });
        };
        let path = folder.join(&artifact.file);
        let bytes = bytes(&artifact.file, MAX_MODEL_BYTES)?;
        let found: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        if !found.eq_ignore_ascii_case(&artifact.sha256) {
            return Err(ModelError::Sha256 { path: text(&path), found, needed: artifact.sha256.clone() });
        }
        Ok(ModelFile { precision, path, bytes, manifest })
    }

    pub(crate) fn unusable(&self, found: impl Into<String>, needed: impl Into<String>) -> ModelError {
        ModelError::Unusable { path: text(&self.path), found: found.into(), needed: needed.into() }
    }
}

/// When a file carries a contract hash, `carried`, it must be the manifest's.
pub(crate) fn check_contract(carried: Option<&str>, file: &ModelFile) -> Result<(), ModelError> {
    let needed = file.manifest.contract_hash();
    match carried {
        Some(found) if found != needed => Err(file.unusable(
            format!("it was exported for another manifest ({CONTRACT_KEY} is {found:.64})"),
            format!("{needed}, the hash of the manifest beside it"),
        )),
        _ => Ok(()),
    }
}

/// A clip must be what the model takes.
pub(crate) fn check_clip(clip: &Clip, spec: ClipSpec) -> Result<(), EngineError> {
    let need = (spec.frames, spec.size, spec.frames * spec.size * spec.size * 3);
    if (clip.frames, clip.size, clip.bytes.len()) == need {
        return Ok(());
    }
    Err(EngineError::Failed(format!(
        "a clip of {} frames of {} pixels; the model takes {} of {}",
        clip.frames, clip.size, spec.frames, spec.size
    )))
}

/// Reads and checks `manifest.toml` in `folder`.
///
/// # Errors
/// When it is missing, too large, or not acceptable.
pub fn read_manifest(folder: &Path) -> Result<Manifest, ModelError> {
    parse_manifest(folder, read(&folder.join(MANIFEST), MAX_MANIFEST_BYTES)?)
}

fn parse_manifest(folder: &Path, bytes: Vec<u8>) -> Result<Manifest, ModelError> {
    let path = folder.join(MANIFEST);
    let toml = String::from_utf8(bytes);
    let toml = toml.map_err(|_| ModelError::NotText { path: text(&path) })?;
    Manifest::from_toml(&toml).map_err(|cause| ModelError::Manifest { path: text(&path), cause })
}

fn read(path: &Path, max: u64) -> Result<Vec<u8>, ModelError> {
    let failed = |cause: std::io::Error| match cause.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => ModelError::Missing { path: text(path) },
        _ => ModelError::Unreadable { path: text(path), cause },
    };
    let file = File::open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    if len > max {
        return Err(ModelError::TooLarge { path: text(path), max });
    }
    let mut bytes = Vec::with_capacity(len as usize);
    // A device or a pipe has no length.
    file.take(max + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > max {
        return Err(ModelError::TooLarge { path: text(path), max });
    }
    Ok(bytes)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn name(precision: Precision) -> String {
    format!("{precision:?}").to_lowercase()
}
