//! Makes networks of our form fast in tract: fused operators on kernels for the processor at hand.
//!
//! Knows graphs and processors, and nothing of models, files or clips. What it does not recognise, and every graph on a processor
//! without kernels of its own here, is left to tract.
//!
//! ```text
//! ONNX graph -> groups of nodes found (fuse) -> one node of ours each (ops) -> kernels (linear, conv, attention, norm)
//!                                                                              over vectors of the processor (simd)
//! ```

#![allow(unsafe_code)]
// Tiles are indexed by row and vector.
#![allow(clippy::needless_range_loop)]

mod attention;
mod conv;
mod finish;
mod fuse;
mod linear;
mod math;
mod norm;
mod ops;
mod pack;
mod simd;
#[cfg(test)]
mod tests;
mod threads;
mod tile;

use simd::Isa;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;

/// Which groups of nodes are fused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fusion {
    /// Linear layers in f32, with bias, GELU or what is added.
    pub linear: bool,
    /// Linear layers in int8, and what makes bytes for them.
    pub int8: bool,
    /// Layer norms.
    pub norms: bool,
    /// Attention, from projections to the heads put together.
    pub attention: bool,
    /// The convolutional stem.
    pub convolutions: bool,
}

impl Fusion {
    /// Everything.
    pub const ALL: Fusion = Fusion { linear: true, int8: true, norms: true, attention: true, convolutions: true };
    /// Nothing: tract alone.
    pub const NONE: Fusion = Fusion { linear: false, int8: false, norms: false, attention: false, convolutions: false };

    /// Everything where this processor has kernels that are quicker than tract's, else nothing.
    pub fn best() -> Fusion {
        if Isa::detect().is_fast() { Fusion::ALL } else { Fusion::NONE }
    }
}

/// The instructions that the kernels use on this processor: `avx512-vnni`, `avx512`, `avx2-vnni`, `avx2`, `neon` or `portable`.
pub fn instructions() -> &'static str {
    Isa::detect().name()
}

/// A graph made ready to run, with what `which` names fused. A graph that does not run fused is left to tract whole.
///
/// `proto` comes back as it was.
///
/// # Errors
/// tract's, when the graph does not run unfused either.
pub fn optimized(proto: &mut ModelProto, which: Fusion) -> TractResult<TypedModel> {
    if which != Fusion::NONE
        && let Some(graph) = &mut proto.graph
        // Nobody but this crate makes our operators: a file that names them is not for us.
        && graph.node.iter().all(|node| !ops::ALL.contains(&node.op_type.as_str()))
    {
        let (nodes, constants) = fuse::fuse(graph, Isa::detect(), which);
        let (old, initializers) = (std::mem::replace(&mut graph.node, nodes), graph.initializer.len());
        graph.initializer.extend(constants);
        // A graph that our operators refuse by a panic is not worth the program.
        let fused = catch_unwind(AssertUnwindSafe(|| load(proto, true)));
        if let Some(graph) = &mut proto.graph {
            graph.node = old;
            graph.initializer.truncate(initializers);
        }
        if let Ok(Ok(model)) = fused {
            return Ok(model);
        }
    }
    load(proto, false)
}

/// Loads a graph; `fused`, it may hold operators of ours.
fn load(proto: &ModelProto, fused: bool) -> TractResult<TypedModel> {
    let mut onnx = tract_onnx::onnx();
    if fused {
        ops::register(&mut onnx.op_register);
    }
    onnx.model_for_proto_model(proto)?.into_optimized()
}
