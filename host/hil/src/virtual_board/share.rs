//! What a virtual board is given: programs, a model, a board file, pictures, a disk.

use super::{VirtualBoard, picture};
use crate::terminal::Terminal;
use crate::{BenchError, Setup, View};
use std::fmt::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Size of the disk; most of it stays a hole in its file.
const DISK_MIB: u64 = 512;
/// Milliseconds from one frame of a clip to the next.
const HOLD_MS: u32 = 33;

/// How long the daemon waits for a frame, and for the end of a new version's self-test, milliseconds.
const FRAME_MS: u32 = 2_000;
const SELF_TEST_MS: u32 = 20_000;
/// Reports older than this are not sent, milliseconds.
const REPORT_AGE_MS: u32 = 5_000;

/// What the player is told: a file as the board sees it, bytes of a frame, milliseconds for each.
pub(super) struct Order {
    pub text: String,
}

impl VirtualBoard {
    pub(super) fn share(&self) -> PathBuf {
        self.dir.path().join("share")
    }

    /// Folder of the first version's slots, as they are put on a disk.
    fn slots(&self) -> PathBuf {
        self.dir.path().join("first/slots")
    }

    pub(super) fn disk(&self) -> PathBuf {
        self.dir.path().join("disk")
    }

    /// The path of the line, which leads to the terminal that is plugged in.
    pub(super) fn port(&self) -> PathBuf {
        self.dir.path().join("port")
    }

    fn write(&self, path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), BenchError> {
        std::fs::write(path, bytes).map_err(BenchError::system(format!("write {}", path.display())))
    }

    fn folder(&self, path: &Path) -> Result<(), BenchError> {
        std::fs::create_dir_all(path).map_err(BenchError::system(format!("make {}", path.display())))
    }

    pub(super) fn share_programs(&self) -> Result<(), BenchError> {
        let (bin, model) = (self.share().join("bin"), self.share().join("model"));
        [&bin, &model, &self.share().join("views"), &self.share().join("etc")]
            .map(|f| self.folder(f))
            .into_iter()
            .collect::<Result<(), _>>()?;
        let parts = &self.parts;
        let programs = [
            ("mtcae-firmware", Some(&parts.daemon)),
            ("mtcae-launcher", parts.launcher.as_ref()),
            ("vivid", Some(&parts.player)),
            ("freeze", parts.freezer.as_ref()),
        ];
        for (name, from) in programs {
            if let Some(from) = from {
                give_program(from, &bin.join(name))?;
            }
        }
        let list = || BenchError::system(format!("list {}", parts.model.display()));
        for file in std::fs::read_dir(&parts.model).map_err(list())? {
            let file = file.map_err(list())?;
            if file.path().is_file() {
                give(&file.path(), &model.join(file.file_name()))?;
            }
        }
        Ok(())
    }

    /// A fresh pseudo-terminal behind the path that the board opens; its far end.
    pub(super) fn fresh_line(&mut self) -> Result<OwnedFd, BenchError> {
        let (terminal, port) = (Terminal::new()?, self.port());
        self.near = Some(terminal.hold()?);
        let _ = std::fs::remove_file(&port);
        symlink(&terminal.path, &port).map_err(BenchError::system(format!("link {}", port.display())))?;
        Ok(terminal.far)
    }

    /// A disk with the first version in its slots, installed once.
    pub(super) fn fresh_disk(&mut self) -> Result<(), BenchError> {
        let (slots, disk) = (self.slots(), self.disk());
        let trusted = self.share().join("etc/trusted");
        self.first.trust(&trusted)?;
        if !slots.exists() {
            let daemon = self.share().join("bin/mtcae-firmware");
            self.first.install(&daemon, &slots)?;
        }
        let mke2fs = self.mke2fs.as_ref().map_err(|why| BenchError::Board(why.clone()))?;
        let file = std::fs::File::create(&disk).and_then(|file| file.set_len(DISK_MIB << 20));
        file.map_err(BenchError::system("make a disk"))?;
        let mut command = Command::new(mke2fs);
        command.args(["-q", "-F", "-t", "ext4", "-d"]).arg(slots.parent().unwrap_or(&slots)).arg(&disk);
        let made = command.output().map_err(BenchError::system("start mke2fs"))?;
        let words = || format!("mke2fs: {}", String::from_utf8_lossy(&made.stderr).trim());
        if made.status.success() { Ok(()) } else { Err(BenchError::Board(words())) }
    }

    /// Makes the pictures of a view, unless they are there.
    pub(super) fn order(&self, view: &View, format: &str) -> Result<Order, BenchError> {
        let name = match view {
            View::Clip(clip) => format!("{clip}-{format}"),
            View::Still { clip, frame } => format!("{clip}-{frame}-{format}"),
            View::Removable => format!("removable-{format}"),
        };
        let file = self.share().join("views").join(&name);
        let length = file.with_extension("bytes");
        let bytes = match std::fs::read_to_string(&length) {
            Ok(bytes) => bytes,
            Err(_) => {
                let bytes = picture::raw(&self.parts.clips, view, format, &file)?.to_string();
                self.write(&length, &bytes)?;
                bytes
            }
        };
        let hold = HOLD_MS * self.parts.machine.slower();
        Ok(Order { text: format!("/mnt/views/{name} {bytes} {hold}") })
    }

    /// A Y4M file with what the camera sees.
    pub(super) fn y4m(&self, setup: &Setup) -> Result<PathBuf, BenchError> {
        let file = self.dir.path().join("seen.y4m");
        picture::y4m(&self.parts.clips, &setup.view, format_of(setup), &file)?;
        Ok(file)
    }

    pub(super) fn write_board_file(&self, setup: &Setup) -> Result<(), BenchError> {
        let format = format_of(setup);
        // Raw pictures are developed at half their size, and asked for by that.
        let half = if picture::raw_of(format).is_some() { 2 } else { 1 };
        let slower = self.parts.machine.slower();
        let mut text = format!(
            "[board]\nname = \"bench\"\nfamily = \"pc\"\nthermal = \"/tmp/thermal\"\n\
             [camera]\nsource = \"v4l2\"\ndevice = \"/dev/video0\"\nformats = [\"{format}\"]\nwidth = {}\nheight = {}\nfps = 60\n\
             timeout_ms = {}\n\
             [model]\npath = \"/mnt/model\"\n[report]\nstatus_every_ms = {}\nmax_age_ms = {}\n",
            picture::WIDTH / half,
            picture::HEIGHT / half,
            FRAME_MS * slower,
            setup.status_every_ms,
            REPORT_AGE_MS * slower,
        );
        // Writing to a String cannot fail.
        if setup.max_hz > 0.0 {
            let _ = writeln!(text, "max_hz = {:.1}", setup.max_hz);
        }
        if setup.switch || setup.trigger {
            text.push_str("[pins]\n");
        }
        if setup.switch {
            text.push_str("privacy = \"/dev/gpiochip0:0\"\nlight = \"/dev/gpiochip0:1\"\n");
        }
        if setup.trigger {
            text.push_str("trigger = \"/dev/gpiochip0:2\"\n");
        }
        if setup.slots {
            let _ = writeln!(
                text,
                "[update]\nenabled = true\nroot = \"/disk/slots\"\ntrusted = \"/mnt/etc/trusted\"\n\
                 device_key = \"/mnt/etc/device.key\"\nself_test_ms = {}",
                SELF_TEST_MS * slower,
            );
        }
        let _ = writeln!(
            text,
            "[[sink]]\nkind = \"serial\"\nport = \"/dev/ttyS0\"\nbaud = {}",
            setup.baud.clamp(9600, self.parts.machine.fastest_baud())
        );
        self.write(&self.share().join("etc/board.toml"), text)
    }
}

/// The pixel format of a board that is set up so.
pub(super) fn format_of(setup: &Setup) -> &'static str {
    setup.format.unwrap_or(picture::FORMATS[0])
}

/// Gives a program to the board, without what only a debugger reads where that can be taken out.
fn give_program(from: &Path, to: &Path) -> Result<(), BenchError> {
    let stripped = Command::new("strip").arg("-o").arg(to).arg(from).output();
    if stripped.is_ok_and(|strip| strip.status.success()) { Ok(()) } else { give(from, to) }
}

fn give(from: &Path, to: &Path) -> Result<(), BenchError> {
    // Not a link: a link to a link would point to nothing there.
    std::fs::copy(from, to).map(drop).map_err(BenchError::system(format!("copy {}", from.display())))
}
