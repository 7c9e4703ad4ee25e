//! What the verbs about boards share: their errors, how a flash is shown, and how a board is.

mod carry;
mod facts;
mod failure;
mod show;
mod track;

pub use carry::{Done, carry, look, read_bundle, read_permit};
pub use facts::host_facts;
pub use failure::{BoardFailure, no_slots};
pub use show::{Shown, hello_object, root_object, root_text, table};
pub use track::{Form, Track, json_line};

use crate::failure::Failure;
use std::io::{self, Write};

/// Prints to standard output.
pub fn print(text: &str) -> Result<(), Failure> {
    Ok(io::stdout().write_all(text.as_bytes())?)
}
