//! The targets `uml` and `qemu-arm64`: Linux as a process of this machine, or on an emulated processor, with a camera, a
//! watchdog, an ext4 disk and a serial line of its kernel's, under the real daemon and launcher.

mod bench;
mod guest;
mod machine;
mod picture;
mod share;

use crate::first::First;
use crate::{BenchError, Setup};
use guest::Guest;
pub use machine::Machine;
use mtcae_uml::{Kernel, UmlError};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use tempfile::TempDir;

/// What a virtual board is made of.
#[derive(Debug, Clone)]
pub struct VirtualParts {
    /// What kind of board it is.
    pub machine: Machine,
    /// Folder with the kernel and its busybox, as `tests/hil/uml/build-kernel` or `tests/hil/arm64/build` prints it.
    pub kernel: PathBuf,
    /// The program `mtcae-firmware`, with V4L2.
    pub daemon: PathBuf,
    /// The program `mtcae-launcher`; without it there are no slots.
    pub launcher: Option<PathBuf>,
    /// The example `vivid` of firmware/drivers, which plays pictures into the camera and breaks it.
    pub player: PathBuf,
    /// The example `freeze` of tests/hil/uml, which stops single threads.
    pub freezer: Option<PathBuf>,
    /// The program `mtcae`, which packs bundles.
    pub tool: PathBuf,
    /// Folder of the model.
    pub model: PathBuf,
    /// Folder of the clips that ship, `tests/data`.
    pub clips: PathBuf,
}

/// A bench with a virtual board.
pub struct VirtualBoard {
    parts: VirtualParts,
    kernel: Kernel,
    /// Holds everything; the board's share, its disk and its line are made anew at each start.
    dir: TempDir,
    first: First,
    /// What makes an ext4 file system in a file, or why there is none.
    mke2fs: Result<PathBuf, String>,
    setup: Setup,
    guest: Option<Guest>,
    /// Held open while the line is plugged in, so that a board without power does not pull it out.
    near: Option<OwnedFd>,
    /// The far end of a line that the board finds at its start, until it is plugged in.
    ready: Option<OwnedFd>,
}

impl VirtualBoard {
    /// A bench of these parts.
    ///
    /// # Errors
    /// When a part is missing, or there is no room for files.
    pub fn new(parts: VirtualParts) -> Result<VirtualBoard, BenchError> {
        for path in [&parts.daemon, &parts.player, &parts.model, &parts.clips] {
            path.metadata().map_err(BenchError::system(format!("find {}", path.display())))?;
        }
        let dir = tempfile::tempdir().map_err(BenchError::system("make a folder"))?;
        let places = ["/usr/sbin/mke2fs", "/sbin/mke2fs"].map(PathBuf::from);
        let mke2fs = places.into_iter().find(|path| path.exists());
        let machine = parts.machine;
        let bench = VirtualBoard {
            kernel: machine.kernel(&parts.kernel)?,
            first: First::new(&parts.tool, &parts.model, dir.path(), machine.triple()),
            mke2fs: mke2fs.ok_or_else(|| "mke2fs makes its disk, and is missing (package e2fsprogs)".to_owned()),
            parts,
            dir,
            setup: Setup::default(),
            guest: None,
            near: None,
            ready: None,
        };
        bench.share_programs()?;
        Ok(bench)
    }
}

impl From<UmlError> for BenchError {
    fn from(error: UmlError) -> BenchError {
        BenchError::Board(error.to_string())
    }
}
