//! A board's error as the tool shows it: its code and its next step come from the library.

use miette::Diagnostic;
use mtcae_boards::BoardError;
use std::fmt::{self, Display};

/// A board's error.
#[derive(Debug)]
pub struct BoardFailure(pub BoardError);

impl Display for BoardFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// Its causes are part of its text.
impl std::error::Error for BoardFailure {}

impl Diagnostic for BoardFailure {
    fn code<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        Some(Box::new(self.0.code()))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        Some(Box::new(self.0.help()))
    }
}

/// A folder that is not there is no fault of its disk.
pub fn no_slots(error: BoardError) -> BoardError {
    match error {
        BoardError::Slots { path, .. } if !path.exists() => BoardError::Root {
            reason: format!("there are no slots at {}", path.display()),
            help: "`mtcae provision` makes them; or does `dir:` name another folder than the root of a board's file system?"
                .to_owned(),
        },
        error => error,
    }
}
