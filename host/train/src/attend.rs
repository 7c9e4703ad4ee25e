//! Attention whose scores are not kept for the way back but computed again.
//!
//! The training library keeps token-by-token matrices of every layer. At 1568 tokens one of them is 157 MB a clip in each of
//! the 24 blocks of `large`, more than everything else together; what a card can hold then is a clip or two. One more product
//! on the way back costs a few hundredths of a step.

#[cfg(feature = "cuda")]
use burn::backend::Cube;
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
use burn::tensor::{DType, FloatDType, Tensor};

/// `softmax(q k^T / sqrt(width)) v`, all `[B, heads, tokens, width]`; `k` and `v` have the same number of tokens.
pub fn attend(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::attend(q.into_dispatch(), k.into_dispatch(), v.into_dispatch()))
}

/// The operation, for numbers and for numbers with gradients.
#[backend_extension(Cube: cfg(feature = "cuda"), Flex, Autodiff)]
pub trait Attend: Backend {
    /// See [`attend`].
    fn attend(q: FloatTensor<Self>, k: FloatTensor<Self>, v: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_matmul(shares::<Self>(q, k), v)
    }
}

impl Attend for Flex {}

#[cfg(feature = "cuda")]
impl Attend for Cube {}

/// How much each token of `q` takes of each token of `k`; rows sum to one. The exponentials are always in f32.
fn shares<B: Backend>(q: FloatTensor<B>, k: FloatTensor<B>) -> FloatTensor<B> {
    let dtype = q.dtype();
    let q = B::float_mul_scalar(q.clone(), scale(&q).into());
    let scores = B::float_matmul(q, B::float_transpose(k));
    if dtype == DType::F32 {
        return B::softmax(scores, 3);
    }
    B::float_cast(B::softmax(B::float_cast(scores, FloatDType::F32), 3), dtype.into())
}

fn scale(q: &impl TensorMetadata) -> f32 {
    (q.shape()[3] as f32).powf(-0.5)
}

#[derive(Debug)]
struct Step;

impl<B: Attend> Backward<B, 3> for Step {
    type State = [FloatTensor<B>; 3];

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [q_node, k_node, v_node] = ops.parents;
        let dy = grads.consume::<B>(&ops.node);
        let [q, k, v] = ops.state;
        let p = shares::<B>(q.clone(), k.clone());
        if let Some(node) = v_node {
            grads.register::<B>(node.id, B::float_matmul(B::float_transpose(p.clone()), dy.clone()));
        }
        let dp = B::float_matmul(dy, B::float_transpose(v));
        let along = B::float_sum_dim(B::float_mul(dp.clone(), p.clone()), 3);
        let scores = B::float_mul_scalar(B::float_mul(p, B::float_sub(dp, along)), scale(&q).into());
        if let Some(node) = q_node {
            grads.register::<B>(node.id, B::float_matmul(scores.clone(), k));
        }
        if let Some(node) = k_node {
            grads.register::<B>(node.id, B::float_matmul(B::float_transpose(scores), q));
        }
    }
}

impl<B: Attend, C: CheckpointStrategy> Attend for Autodiff<B, C> {
    fn attend(q: FloatTensor<Self>, k: FloatTensor<Self>, v: FloatTensor<Self>) -> FloatTensor<Self> {
        let (q, q_node) = q.into_parts();
        let (k, k_node) = k.into_parts();
        let (v, v_node) = v.into_parts();
        match Step.prepare::<C>([q_node, k_node, v_node]).compute_bound().stateful() {
            OpsKind::Tracked(ready) => {
                let y = B::attend(q.clone(), k.clone(), v.clone());
                ready.finish([q, k, v], y)
            }
            OpsKind::UnTracked(ready) => ready.finish(B::attend(q, k, v)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData, Tolerance, activation::softmax};
    use mtcae_network::SplitMix;

    fn plain(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
        let scale = (q.dims()[3] as f32).powf(-0.5);
        softmax((q * scale).matmul(k.transpose()), 3).matmul(v)
    }

    #[test]
    fn values_and_gradients_are_those_of_the_plain_writing() {
        let mut random = SplitMix::new(5);
        let device = Device::flex().autodiff();
        let mut draw = |shape: [usize; 4]| {
            let values: Vec<f32> = (0..shape.iter().product()).map(|_| 4.0 * random.unit() - 2.0).collect();
            TensorData::new(values, shape)
        };
        // As many queries as keys, and fewer.
        for queries in [7, 3] {
            let inputs = [draw([2, 3, queries, 5]), draw([2, 3, 7, 5]), draw([2, 3, 7, 5])];
            let seen = draw([2, 3, queries, 5]);
            let run = |form: fn(Tensor<4>, Tensor<4>, Tensor<4>) -> Tensor<4>| {
                let leaf = |d: &TensorData| Tensor::<4>::from_data(d.clone(), &device).require_grad();
                let [q, k, v] = inputs.each_ref().map(leaf);
                let y = form(q.clone(), k.clone(), v.clone());
                let grads = (y.clone() * Tensor::from_data(seen.clone(), &device)).sum().backward();
                [y.into_data()].into_iter().chain([q, k, v].map(|t| t.grad(&grads).unwrap().into_data()))
            };
            for (ours, library) in run(attend).zip(run(plain)) {
                ours.assert_approx_eq::<f32>(&library, Tolerance::absolute(2e-6));
            }
        }
    }
}
