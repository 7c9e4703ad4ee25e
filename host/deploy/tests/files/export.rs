//! Files out, or a clear reason and no files.

use crate::cases;
use mtcae_contract::{Manifest, Precision};
use mtcae_deploy::{Step, export};
use mtcae_network::{Checkpoint, NetworkConfig, StoredAs};
use std::path::Path;

fn small() -> Checkpoint {
    let mut config = NetworkConfig::preset("tiny").unwrap();
    (config.size, config.frames, config.encoder.depth) = (32, 4, 1);
    Checkpoint::random(config, 9).unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_export_is_a_checked_file_and_its_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("c.safetensors"), folder.path().join("out"));
    let checkpoint = small();
    std::fs::write(&source, checkpoint.to_bytes(StoredAs::F16).unwrap()).unwrap();
    let manifest = cases::manifest(&checkpoint.config);
    let mut steps = Vec::new();
    let report = export(&source, &manifest, &out, false, &mut |s| steps.push(s)).unwrap();
    let [file] = report.files.as_slice() else { panic!("{report:?}") };
    assert!(file.precision == Precision::Fp32 && file.agreement.worst().1 < 1e-5);
    assert_eq!(steps, [Step::Read, Step::Emit, Step::Load, Step::Check(1, 2), Step::Check(2, 2), Step::Write]);
    assert_eq!(files(&out), ["manifest.toml", "sample.fp32.onnx"]);
    let written = Manifest::from_toml(&std::fs::read_to_string(&report.manifest).unwrap()).unwrap();
    assert_eq!(written.artifact(Precision::Fp32).unwrap().sha256, file.sha256);
    let onnx = std::fs::read(&file.onnx).unwrap();
    assert_eq!(onnx.len(), file.bytes);
    let hash = manifest.contract_hash();
    assert!(onnx.windows(hash.len()).any(|w| w == hash.as_bytes()), "the metadata carries the manifest's hash");
}

#[test]
fn an_f16_file_comes_with_the_f32_one() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("c.safetensors"), folder.path().join("out"));
    let checkpoint = small();
    std::fs::write(&source, checkpoint.to_bytes(StoredAs::F32).unwrap()).unwrap();
    let manifest = cases::manifest(&checkpoint.config);
    let report = export(&source, &manifest, &out, true, &mut |_| ()).unwrap();
    let [full, half] = report.files.as_slice() else { panic!("{report:?}") };
    assert_eq!((full.precision, half.precision), (Precision::Fp32, Precision::Fp16));
    assert!(half.agreement.worst().1 > 1e-5 && half.agreement.worst().1 < 0.01, "{half:?}");
    assert!(half.bytes * 100 < full.bytes * 52);
    assert_eq!(files(&out), ["manifest.toml", "sample.fp16.onnx", "sample.fp32.onnx"]);
    let written = mtcae_deploy::read_manifest(&out).unwrap();
    assert_eq!(mtcae_deploy::read_artifact(&out, &written, Precision::Fp16).unwrap().len(), half.bytes);
    // A model that is there is not written over by one of another kind.
    let mut slower = Manifest { version: "9.0.0".to_owned(), ..manifest };
    assert!(export(&source, &slower, &out, true, &mut |_| ()).is_ok(), "a newer one of its kind");
    // Without f16 the file of before stays, and is named.
    let again = export(&source, &slower, &out, false, &mut |_| ()).unwrap();
    assert_eq!(again.dropped, [out.join("sample.fp16.onnx")]);
    assert_eq!(files(&out), ["manifest.toml", "sample.fp16.onnx", "sample.fp32.onnx"]);
    let written = mtcae_deploy::read_manifest(&out).unwrap();
    assert!(written.artifact(Precision::Fp16).is_none());
    slower.clip.seconds = 2.0;
    let error = export(&source, &slower, &out, false, &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains(" holds sample ") && error.ends_with("; accepted: another folder"), "{error}");
    assert_eq!(mtcae_deploy::read_manifest(&out).unwrap(), written);
}

#[test]
fn what_cannot_be_exported_is_named_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("c.safetensors"), folder.path().join("out"));
    let checkpoint = small();
    let bytes = checkpoint.to_bytes(StoredAs::F32).unwrap();
    let manifest = cases::manifest(&checkpoint.config);
    let refused = |bytes: &[u8], manifest: &Manifest| {
        std::fs::write(&source, bytes).unwrap();
        let error = export(&source, manifest, &out, false, &mut |_| ()).unwrap_err().to_string();
        error.replace(&folder.path().display().to_string(), "DIR")
    };
    let cut = refused(&bytes[..bytes.len() / 2], &manifest);
    assert!(cut.starts_with("DIR/c.safetensors: not a safetensors checkpoint"), "{cut}");
    let mut other = manifest.clone();
    other.clip.size = 112;
    insta::assert_snapshot!(refused(&bytes, &other), @"manifest key `clip.size` is 112; accepted: 32, as in DIR/c.safetensors; correct the manifest or take another checkpoint");
    other.clip.size = 100;
    insta::assert_snapshot!(refused(&bytes, &other), @"manifest key `clip.size` is 100; accepted: a multiple of 16, 16 to 448");
    let other = Manifest { preset: "tiny".to_owned(), ..manifest.clone() };
    insta::assert_snapshot!(refused(&bytes, &other), @"manifest key `preset` is tiny; DIR/c.safetensors is of another network; correct the manifest or take another checkpoint");
    let mut reversed = manifest.labels.labels().to_vec();
    reversed.reverse();
    let labelled = checkpoint.with_labels(&reversed).to_bytes(StoredAs::F32).unwrap();
    insta::assert_snapshot!(refused(&labelled, &manifest), @r#"manifest key `labels`: DIR/c.safetensors: checkpoint answers with the labels ["surprise", "disgust", "fear", "angry", "sad", "happy", "neutral"]; accepted: those asked for, in their order, ["neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"]; correct the manifest or take another checkpoint"#);
    std::fs::remove_file(&source).unwrap();
    let error = export(&source, &manifest, &out, false, &mut |_| ()).unwrap_err().to_string();
    assert!(error.starts_with("read ") && error.contains("c.safetensors"), "{error}");
    assert_eq!(files(&out), Vec::<String>::new());
}
