//! `mtcae-train evaluate`.

use crate::{open, read_checkpoint};
use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use mtcae_contract::{Framing, Precision};
use mtcae_data::{FACE_MARGIN, Stills};
use mtcae_network::{Network, NetworkConfig};
use mtcae_train::{Scores, State, StillAnswer, answers, board_answers, evaluate, expected_error, fit_temperature};
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    /// Checkpoint (safetensors), computed by the trainer; or model folder, computed by the board's engine and preprocessing.
    model: PathBuf,
    /// Shards to score on.
    #[arg(long = "data", required = true)]
    data: Vec<PathBuf>,
    /// File of the model folder to run.
    #[arg(long, default_value = "fp32", value_parser = ["fp32", "int8"])]
    precision: String,
    /// Processor cores to use.
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Answers all samples and prints the scores.
    pub fn run(&self) -> Result<()> {
        run_evaluate(self)
    }
}

fn run_evaluate(args: &Args) -> Result<()> {
    let data = open(&args.data)?;
    let workers = args.workers.max(1);
    let bar = ProgressBar::new(data.len() as u64)
        .with_style(ProgressStyle::with_template("{bar:30} {pos}/{len} samples, {per_sec}, {eta} left")?);
    let (answers, margin, temperature) = if args.model.is_dir() {
        let precision = if args.precision == "int8" { Precision::Int8 } else { Precision::Fp32 };
        let (manifest, answers) = board_answers(&args.model, precision, &data, workers, &|n| bar.inc(n))?;
        let Framing::Face { margin } = manifest.framing else { bail!("framing is not `face`") };
        (answers, margin, manifest.temperature)
    } else {
        let checkpoint = read_checkpoint(&args.model)?;
        let state = State::from_checkpoint(&checkpoint)?;
        (all_answers(&checkpoint.config, &state, &data, false, workers)?, FACE_MARGIN, 1.0)
    };
    bar.finish_and_clear();
    let scores = evaluate(&data, &answers, margin);
    let logits: Vec<&[f32]> = answers.iter().map(|a| &a.logits[..]).collect();
    let labels: Vec<usize> = (0..data.len()).map(|i| data.sample(i).label).collect();
    let best = fit_temperature(&logits, &labels);
    let (ece, best_ece) = (expected_error(&logits, &labels, temperature), expected_error(&logits, &labels, best));
    if args.json {
        let mut object = scores_json(&scores);
        object["temperature"] = temperature.into();
        object["ece"] = ece.into();
        object["best_temperature"] = best.into();
        object["best_ece"] = best_ece.into();
        println!("{object}");
        return Ok(());
    }
    println!("{} samples  WAR {:.4}  UAR {:.4}", scores.samples, scores.war, scores.uar);
    println!("box IoU {:.3}  landmark NME {:.3} eye distances", scores.box_iou, scores.landmark_nme);
    println!("calibration error {ece:.3} at temperature {temperature}, {best_ece:.3} at the best, {best:.3}");
    for (label, (recall, row)) in data.labels().labels().iter().zip(scores.recall.iter().zip(&scores.confusion)) {
        println!("{label:10} recall {recall:.3}  answers {row:?}");
    }
    Ok(())
}

/// Answers in `workers` threads, a few clips at a time.
pub fn all_answers(
    config: &NetworkConfig,
    state: &State,
    data: &Stills,
    still: bool,
    workers: usize,
) -> Result<Vec<StillAnswer>> {
    let network = Network::new(config.clone())?;
    let step = if still { 64 } else { 8 };
    let share = data.len().div_ceil(workers);
    let part = |w: usize| {
        let end = ((w + 1) * share).min(data.len());
        let starts = (w * share..end).step_by(step);
        starts.flat_map(|i| answers(&network, &state.slots, data, i, (i + step).min(end), still)).collect::<Vec<_>>()
    };
    let part = &part;
    Ok(std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|w| scope.spawn(move || part(w))).collect();
        threads.into_iter().flat_map(|t| t.join().unwrap_or_else(|p| std::panic::resume_unwind(p))).collect()
    }))
}

pub fn scores_json(s: &Scores) -> serde_json::Value {
    serde_json::json!({
        "samples": s.samples, "war": s.war, "uar": s.uar, "recall": s.recall, "confusion": s.confusion,
        "box_iou": s.box_iou, "landmark_nme": s.landmark_nme,
    })
}
