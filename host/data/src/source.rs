//! Where pictures come from: a folder or a tar archive with one folder per expression.

#![allow(unsafe_code)]

use crate::DataError;
use crate::hash::fingerprint;
use memmap2::Mmap;
use mtcae_contract::Expression;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fs::{File, Metadata},
    io::Cursor,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

/// Ends of names of pictures that are not read: passed over, but not without a word.
const FOREIGN: [&str; 10] = ["avif", "bmp", "gif", "heic", "heif", "jp2", "jxl", "tif", "tiff", "webp"];

/// Largest picture file read, bytes.
const MAX_FILE: u64 = 64 << 20;

/// One picture file, not read yet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// `class/name.jpg` inside the source.
    pub name: String,
    /// What the folder's name says.
    pub expression: Expression,
    place: Place,
}

#[derive(Debug, Clone, PartialEq)]
enum Place {
    File(PathBuf),
    Span(usize, usize),
}

impl Entry {
    /// The file's name without folder and extension.
    pub fn stem(&self) -> &str {
        let file = self.name.rsplit('/').next().unwrap_or(&self.name);
        file.rsplit_once('.').map_or(file, |(stem, _)| stem)
    }
}

/// What folders show whose name is no expression, or another one than theirs: by the folder's name.
pub type Folders = BTreeMap<String, Expression>;

/// A folder or archive with its pictures listed, sorted by name.
#[derive(Debug)]
pub(crate) struct Source {
    pub entries: Vec<Entry>,
    /// Pictures in folders of which nobody knows what they show, by the folder's name.
    pub unnamed: BTreeMap<String, usize>,
    /// Pictures in other formats than are read, by the end of their name.
    pub foreign: BTreeMap<String, usize>,
    archive: Option<Mmap>,
}

impl Source {
    /// Lists a folder's or a tar's pictures. Folders whose name is no expression and not in `folders`, and files that are no
    /// JPEG or PNG by their name, are passed over.
    pub fn open(path: &Path, folders: &Folders) -> Result<Source, DataError> {
        let mut foreign = BTreeMap::new();
        let (found, archive) = if path.is_dir() {
            (list_folder(path, &mut foreign)?, None)
        } else {
            let file = File::open(path).map_err(DataError::io(path))?;
            // SAFETY: data sets are read-only inputs; a file changed while it is read gives corrupt pictures, which
            // the decoder refuses.
            let map = unsafe { Mmap::map(&file) }.map_err(DataError::io(path))?;
            let found =
                list_tar(&map, &mut foreign).map_err(|cause| DataError::Archive { path: path.to_owned(), cause })?;
            (found, Some(map))
        };
        let mut source = Source { entries: Vec::new(), unnamed: BTreeMap::new(), foreign, archive };
        let mut there = BTreeSet::new();
        for Found { class, name, place } in found {
            match folders.get(&class).copied().or_else(|| class.parse().ok()) {
                Some(expression) => source.entries.push(Entry { name, expression, place }),
                None => *source.unnamed.entry(class.clone()).or_default() += 1,
            }
            there.insert(class);
        }
        if let Some(folder) = folders.keys().find(|name| !there.contains(*name)) {
            return Err(DataError::NoSuchFolder { folder: folder.clone(), path: path.to_owned() });
        }
        if source.entries.is_empty() {
            return Err(DataError::Empty { path: path.to_owned(), instead: source.instead() });
        }
        source.entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(source)
    }

    /// What there is in place of pictures to take, and what makes some of it.
    fn instead(&self) -> String {
        let named = |list: Vec<String>, next| match list.is_empty() {
            true => String::new(),
            false => format!("; there are {}: {next}", list.join(", ")),
        };
        let folders = self.unnamed.iter().take(8).map(|(class, n)| format!("`{class}` ({n})")).collect();
        let others = self.foreign.iter().map(|(end, n)| format!("{n} .{end}")).collect();
        named(folders, "--folder NAME=EXPRESSION says what one shows") + &named(others, "make JPEG or PNG of them")
    }

    /// What tells the entry's content from others under its name: of a file its size and the time of its last change, of an
    /// archive's entry, whose times are often all the same, a hash of its bytes.
    pub fn stamp(&self, entry: &Entry) -> String {
        match (&entry.place, &self.archive) {
            (Place::Span(start, end), Some(map)) => fingerprint(map.get(*start..*end).unwrap_or_default()),
            (Place::File(path), _) => std::fs::metadata(path).map_or(String::new(), |m| format!("{:?}", stamp(&m))),
            (Place::Span(..), None) => String::new(),
        }
    }

    /// The file's bytes.
    pub fn read(&self, entry: &Entry) -> std::io::Result<Cow<'_, [u8]>> {
        match (&entry.place, &self.archive) {
            (Place::File(path), _) => {
                within_limit(std::fs::metadata(path)?.len())?;
                std::fs::read(path).map(Cow::Owned)
            }
            (Place::Span(start, end), Some(map)) => {
                let bytes = map.get(*start..*end).ok_or_else(|| std::io::Error::other("archive cut short"))?;
                within_limit(bytes.len() as u64)?;
                Ok(Cow::Borrowed(bytes))
            }
            (Place::Span(..), None) => Err(std::io::Error::other("entry of another archive")),
        }
    }
}

/// Size in bytes and time of the last change, nanoseconds: another file under the same name is noticed.
pub(crate) fn stamp(file: &Metadata) -> (u64, u128) {
    let changed = file.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    (file.len(), changed.map_or(0, |t| t.as_nanos()))
}

/// The name that a folder or archive has itself, however it was pointed at.
pub(crate) fn own_name(path: &Path) -> String {
    let whole = path.file_name().is_none().then(|| path.canonicalize().ok()).flatten();
    whole.as_deref().unwrap_or(path).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn within_limit(size: u64) -> std::io::Result<()> {
    match size > MAX_FILE {
        true => Err(std::io::Error::other(format!("{size} bytes; accepted: up to {MAX_FILE}"))),
        false => Ok(()),
    }
}

/// Whether this is the name of a picture that is read; one of another format is counted.
fn is_picture(name: &str, foreign: &mut BTreeMap<String, usize>) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, e)| e).to_ascii_lowercase();
    if FOREIGN.contains(&extension.as_str()) {
        *foreign.entry(extension.clone()).or_default() += 1;
    }
    matches!(extension.as_str(), "jpg" | "jpeg" | "png")
}

/// What an archive is packed with, which only looks like damage to the reader of plain ones.
fn packed_with(bytes: &[u8]) -> Option<&'static str> {
    let kinds: [(&[u8], &str); 5] = [
        (b"\x1f\x8b", "gzip"),
        (b"PK\x03\x04", "zip"),
        (b"\xfd7zXZ", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"BZh", "bzip2"),
    ];
    kinds.iter().find(|(start, _)| bytes.starts_with(start)).map(|(_, kind)| *kind)
}

/// A picture by its name, and the folder it is in.
struct Found {
    class: String,
    name: String,
    place: Place,
}

fn list_folder(path: &Path, foreign: &mut BTreeMap<String, usize>) -> Result<Vec<Found>, DataError> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(path).map_err(DataError::io(path))? {
        let folder = folder.map_err(DataError::io(path))?;
        if !folder.path().is_dir() {
            continue;
        }
        let class = folder.file_name().to_string_lossy().into_owned();
        for file in std::fs::read_dir(folder.path()).map_err(DataError::io(&folder.path()))? {
            let file = file.map_err(DataError::io(&folder.path()))?;
            let name = format!("{class}/{}", file.file_name().to_string_lossy());
            if is_picture(&name, foreign) {
                found.push(Found { class: class.clone(), name, place: Place::File(file.path()) });
            }
        }
    }
    Ok(found)
}

fn list_tar(bytes: &[u8], foreign: &mut BTreeMap<String, usize>) -> std::io::Result<Vec<Found>> {
    if let Some(kind) = packed_with(bytes) {
        return Err(std::io::Error::other(format!("it is packed ({kind}); unpack it first")));
    }
    let mut found = Vec::new();
    for file in tar::Archive::new(Cursor::new(bytes)).entries_with_seek()? {
        let file = file?;
        let name = file.path()?.to_string_lossy().into_owned();
        let Some(class) = name.rsplit('/').nth(1).map(str::to_owned) else { continue };
        if file.header().entry_type().is_file() && is_picture(&name, foreign) {
            let start = file.raw_file_position() as usize;
            let end = start + file.size() as usize;
            if end > bytes.len() {
                return Err(std::io::Error::other(format!("cut short: it ends within {name}")));
            }
            found.push(Found { class, name, place: Place::Span(start, end) });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_and_tar_list_alike() {
        let dir = tempfile::tempdir().unwrap();
        let mut archive = tar::Builder::new(Vec::new());
        for (name, bytes) in
            [("happy/b.jpg", b"22"), ("anger/a.png", b"11"), ("smug/c.jpg", b"33"), ("happy/d.txt", b"44")]
        {
            let path = dir.path().join("set").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, bytes).unwrap();
            let mut header = tar::Header::new_gnu();
            header.set_size(2);
            header.set_cksum();
            archive.append_data(&mut header, name, &bytes[..]).unwrap();
        }
        let tar = dir.path().join("set.tar");
        std::fs::write(&tar, archive.into_inner().unwrap()).unwrap();
        for path in [dir.path().join("set"), tar] {
            let source = Source::open(&path, &Folders::new()).unwrap();
            let list: Vec<_> = source.entries.iter().map(|e| (e.name.as_str(), e.expression)).collect();
            assert_eq!(list, [("anger/a.png", Expression::Angry), ("happy/b.jpg", Expression::Happy)]);
            assert_eq!(*source.read(&source.entries[1]).unwrap(), *b"22");
            assert_eq!(source.entries[0].stem(), "a");
            assert_eq!(source.unnamed, BTreeMap::from([("smug".to_owned(), 1)]));
            let contempt = Source::open(&path, &Folders::from([("smug".to_owned(), Expression::Contempt)])).unwrap();
            assert_eq!((contempt.entries[2].expression, contempt.unnamed.len()), (Expression::Contempt, 0));
            let gone = Source::open(&path, &Folders::from([("7".to_owned(), Expression::Happy)])).unwrap_err();
            assert!(gone.to_string().starts_with("--folder names `7`; accepted: folders with pictures in"), "{gone}");
        }
    }

    #[test]
    fn an_archive_that_is_cut_short_is_no_data_set() {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(5000);
        header.set_cksum();
        archive.append_data(&mut header, "happy/a.jpg", &[7; 5000][..]).unwrap();
        let whole = archive.into_inner().unwrap();
        let file = tempfile::Builder::new().suffix(".tar").tempfile().unwrap();
        for (length, good) in [(whole.len(), true), (4000, false), (600, false)] {
            std::fs::write(file.path(), &whole[..length]).unwrap();
            let opened = Source::open(file.path(), &Folders::new());
            assert_eq!(opened.is_ok(), good, "{length} bytes: {opened:?}");
            let why = opened.err().map(|e| e.to_string()).unwrap_or_default();
            assert!(good || why.contains("cut short: it ends within happy/a.jpg"), "{why}");
        }
    }

    #[test]
    fn a_picture_that_is_too_large_is_told_wherever_it_lies() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("set/happy/a.jpg");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Holes in the files: nothing of this size is written.
        File::create(&path).unwrap().set_len(MAX_FILE + 1).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_path("happy/a.jpg").unwrap();
        header.set_size(MAX_FILE + 1);
        header.set_cksum();
        let tar = dir.path().join("set.tar");
        std::fs::write(&tar, header.as_bytes()).unwrap();
        File::options().write(true).open(&tar).unwrap().set_len(MAX_FILE + 4096).unwrap();
        for path in [dir.path().join("set"), tar] {
            let source = Source::open(&path, &Folders::new()).unwrap();
            let said = source.read(&source.entries[0]).unwrap_err().to_string();
            assert_eq!(said, "67108865 bytes; accepted: up to 67108864");
        }
    }

    #[test]
    fn a_folder_without_classes_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let open = |path: &Path| Source::open(path, &Folders::new()).unwrap_err().to_string();
        let err = open(dir.path());
        assert!(err.ends_with("no pictures in folders named by expression, such as happy/0001.jpg"), "{err}");
        std::fs::create_dir(dir.path().join("1")).unwrap();
        std::fs::write(dir.path().join("1/a.jpg"), b"1").unwrap();
        let err = open(dir.path());
        assert!(err.ends_with("0001.jpg; there are `1` (1): --folder NAME=EXPRESSION says what one shows"), "{err}");
        assert!(open(&dir.path().join("gone.tar")).contains("gone.tar"));
        let scans = dir.path().join("scans");
        std::fs::create_dir_all(scans.join("happy")).unwrap();
        ["a.tiff", "b.TIFF", "c.webp", "notes.txt"]
            .iter()
            .for_each(|f| std::fs::write(scans.join("happy").join(f), b"1").unwrap());
        let err = open(&scans);
        assert!(err.ends_with("0001.jpg; there are 2 .tiff, 1 .webp: make JPEG or PNG of them"), "{err}");
        std::fs::create_dir(scans.join("1")).unwrap();
        std::fs::write(scans.join("1/a.jpg"), b"1").unwrap();
        let err = open(&scans);
        assert!(
            err.contains("; there are `1` (1): --folder")
                && err.ends_with("; there are 2 .tiff, 1 .webp: make JPEG or PNG of them"),
            "{err}"
        );
    }

    #[test]
    fn a_packed_archive_is_called_that() {
        let dir = tempfile::tempdir().unwrap();
        let open = |path: &Path| Source::open(path, &Folders::new()).unwrap_err().to_string();
        let packed = dir.path().join("set.tar.gz");
        for (kind, start) in [
            ("gzip", &b"\x1f\x8b\x08\x00\x1b[2J"[..]),
            ("zip", b"PK\x03\x04"),
            ("xz", b"\xfd7zXZ\0"),
            ("zstd", b"\x28\xb5\x2f\xfd"),
            ("bzip2", b"BZh9"),
        ] {
            std::fs::write(&packed, start).unwrap();
            let said = format!(
                "not a whole tar archive: it is packed ({kind}); unpack it first; accepted: a folder or a plain tar"
            );
            assert!(open(&packed).contains(&said), "{}", open(&packed));
        }
        std::fs::write(&packed, [b"\x1b[2J".repeat(200), vec![0; 600]].concat()).unwrap();
        let err = open(&packed);
        assert!(err.chars().all(|c| !c.is_control()), "{err:?}");
    }
}
