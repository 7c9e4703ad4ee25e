//! The convolutional stem, channels last from the clip's bytes to the tokens. All of it, or nothing: what is channels last in one
//! node must be so in the next.

use super::graph::{FLOAT, Graph, int, int_attribute, ints, ints_attribute, node};
use crate::ops;
use std::collections::HashSet;
use tract_onnx::pb::NodeProto;

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

/// Does it, where the whole stem can be done.
pub(super) fn fuse(graph: &mut Graph) {
    let Some((steps, tokens)) = plan(graph) else { return };
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

fn plan(graph: &Graph) -> Option<(Vec<Step>, Tokens)> {
    let start = (0..graph.len()).find_map(|i| pixels(graph, i))?;
    let mut maps = HashSet::from([start.node.output[0].clone()]);
    let mut used: HashSet<usize> = start.used.iter().copied().collect();
    let mut steps = vec![start];
    for i in 0..graph.len() {
        if let Some(step) = convolution(graph, i, &maps) {
            maps.insert(step.node.output[0].clone());
            used.extend(&step.used);
            steps.push(step);
        }
    }
    let mut ends = maps.iter().filter_map(|map| tokens(graph, map));
    let end = ends.next()?;
    used.extend(end.used);
    let whole = ends.next().is_none()
        && steps.len() > 1
        && maps.iter().all(|map| !graph.is_output(map) && graph.readers(map).iter().all(|r| used.contains(r)));
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

/// A convolution of a map, what is added to it, and ReLU.
fn convolution(graph: &Graph, i: usize, maps: &HashSet<String>) -> Option<Step> {
    let n = graph.node(i, "Conv").filter(|n| n.input.len() == 3 && maps.contains(&n.input[0]))?;
    let &[outputs, _, 3, 3] = graph.sides(&n.input[1], FLOAT)? else { return None };
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
    let (mut used, mut inputs, mut value) = (vec![i], n.input.clone(), n.output[0].clone());
    let mut attributes = vec![int_attribute(ops::STRIDE, strides[0])];
    if let Some((add, a)) = graph.next(&value, "Add")
        && let Some(other) = a.input.iter().find(|n| **n != value && maps.contains(*n))
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
    Some(Step { used, node: node(ops::CONV, inputs, &value, attributes) })
}

fn tokens(graph: &Graph, map: &str) -> Option<Tokens> {
    let (reshape, r) = graph.next(map, "Reshape")?;
    let shape = <[i64; 5]>::try_from(graph.integers(&r.input[1])?).ok()?;
    let (turn, t) = graph.next(&r.output[0], "Transpose").filter(|(_, t)| ints(t, "perm") == [0, 3, 4, 1, 2])?;
    graph.next(&t.output[0], "Reshape")?;
    let names = [r.output[0].clone(), t.output[0].clone()];
    Some(Tokens { map: map.to_owned(), used: [reshape, turn], names, shape })
}
