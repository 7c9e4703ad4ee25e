//! Each trap in the smallest graph that has it, and none in what the exporter writes.

use super::traps::{Finding, traps};
use crate::export::onnx_bytes;
use mtcae_contract::{ClipSpec, Framing, LabelSet, MANIFEST_FORMAT, Manifest, Sampling};
use mtcae_network::onnx::{Activation, EmitOptions, Int8Layers, emit, emit_half, emit_int8, emit_tapped};
use mtcae_network::{Checkpoint, NetworkConfig};
use prost::Message;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto};

const FLOAT: i32 = 1;
const UINT8: i32 = 2;
const INT8: i32 = 3;
const FLOAT16: i32 = 10;

#[derive(Default)]
struct Draft(GraphProto);

impl Draft {
    /// Adds a node; its inputs and its output are names divided by blanks, `-` an input that is left out.
    fn node(mut self, op: &str, input: &str, output: &str) -> Draft {
        let input = input.split(' ').map(|i| i.trim_matches('-').to_owned()).collect();
        let node = NodeProto {
            op_type: op.into(),
            name: output.into(),
            input,
            output: vec![output.into()],
            ..Default::default()
        };
        self.0.node.push(node);
        self
    }

    fn constant(mut self, name: &str, data_type: i32, dims: &[i64], value: f32) -> Draft {
        let raw_data = if data_type == FLOAT { value.to_le_bytes().to_vec() } else { vec![0] };
        let tensor = TensorProto { name: name.into(), data_type, dims: dims.to_vec(), raw_data, ..Default::default() };
        self.0.initializer.push(tensor);
        self
    }

    fn found(&self) -> Vec<Finding> {
        let model = ModelProto { graph: Some(self.0.clone()), ..Default::default() };
        traps(&model.encode_to_vec()).unwrap()
    }

    /// Names of the traps in it.
    fn traps(&self) -> Vec<&'static str> {
        self.found().iter().map(|f| f.trap).collect()
    }
}

#[test]
fn quantizing_around_a_softmax_is_a_table() {
    let around = |op: &str| {
        let draft = Draft::default().node("DequantizeLinear", "q s z", "x").node("Mul", "x c", "y");
        draft.node(op, "y", "p").node("QuantizeLinear", "p s z", "r")
    };
    for op in ["Softmax", "LayerNormalization", "ReduceMean"] {
        assert_eq!(around(op).traps(), ["table"], "{op}");
    }
    // One number in, one number out: a table is right.
    assert_eq!(around("Sigmoid").traps(), [""; 0]);
    let one_side = Draft::default().node("Softmax", "x", "p").node("QuantizeLinear", "p s z", "r");
    assert_eq!(one_side.traps(), [""; 0]);
}

#[test]
fn signed_activations_are_found_and_signed_weights_are_not() {
    let draft = |kind| Draft::default().constant("z", kind, &[], 0.0).constant("w", INT8, &[4, 4], 0.0);
    let quantized = |kind| draft(kind).node("QuantizeLinear", "x s z", "q").node("MatMulInteger", "q w z", "y");
    assert_eq!(quantized(UINT8).traps(), [""; 0]);
    let found = quantized(INT8).found();
    assert_eq!((found.len(), found[0].trap, found[0].count), (1, "signed-activations", 2));
    let weight = draft(INT8).node("QuantizeLinear", "w s z", "q");
    assert_eq!(weight.traps(), [""; 0]);
}

#[test]
fn products_of_bytes_have_their_traps() {
    let zero = Draft::default().constant("z", UINT8, &[], 0.0);
    assert_eq!(zero.node("MatMulInteger", "q w z v", "y").traps(), ["weight-zero-point"]);
    assert_eq!(Draft::default().node("MatMulInteger", "q w - -", "y").traps(), [""; 0]);
    let scaled =
        |dims: &[i64]| Draft::default().constant("b", FLOAT, dims, 1.0).node("QLinearMatMul", "q s z w b v t u", "y");
    assert_eq!((scaled(&[64]).traps(), scaled(&[]).traps()), (vec!["qlinear-per-channel"], vec![]));
    let qdq = Draft::default().node("DequantizeLinear", "q s z", "x").node("MatMul", "x w", "y");
    assert_eq!(qdq.traps(), ["qdq-product"]);
    assert_eq!(Draft::default().node("MatMulNBits", "x w s", "y").traps(), ["n-bits"]);
    assert_eq!(Draft::default().node("DynamicQuantizeLinear", "x", "q").traps(), ["one-range-for-all"]);
    assert_eq!(Draft::default().node("Attention", "q k v", "y").traps(), ["attention"]);
}

#[test]
fn a_norm_in_pieces_is_slow_and_wrong_in_fp16() {
    let norm = |square: &str, inputs: &str| {
        let draft =
            Draft::default().constant("two", FLOAT, &[], 2.0).node("ReduceMean", "x", "m").node("Sub", "x m", "d");
        let draft = draft.node(square, inputs, "p").node("ReduceMean", "p", "v").node("Add", "v e", "w");
        draft.node("Sqrt", "w", "r").node("Div", "d r", "y")
    };
    assert_eq!(norm("Pow", "d two").traps(), ["norm-in-pieces"]);
    assert_eq!(norm("Mul", "d d").traps(), ["norm-in-pieces"]);
    assert_eq!(norm("Mul", "d x").traps(), [""; 0]);
    assert_eq!(norm("Pow", "d two").constant("h", FLOAT16, &[], 0.0).traps(), ["norm-fp16"]);
}

#[test]
fn a_gelu_is_known_by_its_numbers() {
    let gelu = |op: &str, root: f32, one: f32| {
        let draft = Draft::default().constant("root", FLOAT, &[], root).constant("one", FLOAT, &[1], one);
        let draft = draft.node(op, "x root", "a").node("Erf", "a", "b").node("Add", "b one", "c");
        draft.node("Mul", "x c", "d").node("Mul", "d half", "y")
    };
    assert_eq!(gelu("Div", std::f32::consts::SQRT_2, 1.0).traps(), [""; 0]);
    assert_eq!(gelu("Mul", std::f32::consts::FRAC_1_SQRT_2, 1.0).traps(), [""; 0]);
    assert_eq!(gelu("Div", 1.5, 1.0).traps(), ["gelu"]);
    assert_eq!(gelu("Div", std::f32::consts::SQRT_2, 2.0).traps(), ["gelu"]);
    assert_eq!(gelu("Sub", std::f32::consts::SQRT_2, 1.0).traps(), ["gelu"]);
}

#[test]
fn what_the_exporter_writes_has_none() {
    let mut config = NetworkConfig::preset("tiny").unwrap();
    (config.size, config.frames, config.encoder.depth) = (32, 4, 1);
    let checkpoint = Checkpoint::random(config.clone(), 9).unwrap();
    let manifest = Manifest {
        format: MANIFEST_FORMAT,
        name: "sample".into(),
        version: "0.0.0".into(),
        preset: "tiny".into(),
        labels: LabelSet::seven(),
        sampling: Sampling::Uniform,
        temperature: 1.0,
        clip: ClipSpec { frames: config.frames, size: config.size, seconds: 1.0 },
        framing: Framing::Whole,
        mean: [0.5; 3],
        std: [0.5; 3],
        artifacts: Vec::new(),
    };
    assert_eq!(traps(&onnx_bytes(&checkpoint, &manifest).unwrap()).unwrap(), []);
    for opset in [17, 20] {
        let options = EmitOptions { mean: [0.5; 3], std: [0.5; 3], metadata: vec![], opset };
        assert_eq!(traps(&emit(&checkpoint, &options).unwrap()).unwrap(), []);
        assert_eq!(traps(&emit_half(&checkpoint, &options).unwrap()).unwrap(), []);
        let (_, layers) = emit_tapped(&checkpoint, &options).unwrap();
        for activation in [Activation::Static { scale: 0.1, zero_point: 128 }, Activation::Dynamic] {
            let can = layers.iter().filter(|l| activation != Activation::Dynamic || !l.is_convolution());
            let layers: Int8Layers = can.map(|l| (l.name.clone(), activation)).collect();
            let onnx = emit_int8(&checkpoint, &options, &layers).unwrap();
            assert_eq!(traps(&onnx).unwrap(), [], "opset {opset}, {activation:?}");
        }
    }
    assert!(traps(b"no such thing").is_err() && traps(&[]).is_err());
}
