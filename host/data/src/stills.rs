//! The job: a data set of stills into shards.

use crate::annotate::{Annotated, Annotator, decode};
use crate::hash::{content_hash, fingerprint};
use crate::reader::{remove_shards, shard_path};
use crate::source::{Entry, Folders, Source, own_name};
use crate::writer::ShardData;
use crate::{Counts, DataError, FACE_MARGIN, FORMAT, STORE_MARGIN, Shard, ShardInfo, Stored, subject_hash};
use mtcae_contract::LabelSet;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

/// Counts up when other samples come out of the same pictures: shards of an older version are made again.
const VERSION: u32 = 4;

/// Samples per shard: what is lost at most when a run is interrupted.
const SHARD_SAMPLES: usize = 8192;

/// Corrupt files named in the outcome; the rest are only counted.
const MAX_NAMED: usize = 100;

/// Part of a data set, chosen by a hash of the person's name, so that no person is on both sides; where no name is known, of the
/// file's bytes, so that no file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Everything (the data set comes split).
    All,
    /// Persons whose hash modulo 100 is below the number.
    Below(u8),
    /// The other persons.
    From(u8),
}

impl Part {
    fn holds(self, subject: u64) -> bool {
        let slot = (subject % 100) as u8;
        match self {
            Part::All => true,
            Part::Below(n) => slot < n,
            Part::From(n) => slot >= n,
        }
    }
}

/// What a file's name says about who is in the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// Nothing: every file is its own subject, told from others by its bytes and the source's own name. The same file under two
    /// names is one, so that it is in one part and in one fold.
    File,
    /// `Some_Person_0001.jpg`: the name up to the last underscore.
    PersonNumber,
}

/// What to prepare.
#[derive(Debug, Clone)]
pub struct StillsJob {
    /// Folder or tar with one folder per expression.
    pub source: PathBuf,
    /// Folder for the shards; made if missing.
    pub out: PathBuf,
    /// Shards are called `<name>-000.safetensors` and so on.
    pub name: String,
    /// Name of the split for the metadata, for example `train`.
    pub split: String,
    /// Which persons.
    pub part: Part,
    /// What folders show whose name is no expression.
    pub folders: Folders,
    /// What file names say.
    pub naming: Naming,
    /// Expressions to keep; pictures of others are counted and left out.
    pub labels: LabelSet,
    /// Side of a stored square, pixels, 32 to 1024.
    pub side: usize,
    /// Store brightness alone: for grey data sets, at a third of the size.
    pub grey: bool,
    /// Threads that annotate, 1 to 64.
    pub workers: usize,
}

/// How far a job is; given to the progress callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Pictures dealt with, those of skipped shards included.
    pub done: usize,
    /// Pictures in the job.
    pub total: usize,
    /// Faces found so far in this run.
    pub faces: usize,
}

/// What a job left behind.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The shards in order.
    pub shards: Vec<PathBuf>,
    /// Sums over all shards.
    pub counts: Counts,
    /// Shards that were already there.
    pub skipped: usize,
    /// The first hundred corrupt files of this run, `name: why`.
    pub corrupt: Vec<String>,
    /// Pictures in folders that were passed over, as their name is no expression; by that name.
    pub unnamed: BTreeMap<String, usize>,
    /// Pictures that were passed over, as they are no JPEG or PNG; by the end of their name.
    pub foreign: BTreeMap<String, usize>,
}

/// Annotates every picture of the job and writes its shards. Shards already written by the same job are kept.
///
/// `progress` is called from this thread after every picture.
///
/// # Errors
/// When the job's values are out of range, the source or a shard cannot be read or written, the detector fails to run, or
/// no picture becomes a sample. Some corrupt pictures are no error.
pub fn prepare_stills(job: &StillsJob, mut progress: impl FnMut(Progress)) -> Result<Outcome, DataError> {
    job.validate()?;
    let source = Source::open(&job.source, &job.folders)?;
    let none_taken = |why| DataError::NoneTaken { path: job.source.clone(), found: source.entries.len(), why };
    let mut entries: Vec<&Entry> = source.entries.iter().filter(|e| job.takes(&source, e)).collect();
    let all = entries.len();
    if all == 0 {
        return Err(none_taken("all persons are in the other part".to_owned()));
    }
    entries.retain(|e| job.labels.index_of(e.expression).is_some());
    if entries.is_empty() {
        let names: Vec<&str> = job.labels.labels().iter().map(|label| label.name()).collect();
        return Err(none_taken(format!("none shows one of {}", names.join(", "))));
    }
    let mut left_out = all - entries.len();
    std::fs::create_dir_all(&job.out).map_err(DataError::io(&job.out))?;
    let mut outcome =
        Outcome { unnamed: source.unnamed.clone(), foreign: source.foreign.clone(), ..Outcome::default() };
    let mut at = Progress { done: 0, total: entries.len(), faces: 0 };
    for (index, chunk) in entries.chunks(SHARD_SAMPLES).enumerate() {
        let path = shard_path(&job.out, &job.name, index);
        let id = job.hash(&source, chunk, index);
        let info = match Shard::open(&path) {
            Ok(shard) if shard.info().job == id => {
                outcome.skipped += 1;
                at.done += chunk.len();
                progress(at);
                shard.info().clone()
            }
            _ => {
                let mut info = job.info(index, id);
                info.counts.left_out = std::mem::take(&mut left_out);
                let data = annotate_all(job, &source, chunk, &mut info, &mut outcome.corrupt, |found| {
                    at.done += 1;
                    at.faces += usize::from(found);
                    progress(at);
                })?;
                if data.label.is_empty() {
                    return Err(none_taken(outcome.corrupt.join("; ")));
                }
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

impl StillsJob {
    fn validate(&self) -> Result<(), DataError> {
        let bad = |what, value: String, accepted| Err(DataError::Job { what, value, accepted });
        if !(32..=1024).contains(&self.side) {
            return bad("side", self.side.to_string(), "32 to 1024 pixels");
        }
        if !(1..=64).contains(&self.workers) {
            return bad("workers", self.workers.to_string(), "1 to 64");
        }
        check_name(&self.name)
    }

    /// What the shard keeps of whose face is in the file of these `bytes`. The source's name is in it: a picture that two sources
    /// share is known by its own hash, and must not make the two the same people, which training would refuse.
    fn subject(&self, entry: &Entry, bytes: &[u8]) -> u64 {
        match self.naming {
            Naming::File => subject_hash(&format!("{}/{}", own_name(&self.source), fingerprint(bytes))),
            Naming::PersonNumber => person(entry),
        }
    }

    /// Whether it is of this part.
    fn takes(&self, source: &Source, entry: &Entry) -> bool {
        match (self.part, self.naming) {
            (Part::All, _) => true,
            (part, Naming::PersonNumber) => part.holds(person(entry)),
            // A file that cannot be read is told as that later.
            (part, Naming::File) => part.holds(source.read(entry).map_or(0, |bytes| content_hash(&bytes))),
        }
    }

    /// Hash of everything that decides a shard's content.
    fn hash(&self, source: &Source, entries: &[&Entry], index: usize) -> String {
        let mut sha = Sha256::new();
        sha.update(format!(
            "{FORMAT} {VERSION} {FACE_MARGIN} {STORE_MARGIN} {:?} {:?} {:?} {} {} {index}",
            self.part, self.naming, self.labels, self.side, self.grey
        ));
        if !self.folders.is_empty() {
            sha.update(format!("{:?}", self.folders));
        }
        if self.naming == Naming::File {
            sha.update(own_name(&self.source));
        }
        for entry in entries {
            sha.update(entry.name.as_bytes());
            sha.update([0]);
            sha.update(source.stamp(entry));
            sha.update([0]);
        }
        sha.finalize()[..16].iter().map(|b| format!("{b:02x}")).collect()
    }

    fn info(&self, shard: usize, job: String) -> ShardInfo {
        ShardInfo {
            source: self.source.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            split: self.split.clone(),
            shard,
            labels: self.labels.clone(),
            side: self.side,
            channels: if self.grey { 1 } else { 3 },
            frames: 1,
            stored: Stored::Face,
            subjects: Vec::new(),
            face_margin: FACE_MARGIN,
            store_margin: STORE_MARGIN,
            job,
            counts: Counts::default(),
        }
    }
}

/// Hash of the name of the person whom the file's name names.
fn person(entry: &Entry) -> u64 {
    let stem = entry.stem();
    subject_hash(stem.rsplit_once('_').map_or(stem, |(person, _)| person))
}

/// Whether shards may be called so.
pub(crate) fn check_name(name: &str) -> Result<(), DataError> {
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        let accepted = "letters, digits, `-`, `_` and `.`";
        return Err(DataError::Job { what: "name", value: format!("{name:?}"), accepted });
    }
    Ok(())
}

/// A sample and whose it is, or why there is none.
type Sample = Result<(Annotated, u64), String>;

/// One picture's fate.
type Fate = Result<Sample, DataError>;

/// Annotates `entries` on the job's threads and collects the samples in the order of the entries.
fn annotate_all(
    job: &StillsJob,
    source: &Source,
    entries: &[&Entry],
    info: &mut ShardInfo,
    corrupt: &mut Vec<String>,
    mut progress: impl FnMut(bool),
) -> Result<ShardData, DataError> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    // Bounded, so that workers wait for the collector instead of filling memory.
    let (send, receive) = mpsc::sync_channel(64);
    let mut fates: Vec<Option<Sample>> = Vec::new();
    fates.resize_with(entries.len(), || None);
    let mut failed = None;
    std::thread::scope(|scope| {
        for _ in 0..job.workers.min(entries.len()) {
            let (send, next, stop) = (send.clone(), &next, &stop);
            scope.spawn(move || work(job, source, entries, next, stop, &send));
        }
        drop(send);
        for (i, fate) in receive {
            match fate {
                Ok(fate) => {
                    progress(fate.as_ref().is_ok_and(|(sample, _)| sample.has_face));
                    fates[i] = Some(fate);
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
    let mut data = ShardData::default();
    for (entry, fate) in entries.iter().zip(fates) {
        match fate {
            Some(Ok((sample, subject))) => push(&mut data, &mut info.counts, job, entry, sample, subject),
            Some(Err(why)) => {
                info.counts.corrupt += 1;
                if corrupt.len() < MAX_NAMED {
                    corrupt.push(format!("{}: {why}", entry.name));
                }
            }
            None => return Err(DataError::Detector(format!("no answer for {}", entry.name))),
        }
    }
    Ok(data)
}

/// A thread's share: takes the next picture until there is none, or until another thread failed.
fn work(
    job: &StillsJob,
    source: &Source,
    entries: &[&Entry],
    next: &AtomicUsize,
    stop: &AtomicBool,
    send: &mpsc::SyncSender<(usize, Fate)>,
) {
    let mut annotator = match Annotator::new() {
        Ok(annotator) => annotator,
        Err(e) => {
            // The collector outlives every worker.
            let _ = send.send((0, Err(e)));
            return;
        }
    };
    while !stop.load(Ordering::Relaxed) {
        let i = next.fetch_add(1, Ordering::Relaxed);
        let Some(entry) = entries.get(i) else { return };
        let read = source.read(entry).map_err(|e| e.to_string());
        let fate = match read.and_then(|bytes| Ok((decode(&bytes)?, job.subject(entry, &bytes)))) {
            Ok((image, subject)) => {
                let sample = annotator.annotate(&image, job.side, if job.grey { 1 } else { 3 });
                sample.map(|sample| Ok((sample, subject)))
            }
            Err(why) => Ok(Err(why)),
        };
        if send.send((i, fate)).is_err() {
            return;
        }
    }
}

fn push(data: &mut ShardData, counts: &mut Counts, job: &StillsJob, entry: &Entry, sample: Annotated, subject: u64) {
    let Some(label) = job.labels.index_of(entry.expression) else { return };
    data.images.extend_from_slice(&sample.square);
    data.boxes.extend([sample.face.x, sample.face.y, sample.face.w, sample.face.h]);
    data.landmarks.extend(sample.landmarks.iter().flat_map(|p| [p.x, p.y]));
    data.has_face.push(u8::from(sample.has_face));
    data.label.push(label as u8);
    data.subject.push(subject);
    data.picture.push(sample.picture);
    counts.samples += 1;
    counts.faces += usize::from(sample.has_face);
    *counts.per_label.entry(entry.expression.name().to_owned()).or_default() += 1;
}
