//! When to look for faces and when to infer, always on the newest frame: one job at a time, or several side by side.

use crate::ScheduleSettings;
use mtcae_contract::Micros;

/// Longest wait asked for when only a new frame can change something, microseconds.
const IDLE: Micros = 100_000;

/// What is known of the faces at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sight {
    /// Faces followed.
    pub faces: usize,
    /// The last look did not find one of them, or one was lost a moment ago.
    pub missing: bool,
    /// One of them has not been inferred with the newest frame, and no clip of it is out.
    pub fresh: bool,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Look for faces in the whole newest frame.
    Detect,
    /// Look at one of the followed faces in the newest frame.
    Follow,
    /// Infer a clip that ends at the newest frame.
    Infer,
    /// Nothing before this many microseconds have passed, or a frame or an answer has come.
    Wait(Micros),
}

/// The plan. Jobs are never queued: while as many run as may the answer is [`Step::Wait`], and then the newest frame is taken.
#[derive(Debug, Clone)]
pub struct Schedule {
    settings: ScheduleSettings,
    /// The look that runs, and since when.
    looking: Option<(Step, Micros)>,
    /// Clips that run.
    inferring: usize,
    last: Option<Step>,
    detected: Option<Micros>,
    looked: Option<Micros>,
    look_took: Micros,
    looked_frame: Option<Micros>,
    inferred: Option<Micros>,
}

impl Schedule {
    /// A plan with nothing done yet.
    pub fn new(settings: ScheduleSettings) -> Schedule {
        Schedule {
            settings,
            looking: None,
            inferring: 0,
            last: None,
            detected: None,
            looked: None,
            look_took: 0,
            looked_frame: None,
            inferred: None,
        }
    }

    /// What to do at `now`, when the newest frame is of `newest`. Any other step than [`Step::Wait`] has begun when this
    /// returns, and ends with [`Schedule::finish_look`] or [`Schedule::finish_clip`].
    pub fn next_step(&mut self, now: Micros, newest: Option<Micros>, sight: Sight) -> Step {
        let room = self.jobs() < self.settings.streams;
        let Some(newest) = newest.filter(|_| room) else { return Step::Wait(IDLE) };
        let look = if self.looking.is_some() { Err(IDLE) } else { self.look_due(now, newest, sight) };
        let infer = self.infer_due(now, sight);
        let infers_turn = matches!(self.last, Some(Step::Detect | Step::Follow));
        match (look, infer) {
            (Ok(_), Ok(())) if infers_turn => self.begin(Step::Infer, now, newest),
            (Ok(step), _) => self.begin(step, now, newest),
            (Err(_), Ok(())) => self.begin(Step::Infer, now, newest),
            (Err(a), Err(b)) => Step::Wait(a.min(b).clamp(1, IDLE)),
        }
    }

    /// The look that runs has ended, well or not.
    pub fn finish_look(&mut self, now: Micros) {
        let Some((step, began)) = self.looking.take() else { return };
        self.look_took = now.saturating_sub(began);
        self.looked = Some(now);
        if step == Step::Detect {
            self.detected = Some(now);
        }
    }

    /// A clip that runs has ended, well or not.
    pub fn finish_clip(&mut self) {
        self.inferring = self.inferring.saturating_sub(1);
    }

    /// Frames start anew: whatever was seen says nothing about them. Jobs that run keep running, and the most clips a second
    /// stay what they are.
    pub fn restart(&mut self) {
        let (looking, inferring, inferred) = (self.looking, self.inferring, self.inferred);
        *self = Schedule { looking, inferring, inferred, ..Schedule::new(self.settings.clone()) };
    }

    /// Infers at most `hz` clips a second from now on; what is not more than 0 and finite changes nothing.
    pub fn limit_rate(&mut self, hz: f32) {
        if hz.is_finite() && hz > 0.0 {
            self.settings.max_hz = hz;
        }
    }

    /// Jobs that run.
    pub fn jobs(&self) -> usize {
        self.inferring + usize::from(self.looking.is_some())
    }

    fn begin(&mut self, step: Step, now: Micros, newest: Micros) -> Step {
        self.last = Some(step);
        if step == Step::Infer {
            self.inferring += 1;
            self.inferred = Some(now);
        } else {
            self.looking = Some((step, now));
            self.looked_frame = Some(newest);
        }
        step
    }

    /// The kind of look that is due, or the time until one may be.
    fn look_due(&self, now: Micros, newest: Micros, sight: Sight) -> Result<Step, Micros> {
        if self.looked_frame == Some(newest) {
            return Err(IDLE);
        }
        let s = &self.settings;
        if sight.faces == 0 || sight.missing {
            return remaining(now, self.detected, s.search_every).map_or(Ok(Step::Detect), Err);
        }
        // A slow detector on a small CPU must leave time for inference.
        let rest = (self.look_took as f64 * (1.0 / f64::from(s.look_share) - 1.0)) as Micros;
        let detect = remaining(now, self.detected, s.detect_every.max(rest));
        // Each face in its turn.
        let follow = remaining(now, self.looked, (s.follow_every / sight.faces as u64).max(rest));
        match (detect, follow) {
            (None, _) => Ok(Step::Detect),
            (_, None) => Ok(Step::Follow),
            (Some(a), Some(b)) => Err(a.min(b)),
        }
    }

    fn infer_due(&self, now: Micros, sight: Sight) -> Result<(), Micros> {
        if sight.faces == 0 || !sight.fresh {
            return Err(IDLE);
        }
        remaining(now, self.inferred, self.settings.infer_every()).map_or(Ok(()), Err)
    }
}

/// Time until `every` has passed since `last`; `None` when it has, when there was no last time, or when the clock went back.
fn remaining(now: Micros, last: Option<Micros>, every: Micros) -> Option<Micros> {
    let passed = now.checked_sub(last?)?;
    every.checked_sub(passed).filter(|&left| left > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOTHING: Sight = Sight { faces: 0, missing: false, fresh: false };
    const SEEN: Sight = Sight { faces: 1, missing: false, fresh: true };
    const MISSING: Sight = Sight { missing: true, ..SEEN };

    fn schedule() -> Schedule {
        Schedule::new(ScheduleSettings::default())
    }

    /// Runs for `seconds` at 30 fps; gives the numbers of detections, follows and inferences.
    fn run(s: &mut Schedule, seconds: u64, sight: Sight, look_us: u64, infer_us: u64) -> [u64; 3] {
        let (mut now, mut n) = (0, [0; 3]);
        while now < seconds * 1_000_000 {
            now += match s.next_step(now, Some(now / 33_333 * 33_333), sight) {
                Step::Wait(us) => {
                    now += us.min(5_000);
                    continue;
                }
                Step::Detect => (n[0] += 1, look_us).1,
                Step::Follow => (n[1] += 1, look_us).1,
                Step::Infer => (n[2] += 1, infer_us).1,
            };
            s.finish_look(now);
            s.finish_clip();
        }
        n
    }

    #[test]
    fn a_face_is_inferred_at_the_asked_rate_and_looked_at_now_and_then() {
        let [detect, follow, infer] = run(&mut schedule(), 10, SEEN, 2_000, 20_000);
        assert!((8..=10).contains(&detect), "{detect}");
        assert!((30..=40).contains(&follow), "{follow}");
        assert!((95..=150).contains(&infer), "{infer}");
    }

    #[test]
    fn a_lower_rate_holds_through_a_restart() {
        let mut s = schedule();
        [f32::NAN, 0.0, -1.0, f32::INFINITY].into_iter().for_each(|hz| s.limit_rate(hz));
        let [_, _, infer] = run(&mut s, 10, SEEN, 2_000, 20_000);
        assert!(infer >= 95, "{infer}");
        s.limit_rate(2.0);
        s.restart();
        let [_, _, infer] = run(&mut s, 10, SEEN, 2_000, 20_000);
        assert!((15..=21).contains(&infer), "{infer}");
    }

    #[test]
    fn a_restart_brings_no_clip_before_its_time() {
        let mut s = schedule();
        s.limit_rate(2.0);
        let mut clips = 0;
        for now in (0..60).map(|tenth| tenth * 100_000) {
            s.restart();
            loop {
                match s.next_step(now, Some(now), SEEN) {
                    Step::Wait(_) => break,
                    Step::Infer => (clips += 1, s.finish_clip()).1,
                    Step::Detect | Step::Follow => s.finish_look(now),
                }
            }
        }
        assert!((11..=13).contains(&clips), "{clips} clips in 6 s");
    }

    #[test]
    fn without_a_face_nothing_is_inferred() {
        let [detect, follow, infer] = run(&mut schedule(), 10, NOTHING, 2_000, 20_000);
        assert!(detect >= 45, "{detect}");
        assert_eq!((follow, infer), (0, 0));
    }

    #[test]
    fn a_slow_detector_leaves_time_for_inference() {
        let [detect, follow, infer] = run(&mut schedule(), 20, SEEN, 400_000, 100_000);
        let looking = (detect + follow) * 400_000;
        assert!(looking <= 20_000_000 * 35 / 100, "{looking} us of looking");
        assert!(infer >= 100, "{infer}");
        let [_, _, infer] = run(&mut schedule(), 20, MISSING, 400_000, 100_000);
        assert!(infer >= 30, "a missing face is still inferred in turn: {infer}");
    }

    #[test]
    fn without_a_fresh_face_nothing_is_inferred_and_one_job_runs() {
        let seen_it = Sight { fresh: false, ..SEEN };
        let mut s = schedule();
        assert_eq!(s.next_step(0, None, NOTHING), Step::Wait(IDLE));
        assert_eq!(s.next_step(0, Some(1), SEEN), Step::Detect);
        assert_eq!(s.next_step(0, Some(2), SEEN), Step::Wait(IDLE));
        s.finish_look(10);
        assert_eq!(s.next_step(10, Some(2), SEEN), Step::Infer);
        assert_eq!(s.next_step(10, Some(3), SEEN), Step::Wait(IDLE));
        s.finish_clip();
        assert!(matches!(s.next_step(90_000_000, Some(2), seen_it), Step::Detect));
        s.finish_look(90_000_001);
        assert_eq!(s.next_step(180_000_000, Some(2), seen_it), Step::Wait(IDLE));
        assert_eq!(s.next_step(180_000_000, Some(2), SEEN), Step::Infer, "another face of the same frame");
    }

    #[test]
    fn side_by_side_run_as_many_jobs_as_may_one_look_among_them() {
        let mut s = Schedule::new(ScheduleSettings { streams: 3, max_hz: 240.0, ..ScheduleSettings::default() });
        let every = s.settings.infer_every();
        assert_eq!(s.next_step(0, Some(1), SEEN), Step::Detect);
        assert_eq!(s.next_step(0, Some(1), SEEN), Step::Infer);
        assert!(matches!(s.next_step(0, Some(1), SEEN), Step::Wait(us) if us <= every), "the rate is of all together");
        assert_eq!(s.next_step(every, Some(2), SEEN), Step::Infer);
        assert_eq!((s.jobs(), s.next_step(9 * every, Some(3), SEEN)), (3, Step::Wait(IDLE)));
        s.finish_clip();
        assert_eq!(s.next_step(9 * every, Some(3), SEEN), Step::Infer, "no second look");
        s.finish_look(10 * every);
        s.restart();
        assert_eq!((s.jobs(), s.next_step(10 * every, Some(4), NOTHING)), (2, Step::Detect));
        assert_eq!(s.next_step(11 * every, Some(5), SEEN), Step::Wait(IDLE));
    }

    #[test]
    fn many_faces_are_each_looked_at_as_often_as_one() {
        let [_, follow, infer] = run(&mut schedule(), 10, Sight { faces: 4, ..SEEN }, 2_000, 20_000);
        assert!((110..=160).contains(&follow), "{follow}");
        assert!((95..=150).contains(&infer), "{infer}");
    }

    #[test]
    fn a_clock_that_goes_back_stalls_nothing() {
        let mut s = schedule();
        s.next_step(1_000_000_000, Some(1_000_000_000), SEEN);
        s.finish_look(1_000_000_000);
        s.next_step(1_000_000_001, Some(1_000_000_000), SEEN);
        s.finish_clip();
        assert!(!matches!(s.next_step(5, Some(4), SEEN), Step::Wait(_)));
    }

    proptest! {
        #[test]
        fn never_two_jobs_never_too_often_never_stuck(
            events in prop::collection::vec((1u64..80_000, 0u8..3, prop::bool::weighted(0.8)), 1..500),
        ) {
            let mut s = schedule();
            let (mut now, mut newest, mut last, mut idle) = (0u64, 0u64, None::<u64>, 0u64);
            for (passed, sight, frame) in events {
                now += passed;
                if frame { newest = now; }
                let sight = [NOTHING, MISSING, SEEN][usize::from(sight)];
                let busy = s.jobs() > 0;
                let step = s.next_step(now, Some(newest), sight);
                if let Step::Wait(us) = step {
                    prop_assert!((1..=IDLE).contains(&us));
                    idle = if frame { idle + passed } else { 0 };
                    prop_assert!(idle < 2_000_000, "stuck at {now}");
                } else {
                    prop_assert!(!busy);
                    idle = 0;
                    if step == Step::Infer {
                        prop_assert!(sight != NOTHING);
                        prop_assert!(last.is_none_or(|l| now - l >= ScheduleSettings::default().infer_every()));
                        last = Some(now);
                    }
                    now += passed;
                    s.finish_look(now);
                    s.finish_clip();
                }
            }
        }
    }
}
