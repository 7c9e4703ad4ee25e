//! `mtcae bundle`.

use crate::facts::Facts;
use crate::failure::Failure;
use crate::packing::{Recipe, document, firmware, model};
use crate::progress::Progress;
use crate::{commands::inspect, keyring, values};
use clap::ValueHint;
use mtcae_bundle::{Description, Licence, Provenance, Version};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// The facts of a model folder.
const FACTS: &str = "bundle.toml";

/// Pack a model, firmware or both into one signed file for boards
#[derive(clap::Args)]
#[command(after_help = "\
A model folder is what `mtcae export` writes: manifest.toml and the files it lists; CARD.md goes \
along when it is there. Data sets, metrics, licences and engines are read from its bundle.toml \
(keys: host/cli/BUNDLES.md); flags add to them. The bundle is read back before it gets its name, \
and what is printed is what `mtcae inspect` shows. A file that is there is never replaced: a \
version that boards may have must not change.

A model gets a self-test: a clip with a face, and what its fp32 file answers to it here; or its int8 \
file, where it lists that alone, once it is found near what the checkpoint answers. A board gives a \
new model the same clip and goes back to the old model if the answer differs.

Raise --counter by one when an older bundle must never run again: boards refuse a lower one than \
they have confirmed. Encryption hides the parts from all but the recipients; the manifest stays \
readable.

Examples:
  mtcae bundle --model models/zoo/edge --name edge --version 1.0.0 --counter 1 \\
      --family pc,jetson-orin-nano --sign release.key --licence weights=MIT --out edge-1.0.0.mtcb
  mtcae bundle --firmware mtcae-firmware --target aarch64-unknown-linux-gnu --name daemon \\
      --version 0.2.0 --counter 1 --family jetson-orin-nano --sign release.key \\
      --licence 'firmware=MIT OR Apache-2.0' --encrypt-to board-17.key.pub --out daemon-0.2.0.mtcb")]
pub struct Args {
    /// Folder of the model
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, required_unless_present = "firmware")]
    model: Option<PathBuf>,
    /// Video, or folder of pictures, with a face for the model's self-test, if not the portrait that
    /// ships
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath, requires = "model")]
    reference: Option<PathBuf>,
    /// The daemon's binary for the boards
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "target")]
    firmware: Option<PathBuf>,
    /// What the binary was built for, such as aarch64-unknown-linux-gnu
    #[arg(long, value_name = "TRIPLE", value_hint = ValueHint::Other, requires = "firmware")]
    target: Option<String>,
    /// Version of the binary, if not that of the bundle
    #[arg(long, value_name = "VERSION", value_hint = ValueHint::Other, requires = "firmware", value_parser = values::version)]
    firmware_version: Option<Version>,
    /// A text that goes along, such as a licence; may be repeated
    #[arg(long = "document", value_name = "FILE", value_hint = ValueHint::FilePath)]
    documents: Vec<PathBuf>,
    /// Short name: 1 to 24 of a-z, 0-9, - and _
    #[arg(long, value_hint = ValueHint::Other, value_parser = values::bundle_name)]
    name: String,
    /// Semantic version of the bundle, such as 1.0.0
    #[arg(long, value_hint = ValueHint::Other, value_parser = values::version)]
    version: Version,
    /// Security counter
    #[arg(long, value_name = "N", value_hint = ValueHint::Other, allow_negative_numbers = true, value_parser = values::whole::<u32>(0..=u64::from(u32::MAX)))]
    counter: u32,
    /// Families of boards it is for, as in their board files; may be repeated
    #[arg(long = "family", value_name = "FAMILY", value_hint = ValueHint::Other, required = true, value_delimiter = ',', value_parser = values::family)]
    families: Vec<String>,
    /// Secret signing key; may be repeated
    #[arg(long, value_name = "KEY", value_hint = ValueHint::FilePath, required = true)]
    sign: Vec<PathBuf>,
    /// Whom to encrypt to: a recipient, or a file with one; may be repeated
    #[arg(long, value_name = "RECIPIENT", value_hint = ValueHint::FilePath)]
    encrypt_to: Vec<String>,
    /// File of facts, if not DIR/bundle.toml
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    facts: Option<PathBuf>,
    /// Terms of something inside, such as weights=MIT; may be repeated
    #[arg(long = "licence", value_name = "WHAT=TERMS", value_hint = ValueHint::Other, value_parser = licence)]
    licences: Vec<Licence>,
    /// A data set the model was trained on; may be repeated
    #[arg(long, value_name = "TEXT", value_hint = ValueHint::Other)]
    data: Vec<String>,
    /// Revision of the sources
    #[arg(long, value_name = "TEXT", value_hint = ValueHint::Other)]
    revision: Option<String>,
    /// The bundle
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: PathBuf,
    /// Print a JSON object, as `mtcae inspect --json` does
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Builds the bundle, and shows it.
    pub fn run(self) -> Result<(), Failure> {
        let json = self.json;
        let mut progress = Progress::new()?;
        let (out, recipe) = (self.out.clone(), self.recipe()?);
        let inspection = recipe.write(&out, &mut progress)?;
        drop(progress);
        inspect::show(&out, &inspection, json)
    }

    fn recipe(self) -> Result<Recipe, Failure> {
        let facts = self.facts()?;
        let (mut described, mut sources) = (None, Vec::new());
        if let Some(folder) = &self.model {
            let engines = |precision| facts.engines.of(precision).to_vec();
            let (model, files) = model(folder, engines, self.reference.as_deref())?;
            described = Some(model);
            sources = files;
        }
        for path in &self.documents {
            sources.push(document(path)?);
        }
        if let (Some(path), Some(target)) = (&self.firmware, &self.target) {
            let version = self.firmware_version.unwrap_or_else(|| self.version.clone());
            sources.push(firmware(path, target, version)?);
        }
        let keys = self.sign.iter().map(|path| keyring::signing_key(path)).collect::<Result<_, _>>()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let description = Description {
            name: self.name,
            version: self.version,
            security_counter: self.counter,
            boards: self.families,
            model: described,
            metrics: facts.metrics,
            provenance: Provenance {
                built_unix_s: now,
                builder: concat!("mtcae ", env!("CARGO_PKG_VERSION")).to_owned(),
                revision: self.revision.unwrap_or(facts.revision),
                data: [facts.data, self.data].concat(),
            },
            licences: [facts.licences, self.licences].concat(),
        };
        Ok(Recipe { description, sources, keys, recipients: keyring::recipients(&self.encrypt_to)? })
    }

    fn facts(&self) -> Result<Facts, Failure> {
        let beside = self.model.as_ref().map(|folder| folder.join(FACTS)).filter(|path| path.exists());
        self.facts.clone().or(beside).map_or_else(|| Ok(Facts::default()), |path| Facts::read(&path))
    }
}

fn licence(text: &str) -> Result<Licence, String> {
    match text.split_once('=') {
        Some((covers, terms)) if !covers.trim().is_empty() && !terms.trim().is_empty() => {
            Ok(Licence { covers: covers.trim().to_owned(), terms: terms.trim().to_owned() })
        }
        _ => Err("accepted: what it covers, `=` and the terms, such as weights=MIT".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_says_what_it_covers() {
        let good = licence("weights = CC-BY-NC 4.0").unwrap();
        assert_eq!((good.covers.as_str(), good.terms.as_str()), ("weights", "CC-BY-NC 4.0"));
        assert!(["", "MIT", "=MIT", "weights="].iter().all(|text| licence(text).is_err()));
    }
}
