//! One pass over one part of a batch: losses and gradients.

use crate::batch::Batch;
use crate::device::Precision;
use crate::interpreter::{Interpreter, Mode, Parameters};
use crate::recipe::Losses;
use crate::resident::Update;
use crate::state::Slot;
use burn::tensor::{Device, FloatDType, Tensor, TensorData, activation::log_softmax};
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
pub struct Pass<L = StepLosses> {
    /// Losses of this part.
    pub losses: L,
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

/// What a pass over a batch gives before it is read.
pub(crate) struct Forward {
    /// Box error, landmark error, cross-entropy, weighted sum; each `[1]`, f32.
    pub losses: [Tensor<1>; 4],
    /// Mean and variance seen by each normalised convolution.
    pub statistics: Vec<(String, Tensor<1>)>,
}

impl Forward {
    /// The losses in numbers; waits for the device.
    pub fn read(&self) -> StepLosses {
        let all = numbers(Tensor::cat(self.losses.to_vec(), 0));
        let at = |i: usize| all.get(i).copied().unwrap_or(f32::NAN);
        StepLosses { boxes: at(0), landmarks: at(1), expression: at(2), total: at(3) }
    }
}

/// How a pass goes, beside its batch.
pub(crate) struct How<'a> {
    /// Weight of each loss.
    pub losses: &'a Losses,
    /// Share of each target spread over the other classes.
    pub smoothing: f32,
    /// Where dropout comes from.
    pub mode: Mode,
    /// Of layers.
    pub precision: Precision,
    /// Which tubelet of a longer clip the first one pretends to be.
    pub first_tubelet: usize,
    /// Share of clips that leave out a branch of the last block.
    pub drop_path: f32,
}

/// The network on `batch`, and how wrong it is.
pub(crate) fn forward(network: &Network, params: &Parameters, batch: &Batch, how: How<'_>, device: &Device) -> Forward {
    let side = batch.size;
    let clip = tensor(&batch.pixels, [batch.clips * batch.stored_frames, 3, side, side], device);
    let mut ops = Interpreter::new(params, clip, batch.clips, batch.frames, how.mode, how.first_tubelet)
        .with_precision(how.precision)
        .with_drop_path(how.drop_path);
    let answer = network.forward(&mut ops);
    let statistics = std::mem::take(&mut ops.statistics);
    let [boxes, landmarks, cross] = loss_parts(&answer, batch, how.smoothing, device);
    let w = how.losses;
    let total = boxes.clone() * w.boxes + landmarks.clone() * w.landmarks + cross.clone() * w.expression;
    Forward { losses: [boxes, landmarks, cross, total], statistics }
}

/// Forward and backward over `batch` on the processor.
pub fn gradients(network: &Network, slots: &[Slot], batch: &Batch, update: &Update<'_>, random: SplitMix) -> Pass {
    let device = Device::flex().autodiff();
    let params = leaves(slots, &device, |s| &s.value, true);
    let Update { losses, smoothing, first_tubelet, drop_path, .. } = *update;
    let (mode, precision) = (Mode::Train(random), Precision::F32);
    let how = How { losses, smoothing, mode, precision, first_tubelet, drop_path };
    let pass = forward(network, &params, batch, how, &device);
    Pass {
        gradients: backward(slots, &params, &pass.losses[3]),
        losses: pass.read(),
        statistics: pass.statistics.into_iter().map(|(name, t)| (name, numbers(t))).collect(),
    }
}

/// The gradients of `loss` in the order of `slots`; empty for untrained ones.
pub(crate) fn backward(slots: &[Slot], params: &Parameters, loss: &Tensor<1>) -> Vec<Vec<f32>> {
    let grads = loss.backward();
    let gradient = |s: &Slot| match s.param.trained {
        true => params[&s.param.name].grad(&grads).map_or_else(|| vec![0.0; s.param.len()], numbers),
        false => Vec::new(),
    };
    slots.iter().map(gradient).collect()
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
            let error = (out.clone().cast(FloatDType::F32) - want) * mask.clone();
            error.square().sum() / (known * (batch.frames * columns) as f32)
        }
    };
    let classes = answer.logits.dims()[2];
    let mut want = vec![smoothing / classes as f32; b * classes];
    for (i, label) in batch.labels.iter().enumerate() {
        let (other, kept) = batch.mixed.get(i).copied().unwrap_or((*label, 1.0));
        want[i * classes + label] += (1.0 - smoothing) * kept;
        want[i * classes + other] += (1.0 - smoothing) * (1.0 - kept);
    }
    let log_p = log_softmax(answer.logits.clone().cast(FloatDType::F32).reshape([b, classes]), 1);
    let cross = (log_p * tensor(&want, [b, classes], device)).sum().neg() / b as f32;
    [squares(&answer.boxes, &batch.boxes, 4), squares(&answer.landmarks, &batch.landmarks, 10), cross]
}
