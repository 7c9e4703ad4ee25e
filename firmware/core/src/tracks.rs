//! Which face is which, from one look to the next.

use crate::{Choice, FoundFace, GazeSettings};
use mtcae_contract::{LANDMARKS, Micros, Point, Rect};

/// Faces of one look beyond this many are ignored, the worst first.
const MAX_FACES: usize = 32;
/// Two boxes that overlap this much (IoU) are the same face.
const SAME_IOU: f32 = 0.2;
/// So are two of similar size whose centres are closer than this share of their size ...
const SAME_DISTANCE: f32 = 0.6;
/// ... and this much more for every second between them, up to [`COASTS_FOR`]: people walk, and turn.
const WALKS: f32 = 1.5;
/// Who comes back does so within this share of the face's size of where it was lost: a moment is enough for a step.
const RETURN_DISTANCE: f32 = 2.5;
/// Two faces of which the smaller one's side is less than this share of the other's are not the same.
const SAME_SIZE: f32 = 0.75;
/// A face moves on as it did for at most this long, microseconds; nobody walks on a ruler.
const COASTS_FOR: Micros = 700_000;
/// Time over which a face's speed is averaged, seconds: boxes jitter by a pixel or two from look to look.
const SPEED_OVER: f32 = 0.15;
/// A face that waits for a place gets that of one that counts less than its weight by this factor ...
const OUTWEIGHS: f32 = 2.0;
/// ... and has been followed for this long, microseconds: two people must not take turns in being followed.
const SETTLED: Micros = 2_000_000;

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
    /// When the picture was captured that `face` is of.
    pub placed: Micros,
    /// How its centre moves, pixels a second.
    pub speed: Point,
}

impl Track {
    fn new(id: u32, found: &FoundFace, captured: Micros, now: Micros) -> Track {
        Track {
            id,
            face: found.face,
            landmarks: found.landmarks,
            score: found.score,
            since: now,
            confirmed: now,
            missing: false,
            placed: captured,
            speed: Point::default(),
        }
    }

    /// A face as found at time 0, for tests.
    #[cfg(test)]
    pub(crate) fn found(id: u32, face: Rect, landmarks: [Point; LANDMARKS], score: f32) -> Track {
        Track::new(id, &FoundFace { face, score, landmarks }, 0, 0)
    }

    fn confirm(&mut self, found: &FoundFace, captured: Micros, now: Micros) {
        self.place(found.face, found.landmarks, captured);
        self.score = found.score;
        self.confirmed = now;
        self.missing = false;
    }

    fn place(&mut self, face: Rect, landmarks: [Point; LANDMARKS], captured: Micros) {
        let passed = captured.saturating_sub(self.placed) as f32 / 1e6;
        if passed > 0.0 {
            let (from, to) = (self.face.center(), face.center());
            let weight = passed / (passed + SPEED_OVER);
            self.speed.x += weight * ((to.x - from.x) / passed - self.speed.x);
            self.speed.y += weight * ((to.y - from.y) / passed - self.speed.y);
        }
        self.face = face;
        self.landmarks = landmarks;
        self.placed = self.placed.max(captured);
    }

    /// Where its box is in a picture of `captured` if it goes on as it did.
    pub fn expected(&self, captured: Micros) -> Rect {
        let way = self.way(captured);
        Rect { x: self.face.x + way.x, y: self.face.y + way.y, ..self.face }
    }

    /// It, with box and points where they are in a picture of `captured` if it goes on as it did.
    pub fn at(&self, captured: Micros) -> Track {
        let way = self.way(captured);
        let landmarks = self.landmarks.map(|p| Point { x: p.x + way.x, y: p.y + way.y });
        Track { face: self.expected(captured), landmarks, ..self.clone() }
    }

    fn way(&self, captured: Micros) -> Point {
        let passed = self.coasts(captured);
        Point { x: passed * self.speed.x, y: passed * self.speed.y }
    }

    /// Seconds from its last picture to one of `captured`, within a bound.
    fn coasts(&self, captured: Micros) -> f32 {
        captured.saturating_sub(self.placed).min(COASTS_FOR) as f32 / 1e6
    }

    /// How alike it is to a face at `face` in a picture of `captured`, larger is more; `None` when that cannot be it. One
    /// that turned round is nearer to where it was than to where it was going, and counts as less alike.
    fn alike(&self, face: &Rect, captured: Micros) -> Option<f32> {
        let reach = SAME_DISTANCE + WALKS * self.coasts(captured);
        let expected = likeness(&self.expected(captured), face, reach);
        expected.or_else(|| likeness(&self.face, face, reach).map(|l| l * 0.5))
    }

    /// How alike it, lost a moment ago, is to `found`; `None` when that cannot be it.
    fn comes_back_as(&self, found: &FoundFace, captured: Micros) -> Option<f32> {
        let near = likeness(&self.face, &found.face, RETURN_DISTANCE);
        // One that is still followed comes first.
        near.or_else(|| likeness(&self.expected(captured), &found.face, RETURN_DISTANCE)).map(|l| 0.9 * l)
    }

    /// It was lost, and is back.
    fn returned(mut self, found: &FoundFace, captured: Micros, now: Micros) -> Track {
        self.confirm(found, captured, now);
        self.speed = Point::default();
        self
    }
}

/// The faces followed, at most [`GazeSettings::faces`], and those lost a moment ago.
pub struct Tracks {
    settings: GazeSettings,
    list: Vec<Track>,
    /// Lost faces, and when they were: one that comes back is the same one.
    lost: Vec<(Micros, Track)>,
    ids: Ids,
}

impl Tracks {
    /// No faces yet. `seed` decides the ids.
    pub fn new(settings: GazeSettings, seed: u64) -> Tracks {
        Tracks { settings, list: Vec::new(), lost: Vec::new(), ids: Ids(seed) }
    }

    /// All faces followed, in the order in which they were taken up.
    pub fn all(&self) -> &[Track] {
        &self.list
    }

    /// The face with this id, while it is followed.
    pub fn get(&self, id: u32) -> Option<&Track> {
        self.list.iter().find(|t| t.id == id)
    }

    /// The face that was found longest ago: the next one to look at.
    pub fn stalest(&self) -> Option<&Track> {
        self.list.iter().min_by_key(|t| t.confirmed)
    }

    /// True when a look may bring a face back: one of the followed is missing, or one was lost a moment ago.
    pub fn misses_any(&self) -> bool {
        !self.lost.is_empty() || self.list.iter().any(|t| t.missing)
    }

    /// True while the face is followed, or was lost so short a time ago that it may come back.
    pub fn remembers(&self, id: u32) -> bool {
        self.get(id).is_some() || self.lost.iter().any(|(_, t)| t.id == id)
    }

    /// A look at the whole picture (`picture` its bounds, pixels, of the time `captured`) found `faces`: matches them with
    /// the faces followed, and takes up others by weight ([`GazeSettings::choice`]) while there is room, or in the place of
    /// one that counts much less.
    pub fn observe(&mut self, faces: &[FoundFace], picture: Rect, captured: Micros, now: Micros) {
        let faces: Vec<&FoundFace> = faces.iter().filter(|f| usable(f)).take(MAX_FACES).collect();
        self.forget_lost(now);
        let followed = self.list.len();
        let mut pairs: Vec<(f32, usize, usize)> = Vec::new();
        for (f, found) in faces.iter().enumerate() {
            let follows = self.list.iter().map(|t| t.alike(&found.face, captured));
            let returns = self.lost.iter().map(|(_, t)| t.comes_back_as(found, captured));
            pairs.extend(follows.chain(returns).enumerate().filter_map(|(t, alike)| Some((alike?, t, f))));
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut owner: Vec<Option<usize>> = vec![None; faces.len()];
        for (_, t, f) in pairs {
            if owner[f].is_none() && !owner.contains(&Some(t)) {
                owner[f] = Some(t);
            }
        }
        for (t, track) in self.list.iter_mut().enumerate() {
            match owner.iter().position(|o| *o == Some(t)) {
                Some(f) => track.confirm(faces[f], captured, now),
                None => track.missing = true,
            }
        }
        let weight = |f: usize| self.settings.choice.weight(faces[f].face, picture) * faces[f].score;
        let is_new = |f: usize| owner[f].is_none_or(|t| t >= followed) && faces[f].score >= self.settings.min_score;
        let mut new: Vec<(f32, usize)> = (0..faces.len()).filter(|f| is_new(*f)).map(|f| (weight(f), f)).collect();
        new.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut lost: Vec<Option<(Micros, Track)>> = self.lost.drain(..).map(Some).collect();
        for (weight, f) in new {
            if self.list.len() >= self.settings.faces && !self.make_room(weight, picture, now) {
                break;
            }
            let before = owner[f].and_then(|t| lost[t - followed].take());
            let track = match before {
                Some((_, track)) => track.returned(faces[f], captured, now),
                None => Track::new(self.ids.next(), faces[f], captured, now),
            };
            self.list.push(track);
        }
        self.lost.extend(lost.into_iter().flatten());
    }

    /// A cheap look near the face `id`, in the picture of `captured`, found `found`, or nothing. A face that is not like
    /// it, or is more like another one that is followed, counts as nothing.
    pub fn follow(&mut self, id: u32, found: Option<FoundFace>, captured: Micros, now: Micros) {
        let found = found.filter(|f| usable(f) && self.is_of(id, &f.face, captured));
        let Some(track) = self.list.iter_mut().find(|t| t.id == id) else { return };
        match found {
            Some(found) => track.confirm(&found, captured, now),
            None => track.missing = true,
        }
    }

    /// The network places the face `id` at `face` in the picture of `captured`; believed when it agrees with where the
    /// face is expected, and no other face is meant.
    pub fn steer(&mut self, id: u32, face: Rect, landmarks: [Point; LANDMARKS], captured: Micros) -> bool {
        let Some(track) = self.get(id) else { return false };
        let near = face.is_proper() && face.iou(&track.expected(captured)) >= self.settings.steer_iou;
        let agrees = near && self.is_of(id, &face, captured);
        if let Some(track) = self.list.iter_mut().find(|t| t.id == id && agrees) {
            track.place(face, landmarks, captured);
        }
        agrees
    }

    /// Lets go of faces that are lost by `now`; returns how many.
    pub fn expire(&mut self, now: Micros) -> usize {
        let GazeSettings { lost_after, forget_after, recall, faces, .. } = self.settings;
        self.forget_lost(now);
        let is_lost = |t: &mut Track| {
            let unseen = now.saturating_sub(t.confirmed);
            unseen >= forget_after || (t.missing && unseen >= lost_after)
        };
        let lost: Vec<Track> = self.list.extract_if(.., is_lost).collect();
        let count = lost.len();
        // Nobody has seen a forgotten one for long: only a face that was looked for in vain may come back.
        self.lost.extend(lost.into_iter().filter(|t| t.missing && recall > 0).map(|t| (now, t)));
        let surplus = self.lost.len().saturating_sub(faces);
        self.lost.drain(..surplus);
        count
    }

    /// Lets go of all faces, for good.
    pub fn clear(&mut self) {
        self.list.clear();
        self.lost.clear();
    }

    fn forget_lost(&mut self, now: Micros) {
        let recall = self.settings.recall;
        self.lost.retain(|(at, _)| now.abs_diff(*at) < recall);
    }

    /// True when a face at `face` in the picture of `captured` can be the one with this id, and none of the others more so.
    fn is_of(&self, id: u32, face: &Rect, captured: Micros) -> bool {
        let Some(own) = self.get(id).and_then(|t| t.alike(face, captured)) else { return false };
        let others = self.list.iter().filter(|t| t.id != id).filter_map(|t| t.alike(face, captured));
        others.fold(own, f32::max) <= own
    }

    /// Lets go of the face that counts least when a face of `weight` outweighs it.
    fn make_room(&mut self, weight: f32, picture: Rect, now: Micros) -> bool {
        let weights = self.list.iter().map(|t| self.settings.choice.weight(t.face, picture) * t.score);
        let Some((at, least)) = weights.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)) else { return false };
        let gives_way = weight > OUTWEIGHS * least && now.saturating_sub(self.list[at].since) >= SETTLED;
        if gives_way {
            self.list.remove(at);
        }
        gives_way
    }
}

impl Choice {
    /// How much a face at `face` counts in a picture with the bounds `picture`; more is more.
    fn weight(self, face: Rect, picture: Rect) -> f32 {
        match self {
            Choice::Largest => face.area(),
            Choice::Central => {
                let reach = picture.w.hypot(picture.h).max(1.0);
                1.0 / (0.05 + face.center().distance(picture.center()) / reach)
            }
        }
    }
}

fn usable(found: &FoundFace) -> bool {
    let finite = |p: &Point| p.x.is_finite() && p.y.is_finite();
    found.face.is_proper() && found.score.is_finite() && found.landmarks.iter().all(finite)
}

/// How alike two boxes are, larger is more; `None` when their sizes differ, or when they overlap little and are further
/// apart than `reach`, in shares of their size. Size tells people apart who pass each other: the nearer one is larger.
fn likeness(a: &Rect, b: &Rect, reach: f32) -> Option<f32> {
    let (ratio, apart) = difference(a, b);
    let iou = a.iou(b);
    let near = if iou >= SAME_IOU { 1.0 + iou } else { 1.0 - apart / reach };
    (ratio >= SAME_SIZE && near > 0.0).then_some(near * ratio * ratio)
}

/// The smaller side over the larger, and the distance of the centres in shares of the larger side.
fn difference(a: &Rect, b: &Rect) -> (f32, f32) {
    let (a_side, b_side) = (a.area().sqrt(), b.area().sqrt());
    let size = a_side.max(b_side);
    (a_side.min(b_side) / size, a.center().distance(b.center()) / size)
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

    const PICTURE: Rect = Rect { x: 0.0, y: 0.0, w: 640.0, h: 480.0 };

    fn found(x: f32, size: f32, score: f32) -> FoundFace {
        FoundFace { face: Rect { x, y: 50.0, w: size, h: size }, score, landmarks: [Point { x, y: 60.0 }; LANDMARKS] }
    }

    fn tracks(faces: usize) -> Tracks {
        Tracks::new(GazeSettings { faces, ..GazeSettings::default() }, 7)
    }

    impl Tracks {
        fn see(&mut self, faces: &[FoundFace], now: Micros) {
            self.observe(faces, PICTURE, now, now);
        }

        fn only(&self) -> &Track {
            assert_eq!(self.list.len(), 1);
            &self.list[0]
        }
    }

    #[test]
    fn takes_the_largest_and_stays_with_it() {
        let mut t = tracks(1);
        t.see(&[found(10.0, 40.0, 0.99), found(200.0, 80.0, 0.9)], 0);
        let id = t.only().id;
        assert_eq!(t.only().face.x, 200.0);
        t.see(&[found(10.0, 200.0, 0.99), found(220.0, 80.0, 0.9)], 100_000);
        assert_eq!((t.only().id, t.only().face.x), (id, 220.0));
    }

    #[test]
    fn a_face_that_counts_much_more_takes_the_place_of_a_settled_one() {
        let mut t = tracks(2);
        t.see(&[found(10.0, 40.0, 0.9), found(200.0, 80.0, 0.9)], 0);
        let far = t.all()[1].id;
        let crowd = |size| [found(10.0, 40.0, 0.9), found(200.0, 80.0, 0.9), found(400.0, size, 0.9)];
        t.see(&crowd(150.0), 1_900_000);
        assert!(t.get(far).is_some(), "not yet settled");
        t.see(&crowd(50.0), 2_500_000);
        assert!(t.get(far).is_some(), "not much larger");
        t.see(&crowd(150.0), 3_000_000);
        assert!(t.get(far).is_none());
        let sides: Vec<f32> = t.all().iter().map(|t| t.face.w).collect();
        assert_eq!(sides, [80.0, 150.0]);
    }

    #[test]
    fn the_most_central_ones_can_be_asked_for() {
        let mut t = Tracks::new(GazeSettings { faces: 1, choice: Choice::Central, ..GazeSettings::default() }, 7);
        t.see(&[found(10.0, 120.0, 0.99), found(300.0, 40.0, 0.9)], 0);
        assert_eq!(t.only().face.x, 300.0);
    }

    #[test]
    fn a_missing_face_is_lost_after_its_time() {
        let mut t = tracks(1);
        t.see(&[found(10.0, 40.0, 0.9)], 0);
        let id = t.only().id;
        assert_eq!(t.expire(4_000_000), 0, "nobody has looked");
        t.see(&[], 700_000);
        assert!(t.only().missing);
        assert_eq!(t.expire(700_000), 0);
        t.see(&[found(15.0, 40.0, 0.9)], 750_000);
        assert_eq!(t.only().id, id);
        t.see(&[], 1_000_000);
        assert_eq!(t.expire(1_600_000), 1);
        assert!(t.remembers(id));
    }

    #[test]
    fn a_lost_face_that_comes_back_in_time_and_near_is_the_same() {
        let lose = || {
            let mut t = tracks(2);
            t.see(&[found(300.0, 40.0, 0.9)], 0);
            let id = t.only().id;
            t.see(&[], 700_000);
            assert_eq!(t.expire(900_000), 1);
            (t, id)
        };
        let (mut t, id) = lose();
        t.see(&[found(340.0, 40.0, 0.9)], 1_500_000);
        assert_eq!((t.only().id, t.only().face.x, t.only().missing), (id, 340.0, false));
        for (x, size, at, why) in
            [(340.0, 40.0, 1_900_001, "late"), (405.0, 40.0, 1_500_000, "far"), (310.0, 90.0, 1_500_000, "large")]
        {
            let (mut t, id) = lose();
            t.see(&[found(x, size, 0.9)], at);
            assert_ne!(t.only().id, id, "{why}");
        }
        let (mut t, id) = lose();
        t.clear();
        t.see(&[found(300.0, 40.0, 0.9)], 1_500_000);
        assert_ne!(t.only().id, id, "another source");
    }

    #[test]
    fn a_face_nobody_confirmed_is_lost_for_good() {
        let mut t = tracks(1);
        t.see(&[found(10.0, 40.0, 0.9)], 0);
        let id = t.only().id;
        assert_eq!(t.expire(7_000_000), 1);
        assert!(!t.remembers(id));
    }

    #[test]
    fn two_faces_that_pass_keep_their_ids() {
        // Towards each other at 250 pixels a second; for half a second only the nearer one is seen.
        let mut t = tracks(2);
        let at = |ms: u64| [found(100.0 + 0.25 * ms as f32, 60.0, 0.9), found(400.0 - 0.25 * ms as f32, 66.0, 0.9)];
        t.see(&at(0), 0);
        let left = t.all().iter().find(|t| t.face.x == 100.0).map(|t| t.id).unwrap();
        for ms in (200..1600).step_by(200) {
            let both = at(ms);
            let hidden = both[0].face.iou(&both[1].face) > 0.05;
            t.see(if hidden { &both[1..] } else { &both }, ms * 1000);
            assert_eq!(t.expire(ms * 1000), 0);
        }
        assert_eq!(t.all().len(), 2);
        assert!(t.get(left).unwrap().face.x > 400.0, "{:?}", t.all());
    }

    #[test]
    fn steering_and_following_must_agree() {
        let mut t = tracks(2);
        t.see(&[found(10.0, 40.0, 0.9)], 0);
        let id = t.only().id;
        let marks = [Point::default(); LANDMARKS];
        let square = |x| Rect { x, y: 50.0, w: 40.0, h: 40.0 };
        assert!(t.steer(id, square(13.0), marks, 1));
        assert!(!t.steer(id, square(60.0), marks, 2));
        assert!(!t.steer(id, square(f32::NAN), marks, 2));
        assert_eq!(t.only().face.x, 13.0);
        t.follow(id, Some(found(400.0, 40.0, 0.9)), 5, 5);
        assert!(t.only().missing);
    }

    #[test]
    fn a_face_that_is_more_like_another_one_is_not_taken_for_it() {
        let mut t = tracks(2);
        t.see(&[found(100.0, 40.0, 0.9), found(130.0, 40.0, 0.9)], 0);
        let (a, b) = (t.all()[0].id, t.all()[1].id);
        t.follow(a, Some(found(122.0, 40.0, 0.9)), 10, 10);
        assert!(t.get(a).unwrap().missing);
        assert!(!t.steer(a, Rect { x: 118.0, y: 50.0, w: 40.0, h: 40.0 }, [Point::default(); LANDMARKS], 10));
        t.follow(b, Some(found(122.0, 40.0, 0.9)), 10, 10);
        assert!(!t.get(b).unwrap().missing);
    }

    #[test]
    fn nonsense_and_doubtful_faces_start_no_track() {
        let mut t = tracks(4);
        let nan = FoundFace { score: f32::NAN, ..found(0.0, 40.0, 0.9) };
        t.see(&[nan, found(f32::INFINITY, 40.0, 0.9), found(0.0, 0.0, 0.9), found(0.0, 40.0, 0.3)], 0);
        assert!(t.all().is_empty());
    }
}
