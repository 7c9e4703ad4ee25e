//! Candidate boxes: overlap, suppression, correction.

use mtcae_contract::Rect;

/// A box that may be a face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    /// Pixels of the picture.
    pub face: Rect,
    /// Face probability, 0 to 1.
    pub score: f32,
    /// Offsets of left, top, right, bottom edge, in fractions of the sides.
    pub offsets: [f32; 4],
}

impl Candidate {
    /// The box with its edges moved as the network says.
    pub fn corrected(&self) -> Rect {
        let Rect { x, y, w, h } = self.face;
        let [left, top, right, bottom] = self.offsets;
        Rect { x: x + left * w, y: y + top * h, w: w * (1.0 + right - left), h: h * (1.0 + bottom - top) }
    }
}

/// What an overlap is measured against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Overlap {
    /// The area both boxes cover together.
    Union,
    /// The area of the smaller box, so that a box inside another counts as the same face.
    Smaller,
}

impl Overlap {
    fn of(self, a: &Rect, b: &Rect) -> f32 {
        let iou = a.iou(b);
        match self {
            Overlap::Union => iou,
            Overlap::Smaller => {
                let inter = iou * (a.area() + b.area()) / (1.0 + iou);
                inter / a.area().min(b.area())
            }
        }
    }
}

/// Keeps the most probable of boxes that overlap by more than `limit`, at most `keep`, most probable first.
///
/// `T` is anything that knows its box and score. Work is at most `candidates * keep` overlaps.
pub(crate) fn suppress<T: Copy>(
    mut candidates: Vec<T>,
    of: impl Fn(&T) -> (Rect, f32),
    overlap: Overlap,
    limit: f32,
    keep: usize,
) -> Vec<T> {
    candidates.sort_by(|a, b| of(b).1.total_cmp(&of(a).1));
    let mut kept: Vec<T> = Vec::new();
    for c in candidates {
        if kept.len() == keep {
            break;
        }
        let face = of(&c).0;
        if kept.iter().all(|k| overlap.of(&of(k).0, &face) <= limit) {
            kept.push(c);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(x: f32, w: f32, score: f32) -> Candidate {
        Candidate { face: Rect { x, y: 0.0, w, h: 10.0 }, score, offsets: [0.0; 4] }
    }

    fn run(c: Vec<Candidate>, overlap: Overlap, limit: f32, keep: usize) -> Vec<f32> {
        suppress(c, |c| (c.face, c.score), overlap, limit, keep).iter().map(|c| c.score).collect()
    }

    #[test]
    fn the_most_probable_of_overlapping_boxes_stays() {
        let boxes = vec![candidate(0.0, 10.0, 0.8), candidate(1.0, 10.0, 0.9), candidate(30.0, 10.0, 0.7)];
        assert_eq!(run(boxes.clone(), Overlap::Union, 0.5, 9), [0.9, 0.7]);
        assert_eq!(run(boxes.clone(), Overlap::Union, 0.9, 9), [0.9, 0.8, 0.7]);
        assert_eq!(run(boxes, Overlap::Union, 0.5, 1), [0.9]);
    }

    #[test]
    fn a_box_inside_another_counts_by_the_smaller() {
        let boxes = vec![candidate(0.0, 30.0, 0.9), candidate(5.0, 10.0, 0.8)];
        assert_eq!(run(boxes.clone(), Overlap::Union, 0.5, 9), [0.9, 0.8]);
        assert_eq!(run(boxes, Overlap::Smaller, 0.5, 9), [0.9]);
    }

    #[test]
    fn offsets_move_the_edges() {
        let c = Candidate { offsets: [0.1, 0.0, -0.1, 0.5], ..candidate(10.0, 20.0, 1.0) };
        let r = c.corrected();
        assert!((r.x - 12.0).abs() < 1e-5 && (r.w - 16.0).abs() < 1e-5 && (r.h - 15.0).abs() < 1e-5);
    }
}
