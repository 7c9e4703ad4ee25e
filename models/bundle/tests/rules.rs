//! Good bundles that are not for this board, not for now, or not from anyone who counts.

mod common;

use common::*;
use mtcae_bundle::*;
use std::io;

fn with(compression: Compression, change: impl FnOnce(&mut Description), keys: &[&SigningKey]) -> Vec<u8> {
    let mut description = description();
    change(&mut description);
    build_with(description, 1, compression, &[], keys)
}

fn take_with(bundle: &[u8], trust: &Trust, target: &Target) -> Result<BundleManifest, BundleError> {
    Reader::open(bundle, trust)?.accept(target)?.unpack(&[], &mut Discard)
}

#[test]
fn each_rule_has_its_own_error() {
    let bundle = build(1, Compression::Zstd, &[]);
    let refused = |target: Target| take_with(&bundle, &trust(), &target).unwrap_err().to_string();
    take_with(&bundle, &trust(), &target()).unwrap();
    insta::assert_snapshot!(refused(Target { family: "toaster".into(), ..target() }), @r#"this board's family is "toaster"; the bundle is for pc, jetson-orin-nano"#);
    insta::assert_snapshot!(refused(Target { lowest_counter: 4, ..target() }), @"security counter 3 of the bundle is too old; this board takes 4 and above");
    insta::assert_snapshot!(refused(Target { free_bytes: Some(100), ..target() }), @"the unpacked parts take 2784 bytes; free on the board: 100");
    insta::assert_snapshot!(refusal(&with(Compression::None, |_| (), &[&key(2)]), &[]), @"signed by 6a3803d5f059902a, none of which is trusted; trusted: 34750f98bd59fcfc");
    let needed = Inspection::read(bundle.as_slice(), &trust()).unwrap().plain_len;
    take_with(&bundle, &trust(), &Target { free_bytes: Some(needed), ..target() }).unwrap();
    take_with(&bundle, &trust(), &Target { lowest_counter: 0, ..target() }).unwrap();
}

#[test]
fn a_rotation_moves_trust_from_its_counter_on() {
    let rotation: Rotation = Rotation::sign(&key(1), key(2).public(), 3).unwrap().to_string().parse().unwrap();
    let rotated = trust().rotated(&[rotation]).unwrap();
    let signed = |n: u8, counter: u32| with(Compression::None, |d| d.security_counter = counter, &[&key(n)]);
    let taken = |bundle: &[u8]| take_with(bundle, &rotated, &Target { lowest_counter: 0, ..target() });
    taken(&signed(1, 2)).expect("the old key, before");
    taken(&signed(2, 2)).expect("the new key, before");
    taken(&signed(2, 3)).expect("the new key, after");
    insta::assert_snapshot!(taken(&signed(1, 3)).unwrap_err(), @"signed by 34750f98bd59fcfc, which a rotation replaced for security counters from 3; this bundle has 3; sign it with the new key");
    // In a slot the old key opens still what it signed; a stranger's opens nothing.
    Reader::open_installed(signed(1, 3).as_slice(), &rotated).unwrap().unpack(&[], &mut Discard).unwrap();
    let stranger = Reader::open_installed(signed(9, 3).as_slice(), &rotated).unwrap_err();
    assert_eq!(kind(&stranger), "UnknownKey");
    // A board that has not heard of the rotation yet takes a bundle that both have signed, and so does one that has.
    let both = with(Compression::None, |_| (), &[&key(1), &key(2)]);
    taken(&both).unwrap();
    take_with(&both, &trust(), &target()).unwrap();
}

#[test]
fn every_signature_must_fit_whether_its_key_counts_or_not() {
    let both = with(Compression::None, |_| (), &[&key(1), &key(9)]);
    take_with(&both, &trust(), &target()).unwrap();
    let mut changed = both.clone();
    changed[FIXED_LEN + SIGNER_LEN + 40] ^= 1;
    insta::assert_snapshot!(take_with(&changed, &trust(), &target()).unwrap_err(), @"the signature of dbc298251c51321b does not fit the manifest; the bundle was changed or damaged after signing");
    // Nobody can be taken off the list of signers.
    let mut fewer = both[..FIXED_LEN + SIGNER_LEN].to_vec();
    fewer.extend(&both[FIXED_LEN + 2 * SIGNER_LEN..]);
    fewer[10] = 1;
    assert_eq!(kind(&refusal(&fewer, &[])), "Signature");
    let one = with(Compression::None, |_| (), &[&key(1)]);
    assert_eq!(one.len() + SIGNER_LEN, both.len());
}

#[test]
fn weak_keys_do_not_count() {
    // The neutral point as a key: a signature of zeros would fit every message in a careless verifier.
    let mut weak = [0; 32];
    weak[0] = 1;
    let weak = PublicKey::from_bytes(&weak).unwrap();
    let mut signature = [0; SIGNATURE_LEN];
    signature[0] = 1;
    assert!(!weak.verifies("bundle v1", b"anything", &signature));
}

#[test]
fn only_the_recipients_open_an_encrypted_bundle() {
    let [board, other, stranger] = [(); 3].map(|()| DeviceKey::generate().unwrap());
    let bundle = build(1, Compression::Zstd, &[board.recipient(), other.recipient()]);
    for key in [&board, &other] {
        let mut kept = Kept::default();
        take(&bundle, std::slice::from_ref(key), &mut kept).unwrap();
        assert_eq!(kept.parts[1].1, weights(600, 1));
    }
    let said = refusal(&bundle, std::slice::from_ref(&stranger)).to_string();
    let ids = [&board, &other, &stranger].map(|key| key.recipient().id().to_string());
    let said = said.replace(&ids[0], "BOARD").replace(&ids[1], "OTHER").replace(&ids[2], "STRANGER");
    insta::assert_snapshot!(said, @r#"part "manifest.toml" is encrypted to BOARD, OTHER; keys at hand: STRANGER"#);
    assert!(refusal(&bundle, &[]).to_string().ends_with("keys at hand: none"));
    let plain = weights(600, 1);
    assert!(!bundle.windows(32).any(|window| window == &plain[..32]), "plain bytes in an encrypted bundle");
}

#[test]
fn an_inspection_needs_no_device_key_and_says_who_signed() {
    let device = DeviceKey::from_secret_text(DEVICE_KEY).unwrap();
    let bundle = build_with(description(), 1, Compression::None, &[], &[&key(9), &key(1)]);
    let inspection = Inspection::read(bundle.as_slice(), &trust()).unwrap();
    insta::assert_snapshot!(inspection, @r"
    edge 1.2.3, security counter 3, 4834 bytes
    signed by    dbc298251c51321b (NOT trusted: unknown key)
    signed by    34750f98bd59fcfc (trusted)
    boards       pc, jetson-orin-nano
    model        edge 0.1.0, 2 frames of 16x16
    labels       neutral, happy, sad, angry, fear, disgust, surprise
    framing      face, margin 0.2; temperature 1.25
    metric       UAR 0.625 on held-out identities
    built        by mtcae 0.1.0 at 1767225600 (Unix), from cb970f8
    trained on   synthetic faces
    licence      weights: MIT OR Apache-2.0
    encrypted    no
    part         manifest.toml (model manifest): 390 bytes, stored 390
    part         edge.int8.onnx (model int8 for tract, cpu-ort): 600 bytes, stored 600
    part         reference.clip (reference clip): 1536 bytes, stored 1536
    part         reference.json (reference answer): 258 bytes, stored 258
    ");
    assert_eq!(inspection.len, bundle.len() as u64);
    let json = serde_json::to_value(&inspection).unwrap();
    assert_eq!(json["signers"][0]["standing"], "unknown");
    assert_eq!(json["manifest"]["parts"][1]["content"]["precision"], "int8");

    let encrypted = build(1, Compression::Zstd, &[device.recipient()]);
    let said = Inspection::read(encrypted.as_slice(), &trust()).unwrap().to_string();
    assert!(said.contains(&format!("encrypted    to {}", device.recipient().id())), "{said}");

    let unknown = with(Compression::None, |_| (), &[&key(9)]);
    assert!(!Inspection::read(unknown.as_slice(), &trust()).unwrap().trusted);
    let mut damaged = bundle;
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    assert_eq!(kind(&Inspection::read(damaged.as_slice(), &trust()).unwrap_err()), "Damaged");
}

/// Fails at one of its calls.
struct Failing {
    left: usize,
    aborted: usize,
}

impl Failing {
    fn call(&mut self) -> io::Result<()> {
        self.left = self.left.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
        Ok(())
    }
}

impl PartSink for Failing {
    fn begin(&mut self, _: &Part) -> io::Result<()> {
        self.call()
    }

    fn write(&mut self, _: &[u8]) -> io::Result<()> {
        self.call()
    }

    fn end(&mut self, _: &Part) -> io::Result<()> {
        self.call()
    }

    fn commit(&mut self, _: &BundleManifest) -> io::Result<()> {
        self.call()
    }

    fn abort(&mut self) {
        self.aborted += 1;
    }
}

#[test]
fn a_sink_that_fails_at_any_call_is_told_to_abort() {
    let bundle = build(1, Compression::None, &[]);
    let mut failed = 0;
    for left in 0.. {
        let mut sink = Failing { left, aborted: 0 };
        let outcome =
            Reader::open(bundle.as_slice(), &trust()).unwrap().accept(&target()).unwrap().unpack(&[], &mut sink);
        match outcome {
            Ok(_) => break,
            Err(error) => assert_eq!((kind(&error).as_str(), sink.aborted), ("Sink", 1)),
        }
        failed += 1;
    }
    println!("a sink failed at each of {failed} calls");
    assert_eq!(failed, 4 * 3 + 1);
}

/// Gives a byte at a time, is interrupted at every other call, and fails after a while.
struct Slow<'a> {
    bytes: &'a [u8],
    calls: usize,
    fails_at: usize,
}

impl io::Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.calls += 1;
        if self.calls == self.fails_at {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if self.calls.is_multiple_of(2) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = self.bytes.len().min(buffer.len()).min(1);
        buffer[..len].copy_from_slice(&self.bytes[..len]);
        self.bytes = &self.bytes[len..];
        Ok(len)
    }
}

#[test]
fn a_slow_source_is_waited_for_and_a_failing_one_reported() {
    let bundle = build(1, Compression::Zstd, &[]);
    let slow = |fails_at| {
        let source = Slow { bytes: &bundle, calls: 0, fails_at };
        Reader::open(source, &trust())?.accept(&target())?.unpack(&[], &mut Kept::default())
    };
    slow(0).unwrap();
    for fails_at in [1, 20, 300, 2 * bundle.len() - 3, 2 * bundle.len() + 1] {
        let error = slow(fails_at).unwrap_err();
        assert_eq!(kind(&error), "Io", "{fails_at}: {error}");
    }
}

#[test]
fn a_folder_appears_whole_or_not_at_all() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("model");
    let unpack = |bundle: &[u8]| {
        let mut folder = Folder::create(&path).unwrap();
        Reader::open(bundle, &trust())?.accept(&target())?.unpack(&[], &mut folder)
    };
    let bundle = build(1, Compression::Zstd, &[]);
    assert!(unpack(&bundle[..bundle.len() - 1]).is_err());
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0, "something is left of a refused bundle");
    unpack(&bundle).unwrap();
    assert_eq!(std::fs::read(path.join("edge.int8.onnx")).unwrap(), weights(600, 1));
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1);
    assert!(Folder::create(&path).unwrap_err().to_string().contains("exists already"));
}

#[test]
fn a_longer_version_of_before_is_read_still() {
    let pieces = pieces(&build(1, Compression::Zstd, &[]));
    let longer = pieces.changed(|manifest| manifest.version = "1.0.0-rc.1+20261128.0600".parse().unwrap()).sign();
    take_with(&longer, &trust(), &target()).unwrap();
}

#[test]
fn a_builder_refuses_what_a_reader_would() {
    let build = |change: fn(&mut Description), keys: &[&SigningKey]| {
        let mut description = description();
        change(&mut description);
        let mut builder = Builder::new(description, &[], io::Cursor::new(Vec::new()));
        for (name, content, bytes) in parts(1) {
            builder.add(name, content, Compression::Zstd, &mut bytes.as_slice()).unwrap();
        }
        builder.finish(keys, &mut io::sink()).unwrap_err().to_string()
    };
    insta::assert_snapshot!(build(|d| d.name = "Edge Model".into(), &[&key(1)]), @r#"bundle manifest key `name` is "Edge Model"; accepted: 1 to 24 of a-z, 0-9, - and _"#);
    insta::assert_snapshot!(build(|d| d.boards = vec!["b".repeat(MAX_FAMILY), "c".repeat(MAX_FAMILY + 1)], &[&key(1)]), @r#"bundle manifest key `boards` is "ccccccccccccccccccccccccccccccccc"; accepted: 1 to 32 of a-z, 0-9, - and _"#);
    insta::assert_snapshot!(build(|d| d.metrics[0].value = f32::NAN, &[&key(1)]), @"bundle manifest key `metrics.value` is NaN; accepted: a finite number");
    insta::assert_snapshot!(build(|d| d.licences.clear(), &[&key(1)]), @"bundle manifest key `licences` is a list of 0; accepted: a list of 1 to 32");
    insta::assert_snapshot!(build(|d| d.version = "1.0.0-rc.1+2026-11-28".parse().unwrap(), &[&key(1)]), @r#"bundle manifest key `version` is "1.0.0-rc.1+2026-11-28"; accepted: a version of at most 20 characters, which a board shows whole"#);
    insta::assert_snapshot!(build(|_| (), &[]), @"the number of signatures is 0; accepted: 1 to 4");
    insta::assert_snapshot!(build(|d| d.model = None, &[&key(1)]), @"bundle manifest key `model` is null; accepted: a description, as there are parts of a model");

    let mut builder = Builder::new(description(), &[], io::Cursor::new(Vec::new()));
    for n in 0..MAX_PARTS {
        builder.add(&format!("p{n}"), Content::Document, Compression::None, &mut &b"x"[..]).unwrap();
    }
    let error = builder.add("one-more", Content::Document, Compression::None, &mut &b"x"[..]).unwrap_err();
    insta::assert_snapshot!(error, @"the number of parts is 33; accepted: 1 to 32");
}
