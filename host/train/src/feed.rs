//! Which clips an update sees: drawn, cut and changed, all from the seed of the update.

use crate::augment::Augment;
use crate::batch::Batch;
use crate::recipe::{Phase, Recipe};
use mtcae_data::{FACE_MARGIN, StillRef, Stills};
use mtcae_network::SplitMix;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How samples are drawn and changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// 0 draws samples as they come, 1 every class equally often.
    pub balance: f32,
    /// Of shares in which clips are mixed in pairs; 0 for none.
    pub mixup: f32,
    /// Changes to each sample.
    pub augment: Augment,
}

impl Manner {
    pub fn of(recipe: &Recipe) -> Manner {
        Manner { balance: recipe.balance, mixup: recipe.mixup, augment: recipe.augment }
    }
}

/// Draws batches out of a data set.
pub(crate) struct Feed<'a> {
    manner: Manner,
    data: &'a Stills,
    draw: Draw,
    /// Threads.
    workers: usize,
    /// Nanoseconds of all shares.
    spent: AtomicU64,
    /// Shares that were made in them.
    made: AtomicU64,
}

impl<'a> Feed<'a> {
    pub fn new(manner: Manner, data: &'a Stills, workers: usize) -> Feed<'a> {
        let draw = Draw::new(data, manner.balance);
        Feed { manner, data, draw, workers: workers.max(1), spent: AtomicU64::new(0), made: AtomicU64::new(0) }
    }

    /// How long a share took to be drawn and cut since it was last asked, in the mean.
    pub fn spent(&self) -> Duration {
        let [spent, made] = [&self.spent, &self.made].map(|n| n.swap(0, Ordering::Relaxed));
        Duration::from_nanos(spent / made.max(1))
    }

    /// Into how many shares a batch is cut, a worker each: none is empty, and where clips are mixed none has a single one.
    pub fn shares(&self, phase: &Phase) -> usize {
        let least = if self.manner.mixup > 0.0 { 2 } else { 1 };
        self.workers.min(phase.batch / least).max(1)
    }

    /// Worker `w`'s share of a batch, and its generator for what is left to draw.
    pub fn share(&self, phase: &Phase, size: usize, seed: u64, w: usize) -> (Batch, SplitMix) {
        let begin = Instant::now();
        let mut random = SplitMix::new(share_seed(seed, w));
        let mut batch = Batch::new(phase.frames, size, phase.still);
        for _ in 0..phase.batch.div_ceil(self.shares(phase)) {
            let sample = self.draw.pick(&mut random);
            let shown = shown(self.data, sample, batch.stored_frames, &mut random);
            // As a clip is framed that is scored: around the mean of its boxes.
            let framing = self.data.framing(sample, FACE_MARGIN);
            batch.push_augmented(&shown, framing, &self.manner.augment, &mut random);
        }
        if self.manner.mixup > 0.0 {
            batch.mix(self.manner.mixup, &mut random);
        }
        self.spent.fetch_add(begin.elapsed().as_nanos() as u64, Ordering::Relaxed);
        self.made.fetch_add(1, Ordering::Relaxed);
        (batch, random)
    }

    /// All shares in one batch.
    pub fn whole(&self, phase: &Phase, size: usize, seed: u64) -> Batch {
        let mut batch = Batch::new(phase.frames, size, phase.still);
        for share in parallel(self.shares(phase), |w| self.share(phase, size, seed, w).0) {
            batch.append(share);
        }
        batch
    }
}

/// Of worker `w` in the update of `seed`.
fn share_seed(seed: u64, w: usize) -> u64 {
    let mut random = SplitMix::new(seed);
    (0..w).for_each(|_| _ = random.bits());
    random.bits()
}

/// The batch of the next update, made while a card computes this one; by the update's seed.
#[derive(Debug)]
pub(crate) struct Ahead<B> {
    ready: Option<(u64, B)>,
    waited: Duration,
}

impl<B> Default for Ahead<B> {
    fn default() -> Ahead<B> {
        Ahead { ready: None, waited: Duration::ZERO }
    }
}

impl<B: Send> Ahead<B> {
    /// `work` on the batch of `seed`, while the one of `next` is made.
    pub fn with<T>(
        &mut self,
        seed: u64,
        next: Option<u64>,
        make: impl Fn(u64) -> B + Sync,
        work: impl FnOnce(&B) -> T,
    ) -> T {
        let begin = Instant::now();
        let batch = match self.ready.take() {
            Some((of, batch)) if of == seed => batch,
            _ => make(seed),
        };
        self.waited += begin.elapsed();
        let make = &make;
        std::thread::scope(|scope| {
            let ahead = next.map(|seed| scope.spawn(move || (seed, make(seed))));
            let done = work(&batch);
            let begin = Instant::now();
            self.ready = ahead.map(|t| t.join().unwrap_or_else(|p| std::panic::resume_unwind(p)));
            self.waited += begin.elapsed();
            done
        })
    }

    /// How long a card has waited for batches since it was last asked.
    pub fn waited(&mut self) -> Duration {
        std::mem::take(&mut self.waited)
    }
}

/// `work` in `workers` threads, by number.
pub(crate) fn parallel<T: Send>(workers: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|w| scope.spawn(move || work(w))).collect();
        threads.into_iter().map(|t| t.join().unwrap_or_else(|p| std::panic::resume_unwind(p))).collect()
    })
}

/// The still `sample`, or as many frames of the clip, one after the other, as a batch holds.
fn shown<'a>(data: &'a Stills, sample: usize, frames: usize, random: &mut SplitMix) -> Vec<StillRef<'a>> {
    let has = data.frames(sample);
    if has == 1 {
        return vec![data.sample(sample)];
    }
    let frames = frames.min(has);
    let first = (random.bits() % (has - frames + 1) as u64) as usize;
    (first..first + frames).map(|t| data.frame(sample, t)).collect()
}

/// Draws samples with classes nearer to each other than they are in the data.
struct Draw {
    classes: Vec<Vec<usize>>,
    ends: Vec<f32>,
}

impl Draw {
    fn new(data: &Stills, balance: f32) -> Draw {
        let mut classes = vec![Vec::new(); data.labels().len()];
        for i in 0..data.len() {
            classes[data.sample(i).label].push(i);
        }
        classes.retain(|c| !c.is_empty());
        let mut sum = 0.0;
        let ends = classes
            .iter()
            .map(|c| {
                sum += (c.len() as f32).powf(1.0 - balance);
                sum
            })
            .collect();
        Draw { classes, ends }
    }

    fn pick(&self, random: &mut SplitMix) -> usize {
        let at = random.unit() * self.ends[self.ends.len() - 1];
        let class = &self.classes[self.ends.partition_point(|e| *e <= at).min(self.classes.len() - 1)];
        class[(random.bits() % class.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_contract::LabelSet;
    use mtcae_data::{SynthJob, synthesize};

    #[test]
    fn no_two_shares_have_a_seed_in_common() {
        let updates = [0, 1, 2, 3, 1000, 1 << 20];
        let shares = (0..16).flat_map(|seed| updates.map(|u| crate::run::seed_of(seed, u)));
        let seeds: Vec<u64> = shares.flat_map(|update| (0..16).map(move |w| share_seed(update, w))).collect();
        let different: std::collections::BTreeSet<_> = seeds.iter().collect();
        assert_eq!((seeds.len(), different.len()), (16 * 6 * 16, 16 * 6 * 16));
    }

    #[test]
    fn what_was_made_ahead_is_used_for_its_own_update_alone() {
        let made = std::sync::Mutex::new(Vec::new());
        let make = |seed: u64| {
            made.lock().unwrap().push(seed);
            seed * 10
        };
        let mut ahead = Ahead::default();
        assert_eq!(ahead.with(1, Some(2), make, |b| *b), 10);
        assert_eq!(ahead.with(2, Some(3), make, |b| *b), 20);
        // As after a new phase: another update than the one that was expected.
        assert_eq!(ahead.with(7, None, make, |b| *b), 70);
        assert_eq!(ahead.with(3, None, make, |b| *b), 30);
        assert_eq!(*made.lock().unwrap(), [1, 2, 3, 7, 3]);
    }

    /// A clip of five frames.
    fn clip(folder: &std::path::Path) -> Stills {
        let job = SynthJob {
            model: None,
            out: folder.to_owned(),
            name: "made".to_owned(),
            clips: 1,
            identities: 1,
            size: 48,
            side: 32,
            frames: 5,
            seed: 1,
            labels: LabelSet::seven(),
            workers: 1,
        };
        Stills::open(&synthesize(&job, |_| {}).unwrap().shards).unwrap()
    }

    const NO_CHANGE: Augment =
        Augment { flip: 0.0, rotate: 0.0, scale: 0.0, shift: 0.0, contrast: 0.0, tint: 0.0, erase: 0.0, motion: 0.0 };

    fn phase(frames: usize, batch: usize) -> Phase {
        Phase { frames, still: false, size: None, batch, steps: 1, lr: 1e-3, warmup: 0 }
    }

    #[test]
    fn a_small_batch_is_not_blown_up_and_clips_that_are_mixed_are_never_alone() {
        let dir = tempfile::tempdir().unwrap();
        let data = clip(dir.path());
        for (mixup, batch, workers, shares, clips) in
            [(0.0, 2, 4, 2, 2), (0.8, 2, 4, 1, 2), (0.8, 5, 4, 2, 6), (0.8, 64, 4, 4, 64), (0.0, 2, 1, 1, 2)]
        {
            let feed = Feed::new(Manner { balance: 0.0, mixup, augment: NO_CHANGE }, &data, workers);
            let phase = phase(2, batch);
            assert_eq!((feed.shares(&phase), feed.whole(&phase, 16, 1).clips), (shares, clips), "{mixup} {batch}");
        }
    }

    #[test]
    fn a_clip_is_framed_as_one_that_is_scored() {
        let dir = tempfile::tempdir().unwrap();
        let data = clip(dir.path());
        let feed = Feed::new(Manner { balance: 0.0, mixup: 0.0, augment: NO_CHANGE }, &data, 1);
        let drawn = feed.share(&phase(4, 2), 16, 1, 0).0;
        let framing = data.framing(0, FACE_MARGIN);
        let boxes: Vec<[f32; 4]> =
            (0..5).map(|t| framing.rect_to_fraction(data.frame(0, t).face)).map(|b| [b.x, b.y, b.w, b.h]).collect();
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(!near(&boxes[0], &boxes[4]), "the face moves: {boxes:?}");
        for clip in drawn.boxes.chunks(4 * 4) {
            assert!((0..2).any(|first| near(clip, &boxes[first..first + 4].concat())), "{clip:?} {boxes:?}");
        }
    }

    #[test]
    fn a_clip_is_shown_in_order_and_no_longer_than_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let data = clip(dir.path());
        let mut random = SplitMix::new(1);
        let place = |face| (0..5).position(|t| data.frame(0, t).face == face).unwrap();
        let mut firsts = std::collections::BTreeSet::new();
        for _ in 0..40 {
            let places: Vec<usize> = shown(&data, 0, 2, &mut random).iter().map(|s| place(s.face)).collect();
            assert_eq!(places, [places[0], places[0] + 1]);
            firsts.insert(places[0]);
        }
        assert_eq!(firsts, (0..4).collect());
        assert_eq!(shown(&data, 0, 9, &mut random).len(), 5);
    }
}
