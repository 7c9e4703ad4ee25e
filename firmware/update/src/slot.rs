//! The four slots and where they lie.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The daemon's file within its slot.
pub const DAEMON_FILE: &str = "mtcae-firmware";

/// The folders below the root: four slots and the place where a bundle arrives.
pub const DIRECTORIES: [&str; 5] = ["model-a", "model-b", "daemon-a", "daemon-b", "inbox"];

/// Whether a file must be executable.
pub fn is_program(path: &str) -> bool {
    path.rsplit('/').next() == Some(DAEMON_FILE)
}

/// What a slot is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// A model folder.
    Model,
    /// The daemon's binary.
    Daemon,
}

impl Kind {
    /// Both.
    pub const ALL: [Kind; 2] = [Kind::Model, Kind::Daemon];

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Kind::Model { "model" } else { "daemon" })
    }
}

/// One of the two places of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Slot {
    /// The first.
    A,
    /// The second.
    B,
}

impl Slot {
    /// Both.
    pub const ALL: [Slot; 2] = [Slot::A, Slot::B];

    /// The other one.
    pub fn other(self) -> Slot {
        if self == Slot::A { Slot::B } else { Slot::A }
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

/// The folder of a slot, for example `model-b`.
pub(crate) fn folder(kind: Kind, slot: Slot) -> &'static str {
    DIRECTORIES[2 * kind.index() + slot.index()]
}

/// The slots that run together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Where the model is.
    pub model: Slot,
    /// Where the daemon is.
    pub daemon: Slot,
}

impl Pair {
    /// Slot of one kind.
    pub fn slot(self, kind: Kind) -> Slot {
        if kind == Kind::Model { self.model } else { self.daemon }
    }

    /// The pair with the other slot for each of `kinds`.
    pub(crate) fn swapped(mut self, kinds: &[Kind]) -> Pair {
        for kind in kinds {
            match kind {
                Kind::Model => self.model = self.model.other(),
                Kind::Daemon => self.daemon = self.daemon.other(),
            }
        }
        self
    }

    /// Model folder, relative to the root.
    pub fn model_folder(self) -> &'static str {
        folder(Kind::Model, self.model)
    }

    /// Daemon folder, relative to the root; the program in it is [`DAEMON_FILE`].
    pub fn daemon_folder(self) -> &'static str {
        folder(Kind::Daemon, self.daemon)
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {}", self.daemon_folder(), self.model_folder())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_where_the_list_says() {
        let pair = Pair { model: Slot::B, daemon: Slot::A };
        assert_eq!(pair.to_string(), "daemon-a with model-b");
        assert_eq!(pair.swapped(&Kind::ALL).to_string(), "daemon-b with model-a");
        assert!(is_program("daemon-a/mtcae-firmware") && !is_program("daemon-a/seal"));
    }
}
