//! `mtcae-train data`: pictures in, annotated shards out.

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use mtcae_contract::LabelSet;
use mtcae_data::{Naming, Outcome, Part, Stills, StillsJob, contact_sheet, prepare_stills};
use std::path::PathBuf;

/// Persons out of a hundred that `--part train` keeps.
const TRAIN_SHARE: u8 = 85;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Find the faces of a data set with MTCNN and write shards for training; a run that was cut goes on.
    #[command(subcommand)]
    Prepare(Prepare),
}

#[derive(clap::Subcommand)]
pub enum Prepare {
    /// Still images: a folder or tar with one folder for each expression, such as happy/0001.jpg.
    Stills(StillsArgs),
}

#[derive(clap::Args)]
pub struct StillsArgs {
    /// Folder or tar of the data set.
    #[arg(long)]
    root: PathBuf,
    /// Folder for the shards and the contact sheet.
    #[arg(long)]
    out: PathBuf,
    /// Shards are called NAME-000.safetensors and so on.
    #[arg(long)]
    name: String,
    /// all; or train (85 % of the persons) or test (the others), by a hash of the person's name.
    #[arg(long, default_value = "all", value_parser = ["all", "train", "test"])]
    part: String,
    /// What file names say of who is in the picture: file (nothing), person (Some_Person_0001.jpg).
    #[arg(long, default_value = "file", value_parser = ["file", "person"])]
    naming: String,
    /// Side of a stored square, pixels.
    #[arg(long, default_value_t = 96)]
    side: usize,
    /// Store brightness alone: a third of the size, for grey data sets.
    #[arg(long)]
    grey: bool,
    /// Processor cores to use.
    #[arg(long, default_value_t = 2)]
    workers: usize,
}

impl Command {
    /// Runs it to its end.
    pub fn run(&self) -> Result<()> {
        let Command::Prepare(Prepare::Stills(args)) = self;
        args.run()
    }
}

impl StillsArgs {
    fn job(&self) -> StillsJob {
        StillsJob {
            source: self.root.clone(),
            out: self.out.clone(),
            name: self.name.clone(),
            split: self.part.clone(),
            part: match self.part.as_str() {
                "train" => Part::Below(TRAIN_SHARE),
                "test" => Part::From(TRAIN_SHARE),
                _ => Part::All,
            },
            naming: if self.naming == "person" { Naming::PersonNumber } else { Naming::File },
            labels: LabelSet::seven(),
            side: self.side,
            grey: self.grey,
            workers: self.workers,
        }
    }

    fn run(&self) -> Result<()> {
        let bar = ProgressBar::no_length()
            .with_style(ProgressStyle::with_template("{bar:30} {pos}/{len} pictures, {per_sec}, {eta} left  {msg}")?);
        let outcome = prepare_stills(&self.job(), |p| {
            bar.set_length(p.total as u64);
            bar.set_position(p.done as u64);
            bar.set_message(format!("{} faces", p.faces));
        })?;
        bar.finish_and_clear();
        let sheet = self.out.join(format!("{}.png", self.name));
        contact_sheet(&Stills::open(&outcome.shards)?, 48, &sheet)?;
        print!("{}", summary(&outcome));
        println!("look at {} before training on it", sheet.display());
        Ok(())
    }
}

fn summary(outcome: &Outcome) -> String {
    let c = &outcome.counts;
    let mut text = format!(
        "{} samples, a face found in {} ({:.1} %); {} corrupt, {} of other labels; {} shard(s), {} already there\n",
        c.samples,
        c.faces,
        100.0 * c.faces as f64 / c.samples.max(1) as f64,
        c.corrupt,
        c.left_out,
        outcome.shards.len(),
        outcome.skipped
    );
    for (label, n) in &c.per_label {
        text += &format!("{label:10} {n:7}\n");
    }
    for name in &outcome.corrupt {
        text += &format!("corrupt: {name}\n");
    }
    text
}
