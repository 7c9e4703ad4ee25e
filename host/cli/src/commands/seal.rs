//! `mtcae seal`.

use crate::boards::json_line;
use crate::failure::Failure;
use crate::keyring;
use crate::new_file::{self, NewFile};
use crate::progress::Progress;
use clap::ValueHint;
use mtcae_bundle::SealError;
use serde_json::json;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

/// What a sealed file's name ends with.
pub const SUFFIX: &str = "age";

/// Encrypt a file for those who may open it: face data, checkpoints
#[derive(clap::Args)]
#[command(after_help = "\
A sealed file is a plain age file (https://age-encryption.org/v1). The original stays where it \
is: remove it when the sealed one is there, or let it never touch the disk, as in the second \
example. Sealing says nothing about who did it.

Examples:
  mtcae seal checkpoint.safetensors --encrypt-to lab.key.pub
  tar -c shards | mtcae seal - --encrypt-to lab.key.pub --out shards.tar.age")]
pub struct Args {
    /// The file, or - for standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: String,
    /// Who may open it: a recipient, or a file with one; may be repeated
    #[arg(long, value_name = "RECIPIENT", value_hint = ValueHint::FilePath, required = true)]
    encrypt_to: Vec<String>,
    /// The sealed file, if not FILE.age
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, required_if_eq("file", "-"))]
    out: Option<PathBuf>,
    /// Print a JSON object (fields: host/cli/BUNDLES.md)
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Seals, and says for whom.
    pub fn run(self) -> Result<(), Failure> {
        let recipients = keyring::recipients(&self.encrypt_to)?;
        let out = self.out.clone().unwrap_or_else(|| format!("{}.{SUFFIX}", self.file).into());
        if out.as_os_str() == "-" {
            let reason = io::Error::other("a sealed file appears whole or not at all; accepted: the name of a file");
            return Err(Failure::Write { path: out, reason });
        }
        let (mut plain, len) = source(&self.file, "`tar -c` makes one stream of it")?;
        let mut progress = Progress::new()?;
        let mut file = NewFile::create(&out, new_file::PUBLIC)?;
        progress.step("sealing", len);
        let sealed = mtcae_bundle::seal(&mut progress.watch(&mut *plain), file.file(), &recipients);
        let len = sealed.map_err(|error| progress.cause(refused(Path::new(&self.file), error)))?;
        file.commit()?;
        drop(progress);
        let ids: Vec<String> = recipients.iter().map(|recipient| recipient.id().to_string()).collect();
        if self.json {
            let out = out.display().to_string();
            return json_line(&json!({ "type": "sealed", "file": out, "bytes": len, "recipients": ids }));
        }
        let text = format!("{}  {len} bytes sealed to {}\n", out.display(), ids.join(", "));
        Ok(io::stdout().write_all(text.as_bytes())?)
    }
}

/// The file, or standard input, and its length where that is known.
///
/// # Errors
/// When it cannot be read; what to do with a folder says `folder`.
pub fn source(file: &str, folder: &str) -> Result<(Box<dyn Read>, Option<u64>), Failure> {
    let unreadable = |reason| Failure::Read { path: file.into(), reason };
    if file == "-" {
        if io::stdin().is_terminal() {
            return Err(unreadable(io::Error::other("standard input is a terminal")));
        }
        return Ok((Box::new(io::stdin().lock()), None));
    }
    let opened = File::open(file).map_err(unreadable)?;
    let found = opened.metadata().map_err(unreadable)?;
    if found.is_dir() {
        return Err(unreadable(io::Error::other(format!("it is a folder; {folder}"))));
    }
    Ok((Box::new(opened), found.is_file().then_some(found.len())))
}

/// An error of sealing or opening as the tool says it; `path` is the file at hand.
pub fn refused(path: &Path, error: SealError) -> Failure {
    let help = match &error {
        SealError::Recipients { .. } => "give each recipient once",
        SealError::NoKey { .. } => "it was sealed to others: give the key of one of them with `--key`",
        SealError::Damaged { .. } => "give a file that `mtcae seal` wrote, and copy it again if this is one",
        SealError::NotLogged(_) => {
            "the log is mtcae/openings.jsonl in $XDG_STATE_HOME, else in ~/.local/state; let it be written"
        }
        SealError::Io(_) => "is the disk full, or the file gone?",
    };
    Failure::Seal { reason: format!("{}: {error}", path.display()), help: help.to_owned() }
}
