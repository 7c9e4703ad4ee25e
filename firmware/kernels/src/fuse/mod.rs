//! Finds, in an ONNX graph, groups of nodes that one operator of ours does at once.

mod conv;
mod graph;
mod sequence;

use crate::Fusion;
use crate::simd::Isa;
use graph::Graph;
use tract_onnx::pb::{GraphProto, NodeProto, TensorProto};

/// The graph's nodes with what can be fused fused, and constants that the new ones need.
pub(crate) fn fuse(graph: &GraphProto, isa: Isa, which: Fusion) -> (Vec<NodeProto>, Vec<TensorProto>) {
    let mut graph = Graph::new(graph);
    if which.convolutions {
        conv::fuse(&mut graph, which.int8);
    }
    for i in 0..graph.len() {
        let _ = match graph.op(i) {
            Some("MatMul") if which.linear => sequence::linear(&mut graph, i),
            Some("MatMulInteger") if which.int8 => sequence::linear_bytes(&mut graph, i),
            Some("LayerNormalization") if which.norms => sequence::norm(&mut graph, i, isa, which),
            Some("Softmax") if which.attention => sequence::attention(&mut graph, i, isa, which),
            _ => None,
        };
    }
    if which.int8 {
        for i in 0..graph.len() {
            sequence::bytes(&mut graph, i);
        }
    }
    graph.into_nodes()
}
