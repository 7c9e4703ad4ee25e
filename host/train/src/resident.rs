//! A run whose weights, averages and moments stay on the device from update to update.
//!
//! On a processor, threads share one state in memory. A card would spend its time on copies of it, so there the state is read
//! back only when it is saved or scored.

use crate::batch::Batch;
use crate::device::Precision;
use crate::interpreter::{Mode, Parameters};
use crate::optimizer::{AdamW, Moving, layer_scale};
use crate::recipe::Losses;
use crate::run::{GRADIENT_NORM, STATISTICS_MOMENTUM};
use crate::state::{Slot, State};
use crate::step::{How, StepLosses, forward, numbers};
use burn::tensor::{Device, Tensor, TensorData};
use mtcae_network::{Network, Param, SplitMix};

/// What one update does.
#[derive(Debug, Clone, Copy)]
pub struct Update<'a> {
    /// Weight of each loss.
    pub losses: &'a Losses,
    /// Share of each target spread over the other classes.
    pub smoothing: f32,
    /// Its constants.
    pub optimizer: AdamW,
    /// Learning rate.
    pub lr: f32,
    /// Decay of the weights' moving average.
    pub average: f32,
    /// Updates done when this one is done; from 1.
    pub number: usize,
    /// Which tubelet of a longer clip the first one pretends to be.
    pub first_tubelet: usize,
    /// Of dropout.
    pub seed: u64,
    /// Learning rate of a block in that of the next one; 1 for all the same.
    pub layer_decay: f32,
    /// Share of clips that leave out a branch of the last block; earlier blocks less.
    pub drop_path: f32,
}

impl Update<'_> {
    /// How weights move in it; `depth` is the encoder's.
    pub(crate) fn rates(&self, depth: usize) -> Rates {
        let Update { optimizer, lr, average, number, layer_decay, .. } = *self;
        Rates { optimizer, lr, average, number, layer_decay, depth }
    }
}

/// How weights move in an update, whatever it learns.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// Its constants.
    pub optimizer: AdamW,
    /// Learning rate.
    pub lr: f32,
    /// Decay of the weights' moving average.
    pub average: f32,
    /// Updates done when this one is done; from 1.
    pub number: usize,
    /// Learning rate of a block in that of the next one; 1 for all the same.
    pub layer_decay: f32,
    /// Blocks of the encoder.
    pub depth: usize,
}

impl Rates {
    /// Decay of the average at this update: shorter in the first ones, whose weights are still near to random.
    pub(crate) fn average_now(&self) -> f32 {
        self.average.min(self.number as f32 / (self.number as f32 + 10.0))
    }
}

struct Held {
    param: Param,
    moving: Moving,
    average: Tensor<1>,
}

/// See the module.
pub struct Resident {
    device: Device,
    precision: Precision,
    held: Vec<Held>,
}

impl Resident {
    /// Puts `state` on `device`.
    pub fn new(state: &State, device: &Device, precision: Precision) -> Resident {
        let device = device.clone().without_autodiff();
        let put = |v: &[f32]| Tensor::<1>::from_data(TensorData::new(v.to_vec(), [v.len()]), &device);
        let hold = |s: &Slot| Held {
            param: s.param.clone(),
            moving: Moving { value: put(&s.value), mean: put(&s.mean), square: put(&s.square) },
            average: put(&s.average),
        };
        Resident { held: state.slots.iter().map(hold).collect(), device, precision }
    }

    /// Reads everything back into the slots of `state`.
    pub fn read_into(&self, state: &mut State) {
        for (held, slot) in self.held.iter().zip(&mut state.slots) {
            slot.value = numbers(held.moving.value.clone());
            slot.average = numbers(held.average.clone());
            slot.mean = numbers(held.moving.mean.clone());
            slot.square = numbers(held.moving.square.clone());
        }
    }

    /// Forward, backward and one update on `batch`. Dropout is drawn by the device.
    pub fn update(&mut self, network: &Network, batch: &Batch, update: &Update<'_>) -> StepLosses {
        self.device.seed(update.seed);
        self.update_with(network, batch, update, Mode::TrainByDevice)
    }

    /// The same with dropout from the generator that a processor would use: slower, to compare with it.
    pub fn update_as_processor(
        &mut self,
        network: &Network,
        batch: &Batch,
        update: &Update<'_>,
        random: SplitMix,
    ) -> StepLosses {
        self.update_with(network, batch, update, Mode::Train(random))
    }

    fn update_with(&mut self, network: &Network, batch: &Batch, u: &Update<'_>, mode: Mode) -> StepLosses {
        let how = How {
            losses: u.losses,
            smoothing: u.smoothing,
            mode,
            precision: self.precision,
            first_tubelet: u.first_tubelet,
            drop_path: u.drop_path,
        };
        let rates = u.rates(network.config().encoder.depth);
        let pass = self.learn(&rates, |params, device| {
            let pass = forward(network, params, batch, how, device);
            (pass.losses[3].clone(), pass.statistics.clone(), pass)
        });
        pass.read()
    }

    /// One update by whatever `pass` finds with the parameters as leaves on the device: a loss, the statistics of the batch, and
    /// what is handed back.
    pub(crate) fn learn<T>(
        &mut self,
        rates: &Rates,
        pass: impl FnOnce(&Parameters, &Device) -> (Tensor<1>, Vec<(String, Tensor<1>)>, T),
    ) -> T {
        let params = self.leaves();
        let (loss, statistics, found) = pass(&params, &self.device.clone().autodiff());
        let gradients = self.gradients(params, &loss);
        self.apply(gradients, statistics, rates);
        found
    }

    /// What [`Resident::learn`] would compute in.
    pub(crate) fn precision(&self) -> Precision {
        self.precision
    }

    /// The parameters as the leaves of a pass.
    fn leaves(&self) -> Parameters {
        let leaf = |h: &Held| {
            let t = h.moving.value.clone().autodiff();
            if h.param.trained { t.require_grad() } else { t }
        };
        self.held.iter().map(|h| (h.param.name.clone(), leaf(h))).collect()
    }

    /// One for each trained parameter, cut to a common norm.
    fn gradients(&self, params: Parameters, loss: &Tensor<1>) -> Vec<Option<Tensor<1>>> {
        let mut grads = loss.backward();
        let of = |h: &Held| match h.param.trained {
            true => {
                let none = || Tensor::zeros([h.param.len()], &self.device);
                Some(params[&h.param.name].grad_remove(&mut grads).unwrap_or_else(none))
            }
            false => None,
        };
        let all: Vec<_> = self.held.iter().map(of).collect();
        let squares: Vec<_> = all.iter().flatten().map(|g| g.clone().square().sum()).collect();
        let norm = Tensor::cat(squares, 0).sum().sqrt();
        let cut = (norm.clamp_min(1e-12).recip() * GRADIENT_NORM).clamp_max(1.0);
        all.into_iter().map(|g| g.map(|g| g * cut.clone())).collect()
    }

    fn apply(&mut self, gradients: Vec<Option<Tensor<1>>>, statistics: Vec<(String, Tensor<1>)>, rates: &Rates) {
        // Taken out, so that nobody else holds the old numbers and the new ones can have their place.
        let held = std::mem::take(&mut self.held).into_iter().zip(gradients);
        self.held = held
            .map(|(held, gradient)| match gradient {
                Some(gradient) => held.learnt(gradient, rates),
                None => held.seen(&statistics),
            })
            .collect();
    }
}

impl Held {
    fn learnt(self, gradient: Tensor<1>, u: &Rates) -> Held {
        let lr = u.lr * layer_scale(&self.param.name, u.depth, u.layer_decay);
        let moving = u.optimizer.update_moving(self.moving, gradient, self.param.shape.len(), lr, u.number);
        let decay = u.average_now();
        let average = self.average * decay + moving.value.clone() * (1.0 - decay);
        Held { param: self.param, moving, average }
    }

    /// A running statistic moves towards what the batch showed; its average is itself.
    fn seen(self, statistics: &[(String, Tensor<1>)]) -> Held {
        let Some((_, seen)) = statistics.iter().find(|(name, _)| *name == self.param.name) else { return self };
        let old = self.moving.value;
        let value = old.clone() + (seen.clone().without_autodiff() - old) * STATISTICS_MOMENTUM;
        Held { param: self.param, average: value.clone(), moving: Moving { value, ..self.moving } }
    }
}
