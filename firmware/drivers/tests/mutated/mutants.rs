//! Files that are nearly a model.

use mtcae_drivers::ModelFile;
use prost::Message;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Side;
use tract_onnx::pb::type_proto::Value as Type;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};

/// What was done to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Flipped,
    Truncated,
    Shape,
    Huge,
    Cycle,
    Operator,
    Missing,
    Type,
    Bomb,
}

impl Kind {
    pub const ALL: [Kind; 9] = [
        Kind::Flipped,
        Kind::Truncated,
        Kind::Shape,
        Kind::Huge,
        Kind::Cycle,
        Kind::Operator,
        Kind::Missing,
        Kind::Type,
        Kind::Bomb,
    ];
}

/// Sides that nobody has.
const HUGE: [i64; 8] = [1 << 20, 1 << 31, (1 << 31) - 1, 1 << 40, 1 << 62, i64::MAX, -1, i64::MIN];
/// Operators of other shapes, numbers of inputs, and uses of memory.
const OPERATORS: [&str; 12] = [
    "Frobnicate",
    "Loop",
    "If",
    "Conv",
    "Gather",
    "Tile",
    "Expand",
    "ConstantOfShape",
    "Range",
    "Softmax",
    "Einsum",
    "MatMulInteger",
];

struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n.max(1)
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// The mutant of this number: what was done, and the file.
pub fn mutant(bases: &[ModelFile], number: u64) -> (Kind, ModelFile) {
    let kind = Kind::ALL[number as usize % Kind::ALL.len()];
    let base = &bases[number as usize / Kind::ALL.len() % bases.len()];
    let mut dice = Dice(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed);
    for _ in 0..4 {
        dice.below(2);
    }
    let mut bytes = base.bytes.clone();
    match kind {
        Kind::Flipped => {
            for _ in 0..1 + dice.below(16) {
                // Mostly where the structure is: weights are most of the file.
                let at = if dice.below(3) == 0 { dice.below(bytes.len()) } else { dice.below(bytes.len().min(4096)) };
                bytes[at] ^= 1 << dice.below(8);
            }
        }
        Kind::Truncated => bytes.truncate(dice.below(bytes.len())),
        _ => {
            let mut proto = ModelProto::decode(bytes.as_slice()).unwrap();
            change(proto.graph.as_mut().unwrap(), kind, &mut dice);
            bytes = proto.encode_to_vec();
        }
    }
    if bytes == base.bytes {
        bytes[0] ^= 0x80;
    }
    (kind, ModelFile { bytes, ..base.clone() })
}

fn change(graph: &mut GraphProto, kind: Kind, dice: &mut Dice) {
    match kind {
        Kind::Shape => {
            let weight = weight(graph, dice);
            match dice.below(4) {
                0 => weight.dims.push(1 + dice.below(3) as i64),
                1 => weight.dims.reverse(),
                2 => weight.dims.clear(),
                _ => {
                    let side = 1 + dice.below(2048) as i64;
                    match weight.dims.first_mut() {
                        Some(first) => *first = side,
                        None => weight.dims.push(side),
                    }
                }
            }
        }
        Kind::Huge if dice.below(2) == 0 => {
            let side = dice.of(&HUGE);
            let weight = weight(graph, dice);
            weight.dims.push(side);
        }
        Kind::Huge => {
            let side = dice.of(&HUGE);
            let values = [graph.input.as_mut_slice(), graph.output.as_mut_slice()];
            let mut values: Vec<&mut ValueInfoProto> = values.into_iter().flatten().collect();
            let at = dice.below(values.len());
            if let Some(Type::TensorType(tensor)) = values[at].r#type.as_mut().and_then(|t| t.value.as_mut())
                && let Some(shape) = &mut tensor.shape
            {
                let at = dice.below(shape.dim.len());
                shape.dim[at].value = Some(Side::DimValue(side));
            }
        }
        Kind::Cycle => {
            let (from, to) = (dice.below(graph.node.len()), dice.below(graph.node.len()));
            let (from, to) = (from.max(to), from.min(to));
            let name = graph.node[from].output[0].clone();
            let inputs = graph.node[to].input.len();
            if inputs == 0 {
                graph.node[to].input.push(name);
            } else {
                let at = dice.below(inputs);
                graph.node[to].input[at] = name;
            }
        }
        Kind::Operator => {
            let at = dice.below(graph.node.len());
            let node = &mut graph.node[at];
            match dice.below(3) {
                0 => node.op_type = dice.of(&OPERATORS).into(),
                1 => node.attribute.iter_mut().for_each(|a| {
                    a.i = dice.of(&HUGE);
                    a.ints.iter_mut().for_each(|i| *i = dice.of(&HUGE));
                }),
                _ => {
                    let number = dice.below(4);
                    node.input.truncate(number.min(1));
                    node.op_type = dice.of(&OPERATORS).into();
                }
            }
        }
        Kind::Missing => match dice.below(4) {
            0 => drop(graph.node.remove(dice.below(graph.node.len()))),
            1 => drop(graph.initializer.remove(dice.below(graph.initializer.len()))),
            2 => graph.output[dice.below(3)].name = "elsewhere".into(),
            _ => {
                let at = dice.below(graph.node.len());
                let twice = graph.node[0].output[0].clone();
                graph.node[at].output[0] = twice;
            }
        },
        Kind::Type => {
            let kind = dice.of(&[0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 16, 99]);
            weight(graph, dice).data_type = kind;
        }
        _ => bomb(graph, dice),
    }
}

fn weight<'a>(graph: &'a mut GraphProto, dice: &mut Dice) -> &'a mut TensorProto {
    let at = dice.below(graph.initializer.len());
    &mut graph.initializer[at]
}

/// An operator whose output is larger than any memory, in place of the landmarks.
fn bomb(graph: &mut GraphProto, dice: &mut Dice) {
    let side = dice.of(&[1i64 << 16, 1 << 20, 1 << 24]);
    let ints = |name: &str, values: &[i64]| TensorProto {
        name: name.into(),
        dims: vec![values.len() as i64],
        data_type: 7,
        int64_data: values.to_vec(),
        ..TensorProto::default()
    };
    let node = |op: &str, inputs: &[&str], output: &str| NodeProto {
        op_type: op.into(),
        name: output.into(),
        input: inputs.iter().map(|i| (*i).into()).collect(),
        output: vec![output.into()],
        ..NodeProto::default()
    };
    graph.initializer.push(ints("bomb.shape", &[side, side]));
    graph.initializer.push(ints("bomb.axes", &[0, 1]));
    let large = match dice.below(2) {
        0 => node("ConstantOfShape", &["bomb.shape"], "bomb.large"),
        _ => {
            graph.initializer.push(TensorProto {
                name: "bomb.seed".into(),
                dims: vec![1, 1],
                data_type: 1,
                float_data: vec![0.5],
                ..TensorProto::default()
            });
            node("Expand", &["bomb.seed", "bomb.shape"], "bomb.large")
        }
    };
    let mut sum = node("ReduceMean", &["bomb.large"], "bomb.small");
    sum.attribute.clear();
    let landmarks = graph.node.iter_mut().flat_map(|n| &mut n.output).find(|o| *o == "landmarks");
    if let Some(output) = landmarks {
        *output = "bomb.landmarks".into();
    }
    let add = node("Add", &["bomb.landmarks", "bomb.small"], "landmarks");
    graph.node.extend([large, sum, add]);
}
