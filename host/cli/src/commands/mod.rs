//! The commands, one file each: a struct of arguments and a `run`.

mod bench;
mod bench_engine;
mod beside;
mod broker;
mod bundle;
mod camera;
mod completions;
mod confirm;
mod cost;
mod demo;
mod devices;
mod doctor;
mod export;
mod flash;
mod hil;
mod inspect;
mod keys;
mod logs;
mod monitor;
mod open;
mod provision;
mod replay;
mod rollback;
mod seal;
mod status;
mod trainer;
mod trust_board;
mod verify;

use crate::failure::Failure;
use clap::Subcommand;

/// What `mtcae` can do.
#[derive(Subcommand)]
pub enum Command {
    /// See it work: the board's whole pipeline on a recorded clip, shown live
    Demo(demo::Args),
    /// Show what a board sees: faces, expressions, latency, and how the line is
    Monitor(monitor::Args),
    /// Show a recording of `mtcae monitor --record` as it was
    Replay(replay::Args),
    /// List serial ports and boards, and who answers on them
    Devices(devices::Args),
    /// Show what a board is: health, versions, slots, an update on its way
    Status(status::Args),
    /// Carry a bundle to a board, and follow it until the new version is confirmed there
    Flash(Box<flash::Args>),
    /// Keep the version that is on trial on a board
    Confirm(confirm::Args),
    /// Go back to the version before
    Rollback(rollback::Args),
    /// List a board's camera modes, choose one, stop and start its camera
    Camera(camera::Args),
    /// Show the newest lines of a board's log
    Logs(logs::Args),
    /// Look for what is wrong, here and on a board, and say what to do
    Doctor(doctor::Args),
    /// Make a board of a Jetson or a PC: launcher, units, rules, board file, keys, first version
    Provision(Box<provision::Args>),
    /// Try a board, real or not: scenarios with faults, and a report
    Hil(hil::Args),
    /// Count a network's parameters, multiply-adds and memory
    Cost(cost::Args),
    /// Write a trained network as an ONNX file, checked by running it
    Export(export::Args),
    /// Run a model in every engine that is there, and look for known traps in its files
    Verify(verify::Args),
    /// Time engines side by side: clips, processor time, memory, load, energy
    Bench(Box<bench::Args>),
    /// Run clips for `mtcae bench`, which starts it
    #[command(hide = true)]
    BenchEngine(bench_engine::Args),
    /// Pack a model, firmware or both into one signed file for boards
    Bundle(Box<bundle::Args>),
    /// Show what a bundle is, who signed it, and whether it is whole
    Inspect(inspect::Args),
    /// Make, show and rotate keys: those that sign bundles, and those that open what is encrypted
    Keys(keys::Args),
    /// Encrypt a file for those who may open it: face data, checkpoints
    Seal(seal::Args),
    /// Decrypt a sealed file; the opening is logged
    Open(open::Args),
    /// Take the encoder of a VideoMAE checkpoint (runs mtcae-train)
    #[command(disable_help_flag = true)]
    Import(trainer::Args),
    /// Prepare data sets (runs mtcae-train)
    #[command(disable_help_flag = true)]
    Data(trainer::Args),
    /// Train an encoder on clips without labels (runs mtcae-train)
    #[command(disable_help_flag = true)]
    Pretrain(trainer::Args),
    /// Train a network (runs mtcae-train)
    #[command(disable_help_flag = true)]
    Train(trainer::Args),
    /// Measure a trained network (runs mtcae-train)
    #[command(disable_help_flag = true)]
    Evaluate(trainer::Args),
    /// Score a model on faces that are dark, blurred, small, ... (runs mtcae-train)
    #[command(disable_help_flag = true)]
    Curves(trainer::Args),
    /// Train and measure the six strategies under one budget (runs mtcae-train)
    #[command(disable_help_flag = true)]
    Ablate(trainer::Args),
    /// Show the paper's tables beside ours (runs mtcae-train)
    #[command(disable_help_flag = true)]
    Tables(trainer::Args),
    /// Write a model in int8, checked against fp32 (runs mtcae-train)
    #[command(disable_help_flag = true)]
    Quantize(trainer::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

impl Command {
    /// Runs the command to its end.
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Self::Demo(args) => args.run(),
            Self::Monitor(args) => args.run(),
            Self::Replay(args) => args.run(),
            Self::Devices(args) => args.run(),
            Self::Status(args) => args.run(),
            Self::Flash(args) => args.run(),
            Self::Confirm(args) => args.run(),
            Self::Rollback(args) => args.run(),
            Self::Camera(args) => args.run(),
            Self::Logs(args) => args.run(),
            Self::Doctor(args) => args.run(),
            Self::Provision(args) => args.run(),
            Self::Hil(args) => args.run(),
            Self::Cost(args) => args.run(),
            Self::Export(args) => args.run(),
            Self::Verify(args) => args.run(),
            Self::Bench(args) => args.run(),
            Self::BenchEngine(args) => args.run(),
            Self::Bundle(args) => args.run(),
            Self::Inspect(args) => args.run(),
            Self::Keys(args) => args.run(),
            Self::Seal(args) => args.run(),
            Self::Open(args) => args.run(),
            Self::Import(args) => args.run("import"),
            Self::Data(args) => args.run("data"),
            Self::Pretrain(args) => args.run("pretrain"),
            Self::Train(args) => args.run("train"),
            Self::Evaluate(args) => args.run("evaluate"),
            Self::Curves(args) => args.run("curves"),
            Self::Ablate(args) => args.run("ablate"),
            Self::Tables(args) => args.run("tables"),
            Self::Quantize(args) => args.run("quantize"),
            Self::Completions(args) => args.run(),
        }
    }
}
