//! The journal of a job of clips: a file for each video that is done, so that a run that was killed loses only what it
//! had in hand.

use crate::refusal::Reason;
use crate::writer::ShardData;
use crate::{DataError, Shard, ShardInfo};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What became of one video.
pub(crate) enum Part {
    /// A shard of this one clip.
    Clip(Box<Shard>),
    /// No clip, and why.
    Refused(Reason, String),
}

#[derive(Serialize, Deserialize)]
struct Note {
    reason: Reason,
    why: String,
}

/// The folder of the journal.
pub(crate) struct Parts(PathBuf);

impl Parts {
    /// Opens or makes the folder.
    pub fn open(folder: PathBuf) -> Result<Parts, DataError> {
        std::fs::create_dir_all(&folder).map_err(DataError::io(&folder))?;
        Ok(Parts(folder))
    }

    /// What the journal knows of the video with this key; what was cut while it was written counts as unknown.
    pub fn get(&self, key: &str) -> Option<Part> {
        if let Ok(shard) = Shard::open(&self.clip(key)) {
            return Some(Part::Clip(Box::new(shard)));
        }
        let note: Note = serde_json::from_slice(&std::fs::read(self.note(key)).ok()?).ok()?;
        Some(Part::Refused(note.reason, note.why))
    }

    pub fn keep_clip(&self, key: &str, data: &ShardData, info: &ShardInfo) -> Result<(), DataError> {
        data.write(&self.clip(key), info)
    }

    pub fn keep_refusal(&self, key: &str, reason: Reason, why: &str) -> Result<(), DataError> {
        let (path, partial) = (self.note(key), self.note(key).with_extension("partial"));
        let note = serde_json::to_vec(&Note { reason, why: why.to_owned() });
        let bytes = note.map_err(|e| DataError::io(&path)(e.into()))?;
        std::fs::write(&partial, bytes).map_err(DataError::io(&partial))?;
        std::fs::rename(&partial, &path).map_err(DataError::io(&path))
    }

    /// Removes the journal: the job is done.
    pub fn remove(self) -> Result<(), DataError> {
        std::fs::remove_dir_all(&self.0).map_err(DataError::io(&self.0))
    }

    fn clip(&self, key: &str) -> PathBuf {
        self.0.join(format!("{key}.safetensors"))
    }

    fn note(&self, key: &str) -> PathBuf {
        self.0.join(format!("{key}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_whole_is_known_and_what_was_cut_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let parts = Parts::open(dir.path().join("set.parts")).unwrap();
        assert!(parts.get("a").is_none());
        parts.keep_refusal("a", Reason::FewFaces, "a face in 3 of 16 frames").unwrap();
        let Some(Part::Refused(Reason::FewFaces, why)) = parts.get("a") else { panic!("not kept") };
        assert_eq!(why, "a face in 3 of 16 frames");
        let whole = std::fs::read(parts.note("a")).unwrap();
        std::fs::write(parts.note("a"), &whole[..whole.len() - 1]).unwrap();
        std::fs::write(parts.clip("b"), b"\x10\0\0\0\0\0\0\0{").unwrap();
        assert!(parts.get("a").is_none() && parts.get("b").is_none());
        parts.remove().unwrap();
        assert!(!dir.path().join("set.parts").exists());
    }
}
