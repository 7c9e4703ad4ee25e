//! The boards that ship, embedded.

use crate::error::nearest;
use crate::{Board, BoardError, load};

/// A board file that ships.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builtin {
    /// Its name, which is also `board.name`.
    pub name: &'static str,
    /// The file's content, to be read by [`load`].
    pub text: &'static str,
}

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        &[$(Builtin { name: $name, text: include_str!(concat!("../boards/", $name, ".toml")) }),+]
    };
}

const BUILTIN: &[Builtin] = shipped!["demo", "pc-webcam", "jetson-orin-devkit", "jetson-orin-nano"];

/// Every board that ships.
pub fn builtin() -> &'static [Builtin] {
    BUILTIN
}

/// The shipped board of that name.
pub fn builtin_named(name: &str) -> Option<Builtin> {
    BUILTIN.iter().copied().find(|board| board.name == name)
}

/// Reads the shipped board of that name.
///
/// # Errors
/// When no board has that name.
pub fn load_builtin(name: &str) -> Result<Board, BoardError> {
    let names = || BUILTIN.iter().map(|board| board.name);
    let board = builtin_named(name).ok_or_else(|| BoardError::UnknownBoard {
        name: format!("{name:?}"),
        suggestion: nearest(name, names()),
        accepted: names().collect::<Vec<_>>().join(", "),
    })?;
    load(board.name, board.text)
}
