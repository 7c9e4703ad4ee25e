//! Lamps and sky, and what they do to a point of a surface.

use crate::random::Random;
use crate::vector::{Vec3, add, dot, lerp, mix, scale, times, unit};

/// How far light creeps around edges of skin, for each colour: red farthest.
const WRAP: Vec3 = [0.32, 0.18, 0.14];

/// A lamp far away.
#[derive(Debug, Clone, PartialEq)]
struct Lamp {
    /// Direction towards it, length 1.
    toward: Vec3,
    color: Vec3,
}

/// The light of a clip.
#[derive(Debug, Clone, PartialEq)]
pub struct Light {
    sky: Vec3,
    ground: Vec3,
    lamps: Vec<Lamp>,
}

impl Light {
    /// Draws the light of a room or of the open.
    pub fn draw(r: &mut Random) -> Light {
        let around = |yaw: f32, least: f32, most: f32, r: &mut Random| {
            let (yaw, pitch) = (yaw + r.around(0.3), r.range(least, most));
            unit([yaw.sin() * pitch.cos(), pitch.sin(), yaw.cos() * pitch.cos()])
        };
        let warmth = r.around(0.22);
        let tint = |k: f32| [1.0 + k, 1.0, 1.0 - k];
        // From soft light from everywhere to one hard lamp.
        let hardness = r.range(0.25, 0.85);
        let key_yaw = r.around(1.2);
        let key = Lamp { toward: around(key_yaw, -0.1, 1.0, r), color: scale(tint(warmth), hardness * 1.2) };
        let fill = Lamp {
            toward: around(-key_yaw, -0.2, 0.5, r),
            color: scale(tint(-warmth), 0.5 * r.unit() * (1.0 - hardness)),
        };
        let mut lamps = vec![key, fill];
        if r.chance(0.25) {
            let side = if key_yaw > 0.0 { -2.3 } else { 2.3 };
            lamps
                .push(Lamp { toward: around(side, 0.0, 0.7, r), color: scale(tint(r.around(0.3)), r.range(0.3, 0.9)) });
        }
        let base = lerp(0.75, 0.3, hardness);
        let sky = scale(tint(r.around(0.12)), base * r.range(0.9, 1.2));
        let ground = scale(tint(r.range(0.0, 0.15)), base * r.range(0.45, 0.9));
        let mut light = Light { sky, ground, lamps };
        // A face that looks at the camera is lit about alike in all clips; exposure differs later.
        let (front, _) = light.at(unit([0.0, 0.1, 1.0]), [0.0, 0.0, 1.0]);
        let k = 0.95 / (front[0] + front[1] + front[2]).max(0.3) * 3.0;
        light.sky = scale(light.sky, k);
        light.ground = scale(light.ground, k);
        light.lamps.iter_mut().for_each(|l| l.color = scale(l.color, k));
        light
    }

    /// Light that a surface with this `normal` gets to scatter, and light that it mirrors towards `eye` when it shines.
    pub fn at(&self, normal: Vec3, eye: Vec3) -> (Vec3, Vec3) {
        let mut scattered = mix(self.ground, self.sky, 0.5 + 0.5 * normal[1]);
        let mut mirrored = [0.0; 3];
        for lamp in &self.lamps {
            let c = dot(normal, lamp.toward);
            let wrapped = WRAP.map(|w| ((c + w) / (1.0 + w)).max(0.0));
            scattered = add(scattered, times(lamp.color, wrapped));
            if c > 0.0 {
                let half = unit(add(lamp.toward, eye));
                let s = dot(normal, half).max(0.0);
                let (s2, s4) = (s * s, s * s * s * s);
                let s16 = s4 * s4 * s4 * s4;
                mirrored = add(mirrored, scale(lamp.color, 0.2 * s16 * s4 * s2 * c.min(0.5)));
            }
        }
        // Edges mirror the sky.
        let edge = 1.0 - dot(normal, eye).clamp(0.0, 1.0);
        (scattered, add(mirrored, scale(self.sky, 0.12 * edge * edge * edge * edge)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces_are_lit_alike_and_sides_are_not() {
        let mut uneven = 0;
        for seed in 0..100 {
            let light = Light::draw(&mut Random::new(seed, "light"));
            let level = |n: Vec3| light.at(unit(n), [0.0, 0.0, 1.0]).0.iter().sum::<f32>() / 3.0;
            let front = level([0.0, 0.1, 1.0]);
            assert!((0.3..1.2).contains(&front), "{seed}: {front}");
            let (left, right) = (level([-1.0, 0.0, 0.3]), level([1.0, 0.0, 0.3]));
            uneven += usize::from((left - right).abs() > 0.3);
        }
        assert!(uneven > 30, "{uneven}");
    }
}
