//! Our operators as tract runs them.

use crate::attention::{self, Attention};
use crate::conv::{self, Conv, sides};
use crate::finish::{Output, Steps, ToBytes};
use crate::linear::{Linear, run_bytes, run_floats};
use crate::norm::{self, Norm};
use crate::pack::{Bytes, Floats};
use crate::simd::Isa;
use tract_onnx::tract_hir::internal::*;

/// What an operator computes, with its packed weights.
pub(super) enum Kernel {
    Linear(Floats),
    LinearBytes(Bytes),
    /// Scale, shift, and what is added to the variance.
    Norm(Isa, Vec<f32>, Vec<f32>, f32),
    /// Heads.
    Attention(Isa, usize),
    ToBytes(Isa),
    /// The mean of each colour.
    Pixels(Vec<f32>),
    /// The stride.
    Conv(Floats, usize),
    /// The stride, and the byte that stands for 0.
    ConvBytes(Bytes, usize, u8),
}

/// An operator.
#[derive(Clone)]
pub(super) struct Fused {
    pub(super) op: &'static str,
    pub(super) kernel: Arc<Kernel>,
    pub(super) steps: Steps,
    pub(super) to_bytes: Option<ToBytes>,
}

impl std::fmt::Debug for Fused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct(self.op).field("steps", &self.steps).field("to_bytes", &self.to_bytes).finish()
    }
}

impl PartialEq for Fused {
    fn eq(&self, other: &Fused) -> bool {
        let same = (self.op, self.steps, self.to_bytes) == (other.op, other.steps, other.to_bytes);
        same && Arc::ptr_eq(&self.kernel, &other.kernel)
    }
}

impl Eq for Fused {}

impl Op for Fused {
    fn name(&self) -> StaticName {
        self.op.into()
    }

    op_as_typed_op!();
}

impl Fused {
    /// Shape of the output. Checks all that the kernels take for granted.
    fn shape(&self, inputs: &[&[usize]]) -> TractResult<TVec<usize>> {
        let x = *inputs.first().context("an input is missing")?;
        let mut shape: TVec<usize> = x.into();
        let width = x.last().copied().unwrap_or_default();
        ensure!(x.iter().all(|side| *side > 0), "{} reads {x:?}", self.op);
        match &*self.kernel {
            Kernel::Linear(Floats { rows, columns, .. }) | Kernel::LinearBytes(Bytes { rows, columns, .. }) => {
                ensure!(width == *rows, "{} reads {x:?}; its weight has {rows} rows", self.op);
                *shape.last_mut().context("no shape")? = *columns;
            }
            Kernel::Norm(isa, scale, shift, _) => {
                ensure!(width == scale.len() && shift.len() == width && width % isa.lanes() == 0, "a norm of {x:?}");
            }
            Kernel::Attention(isa, heads) => {
                let [q, k, v] = inputs else { bail!("attention of {} inputs", inputs.len()) };
                let fits = q.len() == 3 && q[0] == 1 && k == v && k.len() == 3 && k[0] == 1 && k[1] > 0 && k[2] == q[2];
                ensure!(fits && width % (heads * isa.lanes()) == 0, "attention of {q:?}, {k:?}, {v:?}");
            }
            Kernel::ToBytes(_) => {}
            Kernel::Pixels(mean) => ensure!(mean.len() == width, "{} colours, and {x:?}", mean.len()),
            Kernel::Conv(Floats { rows, columns, .. }, stride) => {
                ensure!(x.len() == 4 && *rows == 9 * x[3], "a convolution of {x:?}");
                let (h, w) = sides(x[1], x[2], *stride);
                shape = tvec!(x[0], h, w, *columns);
            }
            Kernel::ConvBytes(Bytes { rows, columns, .. }, stride, _) => {
                ensure!(x.len() == 4 && *rows == 9 * x[3] && x[3] % 4 == 0, "a convolution of bytes {x:?}");
                let (h, w) = sides(x[1], x[2], *stride);
                shape = tvec!(x[0], h, w, *columns);
            }
        }
        if self.steps.add {
            let added = inputs.get(1).context("nothing to add")?;
            ensure!(**added == *shape, "{} adds {added:?} to {shape:?}", self.op);
        }
        Ok(shape)
    }
}

impl EvalOp for Fused {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let shapes: TVec<&[usize]> = inputs.iter().map(|i| i.shape()).collect();
        let shape = self.shape(&shapes)?;
        let kind = if self.to_bytes.is_some() { u8::datum_type() } else { f32::datum_type() };
        // SAFETY: every kernel writes all of its output.
        let mut result = unsafe { Tensor::uninitialized_dt(kind, &shape)? };
        {
            let mut plain = result.try_as_plain_ram_mut()?;
            let output = match self.to_bytes {
                Some(how) => Output::Bytes(plain.as_slice_mut::<u8>()?.as_mut_ptr(), how),
                None => Output::Floats(plain.as_slice_mut::<f32>()?.as_mut_ptr()),
            };
            self.compute(&inputs, output)?;
        }
        Ok(tvec!(result.into_tvalue()))
    }
}

impl Fused {
    fn compute(&self, inputs: &[TValue], output: Output) -> TractResult<()> {
        let floats = |i: usize| -> TractResult<&[f32]> { inputs[i].try_as_plain_ram()?.as_slice::<f32>() };
        let bytes = || -> TractResult<&[u8]> { inputs[0].try_as_plain_ram()?.as_slice::<u8>() };
        let steps = self.steps;
        let added = if steps.add { floats(1)? } else { &[] };
        match &*self.kernel {
            Kernel::Linear(weight) => run_floats(Linear { x: floats(0)?, weight, steps, added, output }),
            Kernel::LinearBytes(weight) => run_bytes(Linear { x: bytes()?, weight, steps, added, output }),
            Kernel::Norm(isa, scale, shift, epsilon) => {
                norm::run(*isa, Norm { x: floats(0)?, scale, shift, epsilon: *epsilon, output });
            }
            Kernel::Attention(isa, heads) => {
                let (q, heads) = (floats(0)?, *heads);
                let width = inputs[0].shape()[2] / heads;
                attention::run(*isa, Attention { q, k: floats(1)?, v: floats(2)?, heads, width, output });
            }
            Kernel::ToBytes(isa) => norm::convert(*isa, floats(0)?, output),
            Kernel::Pixels(mean) => conv::centred(bytes()?, mean, output),
            Kernel::Conv(weight, stride) => {
                let shape = [inputs[0].shape()[1], inputs[0].shape()[2], inputs[0].shape()[3]];
                conv::run_floats(Conv { x: floats(0)?, shape, stride: *stride, weight, steps, added, output });
            }
            Kernel::ConvBytes(weight, stride, zero) => {
                let shape = [inputs[0].shape()[1], inputs[0].shape()[2], inputs[0].shape()[3]];
                conv::run_bytes(Conv { x: bytes()?, shape, stride: *stride, weight, steps, added, output }, *zero);
            }
        }
        Ok(())
    }
}

impl TypedOp for Fused {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let shapes: TVec<&[usize]> = inputs
            .iter()
            .map(|fact| fact.shape.as_concrete().with_context(|| format!("{} reads {fact:?}", self.op)))
            .collect::<TractResult<_>>()?;
        let bytes = matches!(*self.kernel, Kernel::LinearBytes(_) | Kernel::Pixels(_) | Kernel::ConvBytes(..));
        let reads = if bytes { u8::datum_type() } else { f32::datum_type() };
        ensure!(inputs[0].datum_type == reads, "{} reads {:?}", self.op, inputs[0].datum_type);
        let kind = if self.to_bytes.is_some() { u8::datum_type() } else { f32::datum_type() };
        Ok(tvec!(kind.fact(&*self.shape(&shapes)?)))
    }

    as_op!();
}
