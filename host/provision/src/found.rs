//! What is on a board before anything is done.

use crate::Processor;
use std::collections::BTreeMap;
use std::path::Path;

/// What is at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nothing.
    Absent,
    /// A folder.
    Folder {
        /// Permission bits.
        mode: u32,
        /// User and group.
        owner: (u32, u32),
    },
    /// A file.
    File {
        /// Permission bits.
        mode: u32,
        /// User and group.
        owner: (u32, u32),
        /// SHA-256 in 64 hexadecimal digits.
        sha256: String,
    },
    /// A symbolic link.
    Link(String),
    /// A device, a socket, a pipe.
    Other,
}

/// What is on a board.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// What is at each path that was asked for.
    pub states: BTreeMap<String, State>,
    /// User and group of `mtcae`, where they are known there.
    pub service: Option<(u32, u32)>,
    /// What its programs are made for.
    pub processor: Option<Processor>,
    /// First lines of [`DEVICE_PUBLIC`](crate::DEVICE_PUBLIC) and [`LINE_PUBLIC`](crate::LINE_PUBLIC), where they are there.
    pub lines: BTreeMap<String, String>,
    /// What is in the folder of trusted keys.
    pub trusted: Vec<TrustedFile>,
}

/// A file in the folder of trusted keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedFile {
    /// Its name.
    pub name: String,
    /// Its text, or the beginning of a longer one; `None` for what cannot be read, and for what is no key by its name.
    pub text: Option<String>,
}

impl TrustedFile {
    /// Whether the firmware takes it for a key or a rotation.
    pub fn counts(&self) -> bool {
        Path::new(&self.name).extension().is_some_and(|ending| ending == "pub" || ending == "rotation")
    }
}

impl Found {
    /// What is at `path`; nothing, when nobody looked.
    pub fn at(&self, path: &str) -> &State {
        self.states.get(path).unwrap_or(&State::Absent)
    }

    /// Whether there is a file at `path`.
    pub fn has_file(&self, path: &str) -> bool {
        matches!(self.at(path), State::File { .. })
    }
}
