//! Checkpoints: weights by name in the safetensors format, with the configuration in the file's metadata.

use crate::config::NetworkConfig;
use crate::cost::parameters;
use crate::decoder::Network;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use std::collections::BTreeMap;
use thiserror::Error;

/// Metadata key under which the configuration stands, as JSON.
const CONFIG_KEY: &str = "mtcae.config";
/// And the labels, as a JSON list of names.
const LABELS_KEY: &str = "mtcae.labels";

/// Why a checkpoint is refused.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// Not a safetensors file, or cut short.
    #[error("not a safetensors checkpoint: {0}")]
    Format(String),
    /// No or unreadable configuration.
    #[error("checkpoint metadata `{CONFIG_KEY}`: {0}")]
    Config(String),
    /// Labels that are not a list, or not one for each class.
    #[error("checkpoint metadata `{LABELS_KEY}`: {0}")]
    LabelList(String),
    /// Labels other than those that are asked for.
    #[error("checkpoint answers with the labels {has:?}; accepted: those asked for, in their order, {needs:?}")]
    Labels {
        /// In the checkpoint.
        has: Vec<String>,
        /// Asked for.
        needs: Vec<String>,
    },
    /// A parameter the network needs is not there.
    #[error("checkpoint lacks `{name}` {shape:?}")]
    Missing {
        /// Its name.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A parameter has the wrong shape.
    #[error("checkpoint has `{name}` as {found:?}, the network needs {need:?}")]
    Shape {
        /// Its name.
        name: String,
        /// Shape in the file.
        found: Vec<usize>,
        /// Shape needed.
        need: Vec<usize>,
    },
    /// A parameter of another number format.
    #[error("checkpoint has `{name}` as {found}; accepted: F32, F16, BF16")]
    Dtype {
        /// Its name.
        name: String,
        /// Format in the file.
        found: String,
    },
    /// Names the network does not know.
    #[error("checkpoint has {count} parameters the network does not know, the first is `{first}`")]
    LeftOver {
        /// How many.
        count: usize,
        /// The first in alphabetical order.
        first: String,
    },
    /// A weight that is not a number.
    #[error("checkpoint has a value that is not finite in `{0}`")]
    NotFinite(String),
}

/// A named array's values.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Sides, outermost first.
    pub shape: Vec<usize>,
    /// Values, row-major.
    pub values: Vec<f32>,
}

/// Number format in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredAs {
    /// Exact.
    F32,
    /// Half the size; enough for a model that ships.
    F16,
}

/// A configuration and its weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The architecture.
    pub config: NetworkConfig,
    /// Weights by name; exactly the network's parameters.
    pub tensors: BTreeMap<String, Tensor>,
    /// Names of the classes in the order of the logits; nothing where nobody has said what they mean.
    pub labels: Option<Vec<String>>,
}

impl Checkpoint {
    /// Puts weights and configuration together and checks that they fit.
    ///
    /// # Errors
    /// When a parameter is missing, left over, of the wrong shape or not finite.
    pub fn new(config: NetworkConfig, tensors: BTreeMap<String, Tensor>) -> Result<Checkpoint, CheckpointError> {
        let checkpoint = Checkpoint { config, tensors, labels: None };
        checkpoint.check()?;
        Ok(checkpoint)
    }

    /// The same checkpoint, whose classes mean this.
    pub fn with_labels(self, labels: &[impl ToString]) -> Checkpoint {
        Checkpoint { labels: Some(names(labels)), ..self }
    }

    /// Whether its classes mean this, as far as it says.
    ///
    /// # Errors
    /// When they mean something else, or are in another order.
    pub fn check_labels(&self, labels: &[impl ToString]) -> Result<(), CheckpointError> {
        let needs = names(labels);
        match &self.labels {
            Some(has) if *has != needs => Err(CheckpointError::Labels { has: has.clone(), needs }),
            _ => Ok(()),
        }
    }

    /// Checks that weights and configuration fit; the fields are open to change.
    ///
    /// # Errors
    /// When a parameter is missing, left over, of the wrong shape or not finite, or the labels are not one for each class.
    pub fn check(&self) -> Result<(), CheckpointError> {
        let tensors = &self.tensors;
        let network = Network::new(self.config.clone()).map_err(|e| CheckpointError::Config(e.to_string()))?;
        let params = parameters(&network);
        for p in &params {
            let (name, shape) = (p.name.clone(), p.shape.clone());
            let Some(t) = tensors.get(&p.name) else {
                return Err(CheckpointError::Missing { name, shape });
            };
            if t.shape != p.shape || t.values.len() != p.len() {
                return Err(CheckpointError::Shape { name, found: t.shape.clone(), need: shape });
            }
            if t.values.iter().any(|v| !v.is_finite()) {
                return Err(CheckpointError::NotFinite(name));
            }
        }
        let mut left = tensors.keys().filter(|k| !params.iter().any(|p| p.name == **k));
        if let Some(first) = left.next() {
            return Err(CheckpointError::LeftOver { first: first.clone(), count: 1 + left.count() });
        }
        match (self.labels.as_ref().map(Vec::len), self.config.classes) {
            (Some(n), classes) if n != classes => {
                Err(CheckpointError::LabelList(format!("{n} labels; accepted: one for each of the {classes} classes")))
            }
            _ => Ok(()),
        }
    }

    /// Reads a file's bytes.
    ///
    /// # Errors
    /// When they are not a checkpoint or do not fit the configuration they carry.
    pub fn from_bytes(bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
        let format = |e: safetensors::SafeTensorError| CheckpointError::Format(e.to_string());
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(format)?;
        let text = |key: &str| header.metadata().as_ref().and_then(|m| m.get(key));
        let config = text(CONFIG_KEY).ok_or_else(|| CheckpointError::Config("is missing".into()))?;
        let config = serde_json::from_str(config).map_err(|e| CheckpointError::Config(e.to_string()))?;
        let labels = text(LABELS_KEY).map(|text| serde_json::from_str(text)).transpose();
        let labels = labels.map_err(|e| CheckpointError::LabelList(e.to_string()))?;
        let file = SafeTensors::deserialize(bytes).map_err(format)?;
        let tensors = file
            .iter()
            .map(|(name, view)| {
                let values = floats(name, &view)?;
                Ok((name.to_owned(), Tensor { shape: view.shape().to_vec(), values }))
            })
            .collect::<Result<_, CheckpointError>>()?;
        let checkpoint = Checkpoint { config, tensors, labels };
        checkpoint.check()?;
        Ok(checkpoint)
    }

    /// A file's bytes, tensors in alphabetical order.
    ///
    /// # Errors
    /// When a tensor has not as many values as its sides say.
    pub fn to_bytes(&self, stored_as: StoredAs) -> Result<Vec<u8>, CheckpointError> {
        let format = |e: serde_json::Error| CheckpointError::Format(e.to_string());
        let config = serde_json::to_string(&self.config).map_err(|e| CheckpointError::Config(e.to_string()))?;
        let mut metadata = BTreeMap::from([(CONFIG_KEY, config)]);
        if let Some(labels) = &self.labels {
            metadata.insert(LABELS_KEY, serde_json::to_string(labels).map_err(format)?);
        }
        let (dtype, width) = match stored_as {
            StoredAs::F32 => ("F32", 4),
            StoredAs::F16 => ("F16", 2),
        };
        if let Some((name, t)) = self.tensors.iter().find(|(_, t)| t.shape.iter().product::<usize>() != t.values.len())
        {
            let (found, need) = (vec![t.values.len()], t.shape.clone());
            return Err(CheckpointError::Shape { name: name.clone(), found, need });
        }
        let mut end: usize = 0;
        let mut entry = |t: &Tensor| {
            let begin = end;
            end += t.values.len() * width;
            Entry { dtype, shape: t.shape.clone(), data_offsets: [begin, end] }
        };
        let tensors = self.tensors.iter().map(|(name, t)| (name.as_str(), entry(t))).collect();
        let mut header = serde_json::to_vec(&Header { metadata, tensors }).map_err(format)?;
        header.resize(header.len().next_multiple_of(8), b' ');
        let mut bytes = Vec::with_capacity(8 + header.len() + end);
        bytes.extend((header.len() as u64).to_le_bytes());
        bytes.extend(header);
        self.tensors.values().for_each(|t| bytes.extend(encode(&t.values, stored_as)));
        Ok(bytes)
    }
}

/// What a safetensors file begins with. The library would write keys of metadata in any order, and equal checkpoints are equal files.
#[derive(Serialize)]
struct Header<'a> {
    #[serde(rename = "__metadata__")]
    metadata: BTreeMap<&'static str, String>,
    #[serde(flatten)]
    tensors: BTreeMap<&'a str, Entry>,
}

/// What it says of a tensor.
#[derive(Serialize)]
struct Entry {
    dtype: &'static str,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

fn names(labels: &[impl ToString]) -> Vec<String> {
    labels.iter().map(ToString::to_string).collect()
}

fn encode(values: &[f32], stored_as: StoredAs) -> Vec<u8> {
    match stored_as {
        StoredAs::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        StoredAs::F16 => values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect(),
    }
}

fn floats(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, CheckpointError> {
    let bytes = view.data();
    let pairs = || bytes.as_chunks::<2>().0.iter();
    Ok(match view.dtype() {
        Dtype::F32 => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F16 => pairs().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
        Dtype::BF16 => pairs().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect(),
        other => return Err(CheckpointError::Dtype { name: name.to_owned(), found: format!("{other:?}") }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Checkpoint {
        let mut config = NetworkConfig::preset("tiny").unwrap();
        config.encoder.depth = 1;
        let network = Network::new(config.clone()).unwrap();
        let tensors = parameters(&network)
            .into_iter()
            .enumerate()
            .map(|(i, p)| {
                let values = (0..p.len()).map(|j| ((i + j) % 64) as f32 / 64.0).collect();
                (p.name, Tensor { shape: p.shape, values })
            })
            .collect();
        Checkpoint::new(config, tensors).unwrap()
    }

    #[test]
    fn reads_back_what_it_writes() {
        let c = small();
        assert_eq!(Checkpoint::from_bytes(&c.to_bytes(StoredAs::F32).unwrap()).unwrap(), c);
        // 64ths are exact in half precision.
        assert_eq!(Checkpoint::from_bytes(&c.to_bytes(StoredAs::F16).unwrap()).unwrap(), c);
    }

    #[test]
    fn labels_are_kept_and_others_are_refused() {
        let c = small();
        let labels: Vec<String> = (0..c.config.classes).map(|i| format!("l{i}")).collect();
        let reversed: Vec<&String> = labels.iter().rev().collect();
        // Files of before say nothing of labels.
        c.check_labels(&reversed).unwrap();
        let labelled = c.with_labels(&labels);
        let bytes = labelled.to_bytes(StoredAs::F32).unwrap();
        assert_eq!(Checkpoint::from_bytes(&bytes).unwrap(), labelled);
        assert_eq!(bytes, labelled.to_bytes(StoredAs::F32).unwrap());
        // Another reader finds the same in it.
        let file = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(file.len(), labelled.tensors.len());
        labelled.check_labels(&labels).unwrap();
        let said = labelled.check_labels(&reversed[..2]).unwrap_err().to_string();
        assert!(said.ends_with(r#"accepted: those asked for, in their order, ["l6", "l5"]"#), "{said}");
        let said = labelled.with_labels(&["a", "b"]).check().unwrap_err().to_string();
        assert_eq!(said, "checkpoint metadata `mtcae.labels`: 2 labels; accepted: one for each of the 7 classes");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let c = small();
        let with = |change: &dyn Fn(&mut BTreeMap<String, Tensor>)| {
            let mut tensors = c.tensors.clone();
            change(&mut tensors);
            Checkpoint::new(c.config.clone(), tensors).unwrap_err().to_string()
        };
        insta::assert_snapshot!(with(&|t| { t.remove("stem.merge.bias"); }), @"checkpoint lacks `stem.merge.bias` [128]");
        insta::assert_snapshot!(with(&|t| { t.get_mut("stem.merge.bias").unwrap().shape = vec![2, 64]; }), @"checkpoint has `stem.merge.bias` as [2, 64], the network needs [128]");
        insta::assert_snapshot!(with(&|t| { t.insert("zz".into(), Tensor { shape: vec![1], values: vec![0.0] }); }), @"checkpoint has 1 parameters the network does not know, the first is `zz`");
        insta::assert_snapshot!(with(&|t| { t.get_mut("stem.merge.bias").unwrap().values[3] = f32::NAN; }), @"checkpoint has a value that is not finite in `stem.merge.bias`");
        let bytes = c.to_bytes(StoredAs::F16).unwrap();
        assert!(Checkpoint::from_bytes(&bytes[..bytes.len() / 2]).is_err());
    }
}
