//! The convolutional stem, channels last from the clip's bytes to the tokens. All of it, or nothing: what is channels last in one
//! node must be so in the next.

use super::graph::{FLOAT, Graph, INT8, float_attribute, int, int_attribute, ints, ints_attribute, node};
use super::sequence::quantizer;
use crate::ops;
use std::collections::{HashMap, HashSet};
use tract_onnx::pb::{AttributeProto, NodeProto};

/// Nodes that go, and what comes in their place.
struct Step {
    used: Vec<usize>,
    node: NodeProto,
}

/// Where tokens are made of the last map: reshape, transpose, reshape.
struct Tokens {
    map: String,
    used: [usize; 2],
    names: [String; 2],
    /// Times, frames a token, channels, height, width.
    shape: [i64; 5],
}

/// Maps that are channels last: of floats, and of bytes with the scale and the zero point that made them.
#[derive(Default)]
struct Maps {
    floats: HashSet<String>,
    bytes: HashMap<String, (f32, u8)>,
}

impl Maps {
    fn all(&self) -> impl Iterator<Item = &String> {
        self.floats.iter().chain(self.bytes.keys())
    }
}

/// Does it, where the whole stem can be done; `int8` says whether that is so for convolutions of bytes.
pub(super) fn fuse(graph: &mut Graph, int8: bool) {
    let Some((steps, tokens)) = plan(graph, int8) else { return };
    for step in steps {
        graph.replace(&step.used, step.node);
    }
    let [t, pair, c, h, w] = tokens.shape;
    let shape = graph.shape(&[t, pair, h, w, c]);
    let [reshaped, turned] = &tokens.names;
    graph.replace(&tokens.used[..1], node("Reshape", vec![tokens.map, shape], reshaped, vec![]));
    let perm = vec![ints_attribute("perm", &[0, 2, 3, 1, 4])];
    graph.replace(&tokens.used[1..], node("Transpose", vec![reshaped.clone()], turned, perm));
}

fn plan(graph: &Graph, int8: bool) -> Option<(Vec<Step>, Tokens)> {
    let start = (0..graph.len()).find_map(|i| pixels(graph, i))?;
    let mut maps = Maps::default();
    maps.floats.insert(start.node.output[0].clone());
    let mut used: HashSet<usize> = start.used.iter().copied().collect();
    let mut steps = vec![start];
    for i in 0..graph.len() {
        if used.contains(&i) {
            continue;
        }
        let step = convolution(graph, i, &mut maps).or_else(|| if int8 { to_bytes(graph, i, &mut maps) } else { None });
        if let Some(step) = step {
            used.extend(&step.used);
            steps.push(step);
        }
    }
    let mut ends = maps.floats.iter().filter_map(|map| tokens(graph, map));
    let end = ends.next()?;
    used.extend(end.used);
    let whole = ends.next().is_none()
        && steps.len() > 1
        && maps.all().all(|map| !graph.is_output(map) && graph.readers(map).iter().all(|r| used.contains(r)));
    whole.then_some((steps, end))
}

/// Channels moved forward, bytes to floats, the mean taken away.
fn pixels(graph: &Graph, i: usize) -> Option<Step> {
    let turn = graph.node(i, "Transpose").filter(|n| ints(n, "perm") == [0, 3, 1, 2])?;
    let (cast, c) = graph.next(&turn.output[0], "Cast").filter(|(_, c)| int(c, "to") == Some(i64::from(FLOAT)))?;
    let (sub, s) = graph.next(&c.output[0], "Sub").filter(|(_, s)| s.input[0] == c.output[0])?;
    let &[1, 3, 1, 1] = graph.sides(&s.input[1], FLOAT)? else { return None };
    let node = node(ops::PIXELS, vec![turn.input[0].clone(), s.input[1].clone()], &s.output[0], vec![]);
    Some(Step { used: vec![i, cast, sub], node })
}

/// What a convolution reads and multiplies with, and the nodes before it that go.
struct Operands {
    op: &'static str,
    used: Vec<usize>,
    inputs: Vec<String>,
    attributes: Vec<AttributeProto>,
}

/// A map of floats and a weight of floats; or bytes and weights of bytes, both of which become floats on the way.
fn operands(graph: &Graph, n: &NodeProto, maps: &Maps) -> Option<Operands> {
    if maps.floats.contains(&n.input[0]) {
        let &[_, _, 3, 3] = graph.sides(&n.input[1], FLOAT)? else { return None };
        return Some(Operands { op: ops::CONV, used: vec![], inputs: n.input.clone(), attributes: vec![] });
    }
    let (x, from) = graph.before(&n.input[0], "DequantizeLinear").filter(|(_, d)| d.input.len() == 3)?;
    let (w, weight) = graph.before(&n.input[1], "DequantizeLinear").filter(|(_, d)| d.input.len() == 2)?;
    let &(scale, zero_point) = maps.bytes.get(&from.input[0])?;
    let same = graph.scalar(&from.input[1]) == Some(scale) && graph.byte(&from.input[2]) == Some(zero_point);
    let &[outputs, channels, 3, 3] = graph.weights(&weight.input[0])? else { return None };
    let by_output = graph.sides(&weight.input[1], FLOAT) == Some(&[outputs]) && int(weight, "axis") == Some(0);
    if !same || !by_output || channels % 4 != 0 {
        return None;
    }
    Some(Operands {
        op: ops::CONV_BYTES,
        used: vec![x, w],
        inputs: vec![from.input[0].clone(), weight.input[0].clone(), weight.input[1].clone(), n.input[2].clone()],
        attributes: vec![
            float_attribute(ops::READS_SCALE, scale),
            int_attribute(ops::READS_ZERO_POINT, i64::from(zero_point)),
        ],
    })
}

/// A convolution of a map, what is added to it, ReLU, and bytes, where that is all it is wanted for.
fn convolution(graph: &Graph, i: usize, maps: &mut Maps) -> Option<Step> {
    let n = graph.node(i, "Conv").filter(|n| n.input.len() == 3)?;
    let Operands { op, mut used, mut inputs, mut attributes } = operands(graph, n, maps)?;
    let outputs = graph.sides(&inputs[1], if op == ops::CONV { FLOAT } else { INT8 })?[0];
    let (strides, dilations) = (ints(n, "strides"), ints(n, "dilations"));
    let right = ints(n, "pads") == [1; 4]
        && [[1; 2], [2; 2]].iter().any(|s| strides == s)
        && (dilations.is_empty() || dilations == [1; 2])
        && int(n, "group").unwrap_or(1) == 1
        && n.attribute.iter().all(|a| a.name != "auto_pad")
        && graph.sides(&n.input[2], FLOAT) == Some(&[outputs]);
    if !right {
        return None;
    }
    used.push(i);
    attributes.push(int_attribute(ops::STRIDE, strides[0]));
    let mut value = n.output[0].clone();
    if let Some((add, a)) = graph.next(&value, "Add")
        && let Some(other) = a.input.iter().find(|n| **n != value && maps.floats.contains(*n))
    {
        inputs.push(other.clone());
        attributes.push(int_attribute(ops::ADD, 1));
        used.push(add);
        value = a.output[0].clone();
    }
    if let Some((relu, r)) = graph.next(&value, "Relu") {
        attributes.push(int_attribute(ops::RELU, 1));
        used.push(relu);
        value = r.output[0].clone();
    }
    let bytes = graph.sole_reader(&value).and_then(|q| quantizer(graph, q)).filter(|_| op == ops::CONV_BYTES);
    if let Some((q, scale, zero_point)) = bytes {
        attributes.push(float_attribute(ops::SCALE, scale));
        attributes.push(int_attribute(ops::ZERO_POINT, i64::from(zero_point)));
        used.push(q);
        value = graph.node(q, "QuantizeLinear")?.output[0].clone();
        maps.bytes.insert(value.clone(), (scale, zero_point));
    } else {
        maps.floats.insert(value.clone());
    }
    Some(Step { used, node: node(op, inputs, &value, attributes) })
}

/// A map that becomes bytes and is read as floats, too.
fn to_bytes(graph: &Graph, i: usize, maps: &mut Maps) -> Option<Step> {
    let (_, scale, zero_point) = quantizer(graph, i)?;
    let n = graph.node(i, "QuantizeLinear").filter(|n| maps.floats.contains(&n.input[0]))?;
    let attributes = vec![float_attribute(ops::SCALE, scale), int_attribute(ops::ZERO_POINT, i64::from(zero_point))];
    maps.bytes.insert(n.output[0].clone(), (scale, zero_point));
    Some(Step { used: vec![i], node: node(ops::TO_BYTES, vec![n.input[0].clone()], &n.output[0], attributes) })
}

fn tokens(graph: &Graph, map: &str) -> Option<Tokens> {
    let (reshape, r) = graph.next(map, "Reshape")?;
    let shape = <[i64; 5]>::try_from(graph.integers(&r.input[1])?).ok()?;
    let (turn, t) = graph.next(&r.output[0], "Transpose").filter(|(_, t)| ints(t, "perm") == [0, 3, 4, 1, 2])?;
    graph.next(&t.output[0], "Reshape")?;
    let names = [r.output[0].clone(), t.output[0].clone()];
    Some(Tokens { map: map.to_owned(), used: [reshape, turn], names, shape })
}
