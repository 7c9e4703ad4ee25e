//! Writing a shard: whole or not at all.

use crate::shard::{FORMAT, FORMAT_CLIPS};
use crate::{DataError, ShardInfo};
use mtcae_contract::LANDMARKS;
use safetensors::tensor::{Dtype, TensorView};
use std::{collections::HashMap, fs::File, path::Path};

/// Samples on their way into a shard.
#[derive(Debug, Default)]
pub(crate) struct ShardData {
    pub images: Vec<u8>,
    pub boxes: Vec<f32>,
    pub landmarks: Vec<f32>,
    pub has_face: Vec<u8>,
    pub label: Vec<u8>,
    pub subject: Vec<u64>,
    pub picture: Vec<u64>,
}

impl ShardData {
    /// Writes the shard beside `path` and renames it into place.
    pub fn write(&self, path: &Path, info: &ShardInfo) -> Result<(), DataError> {
        let n = self.label.len();
        // Stills have no axis for frames.
        let frames: &[usize] = if info.frames > 1 { &[info.frames] } else { &[] };
        let shape = |rest: &[usize]| [&[n], frames, rest].concat();
        let boxes = le_bytes(&self.boxes, f32::to_le_bytes);
        let landmarks = le_bytes(&self.landmarks, f32::to_le_bytes);
        let subject = le_bytes(&self.subject, u64::to_le_bytes);
        let picture = le_bytes(&self.picture, u64::to_le_bytes);
        let tensors: [(&str, Dtype, Vec<usize>, &[u8]); 7] = [
            ("images", Dtype::U8, shape(&[info.side, info.side, info.channels]), &self.images),
            ("boxes", Dtype::F32, shape(&[4]), &boxes),
            ("landmarks", Dtype::F32, shape(&[LANDMARKS, 2]), &landmarks),
            ("has_face", Dtype::U8, shape(&[]), &self.has_face),
            ("label", Dtype::U8, vec![n], &self.label),
            ("subject_hash", Dtype::U64, vec![n], &subject),
            ("picture_hash", Dtype::U64, vec![n], &picture),
        ];
        let bad = |e: &dyn std::fmt::Display| DataError::Shard { path: path.to_owned(), why: e.to_string() };
        let mut views = Vec::with_capacity(tensors.len());
        for (name, dtype, shape, bytes) in tensors {
            views.push((name, TensorView::new(dtype, shape, bytes).map_err(|e| bad(&e))?));
        }
        let format = if info.frames > 1 { FORMAT_CLIPS } else { FORMAT };
        let info = serde_json::to_string(info).map_err(|e| bad(&e))?;
        let metadata = HashMap::from([("format".to_owned(), format.to_owned()), ("info".to_owned(), info)]);
        let partial = path.with_extension("partial");
        safetensors::serialize_to_file(views, Some(metadata), &partial).map_err(|e| bad(&e))?;
        File::open(&partial).and_then(|f| f.sync_all()).map_err(DataError::io(&partial))?;
        std::fs::rename(&partial, path).map_err(DataError::io(path))
    }
}

fn le_bytes<T: Copy, const B: usize>(values: &[T], to: fn(T) -> [u8; B]) -> Vec<u8> {
    values.iter().flat_map(|v| to(*v)).collect()
}
