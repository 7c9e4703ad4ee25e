//! The log of openings: which sealed file was opened, when, with which key and where to. One JSON object a line.

use mtcae_bundle::Opening;
use serde_json::json;
use std::env;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The log file of the user who runs this: `mtcae/openings.jsonl` in `$XDG_STATE_HOME`, else in `~/.local/state`.
///
/// # Errors
/// When neither `XDG_STATE_HOME` nor `HOME` is an absolute path.
pub fn log_file() -> io::Result<PathBuf> {
    log_file_in(env::var_os("XDG_STATE_HOME").map(PathBuf::from), env::var_os("HOME").map(PathBuf::from))
}

fn log_file_in(state: Option<PathBuf>, home: Option<PathBuf>) -> io::Result<PathBuf> {
    // A relative path there does not count, says the XDG base directory specification.
    let absolute = |path: Option<PathBuf>| path.filter(|path| path.is_absolute());
    let state = absolute(state).or_else(|| absolute(home).map(|home| home.join(".local/state")));
    let none = || io::Error::new(ErrorKind::NotFound, "neither XDG_STATE_HOME nor HOME is an absolute path");
    Ok(state.ok_or_else(none)?.join("mtcae/openings.jsonl"))
}

/// Adds one line to `log`, and makes sure of it.
///
/// # Errors
/// When it cannot be written.
pub fn note(log: &Path, opening: &Opening<'_>, to: &str) -> io::Result<()> {
    if let Some(folder) = log.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let line = json!({ "opened_unix_s": now, "file": opening.what, "key": opening.key.to_string(), "to": to });
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(log)?;
    // One call, so that lines of two programs do not mix.
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_folder_is_the_users() {
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(log_file_in(path("/s"), path("/h")).unwrap(), Path::new("/s/mtcae/openings.jsonl"));
        for state in [None, path(""), path("relative")] {
            let log = log_file_in(state, path("/h")).unwrap();
            assert_eq!(log, Path::new("/h/.local/state/mtcae/openings.jsonl"));
        }
        assert_eq!(log_file_in(None, None).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
