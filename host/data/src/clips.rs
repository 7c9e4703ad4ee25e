//! The job: a data set of videos into shards of clips.

use crate::assemble::assemble;
use crate::clip_annotator::ClipAnnotator;
use crate::ffmpeg::VideoTools;
use crate::hash::fingerprint;
use crate::index::{Index, Video, index};
use crate::naming::Scheme;
use crate::parts::Parts;
use crate::refusal::{Reason, Refused};
use crate::{Counts, DataError, FACE_MARGIN, FORMAT_CLIPS, Progress, STORE_MARGIN, ShardInfo, Stored};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

/// Counts up when other clips come out of the same videos: shards of an older version are made again.
const VERSION: u32 = 2;

/// What to prepare.
#[derive(Debug, Clone)]
pub struct ClipsJob {
    /// How the videos are named.
    pub scheme: Scheme,
    /// Folder of the data set.
    pub source: PathBuf,
    /// Folder for the shards; made if missing.
    pub out: PathBuf,
    /// Shards are called `<name>-000.safetensors` and so on.
    pub name: String,
    /// Frames of a clip, spread evenly over its video, 2 to 64.
    pub frames: usize,
    /// What is stored of each frame.
    pub stored: Stored,
    /// Side of a stored picture, pixels, 32 to 1024.
    pub side: usize,
    /// Threads, 1 to 64; each runs an `ffmpeg` and a detector. Their number changes nothing but the time.
    pub workers: usize,
    /// The programs that decode.
    pub tools: VideoTools,
}

/// What a job of clips left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClipsOutcome {
    /// The shards in order.
    pub shards: Vec<PathBuf>,
    /// Sums over all shards; `corrupt` and `left_out` count videos.
    pub counts: Counts,
    /// Videos that an earlier run had dealt with.
    pub resumed: usize,
    /// Videos that are no clip, by name.
    pub refused: Vec<Refused>,
}

/// Turns every video of the job into a clip, or says why not, and writes the shards. A run that was cut goes on: what was
/// dealt with is kept in `<name>.parts` until all shards are there.
///
/// `progress` is called from this thread after every video.
///
/// # Errors
/// When the job's values are out of range, there are no videos or none becomes a clip, `ffmpeg` is missing, the detector
/// fails to run, or the disk refuses. Broken, empty, misnamed videos and ones without faces are no error.
pub fn prepare_clips(job: &ClipsJob, mut progress: impl FnMut(Progress)) -> Result<ClipsOutcome, DataError> {
    job.validate()?;
    let Index { videos, refused } = index(&job.source, &job.scheme)?;
    if videos.is_empty() {
        return Err(job.no_clip(refused.len(), &refused));
    }
    let id = job.hash(&videos);
    std::fs::create_dir_all(&job.out).map_err(DataError::io(&job.out))?;
    if let Some(outcome) = crate::assemble::finished(job, &id, videos.len()) {
        progress(Progress { done: videos.len(), total: videos.len(), faces: outcome.counts.faces });
        return Ok(outcome);
    }
    job.tools.check()?;
    let parts = Parts::open(job.out.join(format!("{}.parts", job.name)))?;
    let missing: Vec<&Video> = videos.iter().filter(|v| parts.get(&job.key(v)).is_none()).collect();
    let mut at = Progress { done: videos.len() - missing.len(), total: videos.len(), faces: 0 };
    let resumed = at.done;
    progress(at);
    annotate_all(job, &missing, &parts, |found| {
        at.done += 1;
        at.faces += usize::from(found);
        progress(at);
    })?;
    let outcome = assemble(job, &id, &videos, refused, &parts)?;
    parts.remove()?;
    Ok(ClipsOutcome { resumed, ..outcome })
}

impl ClipsJob {
    fn validate(&self) -> Result<(), DataError> {
        let ranges = [
            ("frames", self.frames, 2, 64, "2 to 64"),
            ("side", self.side, 32, 1024, "32 to 1024 pixels"),
            ("workers", self.workers, 1, 64, "1 to 64"),
        ];
        for (what, value, least, most, accepted) in ranges {
            if !(least..=most).contains(&value) {
                return Err(DataError::Job { what, value: value.to_string(), accepted });
            }
        }
        crate::stills::check_name(&self.name)
    }

    /// Fewest frames with a face that make a clip: half of them.
    pub(crate) fn least_faces(&self) -> usize {
        self.frames.div_ceil(2)
    }

    /// Everything that decides what comes out of one video.
    fn settings(&self) -> String {
        let (frames, side) = (self.frames, self.side);
        format!(
            "{FORMAT_CLIPS} {VERSION} {FACE_MARGIN} {STORE_MARGIN} {frames} {side} {:?} {:?}",
            self.stored, self.scheme
        )
    }

    /// The video's name in the journal.
    pub(crate) fn key(&self, video: &Video) -> String {
        fingerprint(format!("{} {} {} {:?}", self.settings(), video.name, video.named.subject, video.stamp))
    }

    /// Tells this job from others.
    fn hash(&self, videos: &[Video]) -> String {
        let keys: Vec<String> = videos.iter().map(|v| self.key(v)).collect();
        fingerprint(keys.join(" "))
    }

    /// What a shard says of itself, without counts.
    pub(crate) fn info(&self, shard: usize, job: &str) -> ShardInfo {
        ShardInfo {
            source: self.scheme.name().to_owned(),
            split: "all".to_owned(),
            shard,
            labels: self.scheme.labels(),
            side: self.side,
            channels: 3,
            frames: self.frames,
            stored: self.stored,
            subjects: Vec::new(),
            face_margin: FACE_MARGIN,
            store_margin: STORE_MARGIN,
            job: job.to_owned(),
            counts: Counts::default(),
        }
    }

    pub(crate) fn no_clip(&self, found: usize, refused: &[Refused]) -> DataError {
        let said: Vec<String> = refused.iter().take(3).map(|r| format!("{}: {}", r.file, r.why)).collect();
        DataError::NoClip { path: self.source.clone(), found, why: said.join("; ") }
    }
}

/// Deals with the `missing` videos on the job's threads; each goes to the journal at once. `done` is told whether it
/// became a clip.
fn annotate_all(
    job: &ClipsJob,
    missing: &[&Video],
    parts: &Parts,
    mut done: impl FnMut(bool),
) -> Result<(), DataError> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (send, receive) = mpsc::channel();
    let mut failed = None;
    std::thread::scope(|scope| {
        for _ in 0..job.workers.min(missing.len()) {
            let (send, next, stop) = (send.clone(), &next, &stop);
            scope.spawn(move || {
                let mut annotator = match ClipAnnotator::new() {
                    Ok(annotator) => annotator,
                    Err(e) => return drop(send.send(Err(e))),
                };
                while !stop.load(Ordering::Relaxed) {
                    let Some(video) = missing.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
                    if send.send(deal_with(job, video, parts, &mut annotator)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        for fate in receive {
            match fate {
                Ok(found) => done(found),
                Err(e) => {
                    stop.store(true, Ordering::Relaxed);
                    failed.get_or_insert(e);
                }
            }
        }
    });
    failed.map_or(Ok(()), Err)
}

/// One video into the journal; whether it became a clip.
fn deal_with(job: &ClipsJob, video: &Video, parts: &Parts, annotator: &mut ClipAnnotator) -> Result<bool, DataError> {
    let key = job.key(video);
    match annotator.clip(job, video)? {
        Ok(data) => parts.keep_clip(&key, &data, &job.info(0, &key)).map(|()| true),
        Err((reason, why)) => parts.keep_refusal(&key, reason, &why).map(|()| false),
    }
}

/// A clip, or why there is none.
pub(crate) type Fate = Result<crate::writer::ShardData, (Reason, String)>;
