//! `mtcae-train data`: pictures in, or made, annotated shards out.

use crate::bar::Bar;
use crate::data_clips::{CremadArgs, FolderArgs, MeadArgs, RavdessArgs};
use anyhow::Result;
use mtcae_contract::{Expression, LabelSet};
use mtcae_data::{
    Naming, Outcome, Part, Progress, Stills, StillsJob, SynthJob, clip_sheet, contact_sheet, prepare_stills, synthesize,
};
use std::path::PathBuf;

/// Persons, or pictures of nobody known, out of a hundred that `--part train` keeps.
const TRAIN_SHARE: u8 = 85;

/// The bar of a job that says with its first word how much there is to do.
pub struct JobBar {
    /// What is counted.
    what: &'static str,
    bar: Option<Bar>,
    done: usize,
}

impl JobBar {
    pub fn new(what: &'static str) -> JobBar {
        JobBar { what, bar: None, done: 0 }
    }

    /// The job is so far, with a message or without.
    pub fn set(&mut self, p: Progress, message: Option<String>) {
        if self.bar.is_none() {
            // A job goes on without a bar.
            self.bar = Bar::new(p.total, self.what, "  {msg}").ok();
            self.bar.iter().for_each(|bar| bar.begin(p.done));
            self.done = p.done;
        }
        match (&self.bar, message) {
            (Some(bar), Some(message)) => bar.set(p.done, message),
            (Some(bar), None) => bar.inc((p.done - self.done) as u64),
            (None, _) => {}
        }
        self.done = p.done;
    }

    /// It is over.
    pub fn clear(&self) {
        self.bar.iter().for_each(Bar::clear);
    }
}

#[derive(clap::Subcommand)]
pub enum Command {
    /// Find the faces of a data set with MTCNN and write shards for training; a run that was cut goes on: with the video, or of stills
    /// with the shard of 8192 pictures, that it was at.
    #[command(subcommand)]
    Prepare(Prepare),
    /// Render clips of made-up people and write shards for training; a run that was cut goes on with the shard of 256 clips that it
    /// was at.
    Synth(SynthArgs),
}

#[derive(clap::Subcommand)]
pub enum Prepare {
    /// Still images: a folder or tar with one folder for each expression, such as happy/0001.jpg.
    Stills(StillsArgs),
    /// RAVDESS: videos called 01-01-03-02-01-02-11.mp4; persons ravdess-01 to ravdess-24.
    Ravdess(RavdessArgs),
    /// CREMA-D: videos called 1001_DFA_ANG_XX.flv; persons cremad-1001 to cremad-1091.
    Cremad(CremadArgs),
    /// MEAD: videos called M003/video/front/angry/level_1/001.mp4; persons mead-M003 and so on.
    Mead(MeadArgs),
    /// Videos in one folder for each expression, such as happy/0001.mp4.
    Folder(FolderArgs),
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
    /// all; or train (85 %) or test (the others): of the persons by a hash of their names, with --naming file of the pictures by a
    /// hash of their bytes, so that equal ones stay together.
    #[arg(long, default_value = "all", value_parser = ["all", "train", "test"])]
    part: String,
    /// What a folder shows whose name is no expression, such as 1=surprise; may be given several times.
    #[arg(long = "folder", value_name = "NAME=EXPRESSION", value_parser = folder)]
    folders: Vec<(String, Expression)>,
    /// What file names say of who is in the picture: file (nothing), person (Some_Person_0001.jpg).
    #[arg(long, default_value = "file", value_parser = ["file", "person"])]
    naming: String,
    /// Side of a stored square, pixels.
    #[arg(long, default_value_t = 96)]
    side: usize,
    /// Store brightness alone: a third of the size, for grey data sets.
    #[arg(long)]
    grey: bool,
    /// 7: neutral, happy, sad, angry, fear, disgust, surprise; 8: contempt as well.
    #[arg(long, default_value = "7", value_parser = ["7", "8"])]
    classes: String,
    /// Processor cores to use.
    #[arg(long, default_value_t = 2)]
    workers: usize,
}

impl Command {
    /// Runs it to its end.
    pub fn run(&self) -> Result<()> {
        match self {
            Command::Prepare(Prepare::Stills(args)) => args.run(),
            Command::Prepare(Prepare::Ravdess(args)) => args.run(),
            Command::Prepare(Prepare::Cremad(args)) => args.run(),
            Command::Prepare(Prepare::Mead(args)) => args.run(),
            Command::Prepare(Prepare::Folder(args)) => args.run(),
            Command::Synth(args) => args.run(),
        }
    }
}

/// `NAME=EXPRESSION`.
fn folder(text: &str) -> Result<(String, Expression), String> {
    let (name, expression) = text.rsplit_once('=').ok_or("accepted: NAME=EXPRESSION, such as 1=surprise")?;
    let expression = expression.parse::<Expression>().map_err(|e| e.to_string())?;
    Ok((name.to_owned(), expression))
}

/// The seven classes, or eight.
fn label_set(classes: &str) -> Result<LabelSet> {
    let mut labels = LabelSet::seven().labels().to_vec();
    if classes == "8" {
        labels.push(Expression::Contempt);
    }
    Ok(LabelSet::new(labels)?)
}

impl StillsArgs {
    fn job(&self) -> Result<StillsJob> {
        Ok(StillsJob {
            source: self.root.clone(),
            out: self.out.clone(),
            name: self.name.clone(),
            split: self.part.clone(),
            part: match self.part.as_str() {
                "train" => Part::Below(TRAIN_SHARE),
                "test" => Part::From(TRAIN_SHARE),
                _ => Part::All,
            },
            folders: self.folders.iter().cloned().collect(),
            naming: if self.naming == "person" { Naming::PersonNumber } else { Naming::File },
            labels: label_set(&self.classes)?,
            side: self.side,
            grey: self.grey,
            workers: self.workers,
        })
    }

    fn run(&self) -> Result<()> {
        let mut bar = JobBar::new("pictures");
        let outcome = prepare_stills(&self.job()?, |p| bar.set(p, Some(format!("{} faces in this run", p.faces))));
        bar.clear();
        let outcome = outcome?;
        let sheet = self.out.join(format!("{}.png", self.name));
        contact_sheet(&Stills::open(&outcome.shards)?, 48, &sheet)?;
        say!("{}", summary(&outcome));
        sayln!("look at {} before training on it", sheet.display());
        Ok(())
    }
}

#[derive(clap::Args)]
pub struct SynthArgs {
    /// ICT-FaceKit as an .npz with the arrays N, T, ex, E and I, or a checkout of its repository; or sketch, a head drawn by
    /// hand, to try the command.
    #[arg(long, value_name = "MODEL")]
    model: PathBuf,
    /// Folder for the shards and the contact sheet.
    #[arg(long)]
    out: PathBuf,
    /// Shards are called NAME-000.safetensors and so on.
    #[arg(long)]
    name: String,
    /// Clips to render; expressions take turns.
    #[arg(long)]
    clips: usize,
    /// Different persons.
    #[arg(long, default_value_t = 200)]
    identities: usize,
    /// Side of a rendered frame, pixels.
    #[arg(long, default_value_t = 160)]
    size: usize,
    /// Side of a stored square, which is cut around the face, pixels.
    #[arg(long, default_value_t = 96)]
    side: usize,
    /// Frames of a clip.
    #[arg(long, default_value_t = 16)]
    frames: usize,
    /// Equal seeds give equal clips.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// 7: neutral, happy, sad, angry, fear, disgust, surprise; 8: contempt as well.
    #[arg(long, default_value = "7", value_parser = ["7", "8"])]
    classes: String,
    /// Processor cores to use.
    #[arg(long, default_value_t = 2)]
    workers: usize,
}

impl SynthArgs {
    fn job(&self) -> Result<SynthJob> {
        Ok(SynthJob {
            model: (self.model.as_os_str() != "sketch").then(|| self.model.clone()),
            out: self.out.clone(),
            name: self.name.clone(),
            clips: self.clips,
            identities: self.identities,
            size: self.size,
            side: self.side,
            frames: self.frames,
            seed: self.seed,
            labels: label_set(&self.classes)?,
            workers: self.workers,
        })
    }

    fn run(&self) -> Result<()> {
        let mut bar = JobBar::new("clips");
        let outcome = synthesize(&self.job()?, |p| bar.set(p, None));
        bar.clear();
        let outcome = outcome?;
        let sheet = self.out.join(format!("{}.png", self.name));
        clip_sheet(&Stills::open(&outcome.shards)?, 16, &sheet)?;
        let (clips, shards) = (outcome.counts.samples, outcome.shards.len());
        sayln!("{clips} clips of {} frames; {shards} shard(s), {} already there", self.frames, outcome.skipped);
        for (label, n) in &outcome.counts.per_label {
            sayln!("{label:10} {n:7}");
        }
        sayln!("look at {} before training on it", sheet.display());
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
    for (name, n) in &outcome.unnamed {
        text +=
            &format!("passed over: folder `{name}`, {n} picture(s); --folder {name}=EXPRESSION says what it shows\n");
    }
    for (end, n) in &outcome.foreign {
        text += &format!("passed over: {n} .{end} picture(s); make JPEG or PNG of them\n");
    }
    for name in &outcome.corrupt {
        text += &format!("corrupt: {name}\n");
    }
    text
}
