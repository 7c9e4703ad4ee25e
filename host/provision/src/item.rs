//! One thing that a board has to have.

use crate::Blob;

/// Whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The system's.
    Root,
    /// The daemon's user, `mtcae`.
    Service,
}

impl Owner {
    /// Name of the user, and of its group.
    pub fn name(self) -> &'static str {
        match self {
            Owner::Root => "root",
            Owner::Service => "mtcae",
        }
    }
}

/// What it is.
pub enum Kind {
    /// A folder.
    Folder,
    /// A file.
    File(Blob),
    /// A symbolic link to that path.
    Link(String),
    /// Something to tell a running system: a command and its arguments.
    Command {
        /// The command.
        words: Vec<String>,
        /// A system without that command is as good.
        may_fail: bool,
    },
    /// No file: it is taken away.
    Nothing,
}

/// How much of it has to be as it is said here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// All of it.
    Exact,
    /// Mode and owner; a content that is there stays.
    Keep,
    /// It is there; nothing else.
    There,
}

/// One thing that a board has to have.
pub struct Item {
    /// In a few words.
    pub what: String,
    /// Absolute path on the board; empty for a command.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Permission bits of a folder or a file.
    pub mode: u32,
    /// Whose it is.
    pub owner: Owner,
    /// How strict that is.
    pub rule: Rule,
}

impl Item {
    pub(crate) fn folder(what: &str, path: &str, owner: Owner) -> Item {
        Item { what: what.into(), path: path.into(), kind: Kind::Folder, mode: 0o755, owner, rule: Rule::Exact }
    }

    pub(crate) fn file(what: &str, path: &str, blob: Blob) -> Item {
        let kind = Kind::File(blob);
        Item { what: what.into(), path: path.into(), kind, mode: 0o644, owner: Owner::Root, rule: Rule::Exact }
    }

    pub(crate) fn command(what: &str, words: &[&str], may_fail: bool) -> Item {
        let kind = Kind::Command { words: words.iter().map(|&word| word.to_owned()).collect(), may_fail };
        Item { what: what.into(), path: String::new(), kind, mode: 0, owner: Owner::Root, rule: Rule::Exact }
    }

    pub(crate) fn text(what: &str, path: &str, text: &str) -> Item {
        Item::file(what, path, Blob::bytes(text.as_bytes().to_vec()))
    }

    pub(crate) fn mode(self, mode: u32) -> Item {
        Item { mode, ..self }
    }

    pub(crate) fn owner(self, owner: Owner) -> Item {
        Item { owner, ..self }
    }

    pub(crate) fn rule(self, rule: Rule) -> Item {
        Item { rule, ..self }
    }
}
