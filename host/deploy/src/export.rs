//! Checkpoint and manifest in, checked ONNX file and manifest out.

use crate::check::{Agreement, agreement, reference, seeded_clip};
use crate::error::ExportError;
use crate::folder::hex_sha256;
use crate::tract::TractModel;
use mtcae_contract::{Artifact, Manifest, Precision};
use mtcae_network::onnx::{EmitError, EmitOptions, emit};
use mtcae_network::{Checkpoint, Network, count};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Clips the exported file is checked on.
const CLIPS: u64 = 2;
/// Read by every ONNX Runtime since 1.15 and by tract.
const OPSET: u32 = 17;

/// Where an export is; for a progress line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Reading the checkpoint.
    Read,
    /// Writing the graph in memory.
    Emit,
    /// tract reads and optimises it.
    Load,
    /// Check clip `.0` of `.1` (from 1).
    Check(u64, u64),
    /// Writing the files.
    Write,
}

/// What an export made.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportReport {
    /// The ONNX file.
    pub onnx: PathBuf,
    /// The manifest beside it.
    pub manifest: PathBuf,
    /// Size of the ONNX file.
    pub bytes: usize,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
    /// Trained values.
    pub parameters: usize,
    /// How far tract is from the checkpoint's own arithmetic.
    pub agreement: Agreement,
}

/// Writes `<name>.fp32.onnx` and `manifest.toml` into `out`, after running the graph in tract and comparing it with plain
/// arithmetic. Each file appears whole or not at all, the manifest last.
///
/// # Errors
/// When the checkpoint or the manifest is unusable, they do not fit together, the check fails or a file cannot be written.
pub fn export(
    checkpoint: &Path,
    manifest: &Manifest,
    out: &Path,
    progress: &mut dyn FnMut(Step),
) -> Result<ExportReport, ExportError> {
    progress(Step::Read);
    manifest.validate()?;
    let model = read(checkpoint)?;
    fits(&model, manifest, checkpoint)?;
    progress(Step::Emit);
    let onnx = onnx_bytes(&model, manifest)?;
    progress(Step::Load);
    let agreement = verify(&model, manifest, &onnx, checkpoint, progress)?.gate()?;
    progress(Step::Write);
    let sha256 = hex_sha256(&onnx);
    let file = format!("{}.fp32.onnx", manifest.name);
    let mut manifest = manifest.clone();
    manifest.artifacts = vec![Artifact { precision: Precision::Fp32, file: file.clone(), sha256: sha256.clone() }];
    let text = manifest.to_toml()?;
    std::fs::create_dir_all(out).map_err(|source| ExportError::Io {
        action: "make folder",
        path: out.into(),
        source,
    })?;
    let paths = (out.join(file), out.join("manifest.toml"));
    write_whole(out, &paths.0, &onnx)?;
    write_whole(out, &paths.1, text.as_bytes())?;
    let network = Network::new(model.config).map_err(|e| mtcae_network::CheckpointError::Config(e.to_string()));
    let parameters = network.map_or(0, |n| count(&n).parameters());
    Ok(ExportReport { onnx: paths.0, manifest: paths.1, bytes: onnx.len(), sha256, parameters, agreement })
}

/// The exported file in memory, with the metadata `mtcae.contract` and `mtcae.config`; not yet checked.
///
/// # Errors
/// When the weights do not fit their configuration or the colours cannot be folded.
pub fn onnx_bytes(checkpoint: &Checkpoint, manifest: &Manifest) -> Result<Vec<u8>, EmitError> {
    emit(checkpoint, &options(manifest))
}

/// What every exported file of a model has in common.
pub(crate) fn options(manifest: &Manifest) -> EmitOptions {
    let metadata = vec![("mtcae.contract".to_owned(), manifest.contract_hash())];
    EmitOptions { mean: manifest.mean, std: manifest.std, metadata, opset: OPSET }
}

pub(crate) fn read(path: &Path) -> Result<Checkpoint, ExportError> {
    let bytes = std::fs::read(path).map_err(|source| ExportError::Io { action: "read", path: path.into(), source })?;
    Checkpoint::from_bytes(&bytes).map_err(|source| ExportError::Checkpoint { path: path.into(), source })
}

pub(crate) fn fits(checkpoint: &Checkpoint, manifest: &Manifest, path: &Path) -> Result<(), ExportError> {
    let c = &checkpoint.config;
    let checks = [
        ("clip.frames", manifest.clip.frames, c.frames),
        ("clip.size", manifest.clip.size, c.size),
        ("labels (their number)", manifest.labels.len(), c.classes),
    ];
    match checks.into_iter().find(|(_, found, need)| found != need) {
        Some((key, found, need)) => Err(ExportError::Mismatch { key, found, need, path: path.into() }),
        None => Ok(()),
    }
}

pub(crate) fn verify(
    checkpoint: &Checkpoint,
    manifest: &Manifest,
    onnx: &[u8],
    path: &Path,
    progress: &mut dyn FnMut(Step),
) -> Result<Agreement, ExportError> {
    let engine = TractModel::load(onnx)?;
    let mut worst = Agreement::default();
    for seed in 1..=CLIPS {
        progress(Step::Check(seed, CLIPS));
        let clip = seeded_clip(checkpoint.config.frames, checkpoint.config.size, seed);
        let want = reference(checkpoint, &clip, manifest.mean, manifest.std)
            .map_err(|source| ExportError::Checkpoint { path: path.into(), source })?;
        worst = worst.max(agreement(&engine.run(&clip)?, &want));
    }
    Ok(worst)
}

pub(crate) fn write_whole(folder: &Path, path: &Path, bytes: &[u8]) -> Result<(), ExportError> {
    let failed = |source| ExportError::Io { action: "write", path: path.into(), source };
    // A model is no secret: the daemon, another user, reads it. The umask still has its say.
    let readable = std::fs::Permissions::from_mode(0o666);
    let mut file =
        tempfile::Builder::new().prefix(".export-").permissions(readable).tempfile_in(folder).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}
