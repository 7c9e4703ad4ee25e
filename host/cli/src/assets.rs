//! Where the files that ship are: clips and models.

use crate::failure::Failure;
use std::env;
use std::path::{Path, PathBuf};

/// The checkout this program was built in.
const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// `path`, given as in a checkout: in the current folder, beside or above this program (`target/release/mtcae` is in a
/// checkout), installed (`bin/mtcae` with `share/mtcae`), or in the checkout that it was built in.
pub fn find(path: &str, help: &'static str) -> Result<PathBuf, Failure> {
    let mut roots = vec![PathBuf::from(".")];
    if let Ok(own) = env::current_exe() {
        let above = own.ancestors().skip(1).take(3);
        roots.extend(above.flat_map(|folder| [folder.to_owned(), folder.join("share/mtcae")]));
    }
    roots.push(PathBuf::from(CHECKOUT));
    find_in(&roots, path).ok_or_else(|| Failure::Asset {
        path: path.to_owned(),
        looked: roots.iter().filter(|root| root.is_dir()).map(|root| root.display().to_string()).collect(),
        help,
    })
}

fn find_in(roots: &[PathBuf], path: &str) -> Option<PathBuf> {
    let found = roots.iter().map(|root| root.join(path)).find(|path| path.exists())?;
    // Without `..` and `.` in it, as a person would write it.
    Some(found.canonicalize().ok().filter(|whole| whole.is_absolute()).unwrap_or(found))
}

/// Whether `text` is a path rather than a name.
pub fn is_path(text: &str) -> bool {
    text.contains(['/', '.']) || Path::new(text).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_root_that_has_it_wins() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let roots = [first.path().to_owned(), second.path().to_owned()];
        std::fs::write(second.path().join("clip"), "").unwrap();
        let root = |folder: &tempfile::TempDir| folder.path().canonicalize().unwrap();
        assert_eq!(find_in(&roots, "clip"), Some(root(&second).join("clip")));
        std::fs::write(first.path().join("clip"), "").unwrap();
        assert_eq!(find_in(&roots, "clip"), Some(root(&first).join("clip")));
        assert_eq!(find_in(&roots, "none"), None);
    }

    #[test]
    fn names_and_paths_are_told_apart() {
        assert!(is_path("./x") && is_path("clip.avi"));
        assert!(!is_path("carphone"));
    }
}
