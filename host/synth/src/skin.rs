//! What is on a person's skin, drawn on the sheet of [`crate::map`]: colour, lips, brows, lids, beard, hair, lines.

use crate::map::{BOTTOM, FaceMap, HALF, Place, TOP, bump, to_line, to_outline};
use crate::person::{HairStyle, Person};
use crate::random::{cloud, noise};
use crate::vector::{Vec3, lerp, mix, scale, smooth, times};

/// Pixels of the sheet.
const WIDTH: usize = 512;
const HEIGHT: usize = 288;

/// Half of the width of the part around the face where there is more to draw than skin and hair, centimetres.
const FACE_HALF: f32 = 13.0;

/// A person's sheet.
pub struct Sheet {
    /// Linear colour and, last, how much the surface shines, 0 to 1.
    texels: Vec<[f32; 4]>,
}

/// Light that the skin sends back, and how much it shines.
type Texel = (Vec3, f32);

impl Sheet {
    /// Draws the sheet of `person`.
    pub fn draw(map: &FaceMap, person: &Person) -> Sheet {
        let mut texels = Vec::with_capacity(WIDTH * HEIGHT);
        for row in 0..HEIGHT {
            let y = lerp(TOP, BOTTOM, (row as f32 + 0.5) / HEIGHT as f32);
            for column in 0..WIDTH {
                let s = lerp(-HALF, HALF, (column as f32 + 0.5) / WIDTH as f32);
                let (c, shine) = texel(map, person, [s, y]);
                texels.push([c[0], c[1], c[2], shine]);
            }
        }
        Sheet { texels }
    }

    /// Colour and shine at a place, in [`crate::map::fraction`]s of the sheet, between its pixels; around the back it goes on.
    pub fn at(&self, u: f32, v: f32) -> [f32; 4] {
        let x = (u * WIDTH as f32 - 0.5).max(0.0);
        let y = (v * HEIGHT as f32 - 0.5).clamp(0.0, (HEIGHT - 1) as f32);
        let (x0, y0) = (x as usize, y as usize);
        let (fx, fy) = (x - x0 as f32, y - y0 as f32);
        let (x0, x1, y1) = (x0 % WIDTH, (x0 + 1) % WIDTH, (y0 + 1).min(HEIGHT - 1));
        let [a, b, c, d] = [(x0, y0), (x1, y0), (x0, y1), (x1, y1)].map(|(x, y)| self.texels[y * WIDTH + x]);
        std::array::from_fn(|i| lerp(lerp(a[i], b[i], fx), lerp(c[i], d[i], fx), fy))
    }
}

/// How much a place is covered by the hair on the head, 0 to 1.
pub fn hair_cover(map: &FaceMap, person: &Person, p: Place) -> f32 {
    let rough = 0.35 * noise(person.seed ^ 1, 1.7 * p[0], 1.7 * p[1]);
    let over = p[1] + rough - hairline(map, person, p[0]);
    if person.hair.style == HairStyle::Bald { 0.0 } else { smooth(-0.3, 0.6, over) }
}

/// Height where hair begins at `s` on the sheet.
pub fn hairline(map: &FaceMap, person: &Person, s: f32) -> f32 {
    let front = map.brow_height() + person.hair.forehead;
    let eye = map.eye_middles[0][1];
    let sideburn = eye - 1.8;
    let above_ear = eye + 1.4;
    let nape = eye - 8.0;
    let s = s.abs();
    let temple = person.hair.recess * (-((s - 5.0) / 2.0).powi(2)).exp();
    match s {
        s if s < 7.0 => front - 0.008 * s * s + temple,
        s if s < 11.0 => lerp(front - 0.4, sideburn, smooth(7.0, 11.0, s)) + temple,
        s if s < 12.0 => sideburn,
        s if s < 17.5 => lerp(sideburn, above_ear, smooth(12.0, 12.6, s)),
        s => lerp(above_ear, nape, smooth(17.5, 19.0, s)),
    }
}

fn texel(map: &FaceMap, person: &Person, p: Place) -> Texel {
    let mut t = bare(person, p);
    if p[0].abs() < FACE_HALF && p[1] > map.chin() - 4.0 && p[1] < map.brow_height() + 6.0 {
        t = flush(map, person, p, t);
        t = lines(map, person, p, t);
        t = beard(map, person, p, t);
        t = mouth(map, person, p, t);
        t = eyes(map, person, p, t);
        t = brows(map, person, p, t);
    }
    scalp(map, person, p, t)
}

/// Skin with nothing on it: blotches and pores.
fn bare(person: &Person, p: Place) -> Texel {
    let seed = person.seed;
    let blotch = 0.07 * cloud(seed ^ 2, 0.35 * p[0], 0.35 * p[1]);
    let pores = 0.05 * noise(seed ^ 3, 4.0 * p[0], 4.0 * p[1]) + 0.04 * noise(seed ^ 4, 1.6 * p[0], 1.6 * p[1]);
    let warm = 0.05 * noise(seed ^ 5, 0.5 * p[0], 0.5 * p[1]);
    let k = 1.0 + blotch + pores;
    (times(person.skin, [k * (1.0 + warm), k, k * (1.0 - warm)]), 0.35)
}

/// Redder cheeks, nose, chin; freckles; where skin shines.
fn flush(map: &FaceMap, person: &Person, p: Place, (mut color, mut shine): Texel) -> Texel {
    let mirrored = [p[0].abs(), p[1]];
    let cheek = [map.eye_middles[1][0] + 1.3, map.nose[1] - 0.6];
    let red = 0.8 * bump(mirrored, cheek, 2.6, 1.8) + 0.7 * bump(p, map.nose, 1.4, 1.2);
    let red = red + 0.3 * bump(p, [0.0, map.chin() + 0.8], 2.0, 1.2);
    color = times(color, [1.0 - 0.02 * red, 1.0 - 0.16 * red, 1.0 - 0.12 * red]);
    if person.freckles > 0.0 {
        let spots = smooth(0.45, 0.75, noise(person.seed ^ 6, 3.2 * p[0], 3.2 * p[1]));
        let there = person.freckles * spots * bump(mirrored, [2.6, map.nose[1] + 0.6], 4.5, 2.2);
        color = mix(color, times(color, [0.62, 0.5, 0.42]), there);
    }
    let under_eye = bump(mirrored, [map.eye_middles[1][0] - 0.2, map.eye_middles[1][1] - 1.1], 1.6, 0.6);
    color = times(color, [1.0 - 0.18 * under_eye, 1.0 - 0.24 * under_eye, 1.0 - 0.2 * under_eye]);
    shine += 0.3 * bump(p, [0.0, map.brow_height() + 2.0], 4.0, 1.8) + 0.4 * bump(p, map.nose, 0.9, 2.5);
    (color, shine)
}

/// Lines that age leaves: across the forehead, beside the mouth, at the corners of the eyes.
fn lines(map: &FaceMap, person: &Person, p: Place, (color, shine): Texel) -> Texel {
    let side = usize::from(p[0] > 0.0);
    let (wing, corner) = (map.wings[side], map.corners[side]);
    let out = p[0].signum();
    let fold = [
        [wing[0] + 0.5 * out, wing[1] + 0.6],
        [wing[0] + 1.3 * out, wing[1] - 0.8],
        [corner[0] + 0.8 * out, corner[1] + 0.2],
    ];
    let mut depth = 0.5 * smooth(0.4, 0.0, to_line(&fold, p).0);
    let above = p[1] - map.brow_height();
    if (0.6..4.5).contains(&above) && p[0].abs() < 6.0 {
        let wave = (above * 4.6 + 0.5 * noise(person.seed ^ 7, 0.6 * p[0], 0.0)).sin();
        depth += 0.35 * smooth(0.75, 1.0, wave) * bump(p, [0.0, map.brow_height() + 2.4], 4.5, 2.0);
    }
    let k = 1.0 - (0.08 + 0.38 * person.age) * depth;
    (times(color, [k, k * k, k * k]), shine)
}

fn beard(map: &FaceMap, person: &Person, p: Place, (color, shine): Texel) -> Texel {
    if person.beard + person.moustache <= 0.0 {
        return (color, shine);
    }
    let lips = to_outline(&map.lips, p);
    let strands = 0.75 + 0.25 * noise(person.seed ^ 8, 9.0 * p[0], 3.0 * p[1]);
    let corner = map.corners[1];
    // Up the sides of the face, along the jaw and around the chin; free around the lower lip.
    let cheek_line = lerp(corner[1] - 0.2, map.eye_middles[1][1] - 1.0, smooth(corner[0] + 1.0, 10.0, p[0].abs()));
    let below = smooth(cheek_line + 0.6, cheek_line - 0.6, p[1]) * smooth(0.15, 0.7, lips);
    let neck = smooth(map.chin() - 3.0, map.chin() - 1.0, p[1]);
    let top = (map.wings[1][1] + map.lips[3][1]) / 2.0 - 0.1;
    let above_lip =
        bump(p, [0.0, top], corner[0] + 0.6, 0.75) * smooth(0.0, 0.3, lips) * f32::from(p[1] > corner[1] - 0.5);
    let cover = (person.beard * below * neck).max(person.moustache * smooth(0.3, 0.6, above_lip));
    (mix(color, scale(person.brow, 0.6 + 0.6 * strands), cover * strands), lerp(shine, 0.15, cover))
}

fn mouth(map: &FaceMap, person: &Person, p: Place, (color, shine): Texel) -> Texel {
    let d = to_outline(&map.lips, p);
    if d > 1.0 {
        return (color, shine);
    }
    let cover = smooth(0.12, -0.12, d);
    let creases = 1.0 + 0.08 * noise(person.seed ^ 9, 5.0 * p[0], 0.8 * p[1]);
    let color = mix(color, scale(person.lips, creases), cover);
    let seam = smooth(0.16, 0.02, to_line(&map.seam, p).0);
    let k = 1.0 - 0.6 * seam;
    (times(color, [k, k * k, k * k]), lerp(shine, 0.7, cover))
}

/// Lids and lashes.
fn eyes(map: &FaceMap, person: &Person, p: Place, (mut color, mut shine): Texel) -> Texel {
    let side = usize::from(p[0] > 0.0);
    let (outline, middle) = (&map.eyes[side], map.eye_middles[side]);
    if (p[0] - middle[0]).abs() > 3.5 || (p[1] - middle[1]).abs() > 2.5 {
        return (color, shine);
    }
    let socket = bump(p, [middle[0], middle[1] + 0.6], 2.4, 1.0);
    color = times(color, [1.0 - 0.16 * socket, 1.0 - 0.22 * socket, 1.0 - 0.2 * socket]);
    let d = to_outline(outline, p);
    let upper = smooth(middle[1] - 0.1, middle[1] + 0.3, p[1]);
    let reach = lerp(0.1, 0.22, upper);
    let lash = person.liner * smooth(reach, 0.02, d.max(0.0)) * lerp(0.4, 0.95, upper);
    color = mix(color, [0.012, 0.009, 0.008], lash);
    if d < 0.0 {
        color = mix(
            times(person.skin, [0.9, 0.55, 0.5]),
            [0.012, 0.009, 0.008],
            person.liner * upper * smooth(-0.2, 0.0, d),
        );
        shine = 0.6;
    }
    (color, shine)
}

fn brows(map: &FaceMap, person: &Person, p: Place, (color, shine): Texel) -> Texel {
    let side = usize::from(p[0] > 0.0);
    let (d, along) = to_line(&map.brows[side], p);
    if d > 1.2 {
        return (color, shine);
    }
    let half = person.brow_half * lerp(1.0, 0.45, smooth(0.4, 1.0, along));
    let strands = 0.8 + 0.35 * noise(person.seed ^ 10, 7.0 * p[0] + 4.0 * p[1] * p[0].signum(), 2.0 * p[1]);
    let cover = person.brow_density * smooth(half + 0.16, half - 0.16, d) * strands;
    (mix(color, person.brow, cover.clamp(0.0, 1.0)), lerp(shine, 0.15, cover.clamp(0.0, 1.0)))
}

/// The hair on the head.
fn scalp(map: &FaceMap, person: &Person, p: Place, (color, shine): Texel) -> Texel {
    let cover = hair_cover(map, person, p);
    if cover <= 0.0 {
        return (color, shine);
    }
    let strands = strand_light(person, p);
    let dense = if person.hair.style == HairStyle::Cropped {
        0.65 + 0.2 * noise(person.seed ^ 11, 6.0 * p[0], 6.0 * p[1])
    } else {
        1.0
    };
    (mix(color, scale(person.hair.color, strands), cover * dense), lerp(shine, 0.25, cover * dense))
}

/// Brightness of strands of hair around 1.
pub fn strand_light(person: &Person, p: Place) -> f32 {
    let bend = 0.8 * noise(person.seed ^ 12, 0.3 * p[0], 0.3 * p[1]);
    1.0 + 0.35 * noise(person.seed ^ 13, 5.0 * (p[0] + bend), 0.5 * p[1])
        + 0.25 * noise(person.seed ^ 14, 1.5 * (p[0] + bend), 0.2 * p[1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FaceModel;
    use crate::map::fraction;

    fn drawn(change: fn(&mut Person)) -> (FaceMap, Person, Sheet) {
        let model = FaceModel::sketch();
        let map = FaceMap::new(model.neutral(), model.layout());
        let mut person = Person::draw(3, &model);
        change(&mut person);
        let sheet = Sheet::draw(&map, &person);
        (map, person, sheet)
    }

    fn color(sheet: &Sheet, p: Place) -> Vec3 {
        let [u, v] = fraction(p);
        let [r, g, b, _] = sheet.at(u, v);
        [r, g, b]
    }

    #[test]
    fn lips_brows_and_hair_have_their_colours() {
        let (map, person, sheet) = drawn(|p| {
            (p.hair.style, p.brow_density, p.beard, p.moustache) = (HairStyle::Short, 1.0, 0.0, 0.0);
            (p.skin, p.brow, p.lips) = ([0.6, 0.4, 0.3], [0.02; 3], [0.5, 0.1, 0.1]);
        });
        let brow = color(&sheet, map.brows[0][1]);
        assert!(brow[0] < 0.3, "{brow:?}");
        let lower_lip = [0.0, (map.lips[9][1] + map.seam[3][1]) / 2.0];
        assert!(color(&sheet, lower_lip)[1] < 0.2, "{:?}", color(&sheet, lower_lip));
        let top = [0.0, map.brow_height() + 8.0];
        assert!(color(&sheet, top)[0] < 2.0 * person.hair.color[0] + 0.02);
        let cheek = [5.0, map.nose[1]];
        assert!(color(&sheet, cheek)[1] > 0.25, "{:?}", color(&sheet, cheek));
    }

    #[test]
    fn the_bald_have_skin_on_top() {
        let (map, person, _) = drawn(|p| p.hair.style = HairStyle::Bald);
        assert_eq!(hair_cover(&map, &person, [0.0, 13.0]), 0.0);
    }

    #[test]
    fn ears_are_free_of_hair() {
        let (map, person, _) = drawn(|p| p.hair.style = HairStyle::Short);
        assert!(hair_cover(&map, &person, [14.5, map.eye_middles[0][1] - 1.5]) < 0.1);
        assert!(hair_cover(&map, &person, [14.5, map.eye_middles[0][1] + 4.0]) > 0.9);
    }
}
