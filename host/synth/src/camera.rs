//! A pinhole camera that has been pointed at a face.

use crate::map::FaceMap;
use crate::random::{Random, noise};
use crate::vector::Vec3;
use mtcae_contract::Point;

/// Height of a mean face from brows to chin, centimetres: what [`Camera::draw`] measures faces by.
const FACE_HEIGHT: f32 = 14.0;

/// Smallest face, pixels from brows to chin.
const SMALLEST: f32 = 26.0;

/// Where a camera stands and looks.
#[derive(Debug, Clone, PartialEq)]
pub struct Camera {
    /// From the head's middle, centimetres.
    distance: f32,
    /// Pixels a unit of slope.
    focal: f32,
    /// Pixel of the head's middle.
    middle: [f32; 2],
    /// How far the hand that holds it shakes, pixels, and how fast.
    shake: f32,
    speed: f32,
    seed: u32,
}

impl Camera {
    /// A camera for frames of `size` pixels a side. The face takes a fifth to three fifths of the height, anywhere in the frame.
    pub fn draw(r: &mut Random, size: usize, map: &FaceMap) -> Camera {
        let size = size as f32;
        let share = match r.unit() {
            u if u < 0.8 => r.range(0.34, 0.6),
            _ => r.range(0.2, 0.34),
        };
        let height = (share * size).max(SMALLEST);
        let distance = r.range(45.0, 160.0);
        let focal = height / FACE_HEIGHT * (distance - 9.0);
        // With forehead and hair.
        let room = ((size - 1.5 * height) / 2.0).max(0.0);
        // Off-centre a little, or anywhere.
        let off = if r.chance(0.7) { 0.35 } else { 1.0 };
        let (x, y) = (off * r.around(room), off * r.around(room));
        // The middle of the face, between brows and chin, is lower than the model's origin.
        let below = (map.brow_height() + map.chin()) / 2.0;
        let middle = [size / 2.0 + x, size / 2.0 + y + below * focal / (distance - 9.0)];
        let shake = if r.chance(0.4) { r.range(0.0, 0.012) * size } else { 0.0 };
        Camera { distance, focal, middle, shake, speed: r.range(0.1, 0.5), seed: r.bits() as u32 }
    }

    /// How far the picture is shaken at `frame`, pixels.
    pub fn shake(&self, frame: usize) -> [f32; 2] {
        let t = self.speed * frame as f32;
        [self.shake * noise(self.seed, t, 0.0), self.shake * noise(self.seed ^ 1, t, 0.0)]
    }

    /// Pixel and 1 / distance of a point of the world.
    pub fn see(&self, p: Vec3, shake: [f32; 2]) -> [f32; 3] {
        let near = 1.0 / (self.distance - p[2]);
        let k = self.focal * near;
        [self.middle[0] + shake[0] + k * p[0], self.middle[1] + shake[1] - k * p[1], near]
    }

    /// Direction from a point of the world towards the camera, length 1.
    pub fn from(&self, p: Vec3) -> Vec3 {
        crate::vector::unit([-p[0], -p[1], self.distance - p[2]])
    }
}

/// The pixel of a seen point.
pub fn pixel(seen: [f32; 3]) -> Point {
    Point { x: seen[0], y: seen[1] }
}

/// The five landmarks (left eye, right eye, nose, left and right mouth corner as seen in the image) of a model's 68 points.
pub fn five(points: impl Fn(usize) -> Point) -> [Point; 5] {
    let middle = |from: usize| {
        let (mut x, mut y) = (0.0, 0.0);
        for p in (from..from + 6).map(&points) {
            x += p.x / 6.0;
            y += p.y / 6.0;
        }
        Point { x, y }
    };
    [middle(36), middle(42), points(30), points(48), points(54)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FaceModel;

    #[test]
    fn right_is_right_up_is_up_and_near_is_large() {
        let model = FaceModel::sketch();
        let map = FaceMap::new(model.neutral(), model.layout());
        for seed in 0..200 {
            let camera = Camera::draw(&mut Random::new(seed, "camera"), 128, &map);
            let at = |p| camera.see(p, [0.0; 2]);
            let (o, x, y, z) = (at([0.0; 3]), at([1.0, 0.0, 0.0]), at([0.0, 1.0, 0.0]), at([1.0, 0.0, 5.0]));
            assert!(x[0] > o[0] && y[1] < o[1] && z[0] > x[0] && z[2] > o[2]);
            let (brow, chin) = (at([0.0, map.brow_height(), 9.0])[1], at([0.0, map.chin(), 9.0])[1]);
            assert!((20.0..105.0).contains(&(chin - brow)), "{seed}: {}", chin - brow);
            assert!(brow > 0.0 && chin < 128.0, "{seed}: {brow} {chin}");
        }
    }
}
