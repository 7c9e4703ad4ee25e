//! Made-up persons: form, colouring, hair and habits of the face, each drawn from one seed.

use crate::FaceModel;
use crate::random::Random;
use crate::vector::{Vec3, mix, scale, times};

/// Skin from light to dark, sRGB.
const SKIN: [[u8; 3]; 6] =
    [[246, 214, 190], [232, 188, 154], [212, 160, 120], [178, 122, 84], [124, 80, 54], [82, 52, 38]];

/// Hair: black, dark brown, brown, auburn, blond, light blond, grey, white.
const HAIR: [[u8; 3]; 8] = [
    [22, 19, 18],
    [48, 34, 26],
    [84, 58, 38],
    [106, 54, 32],
    [150, 112, 66],
    [196, 164, 110],
    [140, 138, 136],
    [208, 206, 202],
];

/// Eyes: dark brown, brown, hazel, green, blue, grey.
const IRIS: [[u8; 3]; 6] = [[48, 28, 16], [88, 52, 26], [112, 88, 48], [86, 112, 72], [82, 120, 158], [122, 130, 138]];

/// How the hair on the head is worn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HairStyle {
    /// None.
    Bald,
    /// A shadow on the skin.
    Cropped,
    /// Thick, and ends above the ears.
    Short,
    /// Hangs beside and behind the face.
    Long,
}

/// Hair on the head. Lengths in centimetres.
#[derive(Debug, Clone, PartialEq)]
pub struct Hair {
    pub style: HairStyle,
    pub color: Vec3,
    /// Forehead between brows and hair.
    pub forehead: f32,
    /// How far the hairline goes back at the temples.
    pub recess: f32,
    /// Thickness above the skin.
    pub thickness: f32,
    /// How far long hair hangs below the brows.
    pub hang: f32,
}

/// Spectacle frames. Lengths in centimetres.
#[derive(Debug, Clone, PartialEq)]
pub struct Glasses {
    pub color: Vec3,
    /// Half of a lens' width and height.
    pub half: [f32; 2],
    /// Exponent of the outline: 2 is round, more is square.
    pub square: f32,
    pub thickness: f32,
}

/// One person. Colours are linear RGB, 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// Seed of what is drawn on the skin.
    pub seed: u32,
    /// Weights of the model's persons' shapes.
    pub form: Vec<f32>,
    /// Factor on each expression shape: the same feeling moves one face more than another.
    pub gains: Vec<f32>,
    pub skin: Vec3,
    pub lips: Vec3,
    pub brow: Vec3,
    /// Half of a brow's thickness at its inner end, centimetres.
    pub brow_half: f32,
    /// How much of the skin a brow hides, 0 to 1.
    pub brow_density: f32,
    pub iris: Vec3,
    pub hair: Hair,
    /// Density of a beard, 0 (none) to 1.
    pub beard: f32,
    /// Density of a moustache, 0 to 1.
    pub moustache: f32,
    /// 0 to 1: how deep lines are.
    pub age: f32,
    pub freckles: f32,
    /// How dark lids and lashes are drawn, 0 to 1.
    pub liner: f32,
    pub glasses: Option<Glasses>,
}

impl Person {
    /// The person of this `seed`.
    pub fn draw(seed: u64, model: &FaceModel) -> Person {
        let mut r = Random::new(seed, "person");
        let form = (0..model.identities()).map(|_| 0.85 * r.normal(2.2)).collect();
        let gains = (0..model.expressions()).map(|_| 1.0 + 0.12 * r.normal(2.0)).collect();
        let masculine = r.chance(0.5);
        let age = r.unit();
        let (skin, darkness) = skin(&mut r);
        let hair = hair(&mut r, masculine, age, darkness);
        let brow = if hair.color[0] > 0.3 { mix(hair.color, linear(HAIR[2]), 0.6) } else { scale(hair.color, 0.8) };
        let bearded = masculine && r.chance(0.45);
        Person {
            seed: r.bits() as u32,
            form,
            gains,
            lips: lips(&mut r, skin, masculine),
            skin,
            brow,
            brow_half: if masculine { r.range(0.32, 0.52) } else { r.range(0.2, 0.4) },
            brow_density: r.range(0.6, 0.95),
            iris: linear(if darkness > 0.5 { r.pick(&IRIS[..2]) } else { r.pick(&IRIS) }),
            beard: if bearded { r.range(0.1, 0.9) } else { 0.0 },
            moustache: if bearded || (masculine && r.chance(0.1)) { r.range(0.1, 0.9) } else { 0.0 },
            age,
            freckles: if darkness < 0.3 && r.chance(0.25) { r.range(0.2, 0.8) } else { 0.0 },
            liner: if masculine { r.range(0.3, 0.6) } else { r.range(0.45, 1.0) },
            glasses: r.chance(0.22).then(|| glasses(&mut r)),
            hair,
        }
    }
}

/// The skin's colour, and how dark it is, 0 to 1.
fn skin(r: &mut Random) -> (Vec3, f32) {
    let darkness = r.unit();
    let at = darkness * (SKIN.len() - 1) as f32;
    let i = (at as usize).min(SKIN.len() - 2);
    let tone = mix(linear(SKIN[i]), linear(SKIN[i + 1]), at - i as f32);
    let tint = [1.0 + r.around(0.06), 1.0 + r.around(0.05), 1.0 + r.around(0.1)];
    (times(tone, tint), darkness)
}

fn lips(r: &mut Random, skin: Vec3, masculine: bool) -> Vec3 {
    let natural = times(skin, [r.range(0.8, 0.95), r.range(0.48, 0.66), r.range(0.5, 0.7)]);
    let painted = linear(r.pick(&[[170, 40, 50], [150, 60, 70], [190, 80, 90], [120, 30, 40]]));
    let paint = if !masculine && r.chance(0.35) { r.range(0.3, 0.8) } else { 0.0 };
    mix(natural, painted, paint)
}

fn hair(r: &mut Random, masculine: bool, age: f32, darkness: f32) -> Hair {
    let colors = if age > 0.75 && r.chance(0.6) {
        &HAIR[6..]
    } else if darkness > 0.45 {
        &HAIR[..2]
    } else {
        &HAIR[..6]
    };
    use HairStyle::*;
    let style = match (masculine, r.unit()) {
        (true, u) if u < 0.12 => Bald,
        (true, u) if u < 0.3 => Cropped,
        (true, u) if u < 0.92 => Short,
        (true, _) => Long,
        (false, u) if u < 0.03 => Cropped,
        (false, u) if u < 0.35 => Short,
        (false, _) => Long,
    };
    Hair {
        style,
        color: scale(linear(r.pick(colors)), r.range(0.7, 1.25)),
        forehead: if r.chance(0.2) { r.range(1.6, 2.6) } else { r.range(2.8, 4.6) },
        recess: if masculine { r.range(0.0, 1.0 + 2.0 * age) } else { r.range(0.0, 0.6) },
        thickness: match style {
            Bald | Cropped => 0.0,
            Short => r.range(0.4, 1.6),
            Long => r.range(0.3, 1.2),
        },
        hang: r.range(5.0, 24.0),
    }
}

fn glasses(r: &mut Random) -> Glasses {
    let rim = r.pick(&[[18, 18, 20], [60, 34, 20], [120, 118, 120], [40, 46, 84], [150, 120, 60]]);
    Glasses {
        color: linear(rim),
        half: [r.range(2.1, 2.7), r.range(1.4, 2.2)],
        square: r.range(2.0, 5.0),
        thickness: r.range(0.1, 0.28),
    }
}

/// Any colour, mostly a dull one.
pub fn dull(r: &mut Random) -> Vec3 {
    let c = linear([r.bits() as u8, r.bits() as u8, r.bits() as u8]);
    let grey = 1.0 - r.unit() * r.unit();
    mix(c, [(c[0] + c[1] + c[2]) / 3.0; 3], grey)
}

/// sRGB bytes as linear light.
pub fn linear(srgb: [u8; 3]) -> Vec3 {
    srgb.map(|v| {
        let v = f32::from(v) / 255.0;
        if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn persons_differ_and_stay_themselves() {
        let model = FaceModel::sketch();
        assert_eq!(Person::draw(5, &model), Person::draw(5, &model));
        assert_ne!(Person::draw(5, &model), Person::draw(6, &model));
    }

    #[test]
    fn every_kind_turns_up() {
        let model = FaceModel::sketch();
        let people: Vec<Person> = (0..400).map(|s| Person::draw(s, &model)).collect();
        use HairStyle::*;
        for style in [Bald, Cropped, Short, Long] {
            assert!(people.iter().any(|p| p.hair.style == style), "{style:?}");
        }
        let share = |f: fn(&Person) -> bool| people.iter().filter(|p| f(p)).count() as f32 / 400.0;
        assert!((0.1..0.35).contains(&share(|p| p.glasses.is_some())));
        assert!((0.1..0.4).contains(&share(|p| p.beard > 0.0)));
        assert!(share(|p| p.skin[1] < 0.1) > 0.1 && share(|p| p.skin[1] > 0.4) > 0.1);
    }
}
