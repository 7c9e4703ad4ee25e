//! Bundles that carry a good signature and yet lie: each is refused for its own reason, and nothing is committed.

mod common;

use common::*;
use mtcae_bundle::*;
use std::io::Read as _;

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

/// Claims the right sum and length for `plain`, so that only the stored bytes are at fault.
fn claiming(plain: &[u8]) -> impl FnOnce(&mut Part) {
    let (len, sum) = (plain.len() as u64, Digest::of(plain));
    move |part| (part.plain, part.plain_sha256) = (len, sum)
}

fn said(pieces: Pieces) -> String {
    refusal(&pieces.sign(), &[]).to_string()
}

#[test]
fn sizes_that_lie_are_refused_both_ways() {
    let plain = weights(1000, 3);
    let packed = zstd(&plain);
    let good = || one_part(&packed, Compression::Zstd, claiming(&plain));
    take(&good().sign(), &[], &mut Kept::default()).expect("the frame itself is right");

    let mut tried = 0;
    for plain in [1, 999, 1001, 70_000, MAX_PART] {
        let error = refusal(&good().changed(|m| m.parts[0].plain = plain).sign(), &[]);
        assert_eq!(kind(&error), "Contents", "{error}");
        tried += 1;
    }
    for (key, bad) in [("plain", 0), ("plain", MAX_PART + 1), ("plain", u64::MAX), ("stored", 0), ("stored", u64::MAX)]
    {
        let was = if key == "plain" { 1000 } else { packed.len() };
        let error = refusal(&good().edited(&format!("\"{key}\":{was}"), &format!("\"{key}\":{bad}")).sign(), &[]);
        assert_eq!(kind(&error), "Value", "{error}");
        tried += 1;
    }
    for stored in [1, packed.len() as u64 - 1, packed.len() as u64 + 1, MAX_PART] {
        let error = refusal(&good().changed(|m| m.parts[0].stored = stored).sign(), &[]);
        assert!(["Damaged", "Truncated", "Value"].contains(&kind(&error).as_str()), "{error}");
        tried += 1;
    }
    println!("{tried} lying sizes refused");
    assert!(tried >= 14);
    insta::assert_snapshot!(said(good().changed(|m| m.parts[0].plain = 999)), @r#"part "card.md" does not unpack to what its manifest says: it is longer than the 999 bytes announced"#);
    insta::assert_snapshot!(said(good().changed(|m| m.parts[0].plain = 1001)), @r#"part "card.md" does not unpack to what its manifest says: it has 1000 bytes; announced: 1001"#);
    insta::assert_snapshot!(said(good().changed(|m| m.parts[0].plain_sha256 = Digest::of(b""))), @r#"part "card.md" does not unpack to what its manifest says: its SHA-256 is 6b3b151bcc3b6b9d3ce80a5b274858c2266944cb019402e5233cbd8984155b33; announced: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"#);
    insta::assert_snapshot!(said(good().changed(|m| m.parts[0].stored_sha256.push(Digest::of(b"")))), @"bundle manifest key `parts[card.md].stored_sha256` is 2 sums; accepted: 1, one a MiB begun");
}

#[test]
fn stored_bytes_too_few_or_too_many_are_refused_though_their_sum_is_right() {
    let plain = weights(1000, 3);
    let packed = zstd(&plain);
    let with = |stored: &[u8]| one_part(stored, Compression::Zstd, claiming(&plain));
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 7, 7], packed.as_slice()].concat();
    insta::assert_snapshot!(said(with(&packed[..packed.len() - 1])), @r#"part "card.md" does not unpack to what its manifest says: incomplete frame"#);
    insta::assert_snapshot!(said(with(&[packed.as_slice(), b"!"].concat())), @r#"part "card.md" does not unpack to what its manifest says: bytes follow its end"#);
    insta::assert_snapshot!(said(with(&[packed.as_slice(), &packed].concat())), @r#"part "card.md" does not unpack to what its manifest says: bytes follow its end"#);
    insta::assert_snapshot!(said(with(&skippable)), @r#"part "card.md" does not unpack to what its manifest says: it has 0 bytes; announced: 1000"#);
    insta::assert_snapshot!(said(with(b"not zstd at all")), @r#"part "card.md" does not unpack to what its manifest says: Unknown frame descriptor"#);
    // Many chunks behind the end of the frame: all are refused, none is kept.
    insta::assert_snapshot!(said(with(&[packed.as_slice(), &vec![0; 2 * CHUNK]].concat())), @r#"part "card.md" does not unpack to what its manifest says: bytes follow its end"#);
}

#[test]
fn a_bomb_gives_no_more_than_it_announced() {
    let mut tried = 0;
    for (zeros, announced) in [(64 << 20, 100), (64 << 20, 65_536), (300 << 20, 1 << 20), (64 << 20, (64 << 20) - 1)] {
        let bomb = zstd(&vec![0; zeros]);
        let pieces = one_part(&bomb, Compression::Zstd, claiming(&vec![0; announced]));
        let mut kept = Kept::default();
        let error = take(&pieces.sign(), &[], &mut kept).unwrap_err();
        assert_eq!((kind(&error).as_str(), kept.committed, kept.aborted), ("Contents", 0, 1), "{error}");
        assert!(kept.written() <= announced, "{} bytes of {announced} announced", kept.written());
        tried += 1;
    }
    // A frame that would have the decoder allocate 128 MiB before its first byte.
    let mut wide = zstd::Encoder::new(Vec::new(), 3).unwrap();
    wide.window_log(MAX_WINDOW_LOG + 4).unwrap();
    std::io::copy(&mut std::io::repeat(5).take(200 << 20), &mut wide).unwrap();
    let wide = one_part(&wide.finish().unwrap(), Compression::Zstd, |part| part.plain = 200 << 20);
    insta::assert_snapshot!(said(wide), @r#"part "card.md" does not unpack to what its manifest says: Frame requires too much memory for decoding"#);
    println!("{} bombs refused", tried + 1);
    assert!(tried >= 4);
}

#[test]
fn bad_lists_of_parts_are_refused() {
    let good = pieces(&build(1, Compression::None, &[]));
    let renamed = |to: &str| said(good.changed(|m| m.parts[1].name = to.to_owned()));
    insta::assert_snapshot!(renamed("manifest.toml"), @"bundle manifest key `parts.name` is manifest.toml twice; accepted: different ones");
    insta::assert_snapshot!(renamed("Manifest.TOML"), @"bundle manifest key `parts.name` is manifest.toml twice; accepted: different ones");
    insta::assert_snapshot!(renamed("../etc/passwd"), @r#"bundle manifest key `parts.name` is "../etc/passwd"; accepted: 1 to 64 of letters, digits, `.`, `-`, `_`, not starting with `.`"#);
    for name in ["", ".", "..", ".hidden", "a/b", "a\\b", "a b", "nul\0", "é", &"a".repeat(65)] {
        assert!(renamed(name).contains("parts.name"), "{name:?}");
    }
    insta::assert_snapshot!(said(good.changed(|m| m.parts.clear())), @"bundle manifest key `parts` is a list of 0; accepted: a list of 1 to 32");
    insta::assert_snapshot!(said(good.changed(|m| m.parts = vec![m.parts[2].clone(); 33])), @"bundle manifest key `parts` is a list of 33; accepted: a list of 1 to 32");
    insta::assert_snapshot!(said(good.changed(|m| m.model = None)), @"bundle manifest key `model` is null; accepted: a description, as there are parts of a model");
    insta::assert_snapshot!(said(good.changed(|m| m.parts[1].content = Content::Document)), @"bundle manifest key `parts` is a list without a model; accepted: at least one model, as `model` is described");
    let clip = |to: &str| said(good.changed(|m| m.parts[2].name = to.to_owned()));
    insta::assert_snapshot!(clip("clip.raw"), @"bundle manifest key `parts` is a list with a reference clip called clip.raw; accepted: one, called reference.clip, as `model` is described");
    insta::assert_snapshot!(said(good.changed(|m| m.parts[3].content = Content::Document)), @"bundle manifest key `parts` is a list without a reference answer; accepted: one, called reference.json, as `model` is described");
    insta::assert_snapshot!(said(good.changed(|m| m.parts[2].content = Content::ReferenceAnswer)), @"bundle manifest key `parts` is a list without a reference clip; accepted: one, called reference.clip, as `model` is described");
    insta::assert_snapshot!(said(good.changed(|m| m.parts[1].content = Content::ReferenceAnswer)), @"bundle manifest key `parts` is a list with 2 parts that are a reference answer; accepted: one, called reference.json, as `model` is described");
    let firmware_alone = one_part(b"x", Compression::None, |part| part.content = Content::ReferenceClip);
    insta::assert_snapshot!(said(firmware_alone), @"bundle manifest key `model` is null; accepted: a description, as there are parts of a model");
    insta::assert_snapshot!(said(good.changed(|m| m.boards.clear())), @"bundle manifest key `boards` is a list of 0; accepted: a list of 1 to 16");
    insta::assert_snapshot!(said(good.changed(|m| m.format = 2)), @"bundle manifest key `format` is 2; accepted: 1");
    insta::assert_snapshot!(said(good.changed(|m| m.metrics[0].on = "two\nlines".to_owned())), @r#"bundle manifest key `metrics.on` is "two\nlines"; accepted: one line of at most 200 bytes"#);
    insta::assert_snapshot!(said(good.changed(|m| m.model.as_mut().unwrap().temperature = 0.0)), @"bundle manifest key `model.temperature` is 0; accepted: 0.05 to 20");
}

#[test]
fn a_manifest_has_one_form_only() {
    let good = pieces(&build(1, Compression::None, &[]));
    let forms = [
        ("{\"format\":1,", "{ \"format\":1,"),
        ("{\"format\":1,", "{\"format\":1, "),
        ("{\"format\":1,\"name\":\"edge\",", "{\"name\":\"edge\",\"format\":1,"),
        ("\"value\":0.625", "\"value\":0.6250"),
        ("\"value\":0.625", "\"value\":6.25e-1"),
        ("\"security_counter\":3", "\"security_counter\":3.0"),
        ("\"security_counter\":3", "\"security_counter\":03"),
        ("\"name\":\"edge\"", "\"name\":\"\\u0065dge\""),
        ("\"name\":\"edge\"", "\"name\":\"edge\",\"name\":\"edge\""),
        ("\"name\":\"edge\"", "\"name\":\"edge\",\"extra\":1"),
        ("\"recipients\":[],", ""),
        ("{\"kind\":\"model-manifest\"}", "{\"kind\":\"model-manifest\",\"x\":1}"),
        ("{\"kind\":\"model-manifest\"}", "\"model-manifest\""),
        ("\"version\":\"1.2.3\"", "\"version\":\"01.2.3\""),
        ("\"version\":\"1.2.3\"", "\"version\":\"1.2\""),
        ("\"temperature\":1.25", "\"temperature\":1.2500000001"),
        ("\"temperature\":1.25", "\"temperature\":null"),
        ("\"neutral\"", "\"Neutral\""),
        ("\"security_counter\":3", "\"security_counter\":4294967296"),
        ("\"security_counter\":3", "\"security_counter\":-1"),
    ];
    for (from, to) in forms {
        let error = refusal(&good.edited(from, to).sign(), &[]);
        assert_eq!(kind(&error), "Syntax", "{to}: {error}");
    }
    for more in [" ", "\n", "{}", "\0"] {
        let manifest = [good.manifest.as_slice(), more.as_bytes()].concat();
        let error = refusal(&Pieces { manifest, ..good.clone() }.sign(), &[]);
        assert_eq!(kind(&error), "Syntax", "{more:?}: {error}");
    }
    let deep = Pieces { manifest: "[".repeat(MAX_MANIFEST as usize).into_bytes(), ..good.clone() };
    assert_eq!(kind(&refusal(&deep.sign(), &[])), "Syntax");
    println!("{} other forms of a manifest refused", forms.len() + 5);
    insta::assert_snapshot!(said(good.edited("{\"format\":1,", "{ \"format\":1,")), @"bundle manifest: not in its canonical form (JSON without spaces, keys in order, shortest numbers)");
    insta::assert_snapshot!(said(good.edited("\"name\":\"edge\"", "\"nane\":\"edge\"")), @"bundle manifest: unknown field `nane`, expected one of `format`, `name`, `version`, `security_counter`, `boards`, `model`, `metrics`, `provenance`, `licences`, `recipients`, `parts` at line 1 column 18");
}

#[test]
fn lengths_in_the_header_have_limits() {
    let bundle = build(1, Compression::None, &[]);
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = bundle.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        refusal(&changed, &[]).to_string()
    };
    insta::assert_snapshot!(with(8, &[2, 0]), @"bundle format 2; accepted: 1; update the older of tool and board");
    insta::assert_snapshot!(with(10, &[0, 0]), @"the number of signatures is 0; accepted: 1 to 4");
    insta::assert_snapshot!(with(10, &[5, 0]), @"the number of signatures is 5; accepted: 1 to 4");
    insta::assert_snapshot!(with(12, &[0; 4]), @"the length of the manifest is 0; accepted: 1 to 262144");
    insta::assert_snapshot!(with(12, &[255; 4]), @"the length of the manifest is 4294967295; accepted: 1 to 262144");
    insta::assert_snapshot!(with(0, b"PK"), @"not a bundle: it starts with 504b5443420d0a1a; accepted: a file that starts with 8d4d5443420d0a1a");
    insta::assert_snapshot!(refusal(b"", &[]), @"not a bundle: it starts with nothing; accepted: a file that starts with 8d4d5443420d0a1a");
    insta::assert_snapshot!(refusal(&bundle[..9], &[]), @"the bundle ends inside its header, 7 byte(s) before its end; copy it again");
    let long = Pieces { manifest: vec![b' '; MAX_MANIFEST as usize + 1], stored: Vec::new() };
    assert_eq!(kind(&refusal(&long.sign(), &[])), "Limit");
}
