//! What makes a face's answer doubtful, from its box, its points and its newest crop.

use crate::Track;
use mtcae_contract::{Clip, LANDMARKS, Point, Rect};
use mtcae_wire::Quality;

/// A face whose shorter side has fewer pixels than this is [`Quality::SMALL`]: a crop of 64 pixels then shows every pixel
/// twice or more often in each direction.
pub const FEWEST_PIXELS: f32 = 32.0;
/// Mean brightness below this is dark, of 255.
const DARK_MEAN: f32 = 40.0;
/// So is a standard deviation below this: fog, a lens cap, a wall behind glass.
const FLAT_DEVIATION: f32 = 10.0;
/// The nose's way from the middle between the eyes, in eye distances, along the line of the eyes: 0 frontal, 0.5 about
/// 45 degrees to a side.
const OBLIQUE_NOSE: f32 = 0.5;
/// The line of the eyes is steeper than this: sine of 40 degrees.
const OBLIQUE_ROLL: f32 = 0.64;
/// Less than this share of the box inside the picture is partly hidden.
const LEAST_INSIDE: f32 = 0.85;
/// The detector is this sure of a whole face.
const WHOLE_FACE_SCORE: f32 = 0.8;
/// A clip of which less than this share of its time is there is partial.
const FULL_CLIP: f32 = 0.9;

/// What one clip says of its own quality.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClipQuality {
    /// Mean brightness of the middle of the newest crop, 0 to 255.
    pub mean: f32,
    /// Its standard deviation.
    pub deviation: f32,
    /// Share of the clip's time that is there, 0 to 1.
    pub filled: f32,
}

impl ClipQuality {
    /// Of a clip of which `filled` is there. Every second pixel of the middle quarter of the newest crop is read.
    pub fn of(clip: &Clip, filled: f32) -> ClipQuality {
        let side = clip.size;
        let newest = clip.bytes.len().saturating_sub(side * side * 3);
        let rows = clip.bytes[newest..].chunks_exact((side * 3).max(1));
        let middle = || rows.clone().skip(side / 4).take(side / 2).step_by(2);
        let pixels = middle().flat_map(|row| row.chunks_exact(3).skip(side / 4).take(side / 2).step_by(2));
        let (mut sum, mut squares, mut n) = (0f32, 0f32, 0f32);
        for rgb in pixels {
            let luma = 0.299 * f32::from(rgb[0]) + 0.587 * f32::from(rgb[1]) + 0.114 * f32::from(rgb[2]);
            sum += luma;
            squares += luma * luma;
            n += 1.0;
        }
        let mean = sum / n.max(1.0);
        ClipQuality { mean, deviation: (squares / n.max(1.0) - mean * mean).max(0.0).sqrt(), filled }
    }

    /// The flags of a face followed as `track` in a picture with the bounds `picture`.
    pub(crate) fn flags(&self, track: &Track, picture: Rect) -> Quality {
        let face = track.face;
        let hidden = track.missing || track.score < WHOLE_FACE_SCORE || share_inside(face, picture) < LEAST_INSIDE;
        let doubts = [
            (Quality::SMALL, face.w.min(face.h) < FEWEST_PIXELS),
            (Quality::DARK, self.mean < DARK_MEAN || self.deviation < FLAT_DEVIATION),
            (Quality::OBLIQUE, is_oblique(&track.landmarks)),
            (Quality::OCCLUDED, hidden),
            (Quality::PARTIAL, self.filled < FULL_CLIP),
        ];
        doubts.iter().filter(|(_, doubt)| *doubt).fold(Quality::GOOD, |all, (flag, _)| all.with(*flag))
    }
}

fn share_inside(face: Rect, picture: Rect) -> f32 {
    let overlap = |a: f32, a_len: f32, b: f32, b_len: f32| ((a + a_len).min(b + b_len) - a.max(b)).max(0.0);
    let inside = overlap(face.x, face.w, picture.x, picture.w) * overlap(face.y, face.h, picture.y, picture.h);
    inside / face.area().max(f32::MIN_POSITIVE)
}

fn is_oblique(points: &[Point; LANDMARKS]) -> bool {
    let [left, right, nose, ..] = *points;
    let (dx, dy) = (right.x - left.x, right.y - left.y);
    let apart = dx.hypot(dy);
    if apart < 1.0 {
        // A profile: one eye covers the other.
        return true;
    }
    let (x, y) = (nose.x - (left.x + right.x) / 2.0, nose.y - (left.y + right.y) / 2.0);
    let aside = (x * dx + y * dy).abs() / (apart * apart);
    aside > OBLIQUE_NOSE || dx < 0.0 || dy.abs() / apart > OBLIQUE_ROLL
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICTURE: Rect = Rect { x: 0.0, y: 0.0, w: 640.0, h: 480.0 };
    const FINE: ClipQuality = ClipQuality { mean: 120.0, deviation: 40.0, filled: 1.0 };

    fn points(nose_x: f32) -> [Point; LANDMARKS] {
        [(130.0, 130.0), (170.0, 130.0), (nose_x, 155.0), (135.0, 180.0), (165.0, 180.0)].map(|(x, y)| Point { x, y })
    }

    fn track() -> Track {
        let face = Rect { x: 100.0, y: 100.0, w: 100.0, h: 110.0 };
        Track::found(3, face, points(150.0), 0.99)
    }

    fn words(clip: ClipQuality, track: &Track) -> String {
        clip.flags(track, PICTURE).words().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_good_face_has_nothing_against_it_and_each_doubt_is_named() {
        assert_eq!(words(FINE, &track()), "");
        assert_eq!(words(ClipQuality { mean: 30.0, ..FINE }, &track()), "dark");
        assert_eq!(words(ClipQuality { deviation: 3.0, ..FINE }, &track()), "dark");
        assert_eq!(words(ClipQuality { filled: 0.5, ..FINE }, &track()), "partial");
        let small = Rect { w: 30.0, ..track().face };
        assert_eq!(words(FINE, &Track { face: small, ..track() }), "small");
        assert_eq!(words(FINE, &Track { missing: true, ..track() }), "occluded");
        assert_eq!(words(FINE, &Track { score: 0.7, ..track() }), "occluded");
        let leaving = Rect { x: -30.0, ..track().face };
        assert_eq!(words(FINE, &Track { face: leaving, ..track() }), "occluded");
        for nose in [125.0, 175.0] {
            assert_eq!(words(FINE, &Track { landmarks: points(nose), ..track() }), "oblique");
        }
        let lying = points(150.0).map(|p| Point { x: p.y, y: p.x });
        assert_eq!(words(FINE, &Track { landmarks: lying, ..track() }), "oblique");
        assert_eq!(words(FINE, &Track { landmarks: [Point::default(); LANDMARKS], ..track() }), "oblique");
    }

    #[test]
    fn brightness_is_that_of_the_newest_crop() {
        let size = 8;
        let old = vec![255u8; 15 * size * size * 3];
        let newest: Vec<u8> = (0..size * size).flat_map(|i| [if i / size % 4 < 2 { 100 } else { 140 }; 3]).collect();
        let bytes = [old, newest].concat();
        let clip = Clip { bytes, frames: 16, size, crop: PICTURE };
        let q = ClipQuality::of(&clip, 0.25);
        assert!((q.mean - 120.0).abs() < 1.0 && (q.deviation - 20.0).abs() < 1.0, "{q:?}");
        assert_eq!(q.filled, 0.25);
        let empty = Clip { bytes: vec![], frames: 16, size: 0, crop: PICTURE };
        assert_eq!(ClipQuality::of(&empty, 1.0).mean, 0.0);
    }
}
