//! Frames of a clip to what a shard stores: one square for all of them, or each frame whole.

use crate::STORE_MARGIN;
use crate::shard::Stored;
use mtcae_contract::{Cropper, Image, LANDMARKS, Point, Rect};

/// A clip as it is stored: pixels of all frames, then boxes and points in fractions of what is stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CutClip {
    pub pixels: Vec<u8>,
    pub boxes: Vec<Rect>,
    /// Ten a frame.
    pub landmarks: Vec<f32>,
}

/// Cuts `frames`, whose faces are `boxes` and `landmarks` (pixels): around the mean of the boxes with [`STORE_MARGIN`], or
/// whole, without keeping their aspect. At least one frame.
pub(crate) fn cut(
    frames: &[Image],
    boxes: &[Rect],
    landmarks: &[[Point; LANDMARKS]],
    stored: Stored,
    side: usize,
    cropper: &mut Cropper,
) -> CutClip {
    let n = boxes.len().max(1) as f32;
    let mean = |f: fn(&Rect) -> f32| boxes.iter().map(f).sum::<f32>() / n;
    let around = Rect { x: mean(|b| b.x), y: mean(|b| b.y), w: mean(|b| b.w), h: mean(|b| b.h) };
    let view = |frame: &Image| match stored {
        Stored::Face => around.square_with_margin(STORE_MARGIN),
        Stored::Whole => Rect::whole(frame.width(), frame.height()),
    };
    let mut pixels = vec![0; frames.len() * side * side * 3];
    for (frame, out) in frames.iter().zip(pixels.chunks_exact_mut(side * side * 3)) {
        cropper.crop_resize(frame, view(frame), side, out);
    }
    let points = frames.iter().zip(landmarks).flat_map(|(frame, points)| {
        let view = view(frame);
        points.iter().flat_map(move |p| {
            let p = view.to_fraction(*p);
            [p.x, p.y]
        })
    });
    CutClip {
        landmarks: points.collect(),
        boxes: frames.iter().zip(boxes).map(|(frame, b)| view(frame).rect_to_fraction(*b)).collect(),
        pixels,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_is_cut_around_where_the_face_was() {
        let boxes = [10.0, 20.0].map(|x| Rect { x, y: 30.0, w: 20.0, h: 20.0 });
        let frames = vec![Image::filled(80, 80, [9, 8, 7]).unwrap(); 2];
        let points = boxes.map(|b| [b.center(); 5]);
        let clip = cut(&frames, &boxes, &points, Stored::Face, 32, &mut Cropper::new());
        assert_eq!(clip.pixels.len(), 2 * 32 * 32 * 3);
        let [a, b] = [clip.boxes[0].center(), clip.boxes[1].center()];
        assert!((a.x + b.x - 1.0).abs() < 1e-5 && (a.y - 0.5).abs() < 1e-5, "{a:?} {b:?}");
        assert!((b.x - a.x - 10.0 / 38.0).abs() < 1e-5);
        assert!(Point { x: clip.landmarks[0], y: clip.landmarks[1] }.distance(a) < 1e-6);
    }

    #[test]
    fn a_whole_frame_keeps_everything_but_its_aspect() {
        let mut wide = Image::filled(80, 40, [0; 3]).unwrap();
        wide.rgb_mut()[..40 * 3].fill(200);
        let face = Rect { x: 20.0, y: 10.0, w: 20.0, h: 20.0 };
        let clip = cut(&[wide], &[face], &[[face.center(); 5]], Stored::Whole, 40, &mut Cropper::new());
        assert_eq!(clip.boxes[0], Rect { x: 0.25, y: 0.25, w: 0.25, h: 0.5 });
        assert_eq!(clip.landmarks[..2], [0.375, 0.5]);
        assert!(clip.pixels[0] > 150 && clip.pixels[39 * 3] < 50, "the left half of the first row is bright");
    }
}
