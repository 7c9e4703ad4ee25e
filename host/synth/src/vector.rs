//! Points and directions in space, and turns of them.

/// A point or a direction: x to the right of the picture, y up, z towards the camera; centimetres where it is a point.
pub type Vec3 = [f32; 3];

pub fn add(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub fn sub(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub fn scale(a: Vec3, k: f32) -> Vec3 {
    [a[0] * k, a[1] * k, a[2] * k]
}

/// `a + b * k`.
pub fn along(a: Vec3, b: Vec3, k: f32) -> Vec3 {
    [a[0] + b[0] * k, a[1] + b[1] * k, a[2] + b[2] * k]
}

/// Component by component.
pub fn times(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] * b[0], a[1] * b[1], a[2] * b[2]]
}

pub fn dot(a: Vec3, b: Vec3) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub fn cross(a: Vec3, b: Vec3) -> Vec3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

pub fn length(a: Vec3) -> f32 {
    dot(a, a).sqrt()
}

/// `a` with length 1; nothing stays nothing.
pub fn unit(a: Vec3) -> Vec3 {
    let l = length(a);
    if l > 1e-12 { scale(a, 1.0 / l) } else { a }
}

/// From `a` (at 0) to `b` (at 1).
pub fn mix(a: Vec3, b: Vec3, t: f32) -> Vec3 {
    along(a, sub(b, a), t)
}

/// From `a` (at 0) to `b` (at 1).
pub fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// 0 at `a` and before, 1 at `b` and behind, smooth between; `a` may be the larger.
pub fn smooth(a: f32, b: f32, x: f32) -> f32 {
    let t = ((x - a) / (b - a)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// The mean of some points; the origin when there are none.
pub fn mean(points: impl IntoIterator<Item = Vec3>) -> Vec3 {
    let (mut sum, mut n) = ([0.0; 3], 0.0f32);
    for p in points {
        sum = add(sum, p);
        n += 1.0;
    }
    scale(sum, 1.0 / n.max(1.0))
}

/// A turn around the origin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Turn([Vec3; 3]);

impl Turn {
    /// First roll (around z, counter-clockwise in the picture), then pitch (around x, looking down is positive), then yaw
    /// (around y, looking to the picture's right is positive); radians.
    pub fn new(yaw: f32, pitch: f32, roll: f32) -> Turn {
        let ((sy, cy), (sp, cp), (sr, cr)) = (yaw.sin_cos(), pitch.sin_cos(), roll.sin_cos());
        Turn([
            [cy * cr + sy * sp * sr, -cy * sr + sy * sp * cr, sy * cp],
            [cp * sr, cp * cr, -sp],
            [-sy * cr + cy * sp * sr, sy * sr + cy * sp * cr, cy * cp],
        ])
    }

    /// `v` turned.
    pub fn apply(&self, v: Vec3) -> Vec3 {
        [dot(self.0[0], v), dot(self.0[1], v), dot(self.0[2], v)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_go_the_way_their_names_say() {
        let nose = [0.0, 0.0, 1.0];
        assert!(Turn::new(0.3, 0.0, 0.0).apply(nose)[0] > 0.2);
        assert!(Turn::new(0.0, 0.3, 0.0).apply(nose)[1] < -0.2);
        assert!(Turn::new(0.0, 0.0, 0.3).apply([1.0, 0.0, 0.0])[1] > 0.2);
        let v = Turn::new(0.3, -0.4, 1.0).apply([1.0, 2.0, 3.0]);
        assert!((length(v) - length([1.0, 2.0, 3.0])).abs() < 1e-5);
    }

    #[test]
    fn smooth_may_fall() {
        assert_eq!((smooth(2.0, 1.0, 3.0), smooth(2.0, 1.0, 0.0), smooth(2.0, 1.0, 1.5)), (0.0, 1.0, 0.5));
    }
}
