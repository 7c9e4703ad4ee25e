//! Two looks at a clip: as it is, and in a mirror.

use crate::traits::{Engine, EngineError};
use mtcae_contract::{Clip, RawOutput};

/// An engine that infers each clip and its mirror image, and answers with the mean of both. Faces mean the same either way,
/// so what a network happens to see in one of them only is halved. Twice the time.
pub struct Mirrored(Box<dyn Engine>);

impl Mirrored {
    /// `engine` with a mirror.
    pub fn new(engine: Box<dyn Engine>) -> Mirrored {
        Mirrored(engine)
    }
}

impl Engine for Mirrored {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn infer(&mut self, clip: &Clip) -> Result<RawOutput, EngineError> {
        let mut other = turned(clip);
        let seen = self.0.infer(&other);
        other.bytes.fill(0); // pixels go when they are no longer needed, whatever became of the run
        let plain = self.0.infer(clip)?;
        Ok(mean(plain, &unturned(seen?)))
    }

    fn stream(&self) -> Option<Box<dyn Engine>> {
        self.0.stream().map(|engine| Box::new(Mirrored(engine)) as Box<dyn Engine>)
    }
}

/// `clip` in a mirror: left is right.
fn turned(clip: &Clip) -> Clip {
    let mut bytes = Vec::with_capacity(clip.bytes.len());
    for row in clip.bytes.chunks(clip.size.max(1) * 3) {
        row.rchunks(3).for_each(|pixel| bytes.extend_from_slice(pixel));
    }
    Clip { bytes, frames: clip.frames, size: clip.size, crop: clip.crop }
}

/// An answer to a mirror image as an answer to what stood before the mirror. A flat answer of the wrong length stays wrong.
fn unturned(mut answer: RawOutput) -> RawOutput {
    for b in answer.boxes.chunks_exact_mut(4) {
        b[0] = 1.0 - b[0] - b[2];
    }
    for points in answer.landmarks.chunks_exact_mut(10) {
        points.iter_mut().step_by(2).for_each(|x| *x = 1.0 - *x);
        // The eye on the left of the mirror is the one on the right of the face; so are the corners of the mouth.
        for (a, b) in [(0, 2), (1, 3), (6, 8), (7, 9)] {
            points.swap(a, b);
        }
    }
    answer
}

/// The mean of two answers, number by number.
fn mean(mut a: RawOutput, b: &RawOutput) -> RawOutput {
    let pairs = [(&mut a.boxes, &b.boxes), (&mut a.landmarks, &b.landmarks), (&mut a.logits, &b.logits)];
    for (mine, others) in pairs {
        mine.iter_mut().zip(others).for_each(|(x, y)| *x = (*x + y) / 2.0);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_contract::Rect;

    /// Answers with where the one bright pixel of the first frame is, and remembers what it saw.
    struct Bright(Vec<Vec<u8>>);

    impl Engine for Bright {
        fn name(&self) -> &str {
            "bright"
        }

        fn infer(&mut self, clip: &Clip) -> Result<RawOutput, EngineError> {
            self.0.push(clip.bytes.clone());
            let i = clip.bytes.iter().position(|v| *v == 200).ok_or_else(|| EngineError::Failed("dark".into()))?;
            let x = ((i / 3 % clip.size) as f32 + 0.5) / clip.size as f32;
            let y = ((i / 3 / clip.size) as f32 + 0.5) / clip.size as f32;
            let eyes = [x - 0.1, y, x + 0.1, y, x, y + 0.1, x - 0.2, y, x + 0.2, y];
            Ok(RawOutput { boxes: vec![x, y, 0.25, 0.5], landmarks: eyes.to_vec(), logits: vec![x, 1.0] })
        }
    }

    fn clip(at: usize) -> Clip {
        let mut bytes = vec![7; 4 * 4 * 3];
        bytes[at * 3] = 200;
        Clip { bytes, frames: 1, size: 4, crop: Rect { x: 5.0, y: 6.0, w: 7.0, h: 8.0 } }
    }

    fn close(a: &[f32], b: &[f32]) {
        assert_eq!(a.len(), b.len());
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6), "{a:?} {b:?}");
    }

    #[test]
    fn a_mirror_turns_pixels_in_their_rows_and_twice_is_nothing() {
        let clip = clip(5); // column 1 of row 1
        let other = turned(&clip);
        assert_eq!(other.bytes.iter().position(|v| *v == 200), Some(6 * 3));
        assert_eq!((other.frames, other.size, other.crop), (1, 4, clip.crop));
        assert_eq!(turned(&other).bytes, clip.bytes);
    }

    #[test]
    fn points_are_told_where_they_are_and_logits_are_averaged() {
        let answer = Mirrored::new(Box::new(Bright(Vec::new()))).infer(&clip(5)).unwrap();
        // The plain answer's points are symmetric around x = 0.375, so both looks agree on them.
        close(&answer.landmarks, &[0.275, 0.375, 0.475, 0.375, 0.375, 0.475, 0.175, 0.375, 0.575, 0.375]);
        // Its box starts at x = 0.375; the mirror's at 0.625, which is 1 - 0.625 - 0.25 before the mirror.
        close(&answer.boxes, &[(0.375 + 0.125) / 2.0, 0.375, 0.25, 0.5]);
        close(&answer.logits, &[(0.375 + 0.625) / 2.0, 1.0]);
    }

    #[test]
    fn a_run_that_fails_fails() {
        let dark = Clip { bytes: vec![0; 48], ..clip(0) };
        assert!(Mirrored::new(Box::new(Bright(Vec::new()))).infer(&dark).is_err());
    }
}
