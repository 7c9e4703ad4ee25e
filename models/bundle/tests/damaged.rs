//! Bundles damaged on the way: every flip, every cut, every mixture is refused, and nothing is ever committed.

mod common;

use common::*;
use mtcae_bundle::*;
use std::collections::BTreeMap;

fn device() -> DeviceKey {
    DeviceKey::from_secret_text(DEVICE_KEY).unwrap()
}

/// The lengths of encrypted forms differ a little from run to run: age adds a header line of random length.
const EVERYTHING: &str = "zstd, encrypted, two signers";

/// Every form a bundle can have.
fn forms() -> Vec<(&'static str, Vec<u8>)> {
    let recipients = [device().recipient()];
    let signers = [&key(2), &key(1)];
    vec![
        ("plain", build(1, Compression::None, &[])),
        ("zstd", build(1, Compression::Zstd, &[])),
        ("encrypted", build(1, Compression::None, &recipients)),
        (EVERYTHING, build_with(description(), 1, Compression::Zstd, &recipients, &signers)),
    ]
}

#[derive(Default)]
struct Tally(BTreeMap<String, usize>);

impl Tally {
    fn add(&mut self, error: &BundleError) {
        *self.0.entry(kind(error)).or_default() += 1;
    }

    /// Prints the counts, and fails when fewer were tried than once.
    fn close(&self, what: &str, least: usize) {
        let total: usize = self.0.values().sum();
        println!("{what}: {total} tried, {total} refused, 0 committed; {:?}", self.0);
        assert!(total >= least, "{what}: only {total} tried, {least} before");
    }
}

#[test]
fn intact_bundles_are_taken() {
    for (form, bundle) in forms() {
        let mut kept = Kept::default();
        let manifest = take(&bundle, &[device()], &mut kept).unwrap_or_else(|error| panic!("{form}: {error}"));
        assert_eq!((kept.committed, kept.aborted), (1, 0), "{form}");
        let expected: Vec<_> = parts(1).into_iter().map(|(name, _, bytes)| (name.to_owned(), bytes)).collect();
        assert_eq!(kept.parts, expected, "{form}");
        let unpacked = mtcae_contract::Manifest::from_toml(std::str::from_utf8(&kept.parts[0].1).unwrap()).unwrap();
        assert_eq!(manifest.model.unwrap(), ModelDescription::from(&unpacked));
    }
}

/// Every bit of the form that has everything; in the others one bit of every byte.
#[test]
fn every_flip_is_refused() {
    let mut tally = Tally::default();
    for (form, bundle) in forms() {
        let mut changed = bundle.clone();
        for at in 0..bundle.len() {
            let bits = if form == EVERYTHING { 0..8 } else { at % 8..at % 8 + 1 };
            for bit in bits {
                changed[at] = bundle[at] ^ 1 << bit;
                tally.add(&refusal(&changed, &[device()]));
            }
            changed[at] = bundle[at];
        }
    }
    tally.close("flipped", 29_000);
    for kind in ["NotABundle", "Format", "Limit", "UnknownKey", "Signature", "Damaged"] {
        assert!(tally.0.contains_key(kind), "no flip led to {kind}: {:?}", tally.0);
    }
}

#[test]
fn every_cut_is_refused() {
    let mut tally = Tally::default();
    for (_, bundle) in forms() {
        (0..bundle.len()).for_each(|len| tally.add(&refusal(&bundle[..len], &[device()])));
    }
    tally.close("cut short", 10_000);
    assert!(tally.0.keys().all(|kind| kind == "Truncated" || kind == "NotABundle"), "{:?}", tally.0);
    assert_eq!(tally.0["NotABundle"], forms().len(), "only the empty file is another kind of file");
}

#[test]
fn bytes_behind_the_end_are_refused() {
    for (form, bundle) in forms() {
        for more in [&[0][..], b"\n", &bundle] {
            let error = refusal(&[bundle.as_slice(), more].concat(), &[device()]);
            assert!(matches!(error, BundleError::Trailing { len } if len == bundle.len() as u64), "{form}: {error}");
        }
    }
}

#[test]
fn mixtures_of_two_bundles_are_refused() {
    let mut tally = Tally::default();
    let fronts = |bundle: &[u8]| bundle.len() - pieces(bundle).stored.len();
    for compression in [Compression::None, Compression::Zstd] {
        let (a, b) = (build(1, compression, &[]), build(20, compression, &[]));
        let (front_a, front_b) = (fronts(&a), fronts(&b));
        tally.add(&refusal(&[&a[..front_a], &b[front_b..]].concat(), &[]));
        tally.add(&refusal(&[&b[..front_b], &a[front_a..]].concat(), &[]));
        // Any part of b in its place in a; the first is the same in both.
        let lengths = |bundle: &[u8]| -> Vec<usize> {
            let manifest = BundleManifest::from_bytes(&pieces(bundle).manifest).unwrap();
            manifest.parts.iter().map(|part| part.stored as usize).collect()
        };
        let (of_a, of_b) = (lengths(&a), lengths(&b));
        for part in 1..of_a.len() {
            let [from_a, from_b] =
                [(front_a, &of_a), (front_b, &of_b)].map(|(f, l)| f + l[..part].iter().sum::<usize>());
            let (to_a, to_b) = (from_a + of_a[part], from_b + of_b[part]);
            tally.add(&refusal(&[&a[..from_a], &b[from_b..to_b], &a[to_a..]].concat(), &[]));
        }
        // Parts in another order, and the manifest of one under the signature of the other.
        let second = front_a + of_a[0];
        tally.add(&refusal(&[&a[..front_a], &a[second..], &a[front_a..second]].concat(), &[]));
        let signed = FIXED_LEN + SIGNER_LEN;
        tally.add(&refusal(&[&a[..12], &b[12..16], &a[16..signed], &b[signed..]].concat(), &[]));
    }
    tally.close("mixtures", 12);
}

/// A decoder must not even see a byte that was not signed for.
#[test]
fn a_damaged_chunk_reaches_nobody() {
    let mut description = description();
    description.model = None;
    let len = 2 * CHUNK + 4321;
    let mut builder = Builder::new(description, &[], std::io::Cursor::new(Vec::new()));
    builder.add("blob", Content::Document, Compression::None, &mut weights(len, 5).as_slice()).unwrap();
    let mut bundle = Vec::new();
    let manifest = builder.finish(&[&key(1)], &mut bundle).unwrap();
    assert_eq!(manifest.parts[0].stored_sha256.len(), 3);
    let front = bundle.len() - len;
    let places = [0, 1, CHUNK - 1, CHUNK, 2 * CHUNK - 1, 2 * CHUNK, len - 1];
    for at in places {
        let mut changed = bundle.clone();
        changed[front + at] ^= 0x10;
        let mut kept = Kept::default();
        let error = take(&changed, &[], &mut kept).unwrap_err();
        assert_eq!(kept.written(), at / CHUNK * CHUNK, "{at}");
        assert!(matches!(error, BundleError::Damaged { from, to, .. } if (from..to).contains(&(at as u64))), "{error}");
    }
    bundle[front..].rotate_left(CHUNK);
    assert_eq!(kind(&refusal(&bundle, &[])), "Damaged", "chunks in another order");
    println!("{} damaged chunks, none handed on", places.len() + 1);
}
