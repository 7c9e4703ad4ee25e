//! Bundles for tests: built by the real builder, signed by a key that a root may trust.

use mtcae_boards::BundleFile;
use mtcae_bundle::*;
use mtcae_contract::{ClipSpec, Framing, LabelSet, Manifest, Precision, Sampling};
use std::fs::File;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// The key that signs.
pub fn key() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

/// A bundle to be built.
pub struct Recipe {
    pub counter: u32,
    pub board: &'static str,
    pub target: &'static str,
    pub firmware: usize,
    pub signer: SigningKey,
}

impl Recipe {
    /// Version 0.`counter`.0 for `pc`, with a small model and some bytes of firmware.
    pub fn new(counter: u32) -> Recipe {
        Recipe { counter, board: "pc", target: "x86_64-unknown-linux-gnu", firmware: 400, signer: key() }
    }

    /// Writes it into `folder`.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join(format!("edge-0.{}.0.mtcb", self.counter));
        std::fs::write(&path, self.build()).unwrap();
        path
    }

    fn manifest(&self) -> Manifest {
        Manifest {
            format: 1,
            name: "edge".into(),
            version: format!("0.{}.0", self.counter),
            preset: "edge".into(),
            labels: LabelSet::seven(),
            sampling: Sampling::Uniform,
            temperature: 1.0,
            clip: ClipSpec { frames: 16, size: 112, seconds: 1.0 },
            framing: Framing::Face { margin: 0.2 },
            mean: [0.5; 3],
            std: [0.5; 3],
            artifacts: Vec::new(),
        }
    }

    fn build(&self) -> Vec<u8> {
        let manifest = self.manifest();
        let provenance =
            Provenance { built_unix_s: 0, builder: "test".into(), revision: String::new(), data: Vec::new() };
        let description = Description {
            name: "edge".into(),
            version: Version::new(0, self.counter.into(), 0),
            security_counter: self.counter,
            boards: vec![self.board.into()],
            model: Some(ModelDescription::from(&manifest)),
            metrics: Vec::new(),
            provenance,
            licences: vec![Licence { covers: "weights".into(), terms: "MIT".into() }],
        };
        let precision = Content::Model { precision: Precision::Fp32, engines: vec!["tract".into()] };
        let firmware = Content::Firmware { target: self.target.into(), version: Version::new(0, 1, 0) };
        // Not to be compressed, so that it takes its time on a line.
        let mut state = u64::from(self.counter) + 1;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        });
        let parts = [
            ("manifest.toml", Content::ModelManifest, manifest.to_toml().unwrap().into_bytes()),
            ("edge.fp32.onnx", precision, vec![self.counter as u8; 900]),
            ("reference.clip", Content::ReferenceClip, vec![7; 80]),
            ("reference.json", Content::ReferenceAnswer, b"{}".to_vec()),
            ("mtcae-firmware", firmware, noise.take(self.firmware).collect()),
        ];
        let mut builder = Builder::new(description, &[], Cursor::new(Vec::new()));
        for (name, content, bytes) in parts {
            builder.add(name, content, Compression::None, &mut bytes.as_slice()).unwrap();
        }
        let mut bundle = Vec::new();
        builder.finish(&[&self.signer], &mut bundle).unwrap();
        bundle
    }
}

/// The bundle at `path`, as the tool reads it.
pub fn read(path: &Path) -> BundleFile {
    let file = File::open(path).unwrap();
    let source = file.try_clone().unwrap();
    BundleFile::read(path, file, source).unwrap()
}
