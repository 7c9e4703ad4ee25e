//! The three networks on tract, one prepared plan per input shape.

use crate::{BoxError, DetectError, Net, NetOutput, Nets};
use std::{collections::HashMap, sync::Arc};
use tract_onnx::pb::{ModelProto, NodeProto};
use tract_onnx::prelude::*;

/// Plans kept; a camera needs one per pyramid level and six batch sizes for each of the others.
const MAX_PLANS: usize = 64;

/// Pictures R- or O-Net sees at once. Batches are cut into powers of two, so that few plans serve every number.
const MAX_BATCH: usize = 32;

/// Runs the shipped networks on the CPU, in the calling thread.
///
/// The first picture of a new size costs some tens of milliseconds per pyramid level for preparation.
pub struct TractNets {
    models: [InferenceModel; 3],
    plans: HashMap<(Net, [usize; 4]), Arc<TypedRunnableModel>>,
}

impl TractNets {
    /// Reads the shipped ONNX files.
    ///
    /// # Errors
    /// When tract cannot read one.
    pub fn new() -> Result<TractNets, DetectError> {
        let read = |net: Net| {
            let onnx = tract_onnx::onnx();
            let model = onnx.proto_model_for_read(&mut net.onnx()).and_then(|mut proto| {
                spell_out_prelu(&mut proto);
                onnx.model_for_proto_model(&proto)
            });
            model.map_err(|e| DetectError::Engine { net, source: e.into() })
        };
        Ok(TractNets { models: [read(Net::P)?, read(Net::R)?, read(Net::O)?], plans: HashMap::new() })
    }

    fn plan(&mut self, net: Net, shape: [usize; 4]) -> TractResult<Arc<TypedRunnableModel>> {
        if let Some(plan) = self.plans.get(&(net, shape)) {
            return Ok(plan.clone());
        }
        if self.plans.len() >= MAX_PLANS {
            self.plans.clear();
        }
        let model = self.models[net as usize].clone().with_input_fact(0, f32::fact(shape).into())?;
        let plan = model.into_optimized()?.into_runnable()?;
        self.plans.insert((net, shape), plan.clone());
        Ok(plan)
    }

    fn batch(&mut self, net: Net, input: &[f32], shape: [usize; 4], into: &mut NetOutput) -> TractResult<()> {
        let plan = self.plan(net, shape)?;
        let outputs = plan.run(tvec!(Tensor::from_shape(&shape, input)?.into()))?;
        // The files list: offsets, (landmarks,) no face / face.
        let scores = outputs[outputs.len() - 1].view();
        into.face.extend(scores.as_slice::<f32>()?.iter().skip(1).step_by(2));
        into.offsets.extend(outputs[0].view().as_slice::<f32>()?.as_chunks().0);
        if net == Net::O {
            into.landmarks.extend(outputs[1].view().as_slice::<f32>()?.as_chunks().0);
        }
        Ok(())
    }
}

/// PReLU as what is above 0, plus the slope times the rest: four operations that tract has kernels for, in place of one that it does value
/// by value.
fn spell_out_prelu(proto: &mut ModelProto) {
    let Some(graph) = &mut proto.graph else { return };
    let mut nodes = Vec::with_capacity(graph.node.len());
    for node in graph.node.drain(..) {
        let ("PRelu", [x, slope], [y]) = (node.op_type.as_str(), node.input.as_slice(), node.output.as_slice()) else {
            nodes.push(node);
            continue;
        };
        let part = |name: &str| format!("{y}.{name}");
        let mut step = |op: &str, inputs: &[&str], output: String| {
            let input = inputs.iter().map(|i| (*i).to_owned()).collect();
            let (name, op_type) = (format!("{output}.{op}"), op.to_owned());
            nodes.push(NodeProto { input, output: vec![output], name, op_type, ..Default::default() });
        };
        step("Relu", &[x], part("above"));
        step("Sub", &[x, &part("above")], part("below"));
        step("Mul", &[&part("below"), slope], part("bent"));
        step("Add", &[&part("above"), &part("bent")], y.clone());
    }
    graph.node = nodes;
}

impl Nets for TractNets {
    fn run(&mut self, net: Net, input: &[f32], shape: [usize; 4]) -> Result<NetOutput, BoxError> {
        let mut output = NetOutput::default();
        let [mut left, columns, rows, channels] = shape;
        let mut rest = input;
        while left > 0 {
            let n = if left >= MAX_BATCH { MAX_BATCH } else { 1 << left.ilog2() };
            let (now, later) =
                rest.split_at_checked(n * columns * rows * channels).ok_or("input shorter than its shape")?;
            self.batch(net, now, [n, columns, rows, channels], &mut output)?;
            (left, rest) = (left - n, later);
        }
        Ok(output)
    }
}
