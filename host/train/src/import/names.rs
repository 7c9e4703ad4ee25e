//! What the names of others stand for. Pure.

/// How a file names its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// VideoMAE's own after fine-tuning, and MAE-DFER's; our names are these.
    VideoMae,
    /// The same before fine-tuning: `encoder.`, beside a decoder.
    Pretraining,
    /// transformers'.
    HuggingFace,
}

impl Layout {
    /// The layout of a file with these names; `None` when it is none of them.
    pub fn of<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Option<Layout> {
        let any = |start: &str| names.clone().any(|n| n.starts_with(start));
        if any("videomae.encoder.layer.") || any("encoder.layer.") {
            return Some(Layout::HuggingFace);
        }
        if any("encoder.blocks.") {
            return Some(Layout::Pretraining);
        }
        any("blocks.").then_some(Layout::VideoMae)
    }

    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Layout::VideoMae => "VideoMAE, fine-tuned",
            Layout::Pretraining => "VideoMAE, before fine-tuning",
            Layout::HuggingFace => "transformers' VideoMAE",
        }
    }
}

/// A third of a fused projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Third {
    /// Queries.
    Query,
    /// Keys.
    Key,
    /// Values.
    Value,
}

/// What one array of a file is to the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// The parameter of this name, whole.
    Ours(String),
    /// These rows of the parameter of this name.
    Rows(String, Third),
    /// Biases of queries, keys and values in one, of the attention of this name.
    FusedBias(String),
    /// Not wanted, and why.
    Unwanted(&'static str),
    /// Nothing that is known.
    Unknown,
}

const CLASSIFIER: &str = "the classifier of another task";
const DECODER: &str = "the decoder of pre-training";
const LAST_NORM: &str = "the norm behind the encoder; each decoder here has its own";
const POSITIONS: &str = "positions; they are computed here";
const KEY_BIAS: &str = "a bias of keys, which changes no attention";

/// What `name` is in a file of `layout`.
pub fn role(layout: Layout, name: &str) -> Role {
    match layout {
        Layout::VideoMae => own(name),
        Layout::Pretraining => match name.strip_prefix("encoder.") {
            Some(inner) => own(inner),
            None if starts(name, &["decoder.", "encoder_to_decoder.", "mask_token"]) => Role::Unwanted(DECODER),
            None => own(name),
        },
        Layout::HuggingFace => hugging_face(name),
    }
}

fn starts(name: &str, with: &[&str]) -> bool {
    with.iter().any(|start| name.starts_with(start))
}

fn own(name: &str) -> Role {
    if starts(name, &["fc_norm.", "head."]) {
        return Role::Unwanted(CLASSIFIER);
    }
    if name.starts_with("norm.") {
        return Role::Unwanted(LAST_NORM);
    }
    if name == "pos_embed" {
        return Role::Unwanted(POSITIONS);
    }
    if starts(name, &["patch_embed.proj."]) {
        return Role::Ours(name.to_owned());
    }
    let Some((block, part)) = block(name, "blocks.") else { return Role::Unknown };
    match part {
        "attn.qkv.bias" => Role::FusedBias(format!("blocks.{block}.attn")),
        "attn.k_bias" => Role::Unwanted(KEY_BIAS),
        _ => Role::Ours(name.to_owned()),
    }
}

/// `start`, a number, a point, the rest.
fn block<'a>(name: &'a str, start: &str) -> Option<(usize, &'a str)> {
    let (number, part) = name.strip_prefix(start)?.split_once('.')?;
    Some((number.parse().ok()?, part))
}

fn hugging_face(name: &str) -> Role {
    let inner = name.strip_prefix("videomae.").unwrap_or(name);
    if starts(inner, &["fc_norm.", "classifier."]) {
        return Role::Unwanted(CLASSIFIER);
    }
    if starts(inner, &["decoder.", "encoder_to_decoder.", "mask_token"]) {
        return Role::Unwanted(DECODER);
    }
    if inner.starts_with("layernorm.") {
        return Role::Unwanted(LAST_NORM);
    }
    if inner.ends_with("position_embeddings") {
        return Role::Unwanted(POSITIONS);
    }
    if let Some(part) = inner.strip_prefix("embeddings.patch_embeddings.projection.") {
        return Role::Ours(format!("patch_embed.proj.{part}"));
    }
    let Some((i, part)) = block(inner, "encoder.layer.") else { return Role::Unknown };
    let rows = |third| Role::Rows(format!("blocks.{i}.attn.qkv.weight"), third);
    match part {
        "attention.attention.query.weight" => return rows(Third::Query),
        "attention.attention.key.weight" => return rows(Third::Key),
        "attention.attention.value.weight" => return rows(Third::Value),
        "attention.attention.query.bias" | "attention.attention.q_bias" => {
            return Role::Ours(format!("blocks.{i}.attn.q_bias"));
        }
        "attention.attention.value.bias" | "attention.attention.v_bias" => {
            return Role::Ours(format!("blocks.{i}.attn.v_bias"));
        }
        "attention.attention.key.bias" => return Role::Unwanted(KEY_BIAS),
        _ => {}
    }
    let parts = [
        ("attention.output.dense.", "attn.proj."),
        ("intermediate.dense.", "mlp.fc1."),
        ("output.dense.", "mlp.fc2."),
        ("layernorm_before.", "norm1."),
        ("layernorm_after.", "norm2."),
    ];
    let found = parts.iter().find_map(|(theirs, ours)| Some((ours, part.strip_prefix(theirs)?)));
    found.map_or(Role::Unknown, |(ours, end)| Role::Ours(format!("blocks.{i}.{ours}{end}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_three_are_known() {
        let ours = |name: &str| Role::Ours(name.to_owned());
        assert_eq!(role(Layout::VideoMae, "blocks.3.norm1.weight"), ours("blocks.3.norm1.weight"));
        assert_eq!(role(Layout::VideoMae, "fc_norm.bias"), Role::Unwanted(CLASSIFIER));
        assert_eq!(role(Layout::VideoMae, "blocks.3.attn.qkv.bias"), Role::FusedBias("blocks.3.attn".to_owned()));
        assert_eq!(role(Layout::VideoMae, "temporal.weight"), Role::Unknown);
        assert_eq!(role(Layout::Pretraining, "encoder.patch_embed.proj.bias"), ours("patch_embed.proj.bias"));
        assert_eq!(role(Layout::Pretraining, "decoder.blocks.0.norm1.bias"), Role::Unwanted(DECODER));
        assert_eq!(role(Layout::Pretraining, "encoder.norm.weight"), Role::Unwanted(LAST_NORM));
        let hf = |name: &str| role(Layout::HuggingFace, &format!("videomae.encoder.layer.11.{name}"));
        assert_eq!(hf("output.dense.weight"), ours("blocks.11.mlp.fc2.weight"));
        assert_eq!(hf("attention.output.dense.bias"), ours("blocks.11.attn.proj.bias"));
        assert_eq!(hf("attention.attention.q_bias"), hf("attention.attention.query.bias"));
        assert_eq!(
            hf("attention.attention.key.weight"),
            Role::Rows("blocks.11.attn.qkv.weight".to_owned(), Third::Key)
        );
        assert_eq!(hf("attention.attention.key.bias"), Role::Unwanted(KEY_BIAS));
        assert_eq!(hf("crossattention.weight"), Role::Unknown);
        assert_eq!(Layout::of(["head.weight"].into_iter()), None);
    }
}
