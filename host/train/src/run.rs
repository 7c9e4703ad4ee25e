//! The training loop: a batch, one update, a state file now and then.

use crate::batch::Batch;
use crate::device::{Place, Precision};
use crate::error::TrainError;
use crate::feed::{Ahead, Feed, Manner};
use crate::optimizer::{AdamW, learning_rate, warmed_up};
use crate::plateau::{Plateau, Verdict};
use crate::processor::update_on_processor;
use crate::recipe::{Phase, Recipe};
use crate::resident::{Resident, Update};
use crate::state::State;
use crate::step::StepLosses;
use mtcae_data::Stills;
use mtcae_network::{Network, NetworkConfig, SplitMix};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What the loop tells after each update.
#[derive(Debug, Clone, Copy)]
pub struct Progress<L = StepLosses> {
    /// Index of the phase.
    pub phase: usize,
    /// Updates done in it.
    pub step: usize,
    /// Updates it has.
    pub steps: usize,
    /// Learning rate of this update.
    pub lr: f32,
    /// Losses of this update.
    pub losses: L,
    /// Share of this update's time in which nothing was computed because its batch was being made, 0 to 1.
    pub loading: f32,
}

/// What a run is made of, beside its state.
#[derive(Debug)]
pub struct Setting<'a, R = Recipe> {
    /// How to train.
    pub recipe: &'a R,
    /// What to train on.
    pub data: &'a Stills,
    /// Where the state is kept.
    pub state_file: &'a Path,
    /// Updates between two saved states.
    pub save_every: usize,
    /// Set from outside: stop after this update, with the state kept.
    pub stop: &'a AtomicBool,
    /// Threads: of the whole work on a processor, of the preparation of batches for a card.
    pub workers: usize,
    /// Where it is computed.
    pub place: Place,
    /// In what format.
    pub precision: Precision,
}

/// Share of a new batch in the running statistics.
pub(crate) const STATISTICS_MOMENTUM: f32 = 0.05;
/// Norm to which gradients are cut.
pub(crate) const GRADIENT_NORM: f32 = 5.0;

/// Goes on from `state` to the recipe's end. Every `save_every` updates the state goes to the state file.
///
/// Each step's randomness comes from the seed and the step alone, so a resumed run is the same run. `report` hears of every
/// update and gives a score, higher for better, when it has taken one, for a recipe with a plateau; the weights of the best score
/// are then kept in [`best_file`]. On a card the weights in the state are those of the last multiple of `save_every`, or of a phase's end.
///
/// # Errors
/// When the device is not there, the loss stops being a number or a file cannot be written.
pub fn train(
    setting: &Setting<'_>,
    state: &mut State,
    report: &mut dyn FnMut(Progress, &State) -> Option<f32>,
) -> Result<(), TrainError> {
    let Setting { recipe, data, state_file, save_every, stop, .. } = *setting;
    setting.place.check(setting.precision)?;
    let base = recipe.network(data.labels().len())?;
    let (phases, seed, plateau) = (&recipe.phase[..], recipe.seed, recipe.plateau.as_ref());
    let mut machine = Machine::new(setting, base, state)?;
    go(&Course { phases, seed, plateau, state_file, save_every, stop }, state, &mut machine, report)
}

/// The phases of a run, and where its state is kept.
pub(crate) struct Course<'a> {
    /// What to do, in order.
    pub phases: &'a [Phase],
    /// Of everything random.
    pub seed: u64,
    /// Learning rate and end by the score, in place of the cosine.
    pub plateau: Option<&'a Plateau>,
    /// Where the state is kept.
    pub state_file: &'a Path,
    /// Updates between two saved states.
    pub save_every: usize,
    /// Stop after this update.
    pub stop: &'a AtomicBool,
}

/// What an update is, to the loop.
pub(crate) trait Work {
    /// What an update tells.
    type Losses;

    /// A phase begins, or goes on.
    fn begin(&mut self, phase: &Phase) -> Result<(), TrainError>;
    /// One update of learning rate `lr`; the state's count goes up by one.
    fn update(&mut self, phase: &Phase, state: &mut State, lr: f32, seed: u64) -> Self::Losses;
    /// How long the last update waited for its batch.
    fn waited(&mut self) -> Duration;
    /// What must stay a number.
    fn total(losses: &Self::Losses) -> f32;
    /// Brings the state's numbers up to date where they are kept elsewhere.
    fn read_into(&self, state: &mut State);
}

/// Hears of every update, and gives a score when it has taken one.
pub(crate) type Report<'a, L> = dyn FnMut(Progress<L>, &State) -> Option<f32> + 'a;

/// Goes on from `state` to the end of the course; see [`train`].
pub(crate) fn go<W: Work>(
    course: &Course<'_>,
    state: &mut State,
    work: &mut W,
    report: &mut Report<'_, W::Losses>,
) -> Result<(), TrainError> {
    let state_file = course.state_file;
    while let Some(phase) = course.phases.get(state.phase) {
        work.begin(phase)?;
        while state.step < phase.steps {
            let lr = match course.plateau {
                Some(rule) => warmed_up(phase.lr, phase.warmup, state.step) * state.standing.scale(rule),
                None => learning_rate(phase.lr, phase.warmup, phase.steps, state.step),
            };
            let begin = Instant::now();
            let losses = work.update(phase, state, lr, seed_of(course.seed, state.updates));
            let took = begin.elapsed();
            let total = W::total(&losses);
            if !total.is_finite() {
                return Err(TrainError::Diverged(total, state.updates));
            }
            state.step += 1;
            let save = state.updates.is_multiple_of(course.save_every);
            if save || state.step == phase.steps {
                work.read_into(state);
            }
            let loading = work.waited().as_secs_f32() / took.as_secs_f32().max(1e-9);
            let told = Progress { phase: state.phase, step: state.step, steps: phase.steps, lr, losses, loading };
            if let (Some(score), Some(rule)) = (report(told, state), course.plateau) {
                match state.standing.judge(score, rule) {
                    Verdict::Better => state.write(&best_file(state_file))?,
                    Verdict::Wait | Verdict::Ease => {}
                    Verdict::Stop => {
                        (state.phase, state.step) = (course.phases.len(), 0);
                        return state.write(state_file);
                    }
                }
            }
            let stop = course.stop.load(Ordering::Relaxed);
            if stop {
                work.read_into(state);
            }
            if save || stop {
                state.write(state_file)?;
            }
            if stop {
                return Err(TrainError::Stopped(state.updates));
            }
        }
        state.phase += 1;
        state.step = 0;
        state.write(state_file)?;
    }
    Ok(())
}

/// Where the weights of the best score are kept, beside a run's state.
pub fn best_file(state_file: &Path) -> PathBuf {
    state_file.with_file_name("best.safetensors")
}

/// Of the update that comes after so many; mixed, so that runs of neighbouring seeds have nothing in common.
pub(crate) fn seed_of(seed: u64, updates: usize) -> u64 {
    SplitMix::new(SplitMix::new(seed).bits().wrapping_add(updates as u64)).bits()
}

/// Which tubelet of a clip as long as `base` has it the first one of a shorter clip pretends to be.
pub(crate) fn first_tubelet(base: &NetworkConfig, frames: usize, seed: u64) -> usize {
    let later = (base.frames / 2).saturating_sub(frames / 2) + 1;
    (SplitMix::new(seed).bits() % later as u64) as usize
}

/// Who does the work.
struct Machine<'a> {
    recipe: &'a Recipe,
    base: NetworkConfig,
    /// Of the present phase.
    network: Network,
    feed: Feed<'a>,
    optimizer: AdamW,
    /// A card, and the batch that was made ready for its next update.
    card: Option<(Resident, Ahead<Batch>)>,
}

impl<'a> Machine<'a> {
    fn new(setting: &Setting<'a>, base: NetworkConfig, state: &State) -> Result<Machine<'a>, TrainError> {
        let device = setting.place.open()?;
        let card = match setting.place {
            Place::Cpu => None,
            Place::Cuda => Some((Resident::new(state, &device, setting.precision), Ahead::default())),
        };
        let recipe = setting.recipe;
        let feed = Feed::new(Manner::of(recipe), setting.data, setting.workers);
        let (network, optimizer) = (Network::new(base.clone())?, AdamW::new(recipe.weight_decay));
        Ok(Machine { recipe, base, network, feed, optimizer, card })
    }
}

impl Work for Machine<'_> {
    type Losses = StepLosses;

    fn begin(&mut self, phase: &Phase) -> Result<(), TrainError> {
        self.network = Network::new(phase.network(&self.base))?;
        Ok(())
    }

    fn update(&mut self, phase: &Phase, state: &mut State, lr: f32, seed: u64) -> StepLosses {
        let (recipe, feed, network, size) = (self.recipe, &self.feed, &self.network, self.network.config().size);
        let update = Update {
            losses: &recipe.losses,
            smoothing: recipe.label_smoothing,
            optimizer: self.optimizer,
            lr,
            average: recipe.average,
            number: state.updates + 1,
            first_tubelet: first_tubelet(&self.base, phase.frames, seed),
            seed,
            layer_decay: recipe.layer_decay,
            drop_path: recipe.drop_path,
        };
        let Some((resident, ahead)) = &mut self.card else {
            let share = |w| feed.share(phase, size, seed, w);
            return update_on_processor(network, state, &update, feed.shares(phase), share);
        };
        state.updates = update.number;
        let next = (state.step + 1 < phase.steps).then(|| seed_of(recipe.seed, state.updates));
        let make = |seed| feed.whole(phase, size, seed);
        ahead.with(seed, next, make, |batch| resident.update(network, batch, &update))
    }

    fn waited(&mut self) -> Duration {
        match &mut self.card {
            Some((_, ahead)) => ahead.waited(),
            None => self.feed.spent(),
        }
    }

    fn total(losses: &StepLosses) -> f32 {
        losses.total
    }

    fn read_into(&self, state: &mut State) {
        if let Some((resident, _)) = &self.card {
            resident.read_into(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_contract::LabelSet;
    use mtcae_data::{SynthJob, synthesize};
    use mtcae_network::Checkpoint;

    const RECIPE: &str = r#"
        preset = "tiny"
        seed = 3
        weight_decay = 0.05
        label_smoothing = 0.1
        balance = 0.0
        average = 0.9
        layer_decay = 0.75
        drop_path = 0.2
        mixup = 0.8
        losses = { boxes = 0.5, landmarks = 0.5, expression = 1.5 }
        plateau = { held_out = 0.5, factor = 0.5, patience = 1, stop = 3 }
        augment = { flip = 0.5, rotate = 8.0, scale = 0.1, shift = 0.1, contrast = 0.1, tint = 0.1, erase = 0.1, motion = 0.1 }
        phase = [{ frames = 2, size = 16, batch = 4, steps = 40, lr = 1e-3, warmup = 2 }]
    "#;

    #[test]
    fn a_score_that_stands_still_slows_and_ends_a_run_and_a_cut_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let job = SynthJob {
            model: None,
            out: dir.path().to_owned(),
            name: "made".to_owned(),
            clips: 4,
            identities: 2,
            size: 48,
            side: 32,
            frames: 2,
            seed: 1,
            labels: LabelSet::seven(),
            workers: 1,
        };
        let data = Stills::open(&synthesize(&job, |_| {}).unwrap().shards).unwrap();
        let recipe = Recipe::from_toml(RECIPE).unwrap();
        let first = State::from_checkpoint(&Checkpoint::random(recipe.network(7).unwrap(), 1).unwrap()).unwrap();
        let score = |s: &State| Some([0.1, 0.2, 0.3].get(s.updates - 1).copied().unwrap_or(0.3));
        let run = |recipe: &Recipe, state: &mut State, name: &str| {
            let (state_file, mut rates) = (dir.path().join(name), Vec::new());
            let (place, precision) = (Place::Cpu, Precision::F32);
            let state_file = &state_file;
            let setting = Setting {
                recipe,
                data: &data,
                state_file,
                save_every: 1,
                workers: 1,
                place,
                precision,
                stop: &AtomicBool::new(false),
            };
            train(&setting, state, &mut |p, s| {
                rates.push(p.lr);
                score(s)
            })
            .unwrap();
            rates
        };
        let mut whole = first.clone();
        let rates = run(&recipe, &mut whole, "whole.safetensors");
        assert_eq!(rates, [5e-4, 1e-3, 1e-3, 1e-3, 5e-4, 2.5e-4]);
        assert_eq!((whole.updates, whole.phase, whole.standing.best), (6, 1, 0.3));
        let network = Network::new(recipe.network(7).unwrap()).unwrap();
        let best = State::read(&best_file(&dir.path().join("whole.safetensors")), &network).unwrap();
        assert_eq!(best.updates, 3);
        // As if it had been cut after the state of update 4 was written.
        let mut cut = first;
        let short = Recipe { phase: vec![Phase { steps: 4, ..recipe.phase[0] }], ..recipe.clone() };
        run(&short, &mut cut, "cut.safetensors");
        (cut.phase, cut.step) = (0, 4);
        run(&recipe, &mut cut, "cut.safetensors");
        assert_eq!(cut, whole);
    }
}
