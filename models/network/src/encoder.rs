//! The encoder: VideoMAE's ViT on tubelets, or on a small convolutional stem's maps.

use crate::config::{EncoderConfig, Stem};
use crate::layers::{Conv, Linear, Norm, PatchEmbed, Qkv};
use crate::ops::Ops;

/// A ViT block, pre-norm.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    norm1: Norm,
    qkv: Qkv,
    proj: Linear,
    norm2: Norm,
    fc1: Linear,
    fc2: Linear,
}

#[derive(Debug, Clone)]
struct Residual {
    first: Conv,
    second: Conv,
}

#[derive(Debug, Clone)]
enum Embed {
    Patch(PatchEmbed),
    Conv { stages: Vec<(Conv, Option<Residual>)>, merge: Linear },
}

/// Clip in, features F `[B, tokens, D]` out. No norm at the end: each decoder has its own.
#[derive(Debug, Clone)]
pub(crate) struct Encoder {
    embed: Embed,
    blocks: Vec<Block>,
    heads: usize,
}

impl Encoder {
    pub(crate) fn new(config: &EncoderConfig) -> Encoder {
        let d = config.width;
        let blocks = (0..config.depth).map(|i| Block::new(&format!("blocks.{i}"), d)).collect();
        Encoder { embed: embed(&config.stem, d), blocks, heads: config.heads }
    }

    pub(crate) fn forward<O: Ops>(&self, ops: &mut O) -> O::Seq {
        let tokens = self.embed.forward(ops);
        let mut x = ops.positions(&tokens);
        drop(tokens);
        let depth = self.blocks.len();
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.forward(ops, &x, self.heads, (i, depth));
        }
        x
    }
}

fn embed(stem: &Stem, width: usize) -> Embed {
    let Stem::Conv { channels } = stem else {
        return Embed::Patch(PatchEmbed::new(width));
    };
    let mut inputs = 3;
    let stages = channels
        .iter()
        .enumerate()
        .map(|(i, &c)| {
            let down = Conv::new(&format!("stem.{i}"), inputs, c, 2);
            inputs = c;
            // The first stage works on half the side already; a residual block there would cost most and give least.
            let residual = (i > 0).then(|| Residual {
                first: Conv::new(&format!("stem.{i}.res.0"), c, c, 1),
                second: Conv::new(&format!("stem.{i}.res.1"), c, c, 1),
            });
            (down, residual)
        })
        .collect();
    Embed::Conv { stages, merge: Linear::new("stem.merge", 2 * inputs, width) }
}

impl Embed {
    fn forward<O: Ops>(&self, ops: &mut O) -> O::Seq {
        match self {
            Embed::Patch(layer) => ops.patch_embed(layer),
            Embed::Conv { stages, merge } => {
                let mut x = ops.frames();
                for (down, residual) in stages {
                    let y = ops.conv(&x, down);
                    x = ops.relu(&y);
                    if let Some(res) = residual {
                        x = res.forward(ops, &x);
                    }
                }
                let pairs = ops.tubelets(&x);
                ops.linear(&pairs, merge)
            }
        }
    }
}

impl Residual {
    fn forward<O: Ops>(&self, ops: &mut O, x: &O::Map) -> O::Map {
        let y = ops.conv(x, &self.first);
        let y = ops.relu(&y);
        let y = ops.conv(&y, &self.second);
        let y = ops.add_maps(x, &y);
        ops.relu(&y)
    }
}

impl Block {
    pub(crate) fn new(name: &str, d: usize) -> Block {
        Block {
            norm1: Norm::new(&format!("{name}.norm1"), d),
            qkv: Qkv::new(&format!("{name}.attn"), d),
            proj: Linear::new(&format!("{name}.attn.proj"), d, d),
            norm2: Norm::new(&format!("{name}.norm2"), d),
            fc1: Linear::new(&format!("{name}.mlp.fc1"), d, 4 * d),
            fc2: Linear::new(&format!("{name}.mlp.fc2"), 4 * d, d),
        }
    }

    /// `place`: which block it is, and of how many.
    pub(crate) fn forward<O: Ops>(&self, ops: &mut O, x: &O::Seq, heads: usize, place: (usize, usize)) -> O::Seq {
        let y = ops.layer_norm(x, &self.norm1);
        let (q, k, v) = ops.qkv(&y, &self.qkv);
        let y = ops.attention(&q, &k, &v, heads);
        drop((q, k, v));
        let y = ops.linear(&y, &self.proj);
        let y = ops.drop_path(&y, place.0, place.1);
        let x = ops.add(x, &y);
        let y = ops.layer_norm(&x, &self.norm2);
        let y = ops.linear(&y, &self.fc1);
        let y = ops.gelu(&y);
        let y = ops.linear(&y, &self.fc2);
        let y = ops.drop_path(&y, place.0, place.1);
        ops.add(&x, &y)
    }
}
