//! What a network is shown of a sample: its face in the middle, or off it as far as a board's crop may be.

use mtcae_contract::Rect;
use mtcae_data::{Stills, Stored};
use mtcae_network::SplitMix;

/// Most shift to each side, as a share of the square's own: as far as a face may move before a board cuts another square
/// (`gaze.move_tolerance`).
const SHIFT: f32 = 0.08;

/// Most change of the square's side, as a share of the smaller one (`gaze.size_tolerance`).
const SIZE: f32 = 0.15;

/// How samples are framed.
///
/// A square around the very box that is to be found has it in the middle, at one size: whoever always answers the same box is
/// nearly right. So boxes and landmarks are scored off the centre.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    margin: f32,
    off_centre: bool,
}

impl View {
    /// The face in the middle with `margin` around it.
    pub fn centred(margin: f32) -> View {
        View { margin, off_centre: false }
    }

    /// The same moved and sized as far as a board's square may be off, by chance, but always the same for a picture.
    pub fn off_centre(margin: f32) -> View {
        View { margin, off_centre: true }
    }

    /// What the network sees of sample `i` in all its frames, in fractions of the stored picture.
    ///
    /// # Panics
    /// When `i` is not below [`Stills::len`].
    pub fn of(&self, data: &Stills, i: usize) -> Rect {
        let square = data.framing(i, self.margin);
        let sample = data.sample(i);
        // A whole frame has its face wherever it is.
        match self.off_centre && sample.stored == Stored::Face {
            true => moved(square, &mut SplitMix::new(seed(sample.image))),
            false => square,
        }
    }
}

/// The square somewhere near, a little larger or smaller.
fn moved(square: Rect, random: &mut SplitMix) -> Rect {
    let mut around = || random.unit() * 2.0 - 1.0;
    let side = square.w * (1.0 + SIZE).powf(around());
    let c = square.center();
    let (x, y) = (c.x + SHIFT * side * around(), c.y + SHIFT * side * around());
    Rect { x: x - side / 2.0, y: y - side / 2.0, w: side, h: side }
}

/// FNV-1a: the same wherever the picture stands in its data set.
fn seed(image: &[u8]) -> u64 {
    image.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_core::GazeSettings;

    #[test]
    fn a_square_is_as_far_off_as_a_board_lets_its_own_be() {
        let gaze = GazeSettings::default();
        assert_eq!((SHIFT, SIZE), (gaze.move_tolerance, gaze.size_tolerance));
        let square = Rect { x: 0.2, y: 0.2, w: 0.6, h: 0.6 };
        let squares: Vec<Rect> = (0..2000).map(|i| moved(square, &mut SplitMix::new(seed(&[i as u8, 7])))).collect();
        let most = |f: &dyn Fn(&Rect) -> f32| squares.iter().map(f).fold(f32::MIN, f32::max);
        let least = |f: &dyn Fn(&Rect) -> f32| squares.iter().map(f).fold(f32::MAX, f32::min);
        for shift in [&|r: &Rect| (r.center().x - 0.5) / r.w, &|r: &Rect| (r.center().y - 0.5) / r.h]
            as [&dyn Fn(&Rect) -> f32; 2]
        {
            assert!((0.07..0.0801).contains(&most(shift)) && (0.07..0.0801).contains(&-least(shift)));
        }
        let size = |r: &Rect| r.w / 0.6;
        assert!((1.13..1.1501).contains(&most(&size)) && (0.869..0.89).contains(&least(&size)));
        // Within what a shard stores around a face, 1.9 of its longer side where the square is 1.2 of it.
        let stored = square.square_with_margin(0.45 / 1.2 - 0.1 / 1.2);
        let inside = |r: &Rect| r.x >= stored.x && r.y >= stored.y && r.x + r.w <= stored.x + stored.w;
        assert!(squares.iter().all(inside));
    }
}
