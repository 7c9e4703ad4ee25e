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
    /// Label of the clip that is mixed in, and the share of what it is mixed into, `[clips]`; empty when nothing is mixed.
    pub mixed: Vec<(usize, f32)>,
}

impl Batch {
    /// An empty batch of clips of `frames` frames, `still` when all frames of a clip are one picture.
    pub fn new(frames: usize, size: usize, still: bool) -> Batch {
        Batch { frames, size, stored_frames: if still { 1 } else { frames }, ..Batch::default() }
    }

    /// Adds a clip of these frames, or of one still, played by a moving camera around `framing` (fractions of the stored picture); the
    /// last frame repeats where there are too few.
    pub fn push_augmented(&mut self, shown: &[StillRef<'_>], framing: Rect, augment: &Augment, random: &mut SplitMix) {
        let Some(middle) = shown.get(shown.len() / 2) else { return };
        let at = |i: usize| &shown[i.min(shown.len() - 1)];
        let plan = augment.draw(framing, self.stored_frames, random);
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

    /// Adds the clips of `other`, which has the same sides.
    pub fn append(&mut self, other: Batch) {
        self.clips += other.clips;
        self.pixels.extend(other.pixels);
        self.boxes.extend(other.boxes);
        self.landmarks.extend(other.landmarks);
        self.known.extend(other.known);
        self.labels.extend(other.labels);
        self.mixed.extend(other.mixed);
    }

    /// Mixes each clip with another one (mixup, Zhang et al. 2018): shares from Beta(`alpha`, `alpha`), one for the batch.
    ///
    /// Boxes and landmarks stay those of the larger share; there is no face between two faces.
    pub fn mix(&mut self, alpha: f32, random: &mut SplitMix) {
        let share = beta(alpha, random);
        let kept = share.max(1.0 - share);
        let length = self.pixels.len() / self.clips.max(1);
        let own = self.pixels.clone();
        for (i, clip) in self.pixels.chunks_mut(length.max(1)).enumerate() {
            let other = &own[(self.clips - 1 - i) * length..][..length];
            clip.iter_mut().zip(other).for_each(|(v, o)| *v = kept * *v + (1.0 - kept) * o);
        }
        self.mixed = self.labels.iter().rev().map(|label| (*label, kept)).collect();
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

/// A draw from Beta(`alpha`, `alpha`) for `alpha` up to 1 (Joehnk).
fn beta(alpha: f32, random: &mut SplitMix) -> f32 {
    loop {
        let [x, y] = [0; 2].map(|_| random.unit().powf(1.0 / alpha));
        if x + y <= 1.0 && x + y > 0.0 {
            return x / (x + y);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mixed_clip_is_mostly_itself() {
        let mut random = SplitMix::new(4);
        for _ in 0..50 {
            let mut batch = Batch { clips: 3, pixels: vec![0.0, 0.0, 1.0, 1.0, 2.0, 2.0], ..Batch::new(2, 1, true) };
            batch.labels = vec![5, 6, 7];
            batch.mix(0.8, &mut random);
            let kept = batch.mixed[0].1;
            assert!((0.5..=1.0).contains(&kept));
            assert_eq!(batch.mixed.iter().map(|m| m.0).collect::<Vec<_>>(), [7, 6, 5]);
            let want = [2.0 * (1.0 - kept), 1.0, 2.0 * kept];
            for (pair, want) in batch.pixels.chunks(2).zip(want) {
                assert!((pair[0] - want).abs() < 1e-6 && pair[0] == pair[1], "{pair:?} {want}");
            }
        }
    }

    #[test]
    fn shares_have_the_mean_and_spread_of_their_distribution() {
        let mut random = SplitMix::new(8);
        let draws: Vec<f32> = (0..20_000).map(|_| beta(0.8, &mut random)).collect();
        let mean = draws.iter().sum::<f32>() / draws.len() as f32;
        let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f32>() / draws.len() as f32;
        // 1 / (4 (2 alpha + 1))
        assert!((mean - 0.5).abs() < 0.01 && (variance - 1.0 / 10.4).abs() < 0.003, "{mean} {variance}");
    }
}
