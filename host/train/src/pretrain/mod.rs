//! Pre-training by hidden pixels: VideoMAE's masked autoencoder (Tong et al. 2022).
//!
//! The loop, the feed and the state are those of training; what is learnt is another thing. What comes out is a checkpoint whose
//! decoders and heads are random, as [`crate::import()`] gives it.

mod mask;
mod masked_batch;
mod pass;
mod picture;
mod recipe;

pub use mask::{TubeMask, hidden_places};
pub use masked_batch::MaskedBatch;
pub use picture::{Picture, reconstructions};
pub use recipe::PretrainRecipe;

use crate::device::Place;
use crate::error::TrainError;
use crate::feed::{Ahead, Feed, Manner, parallel};
use crate::processor::learn;
use crate::recipe::Phase;
use crate::resident::{Rates, Resident};
use crate::run::{Course, Progress, Setting, Work, first_tubelet, go, seed_of};
use crate::state::State;
use mtcae_network::{Autoencoder, Checkpoint, NetworkConfig, autoencoder_parameters};
use pass::{answer, error, masked_gradients, number};
use std::path::Path;
use std::time::Duration;

/// A run at its first step: weights drawn from the recipe's seed, and the encoder of `init` where there is one.
///
/// # Errors
/// When the configuration cannot be pre-trained, or `init` is a checkpoint of another encoder.
pub fn first_pretrain_state(
    recipe: &PretrainRecipe,
    config: &NetworkConfig,
    init: Option<&Checkpoint>,
) -> Result<State, TrainError> {
    let auto = Autoencoder::new(config.clone(), &recipe.decoder)?;
    if let Some(other) = init.filter(|c| c.config.encoder != config.encoder) {
        let (has, needs) = (&other.config.encoder, &config.encoder);
        return Err(TrainError::Model(format!("the checkpoint's encoder is {has:?}, the recipe's {needs:?}")));
    }
    let given = |name: &str| Some(init?.tensors.get(name)?.values.clone());
    Ok(State::new(autoencoder_parameters(&auto), |p| given(&p.name).unwrap_or_else(|| p.draw(recipe.seed))))
}

/// Reads back a run's state.
///
/// # Errors
/// When the configuration cannot be pre-trained, or the file is not a state of it.
pub fn read_pretrain_state(path: &Path, recipe: &PretrainRecipe, config: &NetworkConfig) -> Result<State, TrainError> {
    let auto = Autoencoder::new(config.clone(), &recipe.decoder)?;
    State::read_of(path, autoencoder_parameters(&auto))
}

/// The encoder of a run (its averaged weights) in a checkpoint of `config`; decoders and heads are drawn from `seed`.
///
/// # Errors
/// When it is another encoder, or its weights are not finite.
pub fn pretrained(state: &State, config: &NetworkConfig, seed: u64) -> Result<Checkpoint, TrainError> {
    let mut checkpoint = Checkpoint::random(config.clone(), seed)?;
    for slot in &state.slots {
        if let Some(tensor) = checkpoint.tensors.get_mut(&slot.param.name) {
            tensor.values.clone_from(&slot.average);
        }
    }
    checkpoint.check()?;
    Ok(checkpoint)
}

/// Goes on from `state` to the recipe's end, as [`crate::train`] does; `config` is the network whose encoder is trained.
///
/// # Errors
/// When the device is not there, the loss stops being a number or a file cannot be written.
pub fn pretrain(
    setting: &Setting<'_, PretrainRecipe>,
    config: &NetworkConfig,
    state: &mut State,
    report: &mut dyn FnMut(Progress<f32>, &State),
) -> Result<(), TrainError> {
    let Setting { recipe, state_file, save_every, place, precision, stop, .. } = *setting;
    place.check(precision)?;
    let mut machine = Machine::new(setting, config.clone(), state)?;
    let course = Course { phases: &recipe.phase, seed: recipe.seed, plateau: None, state_file, save_every, stop };
    go(&course, state, &mut machine, &mut |told, state| {
        report(told, state);
        None
    })
}

/// Forward, backward and one update on the processor; `share` gives each of the `workers` its part of the batch.
pub fn pretrain_update(
    auto: &Autoencoder,
    state: &mut State,
    rates: &Rates,
    first_tubelet: usize,
    workers: usize,
    share: impl Fn(usize) -> MaskedBatch + Sync,
) -> f32 {
    let slots = &state.slots;
    let passes = parallel(workers, |w| masked_gradients(auto, slots, &share(w), first_tubelet));
    learn(state, &passes, rates);
    passes.iter().map(|p| p.losses).sum::<f32>() / passes.len() as f32
}

/// The same on a device that holds the weights.
pub fn pretrain_resident(
    auto: &Autoencoder,
    resident: &mut Resident,
    rates: &Rates,
    first: usize,
    b: &MaskedBatch,
) -> f32 {
    let precision = resident.precision();
    let loss = resident.learn(rates, |params, device| {
        let loss = error(answer(auto, params, b, first, precision, device), b, device);
        (loss.clone(), Vec::new(), loss)
    });
    number(loss)
}

/// Who does the work.
struct Machine<'a> {
    recipe: &'a PretrainRecipe,
    base: NetworkConfig,
    /// Of the present phase.
    auto: Autoencoder,
    feed: Feed<'a>,
    /// A card, and the batch that was made ready for its next update.
    card: Option<(Resident, Ahead<MaskedBatch>)>,
}

impl<'a> Machine<'a> {
    fn new(
        setting: &Setting<'a, PretrainRecipe>,
        base: NetworkConfig,
        state: &State,
    ) -> Result<Machine<'a>, TrainError> {
        let (recipe, device) = (setting.recipe, setting.place.open()?);
        let card = match setting.place {
            Place::Cpu => None,
            Place::Cuda => Some((Resident::new(state, &device, setting.precision), Ahead::default())),
        };
        let manner = Manner { balance: recipe.balance, mixup: 0.0, augment: recipe.augment };
        let feed = Feed::new(manner, setting.data, setting.workers);
        let auto = Autoencoder::new(base.clone(), &recipe.decoder)?;
        Ok(Machine { recipe, base, auto, feed, card })
    }
}

/// Worker `w`'s share of the batch of the update of `seed`.
fn share(feed: &Feed<'_>, phase: &Phase, size: usize, ratio: f32, (seed, w): (u64, usize)) -> MaskedBatch {
    let (batch, mut random) = feed.share(phase, size, seed, w);
    let (tubelets, places) = (batch.frames / 2, (size / 16).pow(2));
    let masks: Vec<_> = (0..batch.clips).map(|_| TubeMask::draw(tubelets, places, ratio, &mut random)).collect();
    MaskedBatch::new(&batch, &masks)
}

impl Work for Machine<'_> {
    type Losses = f32;

    fn begin(&mut self, phase: &Phase) -> Result<(), TrainError> {
        self.auto = Autoencoder::new(phase.network(&self.base), &self.recipe.decoder)?;
        Ok(())
    }

    fn update(&mut self, phase: &Phase, state: &mut State, lr: f32, seed: u64) -> f32 {
        let (recipe, feed, auto, size) = (self.recipe, &self.feed, &self.auto, self.auto.config().size);
        let rates = Rates {
            optimizer: recipe.optimizer(),
            lr,
            average: recipe.average,
            number: state.updates + 1,
            layer_decay: 1.0,
            depth: self.base.encoder.depth,
        };
        let first = first_tubelet(&self.base, phase.frames, seed);
        let part = |seed, w| share(feed, phase, size, recipe.masked, (seed, w));
        let Some((resident, ahead)) = &mut self.card else {
            return pretrain_update(auto, state, &rates, first, feed.shares(phase), |w| part(seed, w));
        };
        state.updates = rates.number;
        let next = (state.step + 1 < phase.steps).then(|| seed_of(recipe.seed, state.updates));
        let whole = |seed| {
            let mut whole = MaskedBatch::default();
            parallel(feed.shares(phase), |w| part(seed, w)).into_iter().for_each(|part| whole.append(part));
            whole
        };
        ahead.with(seed, next, whole, |batch| pretrain_resident(auto, resident, &rates, first, batch))
    }

    fn waited(&mut self) -> Duration {
        match &mut self.card {
            Some((_, ahead)) => ahead.waited(),
            None => self.feed.spent(),
        }
    }

    fn total(loss: &f32) -> f32 {
        *loss
    }

    fn read_into(&self, state: &mut State) {
        if let Some((resident, _)) = &self.card {
            resident.read_into(state);
        }
    }
}
