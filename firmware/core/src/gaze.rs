//! The square a face's clips are cut along, and the crops already cut.

use crate::GazeSettings;
use crate::ring::zero;
use mtcae_contract::{Cropper, Framing, Image, Rect};
use std::collections::VecDeque;

/// Largest side of a crop, in the picture's longer side; the cropper itself gives up at 4.
const MAX_SIDE: f32 = 3.0;

/// Chooses one square for whole clips; keeps it while the face stays within a tolerance, so that crops can be used again.
#[derive(Debug, Clone)]
pub struct Gaze {
    framing: Framing,
    move_tolerance: f32,
    size_tolerance: f32,
    crop: Option<Rect>,
}

impl Gaze {
    /// A gaze that has seen no face yet.
    pub fn new(framing: Framing, settings: &GazeSettings) -> Gaze {
        Gaze { framing, move_tolerance: settings.move_tolerance, size_tolerance: settings.size_tolerance, crop: None }
    }

    /// The crop for a face at `face` (pixels) in a picture of `width` x `height`.
    pub fn aim(&mut self, face: Rect, width: u32, height: u32) -> Rect {
        let crop = match self.framing {
            Framing::Whole => Rect::whole(width, height),
            Framing::Face { margin } => {
                let wanted = within(face.square_with_margin(margin), width, height);
                self.crop.filter(|c| self.tolerates(c, &wanted)).unwrap_or(wanted)
            }
        };
        self.crop = Some(crop);
        crop
    }

    fn tolerates(&self, crop: &Rect, wanted: &Rect) -> bool {
        let (a, b) = (crop.center(), wanted.center());
        let reach = self.move_tolerance * crop.w;
        let ratio = (wanted.w / crop.w).max(crop.w / wanted.w);
        (a.x - b.x).abs() <= reach && (a.y - b.y).abs() <= reach && ratio <= 1.0 + self.size_tolerance
    }
}

/// The nearest square that the cropper takes as it is: its centre in the picture, not absurdly large.
fn within(crop: Rect, width: u32, height: u32) -> Rect {
    let (w, h) = (width as f32, height as f32);
    let side = crop.w.clamp(2.0, MAX_SIDE * w.max(h));
    let c = crop.center();
    Rect { x: c.x.clamp(0.0, w) - side / 2.0, y: c.y.clamp(0.0, h) - side / 2.0, w: side, h: side }
}

/// Crops already cut along the present square, one for each frame at most.
pub struct CropCache {
    size: usize,
    crop: Option<Rect>,
    /// Ascending by frame key.
    entries: VecDeque<(u64, Vec<u8>)>,
    spare: Vec<Vec<u8>>,
    made: u64,
}

impl CropCache {
    /// An empty cache of crops of `size` x `size` pixels.
    pub fn new(size: usize) -> CropCache {
        CropCache { size, crop: None, entries: VecDeque::new(), spare: Vec::new(), made: 0 }
    }

    /// Chooses the square for the calls of [`CropCache::get`] that follow, and forgets frames that are not `held` any
    /// more. Another square than the last one makes all crops worthless.
    pub fn begin(&mut self, crop: Rect, held: impl Fn(u64) -> bool) {
        let same = self.crop == Some(crop);
        self.crop = Some(crop);
        let spare = &mut self.spare;
        self.entries.retain_mut(|(key, bytes)| {
            let keep = same && held(*key);
            if !keep {
                spare.push(std::mem::take(bytes));
            }
            keep
        });
    }

    /// The crop of the frame `key`, RGB, `size * size * 3` bytes; cut now unless it was before.
    pub fn get(&mut self, cropper: &mut Cropper, key: u64, image: &Image) -> &[u8] {
        let at = self.entries.partition_point(|(k, _)| *k < key);
        if self.entries.get(at).is_none_or(|(k, _)| *k != key) {
            let mut bytes = self.spare.pop().unwrap_or_default();
            bytes.resize(self.size * self.size * 3, 0);
            let crop = self.crop.unwrap_or_else(|| Rect::whole(image.width(), image.height()));
            cropper.crop_resize(image, crop, self.size, &mut bytes);
            self.made += 1;
            self.entries.insert(at, (key, bytes));
        }
        &self.entries[at].1
    }

    /// Crops held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when no crop is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Crops cut since the start.
    pub fn made(&self) -> u64 {
        self.made
    }

    /// Overwrites every pixel and forgets all crops.
    pub fn wipe(&mut self) {
        self.spare.extend(self.entries.drain(..).map(|(_, bytes)| bytes));
        self.spare.iter_mut().for_each(|bytes| zero(bytes));
        self.spare.clear();
        self.crop = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gaze() -> Gaze {
        Gaze::new(Framing::Face { margin: 0.25 }, &GazeSettings::default())
    }

    const FACE: Rect = Rect { x: 100.0, y: 100.0, w: 80.0, h: 100.0 };

    #[test]
    fn small_moves_keep_the_crop_and_large_ones_do_not() {
        let mut g = gaze();
        let first = g.aim(FACE, 640, 360);
        assert_eq!(first, FACE.square_with_margin(0.25));
        assert_eq!(g.aim(Rect { x: 110.0, ..FACE }, 640, 360), first);
        assert_eq!(g.aim(Rect { h: 110.0, ..FACE }, 640, 360), first);
        let moved = g.aim(Rect { x: 113.0, ..FACE }, 640, 360);
        assert_ne!(moved, first);
        assert_eq!(moved, g.aim(Rect { x: 107.0, ..FACE }, 640, 360), "holds the new place in turn");
        let grown = Rect { x: 95.0, y: 88.0, w: 90.0, h: 124.0 };
        assert_eq!(g.aim(grown, 640, 360), grown.square_with_margin(0.25));
    }

    #[test]
    fn whole_framing_takes_the_picture() {
        let mut g = Gaze::new(Framing::Whole, &GazeSettings::default());
        assert_eq!(g.aim(FACE, 640, 360), Rect::whole(640, 360));
    }

    #[test]
    fn a_crop_is_cut_once_for_each_frame_and_square() {
        let image = Image::filled(64, 64, [5; 3]).unwrap();
        let (mut cropper, mut cache) = (Cropper::new(), CropCache::new(16));
        let square = Rect { x: 4.0, y: 4.0, w: 32.0, h: 32.0 };
        for round in 0..3 {
            cache.begin(square, |_| true);
            for key in [3, 1, 2, 3] {
                assert_eq!(cache.get(&mut cropper, key, &image), [5; 16 * 16 * 3], "{round}");
            }
        }
        assert_eq!((cache.made(), cache.len()), (3, 3));
        cache.begin(square, |key| key == 3);
        assert_eq!(cache.len(), 1);
        cache.begin(Rect { x: 5.0, ..square }, |_| true);
        assert!(cache.is_empty());
        cache.get(&mut cropper, 3, &image);
        assert_eq!(cache.made(), 4);
        cache.wipe();
        assert!(cache.is_empty());
    }

    proptest! {
        #[test]
        fn the_cropper_never_replaces_a_crop(x in -900f32..900.0, y in -900f32..900.0, w in 0.01f32..2000.0, h in 0.01f32..2000.0) {
            let crop = gaze().aim(Rect { x, y, w, h }, 320, 240);
            prop_assert!(crop.is_proper() && crop.iou(&Rect::whole(320, 240)) > 0.0 && crop.w <= 4.0 * 320.0);
        }
    }
}
