//! Ten minutes at 60 frames a second with everything going wrong that can, in seconds: bounds, order and counts hold.

mod common;

use common::{Dice, manifest};
use mtcae_contract::{Clip, Image, LANDMARKS, Micros, Point, RawOutput, Rect};
use mtcae_core::{Action, Captured, FoundFace, GazeSettings, Outbox, OutboxLimits, Pipeline, RingLimits, Settings};
use mtcae_wire::{Quality, Report, Up, encode};
use std::sync::Arc;

const SECONDS: u64 = 600;
const FRAME: Micros = 1_000_000 / 60;
const SIZE: (u32, u32) = (96, 54);
const HOUR: Micros = 3_600_000_000;
const YEAR: Micros = 365 * 24 * HOUR;
/// Fewer faults than this and the simulation no longer tests what it says.
const FEWEST_FAULTS: u64 = 1_400;

struct Sim {
    dice: Dice,
    pipeline: Pipeline,
    outbox: Outbox,
    /// The job that is out and when it will be done.
    job: Option<(Action, Micros)>,
    now: Micros,
    /// What was added to `now` by jumps of the clock.
    jumped: Micros,
    seq: u32,
    face_back_at: Micros,
    line_back_at: Micros,
    faults: u64,
    pushed: u64,
    made: u64,
    received: Vec<Report>,
    /// First capture time after the last gap that the simulation made.
    barrier: Micros,
    marks: std::collections::VecDeque<(u8, Micros)>,
}

impl Sim {
    fn new(seed: u64) -> Sim {
        Sim {
            dice: Dice(seed),
            pipeline: Pipeline::new(Settings::default(), &manifest(), seed, 77).unwrap(),
            outbox: Outbox::new(OutboxLimits::default()),
            job: None,
            now: 1_000_000,
            jumped: 0,
            seq: 0,
            face_back_at: 0,
            line_back_at: 0,
            faults: 0,
            pushed: 0,
            made: 0,
            received: Vec::with_capacity(10_000),
            barrier: 0,
            marks: std::collections::VecDeque::new(),
        }
    }

    fn fault(&mut self, one_in: u64) -> bool {
        let hit = self.dice.one_in(one_in);
        self.faults += u64::from(hit);
        hit
    }

    fn face(&self) -> Rect {
        let t = (self.now - self.jumped) as f32 / 1e6;
        Rect { x: 30.0 + 14.0 * (t / 5.0).sin(), y: 15.0, w: 18.0, h: 20.0 + 3.0 * (t / 3.0).cos() }
    }

    fn frame(&mut self) {
        self.now += FRAME + self.dice.below(4_000);
        if self.fault(900) {
            self.now += 100_000 + self.dice.below(3_000_000); // the camera stalls
        }
        if self.fault(3_000) {
            let jump = if self.seq.is_multiple_of(2) { YEAR } else { HOUR }; // the clock jumps
            self.now += jump;
            self.jumped += jump;
        }
        if self.fault(2_500) {
            self.pipeline.on_gap();
            self.barrier = self.now;
            self.seq = 0;
        }
        if self.fault(5_000) {
            self.wipe();
        }
        if self.fault(400) {
            self.face_back_at = self.now + 50_000 + self.dice.below(4_000_000);
        }
        self.seq += 1;
        if self.fault(150) {
            self.seq += 1; // a frame was lost before it came here
        }
        let mut captured = self.now - self.dice.below(9_000);
        if self.fault(200) {
            captured = captured.saturating_sub(self.dice.below(500_000));
        } else if self.fault(200) {
            captured += self.dice.below(10_000_000);
        }
        let mark = (self.pushed % 251) as u8;
        self.marks.push_back((mark, captured.min(self.now)));
        if self.marks.len() > 250 {
            self.marks.pop_front();
        }
        let image = Image::filled(SIZE.0, SIZE.1, [mark; 3]).unwrap();
        self.pipeline.on_frame(Captured { image, captured, seq: self.seq, decode_us: 0 }, self.now);
        self.pushed += 1;
    }

    /// A frame in time, with nothing wrong.
    fn steady_frame(&mut self) {
        self.now += FRAME;
        self.seq += 1;
        self.pushed += 1;
        self.marks.push_back((9, self.now));
        self.marks.truncate(1);
        let image = Image::filled(SIZE.0, SIZE.1, [9; 3]).unwrap();
        self.pipeline.on_frame(Captured { image, captured: self.now, seq: self.seq, decode_us: 0 }, self.now);
    }

    fn wipe(&mut self) {
        let held = self.pipeline.wipe();
        assert!(held <= usize::from(self.job.is_some()), "{held} pictures still held");
        assert!(!matches!(&self.job, Some((Action::Infer(..), _))) || held == 1, "a clip that is out does not count");
        assert_eq!((self.pipeline.frames_held(), self.pipeline.crops_held()), (0, 0));
        self.barrier = self.now;
    }

    fn work(&mut self) {
        if self.job.as_ref().is_some_and(|(_, done)| *done > self.now) {
            assert!(matches!(self.pipeline.next(self.now), Action::Wait(us) if us > 0), "a second job");
            return;
        }
        if let Some((action, _)) = self.job.take() {
            let report = self.answer(action);
            self.take(report);
        }
        let action = self.pipeline.next(self.now);
        let takes = match &action {
            Action::Wait(_) => return,
            Action::Detect(_) => 5_000 + self.dice.below(60_000),
            Action::Follow(..) => 1_000 + self.dice.below(8_000),
            Action::Infer(clip, _) => {
                self.check_clip(clip);
                10_000 + self.dice.below(110_000)
            }
        };
        self.job = Some((action, self.now + takes));
    }

    /// No clip may show a frame from before the last gap or wipe.
    fn check_clip(&self, clip: &Clip) {
        assert_eq!(clip.bytes.len(), 16 * 16 * 16 * 3);
        let times: Vec<Micros> = clip
            .bytes
            .chunks(16 * 16 * 3)
            .filter_map(|crop| self.marks.iter().rev().find(|(mark, _)| *mark == crop[0]).map(|(_, at)| *at))
            .collect();
        assert!(times.windows(2).all(|w| w[0] <= w[1]), "a clip runs backwards: {times:?}");
        assert!(times.windows(2).all(|w| w[1] - w[0] <= 2_000_000), "a clip spans a gap: {times:?}");
        assert!(times[0] + 9_000 + 500_000 >= self.barrier, "a clip shows what was before a gap");
    }

    fn answer(&mut self, action: Action) -> Option<Report> {
        if self.fault(60) {
            match action {
                Action::Infer(clip, ticket) => self.pipeline.on_clip_failed(ticket, clip),
                _ => self.pipeline.on_look_failed(self.now),
            }
            return None;
        }
        let seen = self.now >= self.face_back_at && !self.fault(30);
        let face = self.face();
        let found = FoundFace { face, score: 0.9, landmarks: [face.center(); LANDMARKS] };
        match action {
            Action::Detect(_) if self.fault(40) => {
                let nonsense = Rect { x: f32::NAN, ..face };
                self.pipeline.on_faces(&[FoundFace { face: nonsense, ..found }], self.now)
            }
            Action::Detect(_) => self.pipeline.on_faces(&[found][..usize::from(seen)], self.now),
            Action::Follow(image, _) => {
                drop(image);
                self.pipeline.on_follow(seen.then_some(found), self.now)
            }
            Action::Infer(clip, ticket) => {
                let raw = self.output(clip.crop, face);
                self.pipeline.on_output(ticket, clip, &raw, self.now).unwrap_or(None)
            }
            Action::Wait(_) => None,
        }
    }

    fn output(&mut self, crop: Rect, face: Rect) -> RawOutput {
        let b = crop.rect_to_fraction(face);
        let p = crop.to_fraction(Point { x: face.x, y: face.y });
        let mut raw = RawOutput {
            boxes: [b.x, b.y, b.w, b.h].repeat(16),
            landmarks: [p.x, p.y].repeat(16 * LANDMARKS),
            logits: (0..7).map(|_| self.dice.below(400) as f32 / 100.0).collect(),
        };
        if self.fault(50) {
            raw.logits[3] = f32::NAN;
        } else if self.fault(50) {
            raw.boxes.iter_mut().for_each(|v| *v *= -3e38);
        } else if self.fault(80) {
            raw.landmarks.pop();
        }
        raw
    }

    fn take(&mut self, report: Option<Report>) {
        if let Some(report) = report {
            self.made += 1;
            self.outbox.push(Up::Report(report));
        }
    }

    fn send(&mut self) {
        if self.fault(2_000) {
            self.line_back_at = self.now + self.dice.below(8_000_000);
        }
        while let Some(message) = self.outbox.front(self.now).cloned() {
            if self.now < self.line_back_at || self.fault(20) {
                self.outbox.busy(self.now);
                return;
            }
            assert!(encode(&message).is_ok(), "{message:?}");
            self.outbox.sent();
            if let Up::Report(report) = message {
                self.received.push(report);
            }
        }
    }

    fn check(&self) {
        let limits = RingLimits::for_clip(&manifest().clip);
        assert!(
            self.pipeline.frames_held() <= limits.frames
                && self.pipeline.crops_held() <= 2 * limits.frames * GazeSettings::default().faces
        );
        assert!(self.pipeline.tracks().all().len() <= GazeSettings::default().faces);
        assert!(self.outbox.reports() <= OutboxLimits::default().reports);
        let c = self.pipeline.counts();
        assert_eq!(c.frames.received, self.pushed);
        assert_eq!(c.frames.received, c.frames.refused + c.frames.used + c.frames.unused + c.frames.held);
        let out = u64::from(matches!(self.job, Some((Action::Infer(..), _))));
        assert_eq!(c.clips, c.clips_answered + c.clips_discarded + c.clips_failed + out);
        assert_eq!(c.reports, self.made);
    }
}

#[test]
fn ten_minutes_of_faults() {
    let mut sim = Sim::new(0x00DD_BA11);
    while sim.now - sim.jumped < SECONDS * 1_000_000 {
        sim.frame();
        sim.work();
        sim.send();
        sim.check();
    }
    let c = sim.pipeline.counts();
    println!(
        "{} faults injected; {} frames, {} clips, {} reports received",
        sim.faults,
        sim.pushed,
        c.clips,
        sim.received.len()
    );
    println!("{c:?}\n{:?}", sim.outbox.counts());
    assert!(sim.faults >= FEWEST_FAULTS, "only {} faults were injected", sim.faults);
    assert!(sim.received.windows(2).all(|w| w[0].seq < w[1].seq), "reports out of order");
    assert!(sim.received.windows(2).all(|w| w[0].captured_us <= w[1].captured_us), "time runs backwards");
    assert!(sim.received.iter().all(|r| r.captured_us + u64::from(r.age_us) <= sim.now));
    let last = sim.received.last().unwrap();
    let o = sim.outbox.counts();
    assert_eq!(sim.made, o.sent_reports + o.dropped_reports + sim.outbox.reports() as u64);
    assert_eq!(sim.received.len() as u64, o.sent_reports);
    assert!(u64::from(last.seq) >= o.sent_reports - 1);
    let with_face = sim.received.iter().filter(|r| r.face.is_some()).count();
    assert!(with_face > 1_500 && with_face < sim.received.len(), "{with_face} reports with a face");
    for seen in [c.frames.refused, c.frames.lost, c.frames.gaps, c.clips_failed, c.clips_discarded, c.looks_failed] {
        assert!(seen > 0, "a fault was never seen: {c:?}");
    }
}

#[test]
fn with_a_trigger_there_is_one_answer_for_each_pulse() {
    let mut settings = Settings::default();
    settings.schedule.triggered = true;
    let mut sim = Sim { pipeline: Pipeline::new(settings, &manifest(), 4, 77).unwrap(), ..Sim::new(4) };
    let (mut pulses, mut at) = (0, 0);
    let faces = |sim: &Sim| sim.received.iter().filter(|r| r.face.is_some()).count();
    for frame in 0..600 {
        sim.steady_frame();
        sim.work();
        sim.send();
        if frame % 60 == 59 {
            // Nonsense answers are no answers, but they use the pulse up.
            assert!(faces(&sim) <= pulses, "{} answers to {pulses} pulses", faces(&sim));
            assert!(sim.received.iter().all(|r| r.face.is_none() || r.captured_us >= at || pulses > 1));
            sim.pipeline.trigger(sim.now + 1);
            at = sim.now + 1;
            pulses += 1;
        }
    }
    assert!(faces(&sim) >= pulses - 3 && pulses == 10, "{} answers to {pulses} pulses", faces(&sim));
    // Nobody is there when it comes: that is the answer, and who comes later is not asked for.
    sim.face_back_at = sim.now + 4_000_000;
    let before = faces(&sim);
    for frame in 0..600 {
        sim.steady_frame();
        sim.work();
        sim.send();
        if frame == 200 {
            assert!(sim.pipeline.tracks().all().is_empty());
            sim.pipeline.trigger(sim.now + 1);
            at = sim.now + 1;
        }
    }
    assert!(sim.received.iter().any(|r| r.face.is_none() && r.captured_us >= at), "nobody said that nobody is there");
    assert!(!sim.pipeline.tracks().all().is_empty(), "the face came back");
    // One clip of the last pulse may still have been out.
    assert!(faces(&sim) <= before + 1, "{} answers without a pulse", faces(&sim) - before);
}

/// Resident memory of this process, KiB.
fn rss_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[ignore = "takes a minute or two: a day, with every fault, memory flat"]
fn a_day_of_faults() {
    let (mut sim, mut reports, mut after_an_hour, mut most) = (Sim::new(0x0DA7), 0, 0, 0);
    for hour in 1..=24 {
        while sim.now - sim.jumped < hour * 3_600_000_000 {
            sim.frame();
            sim.work();
            sim.send();
            sim.check();
            if sim.received.len() >= 9_000 {
                assert!(sim.received.windows(2).all(|w| w[0].seq < w[1].seq), "reports out of order");
                reports += sim.received.drain(..sim.received.len() - 1).count();
            }
        }
        most = most.max(rss_kib());
        if hour == 1 {
            after_an_hour = most;
        }
        assert!(most <= after_an_hour + 512, "{most} KiB in hour {hour}, {after_an_hour} KiB after the first");
    }
    println!(
        "24 hours: {} faults injected, {} frames, {} reports; {after_an_hour} KiB after an hour, at most {most} KiB",
        sim.faults,
        sim.pushed,
        reports + sim.received.len()
    );
    assert!(sim.faults >= 144 * FEWEST_FAULTS);
}

#[test]
fn a_clip_that_is_not_full_says_so() {
    let mut sim = Sim::new(3);
    let partial = |r: &Report| r.face.as_ref().map(|f| f.quality.has(Quality::PARTIAL));
    while sim.now < 6_000_000 {
        sim.steady_frame();
        sim.work();
        sim.send();
    }
    let said: Vec<bool> = sim.received.iter().filter_map(partial).collect();
    assert!(said.len() > 20 && said[0], "{said:?}");
    assert!(!said[said.len() - 1], "{said:?}");
}

#[test]
fn the_same_seed_gives_the_same_session() {
    let run = || {
        let mut sim = Sim::new(42);
        (0..3_000).for_each(|_| {
            sim.frame();
            sim.work();
            sim.send();
        });
        sim.received
    };
    assert_eq!(run(), run());
}

#[test]
fn a_picture_the_worker_held_at_a_wipe_is_wiped_later() {
    let mut pipeline = Pipeline::new(Settings::default(), &manifest(), 1, 1).unwrap();
    let image = Image::filled(SIZE.0, SIZE.1, [200; 3]).unwrap();
    pipeline.on_frame(Captured { image, captured: 5, seq: 0, decode_us: 0 }, 5);
    let Action::Detect(held) = pipeline.next(5) else { panic!("no detection") };
    assert_eq!(pipeline.wipe(), 1);
    assert_eq!(Arc::strong_count(&held), 2);
    drop(held);
    assert_eq!(pipeline.on_faces(&[], 9), None, "an answer about a wiped picture says nothing");
    assert_eq!(pipeline.wipe(), 0);
}

#[test]
fn a_face_is_not_looked_for_in_pixels_of_another_size() {
    let mut pipeline = Pipeline::new(Settings::default(), &manifest(), 1, 1).unwrap();
    let frame = |side, at: Micros| {
        let image = Image::filled(side, side, [200; 3]).unwrap();
        Captured { image, captured: at, seq: (at / FRAME) as u32, decode_us: 0 }
    };
    let mut seen = |side, at| {
        pipeline.on_frame(frame(side, at), at);
        let before = pipeline.tracks().all().len();
        if let Action::Detect(_) = pipeline.next(at) {
            let face = Rect { x: 40.0, y: 40.0, w: 60.0, h: 60.0 };
            let found = FoundFace { face, score: 0.9, landmarks: [face.center(); LANDMARKS] };
            pipeline.on_faces(&[found], at);
        }
        before
    };
    assert_eq!([seen(200, FRAME), seen(200, 2 * FRAME), seen(100, 3 * FRAME)], [0, 1, 0]);
}
