//! What `mtcae doctor` looks for on this machine.

use crate::keyring::{self, Held};
use mtcae_boards::{HostFacts, PortFact, serial_ports};
use mtcae_drivers::find_onnxruntime;
use std::env;
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Key files looked at, at most.
const MOST_KEYS: usize = 32;
/// `O_NONBLOCK | O_NOCTTY` of Linux: opening a port must neither wait for a carrier nor take the terminal.
const QUIETLY: i32 = 0o4000 | 0o400;

/// Looks around; `keys` are the files named, else every `*.key` of this folder.
pub fn host_facts(keys: &[PathBuf]) -> HostFacts {
    let port = |name: String| PortFact { usable: usable(&name), name };
    HostFacts {
        ports: serial_ports().into_iter().map(port).collect(),
        ffmpeg: in_path("ffmpeg", env::var_os("PATH").as_deref()).map(|path| path.display().to_string()),
        onnx_runtime: onnx_runtime().map(|path| path.display().to_string()),
        keys: if keys.is_empty() { keys_here() } else { keys.to_vec() }.iter().map(|path| key(path)).collect(),
    }
}

/// A port that another program has open is usable all the same.
fn usable(port: &str) -> bool {
    let opened = OpenOptions::new().read(true).write(true).custom_flags(QUIETLY).open(port);
    !matches!(opened, Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied)
}

fn in_path(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    let runs =
        |path: &PathBuf| path.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0);
    env::split_paths(path?).map(|folder| folder.join(name)).find(runs)
}

fn onnx_runtime() -> Option<PathBuf> {
    if let Some(named) = env::var_os("ORT_DYLIB_PATH").map(PathBuf::from) {
        return named.is_file().then_some(named);
    }
    find_onnxruntime(None).ok()
}

fn keys_here() -> Vec<PathBuf> {
    let Ok(entries) = Path::new(".").read_dir() else { return Vec::new() };
    let names = entries.flatten().map(|entry| PathBuf::from(entry.file_name()));
    let mut keys: Vec<PathBuf> = names.filter(|name| name.extension().is_some_and(|end| end == "key")).collect();
    keys.sort();
    keys.truncate(MOST_KEYS);
    keys
}

fn key(path: &Path) -> (String, Result<String, String>) {
    let half = |secret: bool| if secret { "with its secret half" } else { "public half only" };
    let what = match keyring::identify(path) {
        Ok(Held::Signing { key, secret }) => Ok(format!("signing key {}, {}", key.id(), half(secret))),
        Ok(Held::Device { recipient, secret }) => Ok(format!("device key {}, {}", recipient.id(), half(secret))),
        Ok(Held::Line { key, secret }) => Ok(format!("line key {}, {}", key.id(), half(secret))),
        Ok(_) => Ok("a rotation or a permit".to_owned()),
        Err(failure) => Err(failure.to_string()),
    };
    (path.display().to_string(), what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_where_it_may_be_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = OsStr::new(folder.path());
        assert_eq!(in_path("ffmpeg", Some(path)), None);
        let file = folder.path().join("ffmpeg");
        std::fs::write(&file, "").unwrap();
        assert_eq!(in_path("ffmpeg", Some(path)), None, "it may not be run");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(in_path("ffmpeg", Some(path)), Some(file));
        assert_eq!(in_path("ffmpeg", None), None);
    }
}
