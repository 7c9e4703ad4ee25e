//! Videos that become no clip, and why.

use serde::{Deserialize, Serialize};

/// The kinds of reasons; each has its own count in a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The name or the folders break the data set's scheme.
    Misnamed,
    /// A good name of something that is not wanted: sound alone, a song, another view, another expression.
    Unwanted,
    /// The same recording is there under another name, which is taken.
    Duplicate,
    /// No bytes.
    Empty,
    /// No pictures, sound at most.
    NoVideo,
    /// It cannot be decoded.
    Broken,
    /// The face was found in too few frames.
    FewFaces,
}

impl Reason {
    /// For a person.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Misnamed => "misnamed",
            Reason::Unwanted => "unwanted",
            Reason::Duplicate => "duplicate",
            Reason::Empty => "empty",
            Reason::NoVideo => "no video",
            Reason::Broken => "broken",
            Reason::FewFaces => "few faces",
        }
    }

    /// Whether the file is of no use to anybody, in contrast to one that is not wanted here.
    pub fn is_corrupt(self) -> bool {
        matches!(self, Reason::Empty | Reason::NoVideo | Reason::Broken)
    }
}

/// A video that is no clip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its place below the data set's root.
    pub file: String,
    /// The kind of reason.
    pub reason: Reason,
    /// What exactly, and what is accepted.
    pub why: String,
}
