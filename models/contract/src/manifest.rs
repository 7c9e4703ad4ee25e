//! The manifest: everything a program must know of a model besides its weights.

use crate::LabelSet;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The manifest format this crate reads and writes.
pub const MANIFEST_FORMAT: u32 = 1;

/// Why a manifest is refused.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// Not TOML, an unknown key, a missing key, or a value of the wrong type.
    #[error("manifest: {0}")]
    Syntax(String),
    /// A value outside what is accepted.
    #[error("manifest key `{key}` is {value}; accepted: {accepted}")]
    Value {
        /// Dotted key.
        key: &'static str,
        /// The value found.
        value: String,
        /// What would be accepted.
        accepted: &'static str,
    },
}

/// How each frame becomes a square (DESIGN section 4).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Framing {
    /// The whole frame, aspect not kept (the paper).
    Whole,
    /// One square around the face for the whole clip.
    Face {
        /// Border on each side, as a fraction of the box's longer side.
        margin: f32,
    },
}

/// How a clip's frames are chosen from a video file (a live camera always gives the last `clip.seconds`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampling {
    /// Spread evenly over the whole video (the paper).
    Uniform,
}

/// Shape of the network's input.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipSpec {
    /// Frames `T`, even, 2 to 64.
    pub frames: usize,
    /// Side `S` in pixels, a multiple of 16, 16 to 448.
    pub size: usize,
    /// Time from the first to the last frame on a live camera, seconds, 0.05 to 30.
    pub seconds: f32,
}

impl ClipSpec {
    /// Frames accepted; an even number of them.
    pub const FRAMES: std::ops::RangeInclusive<usize> = 2..=64;

    /// Bytes of a clip, `T * S * S * 3`.
    pub fn bytes(&self) -> usize {
        self.frames * self.size * self.size * 3
    }
}

/// Number format of an exported model file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    Fp32,
    /// 16-bit floats, for CUDA.
    Fp16,
    /// 8-bit linear layers.
    Int8,
}

/// One exported file of the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// Its number format.
    pub precision: Precision,
    /// File name beside the manifest (no folders).
    pub file: String,
    /// SHA-256 of the file, 64 hexadecimal digits.
    pub sha256: String,
}

/// A model's description; `manifest.toml` beside its files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always [`MANIFEST_FORMAT`].
    pub format: u32,
    /// Short name, for example `edge`.
    pub name: String,
    /// Semantic version of the weights.
    pub version: String,
    /// Preset of the architecture, for example `edge`.
    pub preset: String,
    /// Labels in the order of the logits.
    pub labels: LabelSet,
    /// How frames are chosen from a video file.
    pub sampling: Sampling,
    /// What the logits are divided by before the softmax, 0.05 to 20 (1 = not calibrated).
    pub temperature: f32,
    /// Shape of the input.
    pub clip: ClipSpec,
    /// How frames become squares.
    pub framing: Framing,
    /// Mean of each colour, 0 to 1 (already folded into an exported model).
    pub mean: [f32; 3],
    /// Standard deviation of each colour, 0 to 1 (already folded into an exported model).
    pub std: [f32; 3],
    /// Exported files.
    #[serde(default)]
    pub artifacts: Vec<Artifact>,
}

/// What is wrong with a TOML file, in one line for a log: its line, and the reason.
pub fn toml_fault(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let reason: Vec<&str> = error.message().lines().collect();
    format!("line {}: {}", 1 + before.matches('\n').count(), reason.join("; "))
}

impl Manifest {
    /// Reads and validates.
    ///
    /// # Errors
    /// With the key, the value and what is accepted.
    pub fn from_toml(text: &str) -> Result<Manifest, ManifestError> {
        let manifest: Manifest = toml::from_str(text).map_err(|e| ManifestError::Syntax(toml_fault(text, &e)))?;
        manifest.validate()?;
        Ok(manifest)
    }

    /// As TOML.
    ///
    /// # Errors
    /// When a value has no TOML form.
    pub fn to_toml(&self) -> Result<String, ManifestError> {
        toml::to_string_pretty(self).map_err(|e| ManifestError::Syntax(e.to_string()))
    }

    /// Checks every value's range.
    ///
    /// # Errors
    /// The first value out of range.
    pub fn validate(&self) -> Result<(), ManifestError> {
        let margin = match self.framing {
            Framing::Face { margin } => margin,
            Framing::Whole => 0.0,
        };
        let bad_file = self
            .artifacts
            .iter()
            .find(|a| a.file.is_empty() || a.file.contains(['/', '\\']) || a.file.starts_with('.'));
        let bad_hash =
            self.artifacts.iter().find(|a| a.sha256.len() != 64 || !a.sha256.bytes().all(|b| b.is_ascii_hexdigit()));
        let checks = [
            ("format", self.format == MANIFEST_FORMAT, self.format.to_string(), "1"),
            ("name", is_name(&self.name), format!("{:?}", self.name), "1 to 24 of a-z, 0-9, - and _"),
            (
                "version",
                (1..=24).contains(&self.version.len()) && self.version.is_ascii(),
                format!("{:?}", self.version),
                "a version such as 1.2.3, at most 24 characters",
            ),
            (
                "clip.frames",
                ClipSpec::FRAMES.contains(&self.clip.frames) && self.clip.frames.is_multiple_of(2),
                self.clip.frames.to_string(),
                "an even number, 2 to 64",
            ),
            (
                "clip.size",
                (16..=448).contains(&self.clip.size) && self.clip.size.is_multiple_of(16),
                self.clip.size.to_string(),
                "a multiple of 16, 16 to 448",
            ),
            ("clip.seconds", (0.05..=30.0).contains(&self.clip.seconds), self.clip.seconds.to_string(), "0.05 to 30"),
            ("temperature", (0.05..=20.0).contains(&self.temperature), self.temperature.to_string(), "0.05 to 20"),
            ("framing.margin", (0.0..=2.0).contains(&margin), margin.to_string(), "0 to 2"),
            (
                "mean",
                self.mean.iter().all(|m| (0.0..=1.0).contains(m)),
                format!("{:?}", self.mean),
                "three numbers, 0 to 1",
            ),
            (
                "std",
                self.std.iter().all(|s| (1e-3..=1.0).contains(s)),
                format!("{:?}", self.std),
                "three numbers, 0.001 to 1",
            ),
            (
                "artifacts.file",
                bad_file.is_none(),
                bad_file.map(|a| format!("{:?}", a.file)).unwrap_or_default(),
                "a plain file name beside the manifest",
            ),
            (
                "artifacts.sha256",
                bad_hash.is_none(),
                bad_hash.map(|a| format!("{:?}", a.sha256)).unwrap_or_default(),
                "64 hexadecimal digits",
            ),
        ];
        for (key, good, value, accepted) in checks {
            if !good {
                return Err(ManifestError::Value { key, value, accepted });
            }
        }
        Ok(())
    }

    /// SHA-256 (hexadecimal) over everything but the list of files: what an exported file carries in its metadata, so
    /// that a file and a manifest that do not belong together are found out.
    pub fn contract_hash(&self) -> String {
        let bare = Manifest { artifacts: Vec::new(), ..self.clone() };
        let text = serde_json::to_string(&bare).unwrap_or_default();
        Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
    }

    /// The exported file of `precision`, if there is one.
    pub fn artifact(&self, precision: Precision) -> Option<&Artifact> {
        self.artifacts.iter().find(|a| a.precision == precision)
    }
}

fn is_name(name: &str) -> bool {
    (1..=24).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Manifest {
        Manifest {
            format: 1,
            name: "edge".into(),
            version: "0.1.0".into(),
            preset: "edge".into(),
            labels: LabelSet::seven(),
            sampling: Sampling::Uniform,
            temperature: 1.2,
            clip: ClipSpec { frames: 16, size: 112, seconds: 1.0 },
            framing: Framing::Face { margin: 0.2 },
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            artifacts: vec![Artifact { precision: Precision::Fp32, file: "edge.onnx".into(), sha256: "ab".repeat(32) }],
        }
    }

    #[test]
    fn reads_back_what_it_writes() {
        let m = sample();
        assert_eq!(Manifest::from_toml(&m.to_toml().unwrap()).unwrap(), m);
    }

    #[test]
    fn the_hash_covers_what_matters_and_not_the_files() {
        let m = sample();
        let no_files = Manifest { artifacts: vec![], ..m.clone() };
        assert_eq!(m.contract_hash(), no_files.contract_hash());
        assert_ne!(m.contract_hash(), Manifest { temperature: 1.3, ..m.clone() }.contract_hash());
        assert_eq!(m.contract_hash().len(), 64);
    }

    #[test]
    fn bad_values_are_named() {
        let text = sample().to_toml().unwrap();
        let err = |from: &str, to: &str| Manifest::from_toml(&text.replace(from, to)).unwrap_err().to_string();
        insta::assert_snapshot!(err("size = 112", "size = 100"), @"manifest key `clip.size` is 100; accepted: a multiple of 16, 16 to 448");
        insta::assert_snapshot!(err("edge.onnx", "../edge.onnx"), @r#"manifest key `artifacts.file` is "../edge.onnx"; accepted: a plain file name beside the manifest"#);
        insta::assert_snapshot!(err("temperature", "temprature"), @"manifest: line 15: unknown field `temprature`, expected one of `format`, `name`, `version`, `preset`, `labels`, `sampling`, `temperature`, `clip`, `framing`, `mean`, `std`, `artifacts`");
        insta::assert_snapshot!(err("name = ", "name: "), @"manifest: line 2: key with no value, expected `=`");
        assert!(err("temperature = 1", "temperature = nan #").contains("temperature"));
    }
}
