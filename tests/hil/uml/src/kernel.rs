//! What a virtual board is started with: Linux as a process of this machine, or Linux on an emulated processor.

use crate::archive::Archive;
use crate::{Setup, UmlError, libraries};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const INIT: &[u8] = include_bytes!("../guest/init");
/// What emulates an arm64 board.
const EMULATOR: &str = "qemu-system-aarch64";
/// The emulator's board, with a processor that has the instructions of a Jetson Orin's (Cortex-A78AE), as far as it knows
/// them.
const BOARD: &str = "-M virt -cpu cortex-a76 -smp 2 -accel tcg,thread=multi -nodefaults -no-user-config";

/// What `build-kernel` or `arm64/build` made.
#[derive(Debug, Clone)]
pub struct Kernel {
    linux: PathBuf,
    busybox: PathBuf,
    /// Folder of the modules and libraries of an emulated board.
    emulated: Option<PathBuf>,
}

impl Kernel {
    /// The kernel and the busybox in the folder that `build-kernel` printed.
    ///
    /// # Errors
    /// [`UmlError::NoKernel`] when one of them is not there.
    pub fn in_folder(folder: &Path) -> Result<Kernel, UmlError> {
        let part = |name| part(folder, name, "tests/hil/uml/build-kernel");
        Ok(Kernel { linux: part("linux")?, busybox: part("busybox")?, emulated: None })
    }

    /// The kernel of an emulated board in the folder that `tests/hil/arm64/build` printed.
    ///
    /// # Errors
    /// [`UmlError::NoKernel`] when a part of it is not there.
    pub fn emulated(folder: &Path) -> Result<Kernel, UmlError> {
        let part = |name| part(folder, name, "tests/hil/arm64/build");
        part("modules/order").and(part("lib/libc.so.6"))?;
        Ok(Kernel { linux: part("linux")?, busybox: part("busybox")?, emulated: Some(folder.to_owned()) })
    }

    /// More than a start takes on a busy machine.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(if self.emulated.is_some() { 240 } else { 60 })
    }

    /// What starts a board, with `initrd` as its first file system.
    pub(crate) fn command(&self, setup: &Setup, initrd: &Path) -> Command {
        let mut command = match &self.emulated {
            Some(_) => Command::new(EMULATOR),
            None => Command::new(&self.linux),
        };
        match &self.emulated {
            Some(_) => command.args(self.devices(setup, initrd)),
            None => command.args(arguments(setup, initrd)),
        };
        command.env("TMPDIR", &setup.folder);
        command
    }

    /// The emulator's arguments: a console on its own input and output, a folder, a line and a disk on the PCI bus.
    fn devices(&self, setup: &Setup, initrd: &Path) -> Vec<String> {
        let mut all: Vec<String> = BOARD.split(' ').map(str::to_owned).collect();
        let mut add = |name: &str, value: String| all.extend([name.to_owned(), value]);
        add("-m", setup.memory_mib.to_string());
        add("-display", "none".to_owned());
        add("-kernel", self.linux.display().to_string());
        add("-initrd", initrd.display().to_string());
        add("-append", format!("console=ttyAMA0 {}", setup.words().join(" ")));
        add("-chardev", "stdio,id=console,signal=off".to_owned());
        add("-serial", "chardev:console".to_owned());
        add("-fsdev", format!("local,id=share,path={},security_model=none", escaped(&setup.share)));
        add("-device", "virtio-9p-pci,fsdev=share,mount_tag=share".to_owned());
        if let Some(tty) = &setup.serial {
            add("-chardev", format!("serial,id=line,path={tty}"));
            add("-device", "pci-serial,chardev=line".to_owned());
        }
        if let Some(disk) = &setup.disk {
            add("-drive", format!("if=none,id=disk,format=raw,file={}", escaped(disk)));
            add("-device", "virtio-blk-pci,drive=disk".to_owned());
        }
        all
    }

    /// The first file system, as an archive.
    pub(crate) fn initrd(&self, setup: &Setup) -> Result<Vec<u8>, UmlError> {
        let mut files = Files::default();
        ["dev/", "bin/"].iter().for_each(|path| files.folders_of(path));
        files.archive.device("dev/console", 5, 1);
        files.archive.file("init", INIT);
        files.add("bin/busybox", &self.busybox)?;
        match &self.emulated {
            Some(folder) => ["modules", "lib"].iter().try_for_each(|name| files.all_of(name, &folder.join(name)))?,
            None => {
                for library in libraries(&setup.programs)? {
                    files.add(library.to_string_lossy().trim_start_matches('/'), &library)?;
                }
            }
        }
        Ok(files.archive.finish())
    }
}

fn part(folder: &Path, name: &str, script: &'static str) -> Result<PathBuf, UmlError> {
    let path = folder.join(name);
    if path.is_file() { Ok(path) } else { Err(UmlError::NoKernel { path, script }) }
}

/// A path in an option of the emulator, where a comma begins the next one.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// The arguments of Linux as a process.
fn arguments(setup: &Setup, initrd: &Path) -> Vec<String> {
    let mut all: Vec<String> = [
        format!("mem={}M", setup.memory_mib),
        format!("initrd={}", initrd.display()),
        format!("uml_dir={}", setup.folder.display()),
        format!("MTCAE_SHARE={}", setup.share.display()),
    ]
    .into();
    all.extend(["con=null", "con0=fd:0,fd:1", "ssl=null"].map(str::to_owned));
    all.extend(setup.words());
    all.extend(setup.disk.iter().map(|disk| format!("ubd0={}", disk.display())));
    all.extend(setup.serial.iter().map(|tty| format!("ssl0=tty:{tty}")));
    all
}

/// An archive that is filled from files of this machine.
#[derive(Default)]
struct Files {
    archive: Archive,
    folders: BTreeSet<String>,
}

impl Files {
    /// Adds the folders above `path`, unless they are there.
    fn folders_of(&mut self, path: &str) {
        for (at, _) in path.match_indices('/') {
            if self.folders.insert(path[..at].to_owned()) {
                self.archive.folder(&path[..at]);
            }
        }
    }

    fn add(&mut self, path: &str, from: &Path) -> Result<(), UmlError> {
        let bytes = std::fs::read(from).map_err(|e| UmlError::host(from.display().to_string(), e))?;
        self.folders_of(path);
        self.archive.file(path, &bytes);
        Ok(())
    }

    fn all_of(&mut self, name: &str, folder: &Path) -> Result<(), UmlError> {
        let list = std::fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
        let mut paths: Vec<PathBuf> =
            list.map_err(|e| UmlError::host(folder.display().to_string(), e))?.iter().map(|f| f.path()).collect();
        paths.sort();
        paths.iter().try_for_each(|path| {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            self.add(&format!("{name}/{file}"), path)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_part_says_what_makes_it() {
        let dir = tempfile::tempdir().unwrap();
        let why = |kernel: Result<Kernel, UmlError>| kernel.unwrap_err().to_string();
        assert!(why(Kernel::in_folder(dir.path())).ends_with("/linux is missing; tests/hil/uml/build-kernel makes it"));
        assert!(
            why(Kernel::emulated(dir.path())).ends_with("/modules/order is missing; tests/hil/arm64/build makes it")
        );
    }

    #[test]
    fn an_emulated_board_has_its_modules_and_libraries_and_only_the_devices_it_is_given() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("linux", ""), ("busybox", "b"), ("modules/order", "a.ko\n"), ("lib/libc.so.6", "c")] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let kernel = Kernel::emulated(dir.path()).unwrap();
        let mut setup = Setup::new(dir.path(), Path::new("/some,where"));
        let archive = String::from_utf8_lossy(&kernel.initrd(&setup).unwrap()).into_owned();
        for path in ["init\0", "bin/busybox\0", "modules\0", "modules/order\0", "lib/libc.so.6\0"] {
            assert!(archive.contains(path), "{path}");
        }
        let words = |setup: &Setup| kernel.devices(setup, Path::new("/initrd")).join(" ");
        let bare = words(&setup);
        assert!(bare.contains("-m 512 ") && bare.contains("path=/some,,where,") && !bare.contains("pci-serial"));
        (setup.serial, setup.disk) = (Some("/tty".to_owned()), Some(PathBuf::from("/disk")));
        let full = words(&setup);
        assert!(full.contains("serial,id=line,path=/tty") && full.contains("format=raw,file=/disk"), "{full}");
    }
}
