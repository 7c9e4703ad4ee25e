//! The last moments of video, bounded in time and in number.

use crate::GapSettings;
use mtcae_contract::{ClipSpec, Frame, Micros};
use std::{collections::VecDeque, sync::Arc};

/// Longest side of a picture the ring takes, pixels; sources shrink to 640 before.
pub const MAX_LONG_SIDE: u32 = 1280;

/// How much a ring holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingLimits {
    /// Most frames.
    pub frames: usize,
    /// Frames older than this before the newest leave, microseconds.
    pub span: Micros,
    /// Of frames that come closer together than this only the newest is kept, microseconds.
    pub spacing: Micros,
}

impl RingLimits {
    /// Room for one clip: three frames for each moment of it, so that a camera of any speed takes the same memory.
    pub fn for_clip(spec: &ClipSpec) -> RingLimits {
        let moments = spec.frames.max(2) as u64 - 1;
        let clip = clip_span(spec);
        let spacing = clip / (3 * moments);
        RingLimits { frames: 3 * moments as usize + 4, span: clip + spacing, spacing }
    }
}

/// The time a clip spans, microseconds.
pub(crate) fn clip_span(spec: &ClipSpec) -> Micros {
    (f64::from(spec.seconds) * 1e6) as Micros
}

/// What became of a frame given to [`Ring::push`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is the newest of the present epoch.
    Kept,
    /// It came after a gap, or with another size: the frames before it were let go.
    NewEpoch,
    /// Refused: not newer than the newest.
    OutOfOrder,
    /// Refused: a side is over [`MAX_LONG_SIDE`].
    TooLarge,
}

/// Counts of frames; `received == refused + used + unused + held`, always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FrameCounts {
    /// Given to the ring.
    pub received: u64,
    /// Not taken: out of order or too large.
    pub refused: u64,
    /// Gone, having been part of a clip.
    pub used: u64,
    /// Gone without having been part of a clip: overtaken by newer ones, wiped, or before a gap.
    pub unused: u64,
    /// In the ring now.
    pub held: u64,
    /// Never given to the ring: holes in the source's count.
    pub lost: u64,
    /// Epochs ended by a gap, a change of size or a re-opened source.
    pub gaps: u64,
}

struct Slot {
    key: u64,
    frame: Frame,
    used: bool,
}

/// Recent frames of one epoch in order of capture.
pub struct Ring {
    limits: RingLimits,
    gap: GapSettings,
    slots: VecDeque<Slot>,
    /// Frames to overwrite that somebody else still held at [`Ring::wipe`].
    condemned: Vec<Frame>,
    next_key: u64,
    epoch: u64,
    interval: Option<Micros>,
    last_seq: Option<u32>,
    counts: FrameCounts,
}

impl Ring {
    /// An empty ring.
    pub fn new(limits: RingLimits, gap: GapSettings) -> Ring {
        Ring {
            limits,
            gap,
            slots: VecDeque::new(),
            condemned: Vec::new(),
            next_key: 0,
            epoch: 0,
            interval: None,
            last_seq: None,
            counts: FrameCounts::default(),
        }
    }

    /// Takes a frame.
    pub fn push(&mut self, frame: Frame) -> Fate {
        self.counts.received += 1;
        self.count_holes(frame.seq);
        if frame.image.width().max(frame.image.height()) > MAX_LONG_SIDE {
            self.counts.refused += 1;
            return Fate::TooLarge;
        }
        let fate = self.fate_of(&frame);
        match fate {
            Fate::Kept => self.thin(),
            Fate::NewEpoch => self.start_epoch(),
            Fate::OutOfOrder | Fate::TooLarge => {
                self.counts.refused += 1;
                return fate;
            }
        }
        self.slots.push_back(Slot { key: self.next_key, frame, used: false });
        self.next_key += 1;
        self.trim();
        fate
    }

    /// Lets go of all frames: what comes next has nothing to do with them (the source was opened again).
    pub fn restart(&mut self) {
        self.last_seq = None;
        self.start_epoch();
    }

    /// Overwrites every pixel and lets go of all frames; returns how many frames somebody else still holds, which are
    /// overwritten when this is called again after they are let go.
    pub fn wipe(&mut self) -> usize {
        let held: Vec<Frame> = self.slots.iter().map(|s| s.frame.clone()).collect();
        self.restart();
        self.condemned.extend(held);
        self.condemned.retain_mut(|frame| !overwrite(frame));
        // Whoever holds more than this leaks pictures; keeping them here would not help.
        self.condemned.truncate(self.limits.frames);
        self.condemned.len()
    }

    /// Frames held.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// True when no frame is held.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The newest frame.
    pub fn newest(&self) -> Option<&Frame> {
        self.slots.back().map(|s| &s.frame)
    }

    /// Frame at `index`, 0 the oldest, with a number that no other frame of this ring has had.
    pub fn get(&self, index: usize) -> Option<(u64, &Frame)> {
        self.slots.get(index).map(|s| (s.key, &s.frame))
    }

    /// True when the frame with this number is held.
    pub fn holds(&self, key: u64) -> bool {
        self.slots.binary_search_by_key(&key, |s| s.key).is_ok()
    }

    /// Capture times from the oldest to the newest.
    pub fn times(&self) -> impl Iterator<Item = Micros> + '_ {
        self.slots.iter().map(|s| s.frame.captured)
    }

    /// Remembers that the frame at `index` is part of a clip.
    pub fn mark_used(&mut self, index: usize) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.used = true;
        }
    }

    /// Counts up with every gap; two frames with the same epoch belong together.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What happened to frames so far.
    pub fn counts(&self) -> FrameCounts {
        FrameCounts { held: self.slots.len() as u64, ..self.counts }
    }

    fn fate_of(&mut self, frame: &Frame) -> Fate {
        let Some(newest) = self.newest() else { return Fate::Kept };
        let same_size = newest.image.width() == frame.image.width() && newest.image.height() == frame.image.height();
        let Some(pause) = frame.captured.checked_sub(newest.captured).filter(|&p| p > 0) else {
            // A source's clock that stepped back for good must not shut the ring for ever.
            let back = newest.captured - frame.captured;
            return if back > self.gap.longest { Fate::NewEpoch } else { Fate::OutOfOrder };
        };
        if pause > self.longest_pause() || !same_size {
            return Fate::NewEpoch;
        }
        self.interval = Some(self.interval.map_or(pause, |i| (7 * i + pause) / 8));
        Fate::Kept
    }

    fn longest_pause(&self) -> Micros {
        let Some(interval) = self.interval else { return self.gap.longest };
        let usual = (interval as f64 * f64::from(self.gap.intervals)) as Micros;
        usual.clamp(self.gap.shortest, self.gap.longest)
    }

    fn start_epoch(&mut self) {
        if !self.slots.is_empty() {
            self.counts.gaps += 1;
        }
        while self.drop_at(0) {}
        self.epoch += 1;
        self.interval = None;
    }

    /// Drops the newest frame when it follows its predecessor too closely; a newer one is about to be pushed.
    fn thin(&mut self) {
        let n = self.slots.len();
        if n >= 2 && self.slots[n - 1].frame.captured - self.slots[n - 2].frame.captured < self.limits.spacing {
            self.drop_at(n - 1);
        }
    }

    fn trim(&mut self) {
        let Some(newest) = self.newest().map(|f| f.captured) else { return };
        let oldest = newest.saturating_sub(self.limits.span);
        while self.slots.len() > self.limits.frames || self.slots.front().is_some_and(|s| s.frame.captured < oldest) {
            self.drop_at(0);
        }
    }

    fn drop_at(&mut self, index: usize) -> bool {
        let Some(slot) = self.slots.remove(index) else { return false };
        if slot.used {
            self.counts.used += 1;
        } else {
            self.counts.unused += 1;
        }
        true
    }

    fn count_holes(&mut self, seq: u32) {
        if let Some(last) = self.last_seq
            && seq > last
        {
            self.counts.lost += u64::from(seq - last - 1);
        }
        self.last_seq = Some(seq);
    }
}

/// Zeroes the picture if nobody else holds it.
fn overwrite(frame: &mut Frame) -> bool {
    let Some(image) = Arc::get_mut(&mut frame.image) else { return false };
    zero(image.rgb_mut());
    true
}

/// Zeroes `bytes` in a way that is not optimised away although they are freed next.
pub(crate) fn zero(bytes: &mut [u8]) {
    bytes.fill(0);
    std::hint::black_box(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_contract::Image;
    use proptest::prelude::*;

    const LIMITS: RingLimits = RingLimits { frames: 10, span: 1_000_000, spacing: 30_000 };

    fn ring() -> Ring {
        Ring::new(LIMITS, GapSettings::default())
    }

    fn frame(ms: u64, seq: u32) -> Frame {
        Frame { image: Arc::new(Image::filled(4, 4, [9; 3]).unwrap()), captured: ms * 1000, seq }
    }

    #[test]
    fn keeps_the_newest_and_thins_the_rest() {
        let mut ring = ring();
        for i in 0..120 {
            assert_eq!(ring.push(frame(i * 10, i as u32)), Fate::Kept);
            assert_eq!(ring.newest().unwrap().captured, i * 10_000);
        }
        let times: Vec<_> = ring.times().collect();
        assert!(times.windows(2).rev().skip(1).all(|w| w[1] - w[0] >= LIMITS.spacing), "{times:?}");
        assert_eq!(ring.len(), 10);
    }

    #[test]
    fn the_limits_of_a_clip_hold_it_at_any_rate() {
        let spec = ClipSpec { frames: 16, size: 16, seconds: 1.0 };
        for fps in [15, 30, 60, 240] {
            let mut ring = Ring::new(RingLimits::for_clip(&spec), GapSettings::default());
            for i in 0..fps * 3 {
                ring.push(Frame { captured: i * 1_000_000 / fps, ..frame(0, i as u32) });
            }
            let times: Vec<_> = ring.times().collect();
            let slack = 1_000_000 / fps;
            assert!(times[times.len() - 1] - times[0] + slack >= 1_000_000, "{fps} fps: {times:?}");
        }
    }

    #[test]
    fn a_gap_starts_an_epoch_and_a_slow_camera_does_not() {
        let mut ring = ring();
        for i in 0..10 {
            ring.push(frame(i * 33, i as u32));
        }
        let before = ring.epoch();
        assert_eq!(ring.push(frame(1000, 10)), Fate::NewEpoch);
        assert_eq!((ring.len(), ring.epoch()), (1, before + 1));
        for i in 1..10 {
            assert_eq!(ring.push(frame(1000 + i * 700, 10 + i as u32)), Fate::Kept);
        }
    }

    #[test]
    fn old_large_and_odd_frames_are_told_apart() {
        let mut ring = ring();
        ring.push(frame(5000, 0));
        assert_eq!(ring.push(frame(5000, 1)), Fate::OutOfOrder);
        assert_eq!(ring.push(frame(4000, 2)), Fate::OutOfOrder);
        assert_eq!(ring.push(frame(1000, 3)), Fate::NewEpoch);
        let wide = Frame { image: Arc::new(Image::filled(MAX_LONG_SIDE + 1, 1, [0; 3]).unwrap()), ..frame(1010, 4) };
        assert_eq!(ring.push(wide), Fate::TooLarge);
        let other = Frame { image: Arc::new(Image::filled(5, 4, [0; 3]).unwrap()), ..frame(1020, 8) };
        assert_eq!(ring.push(other), Fate::NewEpoch);
        let c = ring.counts();
        assert_eq!((c.received, c.refused, c.lost, c.gaps, c.held), (6, 3, 3, 2, 1));
    }

    #[test]
    fn wiping_overwrites_once_nobody_else_holds_a_frame() {
        let mut ring = ring();
        ring.push(frame(0, 0));
        ring.push(frame(40, 1));
        let worker = Arc::clone(&ring.newest().unwrap().image);
        assert_eq!(ring.wipe(), 1);
        assert!(ring.is_empty());
        assert_eq!(worker.pixel(0, 0), [9; 3]);
        drop(worker);
        assert_eq!(ring.wipe(), 0);
        let mut alone = frame(0, 0);
        assert!(overwrite(&mut alone));
        assert!(alone.image.rgb().iter().all(|&b| b == 0));
    }

    proptest! {
        #[test]
        fn bounds_order_and_counts_hold(steps in prop::collection::vec((0u64..120, 0u8..40), 1..400)) {
            let mut ring = ring();
            let mut at = 10_000_000u64;
            for (i, (ms, fault)) in steps.into_iter().enumerate() {
                match fault {
                    0 => at += 5_000,
                    1 => at = at.saturating_sub(ms * 50),
                    2 => { ring.wipe(); }
                    3 => ring.restart(),
                    _ => at += ms,
                }
                ring.push(frame(at, i as u32));
                ring.mark_used(i % 7);
                let times: Vec<_> = ring.times().collect();
                prop_assert!(times.len() <= LIMITS.frames);
                prop_assert!(times.windows(2).all(|w| w[0] < w[1]));
                prop_assert!(times[times.len() - 1] - times[0] <= LIMITS.span);
                let c = ring.counts();
                prop_assert_eq!(c.received, c.refused + c.used + c.unused + c.held);
            }
        }
    }
}
