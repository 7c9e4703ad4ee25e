//! Whether a board would trust anybody with what it has and what it gets: the rule of its own firmware, over both.

use crate::ProvisionError;
use crate::found::{Found, TrustedFile};
use crate::layout::TRUSTED;
use mtcae_bundle::{KeyError, PublicKey, Rotation, Trust};

/// A file name and its text.
type File<'a> = (&'a str, &'a str);

/// Checks `new` files, name and text, together with those found that stay.
///
/// # Errors
/// `TrustsNobody` with the old file at fault, or with the folder when it is not one alone.
pub(crate) fn check(new: &[(String, String)], found: &Found) -> Result<(), ProvisionError> {
    let stays = |file: &&TrustedFile| file.counts() && !new.iter().any(|(name, _)| *name == file.name);
    let mut old = Vec::new();
    for TrustedFile { name, text } in found.trusted.iter().filter(stays) {
        let text = text.as_deref().ok_or_else(|| nobody(name, "it cannot be read, or leads out of the board"))?;
        parse((name, text), &mut Vec::new(), &mut Vec::new()).map_err(|error| nobody(name, error))?;
        old.push((name.as_str(), text));
    }
    let new: Vec<File<'_>> = new.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let Err(error) = trust(old.iter().chain(&new)) else { return Ok(()) };
    let fits_without = |wrong: &&File<'_>| trust(old.iter().filter(|file| file != wrong).chain(&new)).is_ok();
    Err(nobody(old.iter().find(fits_without).map_or("", |(name, _)| name), error))
}

fn nobody(name: &str, reason: impl std::fmt::Display) -> ProvisionError {
    let path = if name.is_empty() { TRUSTED.to_owned() } else { format!("{TRUSTED}/{name}") };
    ProvisionError::TrustsNobody { path, reason: reason.to_string() }
}

/// As `mtcae_install::trusted_in` does with a folder.
fn trust<'a>(files: impl Iterator<Item = &'a File<'a>>) -> Result<Trust, KeyError> {
    let (mut keys, mut rotations) = (Vec::new(), Vec::new());
    for &file in files {
        parse(file, &mut keys, &mut rotations)?;
    }
    Trust::new(&keys)?.rotated(&rotations)
}

fn parse((name, text): File<'_>, keys: &mut Vec<PublicKey>, rotations: &mut Vec<Rotation>) -> Result<(), KeyError> {
    if name.ends_with(".rotation") {
        rotations.push(text.parse()?);
        return Ok(());
    }
    let key = text.parse()?;
    if !keys.contains(&key) {
        keys.push(key);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_bundle::SigningKey;

    #[test]
    fn old_files_that_do_not_fit_the_new_ones_are_named() {
        let [a, b, c] = [1, 2, 3].map(|seed| SigningKey::from_seed(&[seed; 32]));
        let rotation = |old: &SigningKey, new: &SigningKey| Rotation::sign(old, new.public(), 5).unwrap().to_string();
        let new = [("a.pub".to_owned(), a.public().to_string()), ("a-b.rotation".to_owned(), rotation(&a, &b))];
        let with = |name: &str, text: Option<String>| {
            let trusted = vec![TrustedFile { name: name.to_owned(), text }];
            check(&new, &Found { trusted, ..Found::default() }).map_err(|error| error.to_string())
        };
        assert_eq!(with("c.pub", Some(c.public().to_string() + "\n")), Ok(()));
        assert_eq!(with("copy.pub", Some(a.public().to_string())), Ok(()));
        assert_eq!(with("README", None), Ok(()), "the firmware leaves it alone, too");
        assert_eq!(with("a.pub", Some("damaged".into())), Ok(()), "it is replaced");
        for (name, text) in [
            ("old.rotation", Some(rotation(&a, &c))),
            ("stray.rotation", Some(rotation(&c, &b))),
            ("bad.pub", Some("mtcae".into())),
            ("link.pub", None),
        ] {
            let refused = with(name, text).unwrap_err();
            assert!(refused.starts_with(&format!("with /etc/mtcae/trusted/{name} ")), "{refused}");
        }
    }
}
