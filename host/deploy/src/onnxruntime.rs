//! ONNX Runtime on one thread of the processor, or on a GPU, from a library that is loaded at run time.

use crate::error::ExportError;
use crate::tract::Outputs;
use ort::environment::Environment;
use ort::ep::{self, ExecutionProvider};
use ort::session::Session;
use ort::session::builder::SessionBuilder;
use ort::value::TensorRef;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The library of this process: ONNX Runtime allows no second one.
static LIBRARY: OnceLock<Result<(PathBuf, Environment), String>> = OnceLock::new();

/// What ONNX Runtime runs a file on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// An NVIDIA GPU; a part that would run on the processor is an error.
    Cuda,
    /// The same by TensorRT, with CUDA for what that does not know.
    Tensorrt,
}

/// A file made ready to run in ONNX Runtime.
pub struct OnnxRuntime {
    session: Session,
    shape: Vec<usize>,
}

impl OnnxRuntime {
    /// Loads `onnx` (input `clip` of `shape`, `[1, T, S, S, 3]`) in the ONNX Runtime at `library`, a path of `libonnxruntime.so`.
    /// The first library that is asked for stays the only one of the process.
    ///
    /// # Errors
    /// When it is no such library, another one is loaded already, it lacks the device, or it refuses the file.
    pub fn load(library: &Path, onnx: &[u8], shape: &[usize], device: Device) -> Result<OnnxRuntime, ExportError> {
        let environment = environment(library)?;
        let builder = Session::builder(environment).and_then(|b| Ok(b.with_intra_threads(1)?));
        let builder = builder.and_then(|b| on(b, device)).map_err(|e| refused(&e))?;
        let session = { builder }.commit_from_memory(onnx).map_err(|e| refused(&e))?;
        Ok(OnnxRuntime { session, shape: shape.to_vec() })
    }

    /// Whether the library was built for `device`; that the device is there, too, is seen when a file is loaded.
    ///
    /// # Errors
    /// When it is no ONNX Runtime, or another one is loaded already.
    pub fn knows(library: &Path, device: Device) -> Result<bool, ExportError> {
        environment(library)?;
        let known = match device {
            Device::Cpu => Ok(true),
            Device::Cuda => ep::CUDA::is_available(),
            Device::Tensorrt => ep::TensorRT::is_available(),
        };
        known.map_err(|e| refused(&e))
    }

    /// Runs one clip of bytes, `[T, S, S, 3]`.
    ///
    /// # Errors
    /// When the clip's length does not fit, an output is not of f32, or ONNX Runtime fails.
    pub fn run(&mut self, clip: &[u8]) -> Result<Outputs, ExportError> {
        let input = TensorRef::from_array_view((self.shape.clone(), clip)).map_err(|e| refused(&e))?;
        let outputs = self.session.run(ort::inputs!["clip" => input]).map_err(|e| refused(&e))?;
        let read = |name: &str| -> Result<Option<Vec<f32>>, ExportError> {
            let Some(value) = outputs.get(name) else { return Ok(None) };
            let (_, values) = value.try_extract_tensor::<f32>().map_err(|e| refused(&e))?;
            Ok(Some(values.to_vec()))
        };
        let logits = read("logits")?.ok_or_else(|| refused(&"there is no output `logits`"))?;
        Ok(Outputs { boxes: read("boxes")?, landmarks: read("landmarks")?, logits })
    }
}

fn environment(library: &Path) -> Result<&'static Environment, ExportError> {
    let opened = LIBRARY.get_or_init(|| open(library));
    let (loaded, environment) = opened.as_ref().map_err(|why| ExportError::Library(why.clone()))?;
    if loaded != library {
        let why = format!("{} cannot be loaded beside {}", library.display(), loaded.display());
        return Err(ExportError::Library(why));
    }
    Ok(environment)
}

/// A GPU that is asked for and not there would run on the processor without a word.
fn on(builder: SessionBuilder, device: Device) -> ort::Result<SessionBuilder> {
    let cuda = ep::CUDA::default().build().error_on_failure();
    let tensorrt = ep::TensorRT::default().build().error_on_failure();
    Ok(match device {
        Device::Cpu => builder,
        Device::Cuda => builder.with_execution_providers([cuda])?.with_disable_cpu_fallback()?,
        Device::Tensorrt => builder.with_execution_providers([tensorrt, cuda])?.with_disable_cpu_fallback()?,
    })
}

fn open(library: &Path) -> Result<(PathBuf, Environment), String> {
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", library.display());
    let builder = ort::init_from(library).map_err(|e| failed(&e))?;
    let environment = builder.with_telemetry(false).build().map_err(|e| failed(&e))?;
    Ok((library.to_owned(), environment))
}

fn refused(error: &dyn std::fmt::Display) -> ExportError {
    ExportError::OnnxRuntime(error.to_string())
}
