//! The first file system of a kernel: a cpio archive in the format `newc` of linux/Documentation/driver-api/early-userspace.

const MAGIC: &[u8] = b"070701";
const TRAILER: &str = "TRAILER!!!";
const FILE: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
const CHARACTER: u32 = 0o020_000;

/// An archive that grows.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// Adds the folder `path` (without a leading `/`); those above it must be there already.
    pub fn folder(&mut self, path: &str) {
        self.entry(path, FOLDER | 0o755, (0, 0), &[]);
    }

    /// Adds a file that everybody may read and run.
    pub fn file(&mut self, path: &str, content: &[u8]) {
        self.entry(path, FILE | 0o755, (0, 0), content);
    }

    /// Adds a character device of these numbers.
    pub fn device(&mut self, path: &str, major: u32, minor: u32) {
        self.entry(path, CHARACTER | 0o600, (major, minor), &[]);
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry(TRAILER, 0, (0, 0), &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), content: &[u8]) {
        self.entries += 1;
        let name_len = path.len() as u32 + 1;
        // inode, mode, user, group, links, time, length, device of the file system, device, length of name, checksum
        let fields = [self.entries, mode, 0, 0, 1, 0, content.len() as u32, 0, 0, device.0, device.1, name_len, 0];
        self.bytes.extend_from_slice(MAGIC);
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Path, mode, device and content.
    type Entry = (String, u32, (u32, u32), Vec<u8>);

    /// The entries before the trailer, as the kernel would read them.
    fn read(mut bytes: &[u8]) -> Vec<Entry> {
        let mut found = Vec::new();
        loop {
            assert_eq!(&bytes[..6], MAGIC);
            let field = |i: usize| u32::from_str_radix(std::str::from_utf8(&bytes[6 + 8 * i..14 + 8 * i]).unwrap(), 16);
            let [mode, len, major, minor, name] = [1, 6, 9, 10, 11].map(|i| field(i).unwrap());
            let name_end = 110 + name as usize;
            let path = std::str::from_utf8(&bytes[110..name_end - 1]).unwrap().to_owned();
            if path == TRAILER {
                return found;
            }
            let from = name_end.next_multiple_of(4);
            let to = from + len as usize;
            found.push((path, mode, (major, minor), bytes[from..to].to_vec()));
            bytes = &bytes[to.next_multiple_of(4)..];
        }
    }

    #[test]
    fn folders_devices_and_programs_are_told_apart() {
        let mut archive = Archive::default();
        archive.folder("dev");
        archive.device("dev/console", 5, 1);
        archive.file("init", b"#!/bin/sh\n");
        let read = read(&archive.finish());
        assert_eq!(read[0], ("dev".to_owned(), 0o040_755, (0, 0), vec![]));
        assert_eq!(read[1], ("dev/console".to_owned(), 0o020_600, (5, 1), vec![]));
        assert_eq!(read[2], ("init".to_owned(), 0o100_755, (0, 0), b"#!/bin/sh\n".to_vec()));
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(files in prop::collection::vec(("[a-z/.]{1,20}", prop::collection::vec(any::<u8>(), 0..70)), 0..8)) {
            let mut archive = Archive::default();
            files.iter().for_each(|(path, content)| archive.file(path, content));
            let found: Vec<_> = read(&archive.finish()).into_iter().map(|(path, _, _, content)| (path, content)).collect();
            prop_assert_eq!(found, files);
        }
    }
}
