//! Who may connect to a board: the public line keys in one folder.

use crate::limits::MAX_CLIENTS;
use crate::{PublicLineKey, TlsError};
use mtcae_bundle::KeyError;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files that are named when they are no good.
const FAULTS_NAMED: usize = 4;

/// The clients that a board knows.
#[derive(Debug, Clone)]
pub struct Clients {
    /// None for a fixed list.
    folder: Option<PathBuf>,
    keys: Arc<[PublicLineKey]>,
    faults: Vec<String>,
    /// What the keys were read from; none unless all of it could be read.
    marks: Option<Vec<Mark>>,
}

/// A file of a key, and what changes when another takes its place or it is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    path: PathBuf,
    /// Inode, length, and the time of the last change in seconds and nanoseconds; none when the file cannot be looked at.
    about: Option<(u64, u64, i64, i64)>,
}

impl Clients {
    /// The keys in the files `*.pub` of `folder`, in the order of their names, at most [`MAX_CLIENTS`]. A file that is
    /// no good is left out and named in [`Clients::faults`], as one typing error must not lock everybody out.
    ///
    /// # Errors
    /// When that leaves none.
    pub fn read(folder: &Path) -> Result<Clients, TlsError> {
        let mut clients =
            Clients { folder: Some(folder.to_owned()), keys: Arc::new([]), faults: Vec::new(), marks: None };
        clients.refresh();
        if clients.keys.is_empty() {
            let faults = match clients.faults.join("; ") {
                none if none.is_empty() => none,
                some => format!("; not taken: {some}"),
            };
            return Err(TlsError::NoClients { folder: folder.to_owned(), faults });
        }
        Ok(clients)
    }

    /// These and no others.
    pub fn fixed(keys: &[PublicLineKey]) -> Clients {
        Clients { folder: None, keys: keys.into(), faults: Vec::new(), marks: None }
    }

    /// Reads the folder again if one of its keys has come, gone or changed, or could not be read before. A folder that is gone
    /// means that nobody may connect.
    pub fn refresh(&mut self) {
        let Some(folder) = &self.folder else { return };
        match marks_in(folder) {
            Ok((marks, _)) if self.marks.as_ref() == Some(&marks) => {}
            Ok((marks, more)) => {
                let Read { keys, faults, whole } = read(&marks, more);
                (self.keys, self.faults, self.marks) = (keys.into(), faults, whole.then_some(marks));
            }
            Err(error) => {
                let fault = format!("{}: {error}", folder.display());
                (self.keys, self.faults, self.marks) = (Arc::from([]), vec![fault], None);
            }
        }
    }

    /// The keys.
    pub fn keys(&self) -> &Arc<[PublicLineKey]> {
        &self.keys
    }

    /// What is wrong with files that were left out, one line each, a few at most.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    /// The folder, as a person would name it.
    pub fn place(&self) -> String {
        self.folder.as_ref().map_or("the list of clients".to_owned(), |folder| folder.display().to_string())
    }
}

/// The first [`MAX_CLIENTS`] files of keys by their names, and how many more there are.
fn marks_in(folder: &Path) -> io::Result<(Vec<Mark>, usize)> {
    let mut files = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "pub") {
            files.push(path);
        }
    }
    files.sort();
    let more = files.len().saturating_sub(MAX_CLIENTS);
    files.truncate(MAX_CLIENTS);
    let mark = |path: PathBuf| {
        let about = path.metadata().ok().map(|about| (about.ino(), about.len(), about.ctime(), about.ctime_nsec()));
        Mark { path, about }
    };
    Ok((files.into_iter().map(mark).collect(), more))
}

/// What the files hold.
struct Read {
    keys: Vec<PublicLineKey>,
    faults: Vec<String>,
    /// Each of them could be read, whatever is in it.
    whole: bool,
}

fn read(marks: &[Mark], more: usize) -> Read {
    let (mut keys, mut faults, mut whole) = (Vec::new(), Vec::new(), true);
    if more > 0 {
        faults.push(format!("{} files, of which the first {MAX_CLIENTS} count", marks.len() + more));
    }
    for Mark { path, .. } in marks {
        let error = match PublicLineKey::read(path) {
            Ok(key) => {
                keys.push(key);
                continue;
            }
            Err(error) => error,
        };
        whole &= !matches!(error, TlsError::KeyFile(KeyError::File { .. }));
        if faults.len() < FAULTS_NAMED {
            faults.push(match error {
                TlsError::KeyFile(_) => error.to_string(),
                error => format!("{}: {error}", path.display()),
            });
        }
    }
    Read { keys, faults, whole }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LineKey;
    use std::fs;

    fn key(n: u8) -> PublicLineKey {
        LineKey::from_seed(&[n; 32]).public()
    }

    #[test]
    fn a_folder_is_read_and_read_again_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let said = |error: TlsError| error.to_string().replace(folder.path().to_str().unwrap(), "FOLDER");
        insta::assert_snapshot!(said(Clients::read(folder.path()).unwrap_err()), @"FOLDER holds no client's key, so nobody may connect; put a client's public line key there as NAME.pub");
        fs::write(folder.path().join("broken.pub"), "hello\n").unwrap();
        insta::assert_snapshot!(said(Clients::read(folder.path()).unwrap_err()), @r#"FOLDER holds no client's key, so nobody may connect; put a client's public line key there as NAME.pub; not taken: FOLDER/broken.pub: "hello" is not a public line key; accepted: one line, `mtcae-line-key-v1:` and 64 lower-case hexadecimal digits"#);
        fs::write(folder.path().join("desk.pub"), format!("{}\n", key(1))).unwrap();
        fs::write(folder.path().join("notes.txt"), "not a key").unwrap();
        let mut clients = Clients::read(folder.path()).unwrap();
        assert_eq!((&**clients.keys(), clients.faults().len()), (&[key(1)][..], 1));
        fs::write(folder.path().join("robot.pub"), format!("{}\n", key(2))).unwrap();
        clients.refresh();
        assert_eq!(&**clients.keys(), &[key(1), key(2)]);
        fs::remove_dir_all(folder.path()).unwrap();
        clients.refresh();
        assert!(clients.keys().is_empty(), "a folder that is gone lets nobody in");
    }

    #[test]
    fn a_key_that_is_replaced_in_its_file_counts_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let (desk, robot) = (folder.path().join("desk.pub"), folder.path().join("robot.pub"));
        fs::write(&desk, format!("{}\n", key(1))).unwrap();
        let mut clients = Clients::read(folder.path()).unwrap();
        // A file's time has steps; two changes within one are one.
        std::thread::sleep(std::time::Duration::from_millis(50));
        fs::write(&desk, format!("{}\n", key(2))).unwrap();
        clients.refresh();
        assert_eq!(&**clients.keys(), &[key(2)]);
        // Nothing is read again without need.
        let before = Arc::clone(clients.keys());
        clients.refresh();
        assert!(Arc::ptr_eq(&before, clients.keys()));
        // A file that cannot be read now is tried again, whatever the folder says.
        let elsewhere = tempfile::tempdir().unwrap();
        let real = elsewhere.path().join("robot");
        std::os::unix::fs::symlink(&real, &robot).unwrap();
        clients.refresh();
        assert_eq!((&**clients.keys(), clients.faults().len()), (&[key(2)][..], 1));
        assert!(clients.marks.is_none());
        fs::write(&real, format!("{}\n", key(3))).unwrap();
        clients.refresh();
        assert_eq!((&**clients.keys(), clients.faults().len()), (&[key(2), key(3)][..], 0));
    }

    #[test]
    fn there_is_an_end_to_it() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..=MAX_CLIENTS as u8 {
            fs::write(folder.path().join(format!("{n:03}.pub")), key(n).to_string()).unwrap();
        }
        let clients = Clients::read(folder.path()).unwrap();
        assert_eq!(
            (clients.keys().len(), clients.faults()),
            (MAX_CLIENTS, &["65 files, of which the first 64 count".to_owned()][..])
        );
    }
}
