//! Whom this desk knows on the network: its own line key, and the key of each board. A board is known because a person
//! said so; a first contact never makes it known.

use crate::{LineError, Target};
use mtcae_bundle::KeyError;
use mtcae_tls::{LineKey, PublicLineKey, TlsError};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Most boards that a desk knows.
pub const MAX_KNOWN: usize = 1_000;
/// Longest list of them, bytes.
const MAX_LIST: u64 = 512 * 1024;
const HEAD: &str = "# Boards on the network and their line keys; written by `mtcae keys trust-board`.\n";

/// Why a TCP line cannot be used, before anything is sent. One variant per reaction.
#[derive(Debug, Error)]
pub enum KnownError {
    /// There is no place for keys.
    #[error("no folder for keys: neither XDG_CONFIG_HOME nor HOME is an absolute path")]
    NoFolder,
    /// The desk has no key of its own yet.
    #[error("this desk has no line key: {} is not there", path.display())]
    NoKey {
        /// Where it would be.
        path: PathBuf,
    },
    /// The desk's own key cannot be used.
    #[error("{}: {error}", path.display())]
    Key {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        error: TlsError,
    },
    /// The list of boards cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The list.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The list of boards is damaged.
    #[error("{}:{line}: {reason}; accepted: HOST:PORT, a space, and a public line key", path.display())]
    Line {
        /// The list.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// Nobody has said which key the board has.
    #[error("the line key of {board} is not known here")]
    Unknown {
        /// The board.
        board: String,
    },
    /// Another key is known for the board.
    #[error("{board} is known with line key {old}, and this is {new}")]
    Another {
        /// The board.
        board: String,
        /// Id of the key in the list.
        old: String,
        /// Id of the key given.
        new: String,
    },
    /// No board on the network.
    #[error("{target} is not on the network; accepted: tcp:HOST:PORT")]
    NotTcp {
        /// What was given.
        target: String,
    },
}

impl KnownError {
    /// The next step.
    pub fn help(&self) -> String {
        match self {
            KnownError::NoFolder => "set HOME".to_owned(),
            KnownError::NoKey { .. } => {
                "make one with `mtcae keys new --line`, and put the .pub file beside it into the board's /etc/mtcae/clients".to_owned()
            }
            KnownError::Key { path, .. } => {
                format!("mend or move {} away; `mtcae keys new --line` makes a new one", path.display())
            }
            KnownError::File { path, .. } => format!("may you read and write {}, and is there room?", path.display()),
            KnownError::Line { path, .. } => format!("mend that line of {}, or remove it", path.display()),
            KnownError::Unknown { board } => format!(
                "a board never becomes known by itself: get its /etc/mtcae/line.pub over a way that you trust, then \
                 `mtcae keys trust-board tcp:{board} line.pub`"
            ),
            KnownError::Another { .. } => {
                "has the board got a new key? Only if you know that it has: the same command with --replace".to_owned()
            }
            KnownError::NotTcp { .. } => "a serial line needs no keys".to_owned(),
        }
    }
}

/// The keys of one TCP line.
#[derive(Debug)]
pub struct LineKeys {
    /// This desk's.
    pub own: LineKey,
    /// The board's.
    pub board: PublicLineKey,
}

/// A desk's keys for boards on the network, in one folder: `line.key`, `line.key.pub`, and the list `boards`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownBoards {
    folder: Option<PathBuf>,
}

impl KnownBoards {
    /// Keys in `folder`, which need not be there yet; none when there is no place for them.
    pub fn new(folder: Option<PathBuf>) -> KnownBoards {
        KnownBoards { folder }
    }

    /// Where the desk's own secret line key is.
    ///
    /// # Errors
    /// `NoFolder`.
    pub fn own_key_file(&self) -> Result<PathBuf, KnownError> {
        self.file("line.key")
    }

    /// Makes the folder, for its owner alone.
    ///
    /// # Errors
    /// `NoFolder`, `File`.
    pub fn make_folder(&self) -> Result<(), KnownError> {
        let folder = self.folder.as_ref().ok_or(KnownError::NoFolder)?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| KnownError::File { path: folder.clone(), error })
    }

    /// What a line to the board at `target` needs.
    ///
    /// # Errors
    /// What is not known or cannot be read, with the next step.
    pub fn keys(&self, target: &Target) -> Result<LineKeys, LineError> {
        let refuse = |e: KnownError| LineError { target: target.to_string(), reason: e.to_string(), help: e.help() };
        self.known_keys(target).map_err(refuse)
    }

    fn known_keys(&self, target: &Target) -> Result<LineKeys, KnownError> {
        let board = board_name(target)?;
        let path = self.own_key_file()?;
        let own = LineKey::read(&path).map_err(|error| match error {
            TlsError::KeyFile(KeyError::File { error, .. }) if error.kind() == ErrorKind::NotFound => {
                KnownError::NoKey { path: path.clone() }
            }
            error => KnownError::Key { path: path.clone(), error },
        })?;
        let known = self.list()?.into_iter().find(|(name, _)| *name == board);
        let (_, board) = known.ok_or(KnownError::Unknown { board })?;
        Ok(LineKeys { own, board })
    }

    /// From now on the board at `target` is the one with `key`. A key that is known already is only replaced when
    /// `replace` says so.
    ///
    /// # Errors
    /// `NotTcp`, `Another`, `NoFolder`, `File`, `Line`.
    pub fn trust(&self, target: &Target, key: PublicLineKey, replace: bool) -> Result<(), KnownError> {
        let board = board_name(target)?;
        self.make_folder()?;
        // Held until the new list is in its place: of two that change it at once, the second reads what the first wrote.
        let _lock = self.lock()?;
        let mut list = self.list()?;
        match list.iter().position(|(name, _)| *name == board) {
            Some(at) if list[at].1 == key => return Ok(()),
            Some(at) if replace => list[at].1 = key,
            Some(at) => {
                let (old, new) = (list[at].1.id().to_string(), key.id().to_string());
                return Err(KnownError::Another { board, old, new });
            }
            None if list.len() >= MAX_KNOWN => {
                let error = io::Error::other(format!("{MAX_KNOWN} boards are the most that it may hold"));
                return Err(KnownError::File { path: self.file("boards")?, error });
            }
            None => list.push((board, key)),
        }
        self.write(&list)
    }

    /// Nobody else changes the list while it is held. It is no part of the list, whose file is another one after each change.
    fn lock(&self) -> Result<File, KnownError> {
        let path = self.file("boards.lock")?;
        let open = || OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let locked = open().and_then(|file| file.lock().map(|()| file));
        locked.map_err(|error| KnownError::File { path, error })
    }

    /// The boards known, `HOST:PORT` and key.
    ///
    /// # Errors
    /// `NoFolder`, `File`, `Line`.
    pub fn list(&self) -> Result<Vec<(String, PublicLineKey)>, KnownError> {
        let path = self.file("boards")?;
        let mut text = String::new();
        match File::open(&path).and_then(|file| file.take(MAX_LIST + 1).read_to_string(&mut text)) {
            Ok(length) if length as u64 > MAX_LIST => {
                let error = io::Error::new(ErrorKind::InvalidData, format!("longer than {MAX_LIST} bytes"));
                return Err(KnownError::File { path, error });
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(KnownError::File { path, error }),
        }
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        let mut list: Vec<(String, PublicLineKey)> = Vec::new();
        for (at, line) in lines {
            let (name, key) = entry(line).map_err(|reason| at_line(&path, at + 1, reason))?;
            match list.iter().find(|(known, _)| *known == name) {
                Some((_, other)) if *other == key => {}
                Some(_) => return Err(at_line(&path, at + 1, format!("{name} has another key above"))),
                None => list.push((name, key)),
            }
        }
        Ok(list)
    }

    /// In place of the old list, whole or not at all.
    fn write(&self, list: &[(String, PublicLineKey)]) -> Result<(), KnownError> {
        let (path, new) = (self.file("boards")?, self.file(&format!("boards.{}.new", std::process::id()))?);
        let lines: String = list.iter().map(|(name, key)| format!("{name} {key}\n")).collect();
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(HEAD.as_bytes())?;
            file.write_all(lines.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, &path)
        };
        write().map_err(|error| {
            // It may not be there; what counts is why the list is not written.
            let _ = std::fs::remove_file(&new);
            KnownError::File { path: path.clone(), error }
        })
    }

    fn file(&self, name: &str) -> Result<PathBuf, KnownError> {
        self.folder.as_ref().map(|folder| folder.join(name)).ok_or(KnownError::NoFolder)
    }
}

/// `HOST:PORT`, as it is typed behind `tcp:`.
fn board_name(target: &Target) -> Result<String, KnownError> {
    let text = target.to_string();
    text.strip_prefix("tcp:").map(str::to_owned).ok_or(KnownError::NotTcp { target: text })
}

fn entry(line: &str) -> Result<(String, PublicLineKey), String> {
    let (name, key) = line.trim().split_once(' ').ok_or("it has no space")?;
    let target = format!("tcp:{name}").parse::<Target>().map_err(|error| error.reason)?;
    // Lists of earlier versions have names as they were typed.
    let name = board_name(&target).map_err(|error| error.to_string())?;
    Ok((name, key.trim().parse().map_err(|error: TlsError| error.to_string())?))
}

fn at_line(path: &Path, line: usize, reason: String) -> KnownError {
    KnownError::Line { path: path.to_owned(), line, reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_bundle::write_secret;
    use std::fs;

    fn key(n: u8) -> LineKey {
        LineKey::from_seed(&[n; 32])
    }

    fn target(text: &str) -> Target {
        text.parse().unwrap()
    }

    #[test]
    fn a_board_is_known_once_a_person_said_so() {
        let dir = tempfile::tempdir().unwrap();
        let known = KnownBoards::new(Some(dir.path().join("mtcae")));
        let said =
            |error: KnownError| format!("{error}\n{}", error.help()).replace(dir.path().to_str().unwrap(), "HOME");
        let board = target("tcp:board-17.local:7452");
        insta::assert_snapshot!(said(known.known_keys(&board).unwrap_err()), @"
        this desk has no line key: HOME/mtcae/line.key is not there
        make one with `mtcae keys new --line`, and put the .pub file beside it into the board's /etc/mtcae/clients
        ");
        known.make_folder().unwrap();
        write_secret(&known.own_key_file().unwrap(), &key(2).to_secret_text()).unwrap();
        insta::assert_snapshot!(said(known.known_keys(&board).unwrap_err()), @"
        the line key of board-17.local:7452 is not known here
        a board never becomes known by itself: get its /etc/mtcae/line.pub over a way that you trust, then `mtcae keys trust-board tcp:board-17.local:7452 line.pub`
        ");
        known.trust(&board, key(1).public(), false).unwrap();
        known.trust(&target("tcp:[fe80::1]:7452"), key(3).public(), false).unwrap();
        let keys = known.keys(&board).unwrap();
        assert_eq!((keys.own.public(), keys.board), (key(2).public(), key(1).public()));
        known.trust(&board, key(1).public(), false).unwrap();
        insta::assert_snapshot!(said(known.trust(&board, key(4).public(), false).unwrap_err()), @"
        board-17.local:7452 is known with line key 34750f98bd59fcfc, and this is c5b940ed3f65c391
        has the board got a new key? Only if you know that it has: the same command with --replace
        ");
        assert_eq!(known.keys(&board).unwrap().board, key(1).public(), "the old one stays");
        known.trust(&board, key(4).public(), true).unwrap();
        assert_eq!(known.keys(&board).unwrap().board, key(4).public());
        let text = fs::read_to_string(dir.path().join("mtcae/boards")).unwrap();
        insta::assert_snapshot!(text, @"
        # Boards on the network and their line keys; written by `mtcae keys trust-board`.
        board-17.local:7452 mtcae-line-key-v1:ca93ac1705187071d67b83c7ff0efe8108e8ec4530575d7726879333dbdabe7c
        [fe80::1]:7452 mtcae-line-key-v1:ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1
        ");
        assert!(known.keys(&target("tcp:board-17.local:7453")).is_err(), "another port is another board");
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let said = |error: KnownError| format!("{error}\n{}", error.help());
        insta::assert_snapshot!(said(KnownBoards::new(None).known_keys(&target("tcp:a:1")).unwrap_err()), @"
        no folder for keys: neither XDG_CONFIG_HOME nor HOME is an absolute path
        set HOME
        ");
        insta::assert_snapshot!(said(KnownBoards::new(None).known_keys(&target("/dev/ttyS0")).unwrap_err()), @"
        /dev/ttyS0 is not on the network; accepted: tcp:HOST:PORT
        a serial line needs no keys
        ");
        let dir = tempfile::tempdir().unwrap();
        let known = KnownBoards::new(Some(dir.path().to_owned()));
        let list = dir.path().join("boards");
        let reason = |text: &str| {
            fs::write(&list, text).unwrap();
            said(known.list().unwrap_err()).replace(dir.path().to_str().unwrap(), "DIR")
        };
        insta::assert_snapshot!(reason("# boards\n\na:1\n"), @"
        DIR/boards:3: it has no space; accepted: HOST:PORT, a space, and a public line key
        mend that line of DIR/boards, or remove it
        ");
        insta::assert_snapshot!(reason("a:0 mtcae-line-key-v1:00\n"), @r#"
        DIR/boards:1: the TCP port "0" is not from 1 to 65535; accepted: HOST:PORT, a space, and a public line key
        mend that line of DIR/boards, or remove it
        "#);
        insta::assert_snapshot!(reason("a:1 mtcae-line-key-v1:00\n"), @r#"
        DIR/boards:1: "mtcae-line-key-v1"... is not a public line key; accepted: one line, `mtcae-line-key-v1:` and 64 lower-case hexadecimal digits; accepted: HOST:PORT, a space, and a public line key
        mend that line of DIR/boards, or remove it
        "#);
        assert!(reason(&"#".repeat(600_000)).contains("longer than 524288 bytes"));
        fs::write(&list, format!("a:1 {}\n", key(1).public())).unwrap();
        assert_eq!(known.list().unwrap(), [("a:1".to_owned(), key(1).public())]);
        let twice = reason(&format!("A:1 {}\na:1 {}\n", key(1).public(), key(2).public()));
        assert!(twice.starts_with("DIR/boards:2: a:1 has another key above"), "{twice}");
    }

    #[test]
    fn a_board_is_the_same_however_its_address_is_typed() {
        let dir = tempfile::tempdir().unwrap();
        let known = KnownBoards::new(Some(dir.path().to_owned()));
        for (first, again) in
            [("tcp:board-17.local:1", "tcp:Board-17.LOCAL:1"), ("tcp:[fe80::1]:1", "tcp:[FE80:0:0:0:0:0:0:1]:1")]
        {
            known.trust(&target(first), key(1).public(), false).unwrap();
            let error = known.trust(&target(again), key(2).public(), false).unwrap_err();
            assert!(matches!(error, KnownError::Another { .. }), "{error}");
        }
        // As an earlier version wrote it.
        fs::write(dir.path().join("boards"), format!("Board-18:1 {}\n", key(1).public())).unwrap();
        let error = known.trust(&target("tcp:board-18:1"), key(2).public(), false).unwrap_err();
        assert!(matches!(error, KnownError::Another { .. }), "{error}");
    }

    #[test]
    fn boards_that_become_known_at_once_are_all_known() {
        let dir = tempfile::tempdir().unwrap();
        let known = KnownBoards::new(Some(dir.path().join("mtcae")));
        std::thread::scope(|scope| {
            for n in 1..=32 {
                let known = &known;
                scope.spawn(move || known.trust(&target(&format!("tcp:board:{n}")), key(n).public(), false).unwrap());
            }
        });
        let mut names: Vec<_> = known.list().unwrap().into_iter().map(|(name, _)| name).collect();
        names.sort();
        let mut all: Vec<_> = (1..=32).map(|n| format!("board:{n}")).collect();
        all.sort();
        assert_eq!(names, all);
        let mut files: Vec<_> =
            fs::read_dir(dir.path().join("mtcae")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        files.sort();
        assert_eq!(files, ["boards", "boards.lock"]);
    }
}
