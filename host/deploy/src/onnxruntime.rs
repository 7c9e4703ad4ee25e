//! ONNX Runtime on the CPU, one thread, from a library that is loaded at run time.

use crate::error::ExportError;
use crate::tract::Outputs;
use ort::environment::Environment;
use ort::session::Session;
use ort::value::TensorRef;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The library of this process: ONNX Runtime allows no second one.
static LIBRARY: OnceLock<Result<(PathBuf, Environment), String>> = OnceLock::new();

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
    /// When it is no such library, another one is loaded already, or it refuses the file.
    pub fn load(library: &Path, onnx: &[u8], shape: &[usize]) -> Result<OnnxRuntime, ExportError> {
        let opened = LIBRARY.get_or_init(|| open(library));
        let (loaded, environment) = opened.as_ref().map_err(|why| ExportError::Library(why.clone()))?;
        if loaded != library {
            let why = format!("{} cannot be loaded beside {}", library.display(), loaded.display());
            return Err(ExportError::Library(why));
        }
        let session = Session::builder(environment)
            .map_err(|e| refused(&e))?
            .with_intra_threads(1)
            .map_err(|e| refused(&e))?
            .commit_from_memory(onnx)
            .map_err(|e| refused(&e))?;
        Ok(OnnxRuntime { session, shape: shape.to_vec() })
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

fn open(library: &Path) -> Result<(PathBuf, Environment), String> {
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", library.display());
    let builder = ort::init_from(library).map_err(|e| failed(&e))?;
    let environment = builder.with_telemetry(false).build().map_err(|e| failed(&e))?;
    Ok((library.to_owned(), environment))
}

fn refused(error: &dyn std::fmt::Display) -> ExportError {
    ExportError::OnnxRuntime(error.to_string())
}
