//! A folder as one value.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Mode and content by path; a folder ends with `/`, a link says `-> `.
pub type Tree = BTreeMap<String, (u32, Vec<u8>)>;

pub fn tree(root: &Path) -> Tree {
    let mut tree = Tree::new();
    walk(root, root, &mut tree);
    tree
}

/// Fails with the names of what is not the same.
pub fn assert_same(one: &Tree, other: &Tree, when: &str) {
    let paths: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let differ: Vec<_> = paths.into_iter().filter(|&path| one.get(path) != other.get(path)).collect();
    assert!(differ.is_empty(), "{when}: {differ:?}");
}

fn walk(root: &Path, folder: &Path, tree: &mut Tree) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let about = path.symlink_metadata().unwrap();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let mode = about.permissions().mode() & 0o7777;
        if about.is_symlink() {
            let to = fs::read_link(&path).unwrap().display().to_string();
            tree.insert(name, (0, format!("-> {to}").into_bytes()));
        } else if about.is_dir() {
            tree.insert(format!("{name}/"), (mode, Vec::new()));
            walk(root, &path, tree);
        } else {
            tree.insert(name, (mode, fs::read(&path).unwrap()));
        }
    }
}

/// Number and time of change of every file, to see that nothing was touched.
pub fn touched(root: &Path) -> BTreeMap<String, (u64, i64, i64)> {
    let paths = tree(root).into_keys();
    let about = |path: &String| root.join(path.trim_end_matches('/')).symlink_metadata().unwrap();
    paths
        .map(|path| (path.clone(), about(&path)))
        .map(|(path, m)| (path, (m.ino(), m.ctime(), m.ctime_nsec())))
        .collect()
}
