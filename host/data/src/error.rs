//! What can go wrong with data on disk.

use std::path::PathBuf;
use thiserror::Error;

/// Why a data set or a shard cannot be used.
#[derive(Debug, Error)]
pub enum DataError {
    /// A file could not be read or written.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A file in the place of a data set is no archive.
    #[error("{}: not a whole tar archive: {}; accepted: a folder or a plain tar archive with one folder for each expression", path.display(), cause.to_string().escape_debug())]
    Archive {
        /// The file.
        path: PathBuf,
        /// What its reader said.
        cause: std::io::Error,
    },
    /// A file is there, but it is not a shard this crate reads.
    #[error("{}: not a usable shard: {why}", path.display())]
    Shard {
        /// The shard.
        path: PathBuf,
        /// Which tensor or key is wrong, what it is and what is accepted.
        why: String,
    },
    /// An older shard, which cannot be asked which of its pictures are elsewhere, too.
    #[error("{}: the shard keeps no hashes of its pictures; make it again with `mtcae data`", path.display())]
    NoPictureHashes {
        /// The shard.
        path: PathBuf,
    },
    /// The job asks for something that cannot be done.
    #[error("{what} is {value}; accepted: {accepted}")]
    Job {
        /// Field of the job.
        what: &'static str,
        /// Its value.
        value: String,
        /// What would be accepted.
        accepted: &'static str,
    },
    /// A folder or archive that holds no `class/picture` entry with a known class.
    #[error("{}: no pictures in folders named by expression, such as happy/0001.jpg{instead}", path.display())]
    Empty {
        /// The folder or archive.
        path: PathBuf,
        /// Which folders with pictures there are; empty when none.
        instead: String,
    },
    /// A folder is said to show an expression, and there is none with pictures.
    #[error("--folder names `{folder}`; accepted: folders with pictures in {}", path.display())]
    NoSuchFolder {
        /// Its name.
        folder: String,
        /// The folder or archive that should hold it.
        path: PathBuf,
    },
    /// There are pictures, and not one of them becomes a sample.
    #[error("{}: none of its {found} picture(s) becomes a sample: {why}", path.display())]
    NoneTaken {
        /// The folder or archive.
        path: PathBuf,
        /// Pictures in folders named by expression.
        found: usize,
        /// What all of them lack.
        why: String,
    },
    /// A folder without a single video.
    #[error("{}: no videos below it; accepted extensions: {accepted}", path.display())]
    NoVideos {
        /// The folder.
        path: PathBuf,
        /// Extensions that are looked for.
        accepted: String,
    },
    /// There are videos, and not one of them becomes a clip.
    #[error("{}: none of its {found} video(s) becomes a clip: {why}", path.display())]
    NoClip {
        /// The folder.
        path: PathBuf,
        /// Videos in it.
        found: usize,
        /// What the first of them lack.
        why: String,
    },
    /// `ffmpeg` or `ffprobe` cannot be used.
    #[error("{0}")]
    Ffmpeg(String),
    /// Clips cannot be rendered.
    #[error(transparent)]
    Synth(#[from] mtcae_synth::SynthError),
    /// The detector failed to run (not: found nothing).
    #[error("face detector: {0}")]
    Detector(String),
}

impl DataError {
    pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> DataError {
        let path = path.to_owned();
        move |cause| DataError::Io { path, cause }
    }
}
