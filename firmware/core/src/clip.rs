//! From the ring's frames to one clip.

use crate::ring::{clip_span, zero};
use crate::{CropCache, Ring};
use mtcae_contract::{Clip, ClipSpec, Cropper, Micros, Rect, sample_nearest};

/// A clip and what it was made of.
#[derive(Debug)]
pub struct Assembled {
    /// What the network takes.
    pub clip: Clip,
    /// Capture time of the newest frame.
    pub captured: Micros,
    /// Width of the frames, pixels.
    pub width: u32,
    /// Height of the frames, pixels.
    pub height: u32,
    /// Share of the clip's time that the ring covers, 0 to 1; below 1 the oldest frame repeats.
    pub filled: f32,
    /// Different frames in the clip.
    pub distinct: usize,
}

/// Makes clips; keeps its buffers between calls.
pub struct Assembler {
    spec: ClipSpec,
    cropper: Cropper,
    times: Vec<Micros>,
    /// One for each clip that was out at once.
    spare: Vec<Vec<u8>>,
}

impl Assembler {
    /// For clips of the given shape.
    pub fn new(spec: ClipSpec) -> Assembler {
        Assembler { spec, cropper: Cropper::new(), times: Vec::new(), spare: Vec::new() }
    }

    /// The clip that ends at the ring's newest frame, cut along `crop`. `None` when the ring is empty.
    pub fn assemble(&mut self, ring: &mut Ring, crops: &mut CropCache, crop: Rect) -> Option<Assembled> {
        let newest = ring.newest()?;
        let (captured, width, height) = (newest.captured, newest.image.width(), newest.image.height());
        self.times.clear();
        self.times.extend(ring.times());
        let span = clip_span(&self.spec).max(1);
        let picks = sample_nearest(&self.times, captured, span, self.spec.frames);
        crops.begin(crop, |key| ring.holds(key));
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.clear();
        // At once: memory that is left behind while it grows would keep its pixels.
        bytes.reserve(self.spec.frames * self.spec.size * self.spec.size * 3);
        for &index in &picks {
            let (key, frame) = ring.get(index)?;
            bytes.extend_from_slice(crops.get(&mut self.cropper, key, &frame.image));
            ring.mark_used(index);
        }
        let covered = (captured - self.times[0]) as f32 / span as f32;
        let distinct = 1 + picks.windows(2).filter(|w| w[0] != w[1]).count();
        let clip = Clip { bytes, frames: self.spec.frames, size: self.spec.size, crop };
        Some(Assembled { clip, captured, width, height, filled: covered.min(1.0), distinct })
    }

    /// Takes back a clip that is done with, to use its memory again.
    pub fn give_back(&mut self, clip: Clip) {
        self.spare.push(clip.bytes);
    }

    /// Takes back a clip that nobody may see any more: it is overwritten.
    pub fn overwrite(&mut self, clip: Clip) {
        overwrite(clip.bytes);
    }

    /// Overwrites every pixel kept.
    pub fn wipe(&mut self) {
        self.cropper.wipe();
        self.spare.drain(..).for_each(overwrite);
    }
}

/// All of the memory, not only what is in use.
fn overwrite(mut bytes: Vec<u8>) {
    bytes.resize(bytes.capacity(), 0);
    zero(&mut bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GapSettings, RingLimits};
    use mtcae_contract::{Frame, Image};
    use std::sync::Arc;

    const SPEC: ClipSpec = ClipSpec { frames: 16, size: 16, seconds: 1.0 };
    const SQUARE: Rect = Rect { x: 8.0, y: 8.0, w: 16.0, h: 16.0 };

    fn push(ring: &mut Ring, i: u64, fps: u64) {
        let image = Arc::new(Image::filled(32, 32, [i as u8; 3]).unwrap());
        ring.push(Frame { image, captured: i * 1_000_000 / fps, seq: i as u32 });
    }

    fn ring() -> Ring {
        Ring::new(RingLimits::for_clip(&SPEC), GapSettings::default())
    }

    #[test]
    fn frames_are_spread_over_the_clips_seconds_and_end_at_the_newest() {
        let (mut ring, mut crops, mut maker) = (ring(), CropCache::new(16), Assembler::new(SPEC));
        assert!(maker.assemble(&mut ring, &mut crops, SQUARE).is_none());
        push(&mut ring, 0, 30);
        let first = maker.assemble(&mut ring, &mut crops, SQUARE).unwrap();
        assert_eq!((first.filled, first.distinct), (0.0, 1));
        for i in 1..=60 {
            push(&mut ring, i, 30);
        }
        let made = maker.assemble(&mut ring, &mut crops, SQUARE).unwrap();
        assert_eq!((made.filled, made.distinct, made.captured), (1.0, 16, 2_000_000));
        let shown: Vec<u8> = made.clip.bytes.chunks(16 * 16 * 3).map(|c| c[0]).collect();
        assert_eq!(shown, [30, 32, 34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60]);
    }

    #[test]
    fn a_slow_camera_repeats_frames() {
        let (mut ring, mut crops, mut maker) = (ring(), CropCache::new(16), Assembler::new(SPEC));
        for i in 0..12 {
            push(&mut ring, i, 4);
        }
        let made = maker.assemble(&mut ring, &mut crops, SQUARE).unwrap();
        assert_eq!((made.filled, made.distinct), (1.0, 5));
        assert_eq!(made.clip.bytes.len(), 16 * 16 * 16 * 3);
    }

    /// A steady face costs at most one crop for each new frame, however often it is inferred.
    #[test]
    fn crops_of_a_steady_face_are_used_again() {
        for (fps, every) in [(15, 1), (30, 1), (30, 3), (60, 4)] {
            let (mut ring, mut crops, mut maker) = (ring(), CropCache::new(16), Assembler::new(SPEC));
            for i in 0..2 * fps {
                push(&mut ring, i, fps);
            }
            // Frames on both sides of the clip's moments are cut during the first few clips.
            for i in 2 * fps..3 * fps {
                push(&mut ring, i, fps);
                maker.assemble(&mut ring, &mut crops, SQUARE).unwrap();
            }
            let (before, mut clips) = (crops.made(), 0);
            for i in 3 * fps..13 * fps {
                push(&mut ring, i, fps);
                if i % every == 0 {
                    let made = maker.assemble(&mut ring, &mut crops, SQUARE).unwrap();
                    maker.give_back(made.clip);
                    clips += 1;
                }
                assert!(crops.len() <= RingLimits::for_clip(&SPEC).frames);
            }
            let cut = crops.made() - before;
            assert!(cut <= 10 * fps, "{fps} fps, every {every}: {cut} crops for {clips} clips");
        }
    }
}
