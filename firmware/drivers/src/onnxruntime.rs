//! The network in ONNX Runtime, on the CPU, CUDA or TensorRT, with a library that is loaded at run time.

mod cache;
mod error;
mod library;
mod placement;
mod reason;

pub use error::OrtError;
pub use library::{ONNXRUNTIME_FOLDERS, OrtLibrary, find_onnxruntime};
pub use placement::Placement;

use crate::model::{CONTRACT_KEY, ModelError, ModelFile, check_clip, check_contract};
use mtcae_contract::{Clip, LANDMARKS, Manifest, RawOutput};
use mtcae_core::{Engine, EngineError};
use ort::ep;
use ort::ep::ExecutionProvider;
use ort::session::builder::SessionBuilder;
use ort::session::{IoBinding, Session};
use ort::value::{Tensor, TensorElementType, ValueType};
use reason::{Reason, one_line, reason};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Threads accepted.
const MAX_THREADS: usize = 64;
const NEEDED: &str = "an ONNX network that ONNX Runtime can run";
/// How often somebody who waits for TensorRT is told of it.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// What ONNX Runtime runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrtDevice {
    /// The processor.
    Cpu,
    /// An NVIDIA GPU. A part of the model that would run on the processor is an error.
    Cuda,
    /// An NVIDIA GPU by TensorRT, with CUDA for what it does not know. Building its engine takes minutes; see [`Engines`].
    Tensorrt,
}

impl OrtDevice {
    /// As in a board file, and in every Status.
    pub fn name(self) -> &'static str {
        match self {
            OrtDevice::Cpu => "cpu-ort",
            OrtDevice::Cuda => "cuda",
            OrtDevice::Tensorrt => "tensorrt",
        }
    }

    /// Whether the library was built with it.
    fn is_in_the_library(self) -> bool {
        let found = match self {
            OrtDevice::Cpu => Ok(true),
            OrtDevice::Cuda => ep::CUDA::is_available(),
            OrtDevice::Tensorrt => ep::TensorRT::is_available(),
        };
        found.unwrap_or(false)
    }

    /// The provider that must run at least one operator, as [`Placement`] calls it.
    fn provider(self) -> &'static str {
        match self {
            OrtDevice::Cpu => "CPU",
            OrtDevice::Cuda => "CUDA",
            OrtDevice::Tensorrt => "Tensorrt",
        }
    }
}

/// What becomes of the engine that TensorRT builds; of no concern to other devices.
#[derive(Clone, Copy, Default)]
pub struct Engines<'a> {
    /// Where it is kept, readable for this user alone; a kept engine holds the model's weights. Without a folder it is built at each
    /// start.
    pub kept_in: Option<&'a Path>,
    /// Is told every ten seconds how long the model has been prepared for.
    pub progress: Option<&'a (dyn Fn(Duration) + Sync)>,
}

/// A model prepared by ONNX Runtime.
pub struct OrtEngine {
    session: Session,
    binding: IoBinding,
    input: Tensor<u8>,
    device: OrtDevice,
    library: &'static OrtLibrary,
    placement: Option<Placement>,
    manifest: Manifest,
}

impl OrtEngine {
    /// Prepares `file` on `device`; `threads` (1 to 64) of the processor work on one operator. The model has run once then.
    ///
    /// # Errors
    /// When the library lacks the device, the device is not there or too small, or the model cannot be used.
    pub fn load_file(
        file: &ModelFile,
        library: &'static OrtLibrary,
        device: OrtDevice,
        threads: usize,
    ) -> Result<OrtEngine, OrtError> {
        Self::load_file_with(file, library, device, threads, Engines::default())
    }

    /// The same, and keeps or finds the engine that TensorRT builds.
    ///
    /// # Errors
    /// As [`OrtEngine::load_file`], and when the folder for engines cannot be used.
    pub fn load_file_with(
        file: &ModelFile,
        library: &'static OrtLibrary,
        device: OrtDevice,
        threads: usize,
        engines: Engines,
    ) -> Result<OrtEngine, OrtError> {
        if !(1..=MAX_THREADS).contains(&threads) {
            return Err(OrtError::Threads { threads, max: MAX_THREADS });
        }
        // A panic of the binding is an error here, as with tract.
        let load = || catch_unwind(AssertUnwindSafe(|| Self::prepare(file, library, device, threads, engines.kept_in)));
        let loaded = match engines.progress {
            Some(say) => cache::with_progress(TOLD_EVERY, say, load),
            None => load(),
        };
        loaded.unwrap_or_else(|_| Err(file.unusable("ONNX Runtime gave up on it", NEEDED).into()))
    }

    fn prepare(
        file: &ModelFile,
        library: &'static OrtLibrary,
        device: OrtDevice,
        threads: usize,
        kept_in: Option<&Path>,
    ) -> Result<OrtEngine, OrtError> {
        if !device.is_in_the_library() {
            let why = "the library was built without it".to_owned();
            let next = "install an ONNX Runtime for GPUs (on a Jetson NVIDIA's build), or take another engine";
            return Err(library.lacks(device, why, next));
        }
        let failed = |e: ort::Error| match reason(e.message()) {
            Reason::Device(why, next) => library.lacks(device, why, next),
            Reason::Model(why) => OrtError::Model(file.unusable(why, NEEDED)),
        };
        let profile = Profile::new();
        let kept_in = kept_in.filter(|_| device == OrtDevice::Tensorrt);
        let kept_in = kept_in.map(|cache| cache::folder(cache, &file.bytes, library.version())).transpose()?;
        let builder = session_builder(library, device, threads, &profile, kept_in.as_deref()).map_err(failed)?;
        let session = { builder }.commit_from_memory(&file.bytes).map_err(failed)?;
        let carried = session.metadata().ok().and_then(|metadata| metadata.custom(CONTRACT_KEY));
        check_contract(carried.as_deref(), file)?;
        check_signature(&session, file)?;
        let (input, binding) = bind(&session, &file.manifest).map_err(failed)?;
        let manifest = file.manifest.clone();
        let mut engine = OrtEngine { session, binding, input, device, library, placement: None, manifest };
        engine.try_out(file)?;
        engine.placement = engine.session.end_profiling().ok().and_then(|path| profile.read(&path));
        match &engine.placement {
            Some(found) if found.on(device.provider()) == 0 => {
                let why = format!("the library runs the model elsewhere: {found}");
                Err(library.lacks(device, why, "look at the GPU's driver and libraries, or take another engine"))
            }
            _ => Ok(engine),
        }
    }

    /// What the model is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The library that runs it.
    pub fn library(&self) -> &'static OrtLibrary {
        self.library
    }

    /// Where the model's operators really ran, in the first run; `None` when the profile of that run could not be written.
    pub fn placement(&self) -> Option<&Placement> {
        self.placement.as_ref()
    }

    /// One run on a black clip: what the file says of its outputs need not be what comes out.
    fn try_out(&mut self, file: &ModelFile) -> Result<(), OrtError> {
        let spec = self.manifest.clip;
        let bytes = vec![0; spec.frames * spec.size * spec.size * 3];
        let clip = Clip { bytes, frames: spec.frames, size: spec.size, crop: Default::default() };
        let raw = self.run(&clip).map_err(|message| match reason(&message) {
            Reason::Device(why, next) => self.library.lacks(self.device, why, next),
            Reason::Model(why) => file.unusable(why, "a network that runs").into(),
        })?;
        raw.validate(spec.frames, self.manifest.labels.len())
            .map_err(|e| file.unusable(e.to_string(), "outputs as the manifest says").into())
    }

    /// Answers the clip, and leaves nothing of it in the tensor that stays bound.
    fn run(&mut self, clip: &Clip) -> Result<RawOutput, String> {
        let answer = self.answer(clip);
        if let Ok((_, bytes)) = self.input.try_extract_tensor_mut::<u8>() {
            bytes.fill(0);
        }
        answer
    }

    fn answer(&mut self, clip: &Clip) -> Result<RawOutput, String> {
        let failed = |e: ort::Error| one_line(e.message());
        let (_, bytes) = self.input.try_extract_tensor_mut::<u8>().map_err(failed)?;
        bytes.copy_from_slice(&clip.bytes);
        // Binding is what carries the bytes to a GPU.
        self.binding.bind_input("clip", &self.input).map_err(failed)?;
        let outputs = self.session.run_binding(&self.binding).map_err(failed)?;
        let values = |name: &str| -> Result<Vec<f32>, String> {
            let value = outputs.get(name).ok_or_else(|| format!("output `{name}` is missing"))?;
            value.try_extract_tensor::<f32>().map(|(_, values)| values.to_vec()).map_err(failed)
        };
        Ok(RawOutput { boxes: values("boxes")?, landmarks: values("landmarks")?, logits: values("logits")? })
    }
}

impl Engine for OrtEngine {
    fn name(&self) -> &str {
        self.device.name()
    }

    fn infer(&mut self, clip: &Clip) -> Result<RawOutput, EngineError> {
        check_clip(clip, self.manifest.clip)?;
        let run = catch_unwind(AssertUnwindSafe(|| self.run(clip)));
        run.unwrap_or_else(|_| Err("ONNX Runtime gave up".to_owned())).map_err(EngineError::Failed)
    }
}

impl OrtLibrary {
    fn lacks(&self, device: OrtDevice, why: String, next: &'static str) -> OrtError {
        let (version, path) = (self.version().to_owned(), self.path().display().to_string());
        OrtError::Device { engine: device.name(), why, version, path, next }
    }
}

fn session_builder(
    library: &OrtLibrary,
    device: OrtDevice,
    threads: usize,
    profile: &Profile,
    kept_in: Option<&Path>,
) -> ort::Result<SessionBuilder> {
    let builder = Session::builder(&library.environment)?.with_intra_threads(threads)?.with_inter_threads(1)?;
    let builder = match &profile.folder {
        Some(folder) => builder.with_profiling(folder.join("run"))?,
        None => builder,
    };
    // Asking for a GPU that is not there would run on the processor without a word.
    Ok(match device {
        OrtDevice::Cpu => builder,
        OrtDevice::Cuda => builder
            .with_execution_providers([ep::CUDA::default().build().error_on_failure()])?
            .with_disable_cpu_fallback()?,
        OrtDevice::Tensorrt => builder
            .with_execution_providers([
                tensorrt(kept_in).build().error_on_failure(),
                ep::CUDA::default().build().error_on_failure(),
            ])?
            .with_disable_cpu_fallback()?,
    })
}

fn tensorrt(kept_in: Option<&Path>) -> ep::TensorRT {
    let Some(folder) = kept_in else { return ep::TensorRT::default() };
    let path = folder.display().to_string();
    ep::TensorRT::default()
        .with_engine_cache(true)
        .with_engine_cache_path(&path)
        .with_timing_cache(true)
        .with_timing_cache_path(path)
}

/// Input and outputs in memory that stays, so that a run allocates none for them.
fn bind(session: &Session, manifest: &Manifest) -> ort::Result<(Tensor<u8>, IoBinding)> {
    let spec = manifest.clip;
    let bytes = vec![0u8; spec.frames * spec.size * spec.size * 3];
    let input = Tensor::from_array(([1, spec.frames, spec.size, spec.size, 3], bytes))?;
    let mut binding = session.create_binding()?;
    for (name, shape) in outputs(manifest) {
        binding.bind_output(name, Tensor::<f32>::new(session.allocator(), shape)?)?;
    }
    Ok((input, binding))
}

/// Names and shapes that a model of ours answers with.
fn outputs(manifest: &Manifest) -> [(&'static str, Vec<i64>); 3] {
    let t = manifest.clip.frames as i64;
    [
        ("boxes", vec![1, t, 4]),
        ("landmarks", vec![1, t, LANDMARKS as i64, 2]),
        ("logits", vec![1, manifest.labels.len() as i64]),
    ]
}

/// Checks names, types and shapes.
fn check_signature(session: &Session, file: &ModelFile) -> Result<(), ModelError> {
    let (t, s) = (file.manifest.clip.frames as i64, file.manifest.clip.size as i64);
    let needed = format!("one input `clip`, uint8 [1, {t}, {s}, {s}, 3]");
    let [input] = session.inputs() else {
        return Err(file.unusable(format!("it has {} inputs", session.inputs().len()), needed));
    };
    let (kind, shape) = tensor(input.dtype());
    if input.name() != "clip" || kind != Some(TensorElementType::Uint8) || shape != [1, t, s, s, 3] {
        let what = kind.map_or_else(|| "no tensor".to_owned(), in_onnx);
        return Err(file.unusable(format!("its input is `{:.40}`, {what} {shape:?}", input.name()), needed));
    }
    for (name, need) in outputs(&file.manifest) {
        let needed = format!("an output `{name}`, float32 {need:?}");
        let Some(output) = session.outputs().iter().find(|o| o.name() == name) else {
            let has: Vec<_> = session.outputs().iter().take(8).map(|o| format!("{:.40}", o.name())).collect();
            return Err(file.unusable(format!("its outputs are {}", has.join(", ")), needed));
        };
        let (kind, shape) = tensor(output.dtype());
        if kind != Some(TensorElementType::Float32) || shape != need {
            let what = kind.map_or_else(|| "no tensor".to_owned(), in_onnx);
            return Err(file.unusable(format!("its output `{name}` is {what} {shape:?}"), needed));
        }
    }
    Ok(())
}

/// An element type by its name in ONNX, such as `uint8`.
fn in_onnx(kind: TensorElementType) -> String {
    format!("{kind:?}").to_lowercase()
}

/// Element type and sides; -1 for a side that is not fixed.
fn tensor(value: &ValueType) -> (Option<TensorElementType>, Vec<i64>) {
    match value {
        ValueType::Tensor { ty, shape, .. } => (Some(*ty), shape.iter().take(16).copied().collect()),
        _ => (None, Vec::new()),
    }
}

/// The profile of the first run, in a folder that is gone when it has been read.
struct Profile {
    folder: Option<PathBuf>,
}

/// Engines of one process have folders of their own.
static PROFILES: AtomicU32 = AtomicU32::new(0);
/// Folders that were left behind by others of this process's number, and are passed over.
const LEFT_BEHIND: usize = 16;

impl Profile {
    /// In a folder that was not there and that nobody else may write to; without one nothing is profiled.
    fn new() -> Profile {
        let fresh = || {
            let number = PROFILES.fetch_add(1, Ordering::Relaxed);
            let folder = std::env::temp_dir().join(format!("mtcae-ort-{}-{number}", std::process::id()));
            DirBuilder::new().mode(0o700).create(&folder).ok().map(|()| folder)
        };
        Profile { folder: (0..LEFT_BEHIND).find_map(|_| fresh()) }
    }

    fn read(&self, path: &str) -> Option<Placement> {
        self.folder.as_ref()?;
        Placement::from_profile(&std::fs::read_to_string(path).ok()?)
    }
}

impl Drop for Profile {
    /// ONNX Runtime writes it also when the model turns out to be no good.
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            // What cannot be removed is small, and holds no pixels.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}
