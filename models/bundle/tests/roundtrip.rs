//! What is put in comes out, whatever it is and however it is packed.

mod common;

use common::*;
use mtcae_bundle::*;
use proptest::prelude::*;
use std::io::Cursor;

fn any_text() -> impl Strategy<Value = String> {
    "[ -~äß漢]{0,60}"
}

fn any_metric() -> impl Strategy<Value = Metric> {
    let value = any::<f32>().prop_filter("finite", |value| value.is_finite());
    ("[A-Za-z ]{1,20}", value, any_text()).prop_map(|(name, value, on)| Metric { name, value, on })
}

prop_compose! {
    fn any_description()(
        name in "[a-z0-9_-]{1,24}",
        version in (0..1_000_000_u64, 0..1_000_000_u64, 0..1_000_000_u64),
        security_counter in any::<u32>(),
        boards in prop::collection::btree_set("[a-z0-9-]{1,24}", 1..8),
        metrics in prop::collection::vec(any_metric(), 0..6),
        built_unix_s in any::<u64>(),
        texts in (any_text(), any_text(), any_text()),
        data in prop::collection::vec(any_text(), 0..4),
        temperature in 0.05f32..20.0,
        margin in 0f32..2.0,
    ) -> Description {
        let mut model = ModelDescription::from(&model_manifest());
        model.temperature = temperature;
        model.framing = mtcae_contract::Framing::Face { margin };
        Description {
            name,
            version: Version::new(version.0, version.1, version.2),
            security_counter,
            boards: boards.into_iter().collect(),
            model: Some(model),
            metrics,
            provenance: Provenance { built_unix_s, builder: texts.0, revision: texts.1, data },
            licences: vec![Licence { covers: texts.2, terms: "MIT".to_owned() }],
        }
    }
}

fn any_compression() -> impl Strategy<Value = Compression> {
    prop_oneof![Just(Compression::None), Just(Compression::Zstd)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn bundles_round_trip(
        description in any_description(),
        bytes in prop::collection::vec(any::<u8>(), 1..100_000),
        compressions in prop::collection::vec(any_compression(), 5),
        encrypted in any::<bool>(),
        signers in 1u8..=4,
    ) {
        let device = DeviceKey::from_secret_text(DEVICE_KEY).unwrap();
        let recipients = if encrypted { vec![device.recipient()] } else { Vec::new() };
        let mut builder = Builder::new(description.clone(), &recipients, Cursor::new(Vec::new()));
        let contents = [
            ("manifest.toml", Content::ModelManifest, b"toml".to_vec()),
            ("any.onnx", model_content(), bytes),
            ("reference.clip", Content::ReferenceClip, vec![0; 1536]),
            ("reference.json", Content::ReferenceAnswer, b"json".to_vec()),
            ("card.md", Content::Document, vec![0; 70_000]),
        ];
        for ((name, content, plain), compression) in contents.iter().zip(compressions) {
            builder.add(name, content.clone(), compression, &mut plain.as_slice()).unwrap();
        }
        let keys: Vec<SigningKey> = (1..=signers).map(key).collect();
        let mut bundle = Vec::new();
        let built = builder.finish(&keys.iter().collect::<Vec<_>>(), &mut bundle).unwrap();

        let mut kept = Kept::default();
        let target = Target { family: description.boards[0].clone(), lowest_counter: 0, free_bytes: None };
        let reader = Reader::open(bundle.as_slice(), &trust()).unwrap();
        prop_assert_eq!(reader.bundle_len(), bundle.len() as u64);
        let read = reader.accept(&target).unwrap().unpack(&[device], &mut kept).unwrap();
        prop_assert_eq!(&read, &built);
        prop_assert_eq!(read.metrics, description.metrics);
        prop_assert_eq!(read.model, description.model);
        prop_assert_eq!(kept.committed, 1);
        let came: Vec<Vec<u8>> = kept.parts.into_iter().map(|(_, bytes)| bytes).collect();
        prop_assert_eq!(came, contents.map(|(_, _, plain)| plain).to_vec());
        // The second, independent writer of the tests agrees to the byte.
        prop_assert_eq!(pieces(&bundle).sign_with(&keys.iter().collect::<Vec<_>>()), bundle);
    }
}

/// Lengths around the limits of a chunk, of a step and of nothing.
#[test]
fn lengths_at_the_edges_round_trip() {
    let device = DeviceKey::from_secret_text(DEVICE_KEY).unwrap();
    let lengths = [1, 65_535, 65_536, 65_537, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK];
    for len in lengths {
        for (compression, recipients) in [
            (Compression::None, vec![]),
            (Compression::Zstd, vec![]),
            (Compression::None, vec![device.recipient()]),
            (Compression::Zstd, vec![device.recipient()]),
        ] {
            let mut description = description();
            description.model = None;
            let mut builder = Builder::new(description, &recipients, Cursor::new(Vec::new()));
            let plain = weights(len, 11);
            builder.add("blob", Content::Document, compression, &mut plain.as_slice()).unwrap();
            let mut bundle = Vec::new();
            builder.finish(&[&key(1)], &mut bundle).unwrap();
            let mut kept = Kept::default();
            take(&bundle, std::slice::from_ref(&device), &mut kept).unwrap();
            assert!(kept.parts[0].1 == plain, "{len} bytes, {compression:?}");
        }
    }
}

#[test]
fn the_same_parts_give_the_same_bytes() {
    assert_eq!(build(1, Compression::Zstd, &[]), build(1, Compression::Zstd, &[]));
    assert_ne!(build(1, Compression::Zstd, &[]), build(2, Compression::Zstd, &[]));
}
