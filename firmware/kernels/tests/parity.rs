//! Networks with operators fused answer as tract alone does, and what is not of our form is left alone.

use mtcae_kernels::{Fusion, instructions, optimized};
use mtcae_network::onnx::{Activation, EmitOptions, Int8Layers, emit_int8, emit_tapped};
use mtcae_network::{Checkpoint, NetworkConfig};
use prost::Message;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;

/// A preset, cut down to two blocks and one layer a decoder.
fn network(preset: &str, size: usize) -> Checkpoint {
    let mut config = NetworkConfig::preset(preset).unwrap();
    (config.size, config.frames, config.encoder.depth, config.decoder.layers) = (size, 4, 2, 1);
    Checkpoint::random(config, 3).unwrap()
}

fn options(opset: u32) -> EmitOptions {
    EmitOptions { mean: [0.5, 0.4, 0.3], std: [0.2, 0.25, 0.3], metadata: vec![], opset }
}

fn file(checkpoint: &Checkpoint, opset: u32, int8: &Int8Layers) -> ModelProto {
    let bytes = emit_int8(checkpoint, &options(opset), int8).unwrap();
    ModelProto::decode(bytes.as_slice()).unwrap()
}

/// Outputs on a clip of noise, and how many of the model's operators are ours.
fn run(proto: &mut ModelProto, which: Fusion) -> (Vec<Vec<f32>>, usize) {
    let model = optimized(proto, which).unwrap();
    let ours = model.nodes().iter().filter(|n| n.op.name().starts_with("Mtcae")).count();
    let shape = model.input_fact(0).unwrap().shape.as_concrete().unwrap().to_vec();
    let mut state = 5u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let clip: Vec<u8> = (0..shape.iter().product()).map(|_| byte()).collect();
    let input = Tensor::from_shape(&shape, &clip).unwrap();
    let outputs = model.into_runnable().unwrap().run(tvec!(input.into())).unwrap();
    let numbers = |t: &TValue| t.try_as_plain_ram().unwrap().as_slice::<f32>().unwrap().to_vec();
    (outputs.iter().map(numbers).collect(), ours)
}

/// Largest difference of an output, of its largest value.
fn apart(got: &[Vec<f32>], want: &[Vec<f32>]) -> f32 {
    assert_eq!(got.len(), want.len());
    let one = |(got, want): (&Vec<f32>, &Vec<f32>)| {
        assert_eq!(got.len(), want.len());
        let top = want.iter().fold(0f32, |top, v| top.max(v.abs()));
        assert!(got.iter().all(|v| v.is_finite()) && top > 0.0);
        got.iter().zip(want).fold(0f32, |worst, (g, w)| worst.max((g - w).abs())) / top
    };
    got.iter().zip(want).map(one).fold(0.0, f32::max)
}

fn only(edit: impl Fn(&mut Fusion)) -> Fusion {
    let mut which = Fusion::NONE;
    edit(&mut which);
    which
}

#[test]
fn f32_networks_answer_as_without_with_everything_and_with_each_kind_alone() {
    let kinds = [
        ("everything", Fusion::ALL),
        ("linear", only(|f| f.linear = true)),
        ("norms", only(|f| f.norms = true)),
        ("attention", only(|f| f.attention = true)),
        ("convolutions", only(|f| f.convolutions = true)),
    ];
    for (preset, size, opset) in [("edge", 32, 17), ("small", 32, 20), ("tiny", 48, 17)] {
        let mut proto = file(&network(preset, size), opset, &Int8Layers::new());
        let (want, none) = run(&mut proto, Fusion::NONE);
        assert_eq!(none, 0);
        for (kind, which) in kinds {
            let (got, ours) = run(&mut proto, which);
            let there = kind != "convolutions" || preset != "small";
            assert_eq!(ours > 0, there, "{preset}, {kind}: {ours} operators fused");
            let apart = apart(&got, &want);
            println!("f32, {preset}, {kind}: {apart:.1e} apart");
            assert!(apart <= 1e-5, "{preset}, {kind}: {apart} apart");
        }
    }
}

/// For people, with `--show-output`: what tract chose, and what our kernels use.
#[test]
fn what_computes_here_is_named() {
    let checkpoint = network("small", 32);
    let (_, layers) = emit_tapped(&checkpoint, &options(17)).unwrap();
    let activation = Activation::Static { scale: 0.02, zero_point: 128 };
    let int8 = layers.into_iter().map(|l| (l.name, activation)).collect();
    for (form, layers) in [("f32", Int8Layers::new()), ("int8", int8)] {
        let model = optimized(&mut file(&checkpoint, 17, &layers), Fusion::NONE).unwrap();
        let lines = model.nodes().iter().filter_map(|n| n.op.info().ok()).flatten();
        let kernels: BTreeSet<String> = lines.filter_map(|l| Some(l.rsplit_once(" with ")?.1.to_owned())).collect();
        println!("{form}: in tract {}; fused: {}", Vec::from_iter(kernels.iter().cloned()).join(" "), instructions());
        assert!(kernels.iter().any(|k| k.contains("mm")), "{kernels:?}");
    }
}

#[test]
fn each_layer_in_int8_answers_as_without() {
    let checkpoint = network("edge", 32);
    let (_, layers) = emit_tapped(&checkpoint, &options(17)).unwrap();
    assert!(layers.len() > 20);
    let mut worst = 0f32;
    for (i, layer) in layers.iter().enumerate() {
        let activation = Activation::Static { scale: 0.02, zero_point: [128, 0, 131, 255][i % 4] };
        let mut proto = file(&checkpoint, 17, &[(layer.name.clone(), activation)].into());
        let (want, _) = run(&mut proto, Fusion::NONE);
        let convolution = layer.is_convolution();
        let (got, ours) = run(&mut proto, only(|f| (f.int8, f.convolutions) = (true, convolution)));
        // The stem is fused whole: what reads pixels, ten convolutions, and bytes where a map is read as floats, too.
        let expected = if convolution { 11..=12 } else { 2..=2 };
        assert!(expected.contains(&ours), "{}: {ours}; one that makes bytes, one that reads them", layer.name);
        let apart = apart(&got, &want);
        worst = worst.max(apart);
        // With a convolution the rest of the stem is fused, too, in f32.
        let limit = if convolution { 1e-5 } else { 1e-6 };
        assert!(apart <= limit, "{}: {apart} apart", layer.name);
    }
    println!("int8, edge, each layer alone: at most {worst:.1e} apart");
}

/// A byte that is rounded the other way, because what it is made of differs in its last bit, moves the answer by a step.
#[test]
fn all_layers_in_int8_answer_within_a_few_steps() {
    for (preset, size) in [("edge", 32), ("small", 32)] {
        let checkpoint = network(preset, size);
        let (_, layers) = emit_tapped(&checkpoint, &options(17)).unwrap();
        let activation = Activation::Static { scale: 0.02, zero_point: 128 };
        let mut proto = file(&checkpoint, 17, &layers.into_iter().map(|l| (l.name, activation)).collect());
        let (want, _) = run(&mut proto, Fusion::NONE);
        let (got, ours) = run(&mut proto, Fusion::ALL);
        assert!(ours > 20, "{ours}");
        let apart = apart(&got, &want);
        println!("int8, {preset}, all layers: {apart:.1e} apart");
        assert!(apart <= 0.02, "{preset}: {apart} apart");
    }
}

/// Only their product is fused; tract finds the scale of each token.
#[test]
fn layers_that_find_their_scale_while_they_run_answer_as_without() {
    let layers = [("blocks.0.mlp.fc1".to_owned(), Activation::Dynamic)].into();
    let mut proto = file(&network("tiny", 32), 17, &layers);
    let (want, _) = run(&mut proto, Fusion::NONE);
    let (got, ours) = run(&mut proto, only(|f| f.int8 = true));
    assert_eq!(ours, 1);
    let apart = apart(&got, &want);
    assert!(apart <= 1e-6, "{apart}");
}

#[test]
fn threads_change_nothing() {
    use tract_linalg::multithread::{Executor, multithread_tract_scope};
    let mut proto = file(&network("edge", 64), 17, &Int8Layers::new());
    let (want, _) = run(&mut proto, Fusion::ALL);
    let (got, _) = multithread_tract_scope(Executor::multithread(3), || run(&mut proto, Fusion::ALL));
    assert_eq!(got, want, "each row is computed as by one thread");
}

#[test]
fn a_value_that_somebody_else_reads_is_not_fused_away() {
    let checkpoint = network("tiny", 32);
    let (bytes, layers) = emit_tapped(&checkpoint, &options(17)).unwrap();
    let mut proto = ModelProto::decode(bytes.as_slice()).unwrap();
    let (want, _) = run(&mut proto, Fusion::NONE);
    let (got, ours) = run(&mut proto, Fusion::ALL);
    assert!(ours > 0 && want.len() > layers.len() / 2);
    let apart = apart(&got, &want);
    assert!(apart <= 1e-5, "{apart}");
}

/// What a pattern takes for granted and does not hold: the graph is then tract's alone, and comes back as it was.
#[test]
fn a_graph_that_does_not_run_fused_runs_unfused() {
    let mut proto = file(&network("tiny", 32), 17, &Int8Layers::new());
    let graph = proto.graph.as_mut().unwrap();
    // A residual of one token, which ONNX spreads over all: not what the fused layer adds.
    let norm = graph.node.iter().position(|n| n.op_type == "LayerNormalization").unwrap();
    let x = graph.node[norm].input[0].clone();
    let add = graph.node.iter().rposition(|n| n.op_type == "Add" && n.input.contains(&x)).unwrap();
    let mean = tract_onnx::pb::NodeProto {
        input: vec![x.clone()],
        output: vec!["one_token".into()],
        op_type: "ReduceMean".into(),
        attribute: vec![tract_onnx::pb::AttributeProto {
            name: "axes".into(),
            r#type: tract_onnx::pb::attribute_proto::AttributeType::Ints as i32,
            ints: vec![1],
            ..Default::default()
        }],
        ..Default::default()
    };
    graph.node[add].input.iter_mut().for_each(|n| {
        if *n == x {
            *n = "one_token".into();
        }
    });
    graph.node.insert(norm, mean);
    let before = proto.clone();
    let (want, _) = run(&mut proto, Fusion::NONE);
    let (got, ours) = run(&mut proto, Fusion::ALL);
    assert_eq!((ours, got), (0, want));
    assert_eq!(proto, before);
}

/// A product with a weight of seven rows, which no kernel reads, under our own name for it.
fn crafted() -> ModelProto {
    use tract_onnx::pb::tensor_proto::DataType;
    use tract_onnx::pb::{
        GraphProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
    };
    use tract_onnx::pb::{tensor_shape_proto, type_proto};
    let value = |name: &str, kind: DataType, sides: [i64; 2]| {
        let side = |n| tensor_shape_proto::Dimension {
            value: Some(tensor_shape_proto::dimension::Value::DimValue(n)),
            ..Default::default()
        };
        let shape = Some(TensorShapeProto { dim: sides.map(side).to_vec() });
        let tensor = type_proto::Tensor { elem_type: kind as i32, shape };
        let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() };
        ValueInfoProto { name: name.into(), r#type: Some(kind), ..Default::default() }
    };
    let constant = |name: &str, kind: DataType, dims: &[i64], raw_data: Vec<u8>| TensorProto {
        name: name.into(),
        data_type: kind as i32,
        dims: dims.to_vec(),
        raw_data,
        ..Default::default()
    };
    let node = NodeProto {
        input: ["x", "weight", "scale"].map(str::to_owned).to_vec(),
        output: vec!["y".into()],
        op_type: "MtcaeLinearBytes".into(),
        ..Default::default()
    };
    let graph = GraphProto {
        node: vec![node],
        input: vec![value("x", DataType::Uint8, [1, 7])],
        output: vec![value("y", DataType::Float, [1, 8192])],
        initializer: vec![
            constant("weight", DataType::Int8, &[7, 8192], vec![1; 7 * 8192]),
            constant("scale", DataType::Float, &[8192], 1f32.to_le_bytes().repeat(8192)),
        ],
        ..Default::default()
    };
    let opset = OperatorSetIdProto { version: 17, ..Default::default() };
    ModelProto { ir_version: 8, opset_import: vec![opset], graph: Some(graph), ..Default::default() }
}

#[test]
fn a_file_that_names_our_operators_is_refused() {
    for which in [Fusion::NONE, Fusion::ALL] {
        assert!(optimized(&mut crafted(), which).is_err());
    }
}

/// One change that makes another graph, or none.
fn change(proto: &mut ModelProto, next: &mut impl FnMut(usize) -> usize) {
    let graph = proto.graph.as_mut().unwrap();
    let at = next(graph.node.len());
    let earlier = graph.node[next(at + 1)].input[0].clone();
    let constant = next(graph.initializer.len());
    let node = &mut graph.node[at];
    let last = node.input.len() - 1;
    match next(6) {
        0 => node.input.swap(0, last),
        1 => node.input[last] = earlier,
        2 => {
            if let Some(a) = node.attribute.first_mut() {
                a.i += 1;
                a.ints.reverse();
            }
        }
        3 => {
            if let Some(byte) = graph.initializer[constant].raw_data.last_mut() {
                *byte ^= 1;
            }
        }
        4 => node.op_type = ["Add", "Mul", "Sub", "Div", "Relu", "Erf"][next(6)].into(),
        _ => graph.output[1].name = earlier,
    }
}

#[test]
fn changed_graphs_answer_fused_as_without_or_not_at_all() {
    let mut state = 11u64;
    let mut next = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    let mut ran = 0;
    for preset in ["tiny", "small"] {
        let checkpoint = network(preset, 32);
        let layers = [("blocks.1.mlp.fc1".to_owned(), Activation::Static { scale: 0.02, zero_point: 128 })].into();
        for i in 0..60 {
            let mut proto = file(&checkpoint, 17, &layers);
            change(&mut proto, &mut next);
            let mut try_out = |which| catch_unwind(AssertUnwindSafe(|| numbers(&mut proto, which))).ok().flatten();
            let Some(want) = try_out(Fusion::NONE) else { continue };
            let got = try_out(Fusion::ALL).unwrap_or_else(|| panic!("{preset}, change {i}: runs unfused only"));
            ran += 1;
            for (got, want) in got.iter().zip(&want) {
                assert_eq!(got.len(), want.len(), "{preset}, change {i}");
                let top = want.iter().filter(|v| v.is_finite()).fold(0f32, |top, v| top.max(v.abs()));
                for (g, w) in got.iter().zip(want) {
                    let same = (g - w).abs() <= 2e-2 * top || (!g.is_finite() && !w.is_finite());
                    assert!(same, "{preset}, change {i}: {g}, not {w} (of {top})");
                }
            }
        }
    }
    assert!(ran >= 40, "only {ran} of 120 changed graphs ran");
}

/// Outputs on a clip, where the graph loads and runs and they are of f32.
fn numbers(proto: &mut ModelProto, which: Fusion) -> Option<Vec<Vec<f32>>> {
    let model = optimized(proto, which).ok()?;
    let shape = model.input_fact(0).ok()?.shape.as_concrete()?.to_vec();
    let clip: Vec<u8> = (0..shape.iter().product()).map(|i: usize| (i * i / 7 % 251) as u8).collect();
    let outputs = model.into_runnable().ok()?.run(tvec!(Tensor::from_shape(&shape, &clip).ok()?.into())).ok()?;
    outputs.iter().map(|t| Some(t.try_as_plain_ram().ok()?.as_slice::<f32>().ok()?.to_vec())).collect()
}
