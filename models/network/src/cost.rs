//! Counting: parameters, multiply-adds and peak activation memory, by running the network on shapes alone.

use crate::config::{NetworkConfig, Stem};
use crate::decoder::Network;
use crate::layers::{Conv, Linear, Norm, PatchEmbed, Qkv};
use crate::masked::{Autoencoder, MaskOps};
use crate::ops::{Ops, Param};
use serde::Serialize;
use std::cell::Cell;
use std::rc::Rc;

/// What one clip costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Trained values in the encoder (patch embedding or stem, and blocks).
    pub encoder_parameters: usize,
    /// Trained values in decoders and heads.
    pub decoder_parameters: usize,
    /// Multiply-adds of matrix products and convolutions in the encoder.
    pub encoder_macs: u64,
    /// The same in decoders and heads.
    pub decoder_macs: u64,
    /// Most bytes of f32 activations alive at one time, when each is freed after its last use.
    pub peak_activation_bytes: u64,
    /// Tokens of a clip.
    pub tokens: usize,
}

impl Cost {
    /// All trained values.
    pub fn parameters(&self) -> usize {
        self.encoder_parameters + self.decoder_parameters
    }

    /// All multiply-adds.
    pub fn macs(&self) -> u64 {
        self.encoder_macs + self.decoder_macs
    }
}

/// What one clip costs `network`.
pub fn count(network: &Network) -> Cost {
    let mut counter = Counter::new(network.config());
    let features = network.encode(&mut counter);
    let trained = |c: &Counter| c.params.iter().filter(|p| p.trained).map(Param::len).sum::<usize>();
    let (encoder_parameters, encoder_macs) = (trained(&counter), counter.macs);
    drop(network.answer(&mut counter, &features));
    Cost {
        encoder_parameters,
        decoder_parameters: trained(&counter) - encoder_parameters,
        encoder_macs,
        decoder_macs: counter.macs - encoder_macs,
        peak_activation_bytes: counter.memory.peak.get() * 4,
        tokens: network.config().tokens(),
    }
}

/// Every parameter of `network` in the order of its first use, running statistics included.
pub fn parameters(network: &Network) -> Vec<Param> {
    let mut counter = Counter::new(network.config());
    network.forward(&mut counter);
    counter.params
}

/// Every parameter of the masked autoencoder `auto` in the order of its first use.
pub fn autoencoder_parameters(auto: &Autoencoder) -> Vec<Param> {
    let mut counter = Counter::new(auto.config());
    auto.forward(&mut counter);
    counter.params
}

#[derive(Debug, Default)]
struct Memory {
    live: Cell<u64>,
    peak: Cell<u64>,
}

/// Gives its values back to [`Memory`] when the last clone goes.
#[derive(Debug)]
struct Alive {
    values: u64,
    memory: Rc<Memory>,
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.memory.live.set(self.memory.live.get() - self.values);
    }
}

/// A shape `[rows, columns]` (tokens and channels; channels and pixels of a map) that counts as alive.
#[derive(Debug, Clone)]
struct Shape {
    n: usize,
    d: usize,
    _alive: Rc<Alive>,
}

/// A map of `T` frames: channels and side.
#[derive(Debug, Clone)]
struct MapShape {
    channels: usize,
    side: usize,
    _alive: Rc<Alive>,
}

struct Counter {
    params: Vec<Param>,
    macs: u64,
    memory: Rc<Memory>,
    frames: usize,
    size: usize,
    conv: bool,
}

impl Counter {
    fn new(c: &NetworkConfig) -> Counter {
        Counter {
            params: Vec::new(),
            macs: 0,
            memory: Rc::default(),
            frames: c.frames,
            size: c.size,
            conv: matches!(c.encoder.stem, Stem::Conv { .. }),
        }
    }

    fn alive(&self, values: usize) -> Rc<Alive> {
        let live = self.memory.live.get() + values as u64;
        self.memory.live.set(live);
        self.memory.peak.set(self.memory.peak.get().max(live));
        Rc::new(Alive { values: values as u64, memory: Rc::clone(&self.memory) })
    }

    fn seq(&self, n: usize, d: usize) -> Shape {
        Shape { n, d, _alive: self.alive(n * d) }
    }

    fn map(&self, channels: usize, side: usize) -> MapShape {
        MapShape { channels, side, _alive: self.alive(self.frames * channels * side * side) }
    }

    fn uses(&mut self, params: &[&Param]) {
        for p in params {
            if !self.params.iter().any(|known| known.name == p.name) {
                self.params.push((*p).clone());
            }
        }
    }
}

impl Ops for Counter {
    type Seq = Shape;
    type Map = MapShape;

    fn frames(&mut self) -> MapShape {
        debug_assert!(self.conv, "only a convolutional stem reads frames");
        self.map(3, self.size)
    }

    fn patch_embed(&mut self, layer: &PatchEmbed) -> Shape {
        self.uses(&[&layer.weight, &layer.bias]);
        let tokens = self.frames / 2 * (self.size / 16).pow(2);
        self.macs += (tokens * layer.weight.len()) as u64;
        self.seq(tokens, layer.bias.len())
    }

    fn conv(&mut self, x: &MapShape, layer: &Conv) -> MapShape {
        let all = [&layer.weight, &layer.norm_weight, &layer.norm_bias, &layer.running_mean, &layer.running_var];
        self.uses(&all);
        let out = self.map(layer.weight.shape[0], x.side / layer.stride);
        self.macs += (self.frames * out.side * out.side * layer.weight.len()) as u64;
        out
    }

    fn relu(&mut self, x: &MapShape) -> MapShape {
        self.map(x.channels, x.side)
    }

    fn add_maps(&mut self, a: &MapShape, _b: &MapShape) -> MapShape {
        self.map(a.channels, a.side)
    }

    fn tubelets(&mut self, x: &MapShape) -> Shape {
        self.seq(self.frames / 2 * x.side * x.side, 2 * x.channels)
    }

    fn positions(&mut self, x: &Shape) -> Shape {
        self.seq(x.n, x.d)
    }

    fn linear(&mut self, x: &Shape, layer: &Linear) -> Shape {
        assert_eq!(x.d, layer.inputs(), "{} does not fit its input", layer.weight.name);
        self.uses(&[&layer.weight, &layer.bias]);
        self.macs += (x.n * layer.weight.len()) as u64;
        self.seq(x.n, layer.outputs())
    }

    fn qkv(&mut self, x: &Shape, layer: &Qkv) -> (Shape, Shape, Shape) {
        self.uses(&[&layer.weight, &layer.q_bias, &layer.v_bias]);
        self.macs += (x.n * layer.weight.len()) as u64;
        let part = || self.seq(x.n, layer.width());
        (part(), part(), part())
    }

    fn layer_norm(&mut self, x: &Shape, layer: &Norm) -> Shape {
        self.uses(&[&layer.weight, &layer.bias]);
        self.seq(x.n, x.d)
    }

    fn attention(&mut self, q: &Shape, k: &Shape, v: &Shape, heads: usize) -> Shape {
        let scores = self.alive(heads * q.n * k.n);
        self.macs += 2 * (q.n * k.n * q.d) as u64;
        let out = self.seq(q.n, v.d);
        drop(scores);
        out
    }

    fn gelu(&mut self, x: &Shape) -> Shape {
        self.seq(x.n, x.d)
    }

    fn add(&mut self, a: &Shape, b: &Shape) -> Shape {
        assert_eq!((a.n, a.d), (b.n, b.d), "a sum of different shapes");
        self.seq(a.n, a.d)
    }

    fn pool(&mut self, x: &Shape, groups: usize) -> Shape {
        self.seq(groups, x.d)
    }

    fn reshape(&mut self, x: &Shape, n: usize, d: usize) -> Shape {
        assert_eq!(x.n * x.d, n * d, "a reshape that changes the number of values");
        self.seq(n, d)
    }
}

/// As if nothing were hidden; only parameters are asked of it.
impl MaskOps for Counter {
    fn product(&mut self, x: &Shape, weight: &Param) -> Shape {
        self.uses(&[weight]);
        self.macs += (x.n * weight.len()) as u64;
        self.seq(x.n, weight.shape[0])
    }

    fn with_hidden(&mut self, visible: &Shape, token: &Param) -> Shape {
        self.uses(&[token]);
        self.seq(visible.n, visible.d)
    }

    fn hidden(&mut self, all: &Shape) -> Shape {
        self.seq(all.n, all.d)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PRESETS, Strategy};

    #[test]
    fn large_has_the_published_encoder() {
        let network = Network::new(NetworkConfig::preset("large").unwrap()).unwrap();
        assert_eq!(count(&network).encoder_parameters, 303_858_688);
    }

    #[test]
    fn every_preset_and_strategy_fits_together() {
        for name in PRESETS {
            for strategy in Strategy::ALL {
                let mut config = NetworkConfig::preset(name).unwrap();
                config.strategy = strategy;
                let network = Network::new(config).unwrap();
                let cost = count(&network);
                let params = parameters(&network);
                let trained: usize = params.iter().filter(|p| p.trained).map(Param::len).sum();
                assert_eq!(cost.parameters(), trained, "{name} {strategy}");
                assert!(cost.macs() > 0 && cost.peak_activation_bytes > 0);
            }
        }
    }

    #[test]
    fn memory_is_given_back() {
        let network = Network::new(NetworkConfig::preset("tiny").unwrap()).unwrap();
        let mut counter = Counter::new(network.config());
        drop(network.forward(&mut counter));
        assert_eq!(counter.memory.live.get(), 0);
    }
}
