//! The network with linear layers and convolutions in int8, its ranges found on clips, and what that costs.
//!
//! ```text
//! checkpoint -> tapped graph -> tract on calibration clips -> histograms -> ranges -> int8 graph
//!                        each layer alone in int8 -> error of the logits -> which ones stay f32 -^
//! ```

mod gate;
mod histogram;
mod outliers;
mod range;
mod sensitivity;
mod timing;

pub use gate::{Accuracy, Limits, gate_accuracy, gate_difference};
pub use range::{NoRange, RangeMethod};
pub use sensitivity::{Keep, logits_apart};
pub use timing::side_by_side;

use crate::check::{Agreement, agreement, seeded_clip};
use crate::error::ExportError;
use crate::export::options;
use crate::tract::{Outputs, TractModel};
use histogram::Histogram;
use mtcae_contract::Manifest;
use mtcae_network::Checkpoint;
use mtcae_network::onnx::{Activation, EmitError, Int8Layers, Quantizable, emit_int8, emit_tapped};
use std::collections::BTreeMap;
use thiserror::Error;

/// Clips on which each layer alone is tried.
const PROBES: usize = 8;
/// Seeded clips that stand in where there are no pictures, and are compared in any case.
const SEEDED: u64 = 2;
/// Turns of the time measurement.
const ROUNDS: usize = 15;

/// Why a model is not quantized. Nothing has been written then.
#[derive(Debug, Error)]
pub enum QuantizeError {
    /// The graph cannot be read, written or run.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// There are no clips to find ranges on.
    #[error("no clips to calibrate on; give data, or let each token find its own range (`--dynamic`)")]
    NoClips,
    /// A layer that was named and is not there.
    #[error("there is no layer `{name}`; accepted: {accepted}")]
    Layer {
        /// As given.
        name: String,
        /// Those that can be quantized.
        accepted: String,
    },
    /// Every layer is to stay in f32.
    #[error("all {layers} layers that can compute in int8 would stay in f32; keep fewer; nothing was written")]
    Nothing {
        /// Those that can be quantized.
        layers: usize,
    },
    /// The int8 graph computes something else.
    #[error(
        "the int8 graph differs from the fp32 file by {error:.1e} in `{output}`; accepted: up to {limit:.0e}; {worst}; \
         nothing was written"
    )]
    Difference {
        /// Name of the output.
        output: &'static str,
        /// Largest difference over the largest value.
        error: f32,
        /// Accepted.
        limit: f32,
        /// The layer that hurts most, and what to do.
        worst: String,
    },
    /// The int8 model is less right.
    #[error(
        "the int8 model is worse on the held-out part by {drop:.3} in {what}; accepted: up to {limit}; {worst}; nothing \
         was written"
    )]
    Accuracy {
        /// What dropped.
        what: &'static str,
        /// By how much.
        drop: f32,
        /// Accepted.
        limit: f32,
        /// The layer that hurts most, and what to do.
        worst: String,
    },
}

impl From<EmitError> for QuantizeError {
    fn from(error: EmitError) -> QuantizeError {
        QuantizeError::Export(error.into())
    }
}

/// How activations become bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Form {
    /// One scale for all clips, found on calibration clips.
    Static {
        /// How a range is chosen.
        range: RangeMethod,
        /// Ranges need not be even around zero.
        asymmetric: bool,
    },
    /// Each token finds its own while the graph runs; convolutions, which read no tokens, stay in f32.
    Dynamic,
}

/// What is to be quantized, and how.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// The weights.
    pub checkpoint: &'a Checkpoint,
    /// The model's description.
    pub manifest: &'a Manifest,
    /// The fp32 file that everything is compared with.
    pub fp32: &'a [u8],
    /// Clips, bytes `[T, S, S, 3]`, on which ranges are found; not read in form [`Form::Dynamic`].
    pub calibration: &'a [Vec<u8>],
    /// Other clips, on which errors are measured; seeded noise stands in when there are none.
    pub held_out: &'a [Vec<u8>],
    /// How activations become bytes.
    pub form: Form,
    /// How much of an activation's outliers is moved into weights, 0 (nothing) to 1, where a norm stands before them; not in form
    /// [`Form::Dynamic`].
    pub outliers: f32,
    /// Which layers stay in f32.
    pub keep: Keep,
    /// Layers that stay in f32 in any case, by name.
    pub keep_layers: &'a [String],
    /// Threads.
    pub workers: usize,
}

/// Where quantizing is; for a progress line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Calibration clip `.0` of `.1` (from 1).
    Calibrate(usize, usize),
    /// Layer `.0` of `.1` was tried alone (from 1).
    Layer(usize, usize),
    /// So many layers were tried in f32.
    Search(usize),
    /// Comparing clip `.0` of `.1` (from 1).
    Compare(usize, usize),
    /// Timing both files.
    Time,
}

/// One layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerReport {
    /// Name and sides.
    pub layer: Quantizable,
    /// What it does to the logits alone in int8: root mean square of the difference over that of the logits.
    pub error: f32,
    /// How its inputs become bytes; `None` where it stays in f32.
    pub activation: Option<Activation>,
    /// Its weight in the file.
    pub bytes: usize,
}

/// A quantized network.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantized {
    /// The ONNX file.
    pub onnx: Vec<u8>,
    /// The layers that can compute in int8, in the order of the graph.
    pub layers: Vec<LayerReport>,
    /// How far its answers are from the fp32 file's at most, in tract.
    pub agreement: Agreement,
    /// The same of the logits, root mean square over all clips compared.
    pub logits_error: f32,
    /// Median processor time of a clip in tract on one thread, milliseconds: fp32, int8.
    pub clip_ms: (f64, f64),
}

impl Job<'_> {
    /// Clips on which layers are tried alone.
    fn probes(&self) -> Vec<&[u8]> {
        self.held_out.iter().take(PROBES).map(Vec::as_slice).collect()
    }
}

/// Finds ranges, tries each layer alone, leaves those that hurt in f32, and compares the whole with the fp32 file. Nothing
/// is judged: that is [`gate_difference`] and [`gate_accuracy`].
///
/// # Errors
/// When there are no clips to calibrate on, a named layer is not there, or a graph cannot be written or run.
pub fn quantize(job: &Job<'_>, progress: &(dyn Fn(Step) + Sync)) -> Result<Quantized, QuantizeError> {
    let size = (job.manifest.clip.frames, job.manifest.clip.size);
    let noise: Vec<Vec<u8>> = (1..=SEEDED).map(|seed| seeded_clip(size.0, size.1, seed)).collect();
    let held_out = if job.held_out.is_empty() { noise.as_slice() } else { job.held_out };
    let job = &Job { held_out, ..*job };
    let levelled = levelled(job, progress)?;
    let job = &Job { checkpoint: levelled.as_ref().unwrap_or(job.checkpoint), ..*job };
    let (tapped, layers) = emit_tapped(job.checkpoint, &options(job.manifest))?;
    check_names(job.keep_layers, &layers)?;
    let mut int8 = activations(job, &tapped, &layers, progress)?;
    drop(tapped);
    let fp32 = TractModel::load(job.fp32)?;
    let want: Result<Vec<Outputs>, _> = job.probes().iter().map(|clip| fp32.run(clip)).collect();
    let want = want?;
    let errors = sensitivity::alone(job, &layers, &int8, &want, progress)?;
    let kept = match job.keep {
        Keep::Budget(limit) => sensitivity::fewest(job, &layers, &int8, (&errors, &want), limit, progress)?,
        keep => keep.kept(&errors),
    };
    for (layer, kept) in layers.iter().zip(kept) {
        if kept || job.keep_layers.contains(&layer.name) {
            int8.remove(&layer.name);
        }
    }
    let onnx = emit_int8(job.checkpoint, &options(job.manifest), &int8)?;
    let quantized = TractModel::load(&onnx)?;
    let clips: Vec<&Vec<u8>> = noise.iter().chain(job.held_out).take(noise.len() + 4 * PROBES).collect();
    let (mut worst, mut got, mut want) = (Agreement::default(), Vec::new(), Vec::new());
    for (i, clip) in clips.iter().enumerate() {
        progress(Step::Compare(i + 1, clips.len()));
        want.push(fp32.run(clip)?);
        got.push(quantized.run(clip)?);
        worst = worst.max(agreement(&got[i], &want[i]));
    }
    progress(Step::Time);
    let times = side_by_side(&[&fp32, &quantized], clips[0], ROUNDS)?;
    let layers = layers.into_iter().zip(errors).map(|(layer, error)| {
        let activation = int8.get(&layer.name).copied();
        LayerReport { bytes: layer.bytes(activation.is_some()), layer, error, activation }
    });
    Ok(Quantized {
        layers: layers.collect(),
        agreement: worst,
        logits_error: logits_apart(&got, &want),
        clip_ms: (times[0], times[1]),
        onnx,
    })
}

/// The network with outliers moved into weights, where that is asked for.
fn levelled(job: &Job<'_>, progress: &(dyn Fn(Step) + Sync)) -> Result<Option<Checkpoint>, QuantizeError> {
    if job.outliers <= 0.0 || job.form == Form::Dynamic {
        return Ok(None);
    }
    let (tapped, layers) = emit_tapped(job.checkpoint, &options(job.manifest))?;
    let model = TractModel::load(&tapped)?;
    let mut peaks = outliers::no_peaks(&layers);
    for (i, clip) in job.calibration.iter().enumerate() {
        progress(Step::Calibrate(i + 1, job.calibration.len()));
        model.each_output(clip, &mut |name, values| outliers::take_in(&mut peaks, name, values))?;
    }
    Ok(Some(outliers::moved(job.checkpoint, &layers, &peaks, job.outliers)))
}

fn check_names(names: &[String], layers: &[Quantizable]) -> Result<(), QuantizeError> {
    match names.iter().find(|name| !layers.iter().any(|l| l.name == **name)) {
        Some(name) => {
            let accepted: Vec<&str> = layers.iter().map(|l| l.name.as_str()).collect();
            Err(QuantizeError::Layer { name: name.clone(), accepted: accepted.join(", ") })
        }
        None => Ok(()),
    }
}

/// How the inputs of every layer become bytes.
pub(crate) fn int8_activations(job: &Job<'_>) -> Result<Int8Layers, QuantizeError> {
    let (tapped, layers) = emit_tapped(job.checkpoint, &options(job.manifest))?;
    activations(job, &tapped, &layers, &|_| ())
}

/// How the inputs of each layer become bytes.
fn activations(
    job: &Job<'_>,
    tapped: &[u8],
    layers: &[Quantizable],
    progress: &(dyn Fn(Step) + Sync),
) -> Result<Int8Layers, QuantizeError> {
    let Form::Static { range, asymmetric } = job.form else {
        let by_token = layers.iter().filter(|l| !l.is_convolution());
        return Ok(by_token.map(|l| (l.name.clone(), Activation::Dynamic)).collect());
    };
    if job.calibration.is_empty() {
        return Err(QuantizeError::NoClips);
    }
    let model = TractModel::load(tapped)?;
    let mut seen: BTreeMap<&str, Histogram> = layers.iter().map(|l| (l.reads.as_str(), Histogram::default())).collect();
    for (i, clip) in job.calibration.iter().enumerate() {
        progress(Step::Calibrate(i + 1, job.calibration.len()));
        model.each_output(clip, &mut |name, values| {
            if let Some(histogram) = seen.get_mut(name) {
                histogram.add(values);
            }
        })?;
    }
    // What a convolution reads comes out of ReLU: a symmetric range would waste half of the bytes.
    let chosen = |l: &Quantizable| -> Option<Activation> {
        Some(range::activation(seen.get(l.reads.as_str())?, range, asymmetric || l.is_convolution()))
    };
    Ok(layers.iter().filter_map(|l| Some((l.name.clone(), chosen(l)?))).collect())
}
