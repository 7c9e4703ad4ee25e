//! Which engine runs the model: the one that is named, or the best that works.

use crate::DaemonError;
use mtcae_board_configs::EngineChoice;
use mtcae_core::Engine;
#[cfg(feature = "ort")]
use mtcae_drivers::{Engines, OrtDevice, OrtEngine, OrtError, OrtLibrary, find_onnxruntime};
use mtcae_drivers::{ModelFile, TractEngine};
#[cfg(feature = "ort")]
use std::io::Write;
use std::path::Path;
#[cfg(feature = "ort")]
use std::time::Duration;

/// An engine that has run the model once.
pub(crate) struct Chosen {
    pub engine: Box<dyn Engine>,
    /// What a person should know of it: library, where operators ran, why not a better one; empty when nothing.
    pub note: String,
}

/// Paths that concern engines.
#[derive(Clone, Copy, Default)]
pub(crate) struct Paths<'a> {
    /// Where ONNX Runtime is, when somebody said so.
    pub library: Option<&'a Path>,
    /// Where engines of TensorRT are kept, where that is wanted and allowed.
    #[cfg_attr(not(feature = "ort"), expect(dead_code, reason = "TensorRT runs in ONNX Runtime"))]
    pub kept_in: Option<&'a Path>,
}

/// Prepares `file` in the engine of `choice`.
///
/// A named engine that does not run is an error. `auto` takes CUDA where it works, else tract: not TensorRT,
/// which builds its engine for minutes, and not ONNX Runtime on the CPU, which is slower than tract with our operators.
pub(crate) fn choose(
    choice: EngineChoice,
    file: &ModelFile,
    threads: usize,
    paths: Paths,
) -> Result<Chosen, DaemonError> {
    match choice {
        EngineChoice::Tract => tract(file, threads),
        EngineChoice::Auto => best(file, threads, paths.library),
        EngineChoice::Cuda | EngineChoice::Tensorrt | EngineChoice::CpuOrt => named(choice, file, threads, paths),
    }
}

fn tract(file: &ModelFile, threads: usize) -> Result<Chosen, DaemonError> {
    let engine = TractEngine::load_file(file, threads).map_err(|e| DaemonError::Model(e.to_string()))?;
    Ok(Chosen { engine: Box::new(engine), note: String::new() })
}

#[cfg(feature = "ort")]
fn named(choice: EngineChoice, file: &ModelFile, threads: usize, paths: Paths) -> Result<Chosen, DaemonError> {
    let device = match choice {
        EngineChoice::Cuda => OrtDevice::Cuda,
        EngineChoice::Tensorrt => OrtDevice::Tensorrt,
        _ => OrtDevice::Cpu,
    };
    let failed = |e: OrtError| match e {
        OrtError::Model(e) => DaemonError::Model(e.to_string()),
        e => DaemonError::Model(format!("model.engine is \"{choice}\": {e}")),
    };
    let library = find_onnxruntime(paths.library).and_then(|path| OrtLibrary::load(&path)).map_err(failed)?;
    let kept = match paths.kept_in {
        Some(folder) => format!("it is kept in {}, and later starts take seconds", folder.display()),
        None => "it is not kept: model.engine_cache says where, for models that are not encrypted".to_owned(),
    };
    let say = |so_far: Duration| {
        // Nobody may read it.
        let _ = writeln!(
            std::io::stderr(),
            "info: preparing the model for {choice}, {} s so far; {kept}",
            so_far.as_secs()
        );
    };
    let slow = device == OrtDevice::Tensorrt;
    let engines = Engines { kept_in: paths.kept_in, progress: if slow { Some(&say) } else { None } };
    OrtEngine::load_file_with(file, library, device, threads, engines).map(ready).map_err(failed)
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
fn named(choice: EngineChoice, _: &ModelFile, _: usize, _: Paths) -> Result<Chosen, DaemonError> {
    Err(DaemonError::Configuration(format!(
        "model.engine is \"{choice}\"; this build has no such engine; accepted: \"auto\", \"tract\""
    )))
}

#[cfg(not(feature = "ort"))]
fn best(file: &ModelFile, threads: usize, _: Option<&Path>) -> Result<Chosen, DaemonError> {
    tract(file, threads)
}
