//! One pass over one part of a batch: losses and gradients.

use crate::batch::Batch;
use crate::interpreter::{Interpreter, Mode, Parameters};
use crate::recipe::Losses;
use crate::state::Slot;
use burn::tensor::{Device, Tensor, TensorData, activation::log_softmax};
use mtcae_network::{Answer, Network, SplitMix};

/// The losses of one pass, before their weights, each a mean over its clips.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StepLosses {
    /// Mean squared error of the boxes.
    pub boxes: f32,
    /// Mean squared error of the landmarks.
    pub landmarks: f32,
    /// Cross-entropy.
    pub expression: f32,
    /// Weighted sum.
    pub total: f32,
}

/// Losses, gradients in the order of `slots` (empty for untrained ones), and the batch statistics by name.
pub struct Pass {
    /// Losses of this part.
    pub losses: StepLosses,
    /// One a slot.
    pub gradients: Vec<Vec<f32>>,
    /// Mean and variance seen by each normalised convolution.
    pub statistics: Vec<(String, Vec<f32>)>,
}

/// Parameters as tensors; trained ones collect gradients when `device` is an autodiff one.
pub(crate) fn leaves(slots: &[Slot], device: &Device, pick: impl Fn(&Slot) -> &[f32], track: bool) -> Parameters {
    let leaf = |s: &Slot| {
        let t = Tensor::<1>::from_data(TensorData::new(pick(s).to_vec(), [s.param.len()]), device);
        if track && s.param.trained { t.require_grad() } else { t }
    };
    slots.iter().map(|s| (s.param.name.clone(), leaf(s))).collect()
}

pub(crate) fn tensor<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::<1>::from_data(TensorData::new(values.to_vec(), [values.len()]), device).reshape(shape)
}

pub(crate) fn numbers<const D: usize>(t: Tensor<D>) -> Vec<f32> {
    t.into_data().convert::<f32>().try_to_vec().unwrap_or_default()
}

/// Forward and backward over `batch`.
pub fn gradients(
    network: &Network,
    slots: &[Slot],
    batch: &Batch,
    losses: &Losses,
    smoothing: f32,
    random: SplitMix,
    first_tubelet: usize,
) -> Pass {
    let device = Device::flex().autodiff();
    let params = leaves(slots, &device, |s| &s.value, true);
    let side = batch.size;
    let clip = tensor(&batch.pixels, [batch.clips * batch.stored_frames, 3, side, side], &device);
    let mode = Mode::Train(random);
    let mut ops = Interpreter::new(&params, clip, batch.clips, batch.frames, mode, first_tubelet);
    let answer = network.forward(&mut ops);
    let statistics = std::mem::take(&mut ops.statistics);
    let parts = loss_parts(&answer, batch, smoothing, &device);
    let total =
        parts[0].clone() * losses.boxes + parts[1].clone() * losses.landmarks + parts[2].clone() * losses.expression;
    let grads = total.backward();
    let one = |t: &Tensor<1>| numbers(t.clone())[0];
    let gradient = |s: &Slot| match s.param.trained {
        true => params[&s.param.name].grad(&grads).map_or_else(|| vec![0.0; s.param.len()], numbers),
        false => Vec::new(),
    };
    Pass {
        gradients: slots.iter().map(gradient).collect(),
        losses: StepLosses {
            boxes: one(&parts[0]),
            landmarks: one(&parts[1]),
            expression: one(&parts[2]),
            total: one(&total),
        },
        statistics: statistics.into_iter().map(|(name, t)| (name, numbers(t))).collect(),
    }
}

/// Box error, landmark error, cross-entropy.
fn loss_parts(answer: &Answer<Tensor<3>>, batch: &Batch, smoothing: f32, device: &Device) -> [Tensor<1>; 3] {
    let b = batch.clips;
    let known: f32 = batch.known.iter().sum::<f32>().max(1.0);
    let mask = tensor(&batch.known, [b, 1, 1], device);
    let squares = |out: &Option<Tensor<3>>, want: &[f32], columns: usize| match out {
        None => Tensor::zeros([1], device),
        Some(out) => {
            let want = tensor(want, [b, batch.frames, columns], device);
            let error = (out.clone() - want) * mask.clone();
            error.square().sum() / (known * (batch.frames * columns) as f32)
        }
    };
    let classes = answer.logits.dims()[2];
    let mut want = vec![smoothing / classes as f32; b * classes];
    for (i, label) in batch.labels.iter().enumerate() {
        want[i * classes + label] += 1.0 - smoothing;
    }
    let log_p = log_softmax(answer.logits.clone().reshape([b, classes]), 1);
    let cross = (log_p * tensor(&want, [b, classes], device)).sum().neg() / b as f32;
    [squares(&answer.boxes, &batch.boxes, 4), squares(&answer.landmarks, &batch.landmarks, 10), cross]
}
