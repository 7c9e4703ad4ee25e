//! The training binary; `mtcae train` and `mtcae evaluate` run it.

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use mtcae_data::Stills;
use mtcae_network::{Checkpoint, Network, NetworkConfig, StoredAs};
use mtcae_train::{Progress, Recipe, Scores, State, answers, evaluate, train};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Train and evaluate MTCAE-DFER.
#[derive(Parser)]
#[command(name = "mtcae-train", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train on annotated stills; a run that was cut goes on where it stopped.
    Train(TrainArgs),
    /// Score a checkpoint on annotated stills.
    Evaluate(EvaluateArgs),
}

#[derive(clap::Args)]
struct TrainArgs {
    /// How to train.
    #[arg(long, default_value = "host/train/recipes/stills.toml")]
    recipe: PathBuf,
    /// Shard to train on, without its number, for example `shards/fer2013-train`; may be given again.
    #[arg(long = "data", required = true)]
    data: Vec<PathBuf>,
    /// Shards to score on now and then.
    #[arg(long = "test")]
    test: Vec<PathBuf>,
    /// Folder for state, log and checkpoint.
    #[arg(long)]
    out: PathBuf,
    /// Start from this checkpoint instead of random weights.
    #[arg(long)]
    init: Option<PathBuf>,
    /// Processor cores to use.
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Updates between two scores and two saved states.
    #[arg(long, default_value_t = 200)]
    every: usize,
}

#[derive(clap::Args)]
struct EvaluateArgs {
    /// Checkpoint (safetensors).
    checkpoint: PathBuf,
    /// Shards to score on.
    #[arg(long = "data", required = true)]
    data: Vec<PathBuf>,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<()> {
    // The workers are the threads; without this each of them would start a pool of its own for every product.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().context("thread pool")?;
    match Cli::parse().command {
        Command::Train(args) => run_train(&args),
        Command::Evaluate(args) => run_evaluate(&args),
    }
}

fn open(names: &[PathBuf]) -> Result<Stills> {
    let mut paths = Vec::new();
    for name in names {
        let shard = |i: usize| PathBuf::from(format!("{}-{i:03}.safetensors", name.display()));
        if !shard(0).exists() {
            bail!("{}: no such shard; make it with `mtcae data` first", shard(0).display());
        }
        paths.extend((0..).map(shard).take_while(|p| p.exists()));
    }
    Ok(Stills::open(&paths)?)
}

fn run_train(args: &TrainArgs) -> Result<()> {
    let recipe = Recipe::read(&args.recipe)?;
    let data = open(&args.data)?;
    let test = (!args.test.is_empty()).then(|| open(&args.test)).transpose()?;
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    let config = NetworkConfig { classes: data.labels().len(), ..NetworkConfig::preset(&recipe.preset)? };
    let network = Network::new(config.clone())?;
    let state_file = args.out.join("state.safetensors");
    let mut state = first_state(args, &recipe, &config, &network, &state_file)?;
    let total: usize = recipe.phase.iter().map(|p| p.steps).sum();
    let bar = ProgressBar::new(total as u64)
        .with_style(ProgressStyle::with_template("{bar:30} {pos}/{len} updates, {per_sec}, {eta} left  {msg}")?);
    bar.set_position(state.updates as u64);
    let mut log = std::fs::OpenOptions::new().create(true).append(true).open(args.out.join("log.jsonl"))?;
    let mut report = |p: Progress, state: &State| {
        bar.set_position(state.updates as u64);
        bar.set_message(format!("loss {:.3}", p.losses.total));
        let line = serde_json::json!({
            "update": state.updates, "phase": p.phase, "lr": p.lr, "loss": p.losses.total,
            "boxes": p.losses.boxes, "landmarks": p.losses.landmarks, "expression": p.losses.expression,
        });
        let mut lines = format!("{line}\n");
        if let Some(test) = test.as_ref().filter(|_| state.updates.is_multiple_of(args.every) || p.step == p.steps) {
            let phase = &recipe.phase[p.phase];
            let scores = score(&phase.network(&config), state, test, phase.still, args.workers);
            let line = scores_json(&scores);
            bar.println(format!(
                "update {}: WAR {:.4} UAR {:.4} IoU {:.3} NME {:.3}",
                state.updates, scores.war, scores.uar, scores.box_iou, scores.landmark_nme
            ));
            lines += &format!("{{\"update\":{},\"scores\":{line}}}\n", state.updates);
        }
        // A full disk must not end a run that still holds its state in memory.
        let _ = log.write_all(lines.as_bytes());
    };
    train(&recipe, &data, &mut state, &state_file, args.every, args.workers, &mut report)?;
    bar.finish();
    let checkpoint = args.out.join("checkpoint.safetensors");
    write_checkpoint(&checkpoint, &state.averaged(&config)?)?;
    println!("wrote {}", checkpoint.display());
    Ok(())
}

fn first_state(
    args: &TrainArgs,
    recipe: &Recipe,
    config: &NetworkConfig,
    network: &Network,
    file: &Path,
) -> Result<State> {
    if file.exists() {
        let state = State::read(file, network)?;
        println!("goes on at update {} from {}", state.updates, file.display());
        return Ok(state);
    }
    let checkpoint = match &args.init {
        None => Checkpoint::random(config.clone(), recipe.seed)?,
        Some(path) => read_checkpoint(path)?,
    };
    if checkpoint.config != *config {
        bail!("{:?} is not a checkpoint of preset {}", args.init, recipe.preset);
    }
    Ok(State::from_checkpoint(&checkpoint)?)
}

fn run_evaluate(args: &EvaluateArgs) -> Result<()> {
    let checkpoint = read_checkpoint(&args.checkpoint)?;
    let data = open(&args.data)?;
    let state = State::from_checkpoint(&checkpoint)?;
    let scores = score(&checkpoint.config, &state, &data, false, 2);
    if args.json {
        println!("{}", scores_json(&scores));
        return Ok(());
    }
    println!("{} samples  WAR {:.4}  UAR {:.4}", scores.samples, scores.war, scores.uar);
    println!("box IoU {:.3}  landmark NME {:.3} eye distances", scores.box_iou, scores.landmark_nme);
    for (label, (recall, row)) in data.labels().labels().iter().zip(scores.recall.iter().zip(&scores.confusion)) {
        println!("{label:10} recall {recall:.3}  answers {row:?}");
    }
    Ok(())
}

/// Scores in `workers` threads, a few clips at a time.
fn score(config: &NetworkConfig, state: &State, data: &Stills, still: bool, workers: usize) -> Scores {
    let Ok(network) = Network::new(config.clone()) else {
        return evaluate(data, &[]);
    };
    let step = if still { 64 } else { 8 };
    let share = data.len().div_ceil(workers);
    let part = |w: usize| {
        let end = ((w + 1) * share).min(data.len());
        let starts = (w * share..end).step_by(step);
        starts.flat_map(|i| answers(&network, &state.slots, data, i, (i + step).min(end), still)).collect::<Vec<_>>()
    };
    let all: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers)
            .map(|w| {
                scope.spawn({
                    let part = &part;
                    move || part(w)
                })
            })
            .collect();
        threads.into_iter().flat_map(|t| t.join().unwrap_or_default()).collect()
    });
    evaluate(data, &all)
}

fn scores_json(s: &Scores) -> serde_json::Value {
    serde_json::json!({
        "samples": s.samples, "war": s.war, "uar": s.uar, "recall": s.recall, "confusion": s.confusion,
        "box_iou": s.box_iou, "landmark_nme": s.landmark_nme,
    })
}

fn read_checkpoint(path: &Path) -> Result<Checkpoint> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    Checkpoint::from_bytes(&bytes).with_context(|| path.display().to_string())
}

fn write_checkpoint(path: &Path, checkpoint: &Checkpoint) -> Result<()> {
    let partial = path.with_extension("partial");
    std::fs::write(&partial, checkpoint.to_bytes(StoredAs::F16)?)?;
    std::fs::rename(&partial, path).with_context(|| path.display().to_string())
}
