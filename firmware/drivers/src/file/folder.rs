//! A folder of pictures in the order a person would number them.

use super::{Coding, Found, ReadError, Reader};
use std::cmp::Ordering;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) const PNG_MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Pictures of a folder at most.
const MAX_PICTURES: usize = 1_000_000;
/// Largest picture file, bytes.
const MAX_BYTES: u64 = 64 << 20;

pub(super) struct Folder {
    pictures: Vec<PathBuf>,
    next: usize,
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Folder, ReadError> {
        let mut pictures = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let path = entry?.path();
            if is_picture(&path) {
                pictures.push(path);
            }
            if pictures.len() > MAX_PICTURES {
                return Err(ReadError::Broken(format!("the folder holds more than {MAX_PICTURES} pictures")));
            }
        }
        if pictures.is_empty() {
            return Err(ReadError::Broken("the folder holds no .jpg, .jpeg or .png file".into()));
        }
        pictures.sort_by(|a, b| natural(&a.to_string_lossy(), &b.to_string_lossy()));
        Ok(Folder { pictures, next: 0 })
    }

    pub(super) fn single(path: &Path) -> Folder {
        Folder { pictures: vec![path.to_owned()], next: 0 }
    }
}

impl Reader for Folder {
    fn format(&self) -> &'static str {
        "stills"
    }

    fn coding(&self) -> Coding {
        Coding::Still
    }

    fn fps(&self) -> Option<f32> {
        None
    }

    fn read(&mut self, frame: &mut Vec<u8>, _timeout: Duration) -> Result<Found, ReadError> {
        let Some(path) = self.pictures.get(self.next) else { return Ok(Found::End) };
        self.next += 1;
        frame.clear();
        let bad = |e: std::io::Error| match path.parent() {
            // The whole folder is gone, as a disk that was unplugged.
            Some(folder) if !folder.is_dir() => ReadError::Io(e),
            _ => ReadError::Bad(format!("{}: {e}", path.display())),
        };
        let read = File::open(path).map_err(bad)?.take(MAX_BYTES + 1).read_to_end(frame).map_err(bad)?;
        if read as u64 > MAX_BYTES {
            return Err(ReadError::Bad(format!("{}: larger than {} MiB", path.display(), MAX_BYTES >> 20)));
        }
        Ok(Found::Frame)
    }

    fn rewind(&mut self) -> Result<(), ReadError> {
        self.next = 0;
        Ok(())
    }
}

fn is_picture(path: &Path) -> bool {
    let ext = path.extension().map(|e| e.to_ascii_lowercase());
    ext.is_some_and(|e| e == "jpg" || e == "jpeg" || e == "png") && path.is_file()
}

/// Runs of digits by their value, everything else by its characters: `2.png` before `10.png`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (x, y) = (digits(a), digits(b));
        if !x.is_empty() && !y.is_empty() {
            let (v, w) = (x.trim_start_matches('0'), y.trim_start_matches('0'));
            let by_value = v.len().cmp(&w.len()).then_with(|| v.cmp(w)).then_with(|| x.len().cmp(&y.len()));
            if by_value != Ordering::Equal {
                return by_value;
            }
            (a, b) = (&a[x.len()..], &b[y.len()..]);
            continue;
        }
        let (mut s, mut t) = (a.chars(), b.chars());
        match (s.next(), t.next()) {
            (None, None) => return Ordering::Equal,
            (x, y) if x != y => return x.cmp(&y),
            _ => (a, b) = (s.as_str(), t.as_str()),
        }
    }
}

fn digits(s: &str) -> &str {
    let n = s.bytes().take_while(u8::is_ascii_digit).count();
    &s[..n]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_sort_by_value() {
        let mut names = ["f10.png", "f9.png", "f09.png", "e", "f1.png", "é2", "f1.jpg", "é10"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["e", "f1.jpg", "f1.png", "f9.png", "f09.png", "f10.png", "é2", "é10"]);
    }
}
