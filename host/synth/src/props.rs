//! What a head wears: hair that hangs, spectacles, clothes. Each is a small mesh in the head's own coordinates.

use crate::layout::Surface;
use crate::person::{Glasses, Person};
use crate::random::noise;
use crate::vector::{Vec3, add, along, cross, lerp, scale, smooth, sub, unit};

/// A mesh to be added to a head.
#[derive(Debug, Default)]
pub struct Prop {
    pub points: Vec<Vec3>,
    /// Places for patterns, centimetres.
    pub places: Vec<[f32; 2]>,
    pub triangles: Vec<([u32; 3], Surface)>,
}

impl Prop {
    /// A grid of `rows` x `columns` points from `at`, given both in fractions.
    fn grid(&mut self, rows: u32, columns: u32, surface: Surface, at: impl Fn(f32, f32) -> (Vec3, [f32; 2])) {
        let first = self.points.len() as u32;
        for r in 0..rows {
            for c in 0..columns {
                let (point, place) = at(r as f32 / (rows - 1) as f32, c as f32 / (columns - 1) as f32);
                self.points.push(point);
                self.places.push(place);
            }
        }
        for r in 0..rows - 1 {
            for c in 0..columns - 1 {
                let a = first + r * columns + c;
                let (b, d, e) = (a + 1, a + columns, a + columns + 1);
                self.triangles.extend([([a, d, b], surface), ([b, d, e], surface)]);
            }
        }
    }

    /// A bar with a square section of `2 * half`.
    fn bar(&mut self, a: Vec3, b: Vec3, half: f32) {
        let way = unit(sub(b, a));
        let up = unit(cross(if way[1].abs() < 0.9 { [0.0, 1.0, 0.0] } else { [1.0, 0.0, 0.0] }, way));
        let out = cross(way, up);
        let first = self.points.len() as u32;
        for end in [along(a, way, -half), along(b, way, half)] {
            for (u, v) in [(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)] {
                self.points.push(add(end, add(scale(up, u * half), scale(out, v * half))));
                self.places.push([0.0, 0.0]);
            }
        }
        for i in 0..4 {
            let (p, q) = (first + i, first + (i + 1) % 4);
            self.triangles.extend([([p, q, p + 4], Surface::Rim), ([q, q + 4, p + 4], Surface::Rim)]);
        }
    }
}

/// Hair hanging from ear to ear behind the face. `half` is half the head's width, `brow` the height of the brows.
pub fn hanging_hair(person: &Person, half: f32, brow: f32) -> Prop {
    let mut prop = Prop::default();
    let seed = person.seed ^ 0x31;
    let bottom = brow - person.hair.hang;
    // How far forward it comes: from in front of the ears to just behind them.
    let start = lerp(1.25, 1.75, 0.5 + 0.5 * noise(seed, 0.5, 0.5));
    prop.grid(14, 40, Surface::Hair, |down, around| {
        let angle = lerp(start, std::f32::consts::TAU - start, around);
        let y = lerp(brow + 3.5, bottom, down);
        let wave = 0.5 * noise(seed, 5.0 * angle, 0.25 * y) + 0.35 * noise(seed ^ 2, 12.0 * angle, 0.1 * y);
        let out = person.hair.thickness * 0.6 + wave * down + 1.6 * smooth(0.2, 1.0, down);
        let (s, c) = angle.sin_cos();
        ([s * (half + 0.35 + out), y, c * (9.3 + out) - 0.2], [9.0 * angle, y])
    });
    prop
}

/// Spectacles before eyes with these middles (picture's left first). `nose` is the nose's bridge between the eyes, `half` half
/// the head's width.
pub fn spectacles(glasses: &Glasses, eyes: [Vec3; 2], nose: Vec3, half: f32) -> Prop {
    const PARTS: u32 = 26;
    let mut prop = Prop::default();
    let front = nose[2].max(eyes[0][2] + 1.0) + 0.35;
    let bent = |x: f32, y: f32| [x, y, front - 0.04 * (x - nose[0]).powi(2)];
    let thick = glasses.thickness / 2.0;
    let mut hinges = [[0.0; 3]; 2];
    let mut inner = [[0.0; 3]; 2];
    for (side, eye) in eyes.iter().enumerate() {
        let out = if side == 0 { -1.0 } else { 1.0 };
        let middle = [eye[0] + 0.15 * out, eye[1] - 0.25];
        let power = 2.0 / glasses.square;
        let at = |i: u32| {
            let (s, c) = (std::f32::consts::TAU * i as f32 / PARTS as f32).sin_cos();
            let x = middle[0] + glasses.half[0] * c.abs().powf(power) * c.signum();
            bent(x, middle[1] + glasses.half[1] * s.abs().powf(power) * s.signum())
        };
        (0..PARTS).for_each(|i| prop.bar(at(i), at(i + 1), thick));
        let edge = |way: f32| bent(middle[0] + way * glasses.half[0], middle[1] + 0.35 * glasses.half[1]);
        (hinges[side], inner[side]) = (edge(out), edge(-out));
        prop.bar(hinges[side], [out * (half + 0.25), eye[1] + 0.4, -0.5], thick);
    }
    let bridge = bent(nose[0], (inner[0][1] + inner[1][1]) / 2.0 + 0.2);
    prop.bar(inner[0], bridge, thick);
    prop.bar(bridge, inner[1], thick);
    prop
}

/// A torso from the collar down.
pub fn clothes(collar: f32) -> Prop {
    // Height below the collar, half width, half depth, centimetres.
    const RINGS: [[f32; 3]; 7] = [
        [0.0, 8.2, 8.0],
        [-1.5, 10.8, 9.0],
        [-3.5, 15.0, 10.5],
        [-6.0, 19.5, 11.5],
        [-10.0, 22.0, 12.5],
        [-20.0, 23.5, 13.0],
        [-45.0, 24.0, 13.0],
    ];
    let mut prop = Prop::default();
    prop.grid(RINGS.len() as u32, 36, Surface::Cloth, |down, around| {
        let [drop, x, z] = RINGS[((down * (RINGS.len() - 1) as f32).round() as usize).min(RINGS.len() - 1)];
        let (s, c) = (std::f32::consts::TAU * around).sin_cos();
        ([-s * x, collar + drop, -c * z - 1.0], [around * 80.0, drop])
    });
    prop
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FaceModel;

    #[test]
    fn props_are_whole_meshes_of_a_head_s_size() {
        let person = Person::draw(1, &FaceModel::sketch());
        let glasses = Glasses { color: [0.0; 3], half: [2.4, 1.8], square: 3.0, thickness: 0.2 };
        let eyes = [[-3.1, 3.5, 9.0], [3.1, 3.5, 9.0]];
        let all = [hanging_hair(&person, 7.9, 6.0), spectacles(&glasses, eyes, [0.0, 3.7, 10.7], 7.9), clothes(-12.0)];
        for prop in all {
            assert_eq!(prop.points.len(), prop.places.len());
            assert!(prop.triangles.iter().flat_map(|(t, _)| t).all(|i| (*i as usize) < prop.points.len()));
            assert!(prop.points.iter().flatten().all(|v| v.abs() < 60.0));
        }
    }

    #[test]
    fn lenses_are_before_the_eyes() {
        let glasses = Glasses { color: [0.0; 3], half: [2.4, 1.8], square: 2.0, thickness: 0.2 };
        let prop = spectacles(&glasses, [[-3.1, 3.5, 9.0], [3.1, 3.5, 9.0]], [0.0, 3.7, 10.7], 7.9);
        let before = prop.points.iter().filter(|p| p[2] > 9.0).count();
        assert!(before > prop.points.len() / 2);
    }
}
