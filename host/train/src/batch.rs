//! A batch: normalised pixels and what the network should answer.

use crate::augment::{Augment, Plan, targets};
use mtcae_contract::{Cropper, Image, Point, Rect};
use mtcae_data::StillRef;
use mtcae_network::SplitMix;

/// Mean and standard deviation of each colour (ImageNet's, DESIGN section 3).
pub const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// See [`MEAN`].
pub const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// Samples side by side, ready to become tensors.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Clips.
    pub clips: usize,
    /// Frames per clip held in `pixels` (1 for a still that stands for a whole tubelet).
    pub stored_frames: usize,
    /// Frames the network counts.
    pub frames: usize,
    /// Side of a frame.
    pub size: usize,
    /// `[clips * stored_frames, 3, size, size]`, normalised.
    pub pixels: Vec<f32>,
    /// `[clips, frames, 4]`.
    pub boxes: Vec<f32>,
    /// `[clips, frames, 10]`.
    pub landmarks: Vec<f32>,
    /// 1 where box and landmarks are known, `[clips]`.
    pub known: Vec<f32>,
    /// `[clips]`.
    pub labels: Vec<usize>,
}

impl Batch {
    /// An empty batch of clips of `frames` frames, `still` when all frames of a clip are one picture.
    pub fn new(frames: usize, size: usize, still: bool) -> Batch {
        Batch { frames, size, stored_frames: if still { 1 } else { frames }, ..Batch::default() }
    }

    /// Adds a clip of these frames, or of one still, played by a moving camera; the last frame repeats where there are too few.
    pub fn push_augmented(&mut self, shown: &[StillRef<'_>], margin: f32, augment: &Augment, random: &mut SplitMix) {
        let Some(middle) = shown.get(shown.len() / 2) else { return };
        let at = |i: usize| &shown[i.min(shown.len() - 1)];
        let plan = augment.draw(middle.framing(margin), self.stored_frames, random);
        for i in 0..self.stored_frames {
            self.warp_frame(at(i), &plan, i);
        }
        for i in 0..self.frames {
            let i = i.min(self.stored_frames - 1);
            let (b, l) = targets(at(i), &plan.warps[i]);
            self.boxes.extend(b);
            self.landmarks.extend(l);
        }
        self.finish(middle);
    }

    /// Adds a clip of these frames (or one still, repeated) as it is, through the firmware's own preprocessing; `framing` is
    /// what the network sees of each, in fractions of the stored picture.
    pub fn push_plain(&mut self, shown: &[StillRef<'_>], framing: Rect, cropper: &mut Cropper) {
        let Some(middle) = shown.get(shown.len() / 2) else { return };
        let at = |i: usize| &shown[i.min(shown.len() - 1)];
        let mut bytes = Vec::new();
        for i in 0..self.stored_frames {
            if i < shown.len() {
                bytes = crop_at(at(i), framing, self.size, cropper);
            }
            for (c, (mean, std)) in MEAN.iter().zip(STD).enumerate() {
                let plane = bytes.iter().skip(c).step_by(3);
                self.pixels.extend(plane.map(|&v| (f32::from(v) / 255.0 - mean) / std));
            }
        }
        for still in (0..self.frames).map(|i| at(i.min(self.stored_frames - 1))) {
            let b = framing.rect_to_fraction(still.face);
            self.boxes.extend([b.x, b.y, b.w, b.h]);
            self.landmarks.extend(still.landmarks.iter().flat_map(|p| {
                let p = framing.to_fraction(*p);
                [p.x, p.y]
            }));
        }
        self.finish(middle);
    }

    fn finish(&mut self, still: &StillRef<'_>) {
        self.known.push(f32::from(u8::from(still.has_face)));
        self.labels.push(still.label);
        self.clips += 1;
    }

    fn warp_frame(&mut self, still: &StillRef<'_>, plan: &Plan, frame: usize) {
        let (size, start) = (self.size, self.pixels.len());
        let area = size * size;
        self.pixels.resize(start + 3 * area, 0.0);
        let out = &mut self.pixels[start..];
        for y in 0..size {
            for x in 0..size {
                let p = Point { x: (x as f32 + 0.5) / size as f32, y: (y as f32 + 0.5) / size as f32 };
                let hidden =
                    plan.erased.is_some_and(|r| p.x >= r.x && p.x < r.x + r.w && p.y >= r.y && p.y < r.y + r.h);
                let rgb = if hidden { [0.5; 3] } else { bilinear(still, plan.warps[frame].to_stored(p)) };
                for (c, value) in rgb.iter().enumerate() {
                    let v = ((value - 0.5) * plan.contrast + 0.5 + plan.brightness[c]).clamp(0.0, 1.0);
                    out[c * area + y * size + x] = (v - MEAN[c]) / STD[c];
                }
            }
        }
    }
}

/// A still's framing square as the board would cut it: `size * size * 3` bytes.
pub fn crop_still(still: &StillRef<'_>, margin: f32, size: usize, cropper: &mut Cropper) -> Vec<u8> {
    crop_at(still, still.framing(margin), size, cropper)
}

/// The square `view` (fractions of the stored square) of a still: `size * size * 3` bytes.
pub fn crop_at(still: &StillRef<'_>, view: Rect, size: usize, cropper: &mut Cropper) -> Vec<u8> {
    let rgb = match still.channels {
        3 => still.image.to_vec(),
        _ => still.image.iter().flat_map(|v| [*v; 3]).collect(),
    };
    let mut out = vec![0; size * size * 3];
    let side = still.side as u32;
    if let Ok(image) = Image::from_rgb(side, side, rgb) {
        let whole = Rect::whole(side, side);
        cropper.crop_resize(&image, whole.rect_from_fraction(view), size, &mut out);
    }
    out
}

/// The colour at `p` (fractions of the stored square), 0 to 1; the border repeats.
fn bilinear(still: &StillRef<'_>, p: Point) -> [f32; 3] {
    let side = still.side;
    let at = |v: f32| (v * side as f32 - 0.5).clamp(0.0, (side - 1) as f32);
    let (x, y) = (at(p.x), at(p.y));
    let (x0, y0) = (x as usize, y as usize);
    let (x1, y1) = ((x0 + 1).min(side - 1), (y0 + 1).min(side - 1));
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let n = still.channels;
    let value = |c: usize| {
        let v = |x: usize, y: usize| f32::from(still.image[(y * side + x) * n + c]);
        let top = v(x0, y0) * (1.0 - fx) + v(x1, y0) * fx;
        let low = v(x0, y1) * (1.0 - fx) + v(x1, y1) * fx;
        (top * (1.0 - fy) + low * fy) / 255.0
    };
    if n == 1 { [value(0); 3] } else { [value(0), value(1), value(2)] }
}
