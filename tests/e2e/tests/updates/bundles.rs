//! Bundles of a tiny model and any daemon, signed by the key that the test's boards trust.

use mtcae_bundle::*;
use mtcae_contract::{
    Artifact, Clip, ClipSpec, Expression, Framing, LabelSet, Manifest, Precision, Rect, ReferenceAnswer, Sampling,
};
use mtcae_core::Engine;
use mtcae_drivers::{ModelFile, TractEngine};
use mtcae_update::DAEMON_FILE;
use std::io::Cursor;
use std::path::Path;

const TINY: &[u8] = include_bytes!("../../../../firmware/drivers/tests/fixtures/tiny.onnx");
const FILE: &str = "tiny.onnx";

pub fn signing_key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

/// The target triple of this machine's daemons.
pub fn target() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

/// A bundle to be built.
#[derive(Default)]
pub struct Recipe {
    pub counter: u32,
    /// The daemon's bytes; none leaves the board's as it is.
    pub daemon: Option<Vec<u8>>,
    /// Bytes that cannot be compressed, so that the bundle takes its time.
    pub ballast: usize,
    /// A reference answer that this model does not give.
    pub wrong_answer: bool,
    pub recipients: Vec<Recipient>,
}

impl Recipe {
    pub fn build(&self) -> Vec<u8> {
        let manifest = manifest(self.counter);
        let clip = clip(&manifest);
        let description = Description {
            name: "tiny".into(),
            version: Version::new(1, self.counter.into(), 0),
            security_counter: self.counter,
            boards: vec!["pc".into()],
            model: Some(ModelDescription::from(&manifest)),
            metrics: Vec::new(),
            provenance: Provenance {
                built_unix_s: 1_767_225_600,
                builder: "test".into(),
                revision: String::new(),
                data: Vec::new(),
            },
            licences: vec![Licence { covers: "weights".into(), terms: "MIT".into() }],
        };
        let network = Content::Model { precision: Precision::Fp32, engines: vec!["tract".into()] };
        let answer = answer(&manifest, &clip, self.wrong_answer);
        let mut parts = vec![
            ("manifest.toml", Content::ModelManifest, manifest.to_toml().unwrap().into_bytes()),
            (FILE, network, TINY.to_vec()),
            ("reference.clip", Content::ReferenceClip, clip.bytes),
            ("reference.json", Content::ReferenceAnswer, answer.to_json().unwrap().into_bytes()),
        ];
        if self.ballast > 0 {
            parts.push(("CARD.md", Content::Document, noise(self.ballast, self.counter.into())));
        }
        if let Some(daemon) = &self.daemon {
            let version = Version::new(0, 1, self.counter.into());
            parts.push((DAEMON_FILE, Content::Firmware { target: target(), version }, daemon.clone()));
        }
        let mut builder = Builder::new(description, &self.recipients, Cursor::new(Vec::new()));
        for (name, content, bytes) in parts {
            let packed = if bytes.len() > 100_000 { Compression::None } else { Compression::Zstd };
            builder.add(name, content, packed, &mut bytes.as_slice()).unwrap();
        }
        let mut bundle = Vec::new();
        builder.finish(&[&signing_key()], &mut bundle).unwrap();
        bundle
    }
}

fn manifest(counter: u32) -> Manifest {
    use sha2::Digest as _;
    let sha256 = sha2::Sha256::digest(TINY).iter().map(|b| format!("{b:02x}")).collect();
    Manifest {
        format: 1,
        name: "tiny-test".into(),
        version: format!("0.{counter}.0"),
        preset: "tiny".into(),
        labels: LabelSet::new(vec![Expression::Neutral, Expression::Happy, Expression::Sad]).unwrap(),
        sampling: Sampling::Uniform,
        temperature: 1.0,
        clip: ClipSpec { frames: 2, size: 16, seconds: 0.5 },
        framing: Framing::Face { margin: 0.2 },
        mean: [0.5; 3],
        std: [0.5; 3],
        artifacts: vec![Artifact { precision: Precision::Fp32, file: FILE.into(), sha256 }],
    }
}

fn clip(manifest: &Manifest) -> Clip {
    let ClipSpec { frames, size, .. } = manifest.clip;
    Clip { bytes: noise(frames * size * size * 3, 1), frames, size, crop: Rect::default() }
}

fn answer(manifest: &Manifest, clip: &Clip, wrong: bool) -> ReferenceAnswer {
    let toml = manifest.to_toml().unwrap();
    let part = |name: &str| Some(if name == FILE { TINY.to_vec() } else { toml.clone().into_bytes() });
    let file = ModelFile::from_parts(Path::new("bundle"), Precision::Fp32, part).unwrap();
    let mut raw = TractEngine::load_file(&file, 1).unwrap().infer(clip).unwrap();
    if wrong {
        raw.logits.iter_mut().for_each(|logit| *logit += 1.0);
    }
    ReferenceAnswer::new(raw, 0.05).unwrap()
}

/// Bytes that look like chance.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}
