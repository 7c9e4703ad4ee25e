//! What a program is made for, by its ELF header, and what a board is, by its name for that.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Numbers in an ELF header, names that `uname -m` gives.
const KNOWN: [(u16, &str, &[&str]); 4] = [
    (62, "x86_64", &["x86_64"]),
    (183, "aarch64", &["aarch64", "arm64"]),
    (40, "armv7", &["armv7l", "armv6l", "armhf"]),
    (243, "riscv64", &["riscv64"]),
];

/// A kind of processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Processor(u16);

impl Processor {
    /// That of the program at `path`; `None` when it is none for Linux, or for a processor that is not known here.
    pub fn of_program(path: &Path) -> Option<Processor> {
        let mut head = [0; 20];
        File::open(path).and_then(|mut file| file.read_exact(&mut head)).ok()?;
        Processor::of_head(&head)
    }

    /// That of a program that starts with these bytes.
    pub fn of_head(head: &[u8; 20]) -> Option<Processor> {
        // An ELF file, little-endian.
        if !head.starts_with(b"\x7fELF") || head[5] != 1 {
            return None;
        }
        let number = u16::from_le_bytes([head[18], head[19]]);
        KNOWN.iter().any(|known| known.0 == number).then_some(Processor(number))
    }

    /// That of a system whose `uname -m` is `name`.
    pub fn named(name: &str) -> Option<Processor> {
        KNOWN.iter().find(|known| known.2.contains(&name)).map(|known| Processor(known.0))
    }
}

impl fmt::Display for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(KNOWN.iter().find(|known| known.0 == self.0).map_or("an unknown processor", |known| known.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_systems_have_the_same_names() {
        let own = Processor::of_program(&std::env::current_exe().unwrap()).expect("this test is a program");
        assert_eq!(Processor::named(std::env::consts::ARCH), Some(own));
        assert_eq!(own.to_string(), std::env::consts::ARCH);
        assert_eq!((Processor::of_head(&[0; 20]), Processor::named("z80")), (None, None));
        assert_eq!(Processor::of_program(Path::new("/etc/hostname")), None);
    }
}
