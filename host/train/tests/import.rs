//! Encoders as PyTorch and transformers write them (`tests/fixtures/make_foreign.py`) become ours, number by number.

use mtcae_network::{Checkpoint, Network, NetworkConfig, Reference, Tensor, normalised};
use mtcae_train::{ImportError, import, preset_of};
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

fn foreign(name: &str) -> PathBuf {
    fixtures().join("foreign").join(name)
}

struct Truth {
    config: NetworkConfig,
    encoder: BTreeMap<String, Tensor>,
    clip: Vec<u8>,
    features: Vec<f32>,
}

/// The case that the files were made from; its features are what transformers' VideoMAE answered.
fn truth() -> Truth {
    let bytes = std::fs::read(fixtures().join("networks.safetensors")).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let config = serde_json::from_str(&header.metadata().as_ref().unwrap()["videomae"]).unwrap();
    let floats = |dtype: Dtype, bytes: &[u8]| -> Vec<f32> {
        match dtype {
            Dtype::F16 => bytes.as_chunks::<2>().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
            _ => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        }
    };
    let of = |name: &str| file.tensor(&format!("videomae@{name}")).unwrap();
    let encoder = file
        .iter()
        .filter_map(|(n, v)| Some((n.strip_prefix("videomae/")?.to_owned(), v)))
        .filter(|(n, _)| !n.starts_with("heads."))
        .map(|(n, v)| (n, Tensor { shape: v.shape().to_vec(), values: floats(v.dtype(), v.data()) }))
        .collect();
    let features = floats(Dtype::F32, of("features").data());
    Truth { config, encoder, clip: of("clip").data().to_vec(), features }
}

fn features(checkpoint: &Checkpoint, clip: &[u8]) -> Vec<f32> {
    let network = Network::new(checkpoint.config.clone()).unwrap();
    let pixels = normalised(clip, checkpoint.config.size, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let mut reference = Reference::new(checkpoint, pixels);
    network.encode(&mut reference).values.to_vec()
}

#[test]
fn every_layout_gives_the_same_encoder() {
    let truth = truth();
    for (name, left_over) in
        [("finetuned.pth", 1), ("pretrained.pth", 2), ("classifier.safetensors", 1), ("pretrained.safetensors", 1)]
    {
        let (checkpoint, report) = import(&foreign(name), &truth.config, 3, false).unwrap();
        for (parameter, want) in &truth.encoder {
            assert_eq!(checkpoint.tensors[parameter], *want, "{name}: {parameter}");
        }
        assert_eq!(report.matched.len(), truth.encoder.len(), "{name}");
        assert!(report.missing.is_empty() && report.unknown.is_empty() && report.notes.is_empty(), "{name}");
        assert_eq!(report.left_over.len(), left_over, "{name}: {:?}", report.left_over);
        assert!(report.random.iter().all(|n| n.starts_with("heads.")), "{name}");
        let found = features(&checkpoint, &truth.clip);
        let gap = found.iter().zip(&truth.features).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(found.len() == truth.features.len() && gap < 1e-4, "{name}: {gap}");
    }
}

#[test]
fn less_than_an_encoder_is_refused_unless_it_is_asked_for() {
    let truth = truth();
    let short = |e: ImportError| e.to_string().replace(&format!("{}/", fixtures().join("foreign").display()), "");
    let refused = import(&foreign("partial.pth"), &truth.config, 3, false).unwrap_err();
    insta::assert_snapshot!(short(refused), @"partial.pth is not a whole encoder of this network: 4 missing, the first is `blocks.0.attn.q_bias`; `--partial` takes what is there");
    let (_, report) = import(&foreign("partial.pth"), &truth.config, 3, true).unwrap();
    assert_eq!(report.missing.len(), 4);
    let mut shallow = truth.config.clone();
    shallow.encoder.depth = 1;
    let refused = import(&foreign("finetuned.pth"), &shallow, 3, false).unwrap_err();
    insta::assert_snapshot!(short(refused), @"finetuned.pth is not a whole encoder of this network: 13 unknown, the first is `blocks.1.attn.proj.bias`; `--partial` takes what is there");
    let mut wide = truth.config.clone();
    wide.encoder.width = 48;
    let refused = import(&foreign("classifier.safetensors"), &wide, 3, true).unwrap_err();
    insta::assert_snapshot!(short(refused), @"classifier.safetensors: `videomae.embeddings.patch_embeddings.projection.bias` is [24], the network needs [48]; is it another preset?");
    insta::assert_snapshot!(short(preset_of(&foreign("finetuned.pth")).unwrap_err()), @"finetuned.pth: an encoder of 24 channels and 2 blocks, which no preset has; accepted: large (1024 x 24), base (768 x 12), small (384 x 12)");
    let conv = NetworkConfig::preset("edge").unwrap();
    assert!(matches!(import(&foreign("finetuned.pth"), &conv, 3, false), Err(ImportError::Stem)));
}

#[test]
fn what_is_no_checkpoint_is_an_error_that_names_the_file() {
    let truth = truth();
    let dir = tempfile::tempdir().unwrap();
    let whole = std::fs::read(foreign("pretrained.pth")).unwrap();
    let ours = fixtures().join("networks.safetensors");
    assert!(matches!(import(&ours, &truth.config, 3, false), Err(ImportError::Layout { .. })));
    for name in ["cut.pth", "cut.safetensors", "empty.pth", "text.pth"] {
        let path = dir.path().join(name);
        let bytes = match name {
            "cut.pth" | "cut.safetensors" => &whole[..whole.len() / 2],
            "empty.pth" => &[],
            _ => &b"not a checkpoint"[..],
        };
        std::fs::write(&path, bytes).unwrap();
        let error = import(&path, &truth.config, 3, true).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
    assert!(import(&dir.path().join("nowhere.pth"), &truth.config, 3, true).is_err());
}
