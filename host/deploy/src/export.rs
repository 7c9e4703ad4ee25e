//! Checkpoint and manifest in, checked ONNX file and manifest out.

use crate::check::{Agreement, GATE, agreement, reference, seeded_clip, tolerance};
use crate::error::ExportError;
use crate::folder::hex_sha256;
use crate::tract::TractModel;
use mtcae_contract::{Artifact, Manifest, Precision};
use mtcae_network::onnx::{EmitError, EmitOptions, emit, emit_half};
use mtcae_network::{Checkpoint, CheckpointError, Network, NetworkConfig, count};
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
    /// The ONNX files: fp32, and fp16 where that was asked for.
    pub files: Vec<ExportedFile>,
    /// The manifest beside them.
    pub manifest: PathBuf,
    /// Files that the manifest there listed before, and no longer does: they may be of other weights. They stay where they are.
    pub dropped: Vec<PathBuf>,
    /// Trained values.
    pub parameters: usize,
}

/// One ONNX file that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportedFile {
    /// Its number format.
    pub precision: Precision,
    /// The file.
    pub onnx: PathBuf,
    /// Its size.
    pub bytes: usize,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
    /// How far tract is from the checkpoint's own arithmetic.
    pub agreement: Agreement,
}

/// Writes `<name>.fp32.onnx`, on demand `<name>.fp16.onnx`, and `manifest.toml` into `out`, after running the graphs in tract and
/// comparing them with plain arithmetic. Each file appears whole or not at all, the manifest last.
///
/// # Errors
/// When the checkpoint or the manifest is unusable, they do not fit together, the check fails or a file cannot be written.
pub fn export(
    checkpoint: &Path,
    manifest: &Manifest,
    out: &Path,
    half: bool,
    progress: &mut dyn FnMut(Step),
) -> Result<ExportReport, ExportError> {
    progress(Step::Read);
    manifest.validate()?;
    free_for(out, manifest)?;
    let model = read(checkpoint)?;
    fits(&model, manifest, checkpoint)?;
    let mut made = Vec::new();
    let formats = [(Precision::Fp32, GATE), (Precision::Fp16, tolerance(Precision::Fp16))];
    for (precision, limit) in formats.into_iter().take(1 + usize::from(half)) {
        progress(Step::Emit);
        let onnx = match precision {
            Precision::Fp16 => half_bytes(&model, manifest)?,
            _ => onnx_bytes(&model, manifest)?,
        };
        progress(Step::Load);
        let agreement = verify(&model, manifest, &onnx, checkpoint, progress)?.gate(limit)?;
        made.push((precision, onnx, agreement));
    }
    progress(Step::Write);
    std::fs::create_dir_all(out).map_err(|source| ExportError::Io {
        action: "make folder",
        path: out.into(),
        source,
    })?;
    let before = crate::read_manifest(out).map_or(Vec::new(), |there| there.artifacts);
    let mut manifest = Manifest { artifacts: Vec::new(), ..manifest.clone() };
    let mut files = Vec::new();
    for (precision, onnx, agreement) in made {
        let file = format!("{}.{}.onnx", manifest.name, if precision == Precision::Fp16 { "fp16" } else { "fp32" });
        let (path, sha256) = (out.join(&file), hex_sha256(&onnx));
        write_whole(out, &path, &onnx)?;
        manifest.artifacts.push(Artifact { precision, file, sha256: sha256.clone() });
        files.push(ExportedFile { precision, onnx: path, bytes: onnx.len(), sha256, agreement });
    }
    let path = out.join("manifest.toml");
    write_whole(out, &path, manifest.to_toml()?.as_bytes())?;
    let network = Network::new(model.config).map_err(|e| CheckpointError::Config(e.to_string()));
    let is_dropped = |a: &&Artifact| !manifest.artifacts.iter().any(|new| new.file == a.file);
    let dropped = before.iter().filter(is_dropped).map(|a| out.join(&a.file)).collect();
    Ok(ExportReport { files, manifest: path, dropped, parameters: network.map_or(0, |n| count(&n).parameters()) })
}

/// The exported file in memory, with the metadata `mtcae.contract` and `mtcae.config`; not yet checked.
///
/// # Errors
/// When the weights do not fit their configuration or the colours cannot be folded.
pub fn onnx_bytes(checkpoint: &Checkpoint, manifest: &Manifest) -> Result<Vec<u8>, EmitError> {
    emit(checkpoint, &options(manifest))
}

/// The same file with its products in f16; not yet checked.
///
/// # Errors
/// As [`onnx_bytes`], and when a weight is beyond what f16 holds.
pub fn half_bytes(checkpoint: &Checkpoint, manifest: &Manifest) -> Result<Vec<u8>, EmitError> {
    emit_half(checkpoint, &options(manifest))
}

/// What every exported file of a model has in common.
pub(crate) fn options(manifest: &Manifest) -> EmitOptions {
    let metadata = vec![("mtcae.contract".to_owned(), manifest.contract_hash())];
    EmitOptions { mean: manifest.mean, std: manifest.std, metadata, opset: OPSET }
}

/// Whether a model may be written into `out`: there is none yet, or one that reads the same clips and says the same labels.
///
/// # Errors
/// [`ExportError::OtherModel`] when another one is there.
pub fn free_for(out: &Path, manifest: &Manifest) -> Result<(), ExportError> {
    let kind = |m: &Manifest| (m.clip, m.framing, m.labels.clone());
    match crate::read_manifest(out) {
        Ok(there) if kind(&there) != kind(manifest) => Err(ExportError::OtherModel {
            folder: out.into(),
            there: format!("{} {}", there.name, there.version),
            this: format!("{} {}", manifest.name, manifest.version),
        }),
        _ => Ok(()),
    }
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
    if let Some((key, found, need)) = checks.into_iter().find(|(_, found, need)| found != need) {
        return Err(ExportError::Mismatch { key, found, need, path: path.into() });
    }
    if let Err(source @ CheckpointError::Labels { .. }) = checkpoint.check_labels(manifest.labels.labels()) {
        return Err(ExportError::OtherLabels { path: path.into(), source });
    }
    // What a manifest calls a preset of ours must be it; other names are their owners' affair.
    let ours = NetworkConfig::preset(&manifest.preset);
    let same = |preset: NetworkConfig| {
        NetworkConfig { frames: c.frames, size: c.size, strategy: c.strategy, classes: c.classes, ..preset } == *c
    };
    match ours.map_or(true, same) {
        true => Ok(()),
        false => Err(ExportError::OtherPreset { preset: manifest.preset.clone(), path: path.into() }),
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
