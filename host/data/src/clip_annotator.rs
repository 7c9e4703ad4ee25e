//! One video to one clip: decode, find the face in every frame, follow it, cut.

use crate::clips::{ClipsJob, Fate};
use crate::cut::cut;
use crate::ffmpeg::VideoFault;
use crate::follow::{chosen, fill, follow, nearest};
use crate::hash::picture_hash;
use crate::index::Video;
use crate::refusal::Reason;
use crate::shard::FILLED;
use crate::writer::ShardData;
use crate::{DataError, subject_hash};
use mtcae_contract::Cropper;
use mtcae_detect::{Detector, DetectorConfig, TractNets};

/// Annotates videos; one per thread.
pub(crate) struct ClipAnnotator {
    detector: Detector<TractNets>,
    cropper: Cropper,
}

impl ClipAnnotator {
    pub fn new() -> Result<ClipAnnotator, DataError> {
        // Of a video's frames, at most 640 pixels long, a face is an eighth of the shorter side at least; few of the
        // candidates are needed to find the one that is.
        let config = DetectorConfig {
            min_face: 24.0,
            min_face_fraction: 0.125,
            max_candidates: [128, 32, 8],
            ..DetectorConfig::default()
        };
        let nets = TractNets::new().map_err(detector_error)?;
        Ok(ClipAnnotator { detector: Detector::new(nets, config).map_err(detector_error)?, cropper: Cropper::new() })
    }

    /// The clip of `video`, or why there is none.
    pub fn clip(&mut self, job: &ClipsJob, video: &Video) -> Result<Fate, DataError> {
        let frames = match job.tools.frames(&video.path, job.frames) {
            Ok(frames) => frames,
            Err(VideoFault::NoVideo(why)) => return Ok(Err((Reason::NoVideo, why))),
            Err(VideoFault::Broken(why)) => return Ok(Err((Reason::Broken, why))),
            Err(VideoFault::Fatal(e)) => return Err(e),
        };
        let detector = &mut self.detector;
        let person = follow(frames.len(), |t, last| {
            let image = &frames[t];
            let Some(last) = last else {
                return Ok(chosen(&detector.detect(image)?, image.width(), image.height()));
            };
            // Most faces are near where they were; a search there is the whole cascade, too.
            let mut found = nearest(&detector.detect_near(image, last.0.face)?, last);
            if found.is_none() {
                found = nearest(&detector.detect(image)?, last);
            }
            Ok(found.map(|found| (found, 0.0)))
        })
        .map_err(detector_error)?;
        let found = person.iter().flatten().count();
        if found < job.least_faces() {
            let (frames, least) = (frames.len(), job.least_faces());
            let why = format!("a face in {found} of {frames} frames; accepted: at least {least}");
            return Ok(Err((Reason::FewFaces, why)));
        }
        let seen = fill(&person);
        let boxes: Vec<_> = seen.iter().map(|s| s.face).collect();
        let landmarks: Vec<_> = seen.iter().map(|s| s.landmarks).collect();
        let clip = cut(&frames, &boxes, &landmarks, job.stored, job.side, &mut self.cropper);
        let label = job.scheme.labels().index_of(video.named.expression);
        Ok(Ok(ShardData {
            images: clip.pixels,
            boxes: clip.boxes.iter().flat_map(|b| [b.x, b.y, b.w, b.h]).collect(),
            landmarks: clip.landmarks,
            has_face: seen.iter().map(|s| if s.found { 1 } else { FILLED }).collect(),
            // A scheme names no expression that its own set lacks.
            label: vec![label.unwrap_or(0) as u8],
            subject: vec![subject_hash(&video.named.subject)],
            picture: vec![picture_hash(&frames)],
        }))
    }
}

fn detector_error(e: mtcae_detect::DetectError) -> DataError {
    DataError::Detector(e.to_string())
}
