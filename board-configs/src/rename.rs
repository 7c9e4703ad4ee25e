//! One board file for many boards: the same text with another name.

use crate::{BoardError, load};
use toml::de::DeTable;

/// The board file `text` with `board.name` set to `name`, comments and all; `file` is what error messages call it.
///
/// # Errors
/// When the file is wrong, or the name is not one a board can have.
pub fn renamed(file: &str, text: &str, name: &str) -> Result<String, BoardError> {
    load(file, text)?;
    let span = DeTable::parse(text).ok().and_then(|table| {
        let about = table.get_ref().get("board")?.get_ref().as_table()?;
        Some(about.get("name")?.span())
    });
    let mut text = text.to_owned();
    // A valid file has the key.
    if let Some(span) = span {
        text.replace_range(span, &format!("{name:?}"));
    }
    load(file, &text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_changes() {
        let text = "# ours\n[board]\nfamily = \"pc\"\nname = 'any' # of ten\n[model]\nthreads = 2\n";
        let renamed_text = renamed("any.toml", text, "robot-17").unwrap();
        assert_eq!(renamed_text, text.replace("'any'", "\"robot-17\""));
        assert_eq!(load("x", &renamed_text).unwrap().about.name, "robot-17");
        for shipped in crate::builtin() {
            let own = renamed(shipped.name, shipped.text, shipped.name).unwrap();
            assert_eq!(own, shipped.text, "{}", shipped.name);
        }
    }

    #[test]
    fn a_wrong_name_or_file_is_refused() {
        let good = "[board]\nfamily = \"pc\"\nname = \"any\"\n";
        for name in ["", "Robot 17", "a\"\nfamily = \"x", &"a".repeat(33)] {
            assert!(renamed("any.toml", good, name).is_err(), "{name}");
        }
        insta::assert_snapshot!(renamed("any.toml", good, "Robot 17").unwrap_err(), @r#"any.toml:3: `board.name` is "Robot 17"; accepted: 1 to 32 of a-z, 0-9 and -, in quotes"#);
        assert!(renamed("any.toml", "[board]\nfamily = \"pc\"\n", "robot-17").is_err());
    }
}
