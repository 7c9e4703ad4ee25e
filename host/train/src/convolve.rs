//! The convolution of [`crate::convolution`] as an operation of the training library, with its gradient.

use crate::convolution::Convolution;
use burn::backend::{
    Autodiff, Backend, Dispatch, Flex, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    backend_extension,
    tensor::FloatTensor,
};
use burn::tensor::{Device, Tensor, TensorData, module::conv2d, ops::ConvOptions};
use burn_flex::FlexTensor;

/// 3x3 convolution with a border of one zero: `x` `[B, C, S, S]`, `weight` `[D, C, 3, 3]`, stride 1 or 2.
/// On a processor by [`crate::convolution`], elsewhere the library's own.
pub fn convolve(x: Tensor<4>, weight: Tensor<4>, stride: usize) -> Tensor<4> {
    if x.device() != Device::flex() {
        return conv2d(x, weight, None, ConvOptions::new([stride; 2], [1, 1], [1, 1], 1));
    }
    Tensor::from_dispatch(Dispatch::convolve(x.into_dispatch(), weight.into_dispatch(), stride))
}

/// What runs on a processor: the convolution and its gradients.
trait Kernel: Backend {
    fn forward(x: FloatTensor<Self>, weight: FloatTensor<Self>, stride: usize) -> FloatTensor<Self>;

    /// Of `x`, if wanted, and of `weight`.
    fn gradients(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        stride: usize,
        wanted: bool,
    ) -> (Option<FloatTensor<Self>>, FloatTensor<Self>);
}

/// The operation, for numbers and for numbers with gradients.
#[backend_extension(Flex, Autodiff)]
pub trait Convolve: Backend {
    /// See [`convolve`].
    fn convolve(x: FloatTensor<Self>, weight: FloatTensor<Self>, stride: usize) -> FloatTensor<Self>;
}

impl Convolve for Flex {
    fn convolve(x: FlexTensor, weight: FlexTensor, stride: usize) -> FlexTensor {
        Self::forward(x, weight, stride)
    }
}

impl Kernel for Flex {
    fn forward(x: FlexTensor, weight: FlexTensor, stride: usize) -> FlexTensor {
        let (x, weight) = (x.to_contiguous(), weight.to_contiguous());
        let sizes = sizes(&x, &weight, stride);
        let y = sizes.forward(values(&x), values(&weight));
        let side = sizes.side_out();
        tensor(y, [sizes.images, sizes.outputs, side, side])
    }

    fn gradients(
        x: FlexTensor,
        weight: FlexTensor,
        dy: FlexTensor,
        stride: usize,
        wanted: bool,
    ) -> (Option<FlexTensor>, FlexTensor) {
        let (x, weight, dy) = (x.to_contiguous(), weight.to_contiguous(), dy.to_contiguous());
        let sizes = sizes(&x, &weight, stride);
        let (dx, dw) = sizes.gradients(values(&x), values(&weight), values(&dy), wanted);
        let dx = dx.map(|v| tensor(v, [sizes.images, sizes.inputs, sizes.side, sizes.side]));
        (dx, tensor(dw, [sizes.outputs, sizes.inputs, 3, 3]))
    }
}

fn sizes(x: &FlexTensor, weight: &FlexTensor, stride: usize) -> Convolution {
    let (x, outputs) = (x.shape(), weight.shape()[0]);
    Convolution { images: x[0], inputs: x[1], outputs, side: x[2], stride }
}

fn values(x: &FlexTensor) -> &[f32] {
    x.as_slice::<f32>().unwrap_or_default()
}

fn tensor(values: Vec<f32>, shape: [usize; 4]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

#[derive(Debug)]
struct Step;

impl<B: Kernel> Backward<B, 2> for Step {
    type State = (FloatTensor<B>, FloatTensor<B>, usize);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x_node, weight_node] = ops.parents;
        let dy = grads.consume::<B>(&ops.node);
        let (x, weight, stride) = ops.state;
        let (dx, dw) = B::gradients(x, weight, dy, stride, x_node.is_some());
        if let (Some(node), Some(dx)) = (x_node, dx) {
            grads.register::<B>(node.id, dx);
        }
        if let Some(node) = weight_node {
            grads.register::<B>(node.id, dw);
        }
    }
}

impl<B: Kernel, C: CheckpointStrategy> Convolve for Autodiff<B, C> {
    fn convolve(x: FloatTensor<Self>, weight: FloatTensor<Self>, stride: usize) -> FloatTensor<Self> {
        let (x, x_node) = x.into_parts();
        let (weight, weight_node) = weight.into_parts();
        match Step.prepare::<C>([x_node, weight_node]).compute_bound().stateful() {
            OpsKind::Tracked(ready) => {
                let y = B::forward(x.clone(), weight.clone(), stride);
                ready.finish((x, weight, stride), y)
            }
            OpsKind::UnTracked(ready) => ready.finish(B::forward(x, weight, stride)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_network::SplitMix;

    #[test]
    fn values_and_gradients_are_the_librarys() {
        let mut random = SplitMix::new(9);
        let device = Device::flex().autodiff();
        let mut draw = |shape: [usize; 4]| {
            let values: Vec<f32> = (0..shape.iter().product()).map(|_| random.unit() - 0.5).collect();
            TensorData::new(values, shape)
        };
        for (stride, side, out) in [(1, 8, 8), (2, 8, 4), (2, 5, 3)] {
            let (x, w, seen) = (draw([5, 3, side, side]), draw([4, 3, 3, 3]), draw([5, 4, out, out]));
            let run = |ours: bool| {
                let leaf = |d: &TensorData| Tensor::<4>::from_data(d.clone(), &device).require_grad();
                let (x, w) = (leaf(&x), leaf(&w));
                // A view, not rows in order.
                let turned = x.clone().permute([0, 1, 3, 2]);
                let y = match ours {
                    true => convolve(turned, w.clone(), stride),
                    false => conv2d(turned, w.clone(), None, ConvOptions::new([stride; 2], [1, 1], [1, 1], 1)),
                };
                let grads = (y.clone() * Tensor::from_data(seen.clone(), &device)).sum().backward();
                [y.into_data(), x.grad(&grads).unwrap().into_data(), w.grad(&grads).unwrap().into_data()]
            };
            for (a, b) in run(true).iter().zip(&run(false)) {
                a.assert_approx_eq::<f32>(b, burn::tensor::Tolerance::absolute(1e-5));
            }
        }
    }
}
