//! Nodes and constants of a graph under construction.

use super::proto::{Attribute, FLOAT, Graph, INT64, Node, Tensor, ValueInfo};
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
        let dims = shape.iter().map(|&d| d as i64).collect();
        self.constants.push(Tensor { dims, data_type: FLOAT, name: name.into(), raw_data });
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
