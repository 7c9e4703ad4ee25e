//! What a bundle says about itself. Signed, and read only after its signature was checked.

use crate::{Digest, RecipientId};
use mtcae_contract::{ClipSpec, Framing, LabelSet, Precision, Sampling};
use semver::Version;
use serde::{Deserialize, Serialize};

/// The bundle format this crate reads and writes.
pub const FORMAT: u16 = 1;

/// Everything about a bundle but the bytes of its parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleManifest {
    /// Always [`FORMAT`].
    pub format: u16,
    /// Short name, 1 to 24 of `a-z`, `0-9`, `-`, `_`.
    pub name: String,
    /// Semantic version of the bundle.
    pub version: Version,
    /// Goes up by one when an older bundle must never run again; a board refuses a lower one than it has confirmed.
    pub security_counter: u32,
    /// Families of boards it is for, as in the board file's `board.family`.
    pub boards: Vec<String>,
    /// The model inside; none in a bundle of firmware alone.
    pub model: Option<ModelDescription>,
    /// What was measured of it.
    pub metrics: Vec<Metric>,
    /// Where it comes from.
    pub provenance: Provenance,
    /// Under which terms.
    pub licences: Vec<Licence>,
    /// Whom the parts are encrypted to; empty = not encrypted.
    pub recipients: Vec<RecipientId>,
    /// The parts, in the order of their bytes.
    pub parts: Vec<Part>,
}

/// What a board must know of a model before it unpacks it; the model's own manifest is a part of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelDescription {
    /// Name of the model.
    pub name: String,
    /// Version of its weights.
    pub version: String,
    /// Preset of its architecture.
    pub preset: String,
    /// Labels in the order of the logits.
    pub labels: LabelSet,
    /// How frames become squares.
    pub framing: Framing,
    /// How frames are chosen from a video.
    pub sampling: Sampling,
    /// Shape of the input.
    pub clip: ClipSpec,
    /// Calibration: what the logits are divided by before the softmax.
    pub temperature: f32,
    /// [`mtcae_contract::Manifest::contract_hash`] of the model's manifest.
    pub contract: Digest,
}

/// One measured number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// The field's term: `WAR`, `UAR`, `IoU`, `NME`, ...
    pub name: String,
    /// Its value, finite.
    pub value: f32,
    /// What it was measured on and how.
    pub on: String,
}

/// Where a bundle comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// When it was built, seconds since 1970 (UTC).
    pub built_unix_s: u64,
    /// Program and version that built it.
    pub builder: String,
    /// Revision of the sources; empty = not known.
    pub revision: String,
    /// Data sets the model was trained on.
    pub data: Vec<String>,
}

/// The terms of one thing inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Licence {
    /// What it covers: `weights`, `firmware`, a part's name, ...
    pub covers: String,
    /// SPDX expression, or the name of the terms.
    pub terms: String,
}

/// One part: its place is behind the parts before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// File name: 1 to 64 of letters, digits, `.`, `-`, `_`, not starting with `.`.
    pub name: String,
    /// What it is.
    pub content: Content,
    /// How it is compressed (before encryption).
    pub compression: Compression,
    /// Length in the bundle, bytes.
    pub stored: u64,
    /// Length when unpacked, bytes.
    pub plain: u64,
    /// SHA-256 of the stored bytes (ciphertext when encrypted), one for each [`CHUNK`](crate::CHUNK) of them.
    pub stored_sha256: Vec<Digest>,
    /// SHA-256 when unpacked.
    pub plain_sha256: Digest,
}

/// What a part is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Content {
    /// The model's `manifest.toml`.
    ModelManifest,
    /// An exported network.
    Model {
        /// Its number format.
        precision: Precision,
        /// Engines it was checked with, as in the board file's `model.engine`.
        engines: Vec<String>,
    },
    /// A network of the face detector.
    Detector,
    /// The clip of the self-test.
    ReferenceClip,
    /// What the model answers to the clip of the self-test.
    ReferenceAnswer,
    /// The daemon's binary.
    Firmware {
        /// Target triple, for example `aarch64-unknown-linux-gnu`.
        target: String,
        /// Its version.
        version: Version,
    },
    /// Text for people: a model card, licence texts.
    Document,
}

/// How a part is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As it is.
    None,
    /// One Zstandard frame with a window of at most [`MAX_WINDOW_LOG`](crate::MAX_WINDOW_LOG).
    Zstd,
}

impl From<&mtcae_contract::Manifest> for ModelDescription {
    fn from(manifest: &mtcae_contract::Manifest) -> Self {
        ModelDescription {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            preset: manifest.preset.clone(),
            labels: manifest.labels.clone(),
            framing: manifest.framing,
            sampling: manifest.sampling,
            clip: manifest.clip,
            temperature: manifest.temperature,
            contract: contract_digest(manifest),
        }
    }
}

fn contract_digest(manifest: &mtcae_contract::Manifest) -> Digest {
    let hash = manifest.contract_hash();
    // `contract_hash` is a SHA-256 in lower-case hexadecimal; were it ever not, two manifests must still differ.
    Digest::try_from(hash.clone()).unwrap_or_else(|_| Digest::of(hash.as_bytes()))
}

impl BundleManifest {
    /// Bytes that all parts take when unpacked.
    pub fn plain_len(&self) -> u64 {
        self.parts.iter().map(|part| part.plain).fold(0, u64::saturating_add)
    }

    /// Bytes that all parts take in the bundle.
    pub fn stored_len(&self) -> u64 {
        self.parts.iter().map(|part| part.stored).fold(0, u64::saturating_add)
    }

    /// Whether the parts are encrypted.
    pub fn is_encrypted(&self) -> bool {
        !self.recipients.is_empty()
    }

    /// The part with that name.
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }

    /// Number formats of the models inside, in the order of the parts.
    pub fn precisions(&self) -> impl Iterator<Item = Precision> + '_ {
        self.parts.iter().filter_map(|part| match part.content {
            Content::Model { precision, .. } => Some(precision),
            _ => None,
        })
    }
}
