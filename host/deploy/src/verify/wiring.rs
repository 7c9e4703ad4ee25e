//! Who makes and who reads each value of an ONNX graph.

use super::traps::{FLOAT, FLOAT16};
use half::f16;
use std::collections::HashMap;
use tract_onnx::pb::{GraphProto, NodeProto, TensorProto};

/// A graph's nodes by what they make and read, and its constants.
pub(super) struct Wiring<'a> {
    pub graph: &'a GraphProto,
    makers: HashMap<&'a str, &'a NodeProto>,
    readers: HashMap<&'a str, Vec<&'a NodeProto>>,
    constants: HashMap<&'a str, &'a TensorProto>,
}

impl<'a> Wiring<'a> {
    pub fn new(graph: &'a GraphProto) -> Wiring<'a> {
        let mut wiring = Wiring { graph, makers: HashMap::new(), readers: HashMap::new(), constants: HashMap::new() };
        wiring.constants.extend(graph.initializer.iter().map(|t| (t.name.as_str(), t)));
        for node in &graph.node {
            for name in node.output.iter().filter(|n| !n.is_empty()) {
                wiring.makers.insert(name, node);
                if let ("Constant", Some(tensor)) = (node.op_type.as_str(), value_of(node)) {
                    wiring.constants.insert(name, tensor);
                }
            }
            for name in node.input.iter().filter(|n| !n.is_empty()) {
                wiring.readers.entry(name).or_default().push(node);
            }
        }
        wiring
    }

    /// The node that makes input `i` of `node`.
    pub fn maker(&self, node: &NodeProto, i: usize) -> Option<&'a NodeProto> {
        self.makers.get(node.input.get(i)?.as_str()).copied()
    }

    /// The nodes that make the inputs of `node`.
    pub fn makers(&self, node: &NodeProto) -> impl Iterator<Item = &'a NodeProto> {
        node.input.iter().filter_map(|name| self.makers.get(name.as_str()).copied()).collect::<Vec<_>>().into_iter()
    }

    /// The nodes that read what `node` makes.
    pub fn readers(&self, node: &NodeProto) -> impl Iterator<Item = &'a NodeProto> {
        let of = |name: &String| self.readers.get(name.as_str()).cloned().unwrap_or_default();
        node.output.iter().flat_map(of).collect::<Vec<_>>().into_iter()
    }

    /// Input `i` of `node`, where it is a constant.
    pub fn constant(&self, node: &NodeProto, i: usize) -> Option<&'a TensorProto> {
        self.constants.get(node.input.get(i)?.as_str()).copied()
    }

    /// The only number of a constant input of `node` that has one, as f32.
    pub fn scalars(&self, node: &NodeProto) -> Vec<f32> {
        (0..node.input.len()).filter_map(|i| scalar(self.constant(node, i)?)).collect()
    }

    /// The nodes of an operator.
    pub fn of(&self, op: &str) -> impl Iterator<Item = &'a NodeProto> {
        let graph = self.graph;
        graph.node.iter().filter(move |n| n.op_type == op)
    }
}

fn value_of(node: &NodeProto) -> Option<&TensorProto> {
    node.attribute.iter().find(|a| a.name == "value").and_then(|a| a.t.as_ref())
}

fn scalar(tensor: &TensorProto) -> Option<f32> {
    if tensor.dims.iter().product::<i64>() != 1 {
        return None;
    }
    match tensor.data_type {
        FLOAT => {
            let raw = tensor.raw_data.first_chunk().map(|b| f32::from_le_bytes(*b));
            raw.or_else(|| tensor.float_data.first().copied())
        }
        FLOAT16 => tensor.raw_data.first_chunk().map(|b| f16::from_le_bytes(*b).to_f32()),
        _ => None,
    }
}

/// How many values a tensor holds.
pub(super) fn len(tensor: &TensorProto) -> i64 {
    tensor.dims.iter().product()
}
