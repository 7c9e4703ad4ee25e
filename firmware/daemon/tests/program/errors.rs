//! What cannot work is refused with one line that names the thing and the next step, and an exit code.

use super::firmware::{Bench, Firmware, TINY, clip, manifest};
use insta::assert_snapshot;
use mtcae_contract::{ClipSpec, LabelSet, Manifest};

fn one_line((code, text): (i32, String)) -> String {
    assert_eq!(text.lines().count(), 1, "{text}");
    format!("{code}: {text}")
}

#[test]
fn models_that_cannot_be_used() {
    let bench = Bench::on_clip(false, "");
    std::fs::remove_file(bench.dir.path().join("manifest.toml")).unwrap();
    assert_snapshot!(one_line(bench.refusal(&[])), @"3: mtcae-firmware: model file DIR/manifest.toml is missing; give a folder that holds manifest.toml and its files, as `mtcae export` writes it");
    bench.model(manifest(), b"no network at all");
    assert_snapshot!(one_line(bench.refusal(&[])), @"3: mtcae-firmware: model file DIR/tiny.onnx cannot be used: it is not ONNX (failed to decode Protobuf message: invalid wire type value: 6); needed: an ONNX network that tract can run; export it again with `mtcae export`");
    bench.model(Manifest { clip: ClipSpec { frames: 4, size: 16, seconds: 1.0 }, ..manifest() }, TINY);
    assert_snapshot!(one_line(bench.refusal(&[])), @"3: mtcae-firmware: model file DIR/tiny.onnx cannot be used: its input is `clip`, uint8 [1, 2, 16, 16, 3]; needed: one input `clip`, uint8 [1, 4, 16, 16, 3]; export it again with `mtcae export`");
    bench.model(Manifest { labels: LabelSet::seven(), ..manifest() }, TINY);
    let text = one_line(bench.refusal(&[]));
    assert!(text.starts_with("3: ") && text.contains("its output `logits` is [1, 3]"), "{text}");
    bench.model(manifest(), TINY);
    std::fs::write(bench.dir.path().join("tiny.onnx"), &TINY[1..]).unwrap();
    let text = one_line(bench.refusal(&[]));
    assert!(text.starts_with("3: ") && text.contains("tiny.onnx is damaged: its SHA-256 is"), "{text}");
}

#[test]
fn a_number_format_that_the_model_lacks() {
    let bench = Bench::on_clip(false, "");
    assert_snapshot!(one_line(bench.refusal(&["--precision", "int8"])), @"3: mtcae-firmware: model DIR/manifest.toml has no file of precision int8; it has: fp32; export that one, or configure another");
}

#[test]
fn sources_that_cannot_be_used() {
    let missing = Bench::new("source = \"file\"\npath = \"no-such-clip.avi\"", "");
    let text = one_line(missing.refusal(&[]));
    assert!(text.starts_with("3: mtcae-firmware: no-such-clip.avi: there is no such file; give "), "{text}");
    let manual = missing.dir.path().join("empty.avi");
    std::fs::write(&manual, b"").unwrap();
    let text = one_line(missing.refusal(&["--source", &format!("file:{}", manual.display())]));
    assert!(text.starts_with("3: mtcae-firmware: DIR/empty.avi: the file is empty; give "), "{text}");
    let camera = one_line(missing.refusal(&["--source", "v4l2:/dev/video99"]));
    assert!(camera.starts_with("3: mtcae-firmware: camera /dev/video99"), "{camera}");
    let why = if cfg!(feature = "v4l2") { "does not exist" } else { "feature `v4l2`" };
    assert!(camera.contains(why), "{camera}");
}

#[test]
fn configurations_that_cannot_be_meant() {
    let camera = format!("{}\nwidht = 640", clip("tests/data/astronaut.avi", true));
    let (code, text) = Bench::new(&camera, "").refusal(&[]);
    assert_eq!(code, 2);
    assert!(text.starts_with("mtcae-firmware: DIR/board.toml:"), "{text}");
    assert!(text.contains("unknown key `camera.widht` (set to 640)") && text.lines().count() == 1, "{text}");
    let bench = Bench::on_clip(false, "");
    for arguments in [
        &["--source", "webcam"][..],
        &["--sink", "mqtt"],
        &["--sink", "serial:/dev/ttyS9:7"],
        &["--precision", "int4"],
        &["--engine", "gpu"],
    ] {
        let (code, text) = bench.refusal(arguments);
        assert!(code == 2 && text.contains("accepted: "), "{code} {text}");
    }
    for (board, says) in [("no/such.toml", "board file no/such.toml: "), ("pc-webcan", "pc-webcam")] {
        let mut firmware = Firmware::start(&["--board", board]);
        assert_eq!(firmware.wait().code(), Some(2));
        assert!(firmware.errors()[0].contains(says), "{:?}", firmware.errors());
    }
}
