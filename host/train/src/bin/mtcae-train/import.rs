//! `mtcae-train import`.

use anyhow::{Context, Result};
use mtcae_network::{NetworkConfig, StoredAs, Strategy};
use mtcae_train::{ImportReport, import, preset_of};
use std::path::PathBuf;

/// Take the encoder that others trained: VideoMAE or MAE-DFER `.pth`, transformers' safetensors.
#[derive(clap::Args)]
#[command(after_help = "\
Decoders and heads start from random weights. A file that is not exactly one encoder is refused.

Example:
  mtcae import checkpoint.pth --classes 7 --out base.safetensors
  mtcae train --recipe RECIPE --init base.safetensors --data shards/ravdess --folds paper-5fold --out run")]
pub struct Args {
    /// What PyTorch saved, or a .safetensors file.
    file: PathBuf,
    /// Checkpoint to write.
    #[arg(long)]
    out: PathBuf,
    /// Preset of the network; the one whose encoder the file has when not given.
    #[arg(long)]
    preset: Option<String>,
    /// How the network's decoders are put together.
    #[arg(long, default_value_t)]
    strategy: Strategy,
    /// Expressions told apart.
    #[arg(long, default_value_t = 7)]
    classes: usize,
    /// Seed of the random weights.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Take what is there of the encoder, and leave out what is not known.
    #[arg(long)]
    partial: bool,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Reads, says what matched, writes.
    pub fn run(&self) -> Result<()> {
        let config = match &self.preset {
            Some(name) => NetworkConfig::preset(name)?,
            None => preset_of(&self.file)?,
        };
        let config = NetworkConfig { strategy: self.strategy, classes: self.classes, ..config };
        let (checkpoint, report) = import(&self.file, &config, self.seed, self.partial)?;
        let bytes = checkpoint.to_bytes(StoredAs::F32)?;
        let partial = self.out.with_extension("partial");
        std::fs::write(&partial, bytes).with_context(|| partial.display().to_string())?;
        std::fs::rename(&partial, &self.out).with_context(|| self.out.display().to_string())?;
        match self.json {
            true => sayln!("{}", serde_json::to_string(&report)?),
            false => sayln!("{}wrote {}", text(&report), self.out.display()),
        }
        Ok(())
    }
}

fn text(report: &ImportReport) -> String {
    let first = |names: &[String]| names.first().map_or_else(String::new, |n| format!(", the first is {n}"));
    let mut lines = vec![report.layout.clone()];
    lines.push(format!("matched    {}: the encoder", report.matched.len()));
    lines.push(format!("random     {}: decoders and heads", report.random.len()));
    for (title, names) in [("missing", &report.missing), ("unknown", &report.unknown)] {
        if !names.is_empty() {
            lines.push(format!("{title:<10} {}{}", names.len(), first(names)));
        }
    }
    for (why, names) in &report.left_over {
        lines.push(format!("left over  {}: {why}", names.len()));
    }
    lines.extend(report.notes.iter().map(|note| format!("note       {note}")));
    lines.join("\n") + "\n"
}
