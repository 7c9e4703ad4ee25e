//! Files of others, opened: names and shapes at once, numbers when they are asked for.

use super::ImportError;
use half::{bf16, f16};
use pytorch_reader::{DType, PytorchReader};
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

type Read = Box<dyn Fn() -> Result<Vec<u8>, String>>;

/// One array of a file.
pub struct Entry {
    /// Sides, outermost first.
    pub shape: Vec<usize>,
    format: Format,
    read: Read,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Format {
    F64,
    F32,
    F16,
    Bf16,
    /// No weights: counters, indices, masks.
    Other,
}

impl Entry {
    /// The numbers.
    ///
    /// # Errors
    /// Why they cannot be read.
    pub fn values(&self) -> Result<Vec<f32>, String> {
        let bytes = (self.read)()?;
        let pairs = || bytes.as_chunks::<2>().0.iter();
        Ok(match self.format {
            Format::F64 => bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
            Format::F32 => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Format::F16 => pairs().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
            Format::Bf16 => pairs().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
            Format::Other => return Err("it holds no floating-point numbers".to_owned()),
        })
    }
}

/// The weights in the file at `path`, by name, without what wraps them all.
///
/// A `.safetensors` file is read as such, everything else as what PyTorch saves. Sizes that a file claims are checked
/// against what it holds before memory is taken.
///
/// # Errors
/// When the file cannot be read or is neither.
pub fn open(path: &Path) -> Result<BTreeMap<String, Entry>, ImportError> {
    let fail = |why: String| ImportError::Read { path: path.to_owned(), why };
    let entries = match path.extension().is_some_and(|e| e == "safetensors") {
        true => safetensors(std::fs::read(path).map_err(|e| fail(e.to_string()))?).map_err(fail)?,
        false => pytorch(PytorchReader::new(path).map_err(|e| fail(e.to_string()))?),
    };
    let floats = entries.into_iter().filter(|(_, e)| e.format != Format::Other).collect();
    Ok(unwrap(floats))
}

fn safetensors(bytes: Vec<u8>) -> Result<BTreeMap<String, Entry>, String> {
    let bytes = Arc::new(bytes);
    let file = SafeTensors::deserialize(&bytes).map_err(|e| e.to_string())?;
    let entry = |name: String| {
        let view = file.tensor(&name).map_err(|e| e.to_string())?;
        let format = match view.dtype() {
            Dtype::F64 => Format::F64,
            Dtype::F32 => Format::F32,
            Dtype::F16 => Format::F16,
            Dtype::BF16 => Format::Bf16,
            _ => Format::Other,
        };
        let (shape, whole, of) = (view.shape().to_vec(), bytes.clone(), name.clone());
        let read: Read = Box::new(move || {
            let file = SafeTensors::deserialize(&whole).map_err(|e| e.to_string())?;
            Ok(file.tensor(&of).map_err(|e| e.to_string())?.data().to_vec())
        });
        Ok((name, Entry { shape, format, read }))
    };
    file.names().into_iter().map(|n| entry(n.to_owned())).collect()
}

fn pytorch(reader: PytorchReader) -> BTreeMap<String, Entry> {
    let entry = |(name, tensor): (String, pytorch_reader::Tensor)| {
        let format = match tensor.dtype() {
            DType::F64 => Format::F64,
            DType::F32 => Format::F32,
            DType::F16 => Format::F16,
            DType::BF16 => Format::Bf16,
            _ => Format::Other,
        };
        let shape = tensor.shape().to_vec();
        (name, Entry { shape, format, read: Box::new(move || tensor.read().map_err(|e| e.to_string())) })
    };
    reader.into_tensors().into_iter().map(entry).collect()
}

/// Takes off `model.`, `module.` and `state_dict.`: what stands beside them is no weight (optimizer, counters).
fn unwrap(mut entries: BTreeMap<String, Entry>) -> BTreeMap<String, Entry> {
    while let Some(wrap) = ["model.", "module.", "state_dict."].into_iter().find(|w| starts_any(&entries, w)) {
        let inner = entries.into_iter().filter_map(|(name, e)| Some((name.strip_prefix(wrap)?.to_owned(), e)));
        entries = inner.collect();
    }
    entries
}

fn starts_any(entries: &BTreeMap<String, Entry>, with: &str) -> bool {
    entries.keys().any(|name| name.starts_with(with))
}
