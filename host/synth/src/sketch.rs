//! A head made by hand, for tests and for trying things without a model file: an egg with a nose, eyes and nine shapes.

use crate::layout::Layout;
use crate::model::FaceModel;
use crate::vector::{Vec3, scale, sub};

/// Rows and columns of the egg's grid.
const ROWS: u32 = 60;
const COLUMNS: u32 = 72;

/// Rows and columns of an eyeball.
const EYE_ROWS: u32 = 12;
const EYE_COLUMNS: u32 = 16;

/// Half of the egg's sides, and its middle, centimetres.
const EGG: Vec3 = [7.4, 13.0, 10.0];
const MIDDLE: Vec3 = [0.0, 1.5, 0.5];

/// Corners of the features on the picture's right half, (x, y): jaw (from the chin), brow, eye, nose wing, lips.
const JAW: [[f32; 2]; 9] =
    [[0.0, -7.6], [1.6, -7.3], [3.0, -6.8], [4.3, -6.0], [5.4, -4.6], [6.2, -2.6], [6.8, -0.6], [7.1, 1.4], [7.2, 3.5]];
const BROW: [[f32; 2]; 5] = [[1.2, 5.8], [2.4, 6.1], [3.7, 6.2], [4.8, 5.9], [5.6, 5.3]];
const EYE: [[f32; 2]; 6] = [[1.9, 3.3], [2.7, 3.9], [3.7, 3.9], [4.4, 3.4], [3.7, 3.0], [2.7, 3.0]];
const WING: [[f32; 2]; 3] = [[0.0, -1.2], [0.6, -1.1], [1.2, -1.0]];
const OUTER_LIP: [[f32; 2]; 7] =
    [[0.0, -2.5], [0.8, -2.4], [1.7, -2.8], [2.5, -3.5], [1.7, -4.0], [0.9, -4.3], [0.0, -4.4]];
const INNER_LIP: [[f32; 2]; 5] = [[0.0, -3.3], [1.0, -3.3], [2.2, -3.5], [1.0, -3.4], [0.0, -3.4]];

/// Expression shapes: middle (x, y) of the patch of skin that moves, its radius, and how far it moves.
const SHAPES: [(&str, [f32; 2], f32, Vec3); 9] = [
    ("mouthSmile_L", [2.5, -3.5], 1.5, [0.6, 1.0, -0.2]),
    ("mouthSmile_R", [-2.5, -3.5], 1.5, [-0.6, 1.0, -0.2]),
    ("mouthFrown_L", [2.5, -3.5], 1.3, [0.1, -0.7, 0.0]),
    ("mouthFrown_R", [-2.5, -3.5], 1.3, [-0.1, -0.7, 0.0]),
    ("jawOpen", [0.0, -6.5], 3.0, [0.0, -2.5, -0.8]),
    ("browDown_L", [3.0, 5.9], 1.8, [-0.2, -0.7, 0.0]),
    ("browDown_R", [-3.0, 5.9], 1.8, [0.2, -0.7, 0.0]),
    ("browInnerUp_L", [1.5, 5.9], 1.5, [0.0, 0.7, 0.0]),
    ("browInnerUp_R", [-1.5, 5.9], 1.5, [0.0, 0.7, 0.0]),
];

impl FaceModel {
    /// The head made by hand. It has two persons' shapes (wide, long) and a few of the expression shapes that real models
    /// have, by the same names.
    ///
    /// # Panics
    /// Never: its parts fit together, which a test checks.
    pub fn sketch() -> FaceModel {
        let mut neutral = egg();
        let skin = neutral.len() as u32;
        let mut triangles = grid(0, ROWS, COLUMNS);
        let mut eyes = [0..0, 0..0];
        for (range, x) in eyes.iter_mut().zip([-3.1, 3.1]) {
            let first = neutral.len() as u32;
            triangles.extend(grid(first, EYE_ROWS, EYE_COLUMNS));
            neutral.extend(ball([x, 3.45, 8.1], 1.4));
            *range = first..neutral.len() as u32;
        }
        let end = neutral.len() as u32;
        let landmarks = landmarks(&neutral[..skin as usize]);
        let layout = Layout { skin: 0..skin, cavities: end..end, gums: end..end, teeth: end..end, eyes, landmarks };
        let shape = |(name, [x, y], radius, by): (&str, [f32; 2], f32, Vec3)| {
            let share = |p: &Vec3| (-((p[0] - x).powi(2) + (p[1] - y).powi(2)) / (radius * radius)).exp();
            let inside = |i: usize, p: &Vec3| if (i as u32) < skin && p[2] > 2.0 { share(p) } else { 0.0 };
            (name.to_owned(), neutral.iter().enumerate().map(|(i, p)| scale(by, inside(i, p))).collect())
        };
        let expressions = SHAPES.into_iter().map(shape).collect();
        let stretched = |by: Vec3| neutral.iter().map(|p| [p[0] * by[0], p[1] * by[1], p[2] * by[2]]).collect();
        let identities = vec![stretched([0.05, 0.0, 0.02]), stretched([0.0, 0.04, 0.0])];
        FaceModel::from_parts(layout, neutral, triangles, expressions, identities)
            .unwrap_or_else(|e| unreachable!("the sketch fits together: {e}"))
    }
}

/// The egg, rows from the top, each once around from the back of the head over the picture's left.
fn egg() -> Vec<Vec3> {
    sphere(ROWS, COLUMNS)
        .map(|[x, y, z]| {
            let p = [x * EGG[0] + MIDDLE[0], y * EGG[1] + MIDDLE[1], z * EGG[2] + MIDDLE[2]];
            let nose = (-(p[0] / 1.1).powi(2) - ((p[1] - 0.6) / 1.6).powi(2)).exp();
            if z > 0.0 { [p[0], p[1], p[2] + 2.2 * nose] } else { p }
        })
        .collect()
}

fn ball(middle: Vec3, radius: f32) -> impl Iterator<Item = Vec3> {
    sphere(EYE_ROWS, EYE_COLUMNS).map(move |p| sub(scale(p, radius), scale(middle, -1.0)))
}

fn sphere(rows: u32, columns: u32) -> impl Iterator<Item = Vec3> {
    (0..=rows).flat_map(move |r| {
        let (ring, y) = (std::f32::consts::PI * r as f32 / rows as f32).sin_cos();
        (0..columns).map(move |c| {
            let (x, z) = (std::f32::consts::TAU * c as f32 / columns as f32).sin_cos();
            [-x * ring, y, -z * ring]
        })
    })
}

/// Triangles of a closed grid, counter-clockwise from outside.
fn grid(first: u32, rows: u32, columns: u32) -> Vec<[u32; 3]> {
    let at = |r: u32, c: u32| first + r * columns + c % columns;
    let cells = (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c)));
    let halves = cells.flat_map(|(r, c)| {
        let [a, b, d, e] = [at(r, c), at(r, c + 1), at(r + 1, c), at(r + 1, c + 1)];
        [[a, d, b], [b, d, e]]
    });
    halves.collect()
}

/// The 68 points: for each the skin vertex whose place in the picture is nearest.
fn landmarks(skin: &[Vec3]) -> [u32; 68] {
    let left = |p: [f32; 2]| [-p[0], p[1]];
    let mut points: Vec<[f32; 2]> = Vec::with_capacity(68);
    points.extend(JAW.iter().rev().map(|p| left(*p)));
    points.extend(&JAW[1..]);
    points.extend(BROW.iter().rev().map(|p| left(*p)));
    points.extend(BROW);
    points.extend([[0.0, 3.7], [0.0, 2.6], [0.0, 1.6], [0.0, 0.5]]);
    points.extend(WING.iter().rev().map(|p| left(*p)));
    points.extend(&WING[1..]);
    points.extend([3, 2, 1, 0, 5, 4].map(|i| left(EYE[i])));
    points.extend(EYE);
    points.extend(OUTER_LIP[..4].iter().rev().map(|p| left(*p)));
    points.extend(&OUTER_LIP[1..]);
    points.extend(OUTER_LIP[4..6].iter().rev().map(|p| left(*p)));
    points.extend(INNER_LIP[..3].iter().rev().map(|p| left(*p)));
    points.extend(&INNER_LIP[1..]);
    points.extend([left(INNER_LIP[3])]);
    std::array::from_fn(|i| {
        let [x, y] = points.get(i).copied().unwrap_or_default();
        let front = skin.iter().enumerate().filter(|(_, p)| p[2] > 0.0);
        let far = |p: &Vec3| (p[0] - x).powi(2) + (p[1] - y).powi(2);
        front.min_by(|a, b| far(a.1).total_cmp(&far(b.1))).map_or(0, |(i, _)| i as u32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Surface;
    use crate::vector::{cross, dot};

    #[test]
    fn its_landmarks_are_where_they_belong() {
        let model = FaceModel::sketch();
        let at = |i: usize| model.neutral()[model.layout().landmarks[i] as usize];
        assert!(at(0)[0] < -5.0 && at(16)[0] > 5.0 && at(8)[1] < -6.0, "{:?} {:?} {:?}", at(0), at(16), at(8));
        assert!(at(36)[0] < at(39)[0] && at(39)[0] < at(42)[0] && at(42)[0] < at(45)[0]);
        assert!(at(30)[2] > at(27)[2] && at(48)[0] < 0.0 && at(54)[0] > 0.0 && at(57)[1] < at(51)[1]);
        assert!(at(67)[0] < 0.0 && at(65)[0] > 0.0 && at(59)[0] < 0.0 && at(41)[0] < at(40)[0]);
    }

    #[test]
    fn its_triangles_look_outwards() {
        let model = FaceModel::sketch();
        for (t, surface) in model.triangles().iter().filter(|(_, s)| *s == Surface::Skin) {
            let [a, b, c] = t.map(|i| model.neutral()[i as usize]);
            let out = dot(cross(sub(b, a), sub(c, a)), sub(a, MIDDLE));
            assert!(out >= -1e-2, "{t:?} {surface:?} {out}");
        }
    }
}
