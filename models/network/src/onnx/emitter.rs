//! The network's operations as ONNX nodes, in the form that tract and ONNX Runtime both run fast (batch 1).

use super::EmitOptions;
use super::graph::Builder;
use super::int8::{Int8Layers, Quantizable, RoundedWeight, short};
use super::proto::{Attribute, UINT8, ValueInfo};
use crate::checkpoint::Checkpoint;
use crate::layers::{Conv, Linear, Norm, PatchEmbed, Qkv};
use crate::ops::{Ops, Param, position_table};
use std::collections::HashMap;

/// A sequence `[1, n, d]`.
#[derive(Debug, Clone)]
pub(super) struct Seq {
    pub name: String,
    n: usize,
    d: usize,
}

/// Maps `[T, channels, side, side]`; raw ones are pixels less the mean colour, not yet divided by the deviation.
#[derive(Debug, Clone)]
pub(super) struct Map {
    name: String,
    channels: usize,
    side: usize,
    raw: bool,
}

pub(super) struct Emitter<'a> {
    checkpoint: &'a Checkpoint,
    options: &'a EmitOptions,
    int8: &'a Int8Layers,
    pub builder: Builder,
    /// The layers that may compute in int8, in the order of the graph.
    pub layers: Vec<Quantizable>,
    /// Names of norms by the value that they make.
    norms: HashMap<String, String>,
}

/// How the names of the heads' parameters begin. What a head reads is one token, or a few: nothing to gain from fewer bits, and
/// the answer itself to lose.
pub(super) const HEADS: &str = "heads.";
/// Name of the graph's input.
pub(super) const INPUT: &str = "clip";

impl<'a> Emitter<'a> {
    pub(super) fn new(checkpoint: &'a Checkpoint, options: &'a EmitOptions, int8: &'a Int8Layers) -> Emitter<'a> {
        Emitter { checkpoint, options, int8, builder: Builder::default(), layers: Vec::new(), norms: HashMap::new() }
    }

    pub(super) fn input(&self) -> ValueInfo {
        let c = &self.checkpoint.config;
        ValueInfo::new(INPUT, UINT8, &[1, c.frames, c.size, c.size, 3])
    }

    /// `emit` has checked that every parameter is there.
    fn values(&self, p: &Param) -> &'a [f32] {
        &self.checkpoint.tensors[&p.name].values
    }

    /// `x W + b` with `weight` as the checkpoint has it, `[outputs, inputs]`; in int8 when the layer is one of those.
    fn project(&mut self, x: &Seq, name: &str, weight: &[f32], bias: Option<Vec<f32>>) -> Seq {
        let (inputs, outputs) = (x.d, weight.len() / x.d);
        if !name.starts_with(HEADS) {
            let reads = x.name.clone();
            let norm = self.norms.get(&reads).cloned();
            self.layers.push(Quantizable {
                name: name.into(),
                reads,
                norm,
                shape: vec![1, x.n, inputs],
                inputs,
                outputs,
            });
        }
        let name = match self.int8.get(name) {
            Some(activation) => {
                let weight: Vec<f32> = transposed(weight, outputs).collect();
                let weight = RoundedWeight::new(&weight, outputs);
                self.builder.affine_int8(&x.name, name, &weight, bias, (*activation, self.options.opset))
            }
            None => self.builder.affine(&x.name, name, (inputs, outputs), transposed(weight, outputs), bias),
        };
        Seq { name, n: x.n, d: outputs }
    }

    /// Forgets the norms whose value something else reads, too.
    pub(super) fn sole_readers(&mut self) {
        for i in 0..self.layers.len() {
            let reads = &self.layers[i].reads;
            let siblings = self.layers.iter().filter(|l| l.reads == *reads).count();
            if self.builder.readers(reads) != siblings {
                self.layers[i].norm = None;
            }
        }
    }

    fn cast(&mut self, x: &str) -> String {
        self.builder.node("Cast", &[x], vec![Attribute::int("to", 1)])
    }

    fn heads_apart(&mut self, x: &Seq, heads: usize, perm: &[i64]) -> String {
        let y = self.builder.reshape(&x.name, &[1, x.n, heads, x.d / heads]);
        self.builder.transpose(&y, perm)
    }

    /// Factor on a byte of colour `c` that makes it a normalised value, once the mean is taken away.
    fn scale(&self, c: usize) -> f64 {
        1.0 / (255.0 * f64::from(self.options.std[c]))
    }
}

/// Rows of a transposed `[outputs, inputs]` weight.
fn transposed(w: &[f32], outputs: usize) -> impl Iterator<Item = f32> + '_ {
    let inputs = w.len() / outputs;
    (0..inputs).flat_map(move |i| (0..outputs).map(move |o| w[o * inputs + i]))
}

impl Ops for Emitter<'_> {
    type Seq = Seq;
    type Map = Map;

    /// Takes the mean away and leaves the deviation to the first convolution: its zero padding then is exact.
    fn frames(&mut self) -> Map {
        let c = &self.checkpoint.config;
        let (t, s) = (c.frames, c.size);
        let mean = self.options.mean;
        let x = self.builder.reshape(INPUT, &[t, s, s, 3]);
        let x = self.builder.transpose(&x, &[0, 3, 1, 2]);
        let x = self.cast(&x);
        let m = self.builder.constant("mean", &[1, 3, 1, 1], mean.iter().map(|m| m * 255.0));
        let name = self.builder.node("Sub", &[&x, &m], vec![]);
        Map { name, channels: 3, side: s, raw: true }
    }

    fn patch_embed(&mut self, layer: &PatchEmbed) -> Seq {
        let c = &self.checkpoint.config;
        let (t, s, d) = (c.frames / 2, c.size / 16, layer.bias.len());
        let n = t * s * s;
        let x = self.builder.reshape(INPUT, &[t, 2, s, 16, s, 16, 3]);
        let x = self.builder.transpose(&x, &[0, 2, 4, 1, 3, 5, 6]);
        let x = self.builder.reshape(&x, &[1, n, 1536]);
        let x = self.cast(&x);
        let w = self.values(&layer.weight);
        let mut bias: Vec<f64> = self.values(&layer.bias).iter().map(|b| f64::from(*b)).collect();
        for (i, v) in w.iter().enumerate() {
            let colour = i / 512 % 3;
            bias[i / 1536] -= f64::from(*v) * f64::from(self.options.mean[colour] / self.options.std[colour]);
        }
        let scale = [self.scale(0), self.scale(1), self.scale(2)];
        let weight = (0..1536 * d).map(|i| {
            let (place, colour, o) = (i / d / 3, i / d % 3, i % d);
            (f64::from(w[o * 1536 + colour * 512 + place]) * scale[colour]) as f32
        });
        let bias = bias.into_iter().map(|b| b as f32).collect();
        let name = self.builder.affine(&x, "patch_embed.proj", (1536, d), weight, Some(bias));
        Seq { name, n, d }
    }

    /// The batch normalisation is folded into the convolution.
    fn conv(&mut self, x: &Map, layer: &Conv) -> Map {
        let w = self.values(&layer.weight);
        let channels = layer.weight.shape[0];
        let per = w.len() / channels;
        let (gain, var) = (self.values(&layer.norm_weight), self.values(&layer.running_var));
        let (shift, mean) = (self.values(&layer.norm_bias), self.values(&layer.running_mean));
        let factor: Vec<f64> =
            (0..channels).map(|c| f64::from(gain[c]) / (f64::from(var[c]) + Conv::EPS).sqrt()).collect();
        let scale = if x.raw { [self.scale(0), self.scale(1), self.scale(2)] } else { [1.0; 3] };
        let folded =
            w.iter().enumerate().map(|(i, v)| (f64::from(*v) * factor[i / per] * scale[i / 9 % x.channels % 3]) as f32);
        let folded: Vec<f32> = folded.collect();
        let name = layer.weight.name.trim_end_matches(".weight");
        if !x.raw {
            let shape = vec![self.checkpoint.config.frames, x.channels, x.side, x.side];
            self.layers.push(Quantizable {
                name: name.into(),
                reads: x.name.clone(),
                norm: None,
                shape,
                inputs: per,
                outputs: channels,
            });
        }
        let shape = &layer.weight.shape;
        let (read, weight) = match self.int8.get(name).filter(|activation| !x.raw && activation.scale().is_some()) {
            Some(activation) => {
                let weight = RoundedWeight::of_rows(&folded, channels);
                (
                    self.builder.through_bytes(&x.name, *activation, self.options.opset),
                    self.builder.rounded(name, shape, &weight),
                )
            }
            None => {
                let rounded = !self.int8.is_empty();
                let folded = folded.into_iter().map(|v| if rounded { short(v) } else { v });
                (x.name.clone(), self.builder.constant(&layer.weight.name, shape, folded))
            }
        };
        let bias = (0..channels).map(|c| (f64::from(shift[c]) - f64::from(mean[c]) * factor[c]) as f32);
        let bias = self.builder.constant(&layer.norm_bias.name, &[channels], bias);
        let stride = layer.stride as i64;
        let attributes = vec![
            Attribute::ints("kernel_shape", &[3, 3]),
            Attribute::ints("pads", &[1; 4]),
            Attribute::ints("strides", &[stride; 2]),
        ];
        let name = self.builder.node("Conv", &[&read, &weight, &bias], attributes);
        Map { name, channels, side: x.side / layer.stride, raw: false }
    }

    fn relu(&mut self, x: &Map) -> Map {
        Map { name: self.builder.node("Relu", &[&x.name], vec![]), ..x.clone() }
    }

    fn add_maps(&mut self, a: &Map, b: &Map) -> Map {
        Map { name: self.builder.node("Add", &[&a.name, &b.name], vec![]), ..a.clone() }
    }

    fn tubelets(&mut self, x: &Map) -> Seq {
        let (t, c, s) = (self.checkpoint.config.frames / 2, x.channels, x.side);
        let y = self.builder.reshape(&x.name, &[t, 2, c, s, s]);
        let y = self.builder.transpose(&y, &[0, 3, 4, 1, 2]);
        let (n, d) = (t * s * s, 2 * c);
        Seq { name: self.builder.reshape(&y, &[1, n, d]), n, d }
    }

    fn positions(&mut self, x: &Seq) -> Seq {
        let table = position_table(x.n, x.d);
        Seq { name: self.builder.add_table(&x.name, x.n, &table), ..*x }
    }

    fn linear(&mut self, x: &Seq, layer: &Linear) -> Seq {
        let (weight, bias) = (self.values(&layer.weight), self.values(&layer.bias).to_vec());
        self.project(x, layer.weight.name.trim_end_matches(".weight"), weight, Some(bias))
    }

    fn qkv(&mut self, x: &Seq, layer: &Qkv) -> (Seq, Seq, Seq) {
        let d = layer.width();
        let w = self.values(&layer.weight);
        let stem = layer.weight.name.trim_end_matches("qkv.weight");
        let biases = [Some(&layer.q_bias), None, Some(&layer.v_bias)].map(|b| b.map(|b| self.values(b).to_vec()));
        let [q, k, v] = [0, 1, 2].map(|i| {
            let name = format!("{stem}{}", ["q", "k", "v"][i]);
            self.project(x, &name, &w[i * d * d..(i + 1) * d * d], biases[i].clone())
        });
        (q, k, v)
    }

    fn layer_norm(&mut self, x: &Seq, layer: &Norm) -> Seq {
        let (w, b) = (self.values(&layer.weight), self.values(&layer.bias));
        let w = self.builder.constant(&layer.weight.name, &[x.d], w.iter().copied());
        let b = self.builder.constant(&layer.bias.name, &[x.d], b.iter().copied());
        let attributes = vec![Attribute::int("axis", -1), Attribute::float("epsilon", Norm::EPS as f32)];
        let name = self.builder.node("LayerNormalization", &[&x.name, &w, &b], attributes);
        self.norms.insert(name.clone(), layer.weight.name.trim_end_matches(".weight").to_owned());
        Seq { name, ..*x }
    }

    fn attention(&mut self, q: &Seq, k: &Seq, v: &Seq, heads: usize) -> Seq {
        let factor = 1.0 / ((q.d / heads) as f32).sqrt();
        let scaled = Seq { name: self.builder.scaled(&q.name, factor), ..*q };
        let qh = self.heads_apart(&scaled, heads, &[0, 2, 1, 3]);
        let kh = self.heads_apart(k, heads, &[0, 2, 3, 1]);
        let vh = self.heads_apart(v, heads, &[0, 2, 1, 3]);
        let y = self.builder.node("MatMul", &[&qh, &kh], vec![]);
        let y = self.builder.node("Softmax", &[&y], vec![Attribute::int("axis", -1)]);
        let y = self.builder.node("MatMul", &[&y, &vh], vec![]);
        let y = self.builder.transpose(&y, &[0, 2, 1, 3]);
        Seq { name: self.builder.reshape(&y, &[1, q.n, v.d]), n: q.n, d: v.d }
    }

    fn gelu(&mut self, x: &Seq) -> Seq {
        if self.options.opset >= 20 {
            return Seq { name: self.builder.node("Gelu", &[&x.name], vec![]), ..*x };
        }
        let count = self.builder.constant_count();
        let mut scalar =
            |tag: &str, v: f32| self.builder.constant(&format!("gelu_{count}.{tag}"), &[], std::iter::once(v));
        let (root, one, half) = (scalar("root", std::f32::consts::SQRT_2), scalar("one", 1.0), scalar("half", 0.5));
        let y = self.builder.node("Div", &[&x.name, &root], vec![]);
        let y = self.builder.node("Erf", &[&y], vec![]);
        let y = self.builder.node("Add", &[&y, &one], vec![]);
        let y = self.builder.node("Mul", &[&x.name, &y], vec![]);
        Seq { name: self.builder.node("Mul", &[&y, &half], vec![]), ..*x }
    }

    fn add(&mut self, a: &Seq, b: &Seq) -> Seq {
        Seq { name: self.builder.node("Add", &[&a.name, &b.name], vec![]), ..*a }
    }

    fn pool(&mut self, x: &Seq, groups: usize) -> Seq {
        let y = self.builder.reshape(&x.name, &[1, groups, x.n / groups, x.d]);
        let keep = Attribute::int("keepdims", 0);
        let name = if self.options.opset >= 18 {
            let axes = self.builder.integers(&[2]);
            self.builder.node("ReduceMean", &[&y, &axes], vec![keep])
        } else {
            self.builder.node("ReduceMean", &[&y], vec![Attribute::ints("axes", &[2]), keep])
        };
        Seq { name, n: groups, d: x.d }
    }

    fn reshape(&mut self, x: &Seq, n: usize, d: usize) -> Seq {
        Seq { name: self.builder.reshape(&x.name, &[1, n, d]), n, d }
    }
}
