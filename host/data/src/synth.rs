//! The job: rendered clips into shards.

use crate::cut::{CutClip, cut};
use crate::hash::{fingerprint, picture_hash};
use crate::reader::{remove_shards, shard_path};
use crate::writer::ShardData;
use crate::{
    Counts, DataError, FACE_MARGIN, FORMAT_CLIPS, Outcome, Progress, STORE_MARGIN, Shard, ShardInfo, Stored,
    subject_hash,
};
use mtcae_contract::{Cropper, Expression, LabelSet, Rect};
use mtcae_synth::{ClipSpec, FaceModel, Renderer};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

/// Clips per shard: what is lost at most when a run is interrupted.
const SHARD_CLIPS: usize = 256;

/// What to render.
#[derive(Debug, Clone)]
pub struct SynthJob {
    /// ICT-FaceKit as an `.npz` or a folder of its OBJ files; nothing for the head that is drawn by hand.
    pub model: Option<PathBuf>,
    /// Folder for the shards; made if missing.
    pub out: PathBuf,
    /// Shards are called `<name>-000.safetensors` and so on.
    pub name: String,
    /// Clips, 1 to 1,000,000; expressions take turns.
    pub clips: usize,
    /// Different persons, 1 to 1,000,000.
    pub identities: usize,
    /// Side of a rendered frame, pixels, 48 to 1024.
    pub size: usize,
    /// Side of a stored square, pixels, 32 to 1024.
    pub side: usize,
    /// Frames of a clip, 2 to 256.
    pub frames: usize,
    /// Equal seeds give equal clips.
    pub seed: u64,
    /// The expressions.
    pub labels: LabelSet,
    /// Threads that render, 1 to 64. Their number changes nothing but the time.
    pub workers: usize,
}

/// Renders every clip of the job and writes its shards. Shards already written by the same job are kept.
///
/// `progress` is called from this thread after every clip.
///
/// # Errors
/// When the job's values are out of range, the model cannot be used, or a shard cannot be read or written.
pub fn synthesize(job: &SynthJob, mut progress: impl FnMut(Progress)) -> Result<Outcome, DataError> {
    job.validate()?;
    let (model, identity) = job.read_model()?;
    let renderer = Renderer::new(&model);
    std::fs::create_dir_all(&job.out).map_err(DataError::io(&job.out))?;
    let mut outcome = Outcome::default();
    let mut at = Progress { done: 0, total: job.clips, faces: 0 };
    for (index, first) in (0..job.clips).step_by(SHARD_CLIPS).enumerate() {
        let end = (first + SHARD_CLIPS).min(job.clips);
        let path = shard_path(&job.out, &job.name, index);
        let id = job.hash(&identity, first, end);
        let info = match Shard::open(&path) {
            Ok(shard) if shard.info().job == id && shard.picture(0).is_some() => {
                outcome.skipped += 1;
                at.done += end - first;
                progress(at);
                shard.info().clone()
            }
            _ => {
                let mut info = job.info(index, id);
                let data = render_all(job, &renderer, first, end, &mut info.counts, || {
                    at.done += 1;
                    at.faces += 1;
                    progress(at);
                })?;
                data.write(&path, &info)?;
                info
            }
        };
        outcome.counts.add(&info.counts);
        outcome.shards.push(path);
    }
    remove_shards(&job.out, &job.name, outcome.shards.len())?;
    Ok(outcome)
}

impl SynthJob {
    fn validate(&self) -> Result<(), DataError> {
        let ranges = [
            ("clips", self.clips, 1, 1_000_000, "1 to 1000000"),
            ("identities", self.identities, 1, 1_000_000, "1 to 1000000"),
            ("size", self.size, 48, 1024, "48 to 1024 pixels"),
            ("side", self.side, 32, 1024, "32 to 1024 pixels"),
            ("frames", self.frames, 2, 256, "2 to 256"),
            ("workers", self.workers, 1, 64, "1 to 64"),
        ];
        for (what, value, least, most, accepted) in ranges {
            if !(least..=most).contains(&value) {
                return Err(DataError::Job { what, value: value.to_string(), accepted });
            }
        }
        crate::stills::check_name(&self.name)
    }

    /// The model, and what tells it from others.
    fn read_model(&self) -> Result<(FaceModel, String), DataError> {
        match &self.model {
            None => Ok((FaceModel::sketch(), "sketch".to_owned())),
            Some(path) => {
                let hash = |file: &PathBuf| std::fs::read(file).map_err(DataError::io(file)).map(fingerprint);
                let hashes: Vec<String> = FaceModel::files(path)?.iter().map(hash).collect::<Result<_, DataError>>()?;
                Ok((FaceModel::read(path)?, hashes.concat()))
            }
        }
    }

    /// The clip's person and what is rendered of it.
    fn spec(&self, clip: usize) -> (Expression, ClipSpec) {
        let label = self.labels.labels()[clip % self.labels.len()];
        let person = subject_hash(&format!("{} who {clip}", self.seed)) % self.identities as u64;
        let subject = subject_hash(&format!("{} person {person}", self.seed));
        (label, ClipSpec { label, subject, size: self.size, frames: self.frames })
    }

    fn hash(&self, model: &str, first: usize, end: usize) -> String {
        let what = format!(
            "{FORMAT_CLIPS} {} {STORE_MARGIN} {model} {first} {end} {} {} {} {} {} {:?}",
            mtcae_synth::VERSION,
            self.identities,
            self.size,
            self.side,
            self.frames,
            self.seed,
            self.labels
        );
        fingerprint(what)
    }

    fn info(&self, shard: usize, job: String) -> ShardInfo {
        let file = self.model.as_deref().map(|path| path.file_name().unwrap_or(path.as_os_str()));
        ShardInfo {
            source: file.map_or("sketch".to_owned(), |f| f.to_string_lossy().into_owned()),
            split: "synth".to_owned(),
            shard,
            labels: self.labels.clone(),
            side: self.side,
            channels: 3,
            frames: self.frames,
            stored: Stored::Face,
            subjects: Vec::new(),
            face_margin: FACE_MARGIN,
            store_margin: STORE_MARGIN,
            job,
            counts: Counts::default(),
        }
    }
}

/// Boxes and landmarks of a clip, and the hash of its frames.
type Known = (Vec<Rect>, Vec<f32>, u64);

/// Renders clips `first..end` on the job's threads and collects them in order.
fn render_all(
    job: &SynthJob,
    renderer: &Renderer<'_>,
    first: usize,
    end: usize,
    counts: &mut Counts,
    mut progress: impl FnMut(),
) -> Result<ShardData, DataError> {
    let (next, stop) = (AtomicUsize::new(first), AtomicBool::new(false));
    // Bounded, so that workers wait for the collector instead of filling memory.
    let (send, receive) = mpsc::sync_channel(8);
    let bytes = job.frames * job.side * job.side * 3;
    let mut data = ShardData { images: vec![0; (end - first) * bytes], ..ShardData::default() };
    let mut known: Vec<Option<Known>> = vec![None; end - first];
    let mut failed = None;
    std::thread::scope(|scope| {
        for _ in 0..job.workers.min(end - first) {
            let (send, next, stop) = (send.clone(), &next, &stop);
            scope.spawn(move || {
                let mut cropper = Cropper::new();
                while !stop.load(Ordering::Relaxed) {
                    let clip = next.fetch_add(1, Ordering::Relaxed);
                    if clip >= end || send.send((clip, render(job, renderer, clip, &mut cropper))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        for (clip, rendered) in receive {
            match rendered {
                Ok((stored, picture)) => {
                    data.images[(clip - first) * bytes..][..bytes].copy_from_slice(&stored.pixels);
                    known[clip - first] = Some((stored.boxes, stored.landmarks, picture));
                    progress();
                }
                Err(e) => {
                    stop.store(true, Ordering::Relaxed);
                    failed.get_or_insert(e);
                }
            }
        }
    });
    if let Some(e) = failed {
        return Err(e);
    }
    for (clip, (boxes, landmarks, picture)) in (first..end).zip(known.into_iter().flatten()) {
        let (label, spec) = job.spec(clip);
        data.boxes.extend(boxes.iter().flat_map(|b| [b.x, b.y, b.w, b.h]));
        data.landmarks.extend(landmarks);
        data.has_face.extend(vec![1; job.frames]);
        data.label.push(job.labels.index_of(label).unwrap_or(0) as u8);
        data.subject.push(spec.subject);
        data.picture.push(picture);
        counts.samples += 1;
        counts.faces += 1;
        *counts.per_label.entry(label.name().to_owned()).or_default() += 1;
    }
    Ok(data)
}

/// A clip as it is stored, and the hash of its frames as they were rendered.
fn render(
    job: &SynthJob,
    renderer: &Renderer<'_>,
    clip: usize,
    cropper: &mut Cropper,
) -> Result<(CutClip, u64), DataError> {
    let rendered = renderer.render(&job.spec(clip).1, subject_hash(&format!("{} clip {clip}", job.seed)))?;
    let stored = cut(&rendered.frames, &rendered.boxes, &rendered.landmarks, Stored::Face, job.side, cropper);
    Ok((stored, picture_hash(&rendered.frames)))
}
