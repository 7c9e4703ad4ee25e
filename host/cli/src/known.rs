//! Where the person who runs this keeps keys for boards on the network.

use mtcae_boards::KnownBoards;
use std::env;
use std::path::PathBuf;

/// The keys in `mtcae` in `$XDG_CONFIG_HOME`, else in `~/.config`; nowhere when neither is an absolute path.
pub fn known_boards() -> KnownBoards {
    let path = |name: &str| env::var_os(name).map(PathBuf::from);
    KnownBoards::new(folder_in(path("XDG_CONFIG_HOME"), path("HOME")))
}

fn folder_in(config: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    // A relative path there does not count, says the XDG base directory specification.
    let absolute = |path: Option<PathBuf>| path.filter(|path| path.is_absolute());
    let config = absolute(config).or_else(|| absolute(home).map(|home| home.join(".config")));
    config.map(|config| config.join("mtcae"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_the_users() {
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(folder_in(path("/c"), path("/h")), path("/c/mtcae"));
        assert_eq!(folder_in(path("relative"), path("/h")), path("/h/.config/mtcae"));
        assert_eq!(folder_in(None, path("")), None);
    }
}
