//! What a local board is given: frames, and a board file.

use super::Local;
use crate::{BenchError, Setup, View, clip};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Pictures of a camera that can be taken away.
const PICTURES: usize = 25;

impl Local {
    /// The path of a clip that ships.
    fn clip(&self, name: &str) -> PathBuf {
        self.parts.clips.join(format!("{name}.avi"))
    }

    /// What the camera sees, as the path of a file or folder.
    fn view(&self, view: &View) -> Result<PathBuf, BenchError> {
        if let View::Clip(name) = view {
            return Ok(self.clip(name));
        }
        self.folder(&self.pictures())?;
        self.frames(view, &self.pictures())?;
        Ok(self.pictures())
    }

    /// Writes the pictures of a view into a folder.
    pub(super) fn frames(&self, view: &View, folder: &Path) -> Result<(), BenchError> {
        let frames = match view {
            View::Clip(name) => clip::frames(&self.clip(name))?,
            View::Still { clip, frame } => {
                let frames = clip::frames(&self.clip(clip))?;
                let none = || BenchError::Board(format!("{clip} has {} frames, and no frame {frame}", frames.len()));
                vec![frames.get(*frame).ok_or_else(none)?.clone(); 2]
            }
            View::Removable => clip::frames(&self.clip("astronaut"))?.into_iter().take(PICTURES).collect(),
        };
        frames.iter().enumerate().try_for_each(|(i, frame)| self.write(&folder.join(format!("{i:03}.jpg")), frame))
    }

    pub(super) fn write_board_file(&self, setup: &Setup) -> Result<(), BenchError> {
        let (view, board) = (self.view(&setup.view)?, self.board_dir());
        let mut text = format!(
            "[board]\nname = \"bench\"\nfamily = \"pc\"\nthermal = {:?}\n\
             [camera]\nsource = \"file\"\npath = {view:?}\nloop = true\nrealtime = true\n\
             [model]\npath = {:?}\n[report]\nstatus_every_ms = {}\n",
            board.join("thermal"),
            self.parts.model,
            setup.status_every_ms,
        );
        // Writing to a String cannot fail.
        if setup.max_hz > 0.0 {
            let _ = writeln!(text, "max_hz = {:.1}", setup.max_hz);
        }
        if setup.switch || setup.trigger {
            text.push_str("[pins]\n");
        }
        if setup.switch {
            let _ = writeln!(text, "privacy = {:?}\nlight = {:?}", board.join("switch"), self.light());
        }
        if setup.trigger {
            let _ = writeln!(text, "trigger = {:?}", self.trigger());
        }
        if setup.slots {
            let (root, etc) = (self.slots_dir(), self.etc());
            let _ = writeln!(
                text,
                "[update]\nenabled = true\nroot = {root:?}\ntrusted = {:?}\ndevice_key = {:?}\nself_test_ms = 20000",
                etc.join("trusted"),
                etc.join("device.key"),
            );
        }
        if let Some(broker) = &self.broker {
            let _ = writeln!(text, "{}", broker.sink());
        }
        let port = self.line.path().join("port");
        let _ = writeln!(text, "[[sink]]\nkind = \"serial\"\nport = {port:?}\nbaud = {}", setup.baud.max(9600));
        self.write(&self.board_file(), text)
    }
}
