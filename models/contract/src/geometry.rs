//! Points and rectangles in pixels or in fractions of an image; y grows downwards.

use serde::{Deserialize, Serialize};

/// A position; the unit (pixels or fraction of a side) is said where it is used.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Point {
    /// Rightwards from the left edge.
    pub x: f32,
    /// Downwards from the top edge.
    pub y: f32,
}

impl Point {
    /// Straight-line distance to `other`, in the points' own unit.
    pub fn distance(self, other: Point) -> f32 {
        (self.x - other.x).hypot(self.y - other.y)
    }
}

/// An axis-aligned rectangle given by its top-left corner and its size.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Rect {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width, not negative.
    pub w: f32,
    /// Height, not negative.
    pub h: f32,
}

impl Rect {
    /// The whole of an image of `width` x `height` pixels.
    pub fn whole(width: u32, height: u32) -> Rect {
        Rect { x: 0.0, y: 0.0, w: width as f32, h: height as f32 }
    }

    /// The middle of the rectangle.
    pub fn center(&self) -> Point {
        Point { x: self.x + self.w / 2.0, y: self.y + self.h / 2.0 }
    }

    /// Width times height.
    pub fn area(&self) -> f32 {
        self.w * self.h
    }

    /// True when every number is finite and both sides are positive.
    pub fn is_proper(&self) -> bool {
        [self.x, self.y, self.w, self.h].iter().all(|v| v.is_finite()) && self.w > 0.0 && self.h > 0.0
    }

    /// Intersection over union with `other`, 0 to 1; 0 when either is empty.
    pub fn iou(&self, other: &Rect) -> f32 {
        let w = (self.x + self.w).min(other.x + other.w) - self.x.max(other.x);
        let h = (self.y + self.h).min(other.y + other.h) - self.y.max(other.y);
        if w <= 0.0 || h <= 0.0 {
            return 0.0;
        }
        let inter = w * h;
        inter / (self.area() + other.area() - inter)
    }

    /// The square around this rectangle's centre whose side is the longer side grown by `margin` of itself at each end.
    ///
    /// This is framing `face`: the result may reach outside the image; [`crate::Cropper`] repeats the border there.
    pub fn square_with_margin(&self, margin: f32) -> Rect {
        let side = self.w.max(self.h) * (1.0 + 2.0 * margin);
        let c = self.center();
        Rect { x: c.x - side / 2.0, y: c.y - side / 2.0, w: side, h: side }
    }

    /// `p`, given in fractions of this rectangle, in the coordinates this rectangle itself is given in.
    pub fn from_fraction(&self, p: Point) -> Point {
        Point { x: self.x + p.x * self.w, y: self.y + p.y * self.h }
    }

    /// `p`, given in the coordinates this rectangle is given in, as fractions of this rectangle.
    pub fn to_fraction(&self, p: Point) -> Point {
        Point { x: (p.x - self.x) / self.w, y: (p.y - self.y) / self.h }
    }

    /// `inner`, given in fractions of this rectangle, in this rectangle's own coordinates.
    pub fn rect_from_fraction(&self, inner: Rect) -> Rect {
        let p = self.from_fraction(Point { x: inner.x, y: inner.y });
        Rect { x: p.x, y: p.y, w: inner.w * self.w, h: inner.h * self.h }
    }

    /// `inner`, given in this rectangle's own coordinates, in fractions of this rectangle.
    pub fn rect_to_fraction(&self, inner: Rect) -> Rect {
        let p = self.to_fraction(Point { x: inner.x, y: inner.y });
        Rect { x: p.x, y: p.y, w: inner.w / self.w, h: inner.h / self.h }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn iou_of_half_overlapping_squares() {
        let a = Rect { x: 0.0, y: 0.0, w: 2.0, h: 2.0 };
        let b = Rect { x: 1.0, y: 0.0, w: 2.0, h: 2.0 };
        assert!((a.iou(&b) - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(a.iou(&Rect { x: 5.0, ..b }), 0.0);
    }

    #[test]
    fn square_grows_the_longer_side() {
        let r = Rect { x: 10.0, y: 20.0, w: 10.0, h: 20.0 }.square_with_margin(0.25);
        assert_eq!(r, Rect { x: 0.0, y: 15.0, w: 30.0, h: 30.0 });
    }

    proptest! {
        #[test]
        fn fractions_round_trip(x in -50f32..500.0, y in -50f32..500.0, s in 1f32..400.0, px in -100f32..700.0, py in -100f32..700.0) {
            let crop = Rect { x, y, w: s, h: s };
            let p = Point { x: px, y: py };
            let back = crop.from_fraction(crop.to_fraction(p));
            prop_assert!(back.distance(p) < 0.01);
        }
    }
}
