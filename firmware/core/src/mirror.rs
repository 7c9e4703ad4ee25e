//! Two looks at a clip: as it is, and in a mirror.

use crate::ring::zero;
use crate::traits::{Engine, EngineError};
use mtcae_contract::{Clip, RawOutput, Rect};

/// An engine that infers each clip and its mirror image, and answers with the mean of both. Faces mean the same either way,
/// so what a network happens to see in one of them only is halved. Twice the time.
pub struct Mirrored {
    engine: Box<dyn Engine>,
    name: String,
    /// The clip in the mirror: room that is kept from run to run, and black between them.
    other: Clip,
}

impl Mirrored {
    /// `engine` with a mirror.
    pub fn new(engine: Box<dyn Engine>) -> Mirrored {
        let name = format!("{}+mirror", engine.name());
        Mirrored { engine, name, other: Clip { bytes: Vec::new(), frames: 0, size: 0, crop: Rect::default() } }
    }
}

impl Engine for Mirrored {
    fn name(&self) -> &str {
        &self.name
    }

    fn infer(&mut self, clip: &Clip) -> Result<RawOutput, EngineError> {
        turn(clip, &mut self.other);
        let seen = self.engine.infer(&self.other);
        zero(&mut self.other.bytes); // pixels go when they are no longer needed, whatever became of the run
        let plain = self.engine.infer(clip)?;
        Ok(mean(plain, &unturned(seen?)))
    }

    fn stream(&self) -> Option<Box<dyn Engine>> {
        self.engine.stream().map(|engine| Box::new(Mirrored::new(engine)) as Box<dyn Engine>)
    }
}

/// `clip` in a mirror, left is right, into the room of `other`.
fn turn(clip: &Clip, other: &mut Clip) {
    (other.frames, other.size, other.crop) = (clip.frames, clip.size, clip.crop);
    other.bytes.clear();
    other.bytes.reserve_exact(clip.bytes.len()); // never grows while it holds pixels, which would leave a copy behind
    for row in clip.bytes.chunks(clip.size.max(1) * 3) {
        row.rchunks(3).for_each(|pixel| other.bytes.extend_from_slice(pixel));
    }
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
    use std::sync::{Arc, Mutex};

    /// Answers with where the one bright pixel of the first frame is, and remembers what it saw.
    #[derive(Default, Clone)]
    struct Bright(Arc<Mutex<Vec<Vec<u8>>>>);

    impl Engine for Bright {
        fn name(&self) -> &str {
            "bright"
        }

        fn infer(&mut self, clip: &Clip) -> Result<RawOutput, EngineError> {
            self.0.lock().unwrap().push(clip.bytes.clone());
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
        let mut other = Clip { bytes: vec![1; 7], ..clip.clone() };
        turn(&clip, &mut other);
        assert_eq!(other.bytes.iter().position(|v| *v == 200), Some(6 * 3));
        assert_eq!((other.frames, other.size, other.crop), (1, 4, clip.crop));
        let mut twice = other.clone();
        turn(&other, &mut twice);
        assert_eq!(twice.bytes, clip.bytes);
    }

    #[test]
    fn points_are_told_where_they_are_and_logits_are_averaged() {
        let answer = Mirrored::new(Box::<Bright>::default()).infer(&clip(5)).unwrap();
        // The plain answer's points are symmetric around x = 0.375, so both looks agree on them.
        close(&answer.landmarks, &[0.275, 0.375, 0.475, 0.375, 0.375, 0.475, 0.175, 0.375, 0.575, 0.375]);
        // Its box starts at x = 0.375; the mirror's at 0.625, which is 1 - 0.625 - 0.25 before the mirror.
        close(&answer.boxes, &[(0.375 + 0.125) / 2.0, 0.375, 0.25, 0.5]);
        close(&answer.logits, &[(0.375 + 0.625) / 2.0, 1.0]);
    }

    #[test]
    fn a_run_that_fails_fails() {
        let dark = Clip { bytes: vec![0; 48], ..clip(0) };
        assert!(Mirrored::new(Box::<Bright>::default()).infer(&dark).is_err());
    }

    #[test]
    fn both_looks_are_taken_and_nothing_of_a_clip_is_kept() {
        let (bright, dark) = (Bright::default(), Clip { bytes: vec![3; 48], ..clip(0) });
        let mut engine = Mirrored::new(Box::new(bright.clone()));
        for (clip, works) in [(clip(5), true), (dark, false), (clip(6), true)] {
            let room = engine.other.bytes.as_ptr();
            assert_eq!(engine.infer(&clip).is_ok(), works);
            assert_eq!(engine.other.bytes, [0; 48]);
            assert!(room == engine.other.bytes.as_ptr() || bright.0.lock().unwrap().len() == 2, "new room");
        }
        let seen = bright.0.lock().unwrap();
        let at: Vec<_> = seen.iter().map(|bytes| bytes.iter().position(|v| *v == 200).map(|i| i / 3)).collect();
        assert_eq!(at, [Some(6), Some(5), None, None, Some(5), Some(6)]);
    }

    #[test]
    fn its_name_says_so() {
        assert_eq!(Mirrored::new(Box::<Bright>::default()).name(), "bright+mirror");
    }
}
