//! Encoders that others trained: VideoMAE and MAE-DFER `.pth`, transformers' safetensors.
//!
//! The encoder is taken whole or not at all, unless it is asked for what is there; decoders and heads start from random weights. What
//! matched, what is missing and what is left over is said.

mod names;
mod source;

pub use names::Layout;

use mtcae_network::{Checkpoint, ConfigError, Network, NetworkConfig, PRESETS, Param, Stem, Tensor, parameters};
use names::{Role, Third, role};
use serde::Serialize;
use source::Entry;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why nothing is imported.
#[derive(Debug, Error)]
pub enum ImportError {
    /// A file that cannot be read.
    #[error("{path}: {why}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        why: String,
    },
    /// Names of nobody that is known.
    #[error(
        "{path}: its names are none of VideoMAE's or transformers' ({first}); accepted: VideoMAE, MAE-DFER, transformers' VideoMAE"
    )]
    Layout {
        /// The file.
        path: PathBuf,
        /// The first of them.
        first: String,
    },
    /// An encoder of no preset.
    #[error("{path}: an encoder of {width} channels and {depth} blocks, which no preset has; accepted: {all}", all = sides())]
    Preset {
        /// The file.
        path: PathBuf,
        /// Channels.
        width: usize,
        /// Blocks.
        depth: usize,
    },
    /// A checkpoint of ours.
    #[error("{path} is a checkpoint of `mtcae train`; give it to `mtcae train --init`")]
    Own {
        /// The file.
        path: PathBuf,
    },
    /// A network that starts with convolutions.
    #[error("this network starts with a convolutional stem, which no file of others has; accepted: presets with plain patches, {all}", all = sides())]
    Stem,
    /// An array of another shape.
    #[error("{path}: `{name}` is {found:?}, the network needs {need:?}; is it another preset?")]
    Shape {
        /// The file.
        path: PathBuf,
        /// The name in the file.
        name: String,
        /// The file's.
        found: Vec<usize>,
        /// The network's.
        need: Vec<usize>,
    },
    /// Less than a whole encoder, or more than one.
    #[error(
        "{path} is not a whole encoder of this network: {}; `--partial` takes what is there",
        gaps(missing, unknown)
    )]
    Partial {
        /// The file.
        path: PathBuf,
        /// Parameters of the encoder that it lacks.
        missing: Vec<String>,
        /// Names that mean nothing here.
        unknown: Vec<String>,
    },
    /// A configuration out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

fn gaps(missing: &[String], unknown: &[String]) -> String {
    let one = |what: &str, names: &[String]| {
        names.first().map(|first| format!("{} {what}, the first is `{first}`", names.len()))
    };
    [one("missing", missing), one("unknown", unknown)].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// The presets that an encoder of others fits.
fn patches() -> impl Iterator<Item = (&'static str, NetworkConfig)> {
    let all = PRESETS.into_iter().filter_map(|name| Some((name, NetworkConfig::preset(name).ok()?)));
    all.filter(|(_, c)| c.encoder.stem == Stem::Patch)
}

fn sides() -> String {
    let one = |(name, c): (&str, NetworkConfig)| format!("{name} ({} x {})", c.encoder.width, c.encoder.depth);
    patches().map(one).collect::<Vec<_>>().join(", ")
}

/// What was done with a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImportReport {
    /// How the file names its weights.
    pub layout: String,
    /// Parameters of the encoder that come from the file.
    pub matched: Vec<String>,
    /// Parameters of the encoder that it lacks; they are random. Empty but with `--partial`.
    pub missing: Vec<String>,
    /// Parameters of decoders and heads, which are random.
    pub random: Vec<String>,
    /// Arrays of the file that are not wanted, by reason.
    pub left_over: BTreeMap<String, Vec<String>>,
    /// Arrays of the file that mean nothing here. Empty but with `--partial`.
    pub unknown: Vec<String>,
    /// What should be known about the weights.
    pub notes: Vec<String>,
}

/// The preset whose encoder the file at `path` has.
///
/// # Errors
/// When the file cannot be read, or there is none.
pub fn preset_of(path: &Path) -> Result<NetworkConfig, ImportError> {
    let (layout, entries) = open(path)?;
    if entries.iter().any(|(name, _)| name.starts_with("decoders.")) {
        return Err(ImportError::Own { path: path.to_owned() });
    }
    let (mut width, mut depth) = (0, 0);
    for (name, entry) in &entries {
        let Role::Ours(ours) = role(layout, name) else { continue };
        if ours == "patch_embed.proj.weight" {
            width = entry.shape.first().copied().unwrap_or(0);
        }
        if let Some((block, _)) = ours.strip_prefix("blocks.").and_then(|rest| rest.split_once('.')) {
            depth = depth.max(block.parse().map_or(0, |b: usize| b.saturating_add(1)));
        }
    }
    let fits = |(_, c): &(&str, NetworkConfig)| c.encoder.width == width && c.encoder.depth == depth;
    let found = patches().find(fits).map(|(_, config)| config);
    found.ok_or_else(|| ImportError::Preset { path: path.to_owned(), width, depth })
}

/// A checkpoint of `config` with the encoder in the file at `path`; the rest is drawn from `seed`.
///
/// With `partial`, what the file lacks of the encoder is drawn, too, and what it has beside it is left out.
///
/// # Errors
/// When the file cannot be read, holds another encoder or, without `partial`, not exactly one encoder.
pub fn import(
    path: &Path,
    config: &NetworkConfig,
    seed: u64,
    partial: bool,
) -> Result<(Checkpoint, ImportReport), ImportError> {
    if config.encoder.stem != Stem::Patch {
        return Err(ImportError::Stem);
    }
    let (layout, entries) = open(path)?;
    let mut checkpoint = Checkpoint::random(config.clone(), seed)?;
    let network = Network::new(config.clone())?;
    let (encoder, rest): (Vec<Param>, Vec<Param>) = parameters(&network)
        .into_iter()
        .partition(|p| p.name.starts_with("patch_embed.") || p.name.starts_with("blocks."));
    let mut work = Work { path, params: &encoder, taken: BTreeMap::new() };
    let mut report = ImportReport {
        layout: layout.title().to_owned(),
        matched: Vec::new(),
        missing: Vec::new(),
        random: rest.into_iter().map(|p| p.name).collect(),
        left_over: BTreeMap::new(),
        unknown: Vec::new(),
        notes: Vec::new(),
    };
    for (name, entry) in &entries {
        let known = match role(layout, name) {
            Role::Unwanted(why) => {
                report.left_over.entry(why.to_owned()).or_default().push(name.clone());
                true
            }
            Role::Unknown => false,
            Role::Ours(ours) => work.whole(name, entry, &ours)?,
            Role::Rows(ours, third) => work.rows(name, entry, &ours, third)?,
            Role::FusedBias(attention) => work.fused_bias(name, entry, &attention)?,
        };
        if !known {
            report.unknown.push(name.clone());
        }
    }
    for p in &encoder {
        match work.taken.remove(&p.name) {
            Some(values) if values.iter().all(|v| v.is_some()) => {
                let values = values.into_iter().flatten().collect();
                checkpoint.tensors.insert(p.name.clone(), Tensor { shape: p.shape.clone(), values });
                report.matched.push(p.name.clone());
            }
            _ => report.missing.push(p.name.clone()),
        }
    }
    let whole = report.missing.is_empty() && report.unknown.is_empty();
    if !partial && !whole {
        let (missing, unknown) = (report.missing, report.unknown);
        return Err(ImportError::Partial { path: path.to_owned(), missing, unknown });
    }
    report.notes = notes(&checkpoint, &report.matched);
    let broken = |e: mtcae_network::CheckpointError| ImportError::Read { path: path.to_owned(), why: e.to_string() };
    checkpoint.check().map_err(broken)?;
    Ok((checkpoint, report))
}

fn open(path: &Path) -> Result<(Layout, BTreeMap<String, Entry>), ImportError> {
    let entries = source::open(path)?;
    let layout = Layout::of(entries.keys().map(String::as_str));
    let first = entries.keys().next().map_or_else(|| "it has no weights".to_owned(), |n| format!("the first is `{n}`"));
    let layout = layout.ok_or_else(|| ImportError::Layout { path: path.to_owned(), first })?;
    Ok((layout, entries))
}

/// Parameters on their way, by our names; places that nothing was read for are empty.
struct Work<'a> {
    path: &'a Path,
    params: &'a [Param],
    taken: BTreeMap<String, Vec<Option<f32>>>,
}

impl Work<'_> {
    /// Takes `entry` as the parameter `ours`; false when there is no such parameter.
    fn whole(&mut self, name: &str, entry: &Entry, ours: &str) -> Result<bool, ImportError> {
        let Some(param) = self.params.iter().find(|p| p.name == ours) else { return Ok(false) };
        let values = self.read(name, entry, &param.shape)?;
        self.taken.insert(ours.to_owned(), values.into_iter().map(Some).collect());
        Ok(true)
    }

    /// Takes `entry` as a third of the rows of the parameter `ours`.
    fn rows(&mut self, name: &str, entry: &Entry, ours: &str, third: Third) -> Result<bool, ImportError> {
        let Some(param) = self.params.iter().find(|p| p.name == ours) else { return Ok(false) };
        let width = param.shape[1];
        let values = self.read(name, entry, &[width, width])?;
        let start = width * width * third as usize;
        let all = self.taken.entry(ours.to_owned()).or_insert_with(|| vec![None; param.len()]);
        all[start..start + values.len()].iter_mut().zip(values).for_each(|(to, v)| *to = Some(v));
        Ok(true)
    }

    /// Takes the biases of queries and values out of one; that of keys changes nothing.
    fn fused_bias(&mut self, name: &str, entry: &Entry, attention: &str) -> Result<bool, ImportError> {
        let Some(param) = self.params.iter().find(|p| p.name == format!("{attention}.q_bias")) else {
            return Ok(false);
        };
        let width = param.len();
        let values = self.read(name, entry, &[3 * width])?;
        for (part, start) in [("q_bias", 0), ("v_bias", 2 * width)] {
            let part_values = values[start..start + width].iter().map(|v| Some(*v)).collect();
            self.taken.insert(format!("{attention}.{part}"), part_values);
        }
        Ok(true)
    }

    fn read(&self, name: &str, entry: &Entry, need: &[usize]) -> Result<Vec<f32>, ImportError> {
        let (path, found) = (self.path.to_owned(), entry.shape.clone());
        if found != need {
            return Err(ImportError::Shape { path, name: name.to_owned(), found, need: need.to_vec() });
        }
        let values =
            entry.values().map_err(|why| ImportError::Read { path: path.clone(), why: format!("`{name}`: {why}") })?;
        if values.len() != need.iter().product::<usize>() {
            let why = format!("`{name}` has {} numbers for a shape of {need:?}", values.len());
            return Err(ImportError::Read { path, why });
        }
        Ok(values)
    }
}

/// Biases that are all zero may be lost ones.
fn notes(checkpoint: &Checkpoint, matched: &[String]) -> Vec<String> {
    let zero = |end: &str| {
        let mut of = matched.iter().filter(|n| n.ends_with(end)).peekable();
        of.peek().is_some() && of.all(|n| checkpoint.tensors[n].values.iter().all(|v| *v == 0.0))
    };
    let note = |(end, what): (&str, &str)| {
        zero(end).then(|| format!("the biases of {what} are zero in every block: a converter may have dropped them"))
    };
    [("q_bias", "queries"), ("v_bias", "values")].into_iter().filter_map(note).collect()
}
