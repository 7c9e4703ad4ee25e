//! Decoders, heads, and the six ways to put them together (paper, Fig. 1, Table I, Algorithm 1).

use crate::config::{ConfigError, DecoderConfig, NetworkConfig, Pool, Strategy};
use crate::encoder::Encoder;
use crate::layers::{Linear, Norm};
use crate::ops::Ops;

/// What a decoder and its head answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Face box per frame.
    Boxes,
    /// Five landmarks per frame.
    Landmarks,
    /// Expression of the clip.
    Expression,
}

/// The network's outputs; boxes and landmarks are missing in strategy `single-task`.
#[derive(Debug, Clone)]
pub struct Answer<S> {
    /// `[B, T, 4]`: x, y, w, h in fractions of the clip's frame.
    pub boxes: Option<S>,
    /// `[B, T, 10]`: five points x, y in fractions of the clip's frame.
    pub landmarks: Option<S>,
    /// `[B, 1, C]`.
    pub logits: S,
}

#[derive(Debug, Clone)]
struct Attention {
    norm: Norm,
    q: Linear,
    k: Linear,
    v: Linear,
    out: Linear,
}

#[derive(Debug, Clone)]
struct Layer {
    attention: Option<Attention>,
    norm: Norm,
    fc1: Linear,
    fc2: Linear,
}

/// Algorithm 1: queries from the previous decoder, keys and values from the encoder.
#[derive(Debug, Clone)]
struct Decoder {
    /// `Dense(F)`; an MLP decoder behind another one reads no features and has none.
    embed: Option<Linear>,
    kv_norm: Option<Norm>,
    layers: Vec<Layer>,
    heads: usize,
}

#[derive(Debug, Clone)]
struct Head {
    norm: Norm,
    fc: Linear,
    pool: usize,
    /// Shape of one sample's answer.
    rows: usize,
    columns: usize,
}

/// MTCAE-DFER: configuration and layers. The weights live elsewhere, by name.
#[derive(Debug, Clone)]
pub struct Network {
    config: NetworkConfig,
    encoder: Encoder,
    shared: Option<Decoder>,
    decoders: Vec<Decoder>,
    boxes: Option<Head>,
    landmarks: Option<Head>,
    expression: Head,
}

/// Share of F set to zero in training (paper, section 4).
const FEATURE_DROPOUT: f32 = 0.3;
/// Share of values set to zero before a decoder's last layer in training (paper, section 4).
const DECODER_DROPOUT: f32 = 0.1;

impl Network {
    /// Lays the network out.
    ///
    /// # Errors
    /// When the configuration is out of range.
    pub fn new(config: NetworkConfig) -> Result<Network, ConfigError> {
        config.validate()?;
        let c = &config;
        let attention = c.strategy.uses_attention();
        let decoder = |name: &str| {
            let reads_features = attention || name == "shared" || !c.strategy.has_shared_decoder();
            Decoder::new(name, reads_features.then_some(c.encoder.width), &c.decoder, attention)
        };
        let multi = c.strategy != Strategy::SingleTask;
        let shared = c.strategy.has_shared_decoder().then(|| decoder("shared"));
        let names = if multi { &["decoders.0", "decoders.1", "decoders.2"][..] } else { &[] };
        let decoders: Vec<_> = names.iter().map(|n| decoder(n)).collect();
        let width = if multi { c.decoder.width } else { c.encoder.width };
        Ok(Network {
            encoder: Encoder::new(&c.encoder),
            shared,
            decoders,
            boxes: multi.then(|| Head::per_frame("heads.boxes", width, c, 4)),
            landmarks: multi.then(|| Head::per_frame("heads.landmarks", width, c, 10)),
            expression: Head::new("heads.expression", width, 1, (1, c.classes)),
            config,
        })
    }

    /// The configuration it was made from.
    pub fn config(&self) -> &NetworkConfig {
        &self.config
    }

    /// The encoder alone: F, `[B, tokens, D]`.
    pub fn encode<O: Ops>(&self, ops: &mut O) -> O::Seq {
        self.encoder.forward(ops)
    }

    /// The whole network on the interpreter's clip.
    pub fn forward<O: Ops>(&self, ops: &mut O) -> Answer<O::Seq> {
        let features = self.encode(ops);
        self.answer(ops, &features)
    }

    /// Decoders and heads on features F.
    pub fn answer<O: Ops>(&self, ops: &mut O, features: &O::Seq) -> Answer<O::Seq> {
        let features = ops.dropout(features, FEATURE_DROPOUT);
        if self.decoders.is_empty() {
            let logits = self.expression.forward(ops, &features);
            return Answer { boxes: None, landmarks: None, logits };
        }
        let mut query = self.shared.as_ref().map(|d| d.forward(ops, None, &features));
        let mut outputs = Vec::with_capacity(self.decoders.len());
        for (decoder, head) in self.decoders.iter().zip([&self.boxes, &self.landmarks, &None]) {
            let y = decoder.forward(ops, query.as_ref(), &features);
            outputs.push(match head {
                Some(head) => head.forward(ops, &y),
                None => self.expression.forward(ops, &y),
            });
            if self.config.strategy == Strategy::CascadedVit {
                query = Some(y);
            }
        }
        let logits = outputs.remove(2);
        let landmarks = outputs.pop();
        Answer { boxes: outputs.pop(), landmarks, logits }
    }
}

impl Decoder {
    fn new(name: &str, features: Option<usize>, config: &DecoderConfig, attention: bool) -> Decoder {
        let d = config.width;
        let inner = config.heads * config.head_width;
        let layers = (0..config.layers)
            .map(|i| {
                let at = |part: &str| format!("{name}.layers.{i}.{part}");
                Layer {
                    attention: attention.then(|| Attention {
                        norm: Norm::new(&at("norm1"), d),
                        q: Linear::new(&at("attn.q"), d, inner),
                        k: Linear::new(&at("attn.k"), d, inner),
                        v: Linear::new(&at("attn.v"), d, inner),
                        out: Linear::new(&at("attn.proj"), inner, d),
                    }),
                    norm: Norm::new(&at("norm2"), d),
                    fc1: Linear::new(&at("mlp.fc1"), d, config.mlp_hidden),
                    fc2: Linear::new(&at("mlp.fc2"), config.mlp_hidden, d),
                }
            })
            .collect();
        Decoder {
            embed: features.map(|width| Linear::new(&format!("{name}.embed"), width, d)),
            kv_norm: attention.then(|| Norm::new(&format!("{name}.norm"), d)),
            layers,
            heads: config.heads,
        }
    }

    /// Without a `query` the decoder starts from its own embedding of the features.
    fn forward<O: Ops>(&self, ops: &mut O, query: Option<&O::Seq>, features: &O::Seq) -> O::Seq {
        let embedded = self.embed.as_ref().map_or_else(|| features.clone(), |embed| ops.linear(features, embed));
        let kv = self.kv_norm.as_ref().map(|norm| ops.layer_norm(&embedded, norm));
        let mut y = query.cloned().unwrap_or(embedded);
        let last = self.layers.len() - 1;
        for (i, layer) in self.layers.iter().enumerate() {
            if i == last {
                y = ops.dropout(&y, DECODER_DROPOUT);
            }
            if let (Some(attention), Some(kv)) = (&layer.attention, &kv) {
                let z = attention.forward(ops, &y, kv, self.heads);
                y = ops.add(&z, &y);
            }
            let z = ops.layer_norm(&y, &layer.norm);
            let z = ops.linear(&z, &layer.fc1);
            let z = ops.gelu(&z);
            let z = ops.linear(&z, &layer.fc2);
            y = ops.add(&z, &y);
        }
        y
    }
}

impl Attention {
    fn forward<O: Ops>(&self, ops: &mut O, y: &O::Seq, kv: &O::Seq, heads: usize) -> O::Seq {
        let q = ops.layer_norm(y, &self.norm);
        let q = ops.linear(&q, &self.q);
        let k = ops.linear(kv, &self.k);
        let v = ops.linear(kv, &self.v);
        let z = ops.attention(&q, &k, &v, heads);
        ops.linear(&z, &self.out)
    }
}

impl Head {
    fn new(name: &str, width: usize, pool: usize, (rows, columns): (usize, usize)) -> Head {
        Head {
            norm: Norm::new(&format!("{name}.norm"), width),
            fc: Linear::new(&format!("{name}.fc"), width, rows * columns / pool),
            pool,
            rows,
            columns,
        }
    }

    fn per_frame(name: &str, width: usize, config: &NetworkConfig, columns: usize) -> Head {
        let pool = match config.pool {
            Pool::Mean => 1,
            Pool::Tubelet => config.frames / 2,
        };
        Head::new(name, width, pool, (config.frames, columns))
    }

    fn forward<O: Ops>(&self, ops: &mut O, y: &O::Seq) -> O::Seq {
        let y = ops.layer_norm(y, &self.norm);
        let y = ops.pool(&y, self.pool);
        let y = ops.linear(&y, &self.fc);
        ops.reshape(&y, self.rows, self.columns)
    }
}
