//! A desk: a folder with keys and a model, in which the real binary runs.

use super::{mtcae, transcript};
use mtcae_bundle::{DeviceKey, Digest, Recipient, SigningKey};
use mtcae_contract::{Artifact, ClipSpec, Expression, Framing, LabelSet, Manifest, Precision, Sampling};
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

const TINY: &[u8] = include_bytes!("../../../../firmware/drivers/tests/fixtures/tiny.onnx");
/// Fixed, so that ids in snapshots stay.
const LAB: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

/// `release.key`, `next.key` (signing), `lab.key` (device), each with its `.pub`, and the model folder `tiny`.
pub struct Desk {
    folder: TempDir,
}

impl Desk {
    pub fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        for (name, seed) in [("release.key", 1), ("next.key", 2)] {
            let key = SigningKey::from_seed(&[seed; 32]);
            desk.key(name, &key.to_secret_text(), &key.public().to_string());
        }
        desk.key("lab.key", LAB, &desk.recipient().to_string());
        std::fs::create_dir(desk.path("tiny")).unwrap();
        desk.write("tiny/tiny.onnx", TINY);
        desk.write("tiny/manifest.toml", manifest().to_toml().unwrap().as_bytes());
        desk.write("tiny/CARD.md", b"# tiny\n\nKnows three faces.\n");
        desk
    }

    fn key(&self, name: &str, secret: &str, public: &str) {
        mtcae_bundle::write_secret(&self.path(name), secret).unwrap();
        mtcae_bundle::write_public(&self.path(&format!("{name}.pub")), public).unwrap();
    }

    /// The key in `lab.key`.
    pub fn device(&self) -> DeviceKey {
        DeviceKey::from_secret_text(LAB).unwrap()
    }

    /// Whose key is `lab.key`.
    pub fn recipient(&self) -> Recipient {
        self.device().recipient()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// The tool in this folder, its state in `state`.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = mtcae(arguments);
        command.current_dir(self.folder.path()).env("XDG_STATE_HOME", self.path("state"));
        command
    }

    /// Exit code and all output.
    pub fn said(&self, arguments: &[&str]) -> String {
        transcript(&self.command(arguments).output().unwrap())
    }

    /// Standard output of a command that must succeed.
    pub fn good(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", transcript(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Bundles the model as `out` with these arguments besides.
    pub fn bundle<'a>(&self, out: &'a str, besides: &[&'a str]) -> Vec<&'a str> {
        let fixed = ["bundle", "--name", "tiny", "--version", "1.0.0", "--family", "pc", "--out", out];
        [&fixed[..], besides].concat()
    }

    /// Names of everything in the folder, in order.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// A bundle of the model with all it needs, signed with `release.key`.
pub const WHOLE: [&str; 8] =
    ["--model", "tiny", "--counter", "1", "--sign", "release.key", "--licence", "weights=MIT OR Apache-2.0"];

/// A manifest that fits [`TINY`].
fn manifest() -> Manifest {
    use Expression::{Happy, Neutral, Sad};
    Manifest {
        format: 1,
        name: "tiny-test".into(),
        version: "0.1.0".into(),
        preset: "tiny".into(),
        labels: LabelSet::new(vec![Neutral, Happy, Sad]).unwrap(),
        sampling: Sampling::Uniform,
        temperature: 1.0,
        clip: ClipSpec { frames: 2, size: 16, seconds: 0.5 },
        framing: Framing::Face { margin: 0.2 },
        mean: [0.5; 3],
        std: [0.5; 3],
        artifacts: vec![Artifact {
            precision: Precision::Fp32,
            file: "tiny.onnx".into(),
            sha256: Digest::of(TINY).to_string(),
        }],
    }
}
