//! What a video's path says: expression, person, and whether it is one to take. Pure: nothing is opened here.

mod cremad;
mod folder;
mod mead;
mod ravdess;

use crate::Naming;
use mtcae_contract::{Expression, LabelSet};

/// How the videos of a data set are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// RAVDESS: `01-01-03-02-01-02-11.mp4`.
    Ravdess {
        /// Calm is a class of its own (eight classes); otherwise it counts as neutral (seven, the paper).
        calm: bool,
        /// Songs are taken, too.
        song: bool,
    },
    /// CREMA-D: `1001_DFA_ANG_XX.flv`.
    CremaD,
    /// MEAD: `M003/video/front/angry/level_1/001.mp4`.
    Mead {
        /// All seven cameras instead of the one in front.
        all_views: bool,
    },
    /// A folder for each expression: `happy/name.mp4`.
    Folder {
        /// What the file names say of the person.
        naming: Naming,
        /// Contempt is a class, too.
        contempt: bool,
    },
}

/// What a path says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub expression: Expression,
    /// The person, unique among all data sets, for example `ravdess-11`.
    pub subject: String,
    /// Equal for files that show the same recording.
    pub recording: String,
}

/// Why a path is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NameFault {
    /// The name breaks its scheme: field, value and what is accepted.
    Misnamed(String),
    /// A good name of something that is not wanted, and what that is.
    Unwanted(String),
}

impl Scheme {
    /// The name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Scheme::Ravdess { .. } => "ravdess",
            Scheme::CremaD => "cremad",
            Scheme::Mead { .. } => "mead",
            Scheme::Folder { .. } => "folder",
        }
    }

    /// Whether nobody knows who is in a video, so that each is its own person.
    pub(crate) fn is_by_file(&self) -> bool {
        matches!(self, Scheme::Folder { naming: Naming::File, .. })
    }

    /// The classes, in the order of a network's logits.
    pub fn labels(&self) -> LabelSet {
        use Expression::*;
        let seven = [Neutral, Happy, Sad, Angry, Fear, Disgust, Surprise];
        let labels = match self {
            Scheme::Ravdess { calm: true, .. } => vec![Neutral, Calm, Happy, Sad, Angry, Fear, Disgust, Surprise],
            Scheme::Mead { .. } | Scheme::Folder { contempt: true, .. } => [&seven[..], &[Contempt]].concat(),
            Scheme::CremaD => seven[..6].to_vec(),
            Scheme::Ravdess { .. } | Scheme::Folder { .. } => seven.to_vec(),
        };
        // Each of them is a valid set; the test of this module says so.
        LabelSet::new(labels).unwrap_or_else(|_| LabelSet::seven())
    }

    /// Reads `path`, the file's place below the data set's root, with `/` between.
    pub(crate) fn read(&self, path: &str) -> Result<Named, NameFault> {
        match *self {
            Scheme::Ravdess { calm, song } => ravdess::read(path, calm, song),
            Scheme::CremaD => cremad::read(path),
            Scheme::Mead { all_views } => mead::read(path, all_views),
            Scheme::Folder { naming, contempt } => folder::read(path, naming, contempt),
        }
    }
}

/// The file's name without folders and extension.
fn stem(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

fn misnamed(field: &str, value: &str, accepted: &str) -> NameFault {
    NameFault::Misnamed(format!("{field} is {value:?}; accepted: {accepted}"))
}

/// A field of exactly `digits` digits within `from..=to`.
fn number(field: &str, text: &str, digits: usize, from: u32, to: u32) -> Result<u32, NameFault> {
    let plain = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(n) if plain && (from..=to).contains(&n) => Ok(n),
        _ => Err(misnamed(field, text, &format!("{from:0digits$} to {to:0digits$}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(super) const ALL: [Scheme; 8] = [
        Scheme::Ravdess { calm: false, song: false },
        Scheme::Ravdess { calm: true, song: true },
        Scheme::CremaD,
        Scheme::Mead { all_views: false },
        Scheme::Mead { all_views: true },
        Scheme::Folder { naming: Naming::File, contempt: false },
        Scheme::Folder { naming: Naming::PersonNumber, contempt: true },
        Scheme::Folder { naming: Naming::PersonNumber, contempt: false },
    ];

    #[test]
    fn classes_are_those_of_the_data_set() {
        assert_eq!(ALL.map(|s| s.labels().len()), [7, 8, 6, 8, 8, 7, 8, 7]);
    }

    #[test]
    fn a_stem_has_neither_folder_nor_extension() {
        assert_eq!(["a/b.c.mp4", "b", ".x", "a/"].map(stem), ["b.c", "b", "", ""]);
    }

    proptest! {
        /// Whatever a file is called: an answer, and never a label that the set lacks.
        #[test]
        fn any_path_is_answered(path in "[a-zA-Z0-9_./ -]{0,40}|([0-9]{2}-){6}[0-9]{2}\\.mp4|[0-9]{4}_[A-Z]{3}_[A-Z]{3}_[A-Z]{2}\\.flv") {
            for scheme in ALL {
                if let Ok(named) = scheme.read(&path) {
                    prop_assert!(scheme.labels().index_of(named.expression).is_some(), "{path}: {named:?}");
                    prop_assert!(!named.subject.is_empty() && !named.recording.is_empty());
                }
            }
        }
    }
}
