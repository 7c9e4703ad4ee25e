//! From our ONNX nodes to operators of tract: weights are packed here, once.

use super::run::{Fused, Kernel};
use super::*;
use crate::finish::{Steps, ToBytes};
use crate::pack::{Bytes, Floats};
use crate::simd::Isa;
use tract_onnx::model::{OnnxOpRegister, ParsingContext};
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

/// Makes tract know our nodes.
pub(crate) fn register(operators: &mut OnnxOpRegister) {
    for name in ALL {
        operators.insert(name, parse);
    }
}

/// A node as it was read.
#[derive(Debug, Clone)]
struct Parsed {
    op: &'static str,
    steps: Steps,
    bias: bool,
    to_bytes: Option<ToBytes>,
    reads_scale: f32,
    reads_zero_point: u8,
    epsilon: f32,
    heads: usize,
    stride: usize,
}

fn parse(_: &ParsingContext, node: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let flag = |name: &str| -> TractResult<bool> { Ok(node.get_attr_opt::<i64>(name)?.unwrap_or(0) != 0) };
    let byte = |name: &str| -> TractResult<u8> { Ok(u8::try_from(node.get_attr_opt::<i64>(name)?.unwrap_or(0))?) };
    let op = ALL.into_iter().find(|n| *n == node.op_type);
    let to_bytes = match node.get_attr_opt::<f32>(SCALE)? {
        Some(scale) => Some(ToBytes { inverse: scale.recip(), zero_point: byte(ZERO_POINT)? }),
        None => None,
    };
    let parsed = Parsed {
        op: op.context("no node of ours")?,
        steps: Steps { gelu: flag(GELU)?, add: flag(ADD)?, relu: flag(RELU)? },
        bias: flag(BIAS)?,
        to_bytes,
        reads_scale: node.get_attr_opt(READS_SCALE)?.unwrap_or(1.0),
        reads_zero_point: byte(READS_ZERO_POINT)?,
        epsilon: node.get_attr_opt(EPSILON)?.unwrap_or(0.0),
        heads: node.get_attr_opt::<i64>(HEADS)?.unwrap_or(1).max(1) as usize,
        stride: node.get_attr_opt::<i64>(STRIDE)?.unwrap_or(1).max(1) as usize,
    };
    Ok((expand(parsed), vec![]))
}

impl Parsed {
    /// How many of the inputs are constants, behind the first `1` (or `3`, for attention).
    fn constants(&self) -> usize {
        match self.op {
            LINEAR => 1 + usize::from(self.bias),
            LINEAR_BYTES => 2 + usize::from(self.bias),
            NORM | CONV => 2,
            CONV_BYTES => 3,
            PIXELS => 1,
            _ => 0,
        }
    }

    fn kernel(&self, constants: &[Arc<Tensor>]) -> TractResult<Kernel> {
        let isa = Isa::detect();
        let floats = |i: usize| -> TractResult<&[f32]> {
            constants.get(i).context("an input is missing")?.try_as_plain_ram()?.as_slice::<f32>()
        };
        let bias = |i: usize| if self.bias { floats(i) } else { Ok(&[][..]) };
        let weight = || constants.first().context("the weight is missing");
        Ok(match self.op {
            LINEAR => {
                let &[rows, columns] = weight()?.shape() else { bail!("a weight of {:?}", weight()?.shape()) };
                let bias = bias(1)?;
                ensure!(rows * columns > 0 && (!self.bias || bias.len() == columns), "a weight of {rows} x {columns}");
                Kernel::Linear(Floats::new(isa, floats(0)?, columns, bias))
            }
            LINEAR_BYTES => {
                let &[rows, columns] = weight()?.shape() else { bail!("a weight of {:?}", weight()?.shape()) };
                let (scale, bias) = (floats(1)?, bias(2)?);
                let fits = rows % 4 == 0 && scale.len() == columns && (!self.bias || bias.len() == columns);
                ensure!(rows * columns > 0 && fits, "a weight of {rows} x {columns} bytes");
                let plain = weight()?.try_as_plain_ram()?;
                Kernel::LinearBytes(Bytes::new(isa, whole(plain.as_slice()?)?, scale, bias, self.reads_zero_point))
            }
            NORM => Kernel::Norm(isa, floats(0)?.to_vec(), floats(1)?.to_vec(), self.epsilon),
            ATTENTION => Kernel::Attention(isa, self.heads),
            TO_BYTES => Kernel::ToBytes(isa),
            PIXELS => Kernel::Pixels(floats(0)?.to_vec()),
            CONV_BYTES => {
                let scale: Vec<f32> = floats(1)?.iter().map(|s| s * self.reads_scale).collect();
                let (outputs, rows) = by_taps::<i8>(weight()?)?;
                let fits = scale.len() == outputs && floats(2)?.len() == outputs && rows.len() / outputs % 4 == 0;
                ensure!(fits, "a kernel of bytes with {} scales", scale.len());
                let weight = Bytes::new(isa, whole(&rows)?, &scale, floats(2)?, self.reads_zero_point);
                Kernel::ConvBytes(weight, self.stride, self.reads_zero_point)
            }
            _ => {
                let (outputs, rows) = by_taps::<f32>(weight()?)?;
                let bias = floats(1)?;
                ensure!(bias.len() == outputs, "a kernel of {outputs} outputs with {} biases", bias.len());
                Kernel::Conv(Floats::new(isa, &rows, outputs, bias), self.stride)
            }
        })
    }
}

/// Weights whose products the kernels add up rightly: some processors have no -(-128).
fn whole(weights: &[i8]) -> TractResult<&[i8]> {
    ensure!(!weights.contains(&i8::MIN), "a weight of -128");
    Ok(weights)
}

/// The weight `[outputs, channels, 3, 3]` as rows of one product: taps, and the channels of each. With the number of outputs.
fn by_taps<T: Datum + Copy + Default>(weight: &Tensor) -> TractResult<(usize, Vec<T>)> {
    let &[outputs, channels, 3, 3] = weight.shape() else { bail!("a kernel of {:?}", weight.shape()) };
    ensure!(outputs * channels > 0, "a kernel of {:?}", weight.shape());
    let plain = weight.try_as_plain_ram()?;
    let values = plain.as_slice::<T>()?;
    let mut rows = vec![T::default(); values.len()];
    for (i, v) in values.iter().enumerate() {
        let (output, channel, tap) = (i / (9 * channels), i / 9 % channels, i % 9);
        rows[(tap * channels + channel) * outputs + output] = *v;
    }
    Ok((outputs, rows))
}

impl Expansion for Parsed {
    fn name(&self) -> StaticName {
        self.op.into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_output_arity(outputs, 1)?;
        let kind = if self.to_bytes.is_some() { u8::datum_type() } else { f32::datum_type() };
        s.equals(&outputs[0].datum_type, kind)?;
        match self.op {
            LINEAR | LINEAR_BYTES => s.given_2(&inputs[0].shape, &inputs[1].shape, move |s, mut shape, weight| {
                if let (Some(last), Some(columns)) = (shape.last_mut(), weight.last()) {
                    *last = columns.clone();
                }
                s.equals(&outputs[0].shape, shape)
            }),
            CONV | CONV_BYTES => s.given_2(&inputs[0].shape, &inputs[1].shape, move |s, mut shape, weight| {
                ensure!(shape.len() == 4, "maps of rank {}", shape.len());
                for side in &mut shape[1..3] {
                    *side = side.clone().divceil(self.stride);
                }
                shape[3] = weight[0].clone();
                s.equals(&outputs[0].shape, shape)
            }),
            _ => s.equals(&outputs[0].shape, &inputs[0].shape),
        }
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let values = if self.op == ATTENTION { 3 } else { 1 };
        let added = usize::from(self.steps.add);
        ensure!(inputs.len() == values + self.constants() + added, "{} has {} inputs", self.op, inputs.len());
        let (read, rest) = inputs.split_at(values);
        let (constants, added) = rest.split_at(self.constants());
        let constants: Vec<Arc<Tensor>> = constants
            .iter()
            .map(|outlet| model.outlet_fact(*outlet)?.konst.clone().context("a weight is no constant"))
            .collect::<TractResult<_>>()?;
        let kernel = Arc::new(self.kernel(&constants)?);
        let fused = Fused { op: self.op, kernel, steps: self.steps, to_bytes: self.to_bytes };
        let read: TVec<OutletId> = read.iter().chain(added).copied().collect();
        model.wire_node(prefix, fused, &read)
    }
}
