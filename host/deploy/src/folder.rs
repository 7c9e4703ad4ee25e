//! A model's folder at the desk: manifest, checkpoint and fp32 file, and the int8 file that joins them.

use crate::check::GATE;
use crate::error::ExportError;
use crate::export::{self, onnx_bytes};
use mtcae_contract::{Artifact, Manifest, Precision};
use mtcae_network::Checkpoint;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The manifest's name in a model's folder.
const MANIFEST: &str = "manifest.toml";
/// The checkpoint's name there.
const CHECKPOINT: &str = "checkpoint.safetensors";

/// A model with its weights and its fp32 file.
#[derive(Debug, Clone)]
pub struct Model {
    /// Where it was read; none when it was made from a checkpoint.
    folder: Option<PathBuf>,
    /// What it is.
    pub manifest: Manifest,
    /// Its weights.
    pub checkpoint: Checkpoint,
    /// Its fp32 ONNX file.
    pub fp32: Vec<u8>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The int8 file.
    pub onnx: PathBuf,
    /// The manifest that lists it.
    pub manifest: PathBuf,
    /// SHA-256 of the int8 file, hexadecimal.
    pub sha256: String,
}

impl Model {
    /// Reads a folder with `manifest.toml`, `checkpoint.safetensors` and the fp32 file, which is made of the checkpoint where the
    /// manifest lists none.
    ///
    /// # Errors
    /// When one of them is missing, not acceptable, or not of the others.
    pub fn open(folder: &Path) -> Result<Model, ExportError> {
        let manifest = read_manifest(folder)?;
        let path = folder.join(CHECKPOINT);
        if !path.exists() {
            return Err(ExportError::Folder { path, why: "there is none".into() });
        }
        let checkpoint = export::read(&path)?;
        export::fits(&checkpoint, &manifest, &path)?;
        let fp32 = match manifest.artifact(Precision::Fp32) {
            Some(_) => read_artifact(folder, &manifest, Precision::Fp32)?,
            None => fp32_of(&checkpoint, &manifest, &path)?,
        };
        Ok(Model { folder: Some(folder.to_owned()), manifest, checkpoint, fp32 })
    }

    /// Makes the fp32 file of a checkpoint, checked as [`export::export`] does.
    ///
    /// # Errors
    /// As an export.
    pub fn from_checkpoint(path: &Path, manifest: Manifest) -> Result<Model, ExportError> {
        manifest.validate()?;
        let checkpoint = export::read(path)?;
        export::fits(&checkpoint, &manifest, path)?;
        let fp32 = fp32_of(&checkpoint, &manifest, path)?;
        Ok(Model { folder: None, manifest, checkpoint, fp32 })
    }

    /// Writes `<name>.int8.onnx` into `out` and lists it in the manifest there. In a folder other than the model's own the fp32
    /// file is written too, as a self-test needs it. Each file appears whole or not at all, the manifest last.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_int8(&self, int8: &[u8], out: &Path) -> Result<Written, ExportError> {
        std::fs::create_dir_all(out).map_err(|source| ExportError::Io {
            action: "make folder",
            path: out.into(),
            source,
        })?;
        let own = self.folder.as_ref().is_some_and(|f| same_folder(f, out));
        let mut manifest = self.manifest.clone();
        manifest.artifacts.retain(|a| a.precision != Precision::Int8 && (own || a.precision == Precision::Fp32));
        if !own {
            let listed = manifest.artifacts.pop().map(|a| a.file);
            let fp32 = listed.unwrap_or_else(|| format!("{}.fp32.onnx", manifest.name));
            manifest.artifacts = vec![artifact(Precision::Fp32, fp32, &self.fp32)];
            export::write_whole(out, &out.join(&manifest.artifacts[0].file), &self.fp32)?;
        }
        let int8_file = artifact(Precision::Int8, format!("{}.int8.onnx", manifest.name), int8);
        let (onnx, sha256) = (out.join(&int8_file.file), int8_file.sha256.clone());
        export::write_whole(out, &onnx, int8)?;
        manifest.artifacts.push(int8_file);
        let path = out.join(MANIFEST);
        export::write_whole(out, &path, manifest.to_toml()?.as_bytes())?;
        Ok(Written { onnx, manifest: path, sha256 })
    }
}

/// The fp32 file of a checkpoint that was read from `path`, held to plain arithmetic.
fn fp32_of(checkpoint: &Checkpoint, manifest: &Manifest, path: &Path) -> Result<Vec<u8>, ExportError> {
    let fp32 = onnx_bytes(checkpoint, manifest)?;
    export::verify(checkpoint, manifest, &fp32, path, &mut |_| ())?.gate(GATE)?;
    Ok(fp32)
}

fn artifact(precision: Precision, file: String, bytes: &[u8]) -> Artifact {
    Artifact { precision, file, sha256: hex_sha256(bytes) }
}

/// SHA-256, hexadecimal.
pub(crate) fn hex_sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Whether two paths lead to one folder; a folder that cannot be looked up is no other's.
fn same_folder(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// The manifest of the model in `folder`.
///
/// # Errors
/// When it cannot be read or is not acceptable.
pub fn read_manifest(folder: &Path) -> Result<Manifest, ExportError> {
    let path = folder.join(MANIFEST);
    let text = read(&path)?;
    let text = String::from_utf8(text).map_err(|_| folder_error(&path, "it is not text".to_owned()))?;
    Manifest::from_toml(&text).map_err(|e| folder_error(&path, e.to_string().trim_end().to_owned()))
}

/// Whether the model in `folder` has its checkpoint beside it.
pub fn has_checkpoint(folder: &Path) -> bool {
    folder.join(CHECKPOINT).exists()
}

/// The checkpoint of the model in `folder`, if it has one.
///
/// # Errors
/// When there is one that is not acceptable or not of the manifest.
pub fn read_checkpoint(folder: &Path, manifest: &Manifest) -> Result<Option<Checkpoint>, ExportError> {
    let path = folder.join(CHECKPOINT);
    if !has_checkpoint(folder) {
        return Ok(None);
    }
    let checkpoint = export::read(&path)?;
    export::fits(&checkpoint, manifest, &path)?;
    Ok(Some(checkpoint))
}

/// The file of `precision` in `folder`, whole.
///
/// # Errors
/// When the manifest lists none, or the file is missing or not the one that was listed.
pub fn read_artifact(folder: &Path, manifest: &Manifest, precision: Precision) -> Result<Vec<u8>, ExportError> {
    let name = format!("{precision:?}").to_lowercase();
    let Some(artifact) = manifest.artifact(precision) else {
        return Err(folder_error(&folder.join(MANIFEST), format!("it lists no {name} file")));
    };
    let path = folder.join(&artifact.file);
    let bytes = read(&path)?;
    let found = hex_sha256(&bytes);
    if !found.eq_ignore_ascii_case(&artifact.sha256) {
        let why = format!("its SHA-256 is {found}, the manifest says {}", artifact.sha256);
        return Err(folder_error(&path, why));
    }
    Ok(bytes)
}

fn read(path: &Path) -> Result<Vec<u8>, ExportError> {
    std::fs::read(path).map_err(|source| ExportError::Io { action: "read", path: path.into(), source })
}

fn folder_error(path: &Path, why: String) -> ExportError {
    ExportError::Folder { path: path.into(), why }
}
