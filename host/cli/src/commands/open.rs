//! `mtcae open`.

use crate::commands::seal::{SUFFIX, refused, source};
use crate::failure::Failure;
use crate::new_file::{self, NewFile};
use crate::progress::Progress;
use crate::{keyring, openings};
use clap::ValueHint;
use mtcae_bundle::{DeviceKey, Opening, SealError};
use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Bytes from source to target at once.
const STEP: usize = 64 * 1024;

/// Decrypt a sealed file; the opening is logged
#[derive(clap::Args)]
#[command(after_help = "\
Each opening is one JSON line in mtcae/openings.jsonl in $XDG_STATE_HOME, else in \
~/.local/state: when, which file, with which key, where to. It is written before the first byte \
is given out; when it cannot be, the file stays shut. It is the user's own record: who has the \
key can also open the file with another program.

The plain file gets mode 600, and appears only when all of it was good. What goes to standard \
output comes as it is read: use it only when the exit code is 0.

Examples:
  mtcae open checkpoint.safetensors.age --key lab.key
  mtcae open shards.tar.age --key lab.key --out - | tar -x")]
pub struct Args {
    /// The sealed file, or - for standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: String,
    /// Device key; may be repeated
    #[arg(long = "key", value_name = "KEY", value_hint = ValueHint::FilePath, required = true)]
    keys: Vec<PathBuf>,
    /// The plain file, or - for standard output, if not FILE without .age
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, required_if_eq("file", "-"))]
    out: Option<PathBuf>,
}

impl Args {
    /// Logs and opens.
    pub fn run(self) -> Result<(), Failure> {
        let keys = self.keys.iter().map(|path| keyring::device_key(path)).collect::<Result<Vec<_>, _>>()?;
        let out = self.target()?;
        let mut progress = Progress::new()?;
        if out == Path::new("-") {
            return self.open(&keys, &mut progress, &mut io::stdout().lock(), &Failure::Output, "-");
        }
        let mut file = NewFile::create(&out, new_file::PRIVATE)?;
        let failed = |reason| Failure::Write { path: out.clone(), reason };
        self.open(&keys, &mut progress, file.file(), &failed, &absolute(&out))?;
        file.commit()?;
        drop(progress);
        Ok(io::stdout().write_all(format!("{}\n", out.display()).as_bytes())?)
    }

    fn target(&self) -> Result<PathBuf, Failure> {
        if let Some(out) = &self.out {
            return Ok(out.clone());
        }
        let path = Path::new(&self.file);
        match path.extension() {
            Some(end) if end == OsStr::new(SUFFIX) => Ok(path.with_extension("")),
            _ => Err(Failure::Seal {
                reason: format!("{} does not end with .{SUFFIX}, so nothing says where the plain file goes", self.file),
                help: "say it with `--out`".to_owned(),
            }),
        }
    }

    fn open(
        &self,
        keys: &[DeviceKey],
        progress: &mut Progress,
        target: &mut dyn Write,
        failed: &dyn Fn(io::Error) -> Failure,
        to: &str,
    ) -> Result<(), Failure> {
        let path = Path::new(&self.file);
        let (mut sealed, len) = source(&self.file, "accepted: a file that `mtcae seal` wrote")?;
        progress.step("opening", len);
        let refuse = |error| progress.cause(refused(path, error));
        let what = if self.file == "-" { "-".to_owned() } else { absolute(path) };
        let mut log = |opening: &Opening<'_>| openings::note(&openings::log_file()?, opening, to);
        let mut plain = mtcae_bundle::open(progress.watch(&mut *sealed), &what, keys, &mut log).map_err(refuse)?;
        let mut step = vec![0; STEP];
        loop {
            let read = match plain.read(&mut step) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // Of a stream that does not fit its key or ends too early.
                Err(error) if [ErrorKind::InvalidData, ErrorKind::UnexpectedEof].contains(&error.kind()) => {
                    return Err(refuse(SealError::Damaged { reason: error.to_string() }));
                }
                Err(error) => return Err(refuse(SealError::Io(error))),
            };
            target.write_all(&step[..read]).map_err(failed)?;
        }
        target.flush().map_err(failed)
    }
}

/// For the log: where a file is, whatever the current folder was.
fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}
