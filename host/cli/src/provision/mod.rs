//! What `mtcae provision` needs beside its arguments: wishes made into a recipe, its errors, what it says.

mod failure;
mod order;
mod report;

pub use failure::failed;
pub use order::{Order, Wishes};
