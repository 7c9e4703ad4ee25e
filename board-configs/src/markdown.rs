//! The table of all keys, for the README.

use crate::board::SECTIONS;

/// Every key with what it accepts, its default and what it is, as a Markdown table.
pub fn keys_as_markdown() -> String {
    let mut table = String::from("| key | default | accepted | what it is |\n|---|---|---|---|\n");
    for (section, groups) in SECTIONS {
        for key in groups.iter().flat_map(|keys| keys.iter()) {
            let default = key.default.map_or("must be given".to_owned(), |text| format!("`{}`", text()));
            let (accepted, about) = (key.accepts.describe(), key.about.trim());
            table += &format!("| `{section}.{}` | {default} | {accepted} | {about} |\n", key.name);
        }
    }
    table
}
