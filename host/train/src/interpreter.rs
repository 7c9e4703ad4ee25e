//! The network on burn tensors: numbers with gradients.

use crate::{attend::attend, convolve::convolve, device::Precision, gelu::gelu};
use burn::tensor::{
    Device, Distribution, FloatDType, Tensor, TensorData,
    activation::{relu, softmax},
    module::{batch_norm, batch_norm_train, layer_norm},
};
use mtcae_network::{Conv, Linear, Norm, Ops, Param, PatchEmbed, Qkv, SplitMix, position_table};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

/// Parameters by name, each flat; the operations give them their shapes.
pub type Parameters = HashMap<String, Tensor<1>>;

/// What differs between training and evaluation.
pub enum Mode {
    /// Running statistics, no dropout.
    Evaluate,
    /// Batch statistics and dropout drawn from the generator.
    Train(SplitMix),
    /// Batch statistics and dropout drawn by the device, from the seed it was given last.
    TrainByDevice,
}

/// The tokens of a clip that are not hidden, in pre-training.
#[derive(Clone)]
pub(crate) struct Shown {
    /// Pixels of the visible ones, `[batch, visible, values]`: colour, frame, row, column.
    pub patches: Tensor<3>,
    /// Their places, `[batch, visible]`.
    pub visible: Vec<usize>,
    /// Places of the hidden ones, `[batch, hidden]`.
    pub hidden: Vec<usize>,
    /// More than the highest place.
    pub places: usize,
}

/// Gives [`Ops`] the meaning "compute it, and be ready to differentiate".
pub struct Interpreter<'a> {
    params: &'a Parameters,
    pub(crate) device: Device,
    clip: Tensor<4>,
    batch: usize,
    /// Frames the network counts, and frames in `clip`: a still is fed once and stands for both frames of its tubelet.
    frames: usize,
    mode: Mode,
    /// Of sequences and products; norms and statistics are f32.
    pub(crate) dtype: FloatDType,
    /// Instead of `clip` where tokens are hidden.
    pub(crate) shown: Option<Shown>,
    /// Share of samples that leave out a branch of the last block.
    drop_path: f32,
    /// Which tubelet of a longer clip this clip's first one pretends to be.
    first_tubelet: usize,
    /// Mean and variance of each normalised convolution seen in this pass, by the name of the running statistic.
    pub statistics: Vec<(String, Tensor<1>)>,
}

impl<'a> Interpreter<'a> {
    /// An interpreter for one pass over `clip`, normalised frames `[batch * frames, 3, S, S]`, or
    /// `[batch, 3, S, S]` when every clip is one still.
    pub fn new(
        params: &'a Parameters,
        clip: Tensor<4>,
        batch: usize,
        frames: usize,
        mode: Mode,
        first_tubelet: usize,
    ) -> Self {
        let (device, dtype) = (clip.device(), FloatDType::F32);
        Interpreter {
            params,
            device,
            clip,
            batch,
            frames,
            mode,
            dtype,
            shown: None,
            drop_path: 0.0,
            first_tubelet,
            statistics: Vec::new(),
        }
    }

    /// An interpreter for one pass over the visible tokens of `batch` clips of `frames` frames.
    pub(crate) fn of_shown(
        params: &'a Parameters,
        shown: Shown,
        batch: usize,
        frames: usize,
        mode: Mode,
        precision: Precision,
    ) -> Self {
        let nothing = Tensor::zeros([1, 1, 1, 1], &shown.patches.device());
        let all = Interpreter::new(params, nothing, batch, frames, mode, 0);
        Interpreter { shown: Some(shown), dtype: precision.dtype(), ..all }
    }

    /// The same in another precision.
    pub fn with_precision(self, precision: Precision) -> Self {
        let dtype = precision.dtype();
        Interpreter { clip: self.clip.cast(dtype), dtype, ..self }
    }

    /// The same, with branches of encoder blocks left out in training: of the last one for this share of the samples, of
    /// earlier ones for less, of the first one never.
    pub fn with_drop_path(self, drop_path: f32) -> Self {
        Interpreter { drop_path, ..self }
    }

    fn param<const D: usize>(&self, p: &Param, shape: [usize; D]) -> Tensor<D> {
        self.flat(p).reshape(shape)
    }

    fn matrix(&self, p: &Param) -> Tensor<2> {
        let rows = p.shape[0];
        self.param(p, [rows, p.len() / rows]).transpose()
    }

    pub(crate) fn flat(&self, p: &Param) -> Tensor<1> {
        self.exact(p).cast(self.dtype)
    }

    /// In f32, whatever the precision.
    fn exact(&self, p: &Param) -> Tensor<1> {
        self.params[&p.name].clone()
    }

    /// Zero for a share `p` of the places and 1 / (1 - p) for the others; `None` where nothing is left out.
    fn mask<const D: usize>(&mut self, shape: [usize; D], p: f32) -> Option<Tensor<D>> {
        let keep = 1.0 / (1.0 - p);
        match &mut self.mode {
            _ if p <= 0.0 => None,
            Mode::Evaluate => None,
            Mode::Train(random) => {
                let n = shape.iter().product();
                let mask: Vec<f32> = (0..n).map(|_| if random.unit() < p { 0.0 } else { keep }).collect();
                Some(Tensor::<1>::from_data(TensorData::new(mask, [n]), &self.device).cast(self.dtype).reshape(shape))
            }
            Mode::TrainByDevice => {
                let stays = Distribution::Bernoulli(f64::from(1.0 - p));
                Some(Tensor::<D>::random(shape, stays, &self.device).cast(self.dtype) * keep)
            }
        }
    }

    pub(crate) fn project(&self, x: &Tensor<3>, weight: &Param, bias: Tensor<1>) -> Tensor<3> {
        let [b, n, d] = x.dims();
        let outputs = weight.shape[0];
        let y = x.clone().reshape([b * n, d]).matmul(self.matrix(weight)) + bias.unsqueeze::<2>();
        y.reshape([b, n, outputs])
    }

    /// The rows of the position table of these places, `[b, places of a clip, d]`.
    pub(crate) fn rows(&self, places: &[usize], b: usize, d: usize) -> Tensor<3> {
        let table = positions(self.shown.as_ref().map_or(0, |s| s.places), d);
        let rows: Vec<f32> = places.iter().flat_map(|p| &table[p * d..(p + 1) * d]).copied().collect();
        let rows = Tensor::<1>::from_data(TensorData::new(rows, [places.len() * d]), &self.device);
        rows.cast(self.dtype).reshape([b, places.len() / b, d])
    }
}

impl Ops for Interpreter<'_> {
    type Seq = Tensor<3>;
    type Map = Tensor<4>;

    fn frames(&mut self) -> Tensor<4> {
        self.clip.clone()
    }

    fn patch_embed(&mut self, layer: &PatchEmbed) -> Tensor<3> {
        if let Some(shown) = &self.shown {
            return self.project(&shown.patches, &layer.weight, self.flat(&layer.bias));
        }
        let [images, _, side, _] = self.clip.dims();
        let (b, h) = (self.batch, side / 16);
        let clip = if images == b { Tensor::cat(vec![self.clip.clone(); 2], 1) } else { self.clip.clone() };
        let t = self.frames / 2;
        // [b, t, pair, colour, row, y, column, x] to [b, t, row, column, colour, pair, y, x]
        let patches: Tensor<8> = clip.reshape([b, t, 2, 3, h, 16, h, 16]).permute([0, 1, 4, 6, 3, 2, 5, 7]);
        let patches = patches.reshape([b, t * h * h, 3 * 2 * 16 * 16]);
        self.project(&patches, &layer.weight, self.flat(&layer.bias))
    }

    fn conv(&mut self, x: &Tensor<4>, layer: &Conv) -> Tensor<4> {
        let s = &layer.weight.shape;
        let weight = self.param(&layer.weight, [s[0], s[1], s[2], s[3]]);
        let y = convolve(x.clone(), weight, layer.stride).cast(FloatDType::F32);
        let (scale, shift) = (self.exact(&layer.norm_weight), self.exact(&layer.norm_bias));
        let y = match self.mode {
            Mode::Evaluate => {
                let (mean, var) = (self.exact(&layer.running_mean), self.exact(&layer.running_var));
                batch_norm(y, scale, shift, mean, var, Conv::EPS)
            }
            Mode::Train(_) | Mode::TrainByDevice => {
                let out = batch_norm_train(y, scale, shift, Conv::EPS);
                self.statistics.push((layer.running_mean.name.clone(), out.mean));
                self.statistics.push((layer.running_var.name.clone(), out.variance));
                out.output
            }
        };
        y.cast(self.dtype)
    }

    fn relu(&mut self, x: &Tensor<4>) -> Tensor<4> {
        relu(x.clone())
    }

    fn add_maps(&mut self, a: &Tensor<4>, b: &Tensor<4>) -> Tensor<4> {
        a.clone() + b.clone()
    }

    fn tubelets(&mut self, x: &Tensor<4>) -> Tensor<3> {
        let [images, c, h, w] = x.dims();
        let b = self.batch;
        if images == b {
            let tokens = x.clone().permute([0, 2, 3, 1]).reshape([b, h * w, c]);
            return Tensor::cat(vec![tokens; 2], 2);
        }
        let t = self.frames / 2;
        let pairs: Tensor<6> = x.clone().reshape([b, t, 2, c, h, w]).permute([0, 1, 4, 5, 2, 3]);
        pairs.reshape([b, t * h * w, 2 * c])
    }

    fn positions(&mut self, x: &Tensor<3>) -> Tensor<3> {
        let [b, n, d] = x.dims();
        if let Some(shown) = &self.shown {
            return x.clone() + self.rows(&shown.visible, b, d);
        }
        let skip = self.first_tubelet * n / (self.frames / 2);
        let table = positions(skip + n, d)[skip * d..].to_vec();
        let table = Tensor::<1>::from_data(TensorData::new(table, [n * d]), &self.device);
        x.clone() + table.cast(self.dtype).reshape([1, n, d])
    }

    fn linear(&mut self, x: &Tensor<3>, layer: &Linear) -> Tensor<3> {
        self.project(x, &layer.weight, self.flat(&layer.bias))
    }

    fn qkv(&mut self, x: &Tensor<3>, layer: &Qkv) -> (Tensor<3>, Tensor<3>, Tensor<3>) {
        let d = layer.width();
        let no_bias = Tensor::<1>::zeros([d], &self.device).cast(self.dtype);
        let bias = Tensor::cat(vec![self.flat(&layer.q_bias), no_bias, self.flat(&layer.v_bias)], 0);
        let all = self.project(x, &layer.weight, bias);
        let part = |i: usize| all.clone().narrow(2, i * d, d);
        (part(0), part(1), part(2))
    }

    fn layer_norm(&mut self, x: &Tensor<3>, layer: &Norm) -> Tensor<3> {
        let (scale, shift) = (self.exact(&layer.weight), self.exact(&layer.bias));
        layer_norm(x.clone().cast(FloatDType::F32), scale, Some(shift), Norm::EPS).cast(self.dtype)
    }

    fn attention(&mut self, q: &Tensor<3>, k: &Tensor<3>, v: &Tensor<3>, heads: usize) -> Tensor<3> {
        let [b, n, d] = q.dims();
        let width = d / heads;
        let split = |x: &Tensor<3>| {
            let [b, n, _] = x.dims();
            x.clone().reshape([b, n, heads, width]).permute([0, 2, 1, 3])
        };
        // A processor has room for what the library keeps, and no time for doing it twice.
        let mixed = if self.device == Device::flex() {
            let scores = (split(q) * (width as f32).powf(-0.5)).matmul(split(k).transpose());
            softmax(scores, 3).matmul(split(v))
        } else {
            attend(split(q), split(k), split(v))
        };
        mixed.permute([0, 2, 1, 3]).reshape([b, n, d])
    }

    fn gelu(&mut self, x: &Tensor<3>) -> Tensor<3> {
        gelu(x.clone())
    }

    fn add(&mut self, a: &Tensor<3>, b: &Tensor<3>) -> Tensor<3> {
        a.clone() + b.clone()
    }

    fn pool(&mut self, x: &Tensor<3>, groups: usize) -> Tensor<3> {
        let [b, n, d] = x.dims();
        x.clone().reshape([b, groups, n / groups, d]).mean_dim(2).reshape([b, groups, d])
    }

    fn reshape(&mut self, x: &Tensor<3>, n: usize, d: usize) -> Tensor<3> {
        let b = x.dims()[0];
        x.clone().reshape([b, n, d])
    }

    fn drop_path(&mut self, branch: &Tensor<3>, block: usize, depth: usize) -> Tensor<3> {
        let p = self.drop_path * block as f32 / (depth - 1).max(1) as f32;
        match self.mask([branch.dims()[0], 1, 1], p) {
            Some(mask) => branch.clone() * mask,
            None => branch.clone(),
        }
    }

    fn dropout(&mut self, x: &Tensor<3>, p: f32) -> Tensor<3> {
        match self.mask(x.dims(), p) {
            Some(mask) => x.clone() * mask,
            None => x.clone(),
        }
    }
}

/// [`position_table`], kept: at 1568 tokens of 1024 channels it takes as long as a step.
fn positions(tokens: usize, width: usize) -> Arc<Vec<f32>> {
    /// Tables by tokens and width; a run has one or two.
    type Tables = HashMap<(usize, usize), Arc<Vec<f32>>>;
    static TABLES: LazyLock<Mutex<Tables>> = LazyLock::new(Mutex::default);
    let mut tables = TABLES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    tables.entry((tokens, width)).or_insert_with(|| Arc::new(position_table(tokens, width))).clone()
}
