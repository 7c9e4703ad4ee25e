//! A run, written down: for a build server, for a browser, for another program, for a person.

mod html;
mod json;
mod junit;
mod markup;
mod plot;
mod text;

pub use html::html;
pub use json::{json, scenario_json};
pub use junit::junit;
pub use text::{list, outcome_line, summary};
