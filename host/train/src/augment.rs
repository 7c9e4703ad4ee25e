//! Stills played as clips: a slowly moving, slightly wrong camera.

use crate::recipe::within;
use mtcae_contract::{Point, Rect};
use mtcae_data::StillRef;
use mtcae_network::SplitMix;
use serde::Deserialize;

/// How far a training sample may be from the picture it is made of; all symmetric around "unchanged".
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augment {
    /// Chance of a mirrored clip, 0 to 1.
    pub flip: f32,
    /// Most rotation, degrees, 0 to 180.
    pub rotate: f32,
    /// Most change of size, as a fraction, 0 to 0.5.
    pub scale: f32,
    /// Most shift, as a fraction of the framing square, 0 to 0.5.
    pub shift: f32,
    /// Most change of contrast and of brightness, as a fraction, 0 to 1.
    pub contrast: f32,
    /// Most change of each colour's brightness on its own, as a fraction, 0 to 1: grey pictures get a tint.
    pub tint: f32,
    /// Chance of a grey rectangle over part of the clip, 0 to 1.
    pub erase: f32,
    /// Most camera motion over the clip, as a fraction of the ranges above, 0 to 1.
    pub motion: f32,
}

/// A similarity transform from the network's square to the stored square, both in fractions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Warp {
    center: Point,
    cos: f32,
    sin: f32,
    flip: bool,
}

impl Warp {
    /// The square `framing`, turned by `degrees` around its centre, mirrored if `flip`.
    pub fn new(framing: Rect, degrees: f32, flip: bool) -> Warp {
        let (sin, cos) = degrees.to_radians().sin_cos();
        Warp { center: framing.center(), cos: cos * framing.w, sin: sin * framing.w, flip }
    }

    /// A point of the network's square in the stored square.
    pub fn to_stored(&self, p: Point) -> Point {
        let x = if self.flip { 0.5 - p.x } else { p.x - 0.5 };
        let y = p.y - 0.5;
        Point { x: self.center.x + self.cos * x - self.sin * y, y: self.center.y + self.sin * x + self.cos * y }
    }

    /// A point of the stored square in the network's square.
    pub fn from_stored(&self, p: Point) -> Point {
        let (x, y) = (p.x - self.center.x, p.y - self.center.y);
        let norm = self.cos * self.cos + self.sin * self.sin;
        let (u, v) = ((self.cos * x + self.sin * y) / norm, (self.cos * y - self.sin * x) / norm);
        Point { x: if self.flip { 0.5 - u } else { u + 0.5 }, y: v + 0.5 }
    }
}

/// What happens to one clip: one warp a frame, one change of light, maybe one erased rectangle.
#[derive(Debug, Clone)]
pub struct Plan {
    /// One a frame.
    pub warps: Vec<Warp>,
    /// Factor on the distance from mid-grey.
    pub contrast: f32,
    /// Added to each colour, in fractions of white.
    pub brightness: [f32; 3],
    /// Fractions of the network's square.
    pub erased: Option<Rect>,
}

impl Augment {
    /// # Errors
    /// The key, the value and what is accepted.
    pub(crate) fn validate(&self) -> Result<(), String> {
        for (key, value, most) in [
            ("augment.flip", self.flip, 1.0),
            ("augment.rotate", self.rotate, 180.0),
            ("augment.scale", self.scale, 0.5),
            ("augment.shift", self.shift, 0.5),
            ("augment.contrast", self.contrast, 1.0),
            ("augment.tint", self.tint, 1.0),
            ("augment.erase", self.erase, 1.0),
            ("augment.motion", self.motion, 1.0),
        ] {
            within(key, value, 0.0, most)?;
        }
        Ok(())
    }

    /// Draws what happens to a clip of `frames` made from a still whose framing square is `framing`.
    pub fn draw(&self, framing: Rect, frames: usize, random: &mut SplitMix) -> Plan {
        let mut around = |most: f32| (random.unit() * 2.0 - 1.0) * most;
        let start: [f32; 4] = [around(self.rotate), around(self.scale), around(self.shift), around(self.shift)];
        let m = self.motion;
        let drift = [around(self.rotate * m), around(self.scale * m), around(self.shift * m), around(self.shift * m)];
        let (contrast, light) = (1.0 + around(self.contrast), around(self.contrast) * 0.5);
        let brightness = [0; 3].map(|_| light + around(self.tint));
        let flip = random.unit() < self.flip;
        let warps = (0..frames)
            .map(|f| {
                let done = f as f32 / (frames - 1).max(1) as f32 - 0.5;
                let [turn, grow, right, down] = std::array::from_fn(|i| start[i] + drift[i] * done);
                let side = framing.w * (1.0 + grow);
                let c = framing.center();
                let (x, y) = (c.x + right * framing.w - side / 2.0, c.y + down * framing.w - side / 2.0);
                Warp::new(Rect { x, y, w: side, h: side }, turn, flip)
            })
            .collect();
        let erased = (random.unit() < self.erase).then(|| {
            let mut part = |from: f32, to: f32| from + random.unit() * (to - from);
            Rect { x: part(0.0, 0.8), y: part(0.0, 0.8), w: part(0.1, 0.4), h: part(0.1, 0.4) }
        });
        Plan { warps, contrast, brightness, erased }
    }
}

/// Box and landmarks of a still as the network should answer them under `warp`.
pub fn targets(still: &StillRef<'_>, warp: &Warp) -> ([f32; 4], [f32; 10]) {
    // A turned box is not a box: keep its size, move its centre.
    let c = warp.from_stored(still.face.center());
    let scale = 1.0 / warp.cos.hypot(warp.sin);
    let (w, h) = (still.face.w * scale, still.face.h * scale);
    let mut points = still.landmarks.map(|p| warp.from_stored(p));
    if warp.flip {
        points.swap(0, 1);
        points.swap(3, 4);
    }
    let mut flat = [0.0; 10];
    for (i, p) in points.iter().enumerate() {
        flat[2 * i] = p.x;
        flat[2 * i + 1] = p.y;
    }
    ([c.x - w / 2.0, c.y - h / 2.0, w, h], flat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warp_goes_there_and_back() {
        for flip in [false, true] {
            let warp = Warp::new(Rect { x: 0.2, y: 0.1, w: 0.6, h: 0.6 }, 17.0, flip);
            let p = Point { x: 0.3, y: 0.8 };
            assert!(warp.from_stored(warp.to_stored(p)).distance(p) < 1e-5);
        }
    }

    #[test]
    fn an_unturned_warp_is_the_framing_square() {
        let warp = Warp::new(Rect { x: 0.2, y: 0.1, w: 0.6, h: 0.6 }, 0.0, false);
        assert!(warp.to_stored(Point { x: 0.0, y: 0.0 }).distance(Point { x: 0.2, y: 0.1 }) < 1e-6);
        assert!(warp.to_stored(Point { x: 1.0, y: 1.0 }).distance(Point { x: 0.8, y: 0.7 }) < 1e-6);
    }
}
