//! Files that pass for ONNX Runtime's library and are none; in a process of its own, as the first real one would stay.
#![cfg(feature = "ort")]

use insta::assert_snapshot;
use mtcae_drivers::OrtLibrary;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A shared library made of `source`; none where there is no C compiler.
fn compiled(folder: &Path, name: &str, source: &str) -> Option<PathBuf> {
    let (code, library) = (folder.join(format!("{name}.c")), folder.join(format!("{name}.so")));
    std::fs::write(&code, source).unwrap();
    let done = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&code).output();
    match done {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(library)
        }
        Err(e) => {
            println!("skipped: libraries that are not ONNX Runtime because cc does not start: {e}");
            None
        }
    }
}

/// None of these may hang, panic or print, as `ort` would.
#[test]
fn libraries_that_are_not_onnxruntime_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().canonicalize().unwrap();
    let refused = |path: &Path| {
        let text = OrtLibrary::load(path).unwrap_err().to_string();
        text.replace(place.to_str().unwrap(), "DIR")
    };
    assert_snapshot!(refused(&place.join("libonnxruntime.so")), @"ONNX Runtime's library DIR/libonnxruntime.so is not there; give the path of a libonnxruntime.so");
    assert_snapshot!(refused(&place), @"DIR is not ONNX Runtime: it is no file; give the path of a libonnxruntime.so");
    std::fs::write(place.join("text.so"), "no library").unwrap();
    let Some(other) = compiled(&place, "other", "int answer(void) { return 42; }") else { return };
    let entry = |version: &str, api: &str| {
        format!(
            "static const char *version(void) {{ return {version}; }}\n\
             static const void *api(unsigned v) {{ (void)v; return {api}; }}\n\
             static const struct {{ const void *(*a)(unsigned); const char *(*v)(void); }} base = {{ api, version }};\n\
             const void *OrtGetApiBase(void) {{ return &base; }}"
        )
    };
    let make = |name: &str, source: &str| compiled(&place, name, source).unwrap();
    let null = make("null", "const void *OrtGetApiBase(void) { return 0; }");
    let silent = make("silent", &entry("0", "0"));
    let old = make("old", &entry("\"1.16.3\"", "\"never asked\""));
    let hollow = make("hollow", &entry("\"1.32.0\"", "0"));
    let said = [&place.join("text.so"), &other, &null, &silent, &old, &hollow].map(|path| refused(path));
    assert_snapshot!(said.join("\n"), @r"
    DIR/text.so is not ONNX Runtime: file too short; give the path of a libonnxruntime.so
    DIR/other.so is not ONNX Runtime: it has no OrtGetApiBase; give the path of a libonnxruntime.so
    DIR/null.so is not ONNX Runtime: its OrtGetApiBase gives nothing; give the path of a libonnxruntime.so
    DIR/silent.so is not ONNX Runtime: it does not say its version; give the path of a libonnxruntime.so
    ONNX Runtime 1.16.3 (DIR/old.so) does not fit; needed: version 1.17 or a newer 1.x
    ONNX Runtime 1.32.0 (DIR/hollow.so) does not fit; needed: version 1.17 or a newer 1.x
    ");
}
