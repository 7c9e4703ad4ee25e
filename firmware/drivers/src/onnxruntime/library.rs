//! ONNX Runtime's library: where it is looked for, whether it is one, and the only one of the process.

#![allow(unsafe_code)]

use super::error::OrtError;
use super::reason::one_line;
use libloading::Library;
use ort::environment::Environment;
use ort::sys::OrtApiBase;
use std::ffi::{CStr, c_char};
use std::io::ErrorKind;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Where packages and people put it; the first that has one is taken.
pub const ONNXRUNTIME_FOLDERS: [&str; 4] =
    ["/usr/local/lib", "/usr/lib/aarch64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/usr/lib"];
const NAME: &str = "libonnxruntime.so";

/// The library of this process: ONNX Runtime allows no second one, and it is never unloaded.
static LOADED: OnceLock<OrtLibrary> = OnceLock::new();
/// Held while one is loaded.
static DOOR: Mutex<()> = Mutex::new(());

/// ONNX Runtime, loaded.
#[derive(Debug)]
pub struct OrtLibrary {
    path: PathBuf,
    version: String,
    pub(super) environment: Environment,
    /// Keeps the library where it is.
    _probed: Library,
}

/// The path of ONNX Runtime's library: `given`, or the first one in [`ONNXRUNTIME_FOLDERS`].
///
/// # Errors
/// [`OrtError::NotFound`], or [`OrtError::Missing`] or [`OrtError::Unreadable`] of the one that is `given`.
pub fn find_onnxruntime(given: Option<&Path>) -> Result<PathBuf, OrtError> {
    if let Some(path) = given {
        return path.metadata().map(|_| path.to_owned()).map_err(|cause| unreachable_file(path, cause));
    }
    let found = ONNXRUNTIME_FOLDERS.iter().find_map(|folder| find_in(Path::new(folder)));
    found.ok_or_else(|| OrtError::NotFound { looked: ONNXRUNTIME_FOLDERS.join(", ") })
}

fn find_in(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    best(names).map(|name| folder.join(name))
}

/// The name without a version, else the one of the highest version.
fn best(names: impl Iterator<Item = String>) -> Option<String> {
    let version = |name: &str| -> Option<Vec<u32>> {
        let rest = name.strip_prefix(NAME)?;
        if rest.is_empty() {
            return Some(vec![u32::MAX]);
        }
        rest.strip_prefix('.')?.split('.').map(|part| part.parse().ok()).collect()
    };
    names.filter_map(|name| Some((version(&name)?, name))).max().map(|(_, name)| name)
}

impl OrtLibrary {
    /// Loads the library at `path`, once it has been seen to be one. The first one stays the only one of the process.
    ///
    /// # Errors
    /// When the file is missing or no ONNX Runtime, its interface is too old, or another one is in use.
    pub fn load(path: &Path) -> Result<&'static OrtLibrary, OrtError> {
        let _only_one = DOOR.lock().unwrap_or_else(PoisonError::into_inner);
        let path = path.canonicalize().map_err(|cause| unreachable_file(path, cause))?;
        if let Some(loaded) = LOADED.get() {
            return loaded.is(&path);
        }
        let (probed, version) = probe(&path)?;
        let environment = environment(&path)?;
        Ok(LOADED.get_or_init(|| OrtLibrary { path, version, environment, _probed: probed }))
    }

    fn is(&'static self, path: &Path) -> Result<&'static OrtLibrary, OrtError> {
        if self.path == path {
            return Ok(self);
        }
        Err(OrtError::Second { path: path.display().to_string(), loaded: self.path.display().to_string() })
    }

    /// The file, without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says of itself, such as `1.32.0`.
    pub fn version(&self) -> &str {
        &self.version
    }
}

fn unreachable_file(path: &Path, cause: std::io::Error) -> OrtError {
    let path = path.display().to_string();
    match cause.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => OrtError::Missing { path },
        _ => OrtError::Unreadable { path, cause },
    }
}

fn not_onnxruntime(path: &Path, why: impl Into<String>) -> OrtError {
    OrtError::NotOnnxRuntime { path: path.display().to_string(), why: why.into() }
}

/// Opens the library and asks it for its version and interface. `ort` itself hangs or panics where this is an error.
fn probe(path: &Path) -> Result<(Library, String), OrtError> {
    if !path.is_file() {
        return Err(not_onnxruntime(path, "it is no file"));
    }
    // SAFETY: loading runs the library's initialisers; the path is the machine owner's choice, as is every other program on it.
    let library = unsafe { Library::new(path) }.map_err(|e| not_onnxruntime(path, loader_says(&e, path)))?;
    let version = {
        // SAFETY: a symbol of this name has this type since ONNX Runtime 1.0.
        let entry = unsafe { library.get::<unsafe extern "C" fn() -> *const OrtApiBase>(b"OrtGetApiBase\0") };
        let entry = entry.map_err(|_| not_onnxruntime(path, "it has no OrtGetApiBase"))?;
        // SAFETY: takes nothing, and gives a table that lives as long as the library, or null.
        let base = unsafe { entry().as_ref() };
        let base = base.ok_or_else(|| not_onnxruntime(path, "its OrtGetApiBase gives nothing"))?;
        // SAFETY: the table's functions live as long as the library.
        let version: *const c_char = unsafe { (base.GetVersionString)() };
        if version.is_null() {
            return Err(not_onnxruntime(path, "it does not say its version"));
        }
        // SAFETY: not null, and ends with a zero by ONNX Runtime's documentation.
        let version: String = unsafe { CStr::from_ptr(version) }.to_string_lossy().chars().take(40).collect();
        // Asked before the interface is: what is too old complains on the error output by itself.
        // SAFETY: gives a table or null.
        if !fits(&version) || unsafe { (base.GetApi)(ort::MINOR_VERSION) }.is_null() {
            let (path, needed) = (path.display().to_string(), ort::MINOR_VERSION);
            return Err(OrtError::Version { path, version, needed });
        }
        version
    };
    Ok((library, version))
}

/// Whether a library of `version` has the interface that is asked for.
fn fits(version: &str) -> bool {
    let mut parts = version.split('.').map(str::parse::<u32>);
    matches!((parts.next(), parts.next()), (Some(Ok(1)), Some(Ok(minor))) if minor >= ort::MINOR_VERSION)
}

/// The dynamic linker's words, without the path that the error names anyway.
fn loader_says(error: &libloading::Error, path: &Path) -> String {
    let text = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    one_line(text.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&text))
}

fn environment(path: &Path) -> Result<Environment, OrtError> {
    let path_for_ort = path.to_owned();
    let built = catch_unwind(move || {
        let builder = ort::init_from(path_for_ort).map_err(|e| e.to_string())?;
        // Its own log would go to the error output, which belongs to the program.
        builder.with_telemetry(false).with_logger(Arc::new(|_, _, _, _, _| {})).build().map_err(|e| e.to_string())
    });
    let built = built.unwrap_or_else(|_| Err("it cannot be set up".to_owned()));
    built.map_err(|why| not_onnxruntime(path, one_line(&why)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_name_is_taken_and_others_are_not() {
        let of = |names: &[&str]| best(names.iter().map(|n| (*n).to_owned()));
        assert_eq!(of(&["libonnxruntime.so.1.9.0", "libonnxruntime.so.1.23.2"]).unwrap(), "libonnxruntime.so.1.23.2");
        assert_eq!(of(&["libonnxruntime.so.1.9.0", "libonnxruntime.so"]).unwrap(), "libonnxruntime.so");
        assert_eq!(of(&["libonnxruntime_providers_cuda.so", "libonnxruntime.so.old", "libonnx.so"]), None);
    }

    #[test]
    fn versions_of_the_interface() {
        assert!(["1.17.0", "1.32.0", "1.23"].into_iter().all(fits));
        assert!(!["1.16.3", "2.0.0", "", "1", "one.two"].into_iter().any(fits));
    }

    #[test]
    fn what_is_looked_for_and_not_there_is_named() {
        let error = find_onnxruntime(Some(Path::new("no/libonnxruntime.so"))).unwrap_err();
        insta::assert_snapshot!(error, @"ONNX Runtime's library no/libonnxruntime.so is not there; give the path of a libonnxruntime.so");
        let error = OrtError::NotFound { looked: ONNXRUNTIME_FOLDERS.join(", ") };
        insta::assert_snapshot!(error, @"there is no ONNX Runtime in /usr/local/lib, /usr/lib/aarch64-linux-gnu, /usr/lib/x86_64-linux-gnu, /usr/lib; install one there (on a Jetson NVIDIA's build), or give the path of its libonnxruntime.so");
    }
}
