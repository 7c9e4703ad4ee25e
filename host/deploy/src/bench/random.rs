//! A model of random weights, for measuring time: it is as fast as a trained one.

use crate::check::seeded_clip;
use crate::error::ExportError;
use crate::export::{half_bytes, onnx_bytes, options};
use crate::folder::hex_sha256;
use crate::quantize::{Form, Job, Keep, QuantizeError, RangeMethod, int8_activations};
use mtcae_contract::{Artifact, ClipSpec, Framing, LabelSet, MANIFEST_FORMAT, Manifest, Precision, Sampling};
use mtcae_network::onnx::emit_int8;
use mtcae_network::{Checkpoint, NetworkConfig};
use std::path::Path;

/// Writes a model of `checkpoint` into `folder`, which is there: fp32, and what `precisions` names beside it. The ranges of int8 are
/// found on one seeded clip. The weights may be random.
///
/// # Errors
/// When the weights do not fit their configuration, or a file cannot be written.
pub fn random_model(
    checkpoint: &Checkpoint,
    name: &str,
    precisions: &[Precision],
    folder: &Path,
) -> Result<(), QuantizeError> {
    let mut manifest = random_manifest(&checkpoint.config, name);
    for precision in [Precision::Fp32, Precision::Fp16, Precision::Int8] {
        // One at a time: a large one takes a gigabyte.
        let onnx = match precision {
            Precision::Fp32 => onnx_bytes(checkpoint, &manifest)?,
            _ if !precisions.contains(&precision) => continue,
            Precision::Fp16 => half_bytes(checkpoint, &manifest)?,
            Precision::Int8 => int8(checkpoint, &manifest)?,
        };
        let file = format!("{name}.{}.onnx", super::table::precision(precision));
        write(&folder.join(&file), &onnx)?;
        manifest.artifacts.push(Artifact { precision, file, sha256: hex_sha256(&onnx) });
    }
    let text = manifest.to_toml().map_err(ExportError::from)?;
    Ok(write(&folder.join("manifest.toml"), text.as_bytes())?)
}

/// The manifest of a model of random weights, without files.
pub(crate) fn random_manifest(config: &NetworkConfig, name: &str) -> Manifest {
    Manifest {
        format: MANIFEST_FORMAT,
        name: name.into(),
        version: "0.0.0".into(),
        preset: name.into(),
        labels: LabelSet::seven(),
        sampling: Sampling::Uniform,
        temperature: 1.0,
        clip: ClipSpec { frames: config.frames, size: config.size, seconds: 1.0 },
        framing: Framing::Whole,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        artifacts: Vec::new(),
    }
}

fn int8(checkpoint: &Checkpoint, manifest: &Manifest) -> Result<Vec<u8>, QuantizeError> {
    let clip = [seeded_clip(manifest.clip.frames, manifest.clip.size, 1)];
    let job = Job {
        checkpoint,
        manifest,
        fp32: &[],
        calibration: &clip,
        held_out: &[],
        form: Form::Static { range: RangeMethod::Mse, asymmetric: false },
        outliers: 0.0,
        keep: Keep::None,
        keep_layers: &[],
        workers: 1,
    };
    let layers = int8_activations(&job)?;
    Ok(emit_int8(checkpoint, &options(manifest), &layers)?)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ExportError> {
    std::fs::write(path, bytes).map_err(|source| ExportError::Io { action: "write", path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tract::TractModel;
    use crate::{agreement, read_artifact, read_manifest};

    const ALL: [Precision; 3] = [Precision::Fp32, Precision::Fp16, Precision::Int8];

    #[test]
    fn a_random_model_runs_in_every_precision() {
        let mut config = NetworkConfig::preset("tiny").unwrap();
        (config.size, config.frames, config.encoder.depth, config.decoder.layers) = (32, 4, 1, 1);
        let folder = tempfile::tempdir().unwrap();
        random_model(&Checkpoint::random(config, 1).unwrap(), "tiny", &ALL, folder.path()).unwrap();
        let manifest = read_manifest(folder.path()).unwrap();
        let answers = ALL.map(|precision| {
            let onnx = read_artifact(folder.path(), &manifest, precision).unwrap();
            TractModel::load(&onnx).unwrap().run(&seeded_clip(4, 32, 1)).unwrap()
        });
        for (answer, most) in answers[1..].iter().zip([2e-3, 0.06]) {
            let apart = agreement(answer, &answers[0]).worst().1;
            assert!(apart > 0.0 && apart < most, "{apart}");
        }
    }
}
