//! The board file of a board that is provisioned.

use crate::{DEVICE_KEY, ProvisionError, SLOTS, TRUSTED};
use mtcae_board_configs::{Board, load, renamed};

/// A valid board file whose paths are those of a provisioned board.
#[derive(Debug, Clone)]
pub struct BoardFile {
    /// Its text.
    pub text: String,
    /// What it says.
    pub board: Board,
}

impl BoardFile {
    /// The board file `text`, for the board `name` when one is given; `file` is what messages call it.
    ///
    /// # Errors
    /// When it is wrong, or says that slots or keys are elsewhere.
    pub fn new(file: &str, text: &str, name: Option<&str>) -> Result<BoardFile, ProvisionError> {
        let text = name.map_or_else(|| Ok(text.to_owned()), |name| renamed(file, text, name))?;
        let board = load(file, &text)?;
        let update = &board.update;
        for (key, found, accepted) in [
            ("update.root", &update.root, SLOTS),
            ("update.trusted", &update.trusted, TRUSTED),
            ("update.device_key", &update.device_key, DEVICE_KEY),
        ] {
            if found != accepted {
                return Err(ProvisionError::Elsewhere { file: file.to_owned(), key, found: found.clone(), accepted });
            }
        }
        Ok(BoardFile { text, board })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_with_slots_elsewhere_is_not_provisioned() {
        let about = "[board]\nname = \"any\"\nfamily = \"pc\"\n";
        assert_eq!(BoardFile::new("any.toml", about, Some("robot-17")).unwrap().board.about.name, "robot-17");
        let text = format!("{about}[update]\nroot = \"/data/mtcae\"\n");
        let error = BoardFile::new("any.toml", &text, None).unwrap_err();
        insta::assert_snapshot!(error, @r#"any.toml: `update.root` is "/data/mtcae"; accepted: "/var/lib/mtcae", where a provisioned board has it"#);
    }
}
