//! The graph with its matrix products in f16.
//!
//! ```text
//! x f32 -> norm f32 -> Cast -> MatMul f16 -> + bias f16 -> GELU f16 -> MatMul f16 -> + bias f16 -> Cast -> + x f32
//! ```
//!
//! Products, convolutions, their weights and biases, and what is element by element between them are f16. Norms, softmax, means, the
//! sums of residuals and the heads stay f32: a norm or a long sum in f16 overflows, and a head is the answer itself.

use super::EmitError;
use super::emitter::HEADS;
use super::proto::{Attribute, FLOAT, FLOAT16, Graph, Node, Tensor};
use half::f16;
use std::collections::{BTreeMap, BTreeSet};

/// Operators that take the number format of what they read.
const FOLLOW: [&str; 8] = ["Add", "Div", "Erf", "Gelu", "Mul", "Relu", "Reshape", "Transpose"];

/// Writes a graph of f32 anew, with its products in f16. Inputs and outputs keep their formats.
///
/// # Errors
/// When a weight is beyond what f16 holds.
pub(super) fn in_half(graph: Graph) -> Result<Graph, EmitError> {
    let constants: BTreeMap<&str, &Tensor> = graph.initializer.iter().map(|c| (c.name.as_str(), c)).collect();
    let outputs: BTreeSet<&str> = graph.output.iter().map(|o| o.name.as_str()).collect();
    let formats = Formats::of(&graph, &constants, &outputs);
    let mut nodes = Casts::default();
    for (node, half) in graph.node.iter().zip(&formats.nodes) {
        nodes.push(node, *half, &constants, &formats);
    }
    let mut initializer = Vec::with_capacity(graph.initializer.len());
    for constant in &graph.initializer {
        let (half, full) = (nodes.halved.contains(&constant.name), nodes.full.contains(&constant.name));
        if half {
            initializer.push(halved(constant)?);
        }
        if full || !half {
            initializer.push(constant.clone());
        }
    }
    Ok(Graph { node: nodes.nodes, initializer, ..graph })
}

/// Which nodes compute in f16, and which values are f16.
struct Formats {
    nodes: Vec<bool>,
    values: BTreeSet<String>,
}

impl Formats {
    fn of(graph: &Graph, constants: &BTreeMap<&str, &Tensor>, outputs: &BTreeSet<&str>) -> Formats {
        let mut formats = Formats { nodes: Vec::with_capacity(graph.node.len()), values: BTreeSet::new() };
        // What convolutions make: sums of those are maps, not residuals that grow through a whole encoder.
        let mut maps: BTreeSet<&str> = BTreeSet::new();
        for node in &graph.node {
            let variable: Vec<&str> =
                node.input.iter().map(String::as_str).filter(|i| !constants.contains_key(i)).collect();
            let of_maps = !variable.is_empty() && variable.iter().all(|i| maps.contains(i));
            if node.op_type == "Conv" || (of_maps && matches!(node.op_type.as_str(), "Add" | "Relu")) {
                maps.extend(node.output.iter().map(String::as_str));
            }
            let residual = node.op_type == "Add" && variable.len() > 1 && !of_maps;
            let half = match node.op_type.as_str() {
                "Conv" => true,
                "MatMul" => !node.input.iter().any(|i| i.starts_with(HEADS)),
                op if FOLLOW.contains(&op) && !residual => {
                    !variable.is_empty() && variable.iter().all(|i| formats.values.contains(*i))
                }
                _ => false,
            } && !node.output.iter().any(|o| outputs.contains(o.as_str()));
            if half {
                formats.values.extend(node.output.iter().cloned());
            }
            formats.nodes.push(half);
        }
        formats
    }
}

/// The nodes of the new graph, with a cast wherever a value is read in another format than it is made in.
#[derive(Default)]
struct Casts {
    nodes: Vec<Node>,
    made: BTreeSet<String>,
    /// Constants that are read in f16, by their name in the old graph.
    halved: BTreeSet<String>,
    /// Those that are read as they were.
    full: BTreeSet<String>,
}

impl Casts {
    fn push(&mut self, node: &Node, half: bool, constants: &BTreeMap<&str, &Tensor>, formats: &Formats) {
        let mut node = node.clone();
        for input in &mut node.input {
            match constants.get(input.as_str()) {
                Some(constant) if half && constant.data_type == FLOAT => {
                    self.halved.insert(input.clone());
                    *input = half_name(input);
                }
                Some(_) => {
                    self.full.insert(input.clone());
                }
                None if formats.values.contains(input) != half => {
                    *input = self.cast(input, half);
                }
                None => {}
            }
        }
        self.nodes.push(node);
    }

    fn cast(&mut self, value: &str, half: bool) -> String {
        let (format, name) = if half { (FLOAT16, half_name(value)) } else { (FLOAT, format!("{value}.f32")) };
        if self.made.insert(name.clone()) {
            self.nodes.push(Node {
                input: vec![value.to_owned()],
                output: vec![name.clone()],
                name: name.clone(),
                op_type: "Cast".into(),
                attribute: vec![Attribute::int("to", i64::from(format))],
            });
        }
        name
    }
}

fn half_name(name: &str) -> String {
    format!("{name}.f16")
}

fn halved(constant: &Tensor) -> Result<Tensor, EmitError> {
    let mut raw_data = Vec::with_capacity(constant.raw_data.len() / 2);
    for bytes in constant.raw_data.as_chunks::<4>().0 {
        let value = f32::from_le_bytes(*bytes);
        let rounded = f16::from_f32(value);
        if !rounded.is_finite() {
            return Err(EmitError::Half { name: constant.name.clone(), value });
        }
        raw_data.extend_from_slice(&rounded.to_le_bytes());
    }
    let name = half_name(&constant.name);
    Ok(Tensor { dims: constant.dims.clone(), data_type: FLOAT16, name, raw_data })
}

#[cfg(test)]
mod tests {
    use super::super::proto::{UINT8, ValueInfo};
    use super::*;

    fn node(op: &str, inputs: &[&str], output: &str) -> Node {
        let input = inputs.iter().map(|i| (*i).to_owned()).collect();
        Node { input, output: vec![output.into()], name: output.into(), op_type: op.into(), attribute: vec![] }
    }

    fn constant(name: &str, value: f32) -> Tensor {
        Tensor { dims: vec![1], data_type: FLOAT, name: name.into(), raw_data: value.to_le_bytes().to_vec() }
    }

    fn graph(weight: f32) -> Graph {
        Graph {
            node: vec![
                node("Transpose", &["clip"], "turned"),
                node("Cast", &["turned"], "pixels"),
                node("MatMul", &["pixels", "w"], "product"),
                node("Add", &["product", "b"], "x"),
                node("LayerNormalization", &["x", "b", "b"], "normed"),
                node("MatMul", &["normed", "w"], "q"),
                node("MatMul", &["normed", "w"], "k"),
                node("MatMul", &["q", "k"], "scores"),
                node("Softmax", &["scores"], "shares"),
                node("MatMul", &["shares", "q"], "mixed"),
                node("Add", &["x", "mixed"], "sum"),
                node("MatMul", &["sum", "heads.a.weight"], "answer"),
                node("Reshape", &["answer", "shape"], "logits"),
            ],
            name: "a".into(),
            initializer: vec![constant("w", weight), constant("b", 1.0), constant("heads.a.weight", 1e9)],
            input: vec![ValueInfo::new("clip", UINT8, &[1])],
            output: vec![ValueInfo::new("logits", FLOAT, &[1])],
        }
    }

    #[test]
    fn products_are_half_and_the_rest_is_not() {
        let made = in_half(graph(2.0)).unwrap();
        let lines: Vec<String> =
            made.node.iter().map(|n| format!("{} = {} {}", n.output[0], n.op_type, n.input.join(" "))).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        turned = Transpose clip
        pixels = Cast turned
        pixels.f16 = Cast pixels
        product = MatMul pixels.f16 w.f16
        x = Add product b.f16
        x.f32 = Cast x
        normed = LayerNormalization x.f32 b b
        normed.f16 = Cast normed
        q = MatMul normed.f16 w.f16
        k = MatMul normed.f16 w.f16
        scores = MatMul q k
        scores.f32 = Cast scores
        shares = Softmax scores.f32
        shares.f16 = Cast shares
        mixed = MatMul shares.f16 q
        mixed.f32 = Cast mixed
        sum = Add x.f32 mixed.f32
        answer = MatMul sum heads.a.weight
        logits = Reshape answer shape
        ");
        let constants: Vec<_> =
            made.initializer.iter().map(|c| (c.name.as_str(), c.data_type, c.raw_data.len())).collect();
        let want = [("w.f16", FLOAT16, 2), ("b.f16", FLOAT16, 2), ("b", FLOAT, 4), ("heads.a.weight", FLOAT, 4)];
        assert_eq!(constants, want);
        assert_eq!(made.initializer[0].raw_data, f16::from_f32(2.0).to_le_bytes());
    }

    #[test]
    fn a_weight_that_f16_cannot_hold_is_named() {
        let error = in_half(graph(-7e4)).unwrap_err();
        insta::assert_snapshot!(error, @"`w` has a weight of -70000, which f16 cannot hold; accepted: -65504 to 65504; leave the model in fp32");
        assert!(in_half(graph(65504.0)).is_ok());
    }
}
