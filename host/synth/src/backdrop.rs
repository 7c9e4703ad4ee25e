//! What is behind a person: walls, windows, shelves, foliage, out of focus.

use crate::person::dull;
use crate::random::{Random, cloud, noise};
use crate::vector::{Vec3, add, lerp, mix, scale, times};

/// A picture larger than the frame, so that the camera may shake.
pub struct Backdrop {
    side: usize,
    /// Pixels beyond the frame on each side.
    border: usize,
    pixels: Vec<Vec3>,
}

impl Backdrop {
    /// Draws one for frames of `size` pixels a side.
    pub fn draw(r: &mut Random, size: usize) -> Backdrop {
        let border = size / 12 + 2;
        let side = size + 2 * border;
        let (top, low) = (dull(r), dull(r));
        let seed = r.bits() as u32;
        let (rough, grain) = (r.range(0.0, 0.9), r.range(1.0, 9.0));
        let mut pixels = Vec::with_capacity(side * side);
        for y in 0..side {
            let v = y as f32 / side as f32;
            for x in 0..side {
                let u = x as f32 / side as f32;
                let n = 1.0 + rough * cloud(seed, grain * u, grain * v);
                pixels.push(scale(mix(top, low, v), n.max(0.02)));
            }
        }
        let mut backdrop = Backdrop { side, border, pixels };
        for _ in 0..r.bits() % 9 {
            let c = dull(r);
            backdrop.thing(r, c);
        }
        if r.chance(0.2) {
            backdrop.stripes(r);
        }
        let blur = r.range(0.0, size as f32 / 24.0) as usize;
        (0..2).for_each(|_| backdrop.blur(blur));
        let level = r.range(0.25, 1.3);
        backdrop.pixels.iter_mut().for_each(|p| *p = scale(*p, level));
        backdrop
    }

    /// The colour behind pixel (`x`, `y`) of a frame whose camera has moved by `shake` pixels.
    pub fn at(&self, x: usize, y: usize, shake: [f32; 2]) -> Vec3 {
        let place = |v: usize, by: f32| ((v + self.border) as f32 - by).clamp(0.0, (self.side - 2) as f32);
        let (u, v) = (place(x, shake[0]), place(y, shake[1]));
        let (i, j) = (u as usize, v as usize);
        let (fu, fv) = (u - i as f32, v - j as f32);
        let row = |j: usize| mix(self.pixels[j * self.side + i], self.pixels[j * self.side + i + 1], fu);
        mix(row(j), row(j + 1), fv)
    }

    /// A rectangle or an ellipse.
    fn thing(&mut self, r: &mut Random, color: Vec3) {
        let side = self.side as f32;
        let (cx, cy) = (r.unit() * side, r.unit() * side);
        let (w, h) = (r.range(0.03, 0.35) * side, r.range(0.03, 0.5) * side);
        let (round, seed, glow) = (r.chance(0.4), r.bits() as u32, r.range(0.5, 1.6));
        for y in (cy - h).max(0.0) as usize..((cy + h).max(0.0) as usize).min(self.side) {
            for x in (cx - w).max(0.0) as usize..((cx + w).max(0.0) as usize).min(self.side) {
                let (u, v) = ((x as f32 - cx) / w, (y as f32 - cy) / h);
                if !round || u * u + v * v < 1.0 {
                    let k = glow * (1.0 + 0.25 * noise(seed, 3.0 * u, 3.0 * v));
                    self.pixels[y * self.side + x] = scale(color, k);
                }
            }
        }
    }

    /// Shelves, blinds, bricks.
    fn stripes(&mut self, r: &mut Random) {
        let (sin, cos) = r.pick(&[(0.0, 1.0), (1.0, 0.0), (0.7f32, 0.7f32)]);
        let (length, dark) = (r.range(0.03, 0.15) * self.side as f32, r.range(0.5, 0.9));
        for y in 0..self.side {
            for x in 0..self.side {
                if ((x as f32 * sin + y as f32 * cos) / length).fract() > 0.5 {
                    let p = &mut self.pixels[y * self.side + x];
                    *p = times(*p, [dark; 3]);
                }
            }
        }
    }

    /// Mean over `2 * radius + 1` pixels, along rows and then columns.
    fn blur(&mut self, radius: usize) {
        if radius == 0 {
            return;
        }
        let n = self.side;
        for along in [1, n] {
            let across = if along == 1 { n } else { 1 };
            let mut line = vec![[0.0; 3]; n];
            for k in 0..n {
                let at = |i: usize| k * across + i.min(n - 1) * along;
                let mut sum = (0..=2 * radius).map(|i| self.pixels[at(i.saturating_sub(radius))]).fold([0.0; 3], add);
                for (i, out) in line.iter_mut().enumerate() {
                    *out = scale(sum, 1.0 / (2 * radius + 1) as f32);
                    let gone = self.pixels[at(i.saturating_sub(radius))];
                    sum = add(sum, add(self.pixels[at(i + radius + 1)], scale(gone, -1.0)));
                }
                line.iter().enumerate().for_each(|(i, c)| self.pixels[at(i)] = c.map(|v| v.max(0.0)));
            }
        }
    }
}

/// A colour for clothes, and how light or dark their pattern is at a place, around 1.
pub fn fabric(seed: u32, [s, t]: [f32; 2]) -> f32 {
    match seed % 4 {
        0 => 1.0 + 0.12 * noise(seed, 0.5 * s, 0.5 * t),
        1 => lerp(0.7, 1.3, f32::from(u8::from((t / 2.5).rem_euclid(1.0) > 0.5))),
        2 => {
            lerp(0.8, 1.2, f32::from(u8::from(((s / 3.0).rem_euclid(1.0) > 0.5) != ((t / 3.0).rem_euclid(1.0) > 0.5))))
        }
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backdrop_covers_the_frame_even_when_shaken() {
        for seed in 0..20 {
            let backdrop = Backdrop::draw(&mut Random::new(seed, "backdrop"), 48);
            for shake in [[-99.0, 99.0], [0.0, 0.0], [3.5, -2.2]] {
                for at in [(0, 0), (47, 47), (20, 30)] {
                    let c = backdrop.at(at.0, at.1, shake);
                    assert!(c.iter().all(|v| v.is_finite() && (0.0..10.0).contains(v)), "{c:?}");
                }
            }
        }
    }

    #[test]
    fn blurring_keeps_the_mean() {
        let mut flat = Backdrop { side: 9, border: 0, pixels: vec![[0.5, 0.25, 1.0]; 81] };
        flat.blur(2);
        assert!(flat.pixels.iter().all(|p| (p[0] - 0.5).abs() < 1e-5 && (p[2] - 1.0).abs() < 1e-5));
    }
}
