//! Linear layers in int8: what they compute in each engine, which stay in f32, and how the file joins its folder.

use crate::{cases, onnxruntime};
use mtcae_contract::{Manifest, Precision};
use mtcae_deploy::{
    Burn, Device, EngineName, Engines, Form, Job, Keep, Model, NoBurn, OnnxRuntime, Parts, QuantizeError, QuantizeStep,
    Quantized, RangeMethod, TractModel, Verdict, agreement, onnx_bytes, quantize, read_artifact, reference,
    seeded_clip, verify,
};
use mtcae_network::{Checkpoint, NetworkConfig, StoredAs};
use std::path::Path;
use std::sync::Mutex;

const STATIC: Form = Form::Static { range: RangeMethod::Mse, asymmetric: false };
/// Accepted of random weights, relative to an output's largest value; a form that an engine runs wrongly is off by 0.7.
const FAR: f32 = 0.06;

fn small() -> (Checkpoint, Manifest, Vec<u8>) {
    let mut config = NetworkConfig::preset("tiny").unwrap();
    (config.size, config.frames, config.encoder.depth, config.decoder.layers) = (32, 4, 1, 1);
    let checkpoint = Checkpoint::random(config, 9).unwrap();
    let manifest = cases::manifest(&checkpoint.config);
    let fp32 = onnx_bytes(&checkpoint, &manifest).unwrap();
    (checkpoint, manifest, fp32)
}

fn clips(config: &NetworkConfig, seeds: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    seeds.map(|seed| seeded_clip(config.frames, config.size, seed)).collect()
}

fn quantized(form: Form, keep: Keep, keep_layers: &[String]) -> Result<Quantized, QuantizeError> {
    let (checkpoint, manifest, fp32) = small();
    let (calibration, held_out) = (clips(&checkpoint.config, 10..16), clips(&checkpoint.config, 20..24));
    let job = Job {
        checkpoint: &checkpoint,
        manifest: &manifest,
        fp32: &fp32,
        calibration: &calibration,
        held_out: &held_out,
        form,
        outliers: 0.0,
        keep,
        keep_layers,
        workers: 2,
    };
    quantize(&job, &|_| ())
}

#[test]
fn int8_answers_what_fp32_answers_in_each_engine() {
    let (checkpoint, _, fp32) = small();
    let reference = TractModel::load(&fp32).unwrap();
    let clips = clips(&checkpoint.config, 30..34);
    let library = onnxruntime::library();
    let forms = [
        STATIC,
        Form::Static { range: RangeMethod::Mse, asymmetric: true },
        Form::Static { range: RangeMethod::Percentile(99.99), asymmetric: false },
        Form::Static { range: RangeMethod::MinMax, asymmetric: true },
        Form::Dynamic,
    ];
    for form in forms {
        let found = quantized(form, Keep::None, &[]).unwrap();
        let convolutions = found.layers.iter().filter(|l| l.layer.is_convolution()).count();
        assert!(convolutions > 0 && convolutions < found.layers.len());
        for l in &found.layers {
            // No tokens, no range of each token: these stay in f32.
            let left = form == Form::Dynamic && l.layer.is_convolution();
            assert_eq!((l.activation.is_none(), l.error == 0.0), (left, left), "{form:?}: {l:?}");
            assert!(l.error < FAR, "{form:?}: {l:?}");
        }
        let (output, apart) = found.agreement.worst();
        assert!(apart > 0.0 && apart < FAR, "{form:?}: {output} {apart}");
        assert!(found.onnx.len() < fp32.len(), "{form:?}");
        let engine = TractModel::load(&found.onnx).unwrap();
        let mut other =
            library.as_ref().map(|l| OnnxRuntime::load(l, &found.onnx, engine.shape(), Device::Cpu).unwrap());
        for clip in &clips {
            let (own, want) = (engine.run(clip).unwrap(), reference.run(clip).unwrap());
            assert!(agreement(&own, &want).worst().1 < FAR, "{form:?}: tract");
            let Some(other) = other.as_mut().map(|o| o.run(clip).unwrap()) else { continue };
            let (far, near) = (agreement(&other, &want).worst().1, agreement(&other, &own).worst().1);
            assert!(far < FAR && near < FAR / 2.0, "{form:?}: ONNX Runtime is off by {far}, from tract by {near}");
        }
    }
}

#[test]
fn layers_that_hurt_or_are_named_stay_in_f32() {
    let all = quantized(STATIC, Keep::None, &[]).unwrap();
    let mut errors: Vec<f32> = all.layers.iter().map(|l| l.error).collect();
    errors.sort_by(|a, b| b.total_cmp(a));
    let three = quantized(STATIC, Keep::Worst(3), &["stem.merge".into()]).unwrap();
    let kept: Vec<_> = three.layers.iter().filter(|l| l.activation.is_none()).collect();
    assert!((3..=4).contains(&kept.len()) && kept.iter().any(|l| l.layer.name == "stem.merge"), "{kept:?}");
    assert_eq!(kept.iter().filter(|l| l.error >= errors[2]).count(), 3, "{kept:?}");
    assert!(three.onnx.len() > all.onnx.len());
    let none = quantized(STATIC, Keep::Above(0.0), &[]).unwrap();
    let (_, _, fp32) = small();
    assert!(none.onnx == fp32 && none.agreement.worst().1 == 0.0, "with every layer kept it is the fp32 file");
}

#[test]
fn the_fewest_layers_stay_in_f32_that_a_budget_needs() {
    let all = quantized(STATIC, Keep::None, &[]).unwrap();
    let probes = |found: &Quantized| found.layers.iter().filter(|l| l.activation.is_none()).count();
    // Of the eight clips that layers are tried on; the whole is measured on more.
    for share in [2.0, 0.7, 0.3] {
        let found = quantized(STATIC, Keep::Budget(all.logits_error * share), &[]).unwrap();
        let (kept, least) = (probes(&found), found.layers.iter().filter(|l| l.activation.is_none()));
        let least = least.map(|l| l.error).fold(f32::INFINITY, f32::min);
        assert!((kept == 0) == (share > 1.0) && kept < found.layers.len(), "{share}: {kept} kept");
        assert!(found.layers.iter().all(|l| l.activation.is_none() || l.error <= least), "{share}: not the worst ones");
        assert!(found.logits_error <= all.logits_error * share * 1.5, "{share}: {}", found.logits_error);
    }
}

#[test]
fn outliers_moved_into_weights_cost_less() {
    let (mut checkpoint, manifest, _) = small();
    for norm in ["blocks.0.norm1", "blocks.0.norm2"] {
        checkpoint.tensors.get_mut(&format!("{norm}.weight")).unwrap().values[5] = 60.0;
    }
    let fp32 = onnx_bytes(&checkpoint, &manifest).unwrap();
    let (calibration, held_out) = (clips(&checkpoint.config, 10..16), clips(&checkpoint.config, 20..24));
    let error = |outliers: f32| {
        let job = Job {
            checkpoint: &checkpoint,
            manifest: &manifest,
            fp32: &fp32,
            calibration: &calibration,
            held_out: &held_out,
            form: STATIC,
            outliers,
            keep: Keep::None,
            keep_layers: &[],
            workers: 2,
        };
        quantize(&job, &|_| ()).unwrap().logits_error
    };
    let (plain, moved) = (error(0.0), error(0.5));
    assert!(moved < plain / 2.0, "{moved} of the logits, {plain} without");
}

#[test]
fn what_cannot_be_quantized_is_named() {
    let error = quantized(STATIC, Keep::None, &["blocks.9.mlp.fc1".into()]).unwrap_err().to_string();
    assert!(
        error.starts_with("there is no layer `blocks.9.mlp.fc1`; accepted: stem.1.conv, stem.1.res.0.conv, "),
        "{error}"
    );
    let (checkpoint, manifest, fp32) = small();
    let mut job = Job {
        checkpoint: &checkpoint,
        manifest: &manifest,
        fp32: &fp32,
        calibration: &[],
        held_out: &[],
        form: STATIC,
        outliers: 0.0,
        keep: Keep::None,
        keep_layers: &[],
        workers: 1,
    };
    insta::assert_snapshot!(quantize(&job, &|_| ()).unwrap_err(), @"no clips to calibrate on; give data, or let each token find its own range (`--dynamic`)");
    // Without any data, on seeded noise.
    job.form = Form::Dynamic;
    let steps = Mutex::new(Vec::new());
    let found = quantize(&job, &|step| steps.lock().unwrap().push(step)).unwrap();
    let steps = steps.into_inner().unwrap();
    assert!(found.agreement.worst().1 < FAR && steps[0] == QuantizeStep::Layer(1, found.layers.len()));
    assert_eq!(steps.last(), Some(&QuantizeStep::Time));
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_int8_file_joins_its_model_or_another_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (source, own, other) =
        (folder.path().join("c.safetensors"), folder.path().join("own"), folder.path().join("other"));
    let (checkpoint, manifest, _) = small();
    std::fs::write(&source, checkpoint.to_bytes(StoredAs::F32).unwrap()).unwrap();
    mtcae_deploy::export(&source, &manifest, &own, false, &mut |_| ()).unwrap();
    std::fs::copy(&source, own.join("checkpoint.safetensors")).unwrap();
    let model = Model::open(&own).unwrap();
    let int8 = quantized(STATIC, Keep::None, &[]).unwrap().onnx;
    for out in [&own, &other] {
        // A second time replaces what the first wrote.
        for _ in 0..2 {
            let written = model.write_int8(&int8, out).unwrap();
            let manifest = mtcae_deploy::read_manifest(out).unwrap();
            assert_eq!(manifest.contract_hash(), model.manifest.contract_hash());
            assert_eq!(manifest.artifacts.len(), 2);
            assert_eq!(manifest.artifact(Precision::Int8).unwrap().sha256, written.sha256);
            assert!(read_artifact(out, &manifest, Precision::Int8).unwrap() == int8);
            assert!(read_artifact(out, &manifest, Precision::Fp32).unwrap() == model.fp32);
        }
    }
    assert_eq!(names(&other), ["manifest.toml", "sample.fp32.onnx", "sample.int8.onnx"]);
    std::fs::write(own.join("sample.fp32.onnx"), b"another").unwrap();
    let error = Model::open(&own).unwrap_err().to_string();
    assert!(error.contains("sample.fp32.onnx: its SHA-256 is") && error.contains("the manifest says"), "{error}");
    let error = Model::open(&other).unwrap_err().to_string();
    assert!(
        error.contains("checkpoint.safetensors: there is none; a model folder is what `mtcae export` writes"),
        "{error}"
    );
    let made = Model::from_checkpoint(&source, manifest).unwrap();
    assert!(made.fp32 == model.fp32);
}

#[test]
fn a_model_is_verified_in_every_engine() {
    let (checkpoint, manifest, fp32) = small();
    let int8 = quantized(STATIC, Keep::None, &[]).unwrap().onnx;
    let clips = clips(&checkpoint.config, 40..43);
    let library = onnxruntime::library();
    let mut files = vec![(Precision::Fp32, fp32), (Precision::Int8, int8)];
    let right = |clips: &[Vec<u8>]| {
        let one = |clip: &Vec<u8>| reference(&checkpoint, clip, manifest.mean, manifest.std);
        clips.iter().map(one).collect::<Result<Vec<_>, _>>().map_err(|e| NoBurn::Failed(e.to_string()))
    };
    let check_with = |burn: Burn<'_>, files: &[(Precision, Vec<u8>)]| {
        let parts = Parts {
            manifest: &manifest,
            checkpoint: Some(&checkpoint),
            files,
            clips: &clips,
            onnxruntime: library.as_deref(),
            burn: Some(burn),
            engines: Engines::There,
        };
        verify(&parts, &mut |_, _| ()).unwrap()
    };
    let check = |files: &[(Precision, Vec<u8>)]| check_with(&right, files);
    let found = check(&files);
    assert_eq!(found.verdict(), Verdict::Good, "{found:?}");
    assert_eq!(found.differences.len(), if library.is_some() { 5 } else { 3 });
    let first = &found.differences[0];
    assert_eq!((first.against.1, first.relative.worst().1 < 1e-5), (EngineName::Arithmetic, true));
    // A trainer that is not there says nothing of a model; one that breaks, or answers too little, does.
    let absent = check_with(&|_| Err(NoBurn::Absent("build it".to_owned())), &files);
    assert_eq!((absent.verdict(), absent.absent.len(), absent.failures.len()), (Verdict::Good, 1, 0), "{absent:?}");
    let broken: [Burn<'_>; 2] =
        [&|_| Err(NoBurn::Failed("it crashed".to_owned())), &|clips| right(&clips[..clips.len() - 1])];
    for burn in broken {
        let found = check_with(burn, &files);
        assert_eq!((found.verdict(), found.failures[0].1), (Verdict::Wrong, EngineName::Burn), "{found:?}");
    }
    // Another network's int8 file.
    let other = Checkpoint::random(checkpoint.config.clone(), 10).unwrap();
    files[1].1 = onnx_bytes(&other, &manifest).unwrap();
    let found = check(&files);
    assert_eq!(found.verdict(), Verdict::Wrong);
    assert!(found.differences.iter().any(|d| !d.near() && d.file == (Precision::Int8, EngineName::Tract)), "{found:?}");
    // A file of other sides: each engine says so.
    let mut config = checkpoint.config.clone();
    config.size = 48;
    files[1].1 = onnx_bytes(&Checkpoint::random(config, 9).unwrap(), &manifest).unwrap();
    let found = check(&files);
    assert!(found.verdict() == Verdict::Wrong && found.failures.len() == 1, "{found:?}");
}
