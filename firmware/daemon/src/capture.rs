//! The capture thread: frames from the source to the pipeline, and the source opened again when it is lost.

use crate::DaemonError;
use crate::shared::{Shared, lock};
use crate::source::Opener;
use mtcae_core::{Captured, FrameSource, SourceError, Stage};
use mtcae_wire::{CameraState, Level};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Longest wait for a frame before looking whether to stop.
const SLICE: Duration = Duration::from_millis(100);

/// Runs until the daemon stops or the source ends. `source` was opened at the start.
pub(crate) fn capture(shared: &Shared, opener: &Opener, source: Box<dyn FrameSource>) {
    let mut source = Some(source);
    let mut last_frame = Instant::now();
    while !shared.stopping() {
        shared.beats.capture.store(shared.now(), Ordering::Relaxed);
        let Some(open) = source.as_mut() else {
            source = reopen(shared, opener);
            last_frame = Instant::now();
            continue;
        };
        match open.next_frame(SLICE) {
            Ok(Some(captured)) => {
                last_frame = Instant::now();
                give(shared, captured);
                if opener.on_demand() {
                    wait_until_known(shared);
                }
            }
            Ok(None) if opener.silence().is_some_and(|limit| last_frame.elapsed() >= limit) => {
                let name = open.info().name;
                lose(shared, &format!("camera {name} gives no frames; it is opened again"));
                source = None;
            }
            Ok(None) => {}
            Err(SourceError::BadFrame(why)) => {
                last_frame = Instant::now();
                lock(&shared.work).bad_frames += 1;
                shared.complain("frame", Level::Warn, &format!("bad frame skipped: {why}"));
            }
            Err(SourceError::Lost(why)) => {
                lose(shared, &format!("camera lost: {why}; it is opened again"));
                source = None;
            }
            Err(SourceError::Refused(why)) => return shared.fail(DaemonError::Source(why)),
            Err(SourceError::End) => return end(shared),
        }
    }
}

fn give(shared: &Shared, captured: Captured) {
    let now = shared.now();
    let decode_us = u64::from(captured.decode_us);
    let mut work = lock(&shared.work);
    work.camera = CameraState::Streaming;
    work.health.record(Stage::Decode, decode_us);
    work.health.frame(now);
    work.pipeline.on_frame(captured, now);
    work.given += 1;
    drop(work);
    shared.frame.notify_one();
}

fn wait_until_known(shared: &Shared) {
    let mut work = lock(&shared.work);
    while work.known < work.given && !shared.stopping() {
        work = shared.caught_up.wait_timeout(work, SLICE).unwrap_or_else(PoisonError::into_inner).0;
    }
}

fn lose(shared: &Shared, why: &str) {
    lock(&shared.work).camera = CameraState::Lost;
    shared.log(Level::Warn, why);
}

/// One try after the pause; `None` when it failed, too.
fn reopen(shared: &Shared, opener: &Opener) -> Option<Box<dyn FrameSource>> {
    shared.sleep(opener.reopen());
    if shared.stopping() {
        return None;
    }
    match opener.open() {
        Ok(source) => {
            let mut work = lock(&shared.work);
            work.pipeline.on_gap();
            work.reopened += 1;
            work.camera = CameraState::Streaming;
            drop(work);
            shared.log(Level::Info, &format!("camera {} is open again", source.info().name));
            Some(source)
        }
        // Refused, too: the device under a path may be half-way up, or another one for a moment.
        Err(why) => {
            shared.complain("camera", Level::Warn, &format!("still no camera: {why}"));
            None
        }
    }
}

fn end(shared: &Shared) {
    lock(&shared.work).camera = CameraState::Ended;
    shared.ended.store(true, Ordering::Relaxed);
    shared.frame.notify_all();
}
