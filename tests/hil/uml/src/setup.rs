//! What a virtual board has.

use std::path::{Path, PathBuf};

/// An HDMI input (0) that the HDMI output can be plugged into, a webcam (1), and that output; no others of vivid's nodes.
const CAMERA: [&str; 6] = [
    "vivid.n_devs=1",
    "vivid.node_types=0x101",
    "vivid.num_inputs=2",
    "vivid.input_types=0x3",
    "vivid.num_outputs=1",
    "vivid.output_types=0x1",
];

/// What a virtual board has.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Folder for the board's own files on this machine.
    pub folder: PathBuf,
    /// Folder that the board sees as `/mnt`, and may write; a script `start` in it runs at every start.
    pub share: PathBuf,
    /// Programs that are to run there; their libraries go along, they themselves do not.
    pub programs: Vec<PathBuf>,
    /// The file of an ext4 disk, `/disk` there.
    pub disk: Option<PathBuf>,
    /// The terminal that is `/dev/ttyS0` there.
    pub serial: Option<String>,
    /// Memory, MiB.
    pub memory_mib: u32,
    /// Time after which the watchdog resets a board that has opened it and does not feed it, seconds.
    pub watchdog_s: u32,
}

impl Setup {
    /// A board with 512 MiB and nothing but a share.
    pub fn new(folder: &Path, share: &Path) -> Setup {
        Setup {
            folder: folder.to_owned(),
            share: share.to_owned(),
            programs: Vec::new(),
            disk: None,
            serial: None,
            memory_mib: 512,
            watchdog_s: 5,
        }
    }

    /// What every kernel is told.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut all = vec![format!("softdog.soft_margin={}", self.watchdog_s)];
        all.extend(["quiet", "loglevel=2", "panic=1"].into_iter().chain(CAMERA).map(str::to_owned));
        all
    }
}
