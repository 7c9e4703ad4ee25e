//! A few seconds of a person's life: how an expression comes and goes while head, eyes, lids and mouth do as they please.

use crate::expression::{add, weights};
use crate::person::Person;
use crate::random::{Random, noise};
use crate::vector::{Vec3, lerp, smooth};
use crate::{FaceModel, random};
use mtcae_contract::Expression;

/// The face at one frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// Weights of the model's expression shapes.
    pub weights: Vec<f32>,
    /// Yaw, pitch and roll of the head, radians; see [`crate::vector::Turn::new`].
    pub head: [f32; 3],
    /// Where the head has moved, centimetres.
    pub shift: Vec3,
    /// Yaw and pitch of the eyes in the head, radians.
    pub gaze: [f32; 2],
    /// How much of the full expression shows, 0 (none) to about 1.
    pub intensity: f32,
}

/// The course of an expression's intensity.
#[derive(Debug, Clone, Copy)]
struct Course {
    /// When it begins and how long it takes to be there, seconds.
    onset: (f32, f32),
    /// When it begins to go, and how long that takes.
    offset: (f32, f32),
    /// What is left at the end, as a part of the peak.
    rest: f32,
    /// Intensity at the apex.
    peak: f32,
}

impl Course {
    fn draw(r: &mut Random, seconds: f32) -> Course {
        let peak = r.range(0.6, 1.1);
        let never = (1e6, 1.0);
        // There by the middle of the clip.
        let onset = (r.range(-0.3, 0.12) * seconds, r.range(0.2, 0.5).min(0.33 * seconds));
        let offset = (r.range(0.6, 0.85) * seconds, r.range(0.3, 0.8));
        let rest = r.range(0.2, 0.6);
        match r.unit() {
            u if u < 0.35 => Course { onset: (-1e6, 1.0), offset: never, rest, peak },
            u if u < 0.65 => Course { onset, offset: never, rest, peak },
            u if u < 0.85 => Course { onset: (-1e6, 1.0), offset, rest, peak },
            _ => Course { onset, offset, rest, peak },
        }
    }

    fn at(&self, t: f32) -> f32 {
        let come = smooth(self.onset.0, self.onset.0 + self.onset.1, t);
        let gone = smooth(self.offset.0, self.offset.0 + self.offset.1, t);
        self.peak * come * lerp(1.0, self.rest, gone)
    }
}

/// Plays `label` on the face of `person` for `frames` frames.
pub fn perform(model: &FaceModel, person: &Person, label: Expression, frames: usize, seed: u64) -> Vec<Moment> {
    let mut r = Random::new(seed, "performance");
    let seconds = r.range(0.8, 2.0);
    let neutral = matches!(label, Expression::Neutral | Expression::Calm);
    let full = weights(label, model, &person.gains, &mut r);
    let other = trace(model, person, label, &mut r);
    let course = Course::draw(&mut r, seconds);
    // The mouth is a little later or earlier than brows and eyes.
    let delay = r.around(0.1);
    let upper = upper_half(model);
    let head = Head::draw(&mut r, label);
    let gaze = Gaze::draw(&mut r, seconds);
    let blinks = blinks(&mut r, seconds);
    let talks = r.chance(if neutral { 0.4 } else { 0.22 });
    let speech = Speech::draw(&mut r, if neutral { 0.9 } else { 0.45 });
    let flutter = r.bits() as u32;
    let moment = |i: usize| {
        let t = seconds * i as f32 / (frames.max(2) - 1) as f32;
        let live = 1.0 + 0.06 * noise(flutter, 3.0 * t, 0.0);
        let (e_mouth, e_upper) = (live * course.at(t - delay), live * course.at(t));
        let mut w: Vec<f32> = (full.iter().zip(&other).zip(&upper))
            .map(|((full, other), upper)| other + full * if *upper { e_upper } else { e_mouth })
            .collect();
        if talks {
            speech.add(model, &mut w, t);
        }
        let turn = head.at(t);
        let eyes = gaze.at(t, turn);
        lids(model, &mut w, eyes, &blinks, t);
        w.iter_mut().for_each(|w| *w = w.clamp(0.0, 1.2));
        let intensity = if neutral { 0.0 } else { (e_mouth + e_upper) / 2.0 };
        Moment { weights: w, head: turn, shift: head.shift(t), gaze: eyes, intensity }
    };
    (0..frames).map(moment).collect()
}

/// A trace of another feeling, as faces rarely show one alone.
fn trace(model: &FaceModel, person: &Person, label: Expression, r: &mut Random) -> Vec<f32> {
    use Expression::*;
    let others = [Happy, Sad, Angry, Fear, Disgust, Surprise].into_iter().filter(|o| *o != label).collect::<Vec<_>>();
    let share = if r.chance(0.4) { r.range(0.0, if label == Neutral { 0.12 } else { 0.22 }) } else { 0.0 };
    let which = r.pick(&others);
    weights(which, model, &person.gains, r).into_iter().map(|w| share * w).collect()
}

/// Which shapes belong to brows and eyes.
fn upper_half(model: &FaceModel) -> Vec<bool> {
    let mut upper = vec![false; model.expressions()];
    for name in
        ["browDown", "browInnerUp", "browOuterUp", "eyeWide", "eyeSquint", "eyeBlink", "cheekRaiser", "cheekSquint"]
    {
        for side in ["_L", "_R"] {
            if let Some(i) = model.expression(&format!("{name}{side}")) {
                upper[i] = true;
            }
        }
    }
    upper
}

/// How the head is held and how it moves: a posture, two slow waves for each angle, now and then a nod or a shake.
struct Head {
    posture: [f32; 3],
    waves: [[(f32, f32, f32); 2]; 3],
    beat: (usize, f32, f32),
    sway: [(f32, f32, f32); 2],
}

impl Head {
    fn draw(r: &mut Random, label: Expression) -> Head {
        let lean = match label {
            Expression::Sad => 4.0,
            Expression::Contempt => -3.0,
            Expression::Surprise | Expression::Fear => -2.0,
            _ => 0.0,
        };
        let degrees = [12.0 * r.normal(2.2), lean + 5.0 * r.normal(2.0), 5.0 * r.normal(2.2)];
        let mut wave = |most: f32| (r.around(most).to_radians(), r.range(0.15, 1.1), r.range(0.0, 6.3));
        let waves = [[wave(5.0), wave(3.0)], [wave(3.5), wave(2.0)], [wave(3.0), wave(1.5)]];
        let beat = match r.unit() {
            u if u < 0.12 => (1, r.range(2.0, 6.0).to_radians(), r.range(1.2, 2.2)),
            u if u < 0.2 => (0, r.range(2.0, 8.0).to_radians(), r.range(1.0, 2.0)),
            _ => (0, 0.0, 1.0),
        };
        let sway = [0; 2].map(|_| (r.range(0.0, 0.8), r.range(0.1, 0.8), r.range(0.0, 6.3)));
        Head { posture: degrees.map(f32::to_radians), waves, beat, sway }
    }

    fn at(&self, t: f32) -> [f32; 3] {
        let wave = |(a, hz, phase): (f32, f32, f32)| a * (std::f32::consts::TAU * hz * t + phase).sin();
        let beat = |i: usize| if i == self.beat.0 { wave((self.beat.1, self.beat.2, 0.0)) } else { 0.0 };
        std::array::from_fn(|i| self.posture[i] + wave(self.waves[i][0]) + wave(self.waves[i][1]) + beat(i))
    }

    fn shift(&self, t: f32) -> Vec3 {
        let [x, y] = self.sway.map(|(a, hz, phase)| a * (std::f32::consts::TAU * hz * t + phase).sin());
        [x, y, 0.0]
    }
}

/// Where the eyes look: at the camera or elsewhere, with jumps between.
struct Gaze {
    /// When each look begins, seconds; whether at the camera; yaw and pitch otherwise.
    looks: Vec<(f32, bool, [f32; 2])>,
}

impl Gaze {
    fn draw(r: &mut Random, seconds: f32) -> Gaze {
        let mut looks = vec![];
        let mut t = -1.0;
        while t < seconds {
            looks.push((t, r.chance(0.65), [r.around(0.38), r.around(0.22)]));
            t += r.range(0.6, 2.5);
        }
        Gaze { looks }
    }

    fn at(&self, t: f32, head: [f32; 3]) -> [f32; 2] {
        let mut now = [0.0, 0.0];
        for (since, camera, [yaw, pitch]) in &self.looks {
            let goal = if *camera { [-head[0], -head[1]] } else { [*yaw, *pitch] };
            let done = smooth(*since, since + 0.05, t);
            now = [lerp(now[0], goal[0], done), lerp(now[1], goal[1], done)];
        }
        [now[0].clamp(-0.5, 0.5), now[1].clamp(-0.35, 0.35)]
    }
}

/// When blinks begin, seconds.
fn blinks(r: &mut Random, seconds: f32) -> Vec<f32> {
    let mut found = vec![];
    let mut t = r.range(-3.0, 3.5);
    while t < seconds {
        found.push(t);
        t += r.range(0.8, 5.0);
    }
    found
}

/// Lids follow the eyes, and blink.
fn lids(model: &FaceModel, w: &mut [f32], [yaw, pitch]: [f32; 2], blinks: &[f32], t: f32) {
    let (right, left) = ((yaw / 0.5).max(0.0), (-yaw / 0.5).max(0.0));
    // The eye on the head's left, which is on the picture's right, looks outwards when it looks to the picture's right.
    add(model, w, "eyeLookOut", right, left);
    add(model, w, "eyeLookIn", left, right);
    let (down, up) = ((pitch / 0.45).max(0.0), (-pitch / 0.45).max(0.0));
    add(model, w, "eyeLookDown", down, down);
    add(model, w, "eyeLookUp", up, up);
    let shut = blinks.iter().map(|b| smooth(*b, b + 0.09, t) * smooth(b + 0.3, b + 0.13, t)).fold(0.0, f32::max);
    if shut > 0.0 {
        for side in ["_L", "_R"] {
            let index = |name: &str| model.expression(&format!("{name}{side}"));
            for lid in ["eyeWide", "eyeSquint", "cheekRaiser", "eyeLookDown"] {
                if let Some(i) = index(lid) {
                    w[i] *= 1.0 - shut;
                }
            }
            if let Some(i) = index("eyeBlink") {
                w[i] = lerp(w[i], 1.0, shut);
            }
        }
    }
}

/// Mouth motion like speech: a few sounds a second, each a mixture of shapes.
struct Speech {
    seed: u32,
    rate: f32,
    loudness: f32,
}

impl Speech {
    /// Sounds: jaw, funnel, pucker, stretch, lower lip down, closed lips.
    const SOUNDS: [[f32; 6]; 7] = [
        [0.4, 0.0, 0.0, 0.1, 0.3, 0.0],
        [0.25, 0.45, 0.2, 0.0, 0.1, 0.0],
        [0.1, 0.2, 0.6, 0.0, 0.0, 0.0],
        [0.15, 0.0, 0.0, 0.35, 0.35, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.5],
        [0.12, 0.1, 0.0, 0.0, 0.2, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.1],
    ];
    const SHAPES: [&str; 6] = ["jawOpen", "mouthFunnel", "mouthPucker", "mouthStretch", "mouthLowerDown", "mouthPress"];

    fn draw(r: &mut Random, most: f32) -> Speech {
        Speech { seed: r.bits() as u32, rate: r.range(4.0, 8.0), loudness: r.range(0.4, 1.0) * most }
    }

    fn add(&self, model: &FaceModel, w: &mut [f32], t: f32) {
        let at = self.rate * t;
        let sound = |k: f32| {
            let bits = random::mixed(u64::from(self.seed) << 32 | u64::from(k as i32 as u32));
            Self::SOUNDS[(bits % Self::SOUNDS.len() as u64) as usize]
        };
        let (now, next) = (sound(at.floor()), sound(at.floor() + 1.0));
        let done = smooth(0.0, 1.0, at.fract());
        for (i, name) in Self::SHAPES.into_iter().enumerate() {
            let weight = self.loudness * lerp(now[i], next[i], done);
            add(model, w, name, weight, weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played(label: Expression, seed: u64) -> Vec<Moment> {
        let model = FaceModel::sketch();
        perform(&model, &Person::draw(seed, &model), label, 16, seed)
    }

    #[test]
    fn an_expression_shows_in_the_middle_of_its_clip() {
        for seed in 0..200 {
            let clip = played(Expression::Happy, seed);
            assert!(clip[8].intensity > 0.4, "{seed}: {:?}", clip.iter().map(|m| m.intensity).collect::<Vec<_>>());
        }
        assert!(played(Expression::Neutral, 1).iter().all(|m| m.intensity == 0.0));
    }

    #[test]
    fn clips_come_and_go_and_move() {
        let clips: Vec<Vec<Moment>> = (0..200).map(|s| played(Expression::Sad, s)).collect();
        let rising = clips.iter().filter(|c| c[15].intensity > c[0].intensity + 0.3).count();
        let falling = clips.iter().filter(|c| c[0].intensity > c[15].intensity + 0.2).count();
        assert!(rising > 20 && falling > 15, "{rising} {falling}");
        assert!(clips.iter().all(|c| c[0].head != c[15].head));
        assert!(
            clips.iter().flatten().all(|m| m.head[0].abs() < 0.9 && m.weights.iter().all(|w| (0.0..=1.2).contains(w)))
        );
        let jumps = |c: &Vec<Moment>| c.windows(2).any(|w| (w[1].gaze[0] - w[0].gaze[0]).abs() > 0.1);
        assert!(clips.iter().filter(|c| jumps(c)).count() > 20);
    }

    #[test]
    fn the_same_seed_plays_the_same() {
        assert_eq!(played(Expression::Fear, 9), played(Expression::Fear, 9));
        assert_ne!(played(Expression::Fear, 9), played(Expression::Fear, 10));
    }
}
