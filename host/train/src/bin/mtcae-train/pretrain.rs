//! `mtcae-train pretrain`.

use crate::bar::Bar;
use crate::learnt::Learnt;
use crate::lock;
use crate::plot::plot_losses;
use crate::run_of::{Means, RunOf, cut_log};
use crate::value::at_least_one;
use crate::{open, read_checkpoint};
use anyhow::{Context, Result, anyhow};
use mtcae_data::Stills;
use mtcae_network::{NetworkConfig, StoredAs, Strategy};
use mtcae_train::{
    Place, Precision, PretrainRecipe, Progress, Setting, State, first_pretrain_state, pretrain, pretrained,
    read_pretrain_state, reconstructions,
};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What is done where no recipe is given.
const DEFAULT_RECIPE: &str = include_str!("../../../recipes/pretrain.toml");

/// Train an encoder without labels: most of each clip is hidden, and it learns to say what is there (VideoMAE).
#[derive(clap::Args)]
#[command(after_help = "\
A run that was cut goes on where it stopped. The checkpoint has random decoders and heads, as one that `mtcae import` makes; log.jsonl \
has every loss, loss.svg draws them. With --picture, each clip has three rows: as it is, what the encoder sees, what is made of the rest.

Example:
  mtcae pretrain --recipe host/train/recipes/pretrain.toml --data shards/ravdess --out pre --picture pre/clips.png
  mtcae train --recipe RECIPE --init pre/checkpoint.safetensors --data shards/ravdess --folds paper-5fold --out run")]
pub struct Args {
    /// How to pre-train; when not given, as the recipe `pretrain.toml` that ships.
    #[arg(long)]
    recipe: Option<PathBuf>,
    /// Shard to train on, without its number, for example `shards/ravdess`; may be given again. Labels are not read.
    #[arg(long = "data", required = true)]
    data: Vec<PathBuf>,
    /// Folder for state, log and checkpoint.
    #[arg(long)]
    out: PathBuf,
    /// Start from the encoder of this checkpoint instead of random weights.
    #[arg(long)]
    init: Option<PathBuf>,
    /// How the decoders of the checkpoint are put together.
    #[arg(long, default_value_t)]
    strategy: Strategy,
    /// Expressions that the checkpoint tells apart; those of the data when not given.
    #[arg(long)]
    classes: Option<usize>,
    /// Draw what is made of some clips into this PNG.
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Clips in the picture.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    clips: u32,
    /// Processor cores to use.
    #[arg(long, default_value_t = 2, value_parser = at_least_one)]
    workers: usize,
    /// Updates between two saved states.
    #[arg(long, default_value_t = 200, value_parser = at_least_one)]
    every: usize,
    /// Where it is computed: cpu, or cuda for the first NVIDIA card (a trainer built with the feature `cuda`).
    #[arg(long, default_value_t)]
    device: Place,
    /// In what format layers compute: f32, or bf16 on a card.
    #[arg(long, default_value_t)]
    precision: Precision,
}

impl Args {
    /// Pre-trains to the recipe's end, writes the encoder, and draws.
    pub fn run(&self) -> Result<()> {
        // Before data is read: what is not there should be said at once.
        self.device.check(self.precision)?;
        self.device.open()?;
        let recipe = match &self.recipe {
            Some(path) => PretrainRecipe::read(path)?,
            None => PretrainRecipe::from_toml(DEFAULT_RECIPE).map_err(|why| anyhow!("the recipe that ships: {why}"))?,
        };
        let data = open(&self.data)?;
        let means = Means { workers: self.workers, every: None, device: self.device, precision: self.precision };
        let run_of = RunOf::new(&recipe, &data, self.init.as_deref(), means);
        std::fs::create_dir_all(&self.out).with_context(|| self.out.display().to_string())?;
        let _held = lock::hold(&self.out)?;
        run_of.check(&self.out)?;
        let classes = self.classes.unwrap_or(data.labels().len());
        let config = NetworkConfig { strategy: self.strategy, ..recipe.network(classes)? };
        let state_file = self.out.join("state.safetensors");
        let mut state = self.first_state(&recipe, &config, &state_file)?;
        // The weights that a run began with may be gone when it goes on.
        if !(state_file.exists() && Learnt::is_kept(&self.out)) {
            Learnt::keep(&self.out, &data, false, self.init.as_deref(), None)?;
        }
        run_of.keep(&self.out)?;
        self.learn(&recipe, &config, &data, &state_file, &mut state)?;
        plot_losses(&self.out.join("log.jsonl"), &self.out.join("loss.svg"))?;
        // What it was last trained on is what it is good at.
        let size = recipe.phase.last().and_then(|p| p.size).unwrap_or(config.size);
        let sized = NetworkConfig { size, ..config.clone() };
        let bytes = pretrained(&state, &sized, recipe.seed)?.to_bytes(StoredAs::F32)?;
        let checkpoint = self.out.join("checkpoint.safetensors");
        let partial = checkpoint.with_extension("partial");
        std::fs::write(&partial, bytes).with_context(|| partial.display().to_string())?;
        std::fs::rename(&partial, &checkpoint).with_context(|| checkpoint.display().to_string())?;
        sayln!("wrote {}", checkpoint.display());
        if let Some(path) = &self.picture {
            let picture = reconstructions(&recipe, &config, &state, &data, self.clips as usize)?;
            let (width, height) = (picture.width as u32, picture.height as u32);
            image::save_buffer(path, &picture.rgb, width, height, image::ExtendedColorType::Rgb8)
                .with_context(|| path.display().to_string())?;
            sayln!("drew {}", path.display());
        }
        Ok(())
    }

    fn first_state(&self, recipe: &PretrainRecipe, config: &NetworkConfig, file: &Path) -> Result<State> {
        if file.exists() {
            let state = read_pretrain_state(file, recipe, config)?;
            sayln!("goes on at update {} from {}", state.updates, file.display());
            return Ok(state);
        }
        let init = self.init.as_deref().map(read_checkpoint).transpose()?;
        first_pretrain_state(recipe, config, init.as_ref()).context("--init")
    }

    fn learn(
        &self,
        recipe: &PretrainRecipe,
        config: &NetworkConfig,
        data: &Stills,
        state_file: &Path,
        state: &mut State,
    ) -> Result<()> {
        let bar = Bar::new(recipe.phase.iter().map(|p| p.steps).sum(), "updates", "  {msg}")?;
        bar.begin(state.updates);
        let log = self.out.join("log.jsonl");
        cut_log(&log, state.updates)?;
        let mut log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| log.display().to_string())?;
        let mut report = |p: Progress<f32>, state: &State| {
            bar.set(state.updates, format!("loss {:.4}", p.losses));
            let line = serde_json::json!({ "update": state.updates, "phase": p.phase, "lr": p.lr, "loss": p.losses, "loading": p.loading });
            // A full disk must not end a run that still holds its state in memory.
            let _ = writeln!(log, "{line}");
        };
        let Args { workers, every: save_every, device: place, precision, .. } = *self;
        let stop = crate::stop::on_signals()?;
        let setting = Setting { recipe, data, state_file, save_every, workers, place, precision, stop };
        pretrain(&setting, config, state, &mut report)?;
        bar.finish();
        Ok(())
    }
}
