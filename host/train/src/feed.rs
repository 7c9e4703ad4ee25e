//! Which clips an update sees: drawn, cut and changed, all from the seed of the update.

use crate::batch::Batch;
use crate::recipe::{Phase, Recipe};
use mtcae_data::{FACE_MARGIN, StillRef, Stills};
use mtcae_network::SplitMix;

/// Draws batches out of a data set.
pub(crate) struct Feed<'a> {
    recipe: &'a Recipe,
    data: &'a Stills,
    draw: Draw,
    /// Threads.
    pub workers: usize,
}

impl<'a> Feed<'a> {
    pub fn new(recipe: &'a Recipe, data: &'a Stills, workers: usize) -> Feed<'a> {
        Feed { recipe, data, draw: Draw::new(data, recipe.balance), workers: workers.max(1) }
    }

    /// Worker `w`'s share of a batch, and its generator for what is left to draw.
    pub fn share(&self, phase: &Phase, size: usize, seed: u64, w: usize) -> (Batch, SplitMix) {
        let mut random = SplitMix::new(seed ^ (w as u64 + 1));
        let mut batch = Batch::new(phase.frames, size, phase.still);
        for _ in 0..phase.batch.div_ceil(self.workers) {
            let shown = shown(self.data, self.draw.pick(&mut random), batch.stored_frames, &mut random);
            batch.push_augmented(&shown, FACE_MARGIN, &self.recipe.augment, &mut random);
        }
        if self.recipe.mixup > 0.0 {
            batch.mix(self.recipe.mixup, &mut random);
        }
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
