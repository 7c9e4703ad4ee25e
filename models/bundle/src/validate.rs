//! One byte form per manifest, and every value within its bounds.

use crate::limits::*;
use crate::manifest::*;
use crate::{BundleError, Digest};
use std::fmt::Display;

impl BundleManifest {
    /// Its only byte form: JSON without spaces, keys in the order of the fields, numbers in their shortest form.
    ///
    /// # Errors
    /// When a value is out of bounds, so that the bytes would not be read back.
    pub fn to_bytes(&self) -> Result<Vec<u8>, BundleError> {
        self.validate()?;
        let bytes = serde_json::to_vec(self).map_err(syntax)?;
        // What is signed must be what is read: a number that would not come back the same is found out here.
        BundleManifest::from_bytes(&bytes)?;
        Ok(bytes)
    }

    /// Reads and validates. Call it on signed bytes only; [`Reader::open`](crate::Reader::open) does.
    ///
    /// # Errors
    /// When the bytes are not a manifest, not in its only byte form, or a value is out of bounds.
    pub fn from_bytes(bytes: &[u8]) -> Result<BundleManifest, BundleError> {
        let manifest: BundleManifest = serde_json::from_slice(bytes).map_err(syntax)?;
        if serde_json::to_vec(&manifest).map_err(syntax)? != bytes {
            let reason = "not in its canonical form (JSON without spaces, keys in order, shortest numbers)".to_owned();
            return Err(BundleError::Syntax { reason });
        }
        manifest.validate()?;
        Ok(manifest)
    }

    /// Checks every value.
    ///
    /// # Errors
    /// The first one out of bounds.
    pub fn validate(&self) -> Result<(), BundleError> {
        check("format", self.format, self.format == FORMAT, "1")?;
        check("name", quoted(&self.name), is_name(&self.name), NAME)?;
        let version = self.version.to_string();
        check("version", quoted(&version), version.len() <= MAX_TEXT, "a version of at most 200 characters")?;
        count("boards", self.boards.len(), 1, MAX_BOARDS)?;
        each("boards", &self.boards, |b| is_word(b, MAX_FAMILY), FAMILY)?;
        different("boards", &self.boards)?;
        count("parts", self.parts.len(), 1, MAX_PARTS)?;
        self.validate_model()?;
        self.validate_texts()?;
        count("recipients", self.recipients.len(), 0, MAX_RECIPIENTS)?;
        different("recipients", &self.recipients)?;
        different("parts.name", &self.parts.iter().map(|p| p.name.to_ascii_lowercase()).collect::<Vec<_>>())?;
        self.parts.iter().try_for_each(|part| part.validate(self.is_encrypted()))
    }

    fn validate_model(&self) -> Result<(), BundleError> {
        let networks = self.precisions().count();
        let Some(model) = &self.model else {
            let none = networks == 0 && OF_A_MODEL.iter().all(|(content, _)| self.names_of(content).is_empty());
            return check("model", "null", none, "a description, as there are parts of a model");
        };
        for (content, name) in OF_A_MODEL {
            let names = self.names_of(&content);
            let found = match names[..] {
                [] => format!("a list without a {content}"),
                [one] => format!("a list with a {content} called {one}"),
                _ => format!("a list with {} parts that are a {content}", names.len()),
            };
            let accepted = format!("one, called {name}, as `model` is described");
            check("parts", found, names == [name], &accepted)?;
        }
        check("parts", "a list without a model", networks >= 1, "at least one model, as `model` is described")?;
        // The ranges are the contract's own; what is not described here takes values that are in range.
        let whole = mtcae_contract::Manifest {
            format: mtcae_contract::MANIFEST_FORMAT,
            name: model.name.clone(),
            version: model.version.clone(),
            preset: model.preset.clone(),
            labels: model.labels.clone(),
            sampling: model.sampling,
            temperature: model.temperature,
            clip: model.clip,
            framing: model.framing,
            mean: [0.5; 3],
            std: [0.5; 3],
            artifacts: Vec::new(),
        };
        check("model.preset", quoted(&model.preset), is_name(&model.preset), NAME)?;
        check("model.version", quoted(&model.version), is_text(&model.version), TEXT)?;
        match whole.validate() {
            Err(mtcae_contract::ManifestError::Value { key, value, accepted }) => {
                check(&format!("model.{key}"), value, false, accepted)
            }
            Err(other) => Err(BundleError::Syntax { reason: other.to_string() }),
            Ok(()) => Ok(()),
        }
    }

    /// Names of the parts with that content.
    fn names_of(&self, content: &Content) -> Vec<&str> {
        self.parts.iter().filter(|part| part.content == *content).map(|part| part.name.as_str()).collect()
    }

    fn validate_texts(&self) -> Result<(), BundleError> {
        count("metrics", self.metrics.len(), 0, MAX_METRICS)?;
        for metric in &self.metrics {
            check("metrics.name", quoted(&metric.name), is_text(&metric.name) && !metric.name.is_empty(), TEXT)?;
            check("metrics.value", metric.value, metric.value.is_finite(), "a finite number")?;
            check("metrics.on", quoted(&metric.on), is_text(&metric.on), TEXT)?;
        }
        let provenance = &self.provenance;
        check("provenance.builder", quoted(&provenance.builder), is_text(&provenance.builder), TEXT)?;
        check("provenance.revision", quoted(&provenance.revision), is_text(&provenance.revision), TEXT)?;
        count("provenance.data", provenance.data.len(), 0, MAX_LICENCES)?;
        each("provenance.data", &provenance.data, |d| is_text(d), TEXT)?;
        count("licences", self.licences.len(), 1, MAX_LICENCES)?;
        for licence in &self.licences {
            check("licences.covers", quoted(&licence.covers), is_text(&licence.covers), TEXT)?;
            check(
                "licences.terms",
                quoted(&licence.terms),
                is_text(&licence.terms) && !licence.terms.is_empty(),
                TEXT,
            )?;
        }
        Ok(())
    }
}

/// Names of a slot's own files, which no part may have.
const RESERVED: [&str; 4] = ["model.mtcb", "seal", "seal.new", "seal.with"];

/// What is asked of a version when a bundle is made, and not when it is read: boards run older ones.
pub(crate) fn check_new_version(version: &semver::Version) -> Result<(), BundleError> {
    let version = version.to_string();
    let accepted = format!("a version of at most {MAX_VERSION} characters, which a board shows whole");
    check("version", quoted(&version), version.len() <= MAX_VERSION, &accepted)
}

pub(crate) fn check_not_reserved(name: &str) -> Result<(), BundleError> {
    let accepted = format!("any other than {}, which are files of a slot itself", RESERVED.join(", "));
    check("parts.name", quoted(name), !RESERVED.contains(&name), &accepted)
}

impl Part {
    fn validate(&self, encrypted: bool) -> Result<(), BundleError> {
        let name = "1 to 64 of letters, digits, `.`, `-`, `_`, not starting with `.`";
        check("parts.name", quoted(&self.name), is_file_name(&self.name), name)?;
        check_not_reserved(&self.name)?;
        let key = |key: &str| format!("parts[{}].{key}", self.name);
        let length = |name: &str, len: u64| {
            check(&key(name), len, (1..=MAX_PART).contains(&len), &format!("1 to {MAX_PART} bytes"))
        };
        length("stored", self.stored)?;
        length("plain", self.plain)?;
        if self.compression == Compression::None && !encrypted {
            let same = self.stored == self.plain && self.stored_sha256.len() == self.chunks();
            let whole = same && (self.chunks() != 1 || self.stored_sha256[0] == self.plain_sha256);
            check(
                &key("stored"),
                self.stored,
                whole,
                "the same as `plain`, as the part is neither compressed nor encrypted",
            )?;
        }
        let (found, expected) = (self.stored_sha256.len(), self.chunks());
        check(
            &key("stored_sha256"),
            format!("{found} sums"),
            found == expected,
            &format!("{expected}, one a MiB begun"),
        )?;
        match &self.content {
            Content::Model { engines, .. } => {
                count(&key("content.engines"), engines.len(), 1, MAX_ENGINES)?;
                each(&key("content.engines"), engines, |e| is_name(e), NAME)?;
                different(&key("content.engines"), engines)
            }
            Content::Firmware { target, version } => {
                check(&key("content.target"), quoted(target), is_file_name(target), name)?;
                let version = version.to_string();
                check(&key("content.version"), quoted(&version), version.len() <= MAX_TEXT, "at most 200 characters")
            }
            _ => Ok(()),
        }
    }

    /// Chunks of stored bytes, each with a sum of its own.
    pub(crate) fn chunks(&self) -> usize {
        self.stored.div_ceil(CHUNK as u64) as usize
    }

    /// Stored bytes `from..to` of chunk `index`, and its sum.
    pub(crate) fn chunk(&self, index: usize) -> Option<(u64, u64, Digest)> {
        let from = index as u64 * CHUNK as u64;
        let sum = self.stored_sha256.get(index)?;
        (from < self.stored).then(|| (from, self.stored.min(from + CHUNK as u64), *sum))
    }
}

/// What every model has once, and by which name those who use it find it.
const OF_A_MODEL: [(Content, &str); 3] = [
    (Content::ModelManifest, "manifest.toml"),
    (Content::ReferenceClip, "reference.clip"),
    (Content::ReferenceAnswer, "reference.json"),
];

const NAME: &str = "1 to 24 of a-z, 0-9, - and _";
const FAMILY: &str = "1 to 32 of a-z, 0-9, - and _";
const TEXT: &str = "one line of at most 200 bytes";

fn syntax(error: serde_json::Error) -> BundleError {
    BundleError::Syntax { reason: error.to_string() }
}

fn check(key: &str, value: impl Display, good: bool, accepted: &str) -> Result<(), BundleError> {
    if good {
        return Ok(());
    }
    Err(BundleError::Value { key: key.to_owned(), value: value.to_string(), accepted: accepted.to_owned() })
}

fn count(key: &str, found: usize, least: usize, most: usize) -> Result<(), BundleError> {
    let good = (least..=most).contains(&found);
    check(key, format!("a list of {found}"), good, &format!("a list of {least} to {most}"))
}

fn each(key: &str, texts: &[String], good: impl Fn(&String) -> bool, accepted: &str) -> Result<(), BundleError> {
    texts.iter().try_for_each(|text| check(key, quoted(text), good(text), accepted))
}

fn different<T: PartialEq + Display>(key: &str, items: &[T]) -> Result<(), BundleError> {
    let twice = items.iter().enumerate().find(|(i, item)| items[..*i].contains(item));
    twice.map_or(Ok(()), |(_, item)| check(key, format!("{item} twice"), false, "different ones"))
}

/// For messages: as a literal, cut to a readable length.
fn quoted(text: &str) -> String {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{:?}...", &text[..at]),
        None => format!("{text:?}"),
    }
}

fn is_name(name: &str) -> bool {
    is_word(name, MAX_NAME)
}

fn is_word(word: &str, longest: usize) -> bool {
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    (1..=longest).contains(&word.len()) && word.bytes().all(fine)
}

fn is_file_name(name: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
    (1..=MAX_PART_NAME).contains(&name.len()) && name.bytes().all(fine) && !name.starts_with('.')
}

fn is_text(text: &str) -> bool {
    text.len() <= MAX_TEXT && !text.chars().any(char::is_control)
}
