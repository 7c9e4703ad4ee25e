//! Lines that an expression folds into the skin, finer than the mesh: on the forehead, between the brows, across the nose, beside
//! the mouth, at the corners of the eyes.

use crate::FaceModel;
use crate::map::{BOTTOM, FaceMap, HALF, Place, TOP, bump, to_line};
use crate::vector::{lerp, smooth};

/// Pixels of the sheet.
const WIDTH: usize = 512;
const HEIGHT: usize = 288;

/// How much each kind of line shows, 0 to 1: forehead, between the brows, across the nose, smile; each for the picture's left and
/// right half.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pull([[f32; 4]; 2]);

impl Pull {
    /// What expression weights do to skin that folds as deeply as `depth`, 0 to 1.
    pub fn new(model: &FaceModel, weights: &[f32], depth: f32) -> Pull {
        // The head's right half is on the picture's left.
        Pull(["_R", "_L"].map(|side| {
            let w = |name: &str| model.expression(&format!("{name}{side}")).map_or(0.0, |i| weights[i]);
            let forehead = w("browOuterUp").max(0.7 * w("browInnerUp"));
            let smile =
                w("mouthSmile").max(0.6 * w("mouthUpperUp")).max(0.6 * w("noseSneer")).max(0.5 * w("mouthStretch"));
            [forehead, w("browDown"), w("noseSneer"), smile].map(|v| depth * v.clamp(0.0, 1.0))
        }))
    }
}

/// Where the lines are, in four bytes a pixel of the sheet.
pub struct Creases(Vec<[u8; 4]>);

impl Creases {
    /// Draws them on the map of a mean head.
    pub fn draw(map: &FaceMap) -> Creases {
        let mut texels = Vec::with_capacity(WIDTH * HEIGHT);
        for row in 0..HEIGHT {
            let y = lerp(TOP, BOTTOM, (row as f32 + 0.5) / HEIGHT as f32);
            for column in 0..WIDTH {
                let s = lerp(-HALF, HALF, (column as f32 + 0.5) / WIDTH as f32);
                texels.push(lines(map, [s, y]).map(|v| (v.clamp(0.0, 1.0) * 255.0) as u8));
            }
        }
        Creases(texels)
    }

    /// What is left of the light at a place, in [`crate::map::fraction`]s of the sheet.
    pub fn at(&self, u: f32, v: f32, pull: &Pull) -> f32 {
        let x = ((u.max(0.0) * WIDTH as f32) as usize) % WIDTH;
        let y = ((v.max(0.0) * HEIGHT as f32) as usize).min(HEIGHT - 1);
        let texel = self.0[y * WIDTH + x];
        let pulled = &pull.0[usize::from(u > 0.5)];
        1.0 - (0..4).map(|i| f32::from(texel[i]) * (1.0 / 255.0) * pulled[i]).sum::<f32>().min(0.8)
    }
}

fn lines(map: &FaceMap, p: Place) -> [f32; 4] {
    let (brow, eye) = (map.brow_height(), map.eye_middles[1]);
    if p[0].abs() > 12.0 || p[1] < map.chin() || p[1] > brow + 5.0 {
        return [0.0; 4];
    }
    let q = [p[0].abs(), p[1]];
    let above = q[1] - brow - 0.03 * q[0] * q[0].sqrt();
    let forehead = [1.1, 1.9, 2.7].iter().map(|h| smooth(0.22, 0.0, (above - h).abs())).sum::<f32>();
    let forehead = forehead * smooth(5.5, 4.0, q[0]);
    let between = smooth(0.24, 0.0, (q[0] - 0.75).abs()) * bump(q, [0.75, brow + 0.2], 1.0, 1.1);
    let between = between + 0.4 * bump(q, [0.0, brow], 0.9, 0.9);
    let (root, wing) = ([0.0, eye[1] + 0.2], map.wings[1]);
    let across =
        [0.0, 0.6, 1.2].iter().map(|d| smooth(0.2, 0.0, (q[1] - root[1] + d + 0.35 * q[0]).abs())).sum::<f32>();
    let side = [[0.9, root[1] - 0.6], [wing[0] + 0.2, wing[1] + 1.4], [wing[0] + 0.7, wing[1] + 0.2]];
    let nose = 0.8 * across * smooth(1.5, 0.9, q[0]) + 0.8 * smooth(0.3, 0.0, to_line(&side, q).0);
    let corner = map.corners[1];
    let fold = [[wing[0] + 0.5, wing[1] + 0.6], [wing[0] + 1.7, wing[1] - 0.8], [corner[0] + 1.2, corner[1] + 0.4]];
    let smile = smooth(0.4, 0.0, to_line(&fold, q).0);
    let outer = map.eyes[1][3];
    let feet = [-0.5, 0.0, 0.5].iter().map(|up| {
        let from = [outer[0] + 0.5, outer[1] + 0.3 * up];
        smooth(0.16, 0.0, to_line(&[from, [from[0] + 1.4, from[1] + up]], q).0)
    });
    [forehead, between, nose, smile + 0.7 * feet.sum::<f32>()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::fraction;

    #[test]
    fn lines_come_with_their_muscles_only() {
        let model = FaceModel::sketch();
        let map = FaceMap::new(model.neutral(), model.layout());
        let creases = Creases::draw(&map);
        let [u, v] = fraction([0.75, map.brow_height() + 0.2]);
        let mut weights = vec![0.0; model.expressions()];
        assert_eq!(creases.at(u, v, &Pull::new(&model, &weights, 1.0)), 1.0);
        weights[model.expression("browDown_L").unwrap()] = 1.0;
        let pull = Pull::new(&model, &weights, 1.0);
        assert!(creases.at(u, v, &pull) < 0.7, "{}", creases.at(u, v, &pull));
        // The other half is not pulled.
        assert_eq!(creases.at(1.0 - u, v, &pull), 1.0);
        assert_eq!(creases.at(1.7, 2.0, &pull), 1.0);
    }
}
