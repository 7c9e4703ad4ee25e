//! Nodes and constants of a graph under construction.

use super::int8::{Activation, RoundedWeight, ZERO_POINT};
use super::proto::{Attribute, FLOAT, Graph, INT8, INT64, Node, Tensor, UINT8, ValueInfo};
use std::collections::HashMap;

/// Where a projection's constants stand, so that a later operation can be folded into them.
#[derive(Debug, Clone, Copy)]
struct Affine {
    weight: usize,
    bias: usize,
}

#[derive(Debug, Default)]
pub(super) struct Builder {
    nodes: Vec<Node>,
    constants: Vec<Tensor>,
    shapes: HashMap<Vec<i64>, String>,
    affine: HashMap<String, Affine>,
    /// Values that were made bytes, by name, bits of the scale and zero point: queries, keys and values share one.
    bytes_of: HashMap<(String, u32, u8), Bytes>,
}

/// A value as unsigned bytes, and by what a product with them is multiplied when each token has its own scale.
#[derive(Debug, Clone)]
struct Bytes {
    name: String,
    token_scale: Option<String>,
}

impl Builder {
    /// Adds a node with one output; returns the output's name.
    pub(super) fn node(&mut self, op: &str, inputs: &[&str], attribute: Vec<Attribute>) -> String {
        let name = format!("{}_{}", op.to_lowercase(), self.nodes.len());
        let input = inputs.iter().map(|i| (*i).to_owned()).collect();
        let output = vec![name.clone()];
        self.nodes.push(Node { input, output, name: name.clone(), op_type: op.into(), attribute });
        name
    }

    /// Adds a constant of f32; returns its name.
    pub(super) fn constant(&mut self, name: &str, shape: &[usize], values: impl Iterator<Item = f32>) -> String {
        let len: usize = shape.iter().product();
        let mut raw_data = Vec::with_capacity(len * 4);
        values.for_each(|v| raw_data.extend_from_slice(&v.to_le_bytes()));
        debug_assert_eq!(raw_data.len(), len * 4, "{name}");
        self.raw_constant(name, shape, FLOAT, raw_data)
    }

    fn raw_constant(&mut self, name: &str, shape: &[usize], data_type: i32, raw_data: Vec<u8>) -> String {
        let dims = shape.iter().map(|&d| d as i64).collect();
        self.constants.push(Tensor { dims, data_type, name: name.into(), raw_data });
        name.into()
    }

    /// How many constants there are; makes names of the next ones unique.
    pub(super) fn constant_count(&self) -> usize {
        self.constants.len()
    }

    /// A shape or a list of axes as a constant, shared among nodes.
    pub(super) fn integers(&mut self, values: &[i64]) -> String {
        if let Some(name) = self.shapes.get(values) {
            return name.clone();
        }
        let name = format!("integers_{}", self.shapes.len());
        let raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let dims = vec![values.len() as i64];
        self.constants.push(Tensor { dims, data_type: INT64, name: name.clone(), raw_data });
        self.shapes.insert(values.to_vec(), name.clone());
        name
    }

    pub(super) fn reshape(&mut self, x: &str, shape: &[usize]) -> String {
        let shape: Vec<i64> = shape.iter().map(|&d| d as i64).collect();
        let shape = self.integers(&shape);
        self.node("Reshape", &[x, &shape], vec![])
    }

    pub(super) fn transpose(&mut self, x: &str, perm: &[i64]) -> String {
        self.node("Transpose", &[x], vec![Attribute::ints("perm", perm)])
    }

    /// `x W + b` with `weight` `[inputs, outputs]` row by row.
    pub(super) fn affine(
        &mut self,
        x: &str,
        name: &str,
        (inputs, outputs): (usize, usize),
        weight: impl Iterator<Item = f32>,
        bias: Option<Vec<f32>>,
    ) -> String {
        let at = self.constants.len();
        let w = self.constant(&format!("{name}.weight"), &[inputs, outputs], weight);
        let y = self.node("MatMul", &[x, &w], vec![]);
        let Some(bias) = bias else { return y };
        let b = self.constant(&format!("{name}.bias"), &[outputs], bias.into_iter());
        let y = self.node("Add", &[&y, &b], vec![]);
        self.affine.insert(y.clone(), Affine { weight: at, bias: at + 1 });
        y
    }

    /// The same with the product in int8: bytes times `weight`, then the scales, then the bias. What belongs to an output
    /// channel (its weight's scale, and the activation's when that is one number) is one constant.
    pub(super) fn affine_int8(
        &mut self,
        x: &str,
        name: &str,
        weight: &RoundedWeight,
        bias: Option<Vec<f32>>,
        (activation, opset): (Activation, u32),
    ) -> String {
        let bytes = self.bytes_of(x, activation, opset);
        let sides = [weight.inputs, weight.outputs];
        let raw = weight.values.iter().map(|v| v.to_le_bytes()[0]).collect();
        let w = self.raw_constant(&format!("{name}.weight"), &sides, INT8, raw);
        let zero = self.zero_point(activation.zero_point());
        let y = self.node("MatMulInteger", &[&bytes.name, &w, &zero], vec![]);
        let y = self.node("Cast", &[&y], vec![Attribute::int("to", i64::from(FLOAT))]);
        let at = self.constants.len();
        let shared = activation.scale().unwrap_or(1.0);
        let scales = weight.scales.iter().map(|s| s * shared);
        let s = self.constant(&format!("{name}.scale"), &[weight.outputs], scales);
        let mut y = self.node("Mul", &[&y, &s], vec![]);
        if let Some(token_scale) = &bytes.token_scale {
            y = self.node("Mul", &[&y, token_scale], vec![]);
        }
        let Some(bias) = bias else { return y };
        let b = self.constant(&format!("{name}.bias"), &[weight.outputs], bias.into_iter());
        let y = self.node("Add", &[&y, &b], vec![]);
        self.affine.insert(y.clone(), Affine { weight: at, bias: at + 1 });
        y
    }

    /// `x` as the bytes of a static range make it again: floats that are whole steps of the scale.
    pub(super) fn through_bytes(&mut self, x: &str, activation: Activation, opset: u32) -> String {
        let bytes = self.bytes_of(x, activation, opset);
        let scale = self.constant(&format!("{}.scale", bytes.name), &[], activation.scale().into_iter());
        let zero = self.zero_point(activation.zero_point());
        self.node("DequantizeLinear", &[&bytes.name, &scale, &zero], vec![])
    }

    /// A weight of bytes with its outputs first, as floats that are whole steps of each output's scale.
    pub(super) fn rounded(&mut self, name: &str, shape: &[usize], weight: &RoundedWeight) -> String {
        let raw = weight.values.iter().map(|v| v.to_le_bytes()[0]).collect();
        let w = self.raw_constant(&format!("{name}.weight"), shape, INT8, raw);
        let s = self.constant(&format!("{name}.scale"), &[weight.outputs], weight.scales.iter().copied());
        self.node("DequantizeLinear", &[&w, &s], vec![Attribute::int("axis", 0)])
    }

    fn zero_point(&mut self, value: u8) -> String {
        let name = format!("zero_point_{value}");
        if !self.constants.iter().any(|c| c.name == name) {
            self.raw_constant(&name, &[], UINT8, vec![value]);
        }
        name
    }

    fn bytes_of(&mut self, x: &str, activation: Activation, opset: u32) -> Bytes {
        // A scale of zero is no static one.
        let key = (x.to_owned(), activation.scale().unwrap_or(0.0).to_bits(), activation.zero_point());
        if let Some(bytes) = self.bytes_of.get(&key) {
            return bytes.clone();
        }
        let bytes = match activation {
            Activation::Static { scale, zero_point } => {
                let s = format!("bytes_{}.scale", self.bytes_of.len());
                let s = self.constant(&s, &[], std::iter::once(scale));
                let zero = self.zero_point(zero_point);
                Bytes { name: self.node("QuantizeLinear", &[x, &s, &zero], vec![]), token_scale: None }
            }
            Activation::Dynamic => self.bytes_by_token(x, opset),
        };
        self.bytes_of.insert(key, bytes.clone());
        bytes
    }

    /// Each token by its largest value, in plain operations: `DynamicQuantizeLinear` has one scale for all of them.
    fn bytes_by_token(&mut self, x: &str, opset: u32) -> Bytes {
        let tag = format!("bytes_{}", self.bytes_of.len());
        let mut scalar = |part: &str, v: f32| self.constant(&format!("{tag}.{part}"), &[], std::iter::once(v));
        let (step, least, middle) =
            (scalar("step", 1.0 / 127.0), scalar("least", 1e-12), scalar("middle", f32::from(ZERO_POINT)));
        let size = self.node("Abs", &[x], vec![]);
        let top = if opset >= 18 {
            let axes = self.integers(&[-1]);
            self.node("ReduceMax", &[&size, &axes], vec![Attribute::int("keepdims", 1)])
        } else {
            self.node("ReduceMax", &[&size], vec![Attribute::ints("axes", &[-1]), Attribute::int("keepdims", 1)])
        };
        let scale = self.node("Mul", &[&top, &step], vec![]);
        // A token of zeros must not be divided by zero.
        let scale = self.node("Max", &[&scale, &least], vec![]);
        let y = self.node("Div", &[x, &scale], vec![]);
        let y = self.node("Round", &[&y], vec![]);
        let y = self.node("Add", &[&y, &middle], vec![]);
        let name = self.node("Cast", &[&y], vec![Attribute::int("to", i64::from(UINT8))]);
        Bytes { name, token_scale: Some(scale) }
    }

    /// Multiplies `x` by `factor`: inside the projection that makes it when nothing reads that yet, else by a node.
    pub(super) fn scaled(&mut self, x: &str, factor: f32) -> String {
        let unread = !self.nodes.iter().any(|n| n.input.iter().any(|i| i == x));
        if let Some(affine) = self.affine.remove(x).filter(|_| unread) {
            for at in [affine.weight, affine.bias] {
                for bytes in self.constants[at].raw_data.as_chunks_mut::<4>().0 {
                    *bytes = (f32::from_le_bytes(*bytes) * factor).to_le_bytes();
                }
            }
            return x.to_owned();
        }
        let name = format!("factor_{}", self.nodes.len());
        let c = self.constant(&name, &[], std::iter::once(factor));
        self.node("Mul", &[x, &c], vec![])
    }

    /// How many nodes read a value.
    pub(super) fn readers(&self, value: &str) -> usize {
        self.nodes.iter().filter(|n| n.input.iter().any(|i| i == value)).count()
    }

    /// Adds `table` (`[rows, width]`) to `x`, which must be what [`Builder::affine`] made last: one constant holds both.
    pub(super) fn add_table(&mut self, x: &str, rows: usize, table: &[f32]) -> String {
        let width = table.len() / rows;
        let last = self.nodes.last().map(|n| n.output[0].as_str());
        let fold = self.affine.remove(x).filter(|_| last == Some(x));
        let Some(affine) = fold else {
            let t = self.constant("positions", &[1, rows, width], table.iter().copied());
            return self.node("Add", &[x, &t], vec![]);
        };
        let raw = std::mem::take(&mut self.constants[affine.bias].raw_data);
        let bias: Vec<f32> = raw.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        let sums = table.iter().enumerate().flat_map(|(i, t)| (t + bias[i % width]).to_le_bytes()).collect();
        self.constants[affine.bias].raw_data = sums;
        self.constants[affine.bias].dims = vec![1, rows as i64, width as i64];
        x.to_owned()
    }

    /// Makes `x` one more output, under its own name.
    pub(super) fn tap(x: &str, shape: &[usize]) -> ValueInfo {
        ValueInfo::new(x, FLOAT, shape)
    }

    /// Makes `x` an output of the graph.
    pub(super) fn output(&mut self, x: &str, name: &str, shape: &[usize]) -> ValueInfo {
        let y = self.reshape(x, shape);
        if let Some(node) = self.nodes.last_mut() {
            debug_assert_eq!(node.output[0], y);
            node.output[0] = name.into();
        }
        ValueInfo::new(name, FLOAT, shape)
    }

    pub(super) fn graph(self, name: &str, input: ValueInfo, output: Vec<ValueInfo>) -> Graph {
        Graph { node: self.nodes, name: name.into(), initializer: self.constants, input: vec![input], output }
    }
}
