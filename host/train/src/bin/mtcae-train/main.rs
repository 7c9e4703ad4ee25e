//! The training binary: `mtcae data`, `import`, `pretrain`, `train`, `evaluate`, `curves`, `ablate`, `tables` and `quantize` run it.

/// `print!` for a reader that may have gone.
macro_rules! say {
    ($($text:tt)*) => { crate::output::write(format_args!($($text)*)) };
}

/// `println!` for a reader that may have gone.
macro_rules! sayln {
    ($($text:tt)*) => { crate::output::write(format_args!("{}\n", format_args!($($text)*))) };
}

/// `eprintln!` for an error output that may be closed or full: that must not end hours of work.
macro_rules! tell {
    ($($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

mod ablate;
mod ablation;
mod answer;
mod answers;
mod bar;
mod curves;
mod data;
mod data_clips;
mod data_text;
mod evaluate;
mod fold;
mod import;
mod learnt;
mod lock;
mod output;
mod page;
mod plot;
mod pretrain;
mod quantize;
mod quantize_text;
mod run_of;
mod shared;
mod stop;
mod tables;
mod train;
mod value;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use mtcae_contract::Precision;
use mtcae_data::Stills;
use mtcae_drivers::read_manifest;
use mtcae_network::Checkpoint;
use mtcae_train::TrainError;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Prepare data, train, evaluate and quantize MTCAE-DFER.
#[derive(Parser)]
#[command(name = "mtcae-train", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Prepare data sets.
    #[command(subcommand)]
    Data(data::Command),
    /// Train on annotated stills or clips; a run that was cut goes on where it stopped.
    Train(train::Args),
    /// Score checkpoints or exported models on annotated stills or clips.
    Evaluate(evaluate::Args),
    /// Train and score the six strategies under one budget (the paper's Table I); a run that was cut goes on.
    Ablate(ablate::Args),
    /// The paper's tables beside ours.
    Tables(tables::Args),
    Curves(curves::Args),
    Import(import::Args),
    Pretrain(pretrain::Args),
    Quantize(Box<quantize::Args>),
    #[command(hide = true)]
    Answers(answers::Args),
}

fn main() -> ExitCode {
    match run().and_then(|()| output::finish()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            tell!("Error: {}", told(&e));
            match e.downcast_ref() {
                Some(TrainError::Stopped(_)) => ExitCode::from(stop::STOPPED),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// An error with its causes in one line; most of ours name theirs already.
fn told(error: &anyhow::Error) -> String {
    error.chain().map(|e| e.to_string()).fold(String::new(), |said, cause| match said {
        said if said.is_empty() => cause,
        said if said.contains(&cause) => said,
        said => format!("{said}: {cause}"),
    })
}

fn run() -> Result<()> {
    // The workers are the threads; without this each of them would start a pool of its own for every product.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().context("thread pool")?;
    match Cli::parse().command {
        Command::Data(command) => command.run(),
        Command::Train(args) => args.run(),
        Command::Evaluate(args) => args.run(),
        Command::Ablate(args) => args.run(),
        Command::Tables(args) => args.run(),
        Command::Curves(args) => args.run(),
        Command::Import(args) => args.run(),
        Command::Pretrain(args) => args.run(),
        Command::Quantize(args) => args.run(),
        Command::Answers(args) => args.run(),
    }
}

/// The same samples under the labels of the model folder at `model`; as they are for checkpoints, which name none.
fn labelled_for(model: &Path, data: Stills) -> Result<Stills> {
    if !model.join("manifest.toml").is_file() {
        return Ok(data);
    }
    let manifest = read_manifest(model)?;
    data.labelled(&manifest.labels)
        .with_context(|| format!("model {} knows {:?}", manifest.name, manifest.labels.labels()))
}

/// The shards `NAME-000.safetensors` and so on of each name.
fn open(names: &[PathBuf]) -> Result<Stills> {
    let mut paths = Vec::new();
    for name in names {
        let shard = |i: usize| PathBuf::from(format!("{}-{i:03}.safetensors", name.display()));
        if !shard(0).exists() {
            bail!("{}: no such shard; make it with `mtcae data prepare`", shard(0).display());
        }
        paths.extend((0..).map(shard).take_while(|p| p.exists()));
    }
    Ok(Stills::open(&paths)?)
}

/// The file of the model in `folder` that `word` (`auto`, `fp32`, `int8`) stands for; `auto` is what a board takes: fp32, or int8 where
/// that is all there is.
fn precision(folder: &Path, word: &str) -> Result<Precision> {
    match word {
        "fp32" => Ok(Precision::Fp32),
        "int8" => Ok(Precision::Int8),
        _ => {
            let manifest = read_manifest(folder)?;
            let lists = |precision| manifest.artifact(precision).is_some();
            Ok(if !lists(Precision::Fp32) && lists(Precision::Int8) { Precision::Int8 } else { Precision::Fp32 })
        }
    }
}

fn read_checkpoint(path: &Path) -> Result<Checkpoint> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    Checkpoint::from_bytes(&bytes).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_and_its_causes_are_one_line_without_echoes() {
        let cause = std::io::Error::other("disk full");
        let echoed = anyhow::Error::new(cause).context("write a.json: disk full");
        assert_eq!(told(&echoed), "write a.json: disk full");
        assert_eq!(told(&anyhow::anyhow!("no such shard").context("read mine")), "read mine: no such shard");
    }
}
