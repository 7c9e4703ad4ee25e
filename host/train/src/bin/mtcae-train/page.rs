//! A page or a picture that is asked for beside a table: whether it can be written is found out before the work.

use anyhow::{Context, Result, bail};
use std::path::Path;

/// # Errors
/// When `path` is a folder, or in none.
pub fn check(path: Option<&Path>) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if path.is_dir() || !folder.is_none_or(Path::is_dir) || path.file_name().is_none() {
        bail!("{} cannot be written; accepted: the name of a file in a folder that is there", path.display());
    }
    Ok(())
}

/// Writes it whole or not at all.
///
/// # Errors
/// When it cannot be written; a file of before is still there then.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".partial");
    let partial = path.with_file_name(name);
    let written = std::fs::write(&partial, text).and_then(|()| std::fs::rename(&partial, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    written.with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_is_refused_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("there")).unwrap();
        for wrong in [at("there"), at("none/page.html"), "..".into()] {
            assert!(check(Some(&wrong)).is_err(), "{}", wrong.display());
        }
        assert!(
            check(None).is_ok() && check(Some(&at("page.html"))).is_ok() && check(Some(Path::new("page.html"))).is_ok()
        );
        write(&at("page.html"), "a page").unwrap();
        assert!(write(&at("there"), "a page").is_err());
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }
}
