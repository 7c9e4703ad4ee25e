//! The self-test that a model takes along: a clip with a face, and what the model's most exact file answers to it.
//!
//! ```text
//! portrait | video -> ring -> face -> gaze -> clip -> fp32 file, or the int8 file where it is alone, in tract -> reference.clip, reference.json
//! ```
//!
//! All but the portrait is what runs on a board. The answer's tolerances are those of the number formats in the folder, as
//! a board runs whichever of them fits it. Where there is a file in int8 alone, its own answer is taken, once it was found near that of
//! the checkpoint: a board then has to come nearer.

use crate::failure::Failure;
use mtcae_contract::{Clip, Cropper, Frame, Image, Manifest, Precision, Rect, ReferenceAnswer};
use mtcae_core::{
    Assembler, Captured, CropCache, Engine, FaceFinder, FrameSource, GapSettings, Gaze, GazeSettings, Ring, RingLimits,
    SourceError, SourceInfo,
};
use mtcae_deploy::{Model, has_checkpoint, tolerance};
use mtcae_detect::DetectorConfig;
use mtcae_drivers::{
    FileOptions, FileSource, MAX_SIDE, ModelFile, MonotonicClock, MtcnnFinder, Pacing, PictureDecoder, TractEngine,
};
use std::f32::consts::TAU;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Eileen Collins, public domain (tests/data/NOTICE.md); inside the program, so that an installed one has it too.
const PORTRAIT: &[u8] = include_bytes!("../../../tests/data/astronaut.png");
/// Frames of a video that are looked at for a face.
const MAX_FRAMES: u32 = 1500;
/// Of frames without a face one in so many is searched.
const SEARCH_EVERY: u32 = 10;
/// How long a video may take for its next frame.
const WAIT: Duration = Duration::from_secs(10);
/// Largest difference accepted of an int8 file in another engine or on another processor, relative to an output's largest value.
/// Seen: 0.017, ONNX Runtime beside tract, on noise. At 0.05 swapped colours would go unnoticed.
const SAME_FILE: f32 = 0.03;

/// The two parts of a model's self-test.
pub struct SelfTest {
    /// Bytes `[T, S, S, 3]`.
    pub clip: Vec<u8>,
    /// The JSON of a [`ReferenceAnswer`].
    pub answer: String,
}

/// Makes the self-test of the model in `folder` from `video` (or a folder of pictures), or from the portrait that ships.
///
/// # Errors
/// When no face is found there, the model does not run, or it answers the same to a black clip.
pub fn make(folder: &Path, manifest: &Manifest, video: Option<&Path>) -> Result<SelfTest, Failure> {
    let clip = face_clip(manifest, video).map_err(|e| refused(e, VIDEO))?;
    let alone = manifest.artifacts.first().filter(|_| manifest.artifact(Precision::Fp32).is_none());
    let precision = alone.map_or(Precision::Fp32, |file| file.precision);
    let mut engine = TractEngine::load(folder, precision, 1).map_err(|e| refused(e, MODEL))?;
    let answer = engine.infer(&clip).map_err(|e| refused(e, MODEL))?;
    let allowed = match alone {
        Some(file) => {
            let right = of_checkpoint(folder)?.infer(&clip).map_err(|e| refused(e, MODEL))?;
            let right = ReferenceAnswer::new(right, tolerance(file.precision)).map_err(|e| refused(e, DEAD))?;
            right
                .check(&answer)
                .map_err(|e| refused(format!("{} beside its checkpoint: {e}", file.file), QUANTIZED))?;
            SAME_FILE
        }
        None => manifest.artifacts.iter().map(|file| tolerance(file.precision)).fold(0.0, f32::max),
    };
    let reference = ReferenceAnswer::new(answer, allowed).map_err(|e| refused(e, DEAD))?;
    let black = Clip { bytes: vec![0; clip.bytes.len()], ..clip.clone() };
    let unmoved = engine.infer(&black).map_err(|e| refused(e, MODEL))?;
    if reference.check(&unmoved).is_ok() {
        return Err(refused("the model answers the same to a face and to a black clip", DEAD));
    }
    let answer = reference.to_json().map_err(|e| refused(e, DEAD))?;
    Ok(SelfTest { clip: clip.bytes, answer })
}

/// The fp32 network of a folder that has no such file.
fn of_checkpoint(folder: &Path) -> Result<TractEngine, Failure> {
    if !has_checkpoint(folder) {
        return Err(refused("the folder has neither an fp32 file nor a checkpoint", MODEL));
    }
    let Model { manifest, fp32: bytes, .. } = Model::open(folder).map_err(|e| refused(e, MODEL))?;
    let file = ModelFile { manifest, precision: Precision::Fp32, path: folder.to_owned(), bytes };
    TractEngine::load_file(&file, 1).map_err(|e| refused(e, MODEL))
}

/// A clip with a face, of `video` (or a folder of pictures), or of the portrait that ships.
///
/// # Errors
/// Why there is none: no face is found there, or it cannot be read.
pub fn face_clip(manifest: &Manifest, video: Option<&Path>) -> Result<Clip, String> {
    let Some(path) = video else {
        return clip_from(&mut MovingCamera::new(manifest)?, manifest);
    };
    let options = FileOptions { pacing: Pacing::Fast, ..FileOptions::default() };
    let clock = Arc::new(MonotonicClock::start());
    let mut source = FileSource::open(path, options, clock).map_err(|e| e.to_string())?;
    clip_from(&mut source, manifest)
}

const VIDEO: &str = "`--reference` takes a video or a folder of pictures in which a face is seen";
const MODEL: &str =
    "the self-test's answer is that of the fp32 file, which `mtcae export` writes and checks, or of the checkpoint";
const QUANTIZED: &str = "make it of this checkpoint again, with `mtcae quantize`";
const DEAD: &str = "a network that does not answer cannot be tested on a board; train it again, then `mtcae export`";

fn refused(reason: impl Display, help: &str) -> Failure {
    Failure::Bundle { reason: format!("no self-test for the model: {reason}"), help: help.to_owned() }
}

/// The first clip with a face at its end.
fn clip_from(source: &mut dyn FrameSource, manifest: &Manifest) -> Result<Clip, String> {
    let spec = manifest.clip;
    let mut ring = Ring::new(RingLimits::for_clip(&spec), GapSettings::default());
    let mut finder = MtcnnFinder::new(DetectorConfig::fast()).map_err(|e| e.to_string())?;
    let (mut begun, mut epoch, mut next_search) = (0, None, 0);
    for seen in 0..MAX_FRAMES {
        let mut ended = false;
        match source.next_frame(WAIT) {
            Ok(Some(Captured { image, captured, seq, .. })) => {
                ring.push(Frame { image: Arc::new(image), captured, seq });
                if epoch.replace(ring.epoch()) != Some(ring.epoch()) {
                    begun = captured;
                }
            }
            Ok(None) => return Err(format!("no frame within {} s", WAIT.as_secs())),
            Err(SourceError::BadFrame(_)) => continue,
            Err(SourceError::End) => ended = true,
            Err(error) => return Err(error.to_string()),
        }
        let covered = ring.newest().map_or(0, |newest| newest.captured - begun);
        let full = covered as f64 >= f64::from(spec.seconds) * 1e6;
        // A video shorter than a clip, or a lone picture, does as well: its first frame then repeats.
        if ended || full && seen >= next_search {
            if let Some(clip) = clip_of(&mut ring, &mut finder, manifest)? {
                return Ok(clip);
            }
            next_search = seen + SEARCH_EVERY;
        }
        if ended {
            break;
        }
    }
    let (name, taken) = (source.info().name, ring.counts().received);
    Err(format!("no face was found in {name}, of which {taken} frame(s) were read"))
}

/// The clip that ends at the ring's newest frame, cut along the largest face in it; `None` without a face.
fn clip_of(ring: &mut Ring, finder: &mut MtcnnFinder, manifest: &Manifest) -> Result<Option<Clip>, String> {
    let Some(newest) = ring.newest() else { return Ok(None) };
    let (image, spec) = (newest.image.clone(), manifest.clip);
    let found = finder.find(&image).map_err(|e| e.to_string())?;
    let Some(face) = found.iter().map(|found| found.face).max_by(|a, b| a.area().total_cmp(&b.area())) else {
        return Ok(None);
    };
    let crop = Gaze::new(manifest.framing, &GazeSettings::default()).aim(face, image.width(), image.height());
    let assembled = Assembler::new(spec).assemble(ring, &mut CropCache::new(spec.size), crop);
    Ok(assembled.map(|assembled| assembled.clip))
}

/// A camera in front of the portrait that is not held quite still, for as long as a clip takes.
struct MovingCamera {
    portrait: Image,
    cropper: Cropper,
    frames: u32,
    seen: u32,
}

impl MovingCamera {
    const FPS: f32 = 30.0;

    fn new(manifest: &Manifest) -> Result<MovingCamera, String> {
        let portrait = PictureDecoder::new(MAX_SIDE).png(PORTRAIT).map_err(|e| e.to_string())?;
        let frames = (manifest.clip.seconds * Self::FPS).ceil() as u32 + 1;
        Ok(MovingCamera { portrait, cropper: Cropper::new(), frames, seen: 0 })
    }

    /// Where the camera looks: a sway of a fiftieth of the picture, drawing a little nearer.
    fn view(&self) -> Rect {
        let (w, h) = (self.portrait.width() as f32, self.portrait.height() as f32);
        let part = self.seen as f32 / self.frames as f32;
        let side = w.min(h) * (0.95 - 0.05 * part);
        let (sway, nod) = (TAU * part).sin_cos();
        Rect { x: (w - side) / 2.0 + 0.02 * w * sway, y: (h - side) / 2.0 + 0.01 * h * nod, w: side, h: side }
    }
}

impl FrameSource for MovingCamera {
    fn info(&self) -> SourceInfo {
        let (width, height) = (self.portrait.width(), self.portrait.height());
        SourceInfo {
            name: "the portrait that ships".to_owned(),
            format: "PNG".to_owned(),
            width,
            height,
            fps: Self::FPS,
        }
    }

    fn next_frame(&mut self, _: Duration) -> Result<Option<Captured>, SourceError> {
        if self.seen == self.frames {
            return Err(SourceError::End);
        }
        let side = self.portrait.width().min(self.portrait.height());
        let mut rgb = vec![0; (side * side * 3) as usize];
        self.cropper.crop_resize(&self.portrait, self.view(), side as usize, &mut rgb);
        let image = Image::from_rgb(side, side, rgb).map_err(|e| SourceError::Refused(e.to_string()))?;
        let (seq, captured) = (self.seen, u64::from(self.seen) * 1_000_000 / Self::FPS as u64);
        self.seen += 1;
        Ok(Some(Captured { image, captured, seq, decode_us: 0 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_contract::{ClipSpec, Framing, LabelSet, Sampling};

    fn manifest(framing: Framing) -> Manifest {
        Manifest {
            format: 1,
            name: "edge".into(),
            version: "0.1.0".into(),
            preset: "edge".into(),
            labels: LabelSet::seven(),
            sampling: Sampling::Uniform,
            temperature: 1.0,
            clip: ClipSpec { frames: 16, size: 80, seconds: 1.0 },
            framing,
            mean: [0.5; 3],
            std: [0.5; 3],
            artifacts: vec![],
        }
    }

    fn difference(a: &[u8], b: &[u8]) -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
    }

    #[test]
    fn the_clip_is_a_face_that_moves_a_little() {
        let mut clips = Vec::new();
        for framing in [Framing::Whole, Framing::Face { margin: 0.1 }] {
            let manifest = manifest(framing);
            let clip = clip_from(&mut MovingCamera::new(&manifest).unwrap(), &manifest).unwrap();
            assert_eq!(clip.bytes.len(), manifest.clip.bytes());
            let frames: Vec<&[u8]> = clip.bytes.chunks(80 * 80 * 3).collect();
            for pair in frames.windows(2) {
                let moved = difference(pair[0], pair[1]);
                assert!((0.5..30.0).contains(&moved), "{framing:?}: from frame to frame {moved} of 255");
            }
            clips.push(clip);
        }
        assert_eq!(clips[0].crop, Rect::whole(512, 512));
        assert!(clips[1].crop.w < 200.0, "{:?}", clips[1].crop);
        assert!(difference(&clips[0].bytes, &clips[1].bytes) > 20.0);
    }
}
