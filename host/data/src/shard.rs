//! Shards: annotated stills in a safetensors file, written whole and read through a memory map.

use crate::DataError;
use memmap2::Mmap;
use mtcae_contract::{LANDMARKS, LabelSet, Point, Rect};
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo, TensorView};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    ops::Range,
    path::{Path, PathBuf},
};

/// The shard format this crate reads and writes.
pub const FORMAT: &str = "mtcae-stills/1";

/// Largest side of a stored square, pixels.
const MAX_SIDE: usize = 1024;

/// How many pictures became samples, and how many did not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Samples in the shard.
    pub samples: usize,
    /// Samples whose face was found.
    pub faces: usize,
    /// Pictures that could not be decoded.
    pub corrupt: usize,
    /// Pictures of an expression that the label set lacks.
    pub left_out: usize,
    /// Samples by expression name.
    pub per_label: BTreeMap<String, usize>,
}

impl Counts {
    /// Adds `other` to this.
    pub fn add(&mut self, other: &Counts) {
        self.samples += other.samples;
        self.faces += other.faces;
        self.corrupt += other.corrupt;
        self.left_out += other.left_out;
        for (label, n) in &other.per_label {
            *self.per_label.entry(label.clone()).or_default() += n;
        }
    }
}

/// What a shard says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShardInfo {
    /// Name of the data set.
    pub source: String,
    /// Which part of it, for example `train`.
    pub split: String,
    /// Index among the job's shards.
    pub shard: usize,
    /// Label set that `label` indexes.
    pub labels: LabelSet,
    /// Side of a stored square, pixels.
    pub side: usize,
    /// 1 (grey) or 3 (RGB).
    pub channels: usize,
    /// Margin of the framing square at the time of writing.
    pub face_margin: f32,
    /// Margin of the stored square.
    pub store_margin: f32,
    /// Hash of everything that decided the content.
    pub job: String,
    /// What became of the pictures.
    pub counts: Counts,
}

/// One annotated still, borrowed from a shard. Rectangles and points are in fractions of the stored square.
#[derive(Debug, Clone, Copy)]
pub struct StillRef<'a> {
    /// `side * side * channels` bytes, rows from the top.
    pub image: &'a [u8],
    /// Side of the stored square, pixels.
    pub side: usize,
    /// 1 (grey) or 3 (RGB).
    pub channels: usize,
    /// The face box, or, when `has_face` is false, the box that makes the whole picture the framing square.
    pub face: Rect,
    /// Left eye, right eye, nose, left and right mouth corner as seen in the image; zeros when `has_face` is false.
    pub landmarks: [Point; LANDMARKS],
    /// Whether the detector found the face.
    pub has_face: bool,
    /// Index into the shard's label set.
    pub label: usize,
    /// Hash of the person's (or the file's) name.
    pub subject: u64,
}

impl StillRef<'_> {
    /// The square the network sees for `margin` (normally [`crate::FACE_MARGIN`]), in fractions of the stored square.
    pub fn framing(&self, margin: f32) -> Rect {
        self.face.square_with_margin(margin)
    }
}

/// Samples on their way into a shard.
#[derive(Debug, Default)]
pub(crate) struct ShardData {
    pub images: Vec<u8>,
    pub boxes: Vec<f32>,
    pub landmarks: Vec<f32>,
    pub has_face: Vec<u8>,
    pub label: Vec<u8>,
    pub subject: Vec<u64>,
}

impl ShardData {
    /// Writes the shard beside `path` and renames it into place.
    pub fn write(&self, path: &Path, info: &ShardInfo) -> Result<(), DataError> {
        let n = self.label.len();
        let boxes = le_bytes(&self.boxes, f32::to_le_bytes);
        let landmarks = le_bytes(&self.landmarks, f32::to_le_bytes);
        let subject = le_bytes(&self.subject, u64::to_le_bytes);
        let tensors: [(&str, Dtype, Vec<usize>, &[u8]); 6] = [
            ("images", Dtype::U8, vec![n, info.side, info.side, info.channels], &self.images),
            ("boxes", Dtype::F32, vec![n, 4], &boxes),
            ("landmarks", Dtype::F32, vec![n, LANDMARKS, 2], &landmarks),
            ("has_face", Dtype::U8, vec![n], &self.has_face),
            ("label", Dtype::U8, vec![n], &self.label),
            ("subject_hash", Dtype::U64, vec![n], &subject),
        ];
        let bad = |e: &dyn std::fmt::Display| DataError::Shard { path: path.to_owned(), why: e.to_string() };
        let mut views = Vec::with_capacity(tensors.len());
        for (name, dtype, shape, bytes) in tensors {
            views.push((name, TensorView::new(dtype, shape, bytes).map_err(|e| bad(&e))?));
        }
        let info = serde_json::to_string(info).map_err(|e| bad(&e))?;
        let metadata = HashMap::from([("format".to_owned(), FORMAT.to_owned()), ("info".to_owned(), info)]);
        let partial = path.with_extension("partial");
        safetensors::serialize_to_file(views, Some(metadata), &partial).map_err(|e| bad(&e))?;
        File::open(&partial).and_then(|f| f.sync_all()).map_err(DataError::io(&partial))?;
        std::fs::rename(&partial, path).map_err(DataError::io(path))
    }
}

fn le_bytes<T: Copy, const B: usize>(values: &[T], to: fn(T) -> [u8; B]) -> Vec<u8> {
    values.iter().flat_map(|v| to(*v)).collect()
}

/// A shard opened for reading. Pages come in from the file as samples are touched.
#[derive(Debug)]
pub struct Shard {
    map: Mmap,
    info: ShardInfo,
    len: usize,
    images: Range<usize>,
    boxes: Range<usize>,
    landmarks: Range<usize>,
    has_face: Range<usize>,
    label: Range<usize>,
    subject: Range<usize>,
}

impl Shard {
    /// Opens and checks a shard: format, tensor types and shapes, label range.
    ///
    /// # Errors
    /// When the file cannot be read or is not such a shard; the message names the tensor or key.
    pub fn open(path: &Path) -> Result<Shard, DataError> {
        let file = File::open(path).map_err(DataError::io(path))?;
        // SAFETY: shards are written to another name and renamed into place, never changed afterwards.
        let map = unsafe { Mmap::map(&file) }.map_err(DataError::io(path))?;
        Shard::from_map(map).map_err(|why| DataError::Shard { path: path.to_owned(), why })
    }

    fn from_map(map: Mmap) -> Result<Shard, String> {
        let (header, metadata) = SafeTensors::read_metadata(&map).map_err(|e| e.to_string())?;
        let info = read_info(&metadata)?;
        let start = header + 8;
        let len = metadata.info("label").map_or(0, |t| t.shape.first().copied().unwrap_or(0));
        if len == 0 || info.side == 0 || info.side > MAX_SIDE || !matches!(info.channels, 1 | 3) {
            return Err(format!("{len} samples of {}x{} pixels, {} channels", info.side, info.side, info.channels));
        }
        let find = |name: &str, dtype: Dtype, shape: &[usize]| tensor_range(&metadata, start, name, dtype, shape);
        let shard = Shard {
            len,
            images: find("images", Dtype::U8, &[len, info.side, info.side, info.channels])?,
            boxes: find("boxes", Dtype::F32, &[len, 4])?,
            landmarks: find("landmarks", Dtype::F32, &[len, LANDMARKS, 2])?,
            has_face: find("has_face", Dtype::U8, &[len])?,
            label: find("label", Dtype::U8, &[len])?,
            subject: find("subject_hash", Dtype::U64, &[len])?,
            info,
            map,
        };
        let classes = shard.info.labels.len();
        match shard.map[shard.label.clone()].iter().find(|l| usize::from(**l) >= classes) {
            Some(label) => Err(format!("label {label}; accepted: 0 to {}", classes - 1)),
            None => Ok(shard),
        }
    }

    /// What the shard says of itself.
    pub fn info(&self) -> &ShardInfo {
        &self.info
    }

    /// Number of samples, at least 1.
    #[allow(clippy::len_without_is_empty)] // an empty shard is refused
    pub fn len(&self) -> usize {
        self.len
    }

    /// Sample `i`.
    ///
    /// # Panics
    /// When `i` is not below [`Shard::len`].
    pub fn sample(&self, i: usize) -> StillRef<'_> {
        assert!(i < self.len, "sample {i} of a shard of {}", self.len);
        let pixels = self.info.side * self.info.side * self.info.channels;
        let b: [f32; 4] = self.floats(&self.boxes, i);
        let l: [f32; LANDMARKS * 2] = self.floats(&self.landmarks, i);
        let mut subject = [0; 8];
        subject.copy_from_slice(&self.map[self.subject.start + i * 8..][..8]);
        StillRef {
            image: &self.map[self.images.start + i * pixels..][..pixels],
            side: self.info.side,
            channels: self.info.channels,
            face: Rect { x: b[0], y: b[1], w: b[2], h: b[3] },
            landmarks: std::array::from_fn(|k| Point { x: l[2 * k], y: l[2 * k + 1] }),
            has_face: self.map[self.has_face.start + i] != 0,
            label: usize::from(self.map[self.label.start + i]),
            subject: u64::from_le_bytes(subject),
        }
    }

    /// The `i`-th group of `K` floats of a tensor. The file's floats may be unaligned, hence no cast.
    fn floats<const K: usize>(&self, tensor: &Range<usize>, i: usize) -> [f32; K] {
        let bytes = &self.map[tensor.start + i * K * 4..][..K * 4];
        std::array::from_fn(|k| f32::from_le_bytes([0, 1, 2, 3].map(|j| bytes[4 * k + j])))
    }
}

fn read_info(metadata: &Metadata) -> Result<ShardInfo, String> {
    let map = metadata.metadata().as_ref().ok_or("no metadata")?;
    match map.get("format").map(String::as_str) {
        Some(FORMAT) => {}
        other => return Err(format!("format {:?}; accepted: {FORMAT:?}", other.unwrap_or("none"))),
    }
    let info = map.get("info").ok_or("no metadata key `info`")?;
    serde_json::from_str(info).map_err(|e| format!("metadata key `info`: {e}"))
}

fn tensor_range(
    metadata: &Metadata,
    start: usize,
    name: &str,
    dtype: Dtype,
    shape: &[usize],
) -> Result<Range<usize>, String> {
    let tensor: &TensorInfo = metadata.info(name).ok_or_else(|| format!("no tensor `{name}`"))?;
    if tensor.dtype != dtype || tensor.shape != shape {
        return Err(format!("tensor `{name}` is {:?} {:?}; accepted: {dtype:?} {shape:?}", tensor.dtype, tensor.shape));
    }
    Ok(start + tensor.data_offsets.0..start + tensor.data_offsets.1)
}

/// Several shards read as one; they share a label set but may differ in side and channels.
#[derive(Debug)]
pub struct Stills {
    shards: Vec<Shard>,
    ends: Vec<usize>,
}

impl Stills {
    /// Opens every shard in the order given.
    ///
    /// # Errors
    /// When there is none, one cannot be opened, or two have different label sets.
    pub fn open(paths: &[PathBuf]) -> Result<Stills, DataError> {
        let mut shards: Vec<Shard> = Vec::with_capacity(paths.len());
        let mut ends = Vec::with_capacity(paths.len());
        for path in paths {
            let shard = Shard::open(path)?;
            if shards.first().is_some_and(|first| first.info.labels != shard.info.labels) {
                let why = format!("label set {:?} differs from the first shard's", shard.info.labels.labels());
                return Err(DataError::Shard { path: path.clone(), why });
            }
            ends.push(ends.last().unwrap_or(&0) + shard.len());
            shards.push(shard);
        }
        if shards.is_empty() {
            return Err(DataError::Job {
                what: "list of shards",
                value: "empty".to_owned(),
                accepted: "at least one .safetensors file",
            });
        }
        Ok(Stills { shards, ends })
    }

    /// Opens `<name>-000.safetensors`, `<name>-001.safetensors`, ... in `folder`.
    ///
    /// # Errors
    /// When the first is missing, or as [`Stills::open`].
    pub fn open_named(folder: &Path, name: &str) -> Result<Stills, DataError> {
        let mut paths = vec![shard_path(folder, name, 0)];
        while shard_path(folder, name, paths.len()).exists() {
            paths.push(shard_path(folder, name, paths.len()));
        }
        Stills::open(&paths)
    }

    /// The shards.
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// The label set all shards share.
    pub fn labels(&self) -> &LabelSet {
        &self.shards[0].info.labels
    }

    /// Number of samples in all shards, at least 1.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.ends[self.ends.len() - 1]
    }

    /// Sample `i`, counted through all shards.
    ///
    /// # Panics
    /// When `i` is not below [`Stills::len`].
    pub fn sample(&self, i: usize) -> StillRef<'_> {
        assert!(i < self.len(), "sample {i} of {}", self.len());
        let k = self.ends.partition_point(|end| *end <= i);
        self.shards[k].sample(i - if k == 0 { 0 } else { self.ends[k - 1] })
    }
}

pub(crate) fn shard_path(folder: &Path, name: &str, index: usize) -> PathBuf {
    folder.join(format!("{name}-{index:03}.safetensors"))
}
