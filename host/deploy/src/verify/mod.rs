//! A model's files in every engine that is there: how far their answers are apart, and which known traps are in them.

mod engines;
mod traps;
#[cfg(test)]
mod traps_tests;
mod wiring;

pub use engines::{EngineName, Engines};
pub use traps::{Finding, Severity, traps};

use crate::check::{Agreement, GATE, agreement, reference, tolerance};
use crate::error::ExportError;
use crate::onnxruntime::{Device, OnnxRuntime};
use crate::tract::{Outputs, TractModel};
use mtcae_contract::{Manifest, Precision};
use mtcae_network::Checkpoint;
use std::path::Path;

/// Clips that plain arithmetic, which is slow, is asked about.
const ARITHMETIC_CLIPS: usize = 2;
/// Largest difference accepted between two engines that run one fp32 file, relative to an output's largest value. Seen: 1e-6.
const ENGINES_FP32: f32 = 1e-3;
/// The same for an int8 file: where one engine rounds a value up and the other down, a step of a byte lies between them.
const ENGINES_INT8: f32 = 0.05;

const ONLY_INT8: &str = "it has no product of unsigned bytes, and the folder lists no file but int8; `mtcae export` makes one in fp32 \
                         (with --fp16 in fp16) of the checkpoint";

/// Two answers to the same clips, at their furthest apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The file that answers, and where.
    pub file: (Precision, EngineName),
    /// What it is compared with.
    pub against: (Precision, EngineName),
    /// Largest difference in each output's own units.
    pub largest: Agreement,
    /// Largest difference relative to the output's largest value.
    pub relative: Agreement,
    /// Largest relative difference accepted.
    pub limit: f32,
}

impl Difference {
    /// Whether the two are near enough.
    pub fn near(&self) -> bool {
        self.relative.worst().1 <= self.limit
    }
}

/// What is said of a model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Verification {
    /// Answers side by side.
    pub differences: Vec<Difference>,
    /// Files that an engine does not run, and why.
    pub failures: Vec<(Precision, EngineName, String)>,
    /// Engines that were asked for only if they are there, and why they are not.
    pub absent: Vec<(EngineName, String)>,
    /// Traps by file.
    pub findings: Vec<(Precision, Finding)>,
    /// Clips that were run.
    pub clips: usize,
}

/// The short of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All engines agree, and no trap was found.
    Good,
    /// They agree, and some are slower than they could be.
    Slow,
    /// Answers differ, a file does not run, or a trap is in it that makes some engine answer wrongly.
    Wrong,
}

impl Verification {
    /// The short of it.
    pub fn verdict(&self) -> Verdict {
        let wrong = self.findings.iter().any(|(_, f)| f.severity == Severity::Wrong);
        if wrong || !self.failures.is_empty() || !self.differences.iter().all(Difference::near) {
            return Verdict::Wrong;
        }
        if self.findings.is_empty() { Verdict::Good } else { Verdict::Slow }
    }
}

/// Why burn gives no answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoBurn {
    /// Its program is not there, and what to do about that.
    Absent(String),
    /// It is there and did not answer as it should.
    Failed(String),
}

/// Answers a model's checkpoint to clips, in burn; or why there are none.
pub type Burn<'a> = &'a dyn Fn(&[Vec<u8>]) -> Result<Vec<Outputs>, NoBurn>;

/// The parts of a model that are compared.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// What the model is.
    pub manifest: &'a Manifest,
    /// Its weights, where they are at hand.
    pub checkpoint: Option<&'a Checkpoint>,
    /// Its ONNX files, the fp32 one first.
    pub files: &'a [(Precision, Vec<u8>)],
    /// Clips of bytes `[T, S, S, 3]`.
    pub clips: &'a [Vec<u8>],
    /// ONNX Runtime's library, where there is one.
    pub onnxruntime: Option<&'a Path>,
    /// How burn is asked, where it can be.
    pub burn: Option<Burn<'a>>,
    /// Which engines are asked.
    pub engines: Engines<'a>,
}

/// Runs every file in every engine on the same clips. `progress` is told the file and the engine that begin.
///
/// # Errors
/// When a file is no ONNX file, or the checkpoint does not fit its configuration. That an engine refuses a file is no error
/// but a failure in the result.
pub fn verify(parts: &Parts<'_>, progress: &mut dyn FnMut(Precision, EngineName)) -> Result<Verification, ExportError> {
    let mut found = Verification { clips: parts.clips.len(), ..Verification::default() };
    let mut others = others(parts);
    idle(parts, &mut others, &mut found);
    // In tract, as everything else is compared with that.
    let mut first: Option<(Precision, Vec<Outputs>)> = None;
    for (precision, onnx) in parts.files {
        found.findings.extend(traps(onnx)?.into_iter().map(|f| (*precision, f)));
        let own = match &first {
            // tract is what the first file is judged by in any case.
            Some(_) if !parts.engines.asks(EngineName::Tract) => None,
            _ => {
                progress(*precision, EngineName::Tract);
                match in_tract(onnx, parts.clips) {
                    Ok(answers) => Some(answers),
                    Err(error) => {
                        found.failures.push((*precision, EngineName::Tract, error.to_string()));
                        continue;
                    }
                }
            }
        };
        let against = own.as_ref().map(|own| (*precision, own)).or(first.as_ref().map(|(p, first)| (*p, first)));
        if let Some(against) = against {
            in_others(parts, &mut others, (*precision, onnx), against, &mut found, progress);
        }
        let Some(own) = own else { continue };
        match &first {
            Some((reference, answers)) => {
                let row = ((*precision, EngineName::Tract), (*reference, EngineName::Tract), tolerance(*precision));
                found.differences.push(difference(row, &own, answers));
            }
            None => first = Some((*precision, own)),
        }
    }
    if let (Some(checkpoint), Some((precision, answers))) = (parts.checkpoint, &first) {
        progress(*precision, EngineName::Arithmetic);
        let clips = &parts.clips[..parts.clips.len().min(ARITHMETIC_CLIPS)];
        let want = by_arithmetic(checkpoint, parts.manifest, clips)?;
        let arithmetic = (Precision::Fp32, EngineName::Arithmetic);
        let limit = if *precision == Precision::Fp32 { GATE } else { tolerance(*precision) };
        let row = ((*precision, EngineName::Tract), arithmetic, limit);
        found.differences.insert(0, difference(row, &answers[..want.len()], &want));
        if parts.engines.asks(EngineName::Burn)
            && let Some(burn) = parts.burn
        {
            let own = (Precision::Fp32, EngineName::Burn);
            progress(own.0, own.1);
            match burn(clips) {
                Ok(answers) if answers.len() == want.len() => {
                    found.differences.insert(1, difference((own, arithmetic, GATE), &answers, &want));
                }
                Ok(answers) => {
                    found.failures.push((own.0, own.1, format!("{} answers to {} clips", answers.len(), want.len())));
                }
                Err(NoBurn::Failed(why)) => found.failures.push((own.0, own.1, why)),
                Err(NoBurn::Absent(why)) => found.absent.push((own.1, why)),
            }
        }
    }
    Ok(found)
}

/// The engines beside tract.
fn others(parts: &Parts<'_>) -> Vec<(EngineName, Device)> {
    let Some(library) = parts.onnxruntime else { return Vec::new() };
    let with_devices = |names: &[EngineName]| names.iter().filter_map(|name| Some((*name, name.device()?))).collect();
    let mut all: Vec<_> = match parts.engines {
        Engines::Named(names) => return with_devices(names),
        Engines::There => with_devices(&[EngineName::OnnxRuntime, EngineName::Cuda, EngineName::Tensorrt]),
    };
    // A library that is none is told where it is loaded.
    all.retain(|(_, device)| *device == Device::Cpu || OnnxRuntime::knows(library, *device).unwrap_or(false));
    all
}

/// Lets go of engines that run none of the files: one that must answer does not.
fn idle(parts: &Parts<'_>, others: &mut Vec<(EngineName, Device)>, found: &mut Verification) {
    others.retain(|(engine, _)| {
        if parts.files.iter().any(|(precision, _)| engine.runs(*precision)) {
            return true;
        }
        match (parts.engines, parts.files.first()) {
            (Engines::Named(_), Some((precision, _))) => {
                found.failures.push((*precision, *engine, ONLY_INT8.to_owned()));
            }
            _ => found.absent.push((*engine, ONLY_INT8.to_owned())),
        }
        false
    });
}

/// Runs one file in every engine beside tract and compares it with what that says.
fn in_others(
    parts: &Parts<'_>,
    others: &mut Vec<(EngineName, Device)>,
    (precision, onnx): (Precision, &[u8]),
    (reference, want): (Precision, &Vec<Outputs>),
    found: &mut Verification,
    progress: &mut dyn FnMut(Precision, EngineName),
) {
    let Some(library) = parts.onnxruntime else { return };
    let spec = parts.manifest.clip;
    let shape = [1, spec.frames, spec.size, spec.size, 3];
    others.retain(|(engine, device)| {
        if !engine.runs(precision) {
            return true;
        }
        progress(precision, *engine);
        match in_onnxruntime((library, *device), onnx, &shape, parts.clips) {
            Ok(answers) => {
                let limit = match reference == precision {
                    true => between_engines(precision, *engine),
                    false => tolerance(precision),
                };
                let row = ((precision, *engine), (reference, EngineName::Tract), limit);
                found.differences.push(difference(row, &answers, want));
            }
            // Nobody asked for a GPU.
            Err(error) if *device != Device::Cpu && matches!(parts.engines, Engines::There) => {
                found.absent.push((*engine, error.to_string()));
                return false;
            }
            Err(error) => found.failures.push((precision, *engine, error.to_string())),
        }
        true
    });
}

fn between_engines(precision: Precision, engine: EngineName) -> f32 {
    match (precision, engine) {
        // A GPU rounds what products of f32 read to ten bits (TF32).
        (Precision::Fp32, EngineName::Cuda | EngineName::Tensorrt) => tolerance(Precision::Fp32),
        (Precision::Fp32, _) => ENGINES_FP32,
        (Precision::Fp16, _) => tolerance(Precision::Fp16),
        (Precision::Int8, _) => ENGINES_INT8,
    }
}

type Answerer = (Precision, EngineName);

fn difference((file, against, limit): (Answerer, Answerer, f32), got: &[Outputs], want: &[Outputs]) -> Difference {
    let (mut largest, mut relative) = (Agreement::default(), Agreement::default());
    for (got, want) in got.iter().zip(want) {
        largest = largest.max(furthest(got, want));
        relative = relative.max(agreement(got, want));
    }
    Difference { file, against, largest, relative, limit }
}

/// Largest difference of each output, in its own units; infinite where [`agreement`] says so.
fn furthest(got: &Outputs, want: &Outputs) -> Agreement {
    let one = |got: &[f32], want: &[f32]| {
        if got.len() != want.len() {
            return f32::INFINITY;
        }
        let apart = |(a, b): (&f32, &f32)| if (a - b).is_finite() { (a - b).abs() } else { f32::INFINITY };
        got.iter().zip(want).map(apart).fold(0.0, f32::max)
    };
    let pair = |got: &Option<Vec<f32>>, want: &Option<Vec<f32>>| match (got, want) {
        (Some(got), Some(want)) => one(got, want),
        (None, None) => 0.0,
        _ => f32::INFINITY,
    };
    Agreement {
        boxes: pair(&got.boxes, &want.boxes),
        landmarks: pair(&got.landmarks, &want.landmarks),
        logits: one(&got.logits, &want.logits),
    }
}

fn in_tract(onnx: &[u8], clips: &[Vec<u8>]) -> Result<Vec<Outputs>, ExportError> {
    let model = TractModel::load(onnx)?;
    clips.iter().map(|clip| model.run(clip)).collect()
}

fn in_onnxruntime(
    (library, device): (&Path, Device),
    onnx: &[u8],
    shape: &[usize],
    clips: &[Vec<u8>],
) -> Result<Vec<Outputs>, ExportError> {
    let mut model = OnnxRuntime::load(library, onnx, shape, device)?;
    clips.iter().map(|clip| model.run(clip)).collect()
}

fn by_arithmetic(checkpoint: &Checkpoint, manifest: &Manifest, clips: &[Vec<u8>]) -> Result<Vec<Outputs>, ExportError> {
    let one = |clip: &Vec<u8>| reference(checkpoint, clip, manifest.mean, manifest.std);
    let answers: Result<Vec<Outputs>, _> = clips.iter().map(one).collect();
    answers.map_err(|e| ExportError::Emit(e.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(apart: f32) -> Difference {
        let who = (Precision::Int8, EngineName::Tract);
        let relative = Agreement { logits: apart, ..Agreement::default() };
        Difference { file: who, against: who, largest: relative, relative, limit: 0.1 }
    }

    #[test]
    fn the_verdict_is_the_worst_that_was_found() {
        let finding = |severity| Finding { trap: "a", severity, count: 1, node: "n".into(), means: "", next: "" };
        let mut found = Verification { differences: vec![row(0.1)], ..Verification::default() };
        assert_eq!(found.verdict(), Verdict::Good);
        found.findings.push((Precision::Int8, finding(Severity::Slow)));
        assert_eq!(found.verdict(), Verdict::Slow);
        for wrong in [
            Verification { differences: vec![row(0.11)], ..found.clone() },
            Verification { differences: vec![row(f32::NAN)], ..found.clone() },
            Verification { failures: vec![(Precision::Fp32, EngineName::OnnxRuntime, "no".into())], ..found.clone() },
            Verification { findings: vec![(Precision::Fp32, finding(Severity::Wrong))], ..found.clone() },
        ] {
            assert_eq!(wrong.verdict(), Verdict::Wrong, "{wrong:?}");
        }
    }

    #[test]
    fn the_largest_difference_is_in_the_outputs_own_units() {
        let answer = |logits: &[f32]| Outputs { boxes: Some(vec![1.0]), landmarks: None, logits: logits.to_vec() };
        let (got, want) = (answer(&[10.0, 4.0]), answer(&[10.0, 5.0]));
        let row = difference(
            ((Precision::Int8, EngineName::Tract), (Precision::Fp32, EngineName::Tract), 0.1),
            &[got],
            &[want],
        );
        assert_eq!((row.largest.logits, row.relative.logits, row.near()), (1.0, 0.1, true));
        let lacks = Outputs { boxes: None, ..answer(&[1.0]) };
        assert_eq!(furthest(&lacks, &answer(&[1.0])).boxes, f32::INFINITY);
        assert_eq!(furthest(&answer(&[f32::NAN]), &answer(&[1.0])).logits, f32::INFINITY);
    }
}
