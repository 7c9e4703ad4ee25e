//! Forms of a graph that are known to go wrong or slow, each looked for by name.
//!
//! All of them were seen: they give wrong answers in one engine, or several times the time, and no error.

use super::wiring::{Wiring, len};
use crate::error::ExportError;
use prost::Message;
use tract_onnx::pb::{ModelProto, NodeProto};

/// ONNX's codes of number formats.
pub(super) const FLOAT: i32 = 1;
const INT8: i32 = 3;
pub(super) const FLOAT16: i32 = 10;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// An engine answers something else, or nothing.
    Wrong,
    /// An engine takes much longer than it needs to.
    Slow,
}

/// A known trap that was found in a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Short name of the trap.
    pub trap: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// How often it was found.
    pub count: usize,
    /// The first node that is in it.
    pub node: String,
    /// What happens.
    pub means: &'static str,
    /// What to do.
    pub next: &'static str,
}

struct Trap {
    name: &'static str,
    severity: Severity,
    means: &'static str,
    next: &'static str,
    find: for<'a> fn(&Wiring<'a>) -> Vec<&'a NodeProto>,
}

const TRAPS: [Trap; 11] = [
    Trap {
        name: "table",
        severity: Severity::Wrong,
        means: "DequantizeLinear and QuantizeLinear stand around an operation that is not element by element; tract folds it into a table of 256 entries and answers wrongly, without an error",
        next: "leave softmax, norms and means in f32, without QuantizeLinear behind them; `mtcae quantize` does",
        find: tables,
    },
    Trap {
        name: "n-bits",
        severity: Severity::Wrong,
        means: "MatMulNBits is not loaded by tract",
        next: "use MatMulInteger, as `mtcae quantize` does",
        find: |w| w.of("MatMulNBits").collect(),
    },
    Trap {
        name: "norm-fp16",
        severity: Severity::Wrong,
        means: "a layer norm in pieces squares its values in fp16, which overflows",
        next: "export LayerNormalization whole, in f32",
        find: |w| if has_f16(w) { norms_in_pieces(w) } else { Vec::new() },
    },
    Trap {
        name: "norm-in-pieces",
        severity: Severity::Slow,
        means: "a layer norm is spelt out as mean, power, root and division; each is a pass over all values",
        next: "export LayerNormalization whole (opset 17 or later)",
        find: |w| if has_f16(w) { Vec::new() } else { norms_in_pieces(w) },
    },
    Trap {
        name: "signed-activations",
        severity: Severity::Slow,
        means: "activations are signed bytes: products of two signed ones take ONNX Runtime 7 times as long on x86",
        next: "quantize activations to uint8 with zero point 128, weights to int8",
        find: signed_activations,
    },
    Trap {
        name: "weight-zero-point",
        severity: Severity::Slow,
        means: "MatMulInteger has a fourth input, a zero point of the weights; tract then sums all activations for it",
        next: "round weights symmetrically and leave the fourth input out",
        find: |w| w.of("MatMulInteger").filter(|n| n.input.get(3).is_some_and(|i| !i.is_empty())).collect(),
    },
    Trap {
        name: "qlinear-per-channel",
        severity: Severity::Slow,
        means: "QLinearMatMul with a scale for each channel takes tract more than twice as long",
        next: "use MatMulInteger and multiply by the channels' scales behind it",
        find: |w| w.of("QLinearMatMul").filter(|n| w.constant(n, 4).is_some_and(|t| len(t) > 1)).collect(),
    },
    Trap {
        name: "qdq-product",
        severity: Severity::Slow,
        means: "DequantizeLinear stands before a matrix product; ONNX Runtime joins product and bias first and computes in f32, slower than fp32 does",
        next: "use MatMulInteger on the bytes",
        find: qdq_products,
    },
    Trap {
        name: "one-range-for-all",
        severity: Severity::Slow,
        means: "DynamicQuantizeLinear takes tract nearly twice as long as a static scale, and has one range for all tokens",
        next: "calibrate (`mtcae quantize --calibrate DATA`), or `--dynamic`, which spells it out for each token",
        find: |w| w.of("DynamicQuantizeLinear").collect(),
    },
    Trap {
        name: "gelu",
        severity: Severity::Slow,
        means: "an Erf is not in the chain x / sqrt 2, Erf, + 1, times x, times 1/2 that engines know as GELU",
        next: "write GELU as that chain, or as Gelu (opset 20)",
        find: other_gelus,
    },
    Trap {
        name: "attention",
        severity: Severity::Slow,
        means: "the operation Attention of opset 23 is slower in tract than its parts, and takes threads of its own",
        next: "export MatMul, Softmax, MatMul with the scale folded into the queries",
        find: |w| w.of("Attention").collect(),
    },
];

/// The known traps that are in an ONNX file; none is good.
///
/// # Errors
/// When it is no ONNX file or has no graph.
pub fn traps(onnx: &[u8]) -> Result<Vec<Finding>, ExportError> {
    let model = ModelProto::decode(onnx).map_err(|e| ExportError::NotOnnx(e.to_string()))?;
    let graph = model.graph.as_ref().ok_or_else(|| ExportError::NotOnnx("it holds no graph".to_owned()))?;
    let wiring = Wiring::new(graph);
    let findings = TRAPS.iter().filter_map(|trap| {
        let found = (trap.find)(&wiring);
        let node = found.first()?;
        let name = if node.name.is_empty() { node.output.first() } else { Some(&node.name) };
        Some(Finding {
            trap: trap.name,
            severity: trap.severity,
            count: found.len(),
            node: name.cloned().unwrap_or_default().chars().take(60).collect(),
            means: trap.means,
            next: trap.next,
        })
    });
    Ok(findings.collect())
}

/// Operations that a table of 256 entries can stand for.
const ELEMENT_WISE: [&str; 26] = [
    "Abs",
    "Add",
    "Cast",
    "Clip",
    "Div",
    "Elu",
    "Erf",
    "Exp",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "Log",
    "Max",
    "Min",
    "Mul",
    "Neg",
    "Pow",
    "Reciprocal",
    "Relu",
    "Round",
    "Sigmoid",
    "Sqrt",
    "Sub",
    "Tanh",
];
/// Operations that move values or are products, which engines treat apart.
const APART: [&str; 21] = [
    "Concat",
    "Constant",
    "Conv",
    "ConvInteger",
    "DequantizeLinear",
    "Einsum",
    "Expand",
    "Flatten",
    "Gather",
    "Gemm",
    "MatMul",
    "MatMulInteger",
    "Pad",
    "QLinearConv",
    "QLinearMatMul",
    "QuantizeLinear",
    "Reshape",
    "Slice",
    "Split",
    "Squeeze",
    "Transpose",
];
/// So many operations are looked along.
const REACH: usize = 8;

fn tables<'a>(w: &Wiring<'a>) -> Vec<&'a NodeProto> {
    let other = |n: &&NodeProto| !ELEMENT_WISE.contains(&&*n.op_type) && !APART.contains(&&*n.op_type);
    w.graph.node.iter().filter(other).filter(|n| from_bytes(w, n, REACH) && to_bytes(w, n, REACH)).collect()
}

fn from_bytes(w: &Wiring<'_>, node: &NodeProto, reach: usize) -> bool {
    w.makers(node).any(|n| match &*n.op_type {
        "DequantizeLinear" => w.constant(n, 0).is_none(),
        op => reach > 0 && ELEMENT_WISE.contains(&op) && from_bytes(w, n, reach - 1),
    })
}

fn to_bytes(w: &Wiring<'_>, node: &NodeProto, reach: usize) -> bool {
    w.readers(node).any(|n| match &*n.op_type {
        "QuantizeLinear" => true,
        op => reach > 0 && ELEMENT_WISE.contains(&op) && to_bytes(w, n, reach - 1),
    })
}

/// mean of squares, plus epsilon, root, and a division by that.
fn norms_in_pieces<'a>(w: &Wiring<'a>) -> Vec<&'a NodeProto> {
    let is_square = |n: &NodeProto| {
        n.op_type == "Pow" && w.scalars(n).contains(&2.0) || n.op_type == "Mul" && n.input.first() == n.input.get(1)
    };
    let of_squares = |n: &NodeProto| n.op_type == "ReduceMean" && w.maker(n, 0).is_some_and(is_square);
    let divides = |n: &NodeProto| matches!(&*n.op_type, "Div" | "Reciprocal");
    let in_norm = |root: &&NodeProto| {
        w.maker(root, 0).is_some_and(|sum| sum.op_type == "Add" && w.makers(sum).any(of_squares))
            && w.readers(root).any(divides)
    };
    w.of("Sqrt").filter(in_norm).collect()
}

fn has_f16(w: &Wiring<'_>) -> bool {
    w.graph.initializer.iter().any(|t| t.data_type == FLOAT16)
}

fn signed_activations<'a>(w: &Wiring<'a>) -> Vec<&'a NodeProto> {
    let signed = |n: &NodeProto, i: usize| w.constant(n, i).is_some_and(|t| t.data_type == INT8);
    // A quantized weight is a constant; what is quantized while the graph runs is an activation.
    let quantizes = w.of("QuantizeLinear").filter(|n| w.constant(n, 0).is_none() && signed(n, 2));
    let products = ["MatMulInteger", "ConvInteger"].into_iter().flat_map(|op| w.of(op)).filter(|n| signed(n, 2));
    quantizes.chain(products).collect()
}

fn qdq_products<'a>(w: &Wiring<'a>) -> Vec<&'a NodeProto> {
    let of_bytes = |n: &NodeProto| n.op_type == "DequantizeLinear";
    let products = ["MatMul", "Gemm"].into_iter().flat_map(|op| w.of(op));
    products.filter(|n| w.makers(n).any(of_bytes)).collect()
}

fn other_gelus<'a>(w: &Wiring<'a>) -> Vec<&'a NodeProto> {
    // As near as f16 is.
    let near = |values: Vec<f32>, want: f32| values.iter().any(|v| (v - want).abs() < 5e-4);
    let known = |erf: &NodeProto| -> bool {
        let Some(scale) = w.maker(erf, 0) else { return false };
        let root = match &*scale.op_type {
            "Div" => std::f32::consts::SQRT_2,
            "Mul" => std::f32::consts::FRAC_1_SQRT_2,
            _ => return false,
        };
        let mut sums = w.readers(erf);
        let (Some(sum), None) = (sums.next(), sums.next()) else { return false };
        let products = w.readers(sum).all(|n| n.op_type == "Mul");
        near(w.scalars(scale), root) && sum.op_type == "Add" && near(w.scalars(sum), 1.0) && products
    };
    w.of("Erf").filter(|n| !known(n)).collect()
}
