//! One face through the frames of a clip: which detections are it, and where it was when nothing was found. Pure.

use mtcae_contract::{LANDMARKS, Point, Rect};
use mtcae_detect::Detection;

/// Farthest that a face's centre moves from one frame of a clip to the next, in longer sides of its box.
const REACH: f32 = 0.75;

/// Most that a face's size changes from one frame to the next, as a factor.
const GROWTH: f32 = 1.6;

/// A face in one frame, pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Seen {
    pub face: Rect,
    pub landmarks: [Point; LANDMARKS],
    /// False: nothing was found in this frame, and the place is taken from its neighbours.
    pub found: bool,
}

/// A face that was seen, and how many frames ago.
pub(crate) type Last = (Detection, f32);

/// Of a face that is looked for without knowing one: the face, and how well it would do as the clip's person.
pub(crate) type Chosen = (Detection, f32);

/// The clip's person in each of `frames`, where there is one. `look` is asked first for the best face in two frames, after a third and after
/// two thirds of the clip (then in the others, in turn, as long as there was none), and from the better one on for the same face in the
/// frames behind and before, given where it was last.
///
/// # Errors
/// Those of `look`.
pub(crate) fn follow<E>(
    frames: usize,
    mut look: impl FnMut(usize, Option<&Last>) -> Result<Option<Chosen>, E>,
) -> Result<Vec<Option<Detection>>, E> {
    let mut person = vec![None; frames];
    let mut best: Option<(usize, Chosen)> = None;
    let probes = [frames / 3, 2 * frames / 3];
    let others = (0..frames).filter(|t| !probes.contains(t));
    for (i, t) in probes.into_iter().chain(others).filter(|t| *t < frames).enumerate() {
        if i >= probes.len() && best.is_some() {
            break;
        }
        let found = look(t, None)?;
        best = match (best, found) {
            (Some(best), Some(found)) if found.1 > best.1.1 => Some((t, found)),
            (None, found) => found.map(|found| (t, found)),
            (best, _) => best,
        };
    }
    let Some((start, (first, _))) = best else { return Ok(person) };
    person[start] = Some(first);
    let ways: [Vec<usize>; 2] = [(start + 1..frames).collect(), (0..start).rev().collect()];
    for way in ways {
        let mut last = (first, 1.0);
        for t in way {
            person[t] = look(t, Some(&last))?.map(|(found, _)| found);
            last = match person[t] {
                Some(found) => (found, 1.0),
                None => (last.0, last.1 + 1.0),
            };
        }
    }
    Ok(person)
}

/// The surest, largest, most central of `faces` in a picture of these sides.
pub(crate) fn chosen(faces: &[Detection], width: u32, height: u32) -> Option<Chosen> {
    let (middle, longest) = (Rect::whole(width, height).center(), width.max(height) as f32);
    let worth =
        |d: &Detection| d.score + d.face.w.max(d.face.h) / longest - 2.0 * d.face.center().distance(middle) / longest;
    faces.iter().map(|d| (*d, worth(d))).max_by(|a, b| a.1.total_cmp(&b.1))
}

/// The face nearest to the last one, within reach of it.
pub(crate) fn nearest(faces: &[Detection], (last, ago): &Last) -> Option<Detection> {
    let size = |d: &Detection| d.face.w.max(d.face.h);
    let away = |d: &Detection| d.face.center().distance(last.face.center());
    let near = faces.iter().filter(|d| {
        let growth = size(d) / size(last);
        away(d) <= REACH * ago * size(last) && (1.0 / GROWTH..=GROWTH).contains(&growth)
    });
    near.min_by(|a, b| away(a).total_cmp(&away(b))).copied()
}

/// Fills the gaps: between two sightings along a straight line, before the first and behind the last with these.
/// Empty when there is none.
pub(crate) fn fill(person: &[Option<Detection>]) -> Vec<Seen> {
    let known: Vec<(usize, Seen)> = person
        .iter()
        .enumerate()
        .filter_map(|(t, d)| d.map(|d| (t, Seen { face: d.face, landmarks: d.landmarks, found: true })))
        .collect();
    if known.is_empty() {
        return Vec::new();
    }
    let at = |t: usize| {
        let after = known.partition_point(|(k, _)| *k < t);
        match (after.checked_sub(1).map(|i| known[i]), known.get(after)) {
            (_, Some((k, seen))) if *k == t => *seen,
            (Some((a, before)), Some((b, behind))) => between(&before, behind, (t - a) as f32 / (b - a) as f32),
            (Some((_, edge)), None) => Seen { found: false, ..edge },
            (None, _) => Seen { found: false, ..known[0].1 },
        }
    };
    (0..person.len()).map(at).collect()
}

fn between(a: &Seen, b: &Seen, share: f32) -> Seen {
    let mix = |a: f32, b: f32| a + (b - a) * share;
    let (f, g) = (&a.face, &b.face);
    Seen {
        face: Rect { x: mix(f.x, g.x), y: mix(f.y, g.y), w: mix(f.w, g.w), h: mix(f.h, g.h) },
        landmarks: std::array::from_fn(|i| Point {
            x: mix(a.landmarks[i].x, b.landmarks[i].x),
            y: mix(a.landmarks[i].y, b.landmarks[i].y),
        }),
        found: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(x: f32, side: f32, score: f32) -> Detection {
        let face = Rect { x, y: 40.0, w: side, h: side };
        Detection { face, score, landmarks: [face.center(); LANDMARKS] }
    }

    fn followed(frames: &[Vec<Detection>]) -> Vec<Option<Detection>> {
        let look = |t: usize, last: Option<&Last>| -> Result<_, ()> {
            let known = |last| nearest(&frames[t], last).map(|found| (found, 0.0));
            Ok(last.map_or_else(|| chosen(&frames[t], 160, 120), known))
        };
        follow(frames.len(), look).unwrap()
    }

    #[test]
    fn the_person_in_the_middle_is_followed_past_others() {
        let frames: Vec<Vec<Detection>> =
            (0..6).map(|t| vec![face(5.0, 30.0, 1.0), face(60.0 + 4.0 * t as f32, 40.0, 0.9)]).collect();
        let person = followed(&frames);
        let xs: Vec<f32> = person.iter().map(|d| d.unwrap().face.x).collect();
        assert_eq!(xs, [60.0, 64.0, 68.0, 72.0, 76.0, 80.0]);
    }

    #[test]
    fn a_jump_is_another_face_and_the_gap_is_filled() {
        let mut frames: Vec<Vec<Detection>> = (0..5).map(|t| vec![face(60.0 + 10.0 * t as f32, 40.0, 0.9)]).collect();
        frames[1] = vec![face(0.0, 12.0, 1.0)];
        frames[2].clear();
        frames[4].clear();
        let person = followed(&frames);
        assert_eq!(person.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, false, true, false]);
        let seen = fill(&person);
        assert_eq!(seen.iter().map(|s| s.found).collect::<Vec<_>>(), [true, false, false, true, false]);
        let xs: Vec<f32> = seen.iter().map(|s| s.face.x.round()).collect();
        assert_eq!(xs, [60.0, 70.0, 80.0, 90.0, 90.0]);
        assert!((seen[1].landmarks[2].x - seen[1].face.center().x).abs() < 1e-3);
    }

    #[test]
    fn without_a_face_there_is_nothing_to_fill() {
        assert_eq!(followed(&[vec![], vec![]]), [None, None]);
        assert!(fill(&[None, None]).is_empty() && fill(&[]).is_empty());
    }

    #[test]
    fn what_comes_before_the_first_sighting_is_where_it_is() {
        let seen = fill(&[None, None, Some(face(7.0, 20.0, 1.0))]);
        assert_eq!(
            seen.iter().map(|s| (s.face.x, s.found)).collect::<Vec<_>>(),
            [(7.0, false), (7.0, false), (7.0, true)]
        );
    }
}
