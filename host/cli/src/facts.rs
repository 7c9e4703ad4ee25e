//! What a person knows of a bundle and no file in it says: `bundle.toml`.

use crate::failure::Failure;
use crate::text;
use mtcae_bundle::{Licence, Metric};
use mtcae_contract::Precision;
use serde::Deserialize;
use std::path::Path;

/// What `bundle.toml` says. All of it may be missing.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Facts {
    /// Revision of the sources the model or the firmware was built from.
    pub revision: String,
    /// Data sets the model was trained on.
    pub data: Vec<String>,
    /// What was measured of it.
    pub metrics: Vec<Metric>,
    /// Under which terms.
    pub licences: Vec<Licence>,
    /// With which engines each of the model's files was checked.
    pub engines: Engines,
}

/// Names of engines, as in the board file's `model.engine`.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Engines {
    fp32: Vec<String>,
    fp16: Vec<String>,
    int8: Vec<String>,
}

impl Default for Engines {
    fn default() -> Self {
        // `mtcae export` and `mtcae quantize` run what they write in tract; of fp16 nothing is known here.
        let tract = || vec!["tract".to_owned()];
        Self { fp32: tract(), fp16: Vec::new(), int8: tract() }
    }
}

impl Engines {
    /// Those that the file of `precision` was checked with.
    pub fn of(&self, precision: Precision) -> &[String] {
        match precision {
            Precision::Fp32 => &self.fp32,
            Precision::Fp16 => &self.fp16,
            Precision::Int8 => &self.int8,
        }
    }
}

impl Facts {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, is too long, or a key or a value is not known.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let refuse = |reason| Failure::Facts { path: path.to_owned(), reason };
        let text = text::read(path)?;
        toml::from_str(&text).map_err(|error| refuse(error.to_string().trim_end().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_in_the_documentation_is_read() {
        let page = include_str!("../BUNDLES.md");
        let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let facts: Facts = toml::from_str(example).unwrap();
        assert_eq!((facts.data.len(), facts.metrics.len(), facts.licences.len()), (2, 2, 1));
        assert_eq!(facts.engines.of(Precision::Fp32), ["tract"]);
        assert_eq!(facts.engines.of(Precision::Int8), ["tract", "cpu-ort"]);
    }

    #[test]
    fn nothing_said_is_nothing_claimed() {
        let facts: Facts = toml::from_str("").unwrap();
        assert_eq!(facts, Facts::default());
        assert!(facts.licences.is_empty() && facts.engines.of(Precision::Fp16).is_empty());
    }
}
