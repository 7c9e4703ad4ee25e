//! Lines of Linux as pins: of a GPIO chip's character device, or behind a `value` or `brightness` file of sysfs.

use embedded_hal::digital::{Error, ErrorKind, ErrorType, InputPin, OutputPin};
use linux_embedded_hal::CdevPin;
use linux_embedded_hal::gpio_cdev::{Chip, LineRequestFlags};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use thiserror::Error as ThisError;

/// Who holds a line, for `gpioinfo`.
const CONSUMER: &str = "mtcae-firmware";

/// Why a line cannot be opened, read or written.
#[derive(Debug, ThisError)]
pub enum LineError {
    /// There is no such chip or file, or this user may not use it.
    #[error("{name}: {reason}; `gpioinfo` lists chips and lines, and a user needs group gpio for them")]
    Open {
        /// The line, as the board file names it.
        name: String,
        /// What the system says.
        reason: String,
    },
    /// A read or a write failed.
    #[error("{0}")]
    Io(String),
    /// The file of an input holds neither 0 nor 1.
    #[error("the file holds {0:?}, not 0 or 1")]
    Value(String),
}

impl Error for LineError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// An open line.
pub struct Line(Inner);

enum Inner {
    Chip(Box<CdevPin>),
    /// To be read: opened anew each time, as another file may have taken its place, or none.
    Read(PathBuf),
    /// To be written.
    Written(File),
}

impl Line {
    /// Opens `name` to be read: `/dev/gpiochipN:LINE`, or the path of a file that holds 0 or 1.
    ///
    /// # Errors
    /// [`LineError::Open`].
    pub fn input(name: &str) -> Result<Line, LineError> {
        // What cannot be opened now is said now.
        Self::open(name, LineRequestFlags::INPUT, |path| File::open(path).map(|_| Inner::Read(path.to_owned())))
    }

    /// Opens `name` to be written; a line of a chip is low from then on.
    ///
    /// # Errors
    /// [`LineError::Open`].
    pub fn output(name: &str) -> Result<Line, LineError> {
        Self::open(name, LineRequestFlags::OUTPUT, |path| OpenOptions::new().write(true).open(path).map(Inner::Written))
    }

    fn open(
        name: &str,
        flags: LineRequestFlags,
        file: impl FnOnce(&Path) -> std::io::Result<Inner>,
    ) -> Result<Line, LineError> {
        let failed = |reason: String| LineError::Open { name: name.to_owned(), reason };
        let inner = match chip_and_line(name) {
            Some((chip, line)) => Inner::Chip(Box::new(of_chip(chip, line, flags).map_err(|e| failed(e.to_string()))?)),
            None => file(Path::new(name)).map_err(|e| failed(e.to_string()))?,
        };
        Ok(Line(inner))
    }
}

fn chip_and_line(name: &str) -> Option<(&str, u32)> {
    let (chip, line) = name.rsplit_once(':')?;
    Some((chip, line.parse().ok()?))
}

fn of_chip(chip: &str, line: u32, flags: LineRequestFlags) -> Result<CdevPin, Box<dyn std::error::Error>> {
    let line = Chip::new(chip)?.get_line(line)?;
    let handle = line.request(flags, 0, CONSUMER)?;
    Ok(CdevPin::new(handle)?)
}

impl ErrorType for Line {
    type Error = LineError;
}

impl InputPin for Line {
    fn is_high(&mut self) -> Result<bool, LineError> {
        match &mut self.0 {
            Inner::Chip(pin) => pin.is_high().map_err(|e| LineError::Io(e.to_string())),
            Inner::Written(_) => Err(LineError::Io("it was opened to be written".to_owned())),
            Inner::Read(path) => {
                let mut held = [0; 8];
                let read = File::open(path).and_then(|file| file.read_at(&mut held, 0));
                let n = read.map_err(|e| LineError::Io(e.to_string()))?;
                match held[..n].trim_ascii_end() {
                    b"1" => Ok(true),
                    b"0" => Ok(false),
                    other => Err(LineError::Value(String::from_utf8_lossy(other).into_owned())),
                }
            }
        }
    }

    fn is_low(&mut self) -> Result<bool, LineError> {
        self.is_high().map(|high| !high)
    }
}

impl OutputPin for Line {
    fn set_low(&mut self) -> Result<(), LineError> {
        self.set(false)
    }

    fn set_high(&mut self) -> Result<(), LineError> {
        self.set(true)
    }
}

impl Line {
    fn set(&mut self, high: bool) -> Result<(), LineError> {
        match &mut self.0 {
            Inner::Chip(pin) if high => pin.set_high().map_err(|e| LineError::Io(e.to_string())),
            Inner::Chip(pin) => pin.set_low().map_err(|e| LineError::Io(e.to_string())),
            Inner::Read(_) => Err(LineError::Io("it was opened to be read".to_owned())),
            Inner::Written(file) => {
                file.write_all_at(if high { b"1" } else { b"0" }, 0).map_err(|e| LineError::Io(e.to_string()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_pin() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("value");
        let name = path.to_str().unwrap();
        std::fs::write(&path, "1\n").unwrap();
        let mut input = Line::input(name).unwrap();
        assert!(input.is_high().unwrap());
        Line::output(name).unwrap().set_low().unwrap();
        assert!(input.is_low().unwrap());
        for (held, shown) in [("", "\"\""), ("2", "\"2\""), ("high", "\"high\"")] {
            std::fs::write(&path, held).unwrap();
            let said = input.is_high().unwrap_err().to_string();
            assert_eq!(said, format!("the file holds {shown}, not 0 or 1"));
        }
        // Another file takes its place, and then it is gone.
        std::fs::write(dir.path().join("new"), "0").unwrap();
        std::fs::rename(dir.path().join("new"), &path).unwrap();
        assert!(input.is_low().unwrap());
        std::fs::remove_file(&path).unwrap();
        assert!(input.is_high().unwrap_err().to_string().contains("No such file"));
    }

    #[test]
    fn what_is_not_there_is_named() {
        let said = |name: &str| Line::input(name).err().expect("refused").to_string();
        let chip = said("/dev/gpiochip987:12");
        assert!(chip.starts_with("/dev/gpiochip987:12: ") && chip.contains("gpioinfo"), "{chip}");
        let file = said("/nowhere/value");
        assert!(file.starts_with("/nowhere/value: No such file"), "{file}");
        assert!(said("/dev/null:3").starts_with("/dev/null:3: "), "no chip");
    }
}
