//! The inference threads: the pipeline's jobs to detector and engine, answers back, reports into every outbox.

use crate::DaemonError;
use crate::shared::{Cost, Shared, Work, lock};
use mtcae_contract::{Clip, Image, Micros, Rect};
use mtcae_core::{Action, Engine, EngineError, FaceFinder, Stage, Ticket};
use mtcae_wire::{Condition, Level, Report, Up};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest wait before looking whether to stop.
const SLICE: Duration = Duration::from_millis(100);
/// After the source's end the frames at hand are worked on for this long.
const DRAIN: Duration = Duration::from_millis(500);

/// One of the threads' own things.
pub(crate) struct Thinker {
    /// Its place among the threads.
    pub at: usize,
    pub engine: Box<dyn Engine>,
    /// One for all: the pipeline has one look out at a time.
    pub finder: Arc<Mutex<Box<dyn FaceFinder>>>,
}

/// Runs until the daemon stops, or the source has ended and what it gave is done.
pub(crate) fn infer(shared: &Shared, thinker: &mut Thinker) {
    let mut end: Option<Instant> = None;
    while !shared.stopping() {
        shared.beats.infer[thinker.at].store(shared.now(), Ordering::Relaxed);
        if shared.ended.load(Ordering::Relaxed) && end.get_or_insert_with(Instant::now).elapsed() >= DRAIN {
            return;
        }
        let done = match next(shared) {
            Job::None => continue,
            Job::Detect(image) => detect(shared, thinker, &image),
            Job::Follow(image, near) => follow(shared, thinker, &image, near),
            Job::Infer { clip, ticket, crop_us } => run_network(shared, thinker, clip, ticket, crop_us),
        };
        // What has ended may be what others waited for.
        shared.frame.notify_all();
        match done {
            Ok(()) => {}
            Err(EngineError::Refused(why)) => return shared.fail(DaemonError::Model(why)),
            Err(why @ EngineError::Failed(_)) => shared.complain("engine", Level::Error, &why.to_string()),
        }
    }
}

/// The pipeline's [`Action`], and what it took.
enum Job {
    None,
    Detect(Arc<Image>),
    Follow(Arc<Image>, Rect),
    Infer { clip: Clip, ticket: Ticket, crop_us: u64 },
}

/// The next job; when there is none, a wait for a frame, or for the end of another thread's job.
fn next(shared: &Shared) -> Job {
    let mut work = lock(&shared.work);
    let begin = Instant::now();
    match work.pipeline.next(shared.now()) {
        Action::Detect(image) => Job::Detect(image),
        Action::Follow(image, near) => Job::Follow(image, near),
        Action::Infer(clip, ticket) => {
            let crop_us = us_since(begin);
            work.health.record(Stage::Crop, crop_us);
            Job::Infer { clip, ticket, crop_us }
        }
        Action::Wait(us) => {
            // A frame that another thread still works on is not done with.
            if work.known < work.given && !work.pipeline.is_busy() {
                work.known = work.given;
                shared.caught_up.notify_one();
            }
            let time = Duration::from_micros(us).min(SLICE);
            drop(shared.frame.wait_timeout(work, time).unwrap_or_else(PoisonError::into_inner));
            Job::None
        }
    }
}

type Done = Result<(), EngineError>;

fn detect(shared: &Shared, thinker: &Thinker, image: &Arc<Image>) -> Done {
    let begin = Instant::now();
    let found = lock(&thinker.finder).find(image);
    let us = us_since(begin);
    looked(shared, found, |work, faces, now| {
        work.detect.add(us.min(u64::from(u32::MAX)) as u32);
        work.pipeline.on_faces(&faces, now)
    })
}

fn follow(shared: &Shared, thinker: &Thinker, image: &Arc<Image>, near: Rect) -> Done {
    let begin = Instant::now();
    let found = lock(&thinker.finder).follow(image, near);
    let us = us_since(begin);
    looked(shared, found, |work, face, now| {
        work.follow.add(us.min(u64::from(u32::MAX)) as u32);
        work.pipeline.on_follow(face, now)
    })
}

/// Tells the pipeline what a look has found.
fn looked<T>(
    shared: &Shared,
    found: Result<T, EngineError>,
    then: impl FnOnce(&mut Work, T, Micros) -> Option<Report>,
) -> Done {
    let _turn = lock(&shared.publishing);
    let mut work = lock(&shared.work);
    let now = shared.now();
    let found = found.inspect_err(|_| work.pipeline.on_look_failed(now))?;
    let report = then(&mut work, found, now);
    drop(work);
    report.into_iter().for_each(|report| publish(shared, report));
    Ok(())
}

fn run_network(shared: &Shared, thinker: &mut Thinker, clip: Clip, ticket: Ticket, crop_us: u64) -> Done {
    let begin = Instant::now();
    let raw = thinker.engine.infer(&clip);
    let infer_us = us_since(begin);
    let _turn = lock(&shared.publishing);
    let mut work = lock(&shared.work);
    work.engine = if raw.is_ok() { Condition::Good } else { Condition::Bad };
    let raw = match raw {
        Ok(raw) => raw,
        Err(why) => {
            work.pipeline.on_clip_failed(ticket, clip);
            return Err(why);
        }
    };
    work.health.record(Stage::Infer, infer_us);
    let (begin, answered) = (Instant::now(), shared.now());
    let answer = work.pipeline.on_output(ticket, clip, &raw, answered);
    work.health.record(Stage::Outputs, us_since(begin));
    let before_us = work.decode_us + crop_us;
    drop(work);
    match answer {
        Ok(None) => {}
        Ok(Some(report)) => {
            shared.spent(Cost { seq: report.seq, before_us, answered });
            publish(shared, report);
        }
        // The pipeline has counted it as failed.
        Err(why) => {
            shared.complain("network", Level::Error, &format!("the network's answer is of no use: {why}"));
        }
    }
    Ok(())
}

/// Into every outbox, while no other thread may make a report: they go out in the order of their numbers. Its encoding is timed
/// here, where no line's speed gets into the figure.
fn publish(shared: &Shared, report: Report) {
    let message = Up::Report(report);
    let begin = Instant::now();
    let encoded = mtcae_wire::encode(&message);
    let us = us_since(begin);
    match encoded {
        Ok(_) => {
            lock(&shared.work).health.record(Stage::Encode, us);
            shared.mail.iter().for_each(|mail| mail.push(message.clone()));
        }
        Err(why) => shared.complain("encode", Level::Error, &format!("a report cannot be sent: {why}")),
    }
}

fn us_since(begin: Instant) -> u64 {
    begin.elapsed().as_micros() as u64
}
