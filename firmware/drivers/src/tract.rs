//! The network on the CPU, with tract.

use crate::model::{CONTRACT_KEY, ModelError, ModelFile, check_clip, check_contract};
use mtcae_contract::{Clip, LANDMARKS, Manifest, Precision, RawOutput};
use mtcae_core::{Engine, EngineError};
use mtcae_kernels::{Fusion, optimized};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use tract_linalg::multithread::{Executor, multithread_tract_scope};
use tract_onnx::pb::{ModelProto, ValueInfoProto, tensor_shape_proto::dimension, type_proto};
use tract_onnx::prelude::*;

const OUTPUTS: [&str; 3] = ["boxes", "landmarks", "logits"];
/// ONNX's number for `uint8`.
const UINT8: i32 = 2;
/// Threads accepted.
const MAX_THREADS: usize = 64;

/// A model prepared by tract.
pub struct TractEngine {
    plan: Arc<TypedRunnableModel>,
    manifest: Manifest,
    /// Where each of [`OUTPUTS`] stands among the model's outputs.
    order: [usize; 3],
    /// Threads that work on a clip; all streams share them.
    executor: Executor,
}

impl TractEngine {
    /// Reads the model in `folder` and prepares the file of `precision`; `threads` (1 to 64) work on one clip.
    ///
    /// # Errors
    /// [`EngineError::Refused`] naming the file, what was found, what is needed, and the next step.
    pub fn load(folder: &Path, precision: Precision, threads: usize) -> Result<TractEngine, EngineError> {
        check_threads(threads)?;
        Self::load_file(&ModelFile::read(folder, precision)?, threads)
    }

    /// The same for a model that was read.
    ///
    /// # Errors
    /// As [`TractEngine::load`].
    pub fn load_file(file: &ModelFile, threads: usize) -> Result<TractEngine, EngineError> {
        check_threads(threads)?;
        let executor = if threads > 1 { Executor::multithread(threads) } else { Executor::SingleThread };
        Ok(TractEngine { executor, ..Self::prepare(file)? })
    }

    /// Prepares a model that was read, with the operators fused that this processor has kernels for.
    ///
    /// # Errors
    /// When it is no network, or does not have the inputs and outputs of its manifest.
    pub fn prepare(file: &ModelFile) -> Result<TractEngine, ModelError> {
        let fused = Fusion::best();
        Self::prepare_with(file, fused).or_else(|e| match fused {
            Fusion::NONE => Err(e),
            _ => Self::prepare_with(file, Fusion::NONE),
        })
    }

    /// The same with the operators fused that `which` names; [`Fusion::NONE`] is tract alone.
    ///
    /// # Errors
    /// As [`TractEngine::prepare`].
    pub fn prepare_with(file: &ModelFile, which: Fusion) -> Result<TractEngine, ModelError> {
        let needed = "an ONNX network that tract can run";
        let mut proto = tract_onnx::onnx()
            .proto_model_for_read(&mut file.bytes.as_slice())
            .map_err(|e| file.unusable(format!("it is not ONNX ({})", one_line(&format!("{e:#}"))), needed))?;
        let carried = proto.metadata_props.iter().find(|p| p.key == CONTRACT_KEY);
        check_contract(carried.map(|p| p.value.as_str()), file)?;
        let order = check_signature(&proto, file)?;
        // tract is not written for hostile files and may panic on what passes for a graph.
        let plan = catch_unwind(AssertUnwindSafe(|| optimized(&mut proto, which)?.into_runnable()));
        let plan = match plan {
            Ok(plan) => plan.map_err(|e| file.unusable(one_line(&format!("{e:#}")), needed))?,
            Err(_) => return Err(file.unusable("tract gave up on it", needed)),
        };
        let engine = TractEngine { plan, manifest: file.manifest.clone(), order, executor: Executor::SingleThread };
        engine.try_out(file)?;
        Ok(engine)
    }

    /// What the model is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// One run on a black clip: what the file says of its outputs need not be what comes out.
    fn try_out(&self, file: &ModelFile) -> Result<(), ModelError> {
        let spec = self.manifest.clip;
        let bytes = vec![0; spec.frames * spec.size * spec.size * 3];
        let clip = Clip { bytes, frames: spec.frames, size: spec.size, crop: Default::default() };
        let raw = catch_unwind(AssertUnwindSafe(|| self.run(&clip)))
            .unwrap_or_else(|_| Err(EngineError::Failed("tract gave up".into())))
            .map_err(|e| file.unusable(e.to_string(), "a network that runs"))?;
        raw.validate(spec.frames, self.manifest.labels.len())
            .map_err(|e| file.unusable(e.to_string(), "outputs as the manifest says"))
    }

    /// The whole clip runs inside the pool: to hand each operation to it from outside would put this thread to sleep and wake
    /// another one, a hundred times a clip.
    fn run(&self, clip: &Clip) -> Result<RawOutput, EngineError> {
        match &self.executor {
            Executor::MultiThread(pool) => {
                pool.install(|| multithread_tract_scope(self.executor.clone(), || self.run_here(clip)))
            }
            _ => self.run_here(clip),
        }
    }

    fn run_here(&self, clip: &Clip) -> Result<RawOutput, EngineError> {
        let failed = |e: TractError| EngineError::Failed(one_line(&format!("{e:#}")));
        let shape = [1, clip.frames, clip.size, clip.size, 3];
        let input = Tensor::from_shape(&shape, &clip.bytes).map_err(failed)?;
        let outputs = self.plan.run(tvec!(input.into())).map_err(failed)?;
        let values = |i: usize| -> Result<Vec<f32>, EngineError> {
            let tensor =
                outputs.get(self.order[i]).ok_or_else(|| EngineError::Failed("an output is missing".into()))?;
            let tensor = tensor.cast_to::<f32>().map_err(failed)?;
            Ok(tensor.view().as_slice::<f32>().map_err(failed)?.to_vec())
        };
        Ok(RawOutput { boxes: values(0)?, landmarks: values(1)?, logits: values(2)? })
    }
}

impl Engine for TractEngine {
    fn name(&self) -> &str {
        "tract"
    }

    fn infer(&mut self, clip: &Clip) -> Result<RawOutput, EngineError> {
        check_clip(clip, self.manifest.clip)?;
        self.run(clip)
    }

    fn stream(&self) -> Option<Box<dyn Engine>> {
        let (plan, manifest, executor) = (Arc::clone(&self.plan), self.manifest.clone(), self.executor.clone());
        Some(Box::new(TractEngine { plan, manifest, order: self.order, executor }))
    }
}

fn check_threads(threads: usize) -> Result<(), EngineError> {
    if (1..=MAX_THREADS).contains(&threads) {
        return Ok(());
    }
    Err(EngineError::Refused(format!("engine threads is {threads}; accepted: 1 to {MAX_THREADS}")))
}

/// Checks names, types and shapes; gives where each of [`OUTPUTS`] stands.
fn check_signature(proto: &ModelProto, file: &ModelFile) -> Result<[usize; 3], ModelError> {
    let graph = proto.graph.as_ref().ok_or_else(|| file.unusable("it holds no graph", "an ONNX network"))?;
    let spec = file.manifest.clip;
    let (t, s) = (spec.frames as i64, spec.size as i64);
    let needed = format!("one input `clip`, uint8 [1, {t}, {s}, {s}, 3]");
    // Older writers list weights among the inputs.
    let inputs: Vec<_> = graph.input.iter().filter(|i| !graph.initializer.iter().any(|w| w.name == i.name)).collect();
    let [input] = inputs.as_slice() else {
        return Err(file.unusable(format!("it has {} inputs", inputs.len()), needed));
    };
    let (kind, shape) = tensor(input);
    if input.name != "clip" || kind != UINT8 || shape != [1, t, s, s, 3] {
        let what = if kind == UINT8 { "uint8".to_owned() } else { format!("type {kind}") };
        return Err(file.unusable(format!("its input is `{:.40}`, {what} {shape:?}", input.name), needed));
    }
    let shapes = [vec![1, t, 4], vec![1, t, LANDMARKS as i64, 2], vec![1, file.manifest.labels.len() as i64]];
    let mut order = [0; 3];
    for ((name, need), at) in OUTPUTS.iter().zip(shapes).zip(&mut order) {
        let needed = format!("an output `{name}` {need:?}");
        let Some(i) = graph.output.iter().position(|o| o.name == *name) else {
            let has: Vec<_> = graph.output.iter().take(8).map(|o| format!("{:.40}", o.name)).collect();
            return Err(file.unusable(format!("its outputs are {}", has.join(", ")), needed));
        };
        let (_, shape) = tensor(&graph.output[i]);
        if shape != need {
            return Err(file.unusable(format!("its output `{name}` is {shape:?}"), needed));
        }
        *at = i;
    }
    Ok(order)
}

/// Element type and sides; -1 for a side that is not fixed.
fn tensor(value: &ValueInfoProto) -> (i32, Vec<i64>) {
    let Some(type_proto::Value::TensorType(tensor)) = value.r#type.as_ref().and_then(|t| t.value.as_ref()) else {
        return (0, Vec::new());
    };
    let side = |d: &tract_onnx::pb::tensor_shape_proto::Dimension| match d.value {
        Some(dimension::Value::DimValue(n)) => n,
        _ => -1,
    };
    (tensor.elem_type, tensor.shape.iter().flat_map(|s| &s.dim).take(16).map(side).collect())
}

/// The first line, cut: tract's errors may hold whole nodes.
fn one_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(300).collect()
}
