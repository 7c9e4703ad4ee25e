//! `mtcae-train answers`, which `mtcae verify` starts.

use anyhow::{Context, Result, bail};
use mtcae_deploy::{read_checkpoint, read_manifest};
use mtcae_network::Network;
use mtcae_train::{Place, State, Weights, answers_to_clips};
use serde_json::json;
use std::io::{Read, Write, stdin, stdout};
use std::path::PathBuf;

/// Most clips that are taken.
const MOST: usize = 64;

/// Answer clips for `mtcae verify`, which starts it: bytes `[clips, T, S, S, 3]` in, one JSON object a clip out
#[derive(clap::Args)]
pub struct Args {
    /// Model folder with a checkpoint.
    model: PathBuf,
}

impl Args {
    /// Reads all clips, answers all of them.
    pub fn run(&self) -> Result<()> {
        let manifest = read_manifest(&self.model)?;
        let Some(checkpoint) = read_checkpoint(&self.model, &manifest)? else {
            bail!("{}: there is no checkpoint in it", self.model.display());
        };
        let spec = manifest.clip;
        let one = spec.frames * spec.size * spec.size * 3;
        let mut bytes = Vec::new();
        stdin().take((MOST * one) as u64 + 1).read_to_end(&mut bytes).context("the clips on standard input")?;
        if bytes.is_empty() || !bytes.len().is_multiple_of(one) || bytes.len() > MOST * one {
            bail!("{} bytes on standard input; accepted: 1 to {MOST} clips of {one} bytes", bytes.len());
        }
        let network = Network::new(checkpoint.config.clone())?;
        let weights = Weights::averaged(&State::from_checkpoint(&checkpoint)?.slots, &Place::Cpu.open()?);
        for answer in answers_to_clips(&network, &weights, &bytes, (manifest.mean, manifest.std)) {
            let line = json!({ "boxes": answer.boxes, "landmarks": answer.landmarks, "logits": answer.logits });
            writeln!(stdout(), "{line}")?;
        }
        Ok(())
    }
}
