//! Linear layers, norms and attention on sequences of tokens.

use super::graph::{FLOAT, Graph, float, float_attribute, int, int_attribute, ints, node};
use crate::Fusion;
use crate::ops;
use crate::simd::Isa;
use tract_onnx::pb::AttributeProto;

/// Nodes on the way to one, what it reads and how; `value` is what the last of them makes.
struct Chain {
    used: Vec<usize>,
    inputs: Vec<String>,
    attributes: Vec<AttributeProto>,
    value: String,
}

impl Chain {
    fn take(&mut self, i: usize, value: &str) {
        self.used.push(i);
        self.value = value.to_owned();
    }

    /// The bias, when the next node adds one.
    fn bias(&mut self, graph: &Graph, columns: i64) {
        let Some((i, add)) = graph.next(&self.value, "Add") else { return };
        let Some(other) = add.input.iter().find(|n| **n != self.value) else { return };
        if graph.sides(other, FLOAT) == Some(&[columns]) {
            self.inputs.push(other.clone());
            self.attributes.push(int_attribute(ops::BIAS, 1));
            self.take(i, &add.output[0]);
        }
    }

    /// GELU, or something that is added.
    fn gelu_or_add(&mut self, graph: &Graph) {
        if let Some((used, value)) = gelu(graph, &self.value) {
            self.used.extend(used);
            self.value = value;
            self.attributes.push(int_attribute(ops::GELU, 1));
            return;
        }
        let Some((i, add)) = graph.next(&self.value, "Add") else { return };
        let Some(other) = add.input.iter().find(|n| **n != self.value) else { return };
        // A single number would be added everywhere.
        if graph.constant(other).is_none_or(|c| c.dims.len() == 3) {
            self.inputs.push(other.clone());
            self.attributes.push(int_attribute(ops::ADD, 1));
            self.take(i, &add.output[0]);
        }
    }

    /// Bytes, when that is what the next node makes.
    fn quantizer(&mut self, graph: &Graph) {
        let Some((i, scale, zero_point)) = graph.sole_reader(&self.value).and_then(|i| quantizer(graph, i)) else {
            return;
        };
        let value = graph.node(i, "QuantizeLinear").map(|n| n.output[0].clone()).unwrap_or_default();
        self.attributes.push(float_attribute(ops::SCALE, scale));
        self.attributes.push(int_attribute(ops::ZERO_POINT, i64::from(zero_point)));
        self.take(i, &value);
    }

    fn done(self, graph: &mut Graph, op: &str) -> Option<()> {
        let node = node(op, self.inputs, &self.value, self.attributes);
        graph.replace(&self.used, node);
        Some(())
    }
}

/// A `QuantizeLinear` of one scale to unsigned bytes.
pub(super) fn quantizer(graph: &Graph, i: usize) -> Option<(usize, f32, u8)> {
    let n = graph.node(i, "QuantizeLinear").filter(|n| n.input.len() == 3)?;
    Some((i, graph.scalar(&n.input[1])?, graph.byte(&n.input[2])?))
}

/// The nodes that are GELU of `value`, and what they make.
fn gelu(graph: &Graph, value: &str) -> Option<(Vec<usize>, String)> {
    if let Some((i, n)) = graph.next(value, "Gelu") {
        return n.attribute.is_empty().then(|| (vec![i], n.output[0].clone()));
    }
    let [a, b] = *graph.readers(value) else { return None };
    let (div, times) = if graph.op(a) == Some("Div") { (a, b) } else { (b, a) };
    let (divided, product) = (graph.node(div, "Div")?, graph.node(times, "Mul")?);
    let is = |name: &str, v: f32| graph.scalar(name) == Some(v);
    let (erf, e) = graph.next(&divided.output[0], "Erf")?;
    let (add, one) = graph.next(&e.output[0], "Add")?;
    let (last, half) = graph.next(&product.output[0], "Mul")?;
    let right = divided.input[0] == value
        && is(&divided.input[1], std::f32::consts::SQRT_2)
        && one.input.iter().any(|n| is(n, 1.0))
        && half.input.iter().any(|n| is(n, 0.5))
        && graph.sole_reader(&one.output[0]) == Some(times);
    right.then(|| (vec![div, erf, add, times, last], half.output[0].clone()))
}

/// `MatMul` with a weight, and what follows.
pub(super) fn linear(graph: &mut Graph, i: usize) -> Option<()> {
    let n = graph.node(i, "MatMul")?;
    let &[_, columns] = graph.sides(&n.input[1], FLOAT)? else { return None };
    let mut chain = Chain { used: vec![], inputs: n.input.clone(), attributes: vec![], value: String::new() };
    chain.take(i, &n.output[0]);
    chain.bias(graph, columns);
    chain.gelu_or_add(graph);
    chain.quantizer(graph);
    chain.done(graph, ops::LINEAR)
}

/// `MatMulInteger` with a weight, the scales, and what follows.
pub(super) fn linear_bytes(graph: &mut Graph, i: usize) -> Option<()> {
    let n = graph.node(i, "MatMulInteger").filter(|n| n.input.len() == 3)?;
    let &[rows, columns] = graph.weights(&n.input[1])? else { return None };
    let zero = graph.byte(&n.input[2])?;
    let (cast, c) = graph.next(&n.output[0], "Cast").filter(|(_, c)| int(c, "to") == Some(i64::from(FLOAT)))?;
    let (mul, m) = graph.next(&c.output[0], "Mul")?;
    let scale = m.input.iter().find(|n| **n != c.output[0])?;
    if rows % 4 != 0 || graph.sides(scale, FLOAT) != Some(&[columns]) {
        return None;
    }
    let inputs = vec![n.input[0].clone(), n.input[1].clone(), scale.clone()];
    let attributes = vec![int_attribute(ops::READS_ZERO_POINT, i64::from(zero))];
    let mut chain = Chain { used: vec![i, cast], inputs, attributes, value: String::new() };
    chain.take(mul, &m.output[0]);
    chain.bias(graph, columns);
    chain.gelu_or_add(graph);
    chain.quantizer(graph);
    chain.done(graph, ops::LINEAR_BYTES)
}

/// `LayerNormalization` over the last axis, and bytes.
pub(super) fn norm(graph: &mut Graph, i: usize, isa: Isa, which: Fusion) -> Option<()> {
    let n = graph.node(i, "LayerNormalization").filter(|n| n.input.len() == 3)?;
    let &[width] = graph.sides(&n.input[1], FLOAT)? else { return None };
    let fits = graph.sides(&n.input[2], FLOAT) == Some(&[width]) && width % isa.lanes() as i64 == 0;
    if !fits || int(n, "axis").unwrap_or(-1) != -1 {
        return None;
    }
    let epsilon = float_attribute(ops::EPSILON, float(n, "epsilon").unwrap_or(1e-5));
    let mut chain = Chain { used: vec![], inputs: n.input.clone(), attributes: vec![epsilon], value: String::new() };
    chain.take(i, &n.output[0]);
    if which.int8 {
        chain.quantizer(graph);
    }
    chain.done(graph, ops::NORM)
}

/// Heads apart, product, softmax, product, heads together; around the softmax at `i`.
pub(super) fn attention(graph: &mut Graph, i: usize, isa: Isa, which: Fusion) -> Option<()> {
    let softmax = graph.node(i, "Softmax").filter(|n| int(n, "axis") == Some(-1))?;
    let (first, scores) = graph.before(&softmax.input[0], "MatMul")?;
    let (second, mixed) = graph.next(&softmax.output[0], "MatMul").filter(|(_, m)| m.input[0] == softmax.output[0])?;
    let (together, t) = graph.next(&mixed.output[0], "Transpose").filter(|(_, t)| ints(t, "perm") == [0, 2, 1, 3])?;
    let (flat, f) = graph.next(&t.output[0], "Reshape")?;
    let mut used = vec![i, first, second, together];
    let mut inputs = Vec::new();
    let mut shapes = Vec::new();
    for (name, perm) in
        [(&scores.input[0], [0, 2, 1, 3]), (&scores.input[1], [0, 2, 3, 1]), (&mixed.input[1], [0, 2, 1, 3])]
    {
        let (turned, t) = graph.before(name, "Transpose").filter(|(_, t)| ints(t, "perm") == perm)?;
        let (apart, r) = graph.before(&t.input[0], "Reshape")?;
        used.extend([turned, apart]);
        inputs.push(r.input[0].clone());
        shapes.push(graph.integers(&r.input[1])?);
    }
    let &[1, queries, heads, width] = shapes[0].as_slice() else { return None };
    let &[1, keys, ..] = shapes[1].as_slice() else { return None };
    let same = shapes[1] == [1, keys, heads, width] && shapes[2] == shapes[1] && keys > 0;
    let back = graph.integers(&f.input[1])? == [1, queries, heads * width];
    if !same || !back || width % isa.lanes() as i64 != 0 {
        return None;
    }
    let attributes = vec![int_attribute(ops::HEADS, heads)];
    let value = f.output[0].clone();
    let mut chain = Chain { used, inputs, attributes, value: String::new() };
    chain.take(flat, &value);
    if which.int8 {
        chain.quantizer(graph);
    }
    chain.done(graph, ops::ATTENTION)
}

/// What becomes bytes and could not be fused with what makes it.
pub(super) fn bytes(graph: &mut Graph, i: usize) -> Option<()> {
    let (_, scale, zero_point) = quantizer(graph, i)?;
    let n = graph.node(i, "QuantizeLinear")?;
    let attributes = vec![float_attribute(ops::SCALE, scale), int_attribute(ops::ZERO_POINT, i64::from(zero_point))];
    let node = node(ops::TO_BYTES, vec![n.input[0].clone()], &n.output[0], attributes);
    graph.replace(&[i], node);
    Some(())
}
