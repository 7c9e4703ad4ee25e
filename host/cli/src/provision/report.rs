//! What `mtcae provision` says: a table, a few lines, or one JSON object; and the public keys that it leaves here.

use crate::boards::table;
use crate::failure::Failure;
use crate::new_file::{NewFile, PUBLIC};
use crate::text;
use mtcae_provision::{Item, Kind, Owners, Plan, Step};
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;

/// The public half of one of the board's keys.
pub struct PublicKey {
    /// Its one line.
    pub text: String,
    /// Whether the board did not have it before.
    pub made: bool,
}

/// What a person is told of a board.
#[derive(Default)]
pub struct Report {
    pub target: String,
    /// Where the public halves of its keys go.
    pub folder: PathBuf,
    pub name: String,
    pub version: String,
    pub device: Option<PublicKey>,
    pub line: Option<PublicKey>,
    pub notes: Vec<String>,
}

impl Report {
    /// The keys, with what they are, and where their public halves go.
    fn keys(&self) -> Vec<(&'static str, &PublicKey, PathBuf)> {
        // Without the dot of the default.
        let folder = self.folder.strip_prefix(".").unwrap_or(&self.folder);
        let file = |kind: &str| folder.join(format!("{}.{kind}.pub", self.name));
        let device = self.device.as_ref().map(|key| ("recipient", key, file("device")));
        device.into_iter().chain(self.line.as_ref().map(|key| ("line key", key, file("line")))).collect()
    }

    /// Whether the files of the keys are free, or hold these very keys.
    ///
    /// # Errors
    /// When there is no folder for them, or another board's key is there.
    pub fn check_files(&self) -> Result<(), Failure> {
        if !self.folder.is_dir() {
            let reason = format!("--keys {} is no folder that is there", self.folder.display());
            return Err(Failure::Provision { reason, help: "make it, or give another".to_owned() });
        }
        for (what, key, path) in self.keys() {
            if path.symlink_metadata().is_ok() && text::read(&path)?.trim_end() != key.text {
                let reason = format!("{} holds another {what} than the board {:?} has", path.display(), self.name);
                let help = "is there another board of this name? Give this one its own with --name, or move the file away: \
                            its board is gone then, or was set up anew";
                return Err(Failure::Provision { reason, help: help.to_owned() });
            }
        }
        Ok(())
    }

    /// Writes the files of the keys that are not there.
    ///
    /// # Errors
    /// When the folder takes no file.
    pub fn write_files(&self) -> Result<(), Failure> {
        for (_, key, path) in self.keys() {
            if path.symlink_metadata().is_err() {
                let mut file = NewFile::create(&path, PUBLIC)?;
                let failed = |reason| Failure::Write { path: path.clone(), reason };
                writeln!(file.file(), "{}", key.text).map_err(failed)?;
                file.commit()?;
            }
        }
        Ok(())
    }

    /// What would be done.
    pub fn planned(&self, plan: &Plan, as_json: bool) -> String {
        if as_json {
            return self.object(plan, true);
        }
        let mut rows = vec![["action", "mode", "owner", "what", "where"].map(str::to_owned).to_vec()];
        rows.extend(plan.steps.iter().map(|step| row(step, plan.owners)));
        let (changes, fine) = (plan.changes(), plan.steps.len() - plan.changes());
        let count = format!("{changes} to do, {fine} as they should be; nothing was changed\n");
        format!("{}\n{count}version    {}\n{}", table(&rows), self.version, self.noted())
    }

    /// What was done.
    pub fn done(&self, plan: &Plan, as_json: bool) -> String {
        if as_json {
            return self.object(plan, false);
        }
        let done = match plan.changes() {
            0 => "nothing to do".to_owned(),
            1 => "1 step done".to_owned(),
            changes => format!("{changes} steps done"),
        };
        let mut text = format!("{} at {}: {done}\nversion    {}\n", self.name, self.target, self.version);
        for (what, key, path) in self.keys() {
            text += &format!("{what:10} {}, in {}\n", key.text, path.display());
        }
        text + &self.noted()
    }

    fn noted(&self) -> String {
        self.notes.iter().map(|note| format!("note       {note}\n")).collect()
    }

    fn object(&self, plan: &Plan, dry_run: bool) -> String {
        let steps: Vec<Value> = plan.steps.iter().map(|step| step_object(step, plan.owners)).collect();
        let key = |kind: &str| {
            let found = self.keys().into_iter().find(|(what, ..)| *what == kind);
            found.map(|(_, key, path)| json!({ "text": key.text, "new": key.made, "file": path.display().to_string() }))
        };
        let object = json!({
            "target": self.target, "board": self.name, "dry_run": dry_run, "changes": plan.changes(),
            "version": self.version, "recipient": key("recipient"), "line_key": key("line key"),
            "notes": self.notes, "steps": steps,
        });
        format!("{object}\n")
    }
}

/// Whose it becomes; `None` when that is left.
fn owner(item: &Item, owners: Owners) -> Option<&'static str> {
    (owners != Owners::Left).then_some(item.owner.name())
}

fn step_object(Step { action, item }: &Step, owners: Owners) -> Value {
    match &item.kind {
        Kind::Command { words, .. } => json!({ "action": action.word(), "what": item.what, "command": words }),
        Kind::Nothing | Kind::Link(_) => json!({ "action": action.word(), "what": item.what, "path": item.path }),
        Kind::File(_) | Kind::Folder => json!({
            "action": action.word(), "what": item.what, "path": item.path, "mode": format!("{:04o}", item.mode),
            "owner": owner(item, owners),
        }),
    }
}

fn row(Step { action, item }: &Step, owners: Owners) -> Vec<String> {
    let (mode, owner) = match item.kind {
        Kind::File(_) | Kind::Folder => (format!("{:04o}", item.mode), owner(item, owners).unwrap_or("-")),
        _ => (String::new(), ""),
    };
    let place = match &item.kind {
        Kind::Command { words, .. } => words.join(" "),
        Kind::Link(to) => format!("{} -> {to}", item.path),
        _ => item.path.clone(),
    };
    vec![action.word().to_owned(), mode, owner.to_owned(), item.what.clone(), place]
}
