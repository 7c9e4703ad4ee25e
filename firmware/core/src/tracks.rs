//! Which face is which, from one look to the next.

use crate::{FoundFace, GazeSettings};
use mtcae_contract::{LANDMARKS, Micros, Point, Rect};

/// Faces of one look beyond this many are ignored, the worst first.
const MAX_FACES: usize = 32;
/// Two boxes that overlap this much (IoU) are the same face.
const SAME_IOU: f32 = 0.2;
/// So are two of similar size whose centres are closer than this share of their size.
const SAME_DISTANCE: f32 = 0.6;

/// A face followed over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// Random and short-lived; never 0.
    pub id: u32,
    /// Where it was last, pixels.
    pub face: Rect,
    /// Its points where they were last found, pixels.
    pub landmarks: [Point; LANDMARKS],
    /// The detector's score when it last found it, 0 to 1.
    pub score: f32,
    /// When it was first found.
    pub since: Micros,
    /// When it was last found by a look (not merely steered).
    pub confirmed: Micros,
    /// The last look did not find it.
    pub missing: bool,
}

impl Track {
    fn confirm(&mut self, found: &FoundFace, now: Micros) {
        self.face = found.face;
        self.landmarks = found.landmarks;
        self.score = found.score;
        self.confirmed = now;
        self.missing = false;
    }
}

/// The faces followed, oldest first; at most `limit`.
pub struct Tracks {
    settings: GazeSettings,
    limit: usize,
    list: Vec<Track>,
    ids: Ids,
}

impl Tracks {
    /// No faces yet. `seed` decides the ids.
    pub fn new(settings: GazeSettings, limit: usize, seed: u64) -> Tracks {
        Tracks { settings, limit, list: Vec::new(), ids: Ids(seed) }
    }

    /// All faces followed.
    pub fn all(&self) -> &[Track] {
        &self.list
    }

    /// The face that is inferred: the one followed longest.
    pub fn primary(&self) -> Option<&Track> {
        self.list.first()
    }

    /// The face with this id, while it is followed.
    pub fn get(&self, id: u32) -> Option<&Track> {
        self.list.iter().find(|t| t.id == id)
    }

    /// A look at the whole picture found `faces`: matches them with the faces followed, and takes up new ones, the
    /// largest first, while there is room.
    pub fn observe(&mut self, faces: &[FoundFace], now: Micros) {
        let faces: Vec<&FoundFace> = faces.iter().filter(|f| usable(f)).take(MAX_FACES).collect();
        let mut pairs: Vec<(f32, usize, usize)> = Vec::new();
        for (t, track) in self.list.iter().enumerate() {
            pairs.extend(
                faces.iter().enumerate().filter_map(|(f, found)| Some((likeness(&track.face, &found.face)?, t, f))),
            );
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut taken = vec![false; faces.len()];
        let mut matched = vec![false; self.list.len()];
        for (_, t, f) in pairs {
            if !matched[t] && !taken[f] {
                (matched[t], taken[f]) = (true, true);
                self.list[t].confirm(faces[f], now);
            }
        }
        for (track, _) in self.list.iter_mut().zip(&matched).filter(|(_, m)| !**m) {
            track.missing = true;
        }
        let fresh = faces.iter().zip(&taken).filter(|(f, taken)| !**taken && f.score >= self.settings.min_score);
        let mut fresh: Vec<&FoundFace> = fresh.map(|(f, _)| *f).collect();
        fresh.sort_by(|a, b| (b.face.area() * b.score).total_cmp(&(a.face.area() * a.score)));
        for found in fresh.into_iter().take(self.limit.saturating_sub(self.list.len())) {
            self.list.push(Track {
                id: self.ids.next(),
                face: found.face,
                landmarks: found.landmarks,
                score: found.score,
                since: now,
                confirmed: now,
                missing: false,
            });
        }
    }

    /// A cheap look near the face `id` found `found`, or nothing. A face that is not like it counts as nothing.
    pub fn follow(&mut self, id: u32, found: Option<FoundFace>, now: Micros) {
        let Some(track) = self.list.iter_mut().find(|t| t.id == id) else { return };
        match found.filter(|f| usable(f) && likeness(&track.face, &f.face).is_some()) {
            Some(found) => track.confirm(&found, now),
            None => track.missing = true,
        }
    }

    /// The network places the face `id` at `face`; believed when it agrees with where the face was.
    pub fn steer(&mut self, id: u32, face: Rect, landmarks: [Point; LANDMARKS]) -> bool {
        let Some(track) = self.list.iter_mut().find(|t| t.id == id) else { return false };
        let agrees = face.is_proper() && face.iou(&track.face) >= self.settings.steer_iou;
        if agrees {
            track.face = face;
            track.landmarks = landmarks;
        }
        agrees
    }

    /// Lets go of faces that are lost by `now`; returns how many.
    pub fn expire(&mut self, now: Micros) -> usize {
        let before = self.list.len();
        let GazeSettings { lost_after, forget_after, .. } = self.settings;
        self.list.retain(|t| {
            let unseen = now.saturating_sub(t.confirmed);
            unseen < forget_after && !(t.missing && unseen >= lost_after)
        });
        before - self.list.len()
    }

    /// Lets go of all faces.
    pub fn clear(&mut self) {
        self.list.clear();
    }
}

fn usable(found: &FoundFace) -> bool {
    let finite = |p: &Point| p.x.is_finite() && p.y.is_finite();
    found.face.is_proper() && found.score.is_finite() && found.landmarks.iter().all(finite)
}

/// How alike two boxes are, larger is more; `None` when they cannot be the same face.
fn likeness(a: &Rect, b: &Rect) -> Option<f32> {
    let iou = a.iou(b);
    if iou >= SAME_IOU {
        return Some(1.0 + iou);
    }
    let size = a.area().sqrt().max(b.area().sqrt());
    let ratio = a.area().sqrt().min(b.area().sqrt()) / size;
    let apart = a.center().distance(b.center()) / size;
    (ratio >= 0.5 && apart < SAME_DISTANCE).then_some(1.0 - apart)
}

/// Random-looking ids from a seed: SplitMix64 (Steele, Lea, Flood 2014).
struct Ids(u64);

impl Ids {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (((z ^ (z >> 31)) >> 32) as u32).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(x: f32, size: f32, score: f32) -> FoundFace {
        FoundFace { face: Rect { x, y: 50.0, w: size, h: size }, score, landmarks: [Point { x, y: 60.0 }; LANDMARKS] }
    }

    fn tracks(limit: usize) -> Tracks {
        Tracks::new(GazeSettings::default(), limit, 7)
    }

    #[test]
    fn takes_the_largest_and_stays_with_it() {
        let mut t = tracks(1);
        t.observe(&[found(10.0, 40.0, 0.99), found(200.0, 80.0, 0.9)], 0);
        let id = t.primary().unwrap().id;
        assert_eq!(t.primary().unwrap().face.x, 200.0);
        t.observe(&[found(10.0, 200.0, 0.99), found(220.0, 80.0, 0.9)], 100_000);
        assert_eq!((t.primary().unwrap().id, t.primary().unwrap().face.x), (id, 220.0));
        assert_eq!(t.all().len(), 1);
    }

    #[test]
    fn a_missing_face_is_lost_after_its_time_and_gets_another_id() {
        let mut t = tracks(1);
        t.observe(&[found(10.0, 40.0, 0.9)], 0);
        let id = t.primary().unwrap().id;
        assert_eq!(t.expire(4_000_000), 0, "nobody has looked");
        t.observe(&[], 700_000);
        assert!(t.primary().unwrap().missing);
        assert_eq!(t.expire(700_000), 0);
        t.observe(&[found(15.0, 40.0, 0.9)], 750_000);
        assert_eq!(t.primary().unwrap().id, id);
        t.observe(&[], 1_000_000);
        assert_eq!(t.expire(1_600_000), 1);
        t.observe(&[found(10.0, 40.0, 0.9)], 1_700_000);
        assert_ne!(t.primary().unwrap().id, id);
        assert_eq!(t.expire(7_000_000), 1, "nobody confirmed it");
    }

    #[test]
    fn two_faces_that_pass_keep_their_ids() {
        let mut t = tracks(2);
        t.observe(&[found(0.0, 40.0, 0.9), found(100.0, 40.0, 0.8)], 0);
        let (a, b) = (t.all()[0].id, t.all()[1].id);
        assert_ne!(a, b);
        t.observe(&[found(85.0, 40.0, 0.95), found(15.0, 40.0, 0.9)], 1);
        assert_eq!((t.get(a).unwrap().face.x, t.get(b).unwrap().face.x), (15.0, 85.0));
    }

    #[test]
    fn steering_and_following_must_agree() {
        let mut t = tracks(1);
        t.observe(&[found(10.0, 40.0, 0.9)], 0);
        let id = t.primary().unwrap().id;
        let marks = [Point::default(); LANDMARKS];
        assert!(t.steer(id, Rect { x: 13.0, y: 50.0, w: 40.0, h: 40.0 }, marks));
        assert!(!t.steer(id, Rect { x: 60.0, y: 50.0, w: 40.0, h: 40.0 }, marks));
        assert!(!t.steer(id, Rect { x: f32::NAN, y: 50.0, w: 40.0, h: 40.0 }, marks));
        assert_eq!(t.primary().unwrap().face.x, 13.0);
        t.follow(id, Some(found(400.0, 40.0, 0.9)), 5);
        assert!(t.primary().unwrap().missing);
    }

    #[test]
    fn nonsense_and_doubtful_faces_start_no_track() {
        let mut t = tracks(4);
        let nan = FoundFace { score: f32::NAN, ..found(0.0, 40.0, 0.9) };
        t.observe(&[nan, found(f32::INFINITY, 40.0, 0.9), found(0.0, 0.0, 0.9), found(0.0, 40.0, 0.3)], 0);
        assert!(t.all().is_empty());
    }
}
