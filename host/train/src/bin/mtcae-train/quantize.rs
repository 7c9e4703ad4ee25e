//! `mtcae-train quantize`.

use crate::open;
use crate::quantize_text::{Scored, Told, json_text, table};
use crate::value::{at_least_one, finite};
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use mtcae_contract::{Cropper, Manifest, Precision};
use mtcae_data::Stills;
use mtcae_deploy::{
    Accuracy, Form, Job, Keep, Limits, Model, QuantizeStep, RangeMethod, free_for, gate_accuracy, gate_difference,
    quantize,
};
use mtcae_drivers::ModelFile;
use mtcae_train::{Split, View, evaluate_samples, face_margin, file_answers, sample_clip, split, swaying_clip};
use std::path::PathBuf;

/// Held-out clips that fp32 and int8 are compared on number by number.
const COMPARED: usize = 32;

/// Write a model with its linear layers and convolutions in int8, checked against fp32
#[derive(clap::Args)]
#[command(after_help = "\
Half of DATA's persons serve to find ranges, the other half to judge: when the int8 model differs too much, or is less \
right than fp32 by more than it may be, nothing is written and the exit code is 1.

Examples:
  mtcae quantize models/zoo/edge --calibrate shards/fer-train --out models/zoo/edge
  mtcae quantize run/checkpoint.safetensors --manifest edge.manifest.toml --calibrate shards/mine --keep 2 --out model
  mtcae quantize models/zoo/edge --dynamic --out model")]
pub struct Args {
    /// Model folder with a checkpoint (the fp32 file need not be there), or a checkpoint (with --manifest).
    model: PathBuf,
    /// The model's description, where MODEL is a checkpoint.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Shard to calibrate and judge on, without its number; may be given again. Never the data a model is published on.
    #[arg(long, value_name = "DATA", required_unless_present = "dynamic")]
    calibrate: Vec<PathBuf>,
    /// Folder for the files; the model's own adds the int8 file to it.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How the range of an activation is chosen: mse, percentile:P, minmax.
    #[arg(long, default_value_t = RangeMethod::Mse)]
    range: RangeMethod,
    /// Ranges may be uneven around zero; those of convolutions always may.
    #[arg(long)]
    asymmetric: bool,
    /// Each token finds its own range while the model runs; slower, and needs no calibration. Convolutions stay in f32.
    #[arg(long, conflicts_with_all = ["range", "asymmetric"])]
    dynamic: bool,
    /// Move this share of the activations' outliers into the weights behind a norm, 0 to 1; 0.5 is what others use.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share, conflicts_with = "dynamic")]
    outliers: f32,
    /// Leave the N layers in f32 that hurt most.
    #[arg(long, value_name = "N")]
    keep: Option<usize>,
    /// Leave layers in f32 that alone move the logits by more than PERCENT.
    #[arg(long, value_name = "PERCENT", conflicts_with = "keep", value_parser = percent)]
    keep_error: Option<f32>,
    /// Leave as few layers in f32 as it takes for all others together to move the logits by no more than PERCENT.
    #[arg(long, value_name = "PERCENT", conflicts_with_all = ["keep", "keep_error"], value_parser = percent)]
    budget: Option<f32>,
    /// Leave this layer in f32; may be given again.
    #[arg(long = "keep-layer", value_name = "NAME")]
    keep_layers: Vec<String>,
    /// Samples to find ranges on.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = at_least_one)]
    samples: usize,
    /// Samples to judge on.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = at_least_one)]
    held_out: usize,
    /// Largest drop of WAR accepted, points.
    #[arg(long, value_name = "POINTS", default_value_t = Limits::default().war_points, value_parser = finite)]
    max_war_drop: f32,
    /// Largest drop of the mean box IoU accepted.
    #[arg(long, value_name = "IOU", default_value_t = Limits::default().box_iou, value_parser = finite)]
    max_iou_drop: f32,
    /// Largest difference of any output accepted, relative to its largest value.
    #[arg(long, value_name = "SHARE", default_value_t = Limits::default().difference, value_parser = finite)]
    max_difference: f32,
    /// Processor cores to use.
    #[arg(long, default_value_t = 2, value_parser = at_least_one)]
    workers: usize,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Quantizes, judges, and writes what passes.
    pub fn run(&self) -> Result<()> {
        let model = self.model()?;
        free_for(&self.out, &model.manifest)?;
        let judge = match self.calibrate.is_empty() {
            true => None,
            false => Some(Judge::new(&self.calibrate, &model.manifest, (self.samples, self.held_out), self.workers)?),
        };
        let limits =
            Limits { war_points: self.max_war_drop, box_iou: self.max_iou_drop, difference: self.max_difference };
        let (calibration, held_out) = match &judge {
            Some(judge) => (if self.dynamic { Vec::new() } else { judge.calibration() }, judge.compared()),
            None => (Vec::new(), Vec::new()),
        };
        let job = Job {
            checkpoint: &model.checkpoint,
            manifest: &model.manifest,
            fp32: &model.fp32,
            calibration: &calibration,
            held_out: &held_out,
            form: match self.dynamic {
                true => Form::Dynamic,
                false => Form::Static { range: self.range, asymmetric: self.asymmetric },
            },
            outliers: self.outliers,
            keep: match (self.keep, self.keep_error, self.budget) {
                (Some(n), ..) => Keep::Worst(n),
                (_, Some(percent), _) => Keep::Above(percent / 100.0),
                (.., Some(percent)) => Keep::Budget(percent / 100.0),
                _ => Keep::None,
            },
            keep_layers: &self.keep_layers,
            workers: self.workers,
        };
        let bar = bar()?;
        let found = quantize(&job, &|step| show(&bar, step))?;
        bar.finish_and_clear();
        gate_difference(found.agreement, &limits, &found.layers)?;
        let scored = judge.map(|judge| judge.scored(&model, &found.onnx)).transpose()?;
        if let Some(scored) = &scored {
            gate_accuracy(&scored.fp32, &scored.int8, &limits, &found.layers)?;
        }
        let written = model.write_int8(&found.onnx, &self.out)?;
        let told = Told { found: &found, scored: scored.as_ref(), written: &written, fp32_bytes: model.fp32.len() };
        if self.json {
            sayln!("{}", json_text(&told))
        } else {
            say!("{}", table(&told))
        }
        Ok(())
    }

    fn model(&self) -> Result<Model> {
        let Some(path) = &self.manifest else {
            if self.model.is_file() {
                bail!("{} is a checkpoint; say what it is for with `--manifest FILE`", self.model.display());
            }
            return Ok(Model::open(&self.model)?);
        };
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let manifest = Manifest::from_toml(&text).with_context(|| path.display().to_string())?;
        Ok(Model::from_checkpoint(&self.model, manifest)?)
    }
}

/// Annotated stills, those to calibrate and those to judge on.
struct Judge {
    data: Stills,
    split: Split,
    margin: f32,
    manifest: Manifest,
    workers: usize,
}

impl Judge {
    fn new(names: &[PathBuf], manifest: &Manifest, sizes: (usize, usize), workers: usize) -> Result<Judge> {
        let data = open(names)?.labelled(&manifest.labels)?;
        let margin = face_margin(manifest, &data)?;
        let split = split(&data, sizes.0, sizes.1);
        if split.calibration.is_empty() || split.held_out.is_empty() {
            let people = "samples of several persons: half of them calibrate, the others judge";
            bail!("{} samples are too few, or of one person; accepted: {people}", data.len());
        }
        Ok(Judge { data, split, margin, manifest: manifest.clone(), workers })
    }

    /// Half of the stills with a camera that moves: what a network reads then is not the same in all frames.
    fn calibration(&self) -> Vec<Vec<u8>> {
        let mut cropper = Cropper::new();
        let spec = self.manifest.clip;
        let clip = |(n, i): (usize, &usize)| match (self.data.frames(*i), n % 2) {
            (1, 1) => swaying_clip(&self.data.sample(*i), self.margin, spec, n as f32 * 0.13, &mut cropper),
            _ => sample_clip(&self.data, *i, View::centred(self.margin), spec, &mut cropper),
        };
        self.split.calibration.iter().enumerate().map(clip).collect()
    }

    /// Some of the held-out ones, from all over the data set.
    fn compared(&self) -> Vec<Vec<u8>> {
        let mut cropper = Cropper::new();
        let all = &self.split.held_out;
        let n = COMPARED.min(all.len());
        // The first ones are tried on each layer, and data sets are sorted by expression: a stride mixes them.
        let stride = if n.is_multiple_of(7) { 5 } else { 7 };
        let mixed = (0..n).map(|i| all[i * stride % n * all.len() / n]);
        mixed
            .map(|i| sample_clip(&self.data, i, View::centred(self.margin), self.manifest.clip, &mut cropper))
            .collect()
    }

    fn scored(&self, model: &Model, int8: &[u8]) -> Result<Scored> {
        // Of faces in the middle any file would find the boxes.
        let view = View::off_centre(self.margin);
        let files = [(Precision::Fp32, model.fp32.as_slice()), (Precision::Int8, int8)];
        let bar = bar()?;
        bar.set_length((files.len() * self.split.held_out.len()) as u64);
        bar.set_message("judging");
        let mut scores = Vec::new();
        for (precision, bytes) in files {
            let (manifest, bytes) = (self.manifest.clone(), bytes.to_vec());
            let file = ModelFile { manifest, precision, path: PathBuf::from(&self.manifest.name), bytes };
            let answers = file_answers(&file, (&self.data, view), &self.split.held_out, self.workers, &|n| bar.inc(n))?;
            let s = evaluate_samples(&self.data, &self.split.held_out, &answers, view);
            scores.push(Accuracy { war: s.war, uar: s.uar, box_iou: s.box_iou });
        }
        bar.finish_and_clear();
        Ok(Scored { samples: self.split.held_out.len(), fp32: scores[0], int8: scores[1] })
    }
}

fn percent(word: &str) -> Result<f32, String> {
    let percent = word.parse().ok().filter(|p: &f32| (0.0..=100.0).contains(p));
    percent.ok_or_else(|| "accepted: 0 to 100".to_owned())
}

fn share(word: &str) -> Result<f32, String> {
    let share = word.parse().ok().filter(|s: &f32| (0.0..=1.0).contains(s));
    share.ok_or_else(|| "accepted: 0 to 1".to_owned())
}

fn bar() -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{msg:18} {bar:30} {pos}/{len}, {eta} left")?;
    Ok(ProgressBar::new(1).with_style(style))
}

fn show(bar: &ProgressBar, step: QuantizeStep) {
    let (doing, done, all) = match step {
        QuantizeStep::Calibrate(clip, clips) => ("finding ranges", clip, clips),
        QuantizeStep::Layer(layer, layers) => ("layer by layer", layer, layers),
        QuantizeStep::Search(layers) => ("some in f32", layers, layers.max(1)),
        QuantizeStep::Compare(clip, clips) => ("comparing", clip, clips),
        QuantizeStep::Time => ("timing", 0, 1),
    };
    bar.set_message(doing);
    bar.set_length(all as u64);
    bar.set_position(done as u64);
}
