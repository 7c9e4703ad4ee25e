//! From new keys to a bundle that is trusted, and what happens to one that was touched.

mod common;

use common::desk::{Desk, WHOLE};
use common::{nobody_reads, transcript};
use mtcae_bundle::{Folder, Reader, SigningKey, Target, Trust};
use mtcae_contract::{Clip, Difference, Precision, RawOutput, ReferenceAnswer};
use mtcae_core::Engine;
use mtcae_drivers::TractEngine;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

/// The time of the build changes.
fn steady(text: &str) -> String {
    let end = text.find(" (Unix)").expect("a time");
    let start = text[..end].rfind(' ').expect("a word before it") + 1;
    format!("{}TIME{}", &text[..start], &text[end..])
}

#[test]
fn from_new_keys_to_a_bundle_that_counts() {
    let desk = Desk::new();
    let new: Value = serde_json::from_str(&desk.good(&["keys", "new", "mine.key", "--json"])).unwrap();
    assert_eq!((&new["kind"], &new["public_file"]), (&"signing-key".into(), &"mine.key.pub".into()), "{new}");
    let mode = |name: &str| desk.path(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("mine.key"), mode("mine.key.pub")), (0o600, 0o644));
    // Secret, public half and the file's text are one key.
    let shown = desk.good(&["keys", "show", "mine.key"]);
    assert_eq!(shown.lines().last().unwrap().as_bytes(), desk.read("mine.key.pub").trim_ascii_end());
    assert!(shown.contains(new["id"].as_str().unwrap()), "{shown}");

    let sign = ["--model", "tiny", "--counter", "1", "--sign", "mine.key", "--licence", "weights=MIT"];
    let built = desk.good(&desk.bundle("tiny.mtcb", &sign));
    let seen = desk.good(&["inspect", "tiny.mtcb", "--trust", "mine.key.pub"]);
    assert_eq!(built, seen, "what is printed after building is what the inspection shows");
    assert!(seen.contains("(trusted)"), "{seen}");
    let text = String::from_utf8(desk.read("mine.key.pub")).unwrap();
    assert_eq!(seen, desk.good(&["inspect", "tiny.mtcb", "--trust", text.trim_end()]));
}

#[test]
fn a_folder_is_no_file_and_a_key_does_not_follow_itself() {
    let desk = Desk::new();
    let folder = desk.said(&["inspect", "tiny"]);
    assert!(folder.contains("mtcae::file\n") && folder.contains("cannot read tiny: it is a folder"), "{folder}");
    let flash = desk.said(&["flash", "dir:.", "tiny"]);
    assert!(flash.contains("cannot read tiny: it is a folder"), "{flash}");
    let rotate = ["keys", "rotate", "--old", "release.key", "--new", "release.key.pub", "--counter", "2", "--out", "r"];
    let same = desk.said(&rotate);
    assert!(same.contains("are the same key") && same.contains("mtcae keys new next.key"), "{same}");
    let opened = desk.said(&["open", "--key", "lab.key", "--out", "plain", "tiny"]);
    assert!(opened.contains("it is a folder; accepted: a file that `mtcae seal` wrote"), "{opened}");
}

#[test]
fn a_verdict_stands_when_nobody_reads_it() {
    let desk = Desk::new();
    desk.good(&desk.bundle("tiny.mtcb", &WHOLE));
    let code = |trust: &str| {
        let mut command = desk.command(&["inspect", "tiny.mtcb", "--trust", trust]);
        command.stdout(nobody_reads()).output().unwrap().status.code()
    };
    assert_eq!((code("next.key.pub"), code("release.key.pub")), (Some(1), Some(0)));
    // Not even the error is read.
    let mut command = desk.command(&["inspect", "tiny.mtcb", "--trust", "next.key.pub"]);
    let status = command.stdout(nobody_reads()).stderr(nobody_reads()).status().unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn a_bundle_that_was_touched_is_refused_wherever_it_was() {
    let desk = Desk::new();
    desk.good(&desk.bundle("tiny.mtcb", &WHOLE));
    let bundle = desk.read("tiny.mtcb");
    let mut refused = 0;
    let mut refuse = |bytes: &[u8], what: String| {
        desk.write("touched.mtcb", bytes);
        let text = desk.said(&["inspect", "touched.mtcb", "--trust", "release.key.pub"]);
        assert!(text.starts_with("exit code: 1\nmtcae::bundle\n"), "{what}: {text}");
        refused += 1;
    };
    for at in (0..bundle.len()).step_by(bundle.len() / 40) {
        let mut touched = bundle.clone();
        touched[at] ^= 1;
        refuse(&touched, format!("byte {at} changed"));
        refuse(&bundle[..at], format!("cut at {at}"));
    }
    refuse(&[&bundle[..], b"x"].concat(), "a byte more".to_owned());
    println!("{refused} touched bundles refused");
    assert!(refused >= 81, "fewer were tried: {refused}");

    let mut damaged = bundle.clone();
    *damaged.last_mut().unwrap() ^= 1;
    desk.write("touched.mtcb", &damaged);
    insta::assert_snapshot!("damaged", desk.said(&["inspect", "touched.mtcb"]));
    damaged = bundle.clone();
    damaged[200] ^= 1;
    desk.write("touched.mtcb", &damaged);
    insta::assert_snapshot!("changed_after_signing", desk.said(&["inspect", "touched.mtcb"]));
    insta::assert_snapshot!("no_bundle", desk.said(&["inspect", "tiny/CARD.md"]));
}

#[test]
fn what_a_person_sees_of_a_bundle() {
    let desk = Desk::new();
    let facts =
        "revision = \"cb970f8\"\ndata = [\"FER2013\"]\n[[metrics]]\nname = \"UAR\"\nvalue = 0.5\non = \"test\"\n";
    desk.write("tiny/bundle.toml", facts.as_bytes());
    desk.good(&desk.bundle("tiny.mtcb", &WHOLE));
    insta::assert_snapshot!("trusted", steady(&desk.said(&["inspect", "tiny.mtcb", "--trust", "release.key.pub"])));
    insta::assert_snapshot!("untrusted", steady(&desk.said(&["inspect", "tiny.mtcb", "--trust", "next.key.pub"])));
    // Only shown, as nobody was asked to be trusted.
    assert!(desk.good(&["inspect", "tiny.mtcb"]).contains("NOT trusted"));
}

#[test]
fn the_fields_of_the_json_stay() {
    let desk = Desk::new();
    let built = desk.good(&desk.bundle("tiny.mtcb", &[&WHOLE[..], &["--json"]].concat()));
    let seen = desk.good(&["inspect", "tiny.mtcb", "--trust", "release.key.pub", "--json"]);
    assert_eq!(built, seen);
    let value: Value = serde_json::from_str(&seen).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(keys(&value), ["len", "manifest", "plain_len", "signers", "trusted"].map(str::to_owned).into());
    assert_eq!(value["len"], desk.read("tiny.mtcb").len());
    assert_eq!(value["trusted"], true);
    let key = SigningKey::from_seed(&[1; 32]).public().id().to_string();
    assert_eq!(value["signers"], serde_json::json!([{ "key": key, "standing": "trusted" }]));
    let fields = [
        "boards",
        "format",
        "licences",
        "metrics",
        "model",
        "name",
        "parts",
        "provenance",
        "recipients",
        "security_counter",
        "version",
    ];
    assert_eq!(keys(&value["manifest"]), fields.map(str::to_owned).into());
    let names: Vec<&str> =
        value["manifest"]["parts"].as_array().unwrap().iter().map(|part| part["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["manifest.toml", "tiny.onnx", "reference.clip", "reference.json", "CARD.md"]);
    let model = &value["manifest"]["parts"][1]["content"];
    assert_eq!(*model, serde_json::json!({ "kind": "model", "precision": "fp32", "engines": ["tract"] }));
    let unknown: Value = serde_json::from_str(&desk.good(&["inspect", "tiny.mtcb", "--json"])).unwrap();
    assert_eq!((&unknown["trusted"], &unknown["signers"][0]["standing"]), (&false.into(), &"unknown".into()));
}

#[test]
fn a_rotation_hands_over_to_the_next_key() {
    let desk = Desk::new();
    let arguments =
        ["keys", "rotate", "--old", "release.key", "--new", "next.key.pub", "--counter", "5", "--out", "next.rotation"];
    let written = desk.good(&arguments);
    assert_eq!(written, desk.good(&["keys", "show", "next.rotation"]));
    insta::assert_snapshot!("rotation", written);
    let shown: Value = serde_json::from_str(&desk.good(&["keys", "show", "next.rotation", "--json"])).unwrap();
    assert_eq!((&shown["kind"], &shown["from_counter"]), (&"rotation".into(), &5.into()), "{shown}");

    let build = |out: &str, counter: &str, key: &str| {
        let besides = ["--model", "tiny", "--counter", counter, "--sign", key, "--licence", "weights=MIT"];
        desk.good(&desk.bundle(out, &besides));
    };
    build("old-4.mtcb", "4", "release.key");
    build("old-5.mtcb", "5", "release.key");
    build("next-5.mtcb", "5", "next.key");
    let rotated = |file| ["inspect", file, "--trust", "release.key.pub", "--trust", "next.rotation"];
    desk.good(&rotated("old-4.mtcb"));
    desk.good(&rotated("next-5.mtcb"));
    let text = desk.said(&rotated("old-5.mtcb"));
    assert!(text.starts_with("exit code: 1\n") && text.contains("mtcae::untrusted"), "{text}");
    assert!(text.contains("(replaced by a rotation)"), "{text}");
    // Without it, boards go on with the old key.
    assert!(desk.said(&["inspect", "next-5.mtcb", "--trust", "release.key.pub"]).contains("mtcae::untrusted"));
    let again = desk.said(&arguments);
    assert!(again.contains("never overwritten"), "{again}");
}

#[test]
fn secrets_stay_secret_and_are_never_overwritten() {
    let desk = Desk::new();
    let before = desk.read("release.key");
    let mut said = desk.said(&["keys", "new", "release.key"]);
    desk.write("new.key.pub", b"somebody's");
    said += &desk.said(&["keys", "new", "--device", "new.key"]);
    assert_eq!((desk.read("release.key"), desk.read("new.key.pub")), (before, b"somebody's".to_vec()));
    assert!(!desk.path("new.key").exists());

    let secret = String::from_utf8(desk.read("lab.key")).unwrap();
    said += &desk.said(&desk.bundle("x.mtcb", &[&WHOLE[..], &["--encrypt-to", secret.trim_end()]].concat()));
    said += &desk.said(&["inspect", "x.mtcb", "--trust", "release.key"]);
    for given in [&["keys", "show", secret.trim_end()][..], &["bundle", &format!("--sign={}", secret.trim_end())][..]] {
        let shown = desk.said(given);
        assert!(shown.contains("a secret key was given as an argument (it is not shown)"), "{shown}");
        assert!(!shown.contains(secret.trim_end()), "it is shown");
    }
    said += &desk.said(&desk.bundle("x.mtcb", &[&WHOLE[..], &["--sign", "release.key.pub"]].concat()));
    said += &desk.said(&desk.bundle("x.mtcb", &[&WHOLE[..], &["--sign", "lab.key"]].concat()));
    std::fs::set_permissions(desk.path("release.key"), Permissions::from_mode(0o644)).unwrap();
    said += &desk.said(&desk.bundle("x.mtcb", &WHOLE));
    said += &desk.said(&["keys", "show", "release.key"]);
    said += &desk.said(&["keys", "show", "tiny/CARD.md"]);
    insta::assert_snapshot!("keys_refused", said);
    assert!(!said.contains("GFPYYSJZ") && !said.contains("0101010101"), "a secret is shown: {said}");
    assert!(!desk.path("x.mtcb").exists());
}

#[test]
fn what_is_wrong_is_named_and_nothing_is_written() {
    let desk = Desk::new();
    desk.write("facts.toml", b"[[licences]]\ncovers = \"weights\"\nlicense = \"MIT\"\n");
    desk.write("there.mtcb", b"somebody's");
    let mut x86 = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0".to_vec();
    x86.resize(64, 0);
    desk.write("mtcae-firmware", &x86);
    let before = desk.names();
    let unlicensed = &WHOLE[..6];
    let mut said = String::new();
    for besides in [
        unlicensed.to_vec(),
        [unlicensed, &["--facts", "facts.toml"]].concat(),
        [&WHOLE[..], &["--family", "Jetson Orin"]].concat(),
        [&WHOLE[..], &["--document", "tiny/manifest.toml"]].concat(),
        [&WHOLE[..], &["--document", "none.md"]].concat(),
        [&WHOLE[..], &["--encrypt-to", "lab.key.pub", "--encrypt-to", "lab.key.pub"]].concat(),
        [&WHOLE[..], &["--firmware", "mtcae-firmware", "--target", "aarch64-unknown-linux-gnu"]].concat(),
        [&["--model", "none"][..], &WHOLE[2..]].concat(),
    ] {
        said += &desk.said(&desk.bundle("x.mtcb", &besides));
    }
    said += &desk.said(&desk.bundle("there.mtcb", &WHOLE));
    said += &desk.said(&desk.bundle("no/x.mtcb", &WHOLE));
    // Exported again, but the manifest is the old one.
    desk.write("tiny/tiny.onnx", b"another network");
    said += &desk.said(&desk.bundle("x.mtcb", &WHOLE));
    insta::assert_snapshot!("bundles_refused", said);
    assert_eq!((said.matches("exit code: 1").count(), said.matches("exit code: 2").count()), (10, 1));
    assert_eq!((desk.names(), desk.read("there.mtcb")), (before, b"somebody's".to_vec()));
    let text = desk.said(&desk.bundle("x.mtcb", &[&WHOLE[..], &["--licence", "MIT"]].concat()));
    assert!(text.starts_with("exit code: 2\n") && text.contains("weights=MIT"), "{text}");
}

#[test]
fn model_and_firmware_arrive_as_they_were_packed() {
    let desk = Desk::new();
    let mut program = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0".to_vec();
    program.extend((0..100_000u32).flat_map(|n| (n % 251).to_le_bytes()));
    desk.write("built", &program);
    let firmware = ["--firmware", "built", "--target", "aarch64-unknown-linux-gnu", "--firmware-version", "0.3.0"];
    let besides = [&WHOLE[..], &firmware[..], &["--encrypt-to", "lab.key.pub", "--sign", "next.key"]].concat();
    let built = desk.good(&desk.bundle("both.mtcb", &besides));
    assert!(built.contains("firmware 0.3.0 for aarch64-unknown-linux-gnu"), "{built}");
    assert!(built.contains(&desk.recipient().id().to_string()), "{built}");

    // As a board takes it that knows only one of the two signers.
    let trust = Trust::new(&[SigningKey::from_seed(&[2; 32]).public()]).unwrap();
    let target = Target { family: "pc".to_owned(), lowest_counter: 1, free_bytes: None };
    let bundle = desk.read("both.mtcb");
    let take = || Reader::open(bundle.as_slice(), &trust).unwrap().accept(&target).unwrap();
    let mut folder = Folder::create(&desk.path("slot")).unwrap();
    take().unpack(&[desk.device()], &mut folder).unwrap();
    for (part, file) in [("mtcae-firmware", "built"), ("tiny.onnx", "tiny/tiny.onnx"), ("CARD.md", "tiny/CARD.md")] {
        assert_eq!(desk.read(&format!("slot/{part}")), desk.read(file), "{part}");
    }
    assert!(take().unpack(&[], &mut mtcae_bundle::Discard).unwrap_err().to_string().contains("encrypted"));
}

/// Unpacks what release.key signed into `slot`.
fn unpack(desk: &Desk, bundle: &str) {
    let trust = Trust::new(&[SigningKey::from_seed(&[1; 32]).public()]).unwrap();
    let target = Target { family: "pc".to_owned(), lowest_counter: 1, free_bytes: None };
    let mut folder = Folder::create(&desk.path("slot")).unwrap();
    let bundle = desk.read(bundle);
    Reader::open(bundle.as_slice(), &trust).unwrap().accept(&target).unwrap().unpack(&[], &mut folder).unwrap();
}

/// The self-test in `slot`: the model there, the clip and what must be answered.
fn self_test(desk: &Desk, precision: Precision) -> (TractEngine, Clip, ReferenceAnswer) {
    let engine = TractEngine::load(&desk.path("slot"), precision, 1).unwrap();
    let spec = engine.manifest().clip;
    let clip = Clip {
        bytes: desk.read("slot/reference.clip"),
        frames: spec.frames,
        size: spec.size,
        crop: Default::default(),
    };
    let answer = String::from_utf8(desk.read("slot/reference.json")).unwrap();
    let answer = ReferenceAnswer::from_json(&answer).unwrap();
    answer.fits(engine.manifest()).unwrap();
    (engine, clip, answer)
}

/// What a board with this bundle does before it trusts the model: the shipped one passes, and one that is not quite right
/// does not.
#[test]
fn the_shipped_model_passes_its_self_test_and_wrong_answers_do_not() {
    let desk = Desk::new();
    let zoo = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/zoo/edge");
    desk.good(&desk.bundle("edge.mtcb", &["--model", zoo, "--counter", "1", "--sign", "release.key"]));
    unpack(&desk, "edge.mtcb");
    let (mut engine, clip, reference) = self_test(&desk, Precision::Int8);
    let right = engine.infer(&clip).unwrap();
    reference.check(&right).unwrap();
    // The face is where the crop of framing `face` has it: in the middle.
    let newest = &right.boxes[right.boxes.len() - 4..];
    let center = [newest[0] + newest[2] / 2.0, newest[1] + newest[3] / 2.0];
    assert!(center.iter().all(|c| (0.4..0.6).contains(c)) && newest[2] > 0.4, "{newest:?}");

    let moved = |change: &dyn Fn(&mut RawOutput)| {
        let mut wrong = right.clone();
        change(&mut wrong);
        reference.check(&wrong).is_err()
    };
    let swapped = |wrong: &mut RawOutput| wrong.logits.swap(0, 1);
    let shifted = |wrong: &mut RawOutput| wrong.boxes.iter_mut().for_each(|value| *value += 0.05);
    let mirrored = |wrong: &mut RawOutput| wrong.landmarks.iter_mut().step_by(2).for_each(|x| *x = 1.0 - *x);
    assert!(moved(&swapped) && moved(&shifted) && moved(&mirrored));
    let mut answers = |bytes: Vec<u8>| engine.infer(&Clip { bytes, ..clip.clone() }).unwrap();
    let size = clip.size * clip.size * 3;
    let mut reds_and_blues = clip.bytes.clone();
    reds_and_blues.chunks_mut(3).for_each(|pixel| pixel.swap(0, 2));
    let mut upside_down = clip.bytes.clone();
    upside_down.chunks_mut(size).for_each(|frame| frame.reverse());
    for (what, bytes) in
        [("black", vec![0; clip.bytes.len()]), ("swapped colours", reds_and_blues), ("upside down", upside_down)]
    {
        let difference = reference.check(&answers(bytes)).expect_err(what);
        println!("{what}: {difference}");
        assert!(matches!(difference, Difference::Value { .. }), "{what}: {difference}");
    }
}

#[test]
fn a_self_test_of_ones_own_needs_a_face() {
    let desk = Desk::new();
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data");
    let clip = format!("{data}/carphone.avi");
    desk.good(&desk.bundle("own.mtcb", &[&WHOLE[..], &["--reference", &clip]].concat()));
    unpack(&desk, "own.mtcb");
    let (mut engine, clip, reference) = self_test(&desk, Precision::Fp32);
    reference.check(&engine.infer(&clip).unwrap()).unwrap();

    std::fs::create_dir(desk.path("grey")).unwrap();
    desk.write("grey/frame.jpg", b"no picture");
    desk.write("grey.y4m", &[&b"YUV4MPEG2 W64 H64 F25:1 Cmono\nFRAME\n"[..], &[128; 64 * 64]].concat());
    // It lists no fp32 file, so nothing says what the right answer is.
    std::fs::create_dir(desk.path("int8")).unwrap();
    desk.write("int8/tiny.onnx", &desk.read("tiny/tiny.onnx"));
    let manifest = String::from_utf8(desk.read("tiny/manifest.toml")).unwrap();
    desk.write("int8/manifest.toml", manifest.replace("fp32", "int8").as_bytes());
    desk.write("int8/bundle.toml", b"[engines]\nint8 = [\"tract\"]\n");
    let mut said = String::new();
    for besides in [
        [&WHOLE[..], &["--reference", "none.avi"]].concat(),
        [&WHOLE[..], &["--reference", "grey"]].concat(),
        [&WHOLE[..], &["--reference", "grey.y4m"]].concat(),
        [&["--model", "int8"][..], &WHOLE[2..]].concat(),
    ] {
        said += &desk.said(&desk.bundle("x.mtcb", &besides));
    }
    insta::assert_snapshot!("self_tests_refused", said);
    assert!(!desk.path("x.mtcb").exists());
}

#[test]
fn a_bundle_that_cannot_be_read_is_an_error() {
    let desk = Desk::new();
    let text = transcript(&desk.command(&["inspect", "none.mtcb"]).output().unwrap());
    assert!(text.starts_with("exit code: 1\nmtcae::file\n") && text.contains("none.mtcb"), "{text}");
    assert!(desk.said(&["inspect", "tiny"]).starts_with("exit code: 1\n"));
}
