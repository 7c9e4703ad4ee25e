//! The commands, one file each: a struct of arguments and a `run`.

mod completions;
mod cost;
mod demo;
mod export;
mod monitor;
mod trainer;

use crate::failure::Failure;
use clap::Subcommand;

/// What `mtcae` can do.
#[derive(Subcommand)]
pub enum Command {
    /// See it work: the board's whole pipeline on a recorded clip, shown live
    Demo(demo::Args),
    /// Show what a board sees: faces, expressions, latency, and how the line is
    Monitor(monitor::Args),
    /// Count a network's parameters, multiply-adds and memory
    Cost(cost::Args),
    /// Write a trained network as an ONNX file, checked by running it
    Export(export::Args),
    /// Prepare data sets (runs mtcae-train)
    #[command(disable_help_flag = true)]
    Data(trainer::Args),
    /// Train a network on faces without labels (runs mtcae-train)
    #[command(disable_help_flag = true)]
    Pretrain(trainer::Args),
    /// Train a network (runs mtcae-train)
    #[command(disable_help_flag = true)]
    Train(trainer::Args),
    /// Measure a trained network (runs mtcae-train)
    #[command(disable_help_flag = true)]
    Evaluate(trainer::Args),
    /// Train and compare the six strategies (runs mtcae-train)
    #[command(disable_help_flag = true)]
    Ablate(trainer::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

impl Command {
    /// Runs the command to its end.
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Self::Demo(args) => args.run(),
            Self::Monitor(args) => args.run(),
            Self::Cost(args) => args.run(),
            Self::Export(args) => args.run(),
            Self::Data(args) => args.run("data"),
            Self::Pretrain(args) => args.run("pretrain"),
            Self::Train(args) => args.run("train"),
            Self::Evaluate(args) => args.run("evaluate"),
            Self::Ablate(args) => args.run("ablate"),
            Self::Completions(args) => args.run(),
        }
    }
}
