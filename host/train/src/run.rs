//! The training loop: batches in two or more workers, one update, a state file now and then.

use crate::batch::Batch;
use crate::error::TrainError;
use crate::optimizer::{AdamW, learning_rate};
use crate::recipe::{Phase, Recipe};
use crate::state::State;
use crate::step::{Pass, StepLosses, gradients};
use mtcae_data::{FACE_MARGIN, StillRef, Stills};
use mtcae_network::{Network, SplitMix};
use std::path::Path;

/// What the loop tells after each update.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Index of the phase.
    pub phase: usize,
    /// Updates done in it.
    pub step: usize,
    /// Updates it has.
    pub steps: usize,
    /// Learning rate of this update.
    pub lr: f32,
    /// Losses of this update.
    pub losses: StepLosses,
}

/// Share of a new batch in the running statistics.
const STATISTICS_MOMENTUM: f32 = 0.05;
/// Norm to which gradients are cut.
const GRADIENT_NORM: f32 = 5.0;

/// Goes on from `state` to the recipe's end. Every `save_every` updates the state goes to `state_file`.
///
/// Each step's randomness comes from the seed and the step alone, so a resumed run is the same run.
///
/// # Errors
/// When the loss stops being a number or a file cannot be written.
pub fn train(
    recipe: &Recipe,
    data: &Stills,
    state: &mut State,
    state_file: &Path,
    save_every: usize,
    workers: usize,
    report: &mut dyn FnMut(Progress, &State),
) -> Result<(), TrainError> {
    let base = recipe.network(data.labels().len())?;
    let draw = Draw::new(data, recipe.balance);
    let optimizer = AdamW::new(recipe.weight_decay);
    while let Some(phase) = recipe.phase.get(state.phase) {
        let network = Network::new(phase.network(&base))?;
        let later = (base.frames / 2).saturating_sub(phase.frames / 2) + 1;
        while state.step < phase.steps {
            let seed = recipe.seed ^ ((state.updates as u64 + 1) << 20);
            let first = (SplitMix::new(seed).bits() % later as u64) as usize;
            let passes = parallel(recipe, phase, &network, state, data, &draw, seed, first, workers);
            let lr = learning_rate(phase.lr, phase.warmup, phase.steps, state.step);
            let losses = apply(state, passes, &optimizer, lr, recipe.average);
            if !losses.total.is_finite() {
                return Err(TrainError::Diverged(losses.total, state.updates));
            }
            state.step += 1;
            report(Progress { phase: state.phase, step: state.step, steps: phase.steps, lr, losses }, state);
            if state.updates.is_multiple_of(save_every) {
                state.write(state_file)?;
            }
        }
        state.phase += 1;
        state.step = 0;
        state.write(state_file)?;
    }
    Ok(())
}

/// Every worker takes its share of the batch.
#[allow(clippy::too_many_arguments)] // one call, all of it context
fn parallel(
    recipe: &Recipe,
    phase: &Phase,
    network: &Network,
    state: &State,
    data: &Stills,
    draw: &Draw,
    seed: u64,
    first: usize,
    workers: usize,
) -> Vec<Pass> {
    let share = phase.batch.div_ceil(workers);
    let work = |w: usize| {
        let mut random = SplitMix::new(seed ^ (w as u64 + 1));
        let mut batch = Batch::new(phase.frames, network.config().size, phase.still);
        for _ in 0..share {
            let shown = shown(data, draw.pick(&mut random), batch.stored_frames, &mut random);
            batch.push_augmented(&shown, FACE_MARGIN, &recipe.augment, &mut random);
        }
        gradients(network, &state.slots, &batch, &recipe.losses, recipe.label_smoothing, random, first)
    };
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

/// Averages the workers' gradients, cuts their norm, updates weights, averages and running statistics.
fn apply(state: &mut State, passes: Vec<Pass>, optimizer: &AdamW, lr: f32, average: f32) -> StepLosses {
    let share = 1.0 / passes.len() as f32;
    let mut sums = vec![Vec::new(); state.slots.len()];
    let mut losses = StepLosses::default();
    for pass in &passes {
        losses.boxes += share * pass.losses.boxes;
        losses.landmarks += share * pass.losses.landmarks;
        losses.expression += share * pass.losses.expression;
        losses.total += share * pass.losses.total;
        for (sum, part) in sums.iter_mut().zip(&pass.gradients) {
            sum.resize(part.len(), 0.0);
            sum.iter_mut().zip(part).for_each(|(s, g)| *s += share * g);
        }
    }
    let norm = sums.iter().flatten().map(|g| g * g).sum::<f32>().sqrt();
    let cut = (GRADIENT_NORM / norm.max(1e-12)).min(1.0);
    state.updates += 1;
    for (slot, sum) in state.slots.iter_mut().zip(&mut sums) {
        if slot.param.trained {
            sum.iter_mut().for_each(|g| *g *= cut);
            optimizer.update(slot, sum, lr, state.updates);
        } else {
            let seen = passes.iter().filter_map(|p| p.statistics.iter().find(|(n, _)| *n == slot.param.name));
            for (_, values) in seen {
                let momentum = STATISTICS_MOMENTUM * share;
                slot.value.iter_mut().zip(values).for_each(|(old, new)| *old += momentum * (new - *old));
            }
        }
        slot.follow(average.min(state.updates as f32 / (state.updates as f32 + 10.0)));
    }
    losses
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
