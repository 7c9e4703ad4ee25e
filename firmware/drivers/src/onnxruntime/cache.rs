//! Engines that TensorRT built, kept from start to start: building one takes minutes.

use super::error::OrtError;
use sha2::{Digest, Sha256};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Bytes of the model's hash in a folder's name.
const NAME_BYTES: usize = 16;

/// The folder of one model's engines for one library, made where it is not there, for this user alone: an engine holds the weights.
/// TensorRT's own file names add its version and the GPU's compute capability, so that another GPU builds an engine of its own.
///
/// # Errors
/// [`OrtError::Cache`] when it cannot be made or written to.
pub(super) fn folder(cache: &Path, model: &[u8], library: &str) -> Result<PathBuf, OrtError> {
    let refused = |why: std::io::Error| OrtError::Cache { path: cache.display().to_string(), why: why.to_string() };
    let folder = cache.join(name(model, library));
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(refused)?;
    // ONNX Runtime would build for minutes and then say nothing of an engine that it could not keep.
    let probe = folder.join(format!(".{}", std::process::id()));
    std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe)).map_err(refused)?;
    Ok(folder)
}

fn name(model: &[u8], library: &str) -> String {
    let hash: String = Sha256::digest(model).iter().take(NAME_BYTES).map(|b| format!("{b:02x}")).collect();
    let plain: String = library.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    format!("{hash}-ort{plain}")
}

/// Does `work`, and says after every `step` how long it has been going on.
pub(super) fn with_progress<T>(step: Duration, say: &(dyn Fn(Duration) + Sync), work: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let (done, wait) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while wait.recv_timeout(step) == Err(RecvTimeoutError::Timeout) {
                say(begin.elapsed());
            }
        });
        let result = work();
        drop(done);
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn each_model_and_each_library_has_a_folder_that_is_ones_own() {
        let cache = tempfile::tempdir().unwrap();
        let of = |model: &[u8], library: &str| folder(&cache.path().join("engines"), model, library).unwrap();
        let first = of(b"a model", "1.23.2");
        assert_eq!(first, of(b"a model", "1.23.2"));
        assert!(first != of(b"another", "1.23.2") && first != of(b"a model", "1.24.0"));
        assert_eq!(of(b"a model", "../x y").parent(), first.parent(), "no way out of the cache");
        assert_eq!(first.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert!(std::fs::read_dir(&first).unwrap().next().is_none(), "nothing of the probe is left");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error =
            folder(file.path(), b"", "1").unwrap_err().to_string().replace(file.path().to_str().unwrap(), "PATH");
        insta::assert_snapshot!(error, @"engines cannot be kept in PATH: Not a directory (os error 20); give a folder that the daemon may write to, or none");
    }

    #[test]
    fn long_work_is_told_of_and_short_work_is_not() {
        let told = AtomicU32::new(0);
        let say = |_: Duration| _ = told.fetch_add(1, Ordering::Relaxed);
        assert_eq!(with_progress(Duration::from_secs(60), &say, || 7), 7);
        assert_eq!(told.load(Ordering::Relaxed), 0);
        with_progress(Duration::from_millis(1), &say, || {
            while told.load(Ordering::Relaxed) < 3 {
                std::thread::yield_now();
            }
        });
    }
}
