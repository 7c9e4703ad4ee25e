//! `mtcae inspect`.

use crate::failure::Failure;
use crate::keyring;
use crate::packing::refused;
use crate::progress::Progress;
use crate::say::verdict;
use crate::text;
use clap::ValueHint;
use mtcae_bundle::{Inspection, Standing};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

/// Show what a bundle is, who signed it, and whether it is whole
#[derive(clap::Args)]
#[command(after_help = "\
Reads all of it and checks every signature and every stored byte. Needs no device key: what is \
encrypted stays closed. Without --trust nobody is trusted, and the bundle is only shown. With \
it, the exit code is 1 when no key that counts has signed it. Fields of --json:
host/cli/BUNDLES.md.

Examples:
  mtcae inspect edge-1.0.0.mtcb
  mtcae inspect edge-1.0.0.mtcb --trust release.key.pub --trust release.rotation
  mtcae inspect edge-1.0.0.mtcb --json | jq -r '.manifest.parts[].name'")]
pub struct Args {
    /// The bundle
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Whose signature counts: a public signing key or a rotation, as text or file; may be repeated
    #[arg(long, value_name = "KEY", value_hint = ValueHint::FilePath)]
    trust: Vec<String>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Checks the bundle, and shows it.
    pub fn run(self) -> Result<(), Failure> {
        let trust = keyring::trust(&self.trust)?;
        let (file, len) = text::open(&self.file)?;
        let mut progress = Progress::new()?;
        progress.step("reading", Some(len));
        let inspection = Inspection::read(progress.watch(BufReader::new(file)), &trust)
            .map_err(|error| progress.cause(refused(&self.file, error)))?;
        drop(progress);
        let printed = show(&self.file, &inspection, self.json);
        if inspection.trusted || self.trust.is_empty() {
            return printed;
        }
        let signers = inspection.signers.iter().map(|signer| match signer.standing {
            Standing::Retired => format!("{} (replaced by a rotation)", signer.key),
            _ => signer.key.to_string(),
        });
        let untrusted = Failure::Untrusted {
            path: self.file,
            signers: signers.collect::<Vec<_>>().join(", "),
            trusted: trust.ids().map(|key| key.to_string()).collect::<Vec<_>>().join(", "),
        };
        verdict(printed, Err(untrusted))
    }
}

/// Prints what was found of the bundle at `path`.
pub fn show(path: &Path, inspection: &Inspection, json: bool) -> Result<(), Failure> {
    let text = if json {
        serde_json::to_string(inspection).map_err(io::Error::from)? + "\n"
    } else {
        format!("{}\n{inspection}", path.display())
    };
    Ok(io::stdout().write_all(text.as_bytes())?)
}
