//! The autoencoder on burn tensors, and how wrong it is.

use super::masked_batch::MaskedBatch;
use crate::device::Precision;
use crate::interpreter::{Interpreter, Mode, Parameters, Shown};
use crate::state::Slot;
use crate::step::{Pass, backward, leaves, numbers, tensor};
use burn::tensor::{Device, FloatDType, Tensor};
use mtcae_network::{Autoencoder, MaskOps, PATCH_VALUES, Param};

impl MaskOps for Interpreter<'_> {
    fn product(&mut self, x: &Tensor<3>, weight: &Param) -> Tensor<3> {
        let no_bias = Tensor::<1>::zeros([weight.shape[0]], &self.device).cast(self.dtype);
        self.project(x, weight, no_bias)
    }

    fn with_hidden(&mut self, visible: &Tensor<3>, token: &Param) -> Tensor<3> {
        let Some(shown) = self.shown.clone() else { return visible.clone() };
        let [b, _, d] = visible.dims();
        let token = self.flat(token).reshape([1, 1, d]).expand([b, shown.hidden.len() / b, d]);
        let places = [&shown.visible, &shown.hidden].map(|places| self.rows(places, b, d));
        Tensor::cat(vec![visible.clone(), token], 1) + Tensor::cat(places.to_vec(), 1)
    }

    fn hidden(&mut self, all: &Tensor<3>) -> Tensor<3> {
        let [b, n, _] = all.dims();
        let hidden = self.shown.as_ref().map_or(n, |s| s.hidden.len() / b);
        all.clone().narrow(1, n - hidden, hidden)
    }
}

/// What the autoencoder says of the hidden tokens, f32 `[clips, hidden, PATCH_VALUES]`.
pub(super) fn answer(
    auto: &Autoencoder,
    params: &Parameters,
    batch: &MaskedBatch,
    first_tubelet: usize,
    precision: Precision,
    device: &Device,
) -> Tensor<3> {
    let visible = batch.visible.len() / batch.clips;
    let c = auto.config();
    let skip = first_tubelet * (c.size / 16).pow(2);
    let later = |places: &[usize]| places.iter().map(|p| p + skip).collect::<Vec<_>>();
    let shown = Shown {
        patches: tensor(&batch.pixels, [batch.clips, visible, PATCH_VALUES], device).cast(precision.dtype()),
        visible: later(&batch.visible),
        hidden: later(&batch.hidden),
        places: skip + batch.tokens,
    };
    // Nothing of it is drawn: there is no dropout in pre-training.
    let mut ops = Interpreter::of_shown(params, shown, batch.clips, c.frames, Mode::Evaluate, precision);
    auto.forward(&mut ops).cast(FloatDType::F32)
}

/// Mean squared error over hidden tokens.
pub(super) fn error(answer: Tensor<3>, batch: &MaskedBatch, device: &Device) -> Tensor<1> {
    let want = tensor(&batch.targets, answer.dims(), device);
    (answer - want).square().mean()
}

/// Forward and backward over `batch` on the processor.
pub fn masked_gradients(auto: &Autoencoder, slots: &[Slot], batch: &MaskedBatch, first_tubelet: usize) -> Pass<f32> {
    let device = Device::flex().autodiff();
    let params = leaves(slots, &device, |s| &s.value, true);
    let loss = error(answer(auto, &params, batch, first_tubelet, Precision::F32, &device), batch, &device);
    Pass { gradients: backward(slots, &params, &loss), losses: number(loss), statistics: Vec::new() }
}

/// The one number in it; waits for the device.
pub(super) fn number(loss: Tensor<1>) -> f32 {
    numbers(loss).first().copied().unwrap_or(f32::NAN)
}
