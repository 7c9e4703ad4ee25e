//! The skin laid flat: where a place on the mean head is on a sheet wrapped around it, and what is drawn there.

use crate::layout::Layout;
use crate::vector::Vec3;

/// z of the axis that the sheet is wrapped around.
const AXIS_Z: f32 = 0.5;

/// Radius of the sheet, centimetres: that of the cheeks, so that a centimetre on the sheet is about one on the face.
const RADIUS: f32 = 9.0;

/// Top and bottom of the sheet, centimetres.
pub const TOP: f32 = 15.0;
/// See [`TOP`].
pub const BOTTOM: f32 = -20.0;

/// Half of the sheet's width, centimetres.
pub const HALF: f32 = RADIUS * std::f32::consts::PI;

/// A place on the sheet: centimetres to the picture's right of the face's middle, and up.
pub type Place = [f32; 2];

/// Where the mean head's point `p` is on the sheet.
pub fn place(p: Vec3) -> Place {
    [p[0].atan2(p[2] - AXIS_Z) * RADIUS, p[1]]
}

/// A place in fractions of the sheet from its left and its top.
pub fn fraction([s, y]: Place) -> [f32; 2] {
    [s / (2.0 * HALF) + 0.5, (TOP - y) / (TOP - BOTTOM)]
}

/// Features of the face on the sheet.
#[derive(Debug, Clone)]
pub struct FaceMap {
    /// Where each vertex of the mean head is.
    pub places: Vec<Place>,
    /// Brows from their inner to their outer end, the one on the picture's left first.
    pub brows: [Vec<Place>; 2],
    /// Outlines of the eyes.
    pub eyes: [Vec<Place>; 2],
    /// Middles of the eyes.
    pub eye_middles: [Place; 2],
    /// Outline of the lips.
    pub lips: Vec<Place>,
    /// Where the lips meet, from corner to corner.
    pub seam: Vec<Place>,
    /// Corners of the mouth.
    pub corners: [Place; 2],
    /// Wings of the nose.
    pub wings: [Place; 2],
    /// Tip of the nose.
    pub nose: Place,
    /// Jaw from ear to ear.
    pub jaw: Vec<Place>,
}

impl FaceMap {
    /// The map of a model's mean head.
    pub fn new(neutral: &[Vec3], layout: &Layout) -> FaceMap {
        let places: Vec<Place> = neutral.iter().map(|p| place(*p)).collect();
        let at = |i: usize| places[layout.landmarks[i] as usize];
        let run = |from: usize, to: usize| (from..to).map(at).collect::<Vec<_>>();
        let eyes = [run(36, 42), run(42, 48)];
        let middle = |eye: &Vec<Place>| {
            let n = eye.len() as f32;
            [eye.iter().map(|p| p[0]).sum::<f32>() / n, eye.iter().map(|p| p[1]).sum::<f32>() / n]
        };
        FaceMap {
            brows: [(17..22).rev().map(at).collect(), run(22, 27)],
            eye_middles: [middle(&eyes[0]), middle(&eyes[1])],
            eyes,
            lips: run(48, 60),
            seam: [48, 60, 61, 62, 63, 64, 54].map(at).to_vec(),
            corners: [at(48), at(54)],
            wings: [at(31), at(35)],
            nose: at(30),
            jaw: run(0, 17),
            places,
        }
    }

    /// Height of the brows, centimetres.
    pub fn brow_height(&self) -> f32 {
        self.brows[0].iter().chain(&self.brows[1]).map(|p| p[1]).sum::<f32>() / 10.0
    }

    /// Height of the chin.
    pub fn chin(&self) -> f32 {
        self.jaw[8][1]
    }
}

/// Distance from `p` to a line through `points`, and how far along the line the nearest place is, 0 to 1.
pub fn to_line(points: &[Place], p: Place) -> (f32, f32) {
    let mut best = (f32::INFINITY, 0.0);
    let parts = points.len().saturating_sub(1).max(1) as f32;
    for (i, ends) in points.windows(2).enumerate() {
        let (d, t) = to_segment(ends[0], ends[1], p);
        if d < best.0 {
            best = (d, (i as f32 + t) / parts);
        }
    }
    best
}

/// Distance from `p` to a closed outline, negative inside.
pub fn to_outline(points: &[Place], p: Place) -> f32 {
    let (mut best, mut inside) = (f32::INFINITY, false);
    for (i, a) in points.iter().enumerate() {
        let b = points[(i + 1) % points.len()];
        best = best.min(to_segment(*a, b, p).0);
        let crosses = (a[1] > p[1]) != (b[1] > p[1]);
        if crosses && p[0] < (b[0] - a[0]) * (p[1] - a[1]) / (b[1] - a[1]) + a[0] {
            inside = !inside;
        }
    }
    if inside { -best } else { best }
}

fn to_segment(a: Place, b: Place, p: Place) -> (f32, f32) {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let (px, py) = (p[0] - a[0], p[1] - a[1]);
    let t = ((px * dx + py * dy) / (dx * dx + dy * dy).max(1e-9)).clamp(0.0, 1.0);
    ((px - t * dx).hypot(py - t * dy), t)
}

/// A bump of height 1 at `middle`, `width` and `height` to where it is 1/e.
pub fn bump(p: Place, middle: Place, width: f32, height: f32) -> f32 {
    (-((p[0] - middle[0]) / width).powi(2) - ((p[1] - middle[1]) / height).powi(2)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FaceModel;

    #[test]
    fn the_nose_is_in_the_middle_and_the_ears_are_at_the_sides() {
        assert_eq!(place([0.0, 2.0, 12.0]), [0.0, 2.0]);
        let ear = place([8.0, 1.0, 0.5]);
        assert!((ear[0] - HALF / 2.0).abs() < 1e-4);
        assert_eq!(fraction([0.0, TOP]), [0.5, 0.0]);
        assert_eq!(fraction([HALF, BOTTOM]), [1.0, 1.0]);
    }

    #[test]
    fn features_are_found() {
        let model = FaceModel::sketch();
        let map = FaceMap::new(model.neutral(), model.layout());
        assert!(map.brow_height() > map.eye_middles[0][1] && map.chin() < map.corners[0][1]);
        let between = [0.0, (map.lips[3][1] + map.lips[9][1]) / 2.0];
        assert!(to_outline(&map.lips, between) < 0.0 && to_outline(&map.lips, map.nose) > 0.0);
        assert!(map.brows[0][0][0] < 0.0 && map.brows[0][4][0] < map.brows[0][0][0]);
    }

    #[test]
    fn distances_to_lines() {
        let line = [[0.0, 0.0], [2.0, 0.0], [2.0, 2.0]];
        assert_eq!(to_line(&line, [1.0, 1.0]), (1.0, 0.25));
        assert_eq!(to_line(&line, [3.0, 2.0]), (1.0, 1.0));
        assert_eq!(to_outline(&[[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]], [1.0, 0.5]), -0.5);
    }
}
