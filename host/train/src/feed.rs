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
    pub workers: usize,
    /// Nanoseconds of all workers.
    spent: AtomicU64,
}

impl<'a> Feed<'a> {
    pub fn new(manner: Manner, data: &'a Stills, workers: usize) -> Feed<'a> {
        let draw = Draw::new(data, manner.balance);
        Feed { manner, data, draw, workers: workers.max(1), spent: AtomicU64::new(0) }
    }

    /// How long a worker has drawn and cut samples since it was last asked, in the mean.
    pub fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent.swap(0, Ordering::Relaxed) / self.workers as u64)
    }

    /// Worker `w`'s share of a batch, and its generator for what is left to draw.
    pub fn share(&self, phase: &Phase, size: usize, seed: u64, w: usize) -> (Batch, SplitMix) {
        let begin = Instant::now();
        let mut random = SplitMix::new(seed ^ (w as u64 + 1));
        let mut batch = Batch::new(phase.frames, size, phase.still);
        for _ in 0..phase.batch.div_ceil(self.workers) {
            let shown = shown(self.data, self.draw.pick(&mut random), batch.stored_frames, &mut random);
            batch.push_augmented(&shown, FACE_MARGIN, &self.manner.augment, &mut random);
        }
        if self.manner.mixup > 0.0 {
            batch.mix(self.manner.mixup, &mut random);
        }
        self.spent.fetch_add(begin.elapsed().as_nanos() as u64, Ordering::Relaxed);
        (batch, random)
    }

    /// All shares in one batch.
    pub fn whole(&self, phase: &Phase, size: usize, seed: u64) -> Batch {
        let mut batch = Batch::new(phase.frames, size, phase.still);
        for share in parallel(self.workers, |w| self.share(phase, size, seed, w).0) {
            batch.append(share);
        }
        batch
    }
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

    #[test]
    fn a_clip_is_shown_in_order_and_no_longer_than_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let job = SynthJob {
            model: None,
            out: dir.path().to_owned(),
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
        let data = Stills::open(&synthesize(&job, |_| {}).unwrap().shards).unwrap();
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
