//! What whoever always answers the same box and the same points would score. Pure.

use crate::metrics::Answered;
use mtcae_contract::{LANDMARKS, Point, Rect};

/// Where a face is in what the network sees, in fractions of it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Truth {
    /// Its box.
    pub face: Rect,
    /// Its points.
    pub landmarks: [Point; LANDMARKS],
}

impl Truth {
    fn values(&self) -> [f32; 4 + 2 * LANDMARKS] {
        let mut values = [0.0; 4 + 2 * LANDMARKS];
        values[..4].copy_from_slice(&[self.face.x, self.face.y, self.face.w, self.face.h]);
        for (pair, p) in values[4..].chunks_mut(2).zip(&self.landmarks) {
            pair.copy_from_slice(&[p.x, p.y]);
        }
        values
    }

    /// Mean distance of `points`, in the same fractions, from these, in eye distances.
    pub fn error(&self, points: &[Point; LANDMARKS]) -> f32 {
        let eyes = self.landmarks[0].distance(self.landmarks[1]).max(1e-6);
        self.landmarks.iter().zip(points).map(|(a, b)| a.distance(*b) / eyes).sum::<f32>() / LANDMARKS as f32
    }
}

/// The answer that is the same for every sample, the median of what is true, and its scores: a network that looks should be
/// better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Constant {
    /// The answer, in fractions of what the network sees.
    pub answer: Truth,
    /// Mean box IoU of it.
    pub box_iou: f32,
    /// Mean landmark error of it, in eye distances.
    pub landmark_nme: f32,
}

impl Constant {
    /// The one of all frames whose face is known; nothing where there is no such frame.
    pub fn of(answered: &[Answered]) -> Option<Constant> {
        let truths: Vec<&Truth> = answered.iter().flat_map(|a| &a.truths).collect();
        if truths.is_empty() {
            return None;
        }
        let median = |k: usize| {
            let mut values: Vec<f32> = truths.iter().map(|t| t.values()[k]).collect();
            let middle = values.len() / 2;
            *values.select_nth_unstable_by(middle, f32::total_cmp).1
        };
        let [x, y, w, h] = [0, 1, 2, 3].map(median);
        let landmarks = std::array::from_fn(|k| Point { x: median(4 + 2 * k), y: median(5 + 2 * k) });
        let answer = Truth { face: Rect { x, y, w, h }, landmarks };
        let mean = |f: &dyn Fn(&Truth) -> f32| {
            (truths.iter().map(|t| f64::from(f(t))).sum::<f64>() / truths.len() as f64) as f32
        };
        let (box_iou, landmark_nme) = (mean(&|t| t.face.iou(&answer.face)), mean(&|t| t.error(&answer.landmarks)));
        Some(Constant { answer, box_iou, landmark_nme })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(x: f32) -> Truth {
        let face = Rect { x, y: 0.2, w: 0.4, h: 0.5 };
        let at = |dx: f32, dy: f32| Point { x: x + dx, y: 0.2 + dy };
        Truth { face, landmarks: [at(0.1, 0.2), at(0.3, 0.2), at(0.2, 0.3), at(0.1, 0.4), at(0.3, 0.4)] }
    }

    #[test]
    fn the_constant_is_the_median_and_scores_what_it_is_off() {
        let of = |xs: &[f32]| {
            let one = |x: &f32| Answered { truths: vec![truth(*x)], ..Answered::default() };
            Constant::of(&xs.iter().map(one).collect::<Vec<_>>())
        };
        let same = of(&[0.3; 5]).unwrap();
        assert!((same.box_iou - 1.0).abs() < 1e-5 && same.landmark_nme < 1e-5, "{same:?}");
        assert_eq!(same.answer, truth(0.3));
        // One face of three is a quarter of its width off: IoU 0.3 / 0.5, and half an eye distance in every point.
        let off = of(&[0.3, 0.3, 0.4]).unwrap();
        assert!((off.box_iou - (2.0 + 0.6) / 3.0).abs() < 1e-5, "{off:?}");
        assert!((off.landmark_nme - 0.5 / 3.0).abs() < 1e-5, "{off:?}");
        assert_eq!(of(&[]), None);
    }
}
