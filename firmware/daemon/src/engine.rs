//! Which engine runs the model: the one that is named, or the best that works.

use crate::DaemonError;
use mtcae_board_configs::EngineChoice;
use mtcae_core::Engine;
use mtcae_drivers::{ModelFile, TractEngine};
#[cfg(feature = "ort")]
use mtcae_drivers::{OrtDevice, OrtEngine, OrtError, OrtLibrary, find_onnxruntime};
use std::path::Path;

/// An engine that has run the model once.
pub(crate) struct Chosen {
    pub engine: Box<dyn Engine>,
    /// What a person should know of it: library, where operators ran, why not a better one; empty when nothing.
    pub note: String,
}

/// Prepares `file` in the engine of `choice`; `library` is where ONNX Runtime is, when somebody said so.
///
/// A named engine that does not run is an error. `auto` takes CUDA where it works, else tract: not TensorRT,
/// which builds its engine for minutes, and not ONNX Runtime on the CPU, which is slower than tract with our operators.
pub(crate) fn choose(
    choice: EngineChoice,
    file: &ModelFile,
    threads: usize,
    library: Option<&Path>,
) -> Result<Chosen, DaemonError> {
    match choice {
        EngineChoice::Tract => tract(file, threads),
        EngineChoice::Auto => best(file, threads, library),
        EngineChoice::Cuda | EngineChoice::Tensorrt | EngineChoice::CpuOrt => named(choice, file, threads, library),
    }
}

fn tract(file: &ModelFile, threads: usize) -> Result<Chosen, DaemonError> {
    let engine = TractEngine::load_file(file, threads).map_err(|e| DaemonError::Model(e.to_string()))?;
    Ok(Chosen { engine: Box::new(engine), note: String::new() })
}

#[cfg(feature = "ort")]
fn named(
    choice: EngineChoice,
    file: &ModelFile,
    threads: usize,
    library: Option<&Path>,
) -> Result<Chosen, DaemonError> {
    let device = match choice {
        EngineChoice::Cuda => OrtDevice::Cuda,
        EngineChoice::Tensorrt => OrtDevice::Tensorrt,
        _ => OrtDevice::Cpu,
    };
    let failed = |e: OrtError| match e {
        OrtError::Model(e) => DaemonError::Model(e.to_string()),
        e => DaemonError::Model(format!("model.engine is \"{choice}\": {e}")),
    };
    let library = find_onnxruntime(library).and_then(|path| OrtLibrary::load(&path)).map_err(failed)?;
    OrtEngine::load_file(file, library, device, threads).map(ready).map_err(failed)
}

#[cfg(feature = "ort")]
fn best(file: &ModelFile, threads: usize, library: Option<&Path>) -> Result<Chosen, DaemonError> {
    let named_by_a_person = library.is_some();
    let library = match find_onnxruntime(library).and_then(|path| OrtLibrary::load(&path)) {
        Ok(library) => library,
        // A board without ONNX Runtime is as good as any; one whose ONNX Runtime is not what it was said to be is not.
        Err(OrtError::NotFound { .. }) => return tract(file, threads),
        Err(e) if named_by_a_person => return Err(DaemonError::Model(format!("model.engine is \"auto\": {e}"))),
        Err(e) => return tract(file, threads).map(|chosen| after(chosen, &e.to_string())),
    };
    let why = match OrtEngine::load_file(file, library, OrtDevice::Cuda, threads) {
        Ok(engine) => return Ok(ready(engine)),
        Err(OrtError::Device { engine, why, .. }) => format!("{engine}: {why}"),
        Err(e) => format!("{}: {e}", OrtDevice::Cuda.name()),
    };
    tract(file, threads).map(|chosen| after(chosen, &why))
}

#[cfg(feature = "ort")]
fn ready(engine: OrtEngine) -> Chosen {
    let library = engine.library();
    let mut note = format!("ONNX Runtime {}, {}", library.version(), library.path().display());
    if let Some(placement) = engine.placement() {
        note += &format!("; {placement}");
    }
    Chosen { engine: Box::new(engine), note }
}

/// `chosen`, with the reason why it is not a better one.
#[cfg(feature = "ort")]
fn after(mut chosen: Chosen, why: &str) -> Chosen {
    chosen.note = format!("not {why}");
    chosen
}

#[cfg(not(feature = "ort"))]
fn named(choice: EngineChoice, _: &ModelFile, _: usize, _: Option<&Path>) -> Result<Chosen, DaemonError> {
    Err(DaemonError::Configuration(format!(
        "model.engine is \"{choice}\"; this build has no such engine; accepted: \"auto\", \"tract\""
    )))
}

#[cfg(not(feature = "ort"))]
fn best(file: &ModelFile, threads: usize, _: Option<&Path>) -> Result<Chosen, DaemonError> {
    tract(file, threads)
}
