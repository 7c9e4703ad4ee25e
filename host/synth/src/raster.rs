//! Which triangle is seen where: a z-buffer that remembers triangles instead of colours.

/// Owner of a sample that no triangle covers.
pub const NOBODY: u32 = u32::MAX;

/// A corner as the camera sees it: samples from the left, samples from the top, and 1 / distance.
pub type Corner = [f32; 3];

/// The nearest triangle at each sample. A sample is at the middle of its cell.
pub struct Raster {
    width: usize,
    height: usize,
    near: Vec<f32>,
    owner: Vec<u32>,
}

impl Raster {
    /// An empty one of `width` x `height` samples.
    pub fn new(width: usize, height: usize) -> Raster {
        Raster { width, height, near: vec![0.0; width * height], owner: vec![NOBODY; width * height] }
    }

    /// Forgets every triangle.
    pub fn clear(&mut self) {
        self.near.fill(0.0);
        self.owner.fill(NOBODY);
    }

    /// The triangle seen at a sample, or [`NOBODY`].
    pub fn owner(&self, x: usize, y: usize) -> u32 {
        self.owner[y * self.width + x]
    }

    /// Draws triangle `id`, whose corners go counter-clockwise when it faces the camera; one that does not is only drawn
    /// when `both` sides are to be seen. Corners behind the camera (third number not positive) hide it.
    pub fn draw(&mut self, id: u32, [a, b, c]: [Corner; 3], both: bool) {
        let area = cross(a, b, c);
        if (area >= 0.0 && !both) || area == 0.0 || a[2].min(b[2]).min(c[2]) <= 0.0 {
            return;
        }
        let first = |p: f32, q: f32, r: f32| (p.min(q).min(r) - 0.5).ceil().max(0.0) as usize;
        let end = |p: f32, q: f32, r: f32, most: usize| ((p.max(q).max(r) + 0.5).floor().max(0.0) as usize).min(most);
        let (x0, x1) = (first(a[0], b[0], c[0]), end(a[0], b[0], c[0], self.width));
        let (y0, y1) = (first(a[1], b[1], c[1]), end(a[1], b[1], c[1], self.height));
        if x0 >= x1 {
            return;
        }
        let k = 1.0 / area;
        // Shares of the corners change by these from one sample to the next.
        let (da, db) = ((b[1] - c[1]) * k, (c[1] - a[1]) * k);
        for y in y0..y1 {
            let p = [x0 as f32 + 0.5, y as f32 + 0.5, 0.0];
            let (mut wa, mut wb) = (cross(p, b, c) * k, cross(p, c, a) * k);
            for i in y * self.width + x0..y * self.width + x1 {
                let wc = 1.0 - wa - wb;
                if wa >= -1e-6 && wb >= -1e-6 && wc >= -1e-6 {
                    let near = wa * a[2] + wb * b[2] + wc * c[2];
                    if near > self.near[i] {
                        self.near[i] = near;
                        self.owner[i] = id;
                    }
                }
                wa += da;
                wb += db;
            }
        }
    }
}

/// Shares of a triangle's corners at the middle of sample (`x`, `y`); they sum to 1.
pub fn shares(x: usize, y: usize, [a, b, c]: [Corner; 3]) -> [f32; 3] {
    let p = [x as f32 + 0.5, y as f32 + 0.5, 0.0];
    let k = 1.0 / cross(a, b, c);
    let (wa, wb) = (cross(p, b, c) * k, cross(p, c, a) * k);
    [wa, wb, 1.0 - wa - wb]
}

/// Twice the area of a triangle in the picture, positive when it goes clockwise as seen.
fn cross(a: Corner, b: Corner, c: Corner) -> f32 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn covered(raster: &Raster, id: u32) -> usize {
        raster.owner.iter().filter(|o| **o == id).count()
    }

    #[test]
    fn the_nearer_triangle_is_seen() {
        let mut raster = Raster::new(8, 8);
        let whole = |near: f32| [[-20.0, -20.0, near], [-20.0, 40.0, near], [40.0, -20.0, near]];
        raster.draw(0, whole(0.5), false);
        raster.draw(1, whole(0.4), false);
        assert_eq!((covered(&raster, 0), covered(&raster, 1)), (64, 0));
        raster.draw(2, whole(0.6), false);
        assert_eq!(covered(&raster, 2), 64);
        raster.clear();
        assert_eq!(covered(&raster, NOBODY), 64);
    }

    #[test]
    fn backs_are_drawn_on_demand_only() {
        let back = [[0.0, 0.0, 1.0], [8.0, 0.0, 1.0], [0.0, 8.0, 1.0]];
        let mut raster = Raster::new(8, 8);
        raster.draw(0, back, false);
        assert_eq!(covered(&raster, 0), 0);
        raster.draw(0, back, true);
        assert!(covered(&raster, 0) >= 28);
    }

    proptest! {
        /// Two triangles that share an edge leave no hole and together cover the square they make up.
        #[test]
        fn neighbours_leave_no_gap(split in 1f32..15.0) {
            let mut raster = Raster::new(16, 16);
            let [tl, tr, bl, br] = [[0.0, 0.0], [16.0, 0.0], [0.0, 16.0], [16.0, 16.0]].map(|[x, y]: [f32; 2]| [x, y, 1.0]);
            let (top, low) = ([split, 0.0, 1.0], [16.0 - split, 16.0, 1.0]);
            raster.draw(0, [tl, bl, low], false);
            raster.draw(1, [tl, low, top], false);
            raster.draw(2, [top, low, br], false);
            raster.draw(3, [top, br, tr], false);
            prop_assert_eq!(covered(&raster, NOBODY), 0);
        }

        #[test]
        fn odd_corners_do_no_harm(v in proptest::array::uniform9(-1e4f32..1e4)) {
            let mut raster = Raster::new(9, 7);
            raster.draw(0, [[v[0], v[1], v[2]], [v[3], v[4], v[5]], [v[6], v[7], v[8]]], true);
        }
    }
}
