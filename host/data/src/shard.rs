//! Shards: annotated stills or clips in a safetensors file, read through a memory map.

#![allow(unsafe_code)]

use crate::DataError;
use memmap2::Mmap;
use mtcae_contract::{LANDMARKS, LabelSet, Point, Rect};
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::File,
    ops::Range,
    path::{Path, PathBuf},
};

/// Format of shards of stills.
pub const FORMAT: &str = "mtcae-stills/1";

/// Format of shards of clips: as [`FORMAT`], with an axis for frames behind the first of pixels, boxes, points and `has_face`.
pub const FORMAT_CLIPS: &str = "mtcae-clips/1";

/// `has_face` of a frame whose face is interpolated.
pub(crate) const FILLED: u8 = 2;

/// Most frames of a stored clip.
const MAX_FRAMES: usize = 256;

/// Largest side of a stored square, pixels.
const MAX_SIDE: usize = 1024;

/// What a stored picture shows of the frame it was cut from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stored {
    /// A square around the face.
    #[default]
    Face,
    /// The whole frame, aspect not kept (framing `whole`, the paper's).
    Whole,
}

impl Stored {
    fn is_face(&self) -> bool {
        *self == Stored::Face
    }
}

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
    /// Clips by person; empty for stills.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub per_subject: BTreeMap<String, usize>,
    /// Frames of clips whose face was not found and is taken from the frames beside them.
    #[serde(default)]
    pub filled: usize,
}

impl Counts {
    /// Adds `other` to this.
    pub fn add(&mut self, other: &Counts) {
        self.samples += other.samples;
        self.faces += other.faces;
        self.corrupt += other.corrupt;
        self.left_out += other.left_out;
        self.filled += other.filled;
        for (label, n) in &other.per_label {
            *self.per_label.entry(label.clone()).or_default() += n;
        }
        for (subject, n) in &other.per_subject {
            *self.per_subject.entry(subject.clone()).or_default() += n;
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
    /// Frames of a sample: 1 for stills.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub frames: usize,
    /// What a stored picture shows.
    #[serde(default, skip_serializing_if = "Stored::is_face")]
    pub stored: Stored,
    /// Names of the persons in clips of videos, sorted; `subject_hash` is a name's hash ([`crate::subject_hash`]). Empty for stills,
    /// whose persons are kept as hashes alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<String>,
    /// Margin of the framing square at the time of writing.
    pub face_margin: f32,
    /// Margin of the stored square.
    pub store_margin: f32,
    /// Hash of everything that decided the content.
    pub job: String,
    /// What became of the pictures.
    pub counts: Counts,
}

fn one() -> usize {
    1
}

fn is_one(frames: &usize) -> bool {
    *frames == 1
}

/// One annotated still, or one frame of a clip, borrowed from a shard. Rectangles and points are in fractions of the stored square.
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
    /// Whether the detector found the face, or found it in the frames beside this one.
    pub has_face: bool,
    /// The face was found in the frames beside this one only: box and landmarks are interpolated.
    pub filled: bool,
    /// What the picture shows.
    pub stored: Stored,
    /// Index into the shard's label set.
    pub label: usize,
    /// Hash of the person's name, or of the file where none is known.
    pub subject: u64,
}

impl StillRef<'_> {
    /// What the network sees for `margin` (normally [`crate::FACE_MARGIN`]), in fractions of the stored picture: all of it
    /// where that is the whole frame.
    pub fn framing(&self, margin: f32) -> Rect {
        framing(self.stored, self.face, margin)
    }
}

/// What the network sees of a stored picture with `face` in it, in fractions of the picture.
pub(crate) fn framing(stored: Stored, face: Rect, margin: f32) -> Rect {
    match stored {
        Stored::Face => face.square_with_margin(margin),
        Stored::Whole => Rect { x: 0.0, y: 0.0, w: 1.0, h: 1.0 },
    }
}

/// A shard opened for reading. Pages come in from the file as samples are touched.
#[derive(Debug)]
pub struct Shard {
    path: PathBuf,
    map: Mmap,
    info: ShardInfo,
    len: usize,
    images: Range<usize>,
    boxes: Range<usize>,
    landmarks: Range<usize>,
    has_face: Range<usize>,
    label: Range<usize>,
    subject: Range<usize>,
    /// Nothing in shards made before hashes of pictures were kept.
    picture: Option<Range<usize>>,
}

impl Shard {
    /// Opens and checks a shard: format, tensor types and shapes, label range, boxes and landmarks.
    ///
    /// # Errors
    /// When the file cannot be read or is not such a shard; the message names the tensor or key.
    pub fn open(path: &Path) -> Result<Shard, DataError> {
        let file = File::open(path).map_err(DataError::io(path))?;
        // SAFETY: shards are written to another name and renamed into place, never changed afterwards.
        let map = unsafe { Mmap::map(&file) }.map_err(DataError::io(path))?;
        Shard::from_map(path, map).map_err(|why| DataError::Shard { path: path.to_owned(), why })
    }

    fn from_map(path: &Path, map: Mmap) -> Result<Shard, String> {
        let (header, metadata) = SafeTensors::read_metadata(&map).map_err(|e| e.to_string())?;
        let info = read_info(&metadata)?;
        let start = header + 8;
        let len = metadata.info("label").map_or(0, |t| t.shape.first().copied().unwrap_or(0));
        let (side, channels, frames) = (info.side, info.channels, info.frames);
        let fits = (1..=MAX_SIDE).contains(&side) && matches!(channels, 1 | 3) && (1..=MAX_FRAMES).contains(&frames);
        if len == 0 || !fits {
            return Err(format!("{len} samples of {frames} frame(s) of {side}x{side} pixels, {channels} channels"));
        }
        let axis: &[usize] = if frames > 1 { &[frames] } else { &[] };
        let shape = |rest: &[usize]| [&[len], axis, rest].concat();
        let find = |name: &str, dtype: Dtype, shape: &[usize]| tensor_range(&metadata, start, name, dtype, shape);
        let has_pictures = metadata.info("picture_hash").is_some();
        let shard = Shard {
            path: path.to_owned(),
            len,
            images: find("images", Dtype::U8, &shape(&[side, side, channels]))?,
            boxes: find("boxes", Dtype::F32, &shape(&[4]))?,
            landmarks: find("landmarks", Dtype::F32, &shape(&[LANDMARKS, 2]))?,
            has_face: find("has_face", Dtype::U8, &shape(&[]))?,
            label: find("label", Dtype::U8, &[len])?,
            subject: find("subject_hash", Dtype::U64, &[len])?,
            picture: has_pictures.then(|| find("picture_hash", Dtype::U64, &[len])).transpose()?,
            info,
            map,
        };
        let classes = shard.info.labels.len();
        match shard.map[shard.label.clone()].iter().find(|l| usize::from(**l) >= classes) {
            Some(label) => Err(format!("label {label}; accepted: 0 to {}", classes - 1)),
            None => shard.check_faces().map(|()| shard),
        }
    }

    /// Scores and losses of numbers that are none would be none.
    fn check_faces(&self) -> Result<(), String> {
        for (i, t) in (0..self.len).flat_map(|i| (0..self.info.frames).map(move |t| (i, t))) {
            let still = self.frame(i, t);
            // Without a face, too, the box says what is seen.
            if !still.face.is_proper() {
                return Err(format!(
                    "sample {i}, frame {t} has the box {:?}; accepted: numbers, with a size",
                    still.face
                ));
            }
            let wrong = still.landmarks.iter().find(|p| !(p.x.is_finite() && p.y.is_finite()));
            if let Some(point) = wrong.filter(|_| still.has_face) {
                return Err(format!("sample {i}, frame {t} has the landmark {point:?}; accepted: numbers"));
            }
        }
        Ok(())
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

    /// Sample `i`; of a clip its middle frame.
    ///
    /// # Panics
    /// When `i` is not below [`Shard::len`].
    pub fn sample(&self, i: usize) -> StillRef<'_> {
        self.frame(i, self.info.frames / 2)
    }

    /// Frame `t` of sample `i`.
    ///
    /// # Panics
    /// When `i` is not below [`Shard::len`], or `t` not below the [`ShardInfo::frames`].
    pub fn frame(&self, i: usize, t: usize) -> StillRef<'_> {
        assert!(i < self.len && t < self.info.frames, "sample {i}, frame {t} of a shard of {}", self.len);
        let k = i * self.info.frames + t;
        let pixels = self.info.side * self.info.side * self.info.channels;
        let b: [f32; 4] = self.floats(&self.boxes, k);
        let l: [f32; LANDMARKS * 2] = self.floats(&self.landmarks, k);
        StillRef {
            image: &self.map[self.images.start + k * pixels..][..pixels],
            side: self.info.side,
            channels: self.info.channels,
            face: Rect { x: b[0], y: b[1], w: b[2], h: b[3] },
            landmarks: std::array::from_fn(|k| Point { x: l[2 * k], y: l[2 * k + 1] }),
            has_face: self.map[self.has_face.start + k] != 0,
            filled: self.map[self.has_face.start + k] == FILLED,
            stored: self.info.stored,
            label: usize::from(self.map[self.label.start + i]),
            subject: self.word(&self.subject, i),
        }
    }

    /// Hash of the picture, or of the frames, that sample `i` was cut from; nothing in shards made before they were kept.
    ///
    /// # Panics
    /// When `i` is not below [`Shard::len`].
    pub fn picture(&self, i: usize) -> Option<u64> {
        assert!(i < self.len, "sample {i} of a shard of {}", self.len);
        self.picture.as_ref().map(|pictures| self.word(pictures, i))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The `i`-th number of a tensor.
    fn word(&self, tensor: &Range<usize>, i: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.map[tensor.start + i * 8..][..8]);
        u64::from_le_bytes(bytes)
    }

    /// The `i`-th group of `K` floats of a tensor. The file's floats may be unaligned, hence no cast.
    fn floats<const K: usize>(&self, tensor: &Range<usize>, i: usize) -> [f32; K] {
        let bytes = &self.map[tensor.start + i * K * 4..][..K * 4];
        std::array::from_fn(|k| f32::from_le_bytes([0, 1, 2, 3].map(|j| bytes[4 * k + j])))
    }
}

fn read_info(metadata: &Metadata) -> Result<ShardInfo, String> {
    let map = metadata.metadata().as_ref().ok_or("no metadata")?;
    let format = map.get("format").map_or("none", String::as_str);
    if ![FORMAT, FORMAT_CLIPS].contains(&format) {
        return Err(format!("format {format:?}; accepted: {FORMAT:?}, {FORMAT_CLIPS:?}"));
    }
    let info = map.get("info").ok_or("no metadata key `info`")?;
    let info: ShardInfo = serde_json::from_str(info).map_err(|e| format!("metadata key `info`: {e}"))?;
    match (format, info.frames) {
        (FORMAT, 1) | (FORMAT_CLIPS, 2..) => Ok(info),
        (_, frames) => Err(format!("format {format:?} with {frames} frame(s) a sample")),
    }
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
