//! From the journal to shards and a report.

use crate::clips::{ClipsJob, ClipsOutcome};
use crate::index::Video;
use crate::parts::{Part, Parts};
use crate::reader::{remove_shards, shard_path};
use crate::refusal::{Reason, Refused};
use crate::shard::FILLED;
use crate::writer::ShardData;
use crate::{Counts, DataError, Shard};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Pixels in a shard at most, bytes: what is held in memory while it is put together.
const SHARD_BYTES: usize = 192 << 20;

/// Clips in a shard at most.
const SHARD_CLIPS: usize = 256;

/// What is written beside the shards when they are complete.
#[derive(Serialize, Deserialize)]
struct Report {
    job: String,
    shards: usize,
    counts: Counts,
    refused: Vec<Refused>,
}

/// The outcome of a job that was finished before: its report and all its shards are there.
pub(crate) fn finished(job: &ClipsJob, id: &str, videos: usize) -> Option<ClipsOutcome> {
    let report: Report = serde_json::from_slice(&std::fs::read(report_path(job)).ok()?).ok()?;
    let shards: Vec<PathBuf> = (0..report.shards).map(|i| shard_path(&job.out, &job.name, i)).collect();
    let whole = |path: &PathBuf| Shard::open(path).is_ok_and(|s| s.info().job == id);
    (report.job == id && shards.iter().all(whole)).then_some(ClipsOutcome {
        shards,
        counts: report.counts,
        resumed: videos,
        refused: report.refused,
    })
}

/// Puts the clips of `videos` together into shards, in their order, and writes the report. `refused` are those whose name
/// was enough.
pub(crate) fn assemble(
    job: &ClipsJob,
    id: &str,
    videos: &[Video],
    mut refused: Vec<Refused>,
    parts: &Parts,
) -> Result<ClipsOutcome, DataError> {
    remove_shards(&job.out, &job.name, 0)?;
    let clip_bytes = job.frames * job.side * job.side * 3;
    let most = (SHARD_BYTES / clip_bytes).clamp(1, SHARD_CLIPS);
    let mut outcome = ClipsOutcome::default();
    let mut shard = Open::default();
    for video in videos {
        match parts.get(&job.key(video)) {
            Some(Part::Clip(clip)) => shard.take(video, &clip),
            Some(Part::Refused(reason, why)) => refused.push(Refused { file: video.name.clone(), reason, why }),
            None => return Err(DataError::Detector(format!("no answer for {}", video.name))),
        }
        if shard.data.label.len() == most {
            std::mem::take(&mut shard).write(job, id, &mut outcome)?;
        }
    }
    if !shard.data.label.is_empty() {
        shard.write(job, id, &mut outcome)?;
    }
    refused.sort_by(|a, b| a.file.cmp(&b.file));
    if outcome.shards.is_empty() {
        return Err(job.no_clip(videos.len(), &refused));
    }
    outcome.counts.corrupt = refused.iter().filter(|r| r.reason.is_corrupt()).count();
    outcome.counts.left_out = refused.iter().filter(|r| r.reason == Reason::Unwanted).count();
    let report = Report {
        job: id.to_owned(),
        shards: outcome.shards.len(),
        counts: outcome.counts.clone(),
        refused: refused.clone(),
    };
    let path = report_path(job);
    let text = serde_json::to_vec_pretty(&report).map_err(|e| DataError::io(&path)(e.into()))?;
    let partial = path.with_extension("partial");
    std::fs::write(&partial, text).map_err(DataError::io(&partial))?;
    std::fs::rename(&partial, &path).map_err(DataError::io(&path))?;
    Ok(ClipsOutcome { refused, ..outcome })
}

fn report_path(job: &ClipsJob) -> PathBuf {
    job.out.join(format!("{}.json", job.name))
}

/// A shard that is being filled.
#[derive(Default)]
struct Open {
    data: ShardData,
    counts: Counts,
    subjects: Vec<String>,
}

impl Open {
    fn take(&mut self, video: &Video, clip: &Shard) {
        let data = &mut self.data;
        for t in 0..clip.info().frames {
            let f = clip.frame(0, t);
            data.images.extend_from_slice(f.image);
            data.boxes.extend([f.face.x, f.face.y, f.face.w, f.face.h]);
            data.landmarks.extend(f.landmarks.iter().flat_map(|p| [p.x, p.y]));
            data.has_face.push(if f.filled { FILLED } else { u8::from(f.has_face) });
            self.counts.filled += usize::from(f.filled);
        }
        let first = clip.sample(0);
        data.label.push(first.label as u8);
        data.subject.push(first.subject);
        data.picture.extend(clip.picture(0));
        self.counts.samples += 1;
        self.counts.faces += 1;
        let named = &video.named;
        *self.counts.per_label.entry(named.expression.name().to_owned()).or_default() += 1;
        *self.counts.per_subject.entry(named.subject.clone()).or_default() += 1;
        if let Err(place) = self.subjects.binary_search(&named.subject) {
            self.subjects.insert(place, named.subject.clone());
        }
    }

    fn write(self, job: &ClipsJob, id: &str, outcome: &mut ClipsOutcome) -> Result<(), DataError> {
        let index = outcome.shards.len();
        let mut info = job.info(index, id);
        (info.counts, info.subjects) = (self.counts, self.subjects);
        let path = shard_path(&job.out, &job.name, index);
        self.data.write(&path, &info)?;
        outcome.counts.add(&info.counts);
        outcome.shards.push(path);
        Ok(())
    }
}
