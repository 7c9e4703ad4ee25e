//! Who may connect to a board: the public line keys in one folder.

use crate::limits::MAX_CLIENTS;
use crate::{PublicLineKey, TlsError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Files that are named when they are no good.
const FAULTS_NAMED: usize = 4;

/// The clients that a board knows.
#[derive(Debug, Clone)]
pub struct Clients {
    /// None for a fixed list.
    folder: Option<PathBuf>,
    keys: Arc<[PublicLineKey]>,
    faults: Vec<String>,
    changed: Option<SystemTime>,
}

impl Clients {
    /// The keys in the files `*.pub` of `folder`, in the order of their names, at most [`MAX_CLIENTS`]. A file that is
    /// no good is left out and named in [`Clients::faults`], as one typing error must not lock everybody out.
    ///
    /// # Errors
    /// When that leaves none.
    pub fn read(folder: &Path) -> Result<Clients, TlsError> {
        let mut clients =
            Clients { folder: Some(folder.to_owned()), keys: Arc::new([]), faults: Vec::new(), changed: None };
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
        Clients { folder: None, keys: keys.into(), faults: Vec::new(), changed: None }
    }

    /// Reads the folder again if its list of files has changed. A folder that is gone means that nobody may connect.
    pub fn refresh(&mut self) {
        let Some(folder) = &self.folder else { return };
        let changed = folder.metadata().and_then(|about| about.modified()).ok();
        if changed.is_some() && changed == self.changed {
            return;
        }
        self.changed = changed;
        (self.keys, self.faults) = match keys_in(folder) {
            Ok((keys, faults)) => (keys.into(), faults),
            Err(error) => (Arc::from([]), vec![format!("{}: {error}", folder.display())]),
        };
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

fn keys_in(folder: &Path) -> io::Result<(Vec<PublicLineKey>, Vec<String>)> {
    let mut files = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "pub") {
            files.push(path);
        }
    }
    files.sort();
    let (mut keys, mut faults) = (Vec::new(), Vec::new());
    let mut fault = |text: String| {
        if faults.len() < FAULTS_NAMED {
            faults.push(text);
        }
    };
    if files.len() > MAX_CLIENTS {
        fault(format!("{} files, of which the first {MAX_CLIENTS} count", files.len()));
    }
    for path in files.iter().take(MAX_CLIENTS) {
        match PublicLineKey::read(path) {
            Ok(key) => keys.push(key),
            Err(error @ TlsError::KeyFile(_)) => fault(error.to_string()),
            Err(error) => fault(format!("{}: {error}", path.display())),
        }
    }
    Ok((keys, faults))
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
        // A folder's time has steps; two changes within one are one.
        std::thread::sleep(std::time::Duration::from_millis(50));
        fs::write(folder.path().join("robot.pub"), format!("{}\n", key(2))).unwrap();
        clients.refresh();
        assert_eq!(&**clients.keys(), &[key(1), key(2)]);
        fs::remove_dir_all(folder.path()).unwrap();
        clients.refresh();
        assert!(clients.keys().is_empty(), "a folder that is gone lets nobody in");
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
