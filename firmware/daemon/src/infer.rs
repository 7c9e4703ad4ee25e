//! The inference thread: the pipeline's jobs to detector and engine, answers back, reports into every outbox.

use crate::DaemonError;
use crate::model::Minds;
use crate::shared::{Cost, Shared, Work, lock};
use mtcae_contract::{Clip, Image, Micros, Rect};
use mtcae_core::{Action, EngineError, Stage};
use mtcae_wire::{Condition, Level, Report, Up};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Longest wait before looking whether to stop.
const SLICE: Duration = Duration::from_millis(100);
/// After the source's end the frames at hand are worked on for this long.
const DRAIN: Duration = Duration::from_millis(500);

/// Runs until the daemon stops, or the source has ended and what it gave is done.
pub(crate) fn infer(shared: &Shared, minds: &mut Minds) {
    let mut end: Option<Instant> = None;
    while !shared.stopping() {
        shared.beats.infer.store(shared.now(), Ordering::Relaxed);
        if shared.ended.load(Ordering::Relaxed) && end.get_or_insert_with(Instant::now).elapsed() >= DRAIN {
            return;
        }
        let report = match next(shared) {
            Action::Wait(us) => {
                wait(shared, us);
                continue;
            }
            Action::Detect(image) => detect(shared, minds, &image),
            Action::Follow(image, near) => follow(shared, minds, &image, near),
            Action::Infer(clip) => run_network(shared, minds, clip),
        };
        match report {
            Ok(Some(report)) => publish(shared, report),
            Ok(None) => {}
            Err(EngineError::Refused(why)) => return shared.fail(DaemonError::Model(why)),
            Err(why @ EngineError::Failed(_)) => {
                lock(&shared.work).pipeline.on_failed(shared.now());
                shared.complain("engine", Level::Error, &why.to_string());
            }
        }
    }
}

fn next(shared: &Shared) -> Action {
    let mut work = lock(&shared.work);
    let begin = Instant::now();
    let action = work.pipeline.next(shared.now());
    if matches!(action, Action::Infer(_)) {
        work.crop_us = us_since(begin);
        let us = work.crop_us;
        work.health.record(Stage::Crop, us);
    }
    action
}

/// Waits for a frame that nobody has asked the pipeline about, at most `us`.
fn wait(shared: &Shared, us: Micros) {
    let mut work = lock(&shared.work);
    if work.known < work.given {
        work.known = work.given;
        shared.caught_up.notify_one();
        // It may have come after the pipeline was asked.
        return;
    }
    let time = Duration::from_micros(us).min(SLICE);
    drop(shared.frame.wait_timeout(work, time).unwrap_or_else(PoisonError::into_inner));
}

type Answer = Result<Option<Report>, EngineError>;

fn detect(shared: &Shared, minds: &mut Minds, image: &Arc<Image>) -> Answer {
    let begin = Instant::now();
    let faces = minds.finder.find(image)?;
    let us = us_since(begin);
    Ok(with_work(shared, |work, now| {
        work.detect.add(us.min(u64::from(u32::MAX)) as u32);
        work.pipeline.on_faces(&faces, now)
    }))
}

fn follow(shared: &Shared, minds: &mut Minds, image: &Arc<Image>, near: Rect) -> Answer {
    let begin = Instant::now();
    let found = minds.finder.follow(image, near)?;
    let us = us_since(begin);
    Ok(with_work(shared, |work, now| {
        work.follow.add(us.min(u64::from(u32::MAX)) as u32);
        work.pipeline.on_follow(found, now)
    }))
}

fn run_network(shared: &Shared, minds: &mut Minds, clip: Clip) -> Answer {
    let begin = Instant::now();
    let raw = minds.engine.infer(&clip);
    let infer_us = us_since(begin);
    let mut work = lock(&shared.work);
    work.pipeline.give_back(clip);
    work.engine = if raw.is_ok() { Condition::Good } else { Condition::Bad };
    let raw = raw?;
    work.health.record(Stage::Infer, infer_us);
    let (begin, answered) = (Instant::now(), shared.now());
    let answer = work.pipeline.on_output(&raw, shared.now());
    work.health.record(Stage::Outputs, us_since(begin));
    if let Ok(Some(report)) = &answer {
        shared.spent(Cost { seq: report.seq, before_us: work.decode_us + work.crop_us, answered });
    }
    drop(work);
    // The pipeline has counted it as failed.
    answer.or_else(|why| {
        shared.complain("network", Level::Error, &format!("the network's answer is of no use: {why}"));
        Ok(None)
    })
}

fn with_work(shared: &Shared, then: impl FnOnce(&mut Work, Micros) -> Option<Report>) -> Option<Report> {
    let mut work = lock(&shared.work);
    let now = shared.now();
    then(&mut work, now)
}

/// Into every outbox. Its encoding is timed here, where no line's speed gets into the figure.
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
