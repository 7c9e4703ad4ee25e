//! The one object the daemon drives: frames, faces and answers in, jobs and reports out.

use crate::report::View;
use crate::{
    Assembler, Captured, ClipQuality, CropCache, Fate, FoundFace, FrameCounts, Gaze, Reporter, Ring, RingLimits,
    Schedule, Settings, SettingsError, Sight, Smoother, Step, Tracks,
};
use mtcae_contract::{Clip, Frame, Image, Manifest, Micros, RawOutput, RawOutputError, Rect, decode};
use mtcae_wire::Report;
use std::sync::Arc;

/// Which of the clips that are out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u32);

/// A job for the daemon's workers. As many are out at a time as [`crate::ScheduleSettings::streams`] says: one look at most, and
/// one clip of each face at most.
#[derive(Debug)]
pub enum Action {
    /// Find all faces; answer with [`Pipeline::on_faces`] or [`Pipeline::on_look_failed`].
    Detect(Arc<Image>),
    /// Look again at the face near the box; answer with [`Pipeline::on_follow`] or [`Pipeline::on_look_failed`].
    Follow(Arc<Image>, Rect),
    /// Run the network; answer with [`Pipeline::on_output`] or [`Pipeline::on_clip_failed`].
    Infer(Clip, Ticket),
    /// Nothing to do before this many microseconds have passed, or a frame has come.
    Wait(Micros),
}

/// What happened so far. `clips == clips_answered + clips_discarded + clips_failed + those that are out`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PipelineCounts {
    /// Frames.
    pub frames: FrameCounts,
    /// Full detections begun.
    pub detections: u64,
    /// Cheap looks begun.
    pub follows: u64,
    /// Detections and looks that failed.
    pub looks_failed: u64,
    /// Clips given to the engine.
    pub clips: u64,
    /// Clips answered by the engine and used.
    pub clips_answered: u64,
    /// Clips answered after a gap, a wipe or the loss of the face.
    pub clips_discarded: u64,
    /// Clips the engine failed on, or answered with nonsense.
    pub clips_failed: u64,
    /// Crops cut; many fewer than frames in clips while the face is steady.
    pub crops: u64,
    /// Reports made.
    pub reports: u64,
    /// Faces lost from view.
    pub faces_lost: u64,
}

/// The look that is out.
struct Look {
    /// The face looked at; `None` for all there are.
    at: Option<u32>,
    view: View,
    epoch: u64,
}

/// A clip that is out.
struct Sent {
    ticket: Ticket,
    id: u32,
    view: View,
    epoch: u64,
    crop: Rect,
    quality: ClipQuality,
    /// Nobody may see its pixels any more.
    condemned: bool,
}

/// What is kept for a face that is inferred.
struct Attention {
    id: u32,
    gaze: Gaze,
    smoother: Smoother,
    crops: CropCache,
    /// Capture time of the newest frame of its last clip.
    shown: Option<Micros>,
}

/// Ties ring, tracks, gaze, schedule and smoothing together.
pub struct Pipeline {
    settings: Settings,
    manifest: Manifest,
    ring: Ring,
    tracks: Tracks,
    /// One for each face followed, or lost a moment ago.
    attention: Vec<Attention>,
    /// Crops cut for faces that are gone.
    crops_of_others: u64,
    assembler: Assembler,
    schedule: Schedule,
    reporter: Reporter,
    look: Option<Look>,
    /// Clips that are out, one of each face at most.
    sent: Vec<Sent>,
    next_ticket: u32,
    /// When the last trigger came whose answers are not all under way.
    trigger: Option<Micros>,
    /// When the last report without a face was made; `None` makes the next one due at once.
    absent_at: Option<Micros>,
    counts: PipelineCounts,
}

impl Pipeline {
    /// A pipeline with nothing seen yet. `seed` decides track ids and should be random; `boot` marks every report.
    ///
    /// # Errors
    /// The first setting out of its range.
    pub fn new(settings: Settings, manifest: &Manifest, seed: u64, boot: u32) -> Result<Pipeline, SettingsError> {
        settings.validate()?;
        Ok(Pipeline {
            ring: Ring::new(RingLimits::for_clip(&manifest.clip), settings.gap.clone()),
            tracks: Tracks::new(settings.gaze.clone(), seed),
            attention: Vec::new(),
            crops_of_others: 0,
            assembler: Assembler::new(manifest.clip),
            schedule: Schedule::new(settings.schedule.clone()),
            reporter: Reporter::new(boot),
            look: None,
            sent: Vec::new(),
            next_ticket: 0,
            trigger: None,
            absent_at: None,
            counts: PipelineCounts::default(),
            settings,
            manifest: manifest.clone(),
        })
    }

    /// A frame has come. One that claims to be of the future counts as of now.
    pub fn on_frame(&mut self, captured: Captured, now: Micros) -> Fate {
        let frame = Frame { image: Arc::new(captured.image), captured: captured.captured.min(now), seq: captured.seq };
        let size = |frame: &Frame| (frame.image.width(), frame.image.height());
        let resized = self.ring.newest().is_some_and(|newest| size(newest) != size(&frame));
        let fate = self.ring.push(frame);
        if fate == Fate::NewEpoch {
            if resized {
                // Where faces were is said in pixels of the other size.
                self.forget_faces();
            }
            self.schedule.restart();
        }
        fate
    }

    /// Asks for an answer on the first frame captured from `now` on: for each face followed, or that there is none. It is not
    /// asked again where the network fails, its numbers make no face, or the frames end meanwhile. Means nothing unless [`crate::ScheduleSettings::triggered`].
    pub fn trigger(&mut self, now: Micros) {
        self.trigger = Some(now);
        self.absent_at = None;
    }

    /// What to do at `now`. While as many jobs are out as may the answer is [`Action::Wait`].
    pub fn next(&mut self, now: Micros) -> Action {
        if !self.is_busy() {
            self.expire(now);
        }
        let newest = self.ring.newest().map(|f| f.captured);
        let tracks = self.tracks.all();
        if !tracks.is_empty() && tracks.iter().all(|t| self.shown(t.id) >= self.trigger) {
            // Who comes later was not asked for.
            self.trigger = None;
        }
        match self.schedule.next_step(now, newest, self.sight(newest)) {
            Step::Wait(us) => Action::Wait(us),
            step => self.start(step).unwrap_or_else(|| {
                match step {
                    Step::Infer => self.schedule.finish_clip(),
                    _ => self.schedule.finish_look(now),
                }
                Action::Wait(1)
            }),
        }
    }

    /// The detector found `faces` (best first, pixels of the picture given).
    pub fn on_faces(&mut self, faces: &[FoundFace], now: Micros) -> Option<Report> {
        let Look { at: None, view, epoch } = self.take_look(now)? else { return None };
        if epoch != self.ring.epoch() {
            return None;
        }
        self.tracks.observe(faces, view.bounds(), view.captured, now);
        self.after_look(view, now)
    }

    /// The cheap look found the face again, or did not.
    pub fn on_follow(&mut self, found: Option<FoundFace>, now: Micros) -> Option<Report> {
        let Look { at: Some(id), view, epoch } = self.take_look(now)? else { return None };
        if epoch != self.ring.epoch() {
            return None;
        }
        self.tracks.follow(id, found, view.captured, now);
        self.after_look(view, now)
    }

    /// The network answered to `clip`, whose memory is used again. `None` when the answer is of no use any more: after a gap,
    /// a wipe, or the loss of the face.
    ///
    /// # Errors
    /// When the answer has the wrong shape or holds numbers that are not finite; counted as a failure.
    pub fn on_output(
        &mut self,
        ticket: Ticket,
        clip: Clip,
        raw: &RawOutput,
        now: Micros,
    ) -> Result<Option<Report>, RawOutputError> {
        let Some(Sent { id, view, epoch, crop, quality, .. }) = self.take_clip(ticket, clip) else { return Ok(None) };
        let (same_epoch, followed) = (epoch == self.ring.epoch(), self.tracks.get(id).is_some());
        let attention = self.attention.iter_mut().find(|a| a.id == id && same_epoch && followed);
        let Some(attention) = attention else {
            self.counts.clips_discarded += 1;
            return Ok(None);
        };
        let Manifest { clip, labels, temperature, .. } = &self.manifest;
        let prediction = decode(raw, clip.frames, labels.len(), crop, *temperature)
            .inspect_err(|_| self.counts.clips_failed += 1)?;
        // A clip of a face that the last look did not find may show a wall: nothing new is said of it.
        let smoothed = match self.tracks.get(id).is_some_and(|t| t.missing) {
            true => attention.smoother.held(),
            false => attention.smoother.update(&prediction.probabilities, view.captured),
        };
        self.tracks.steer(id, prediction.face, prediction.landmarks, view.captured);
        let faces = self.tracks.all().len();
        let report = self.tracks.get(id).and_then(|track| {
            let track = track.at(view.captured);
            let quality = quality.flags(&track, view.bounds());
            self.reporter.face(view, now, faces, &track, &smoothed, quality)
        });
        match &report {
            Some(_) => self.counts.clips_answered += 1,
            None => self.counts.clips_failed += 1,
        }
        self.counts.reports += u64::from(report.is_some());
        Ok(report)
    }

    /// The look that is out failed.
    pub fn on_look_failed(&mut self, now: Micros) {
        self.counts.looks_failed += u64::from(self.take_look(now).is_some());
    }

    /// The network failed on `clip`.
    pub fn on_clip_failed(&mut self, ticket: Ticket, clip: Clip) {
        self.counts.clips_failed += u64::from(self.take_clip(ticket, clip).is_some());
    }

    /// The source was opened again, or another one: nothing seen before has to do with what comes.
    pub fn on_gap(&mut self) {
        self.ring.restart();
        self.trigger = None;
        self.forget_faces();
        self.schedule.restart();
    }

    fn forget_faces(&mut self) {
        self.tracks.clear();
        self.forget_others();
    }

    /// Overwrites and forgets every pixel. Returns how many pictures and clips the workers still hold: call it again when the
    /// jobs that are out have been answered, until it returns 0. A clip is overwritten when it comes back.
    pub fn wipe(&mut self) -> usize {
        // The ring first: letting go of its frames before they are overwritten would leave their pixels in memory.
        // A frame that is looked at may have left the ring meanwhile.
        let held = self.ring.wipe().max(usize::from(self.look.is_some())) + self.sent.len();
        self.sent.iter_mut().for_each(|sent| sent.condemned = true);
        self.attention.iter_mut().for_each(|a| a.crops.wipe());
        self.assembler.wipe();
        self.on_gap();
        held
    }

    /// Infers at most `hz` clips a second from now on; what is not more than 0 and finite changes nothing.
    pub fn limit_rate(&mut self, hz: f32) {
        self.schedule.limit_rate(hz);
    }

    /// True while a job is out.
    pub fn is_busy(&self) -> bool {
        self.look.is_some() || !self.sent.is_empty()
    }

    /// The faces followed.
    pub fn tracks(&self) -> &Tracks {
        &self.tracks
    }

    /// Frames held; at most [`RingLimits::for_clip`] says.
    pub fn frames_held(&self) -> usize {
        self.ring.len()
    }

    /// Crops held; for each face followed, or lost a moment ago, at most one for each frame held.
    pub fn crops_held(&self) -> usize {
        self.attention.iter().map(|a| a.crops.len()).sum()
    }

    /// What happened so far.
    pub fn counts(&self) -> PipelineCounts {
        let crops = self.crops_of_others + self.attention.iter().map(|a| a.crops.made()).sum::<u64>();
        PipelineCounts { frames: self.ring.counts(), crops, ..self.counts }
    }

    fn sight(&self, newest: Option<Micros>) -> Sight {
        let tracks = self.tracks.all();
        let fresh = match (self.settings.schedule.triggered, self.trigger) {
            (false, _) => tracks.iter().any(|t| !self.is_out(t.id) && self.shown(t.id) != newest),
            (true, None) => false,
            (true, at) => newest >= at && tracks.iter().any(|t| !self.is_out(t.id) && self.shown(t.id) < at),
        };
        Sight { faces: tracks.len(), missing: self.tracks.misses_any(), fresh }
    }

    /// Capture time of the newest frame of the last clip of the face `id`.
    fn shown(&self, id: u32) -> Option<Micros> {
        self.attention.iter().find(|a| a.id == id).and_then(|a| a.shown)
    }

    /// A clip of the face `id` is out.
    fn is_out(&self, id: u32) -> bool {
        self.sent.iter().any(|sent| sent.id == id)
    }

    /// Puts the job of `step` out; `None` when there is nothing to do it on.
    fn start(&mut self, step: Step) -> Option<Action> {
        let newest = self.ring.newest()?;
        let image = Arc::clone(&newest.image);
        let view = View { captured: newest.captured, width: image.width(), height: image.height() };
        let epoch = self.ring.epoch();
        // The face that has waited longest; the one followed longest among equals.
        let turn = self.tracks.all().iter().filter(|t| !self.is_out(t.id)).min_by_key(|t| self.shown(t.id));
        let turn = turn.map(|t| (t.id, t.expected(view.captured)));
        let stalest = self.tracks.stalest().map(|t| (t.id, t.expected(view.captured)));
        match (step, turn, stalest) {
            (Step::Infer, turn, _) => turn.and_then(|(id, face)| self.start_clip(id, face, view)),
            (Step::Follow, _, Some((id, face))) => {
                self.counts.follows += 1;
                self.look = Some(Look { at: Some(id), view, epoch });
                Some(Action::Follow(image, face))
            }
            _ => {
                self.counts.detections += 1;
                self.look = Some(Look { at: None, view, epoch });
                Some(Action::Detect(image))
            }
        }
    }

    fn start_clip(&mut self, id: u32, face: Rect, view: View) -> Option<Action> {
        let at = match self.attention.iter().position(|a| a.id == id) {
            Some(at) => at,
            None => {
                self.attention.push(Attention {
                    id,
                    gaze: Gaze::new(self.manifest.framing, &self.settings.gaze),
                    smoother: Smoother::new(self.settings.smoothing.clone(), self.manifest.labels.len()),
                    crops: CropCache::new(self.manifest.clip.size),
                    shown: None,
                });
                self.attention.len() - 1
            }
        };
        let attention = &mut self.attention[at];
        attention.shown = Some(view.captured);
        let crop = attention.gaze.aim(face, view.width, view.height);
        let made = self.assembler.assemble(&mut self.ring, &mut attention.crops, crop)?;
        let quality = ClipQuality::of(&made.clip, made.filled);
        self.counts.clips += 1;
        let ticket = Ticket(self.next_ticket);
        self.next_ticket = self.next_ticket.wrapping_add(1);
        let epoch = self.ring.epoch();
        self.sent.push(Sent { ticket, id, view, epoch, crop, quality, condemned: false });
        Some(Action::Infer(made.clip, ticket))
    }

    fn take_look(&mut self, now: Micros) -> Option<Look> {
        self.schedule.finish_look(now);
        self.look.take()
    }

    /// The clip that is out with this ticket; its memory is used again, or overwritten.
    fn take_clip(&mut self, ticket: Ticket, clip: Clip) -> Option<Sent> {
        let Some(at) = self.sent.iter().position(|sent| sent.ticket == ticket) else {
            self.assembler.overwrite(clip);
            return None;
        };
        self.schedule.finish_clip();
        let sent = self.sent.swap_remove(at);
        match sent.condemned {
            true => self.assembler.overwrite(clip),
            false => self.assembler.give_back(clip),
        }
        Some(sent)
    }

    fn after_look(&mut self, view: View, now: Micros) -> Option<Report> {
        self.expire(now);
        if !self.tracks.all().is_empty() {
            self.absent_at = None;
            return None;
        }
        if Some(view.captured) >= self.trigger {
            self.trigger = None;
        }
        let due = self.absent_at.is_none_or(|at| now < at || now - at >= self.settings.absent_every);
        due.then(|| {
            self.absent_at = Some(now);
            self.counts.reports += 1;
            self.reporter.absent(view, now)
        })
    }

    fn expire(&mut self, now: Micros) {
        let lost = self.tracks.expire(now);
        self.counts.faces_lost += lost as u64;
        self.forget_others();
    }

    /// Lets go of what was kept for faces that will not come back.
    fn forget_others(&mut self) {
        let tracks = &self.tracks;
        for gone in self.attention.extract_if(.., |a| !tracks.remembers(a.id)) {
            self.crops_of_others += gone.crops.made();
        }
    }
}
