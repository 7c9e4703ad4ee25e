//! The capture thread: frames from the source to the pipeline, the source opened again when it is lost, and closed when
//! nobody may look.

use crate::DaemonError;
use crate::camera::Order;
use crate::shared::{Shared, lock};
use crate::source::Opener;
use mtcae_core::{Captured, FrameSource, SourceError, Stage};
use mtcae_wire::{Ack, CameraAction, CameraState, Level, Mode, Nack, Reason, Text, Up};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Longest wait for a frame before looking whether to stop, or whether nobody may look any more.
const SLICE: Duration = Duration::from_millis(20);
/// A camera that gives nothing but damaged frames for so long is opened again, which often mends it.
const ONLY_BAD: Duration = Duration::from_secs(5);
/// Wait between two looks while the source is closed.
const PAUSE: Duration = Duration::from_millis(10);

/// Runs until the daemon stops or the source ends. `source` was opened at the start, unless nobody
/// may look.
pub(crate) fn capture(shared: &Shared, opener: Opener, source: Option<Box<dyn FrameSource>>) {
    if let Some(open) = &source {
        shared.camera.offer(open.modes());
    }
    let now = Instant::now();
    Capture {
        shared,
        opener,
        before: None,
        source,
        off: false,
        wiped: false,
        last_frame: now,
        last_good: now,
        open_at: now,
    }
    .run();
}

/// The thread's own things.
struct Capture<'a> {
    shared: &'a Shared,
    opener: Opener,
    /// What worked before a mode was chosen that has not been tried yet.
    before: Option<Opener>,
    source: Option<Box<dyn FrameSource>>,
    /// Switched off on request.
    off: bool,
    /// No picture is left since it was closed.
    wiped: bool,
    /// The last frame, or when the source was opened.
    last_frame: Instant,
    /// The same of frames that were not damaged.
    last_good: Instant,
    /// A lost source is opened again then.
    open_at: Instant,
}

impl Capture<'_> {
    fn run(mut self) {
        while !self.shared.stopping() {
            self.shared.beats.capture.store(self.shared.now(), Ordering::Relaxed);
            while let Some(order) = self.shared.camera.next() {
                let answer = self.obey(&order);
                if let Some(mail) = self.shared.mail.get(order.mail) {
                    mail.answer_to(order.session, answer);
                }
            }
            if let Some(state) = self.closed() {
                self.close(state);
                self.shared.sleep(PAUSE);
                continue;
            }
            self.wiped = false;
            if self.source.is_some() {
                if self.look().is_break() {
                    return;
                }
            } else if Instant::now() < self.open_at {
                self.shared.sleep(PAUSE);
            } else if let Err(why) = self.reopen() {
                // Refused, too: the device under a path may be half-way up, or another one for a moment.
                self.shared.complain("camera", Level::Warn, &format!("still no camera: {why}"));
            }
        }
    }

    /// The state in which nobody looks, if that is the one.
    fn closed(&self) -> Option<CameraState> {
        if self.shared.camera.blind(self.shared.now()) {
            let text = "the privacy switch was not looked at for two seconds, and counts as private";
            self.shared.complain("privacy switch", Level::Error, text);
        }
        if self.shared.private() {
            return Some(CameraState::Private);
        }
        self.off.then_some(CameraState::Off)
    }

    /// Waits for a frame for a moment; breaks when there will be no more.
    fn look(&mut self) -> std::ops::ControlFlow<()> {
        let Some(open) = self.source.as_mut() else { return std::ops::ControlFlow::Continue(()) };
        match open.next_frame(SLICE) {
            // The switch may have been flipped while the frame was under way.
            Ok(Some(_)) if self.shared.private() => {}
            Ok(Some(captured)) => {
                self.last_frame = Instant::now();
                self.last_good = self.last_frame;
                give(self.shared, captured);
                if self.opener.on_demand() {
                    wait_until_known(self.shared);
                }
            }
            Ok(None) if self.opener.silence().is_some_and(|limit| self.last_frame.elapsed() >= limit) => {
                let name = open.info().name;
                self.lose(&format!("camera {name} gives no frames; it is opened again"));
            }
            Ok(None) => {}
            Err(SourceError::BadFrame(why)) => {
                self.last_frame = Instant::now();
                lock(&self.shared.work).bad_frames += 1;
                self.shared.complain("frame", Level::Warn, &format!("bad frame skipped: {why}"));
                if self.opener.silence().is_some_and(|limit| self.last_good.elapsed() >= limit.max(ONLY_BAD)) {
                    let name = open.info().name;
                    self.lose(&format!("camera {name} gives damaged frames only; it is opened again"));
                }
            }
            Err(SourceError::Lost(why)) => self.lose(&format!("camera lost: {why}; it is opened again")),
            Err(SourceError::Refused(why)) => {
                self.shared.fail(DaemonError::Source(why));
                return std::ops::ControlFlow::Break(());
            }
            Err(SourceError::End) => {
                end(self.shared);
                return std::ops::ControlFlow::Break(());
            }
        }
        std::ops::ControlFlow::Continue(())
    }

    /// Closes the source and overwrites every picture, also those that the network still holds once it lets go.
    fn close(&mut self, state: CameraState) {
        let open = self.source.take().is_some();
        let mut work = lock(&self.shared.work);
        let changed = std::mem::replace(&mut work.camera, state) != state;
        let wiped = self.wiped && !open;
        self.wiped = wiped || work.pipeline.wipe() == 0;
        drop(work);
        if self.wiped && (changed || !wiped) {
            let who = if state == CameraState::Private { "the privacy switch" } else { "an order" };
            self.shared.log(Level::Info, &format!("camera closed by {who}, no picture is left"));
        }
    }

    fn lose(&mut self, why: &str) {
        self.source = None;
        self.open_at = Instant::now() + self.opener.reopen();
        lock(&self.shared.work).camera = CameraState::Lost;
        self.shared.log(Level::Warn, why);
    }

    /// One try; the next one after the pause. False when nobody wants the camera any more: it is closed, and nothing is known of it.
    fn reopen(&mut self) -> Result<bool, SourceError> {
        let shared = self.shared;
        let opened = self.opener.open(&mut || {
            shared.beats.capture.store(shared.now(), Ordering::Relaxed);
            !shared.stopping() && !shared.private() && !shared.camera.stop_waits()
        });
        self.last_frame = Instant::now();
        self.last_good = self.last_frame;
        if matches!(opened, Ok(None)) {
            self.open_at = self.last_frame;
            return Ok(false);
        }
        self.open_at = self.last_frame + self.opener.reopen();
        let before = self.before.take();
        let source = opened.map_err(|why| {
            lock(&self.shared.work).camera = CameraState::Lost;
            let Some(before) = before else { return why };
            self.opener = before;
            self.open_at = self.last_frame;
            SourceError::Lost(format!("{why}; back to the mode before"))
        })?;
        let Some(source) = source else { return Ok(false) };
        self.shared.camera.offer(source.modes());
        let name = source.info().name;
        self.source = Some(source);
        let mut work = lock(&self.shared.work);
        work.pipeline.on_gap();
        work.reopened += 1;
        work.camera = CameraState::Streaming;
        drop(work);
        self.shared.log(Level::Info, &format!("camera {name} is open again"));
        Ok(true)
    }

    fn obey(&mut self, order: &Order) -> Up {
        let token = order.token;
        let done = match &order.action {
            CameraAction::Stop => {
                self.off = true;
                self.close(self.closed().unwrap_or(CameraState::Off));
                Ok(())
            }
            CameraAction::Start => self.start(),
            CameraAction::Choose(mode) => self.choose(mode),
        };
        match done {
            Ok(()) => Up::Ack(Ack { token }),
            Err((reason, detail)) => Up::Nack(Nack { token, reason, detail: Text::new(&detail) }),
        }
    }

    fn start(&mut self) -> Result<(), (Reason, String)> {
        self.off = false;
        let private = || (Reason::Failed, "the privacy switch keeps the camera closed".to_owned());
        if self.shared.private() {
            return Err(private());
        }
        if self.source.is_some() {
            return Ok(());
        }
        match self.reopen() {
            Ok(true) => Ok(()),
            Ok(false) if self.shared.private() => Err(private()),
            Ok(false) => Err((Reason::Failed, "the camera was stopped before it gave a picture".to_owned())),
            Err(why) => Err((Reason::Failed, why.to_string())),
        }
    }

    fn choose(&mut self, mode: &Mode) -> Result<(), (Reason, String)> {
        let chosen = self.opener.in_mode(mode, &self.shared.camera.offered());
        let before = std::mem::replace(&mut self.opener, chosen.map_err(|why| (Reason::BadValue, why))?);
        self.before.get_or_insert(before);
        // A closed camera takes the mode when it opens; a start that fails for it says so.
        if self.closed().is_some() {
            return Ok(());
        }
        // A camera is for one at a time.
        self.source = None;
        // One that is closed meanwhile takes the mode when it opens again.
        self.reopen().map(drop).map_err(|why| (Reason::Failed, why.to_string()))
    }
}

fn give(shared: &Shared, captured: Captured) {
    let now = shared.now();
    let decode_us = u64::from(captured.decode_us);
    let mut work = lock(&shared.work);
    work.camera = CameraState::Streaming;
    work.health.record(Stage::Decode, decode_us);
    work.decode_us = decode_us;
    work.health.frame(now);
    work.pipeline.on_frame(captured, now);
    work.given += 1;
    drop(work);
    shared.frame.notify_all();
}

fn wait_until_known(shared: &Shared) {
    let mut work = lock(&shared.work);
    while work.known < work.given && !shared.stopping() && !shared.private() {
        work = shared.caught_up.wait_timeout(work, SLICE).unwrap_or_else(PoisonError::into_inner).0;
    }
}

fn end(shared: &Shared) {
    lock(&shared.work).camera = CameraState::Ended;
    shared.ended.store(true, Ordering::Relaxed);
    shared.frame.notify_all();
}

#[cfg(test)]
#[path = "capture_tests.rs"]
mod tests;
