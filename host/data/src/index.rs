//! The videos of a data set: which are there, and what their names say.

use crate::DataError;
use crate::naming::{NameFault, Named, Scheme};
use crate::refusal::{Reason, Refused};
use crate::source::{own_name, stamp};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Extensions of files that are taken for videos.
const VIDEOS: [&str; 10] = ["mp4", "flv", "avi", "mov", "mkv", "webm", "m4v", "mpg", "mpeg", "wmv"];

/// Deepest folder that is looked into.
const MAX_DEPTH: usize = 16;

/// One video to decode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Video {
    pub path: PathBuf,
    /// Below the root, with `/` between.
    pub name: String,
    pub named: Named,
    /// Size in bytes and time of the last change: another file under this name is noticed.
    pub stamp: (u64, u128),
}

/// What is there.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Sorted by name.
    pub videos: Vec<Video>,
    pub refused: Vec<Refused>,
}

/// Lists the videos below `root`; other files are passed over.
pub(crate) fn index(root: &Path, scheme: &Scheme) -> Result<Index, DataError> {
    let mut files = Vec::new();
    walk(root, "", 0, &mut files)?;
    if files.is_empty() {
        return Err(DataError::NoVideos { path: root.to_owned(), accepted: VIDEOS.join(", ") });
    }
    files.sort();
    let mut index = Index::default();
    for name in files {
        let path = root.join(&name);
        let mut refuse = |reason, why: String| index.refused.push(Refused { file: name.clone(), reason, why });
        let stamp = match std::fs::metadata(&path) {
            Ok(m) if m.len() == 0 => {
                refuse(Reason::Empty, "0 bytes".to_owned());
                continue;
            }
            Ok(m) => stamp(&m),
            Err(e) => {
                refuse(Reason::Broken, e.to_string());
                continue;
            }
        };
        match scheme.read(&name) {
            Ok(mut named) => {
                if scheme.is_by_file() {
                    named.subject = format!("{}/{}", own_name(root), named.subject);
                }
                index.videos.push(Video { path, name, named, stamp });
            }
            Err(NameFault::Misnamed(why)) => refuse(Reason::Misnamed, why),
            Err(NameFault::Unwanted(what)) => refuse(Reason::Unwanted, what),
        }
    }
    drop_duplicates(&mut index);
    Ok(index)
}

/// Keeps one file of each recording: the one whose own name comes first.
fn drop_duplicates(index: &mut Index) {
    let file = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    let mut best: BTreeMap<String, String> = BTreeMap::new();
    for v in &index.videos {
        let kept = best.entry(v.named.recording.clone()).or_insert_with(|| v.name.clone());
        if (file(&v.name), &v.name) < (file(kept), kept) {
            kept.clone_from(&v.name);
        }
    }
    let refused = &mut index.refused;
    index.videos.retain(|v| {
        let kept = &best[&v.named.recording];
        if *kept != v.name {
            let why = format!("the same recording as {kept}");
            refused.push(Refused { file: v.name.clone(), reason: Reason::Duplicate, why });
        }
        *kept == v.name
    });
    refused.sort_by(|a, b| a.file.cmp(&b.file));
}

/// Names of the videos below `folder`, whose own name below the root is `prefix`.
fn walk(folder: &Path, prefix: &str, depth: usize, files: &mut Vec<String>) -> Result<(), DataError> {
    for entry in std::fs::read_dir(folder).map_err(DataError::io(folder))? {
        let entry = entry.map_err(DataError::io(folder))?;
        let own = entry.file_name().to_string_lossy().into_owned();
        let name = if prefix.is_empty() { own } else { format!("{prefix}/{own}") };
        // A link to a folder is not followed: it may lead back up.
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            if depth < MAX_DEPTH {
                walk(&entry.path(), &name, depth + 1, files)?;
            }
        } else if name.rsplit_once('.').is_some_and(|(_, e)| VIDEOS.contains(&e.to_ascii_lowercase().as_str())) {
            files.push(name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_taken_once_and_bad_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in [
            ("Actor_01/02-01-03-01-01-01-01.mp4", "x"),
            ("Actor_01/01-01-03-01-01-01-01.mp4", "x"),
            ("Actor_01/03-01-03-01-01-01-01.wav", "x"),
            ("Actor_01/03-01-03-01-01-01-01.mp4", "x"),
            ("Actor_02/02-01-05-01-01-01-02.mp4", "x"),
            ("Actor_02/02-01-05-01-01-02-02.mp4", ""),
            ("Actor_02/02-01-05-01-01-01.MP4", "x"),
            ("notes.txt", "x"),
        ] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let found = index(dir.path(), &Scheme::Ravdess { calm: false, song: false }).unwrap();
        let names: Vec<_> = found.videos.iter().map(|v| v.name.as_str()).collect();
        assert_eq!(names, ["Actor_01/01-01-03-01-01-01-01.mp4", "Actor_02/02-01-05-01-01-01-02.mp4"]);
        let refused: Vec<_> =
            found.refused.iter().map(|r| format!("{} {}: {}", r.reason.name(), r.file, r.why)).collect();
        insta::assert_snapshot!(refused.join("\n"), @r#"
        duplicate Actor_01/02-01-03-01-01-01-01.mp4: the same recording as Actor_01/01-01-03-01-01-01-01.mp4
        unwanted Actor_01/03-01-03-01-01-01-01.mp4: modality 03, audio only
        misnamed Actor_02/02-01-05-01-01-01.MP4: name is "02-01-05-01-01-01"; accepted: seven numbers, modality-channel-emotion-intensity-statement-repetition-actor
        empty Actor_02/02-01-05-01-01-02-02.mp4: 0 bytes
        "#);
    }

    #[test]
    fn videos_of_nobody_known_are_of_different_persons_in_every_folder() {
        let dir = tempfile::tempdir().unwrap();
        let mut subjects = std::collections::BTreeSet::new();
        for name in ["train/happy/1.mp4", "train/sad/1.mp4", "test/happy/1.mp4"] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        for root in ["train", "test"] {
            let scheme = Scheme::Folder { naming: crate::Naming::File, contempt: false };
            let found = index(&dir.path().join(root), &scheme).unwrap();
            subjects.extend(found.videos.into_iter().map(|v| v.named.subject));
        }
        assert_eq!(Vec::from_iter(subjects), ["test/happy/1.mp4", "train/happy/1.mp4", "train/sad/1.mp4"]);
    }

    #[test]
    fn a_folder_without_videos_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.wav"), "x").unwrap();
        let said = index(dir.path(), &Scheme::CremaD).unwrap_err().to_string();
        assert!(said.contains("no videos below it; accepted extensions: mp4, flv"), "{said}");
        assert!(index(&dir.path().join("gone"), &Scheme::CremaD).unwrap_err().to_string().contains("gone: No such"));
    }
}
