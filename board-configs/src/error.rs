//! Why a board file is refused: file, place, key, value, and what is accepted.

use std::fmt::{self, Display, Formatter};
use thiserror::Error;

/// Why a board file is refused. The reaction is the same for each: refuse to start, show the message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BoardError {
    /// No shipped board has that name.
    #[error("no board is called {name}{}; boards that ship: {}", hint(.suggestion), .accepted)]
    UnknownBoard {
        /// What was asked for.
        name: String,
        /// The nearest name that ships.
        suggestion: Option<String>,
        /// All names that ship.
        accepted: String,
    },
    /// The file is longer than [`MAX_BYTES`](crate::MAX_BYTES).
    #[error("{file}: {bytes} bytes long; accepted: a board file of at most {limit} bytes")]
    TooLong {
        /// Name or path as given to [`load`](crate::load).
        file: Box<str>,
        /// Its length.
        bytes: usize,
        /// The longest accepted.
        limit: usize,
    },
    /// Not TOML.
    #[error("{file}:{line}: not valid TOML: {reason}")]
    Syntax {
        /// Name or path as given to [`load`](crate::load).
        file: Box<str>,
        /// Line, counted from 1.
        line: usize,
        /// The parser's reason, in one line.
        reason: String,
    },
    /// A key or section the schema does not have.
    #[error("{file}:{line}: unknown key `{key}` (set to {value}){}; accepted in {accepted}", hint(.suggestion))]
    UnknownKey {
        /// Name or path as given to [`load`](crate::load).
        file: Box<str>,
        /// Line, counted from 1.
        line: usize,
        /// Dotted path of the key.
        key: String,
        /// The value it was set to, shortened.
        value: String,
        /// The known key that is meant, probably.
        suggestion: Option<String>,
        /// The table it stands in and the keys accepted there.
        accepted: String,
    },
    /// A key that has no default is not there.
    #[error("{file}{}: missing key `{key}`; accepted: {accepted}", at(*.line))]
    MissingKey {
        /// Name or path as given to [`load`](crate::load).
        file: Box<str>,
        /// Line of the section it belongs in, counted from 1; none when the section is not there either.
        line: Option<usize>,
        /// Dotted path of the key.
        key: String,
        /// What the value may be.
        accepted: String,
    },
    /// A value of the wrong type, out of range, or at odds with another key's.
    #[error("{file}{}: `{key}` is {value}; accepted: {accepted}", at(*.line))]
    Value {
        /// Name or path as given to [`load`](crate::load).
        file: Box<str>,
        /// Line, counted from 1; none when the value is a default.
        line: Option<usize>,
        /// Dotted path of the key.
        key: String,
        /// The value found, shortened.
        value: String,
        /// What it may be.
        accepted: String,
    },
}

fn hint(suggestion: &Option<String>) -> impl Display {
    Optional(suggestion.as_ref().map(|s| format!(" (did you mean `{s}`?)")))
}

fn at(line: Option<usize>) -> impl Display {
    Optional(line.map(|n| format!(":{n}")))
}

struct Optional(Option<String>);

impl Display for Optional {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_deref().unwrap_or(""))
    }
}

/// The candidate that is most like `word`, when one is like enough to be what was meant.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    const LIKE_ENOUGH: f64 = 0.78;
    let scored = candidates.into_iter().map(|c| (strsim::jaro_winkler(word, c), c));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= LIKE_ENOUGH).then(|| best.1.to_owned())
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_typing_error_finds_its_key_and_another_word_finds_none() {
        let keys = ["width", "height", "fps", "formats", "timeout_ms"];
        assert_eq!(nearest("widht", keys).as_deref(), Some("width"));
        assert_eq!(nearest("time_out", keys).as_deref(), Some("timeout_ms"));
        assert_eq!(nearest("zebra", keys), None);
        assert_eq!(nearest("", keys), None);
        assert_eq!(nearest("width", []), None);
    }
}
