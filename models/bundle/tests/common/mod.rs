//! Small bundles, a sink that remembers, and a second, independent way to put a bundle together.
#![allow(dead_code)]

use mtcae_bundle::*;
use mtcae_contract::{ClipSpec, Framing, LabelSet, Precision, RawOutput, ReferenceAnswer, Sampling};
use std::io::{self, Cursor};

/// A device key whose text is fixed, so that golden bytes can be opened for ever.
pub const DEVICE_KEY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

pub fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

pub fn trust() -> Trust {
    Trust::new(&[key(1).public()]).expect("one key")
}

pub fn target() -> Target {
    Target { family: "pc".to_owned(), lowest_counter: 3, free_bytes: None }
}

pub fn model_manifest() -> mtcae_contract::Manifest {
    mtcae_contract::Manifest {
        format: 1,
        name: "edge".to_owned(),
        version: "0.1.0".to_owned(),
        preset: "edge".to_owned(),
        labels: LabelSet::seven(),
        sampling: Sampling::Uniform,
        temperature: 1.25,
        clip: ClipSpec { frames: 2, size: 16, seconds: 1.0 },
        framing: Framing::Face { margin: 0.2 },
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        artifacts: Vec::new(),
    }
}

pub fn description() -> Description {
    Description {
        name: "edge".to_owned(),
        version: Version::new(1, 2, 3),
        security_counter: 3,
        boards: vec!["pc".to_owned(), "jetson-orin-nano".to_owned()],
        model: Some(ModelDescription::from(&model_manifest())),
        metrics: vec![Metric { name: "UAR".to_owned(), value: 0.625, on: "held-out identities".to_owned() }],
        provenance: Provenance {
            built_unix_s: 1_767_225_600,
            builder: "mtcae 0.1.0".to_owned(),
            revision: "cb970f8".to_owned(),
            data: vec!["synthetic faces".to_owned()],
        },
        licences: vec![Licence { covers: "weights".to_owned(), terms: "MIT OR Apache-2.0".to_owned() }],
    }
}

pub fn model_content() -> Content {
    Content::Model { precision: Precision::Int8, engines: vec!["tract".to_owned(), "cpu-ort".to_owned()] }
}

/// Plain bytes that compress, and that differ with `seed`.
pub fn weights(len: usize, seed: u64) -> Vec<u8> {
    let mut rng = Rng(seed);
    (0..len).map(|_| (rng.next() % 7) as u8).collect()
}

/// What a model of that manifest may answer.
pub fn reference_answer(seed: u64) -> String {
    let raw = RawOutput { boxes: vec![0.25; 8], landmarks: vec![0.5; 20], logits: vec![seed as f32 + 0.5; 7] };
    ReferenceAnswer::new(raw, 0.05).and_then(|answer| answer.to_json()).expect("a good answer")
}

/// The manifest of the model, its weights, and its self-test.
pub fn parts(seed: u64) -> Vec<(&'static str, Content, Vec<u8>)> {
    let manifest = model_manifest().to_toml().expect("it has a TOML form").into_bytes();
    vec![
        ("manifest.toml", Content::ModelManifest, manifest),
        ("edge.int8.onnx", model_content(), weights(600, seed)),
        ("reference.clip", Content::ReferenceClip, weights(12, seed + 1).repeat(128)),
        ("reference.json", Content::ReferenceAnswer, reference_answer(seed).into_bytes()),
    ]
}

pub fn build(seed: u64, compression: Compression, recipients: &[Recipient]) -> Vec<u8> {
    build_with(description(), seed, compression, recipients, &[&key(1)])
}

pub fn build_with(
    description: Description,
    seed: u64,
    compression: Compression,
    recipients: &[Recipient],
    keys: &[&SigningKey],
) -> Vec<u8> {
    let mut builder = Builder::new(description, recipients, Cursor::new(Vec::new()));
    for (name, content, bytes) in parts(seed) {
        builder.add(name, content, compression, &mut bytes.as_slice()).expect("staged");
    }
    let mut bundle = Vec::new();
    builder.finish(keys, &mut bundle).expect("built");
    bundle
}

/// Remembers every call.
#[derive(Default, Debug, PartialEq)]
pub struct Kept {
    pub parts: Vec<(String, Vec<u8>)>,
    pub ended: usize,
    pub committed: usize,
    pub aborted: usize,
}

impl Kept {
    pub fn written(&self) -> usize {
        self.parts.iter().map(|(_, bytes)| bytes.len()).sum()
    }
}

impl PartSink for Kept {
    fn begin(&mut self, part: &Part) -> io::Result<()> {
        assert_eq!(self.ended, self.parts.len(), "a part begins inside another");
        self.parts.push((part.name.clone(), Vec::new()));
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        assert_eq!(self.ended + 1, self.parts.len(), "bytes outside a part");
        self.parts.last_mut().expect("a part has begun").1.extend(bytes);
        Ok(())
    }

    fn end(&mut self, part: &Part) -> io::Result<()> {
        self.ended += 1;
        let (name, bytes) = self.parts.last().expect("a part has begun");
        assert_eq!((name, bytes.len() as u64), (&part.name, part.plain));
        assert_eq!(Digest::of(bytes), part.plain_sha256);
        Ok(())
    }

    fn commit(&mut self, manifest: &BundleManifest) -> io::Result<()> {
        assert_eq!((self.ended, self.aborted), (manifest.parts.len(), 0));
        self.committed += 1;
        Ok(())
    }

    fn abort(&mut self) {
        assert_eq!(self.committed, 0, "aborted after a commit");
        self.aborted += 1;
    }
}

/// Takes a bundle as a board does.
pub fn take(bundle: &[u8], keys: &[DeviceKey], sink: &mut Kept) -> Result<BundleManifest, BundleError> {
    Reader::open(bundle, &trust())?.accept(&target())?.unpack(keys, sink)
}

/// Takes a bundle that must be refused, and checks that nothing was committed.
pub fn refusal(bundle: &[u8], keys: &[DeviceKey]) -> BundleError {
    let mut kept = Kept::default();
    let error = take(bundle, keys, &mut kept).expect_err("must be refused");
    assert_eq!(kept.committed, 0, "committed in spite of {error}");
    assert!(kept.aborted == 1 || kept.parts.is_empty(), "not told to abort: {error}");
    error
}

/// The name of an error's variant.
pub fn kind(error: &BundleError) -> String {
    let text = format!("{error:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// A bundle taken apart by its lengths alone.
#[derive(Clone)]
pub struct Pieces {
    pub manifest: Vec<u8>,
    pub stored: Vec<u8>,
}

pub fn pieces(bundle: &[u8]) -> Pieces {
    let number = |at: usize, len: usize| bundle[at..at + len].iter().rev().fold(0, |n, b| n << 8 | usize::from(*b));
    let manifest = FIXED_LEN + number(10, 2) * SIGNER_LEN;
    let parts = manifest + number(12, 4);
    Pieces { manifest: bundle[manifest..parts].to_vec(), stored: bundle[parts..].to_vec() }
}

impl Pieces {
    /// Signed by the trusted key whatever the manifest says: the work of a faulty tool, or of a key's thief.
    pub fn sign(&self) -> Vec<u8> {
        self.sign_with(&[&key(1)])
    }

    pub fn sign_with(&self, keys: &[&SigningKey]) -> Vec<u8> {
        let mut fixed = MAGIC.to_vec();
        fixed.extend(FORMAT.to_le_bytes());
        fixed.extend((keys.len() as u16).to_le_bytes());
        fixed.extend((self.manifest.len() as u32).to_le_bytes());
        let publics: Vec<u8> = keys.iter().flat_map(|key| *key.public().as_bytes()).collect();
        let message = [fixed.as_slice(), &publics, &self.manifest].concat();
        let mut bundle = fixed;
        for key in keys {
            bundle.extend(key.public().as_bytes());
            bundle.extend(key.sign("bundle v1", &message));
        }
        [bundle.as_slice(), &self.manifest, &self.stored].concat()
    }

    /// With `from` in the manifest's text replaced by `to`.
    pub fn edited(&self, from: &str, to: &str) -> Pieces {
        let text = String::from_utf8(self.manifest.clone()).expect("JSON");
        assert!(text.contains(from), "{from} is not in {text}");
        Pieces { manifest: text.replacen(from, to, 1).into_bytes(), ..self.clone() }
    }

    /// With the manifest changed and in canonical form again, bounds unchecked.
    pub fn changed(&self, change: impl FnOnce(&mut BundleManifest)) -> Pieces {
        let mut manifest = BundleManifest::from_bytes(&self.manifest).expect("it was good");
        change(&mut manifest);
        Pieces { manifest: serde_json::to_vec(&manifest).expect("JSON"), ..self.clone() }
    }
}

/// A bundle of one document whose stored bytes and claims are the caller's.
pub fn one_part(stored: &[u8], compression: Compression, claims: impl FnOnce(&mut Part)) -> Pieces {
    let mut description = description();
    description.model = None;
    let mut builder = Builder::new(description, &[], Cursor::new(Vec::new()));
    builder.add("card.md", Content::Document, Compression::None, &mut &b"x"[..]).expect("staged");
    let mut bundle = Vec::new();
    builder.finish(&[&key(1)], &mut bundle).expect("built");
    let changed = pieces(&bundle).changed(|manifest| {
        let part = &mut manifest.parts[0];
        part.compression = compression;
        part.stored = stored.len() as u64;
        part.stored_sha256 = stored.chunks(CHUNK).map(Digest::of).collect();
        claims(part);
    });
    Pieces { stored: stored.to_vec(), ..changed }
}

/// SplitMix64.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}
