//! The shared libraries that a program needs, so that it runs where nothing is installed.

use crate::UmlError;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The files that `programs` load when they start, the loader among them, as `ldd` of this machine finds them.
///
/// # Errors
/// [`UmlError::Host`] when `ldd` cannot be run or refuses.
pub fn libraries(programs: &[PathBuf]) -> Result<BTreeSet<PathBuf>, UmlError> {
    let mut found = BTreeSet::new();
    for program in programs {
        let what = || format!("ldd {}", program.display());
        let said = Command::new("ldd").arg(program).output().map_err(|e| UmlError::host(what(), e))?;
        let text = String::from_utf8_lossy(&said.stdout);
        // Also said of a program that needs none.
        if !said.status.success() && !text.contains("not a dynamic") && !said.stderr.ends_with(b"executable\n") {
            let why = String::from_utf8_lossy(&said.stderr).into_owned();
            return Err(UmlError::host(what(), std::io::Error::other(why)));
        }
        found.extend(named(&text));
    }
    Ok(found)
}

/// The paths in what `ldd` prints.
fn named(text: &str) -> BTreeSet<PathBuf> {
    let path = |line: &str| {
        let line = line.split_once("=>").map_or(line, |(_, path)| path);
        let path = line.split(" (").next().unwrap_or_default().trim();
        path.starts_with('/').then(|| Path::new(path).to_owned())
    };
    text.lines().filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_the_loader_are_found() {
        let text = "\tlinux-vdso.so.1 (0x00007ffe)\n\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f)\n\
                    \tlibgone.so => not found\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f61)\n";
        let found: Vec<_> = named(text).into_iter().collect();
        assert_eq!(found, ["/lib/x86_64-linux-gnu/libm.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from));
        assert!(named("\tnot a dynamic executable\n").is_empty());
    }

    #[test]
    fn this_test_needs_the_c_library() {
        let me = std::env::current_exe().unwrap();
        let found = libraries(&[me]).unwrap();
        assert!(found.iter().any(|path| path.to_string_lossy().contains("libc.so")), "{found:?}");
        assert!(libraries(&[PathBuf::from("/nowhere/at/all")]).is_err());
    }
}
