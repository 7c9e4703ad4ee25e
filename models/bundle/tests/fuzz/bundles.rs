//! Whole bundles, what stands in front of them, their manifests, and their parts behind right sums and signatures.

use crate::common::*;
use crate::mutate::{edit, mutate, mutate_json};
use crate::tally::{Cause, Tally};
use mtcae_bundle::*;
use std::io::Cursor;

/// How the parts of a bundle are stored.
#[derive(Clone, Copy, PartialEq)]
struct Form {
    compression: Compression,
    sealed: bool,
}

impl Form {
    /// The first stage that a part's stored bytes come to.
    fn decoder(self) -> &'static str {
        match (self.sealed, self.compression) {
            (true, _) => "changed part: at the decryptor",
            (false, Compression::Zstd) => "changed part: at the decompressor",
            (false, Compression::None) => AT_THE_SINK,
        }
    }
}

const AT_THE_SINK: &str = "changed part: at the sink";

struct Seed {
    form: Form,
    bundle: Vec<u8>,
    pieces: Pieces,
    /// Bytes in front of the manifest.
    head: usize,
}

/// Bundles to damage, and those who read them.
pub struct Pool {
    seeds: Vec<Seed>,
    key: SigningKey,
    trust: Trust,
    target: Target,
    device: [DeviceKey; 1],
    recipients: [Recipient; 1],
}

/// The smallest bundle there is: one document.
fn document(compression: Compression, recipients: &[Recipient]) -> Vec<u8> {
    let mut description = description();
    (description.model, description.metrics) = (None, Vec::new());
    let mut builder = Builder::new(description, recipients, Cursor::new(Vec::new()));
    builder.add("card.md", Content::Document, compression, &mut weights(200, 5).as_slice()).expect("staged");
    let mut bundle = Vec::new();
    builder.finish(&[&key(1)], &mut bundle).expect("built");
    bundle
}

impl Pool {
    pub fn new() -> Pool {
        let device = [DeviceKey::from_secret_text(DEVICE_KEY).expect("it is one")];
        let recipients = [device[0].recipient()];
        let mut seeds = Vec::new();
        for (compression, sealed) in [
            (Compression::None, false),
            (Compression::Zstd, false),
            (Compression::None, true),
            (Compression::Zstd, true),
        ] {
            let to = if sealed { &recipients[..] } else { &[] };
            let with_model = build_with(description(), 1, compression, to, &[&key(1), &key(2)]);
            for bundle in [document(compression, to), with_model] {
                let pieces = pieces(&bundle);
                let head = bundle.len() - pieces.manifest.len() - pieces.stored.len();
                seeds.push(Seed { form: Form { compression, sealed }, bundle, pieces, head });
            }
        }
        Pool { seeds, key: key(1), trust: trust(), target: target(), device, recipients }
    }

    fn pick(&self, rng: &mut Rng) -> &Seed {
        &self.seeds[rng.below(self.seeds.len())]
    }

    /// Lengths, keys and signatures in front of the manifest.
    pub fn front(&self, rng: &mut Rng, tally: &mut Tally, cause: &mut Cause) {
        let seed = self.pick(rng);
        let mut bytes = seed.bundle[..seed.head].to_vec();
        mutate(rng, &mut bytes);
        bytes.extend_from_slice(&seed.pieces.manifest);
        cause.note("the front of a bundle", &bytes);
        match Reader::open(bytes.as_slice(), &self.trust) {
            Ok(_) => assert!(seed.bundle.starts_with(&bytes), "opened, and not what was signed"),
            Err(BundleError::UnknownKey { .. }) => tally.reach("front: signers looked up"),
            Err(BundleError::Signature { .. }) => tally.reach("front: signatures computed"),
            Err(_) => tally.reach("front: lengths"),
        }
    }

    /// A manifest's bytes, as they are once their signature was right.
    pub fn manifest(&self, rng: &mut Rng, tally: &mut Tally, cause: &mut Cause) {
        let mut bytes = self.pick(rng).pieces.manifest.clone();
        mutate_json(rng, &mut bytes);
        cause.note("a manifest", &bytes);
        tally.reach("manifest: parser");
        match BundleManifest::from_bytes(&bytes) {
            Ok(manifest) => {
                tally.reach("manifest: taken");
                assert!(manifest.to_bytes().is_ok_and(|again| again == bytes), "not the only form of it");
            }
            Err(BundleError::Value { .. }) => tally.reach("manifest: refused by the validator"),
            Err(_) => {}
        }
    }

    /// Damage anywhere, as on the way.
    pub fn whole(&self, rng: &mut Rng, tally: &mut Tally, cause: &mut Cause) {
        let seed = self.pick(rng);
        let mut bytes = seed.bundle.clone();
        mutate(rng, &mut bytes);
        cause.note("a damaged bundle", &bytes);
        let (outcome, _) = self.read(rng, tally, &bytes);
        assert!(outcome.is_err() || bytes == seed.bundle, "damaged on the way, and yet taken");
    }

    /// A changed manifest under a right signature.
    pub fn signed_manifest(&self, rng: &mut Rng, tally: &mut Tally, cause: &mut Cause) {
        let good = &self.pick(rng).pieces;
        let mut pieces = good.clone();
        if rng.below(2) == 0 {
            pieces = good.changed(|manifest| edit(rng, manifest));
        } else {
            mutate_json(rng, &mut pieces.manifest);
        }
        let bytes = pieces.sign_with(&[&self.key]);
        cause.note("a bundle with a changed manifest", &bytes);
        // Some changes are to values of which nothing else depends: then it is a good bundle.
        let _ = self.read(rng, tally, &bytes);
    }

    /// Changed stored bytes under right sums and a right signature: what the decoders must bear.
    pub fn signed_part(&self, rng: &mut Rng, tally: &mut Tally, cause: &mut Cause) {
        let seed = self.pick(rng);
        let (at, mut stored) = part_of(rng, &seed.pieces);
        mutate(rng, &mut stored);
        let bytes = self.with_part(seed, at, stored);
        cause.note("a bundle with a changed part", &bytes);
        self.decoded(rng, tally, &bytes, at, seed.form.decoder());
    }

    /// A changed compressed part, encrypted anew: the decompressor behind the decryptor.
    pub fn signed_and_sealed_part(&self, rng: &mut Rng, tally: &mut Tally, cause: &mut Cause) {
        let compressed = Form { compression: Compression::Zstd, sealed: false };
        let sealed = Form { sealed: true, ..compressed };
        let of_form = |form| self.seeds.iter().filter(move |seed| seed.form == form);
        let which = rng.below(of_form(compressed).count());
        let (Some(from), Some(into)) = (of_form(compressed).nth(which), of_form(sealed).nth(which)) else {
            panic!("each form has the same bundles")
        };
        let (at, mut frame) = part_of(rng, &from.pieces);
        mutate(rng, &mut frame);
        let mut stored = Vec::new();
        seal(&mut frame.as_slice(), &mut stored, &self.recipients).expect("sealed");
        let bytes = self.with_part(into, at, stored);
        cause.note("a bundle with a changed part under encryption", &bytes);
        self.decoded(rng, tally, &bytes, at, "changed part: at the decompressor behind the decryptor");
    }

    /// Reads a bundle whose part `at` was changed and comes to `decoder` when it is that part's turn.
    fn decoded(&self, rng: &mut Rng, tally: &mut Tally, bytes: &[u8], at: usize, decoder: &'static str) {
        let (_, kept) = self.read(rng, tally, bytes);
        if kept.parts.len() > at {
            tally.reach(decoder);
        }
    }

    /// The bundle of `seed` with other stored bytes in its part `at`, signed by the trusted key.
    fn with_part(&self, seed: &Seed, at: usize, stored: Vec<u8>) -> Vec<u8> {
        let mut all = seed.pieces.stored.clone();
        let mut pieces = seed.pieces.changed(|manifest| {
            let from: u64 = manifest.parts[..at].iter().map(|part| part.stored).sum();
            let part = &mut manifest.parts[at];
            let range = from as usize..(from + part.stored) as usize;
            part.stored = stored.len() as u64;
            part.stored_sha256 = vec![Digest::of(&stored)];
            if seed.form.decoder() == AT_THE_SINK {
                (part.plain, part.plain_sha256) = (part.stored, part.stored_sha256[0]);
            }
            all.splice(range, stored);
        });
        pieces.stored = all;
        pieces.sign_with(&[&self.key])
    }

    /// Reads a bundle as a board does, and checks what is promised of every outcome.
    fn read(&self, rng: &mut Rng, tally: &mut Tally, bytes: &[u8]) -> (Result<BundleManifest, BundleError>, Kept) {
        let mut kept = Kept::default();
        let mut read = || Reader::open(bytes, &self.trust)?.accept(&self.target)?.unpack(&self.device, &mut kept);
        let outcome: Result<BundleManifest, BundleError> = read();
        stages(&outcome, &kept).into_iter().for_each(|stage| tally.reach(stage));
        match &outcome {
            Ok(manifest) => {
                assert_eq!((kept.committed, kept.aborted), (1, 0));
                for (part, (name, plain)) in manifest.parts.iter().zip(&kept.parts) {
                    assert_eq!((name, Digest::of(plain)), (&part.name, part.plain_sha256));
                }
            }
            Err(_) => assert!(kept.committed == 0 && (kept.aborted == 1 || kept.parts.is_empty())),
        }
        // An inspection costs as much again.
        if rng.below(8) == 0 {
            let inspected = Inspection::read(bytes, &self.trust);
            assert!(outcome.is_err() || inspected.is_ok_and(|inspection| inspection.trusted));
        }
        (outcome, kept)
    }
}

/// Where a bundle came to while it was read.
fn stages(outcome: &Result<BundleManifest, BundleError>, kept: &Kept) -> Vec<&'static str> {
    const STAGES: [&str; 6] = [
        "bundle: front",
        "bundle: manifest parser",
        "bundle: manifest validator",
        "bundle: rules of the board",
        "bundle: parts",
        "bundle: commit",
    ];
    let passed = match outcome {
        Ok(_) => 6,
        Err(_) if !kept.parts.is_empty() => 5,
        Err(BundleError::Refused(_) | BundleError::RetiredKey { .. }) => 4,
        Err(BundleError::Value { .. }) => 3,
        Err(BundleError::Syntax { .. }) => 2,
        Err(_) => 1,
    };
    let sink = (kept.written() > 0).then_some("bundle: bytes in the sink");
    STAGES[..passed].iter().copied().chain(sink).collect()
}

/// One of the parts, and its stored bytes.
fn part_of(rng: &mut Rng, pieces: &Pieces) -> (usize, Vec<u8>) {
    let manifest = BundleManifest::from_bytes(&pieces.manifest).expect("it was good");
    let at = rng.below(manifest.parts.len());
    let from: u64 = manifest.parts[..at].iter().map(|part| part.stored).sum();
    let to = from + manifest.parts[at].stored;
    (at, pieces.stored[from as usize..to as usize].to_vec())
}
