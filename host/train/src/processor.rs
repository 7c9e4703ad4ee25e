//! One update by threads that share the state in memory.

use crate::batch::Batch;
use crate::feed::parallel;
use crate::optimizer::layer_scale;
use crate::resident::{Rates, Update};
use crate::run::{GRADIENT_NORM, STATISTICS_MOMENTUM};
use crate::state::State;
use crate::step::{Pass, StepLosses, gradients};
use mtcae_network::{Network, SplitMix};

/// Forward, backward and one update; `share` gives each of the `workers` its part of the batch, and the generator of its
/// dropout. The state's count of updates goes up by one.
pub fn update_on_processor(
    network: &Network,
    state: &mut State,
    update: &Update<'_>,
    workers: usize,
    share: impl Fn(usize) -> (Batch, SplitMix) + Sync,
) -> StepLosses {
    let slots = &state.slots;
    let passes = parallel(workers, |w| {
        let (batch, random) = share(w);
        gradients(network, slots, &batch, update, random)
    });
    let share = 1.0 / passes.len() as f32;
    let mut losses = StepLosses::default();
    for pass in &passes {
        losses.boxes += share * pass.losses.boxes;
        losses.landmarks += share * pass.losses.landmarks;
        losses.expression += share * pass.losses.expression;
        losses.total += share * pass.losses.total;
    }
    learn(state, &passes, &update.rates(network.config().encoder.depth));
    losses
}

/// Averages the workers' gradients, cuts their norm, updates weights, averages and running statistics.
pub(crate) fn learn<L>(state: &mut State, passes: &[Pass<L>], rates: &Rates) {
    let share = 1.0 / passes.len() as f32;
    let mut sums = vec![Vec::new(); state.slots.len()];
    for pass in passes {
        for (sum, part) in sums.iter_mut().zip(&pass.gradients) {
            sum.resize(part.len(), 0.0);
            sum.iter_mut().zip(part).for_each(|(s, g)| *s += share * g);
        }
    }
    let norm = norm(sums.iter().flatten().copied());
    let cut = (GRADIENT_NORM / norm.max(1e-12)).min(1.0);
    state.updates = rates.number;
    for (slot, sum) in state.slots.iter_mut().zip(&mut sums) {
        if slot.param.trained {
            sum.iter_mut().for_each(|g| *g *= cut);
            let lr = rates.lr * layer_scale(&slot.param.name, rates.depth, rates.layer_decay);
            rates.optimizer.update(slot, sum, lr, rates.number);
        } else {
            let seen = passes.iter().filter_map(|p| p.statistics.iter().find(|(n, _)| *n == slot.param.name));
            for (_, values) in seen {
                let momentum = STATISTICS_MOMENTUM * share;
                slot.value.iter_mut().zip(values).for_each(|(old, new)| *old += momentum * (new - *old));
            }
        }
        slot.follow(rates.average_now());
    }
}

/// Their norm; added up in f64, as a sum in f32 stands still where what comes is too small for it.
fn norm(values: impl Iterator<Item = f32>) -> f32 {
    values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_norm_of_many_small_values_is_whole() {
        let n = norm(std::iter::repeat_n(1e-3, 100_000_000));
        assert!((n - 10.0).abs() < 1e-4, "{n}");
    }
}
