//! A graph of ONNX nodes in which groups of nodes are replaced by one.

use std::collections::{HashMap, HashSet};
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, TensorProto, attribute_proto::AttributeType};

/// ONNX's numbers for types.
pub(super) const FLOAT: i32 = 1;
pub(super) const UINT8: i32 = 2;
pub(super) const INT8: i32 = 3;
const INT64: i32 = 7;

/// Nodes, and who makes and reads each value.
pub(super) struct Graph<'a> {
    nodes: Vec<Option<NodeProto>>,
    constants: HashMap<&'a str, &'a TensorProto>,
    makers: HashMap<String, usize>,
    readers: HashMap<String, Vec<usize>>,
    outputs: HashSet<&'a str>,
    /// Constants that new nodes need.
    pub(super) added: Vec<TensorProto>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(graph: &'a GraphProto) -> Graph<'a> {
        let mut readers: HashMap<String, Vec<usize>> = HashMap::new();
        for (i, node) in graph.node.iter().enumerate() {
            node.input.iter().for_each(|name| readers.entry(name.clone()).or_default().push(i));
        }
        let makers = graph.node.iter().enumerate().flat_map(|(i, n)| n.output.iter().map(move |o| (o.clone(), i)));
        Graph {
            makers: makers.collect(),
            readers,
            nodes: graph.node.iter().cloned().map(Some).collect(),
            constants: graph.initializer.iter().map(|t| (t.name.as_str(), t)).collect(),
            outputs: graph.output.iter().map(|o| o.name.as_str()).collect(),
            added: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The node at `i`, when it is still there, of this kind, and has the inputs that this kind needs.
    pub(super) fn node(&self, i: usize, op: &str) -> Option<&NodeProto> {
        let needs = if ["Cast", "Erf", "Gelu", "Relu", "Softmax", "Transpose"].contains(&op) { 1 } else { 2 };
        self.nodes.get(i)?.as_ref().filter(|n| n.op_type == op && n.output.len() == 1 && n.input.len() >= needs)
    }

    /// The kind of the node at `i`, when it is still there.
    pub(super) fn op(&self, i: usize) -> Option<&str> {
        Some(self.nodes.get(i)?.as_ref()?.op_type.as_str())
    }

    /// Who makes a value.
    pub(super) fn maker(&self, name: &str) -> Option<usize> {
        self.makers.get(name).copied()
    }

    /// Who reads a value; none for an output of the graph, as the caller reads that.
    pub(super) fn readers(&self, name: &str) -> &[usize] {
        if self.outputs.contains(name) { &[] } else { self.readers.get(name).map_or(&[], Vec::as_slice) }
    }

    /// True for an output of the graph.
    pub(super) fn is_output(&self, name: &str) -> bool {
        self.outputs.contains(name)
    }

    /// The one node that reads a value.
    pub(super) fn sole_reader(&self, name: &str) -> Option<usize> {
        match self.readers(name) {
            [one] => Some(*one),
            _ => None,
        }
    }

    /// The one node that reads a value, when it is of this kind; and its output.
    pub(super) fn next(&self, name: &str, op: &str) -> Option<(usize, &NodeProto)> {
        let i = self.sole_reader(name)?;
        Some((i, self.node(i, op)?))
    }

    /// The node of this kind that makes a value nobody else reads.
    pub(super) fn before(&self, name: &str, op: &str) -> Option<(usize, &NodeProto)> {
        self.sole_reader(name)?;
        let i = self.maker(name)?;
        Some((i, self.node(i, op)?))
    }

    pub(super) fn constant(&self, name: &str) -> Option<&'a TensorProto> {
        self.constants.get(name).copied()
    }

    /// Sides of a constant of this type.
    pub(super) fn sides(&self, name: &str, kind: i32) -> Option<&'a [i64]> {
        self.constant(name).filter(|t| t.data_type == kind).map(|t| t.dims.as_slice())
    }

    /// Sides of a constant of int8 weights that the kernels multiply rightly: none is -128.
    pub(super) fn weights(&self, name: &str) -> Option<&'a [i64]> {
        let least =
            |t: &&TensorProto| !t.raw_data.contains(&(i8::MIN as u8)) && !t.int32_data.contains(&i8::MIN.into());
        self.constant(name).filter(|t| t.data_type == INT8).filter(least).map(|t| t.dims.as_slice())
    }

    /// The one number of a constant.
    pub(super) fn scalar(&self, name: &str) -> Option<f32> {
        let t = self.constant(name).filter(|t| t.data_type == FLOAT)?;
        t.raw_data.as_slice().try_into().ok().map(f32::from_le_bytes)
    }

    /// The one byte of a constant.
    pub(super) fn byte(&self, name: &str) -> Option<u8> {
        let t = self.constant(name).filter(|t| t.data_type == UINT8)?;
        <[u8; 1]>::try_from(t.raw_data.as_slice()).ok().map(|[b]| b)
    }

    /// The numbers of a shape.
    pub(super) fn integers(&self, name: &str) -> Option<Vec<i64>> {
        let t = self.constant(name).filter(|t| t.data_type == INT64)?;
        let (eights, rest) = t.raw_data.as_chunks::<8>();
        rest.is_empty().then(|| eights.iter().map(|b| i64::from_le_bytes(*b)).collect())
    }

    /// Puts `node` in the place of those at `used`, of which the last one is where all its inputs are there.
    pub(super) fn replace(&mut self, used: &[usize], node: NodeProto) {
        for &i in used {
            if let Some(old) = self.nodes[i].take() {
                for name in &old.input {
                    if let Some(readers) = self.readers.get_mut(name) {
                        readers.retain(|r| *r != i);
                    }
                }
            }
        }
        if let Some(&place) = used.iter().max() {
            node.input.iter().for_each(|name| self.readers.entry(name.clone()).or_default().push(place));
            node.output.iter().for_each(|name| _ = self.makers.insert(name.clone(), place));
            self.nodes[place] = Some(node);
        }
    }

    /// Adds a shape as a constant and gives its name.
    pub(super) fn shape(&mut self, values: &[i64]) -> String {
        let name = format!("fused.shape_{}", self.added.len());
        let raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let dims = vec![values.len() as i64];
        self.added.push(TensorProto { dims, data_type: INT64, name: name.clone(), raw_data, ..Default::default() });
        name
    }

    /// What is left, in order.
    pub(super) fn into_nodes(self) -> (Vec<NodeProto>, Vec<TensorProto>) {
        (self.nodes.into_iter().flatten().collect(), self.added)
    }
}

/// A whole number among a node's attributes.
pub(super) fn int(node: &NodeProto, name: &str) -> Option<i64> {
    node.attribute.iter().find(|a| a.name == name).map(|a| a.i)
}

/// Whole numbers among a node's attributes; none when it is not there.
pub(super) fn ints<'n>(node: &'n NodeProto, name: &str) -> &'n [i64] {
    node.attribute.iter().find(|a| a.name == name).map_or(&[], |a| a.ints.as_slice())
}

/// A number among a node's attributes.
pub(super) fn float(node: &NodeProto, name: &str) -> Option<f32> {
    node.attribute.iter().find(|a| a.name == name).map(|a| a.f)
}

/// A new node.
pub(super) fn node(op: &str, input: Vec<String>, output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        input,
        output: vec![output.to_owned()],
        name: format!("fused.{output}"),
        op_type: op.to_owned(),
        attribute,
        ..Default::default()
    }
}

/// A whole number as an attribute.
pub(super) fn int_attribute(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: AttributeType::Int as i32, i, ..Default::default() }
}

/// Whole numbers as an attribute.
pub(super) fn ints_attribute(name: &str, ints: &[i64]) -> AttributeProto {
    let ints = ints.to_vec();
    AttributeProto { name: name.to_owned(), r#type: AttributeType::Ints as i32, ints, ..Default::default() }
}

/// A number as an attribute.
pub(super) fn float_attribute(name: &str, f: f32) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: AttributeType::Float as i32, f, ..Default::default() }
}
