//! Files on their way into a bundle: which parts they become, and whether they are what they are said to be.

use crate::failure::Failure;
use crate::new_file::NewFile;
use crate::progress::Progress;
use crate::{new_file, reference, text};
use mtcae_bundle::{
    Builder, BundleError, Compression, Content, Description, Digest, Inspection, MAX_PART, ModelDescription, Recipient,
    SigningKey, Trust, Version,
};
use mtcae_contract::{Manifest, Precision};
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};

/// The model card of a model folder.
const CARD: &str = "CARD.md";
/// What the daemon's part is called, whatever its file is.
const FIRMWARE: &str = "mtcae-firmware";
/// Processors by the first word of a target triple, and their numbers in an ELF header.
const MACHINES: [(&str, u16); 4] = [("x86_64", 62), ("aarch64", 183), ("armv7", 40), ("riscv64gc", 243)];

/// A file, or something made here, that becomes a part.
pub struct Source {
    /// Name of the part.
    name: String,
    content: Content,
    origin: Origin,
    len: u64,
    /// What it must be.
    sha256: Option<Digest>,
}

enum Origin {
    File(PathBuf),
    Made(Vec<u8>),
}

impl Source {
    fn made(name: &str, content: Content, bytes: Vec<u8>) -> Self {
        let len = bytes.len() as u64;
        Self { name: name.to_owned(), content, origin: Origin::Made(bytes), len, sha256: None }
    }

    fn file(name: String, content: Content, path: PathBuf, sha256: Option<Digest>) -> Result<Self, Failure> {
        let unreadable = |reason| Failure::Read { path: path.clone(), reason };
        let found = path.metadata().map_err(unreadable)?;
        if !found.is_file() {
            return Err(unreadable(io::Error::other("it is not a file")));
        }
        let len = found.len();
        if !(1..=MAX_PART).contains(&len) {
            let reason = format!("{} has {len} bytes; accepted: 1 to {MAX_PART}", path.display());
            return Err(Failure::Bundle { reason, help: "a part of a bundle is never empty".to_owned() });
        }
        Ok(Self { name, content, origin: Origin::File(path), len, sha256 })
    }
}

/// The parts of a model folder, its self-test among them (made from `video`, or from the portrait that ships), and what is
/// said of the model.
///
/// # Errors
/// When the manifest is no good or names files that are not there, nothing is known of the engines of one, or the model
/// does not run.
pub fn model(
    folder: &Path,
    engines: impl Fn(Precision) -> Vec<String>,
    video: Option<&Path>,
) -> Result<(ModelDescription, Vec<Source>), Failure> {
    let path = folder.join("manifest.toml");
    let refuse = |reason: String, help: &str| Failure::Bundle { reason, help: help.to_owned() };
    let text = text::read(&path)
        .map_err(|failure| refuse(failure.to_string(), "`--model` takes a folder that `mtcae export` wrote"))?;
    let manifest = Manifest::from_toml(&text).map_err(|error| {
        refuse(format!("{}: {error}", path.display()), "correct it, or let `mtcae export` write it again")
    })?;
    if manifest.artifacts.is_empty() {
        let reason = format!("{} lists no exported file", path.display());
        return Err(refuse(reason, "`mtcae export` writes the files of a model and lists them there"));
    }
    let sum = Some(Digest::of(text.as_bytes()));
    let mut sources = vec![Source::file("manifest.toml".to_owned(), Content::ModelManifest, path.clone(), sum)?];
    for artifact in &manifest.artifacts {
        let engines = engines(artifact.precision);
        if engines.is_empty() {
            let precision = format!("{:?}", artifact.precision).to_ascii_lowercase();
            let reason = format!("nothing says with which engines {} was checked", artifact.file);
            let help = format!("say it in the file of facts: [engines] {precision} = [\"tract\"]");
            return Err(Failure::Bundle { reason, help });
        }
        let content = Content::Model { precision: artifact.precision, engines };
        let sum = Digest::try_from(artifact.sha256.to_ascii_lowercase()).ok();
        sources.push(Source::file(artifact.file.clone(), content, folder.join(&artifact.file), sum)?);
    }
    let self_test = reference::make(folder, &manifest, video)?;
    sources.push(Source::made("reference.clip", Content::ReferenceClip, self_test.clip));
    sources.push(Source::made("reference.json", Content::ReferenceAnswer, self_test.answer.into_bytes()));
    if folder.join(CARD).exists() {
        sources.push(document(&folder.join(CARD))?);
    }
    Ok((ModelDescription::from(&manifest), sources))
}

/// A text for people.
///
/// # Errors
/// When there is no such file.
pub fn document(path: &Path) -> Result<Source, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Source::file(name, Content::Document, path.to_owned(), None)
}

/// The daemon's binary.
///
/// # Errors
/// When it is no program for `target`.
pub fn firmware(path: &Path, target: &str, version: Version) -> Result<Source, Failure> {
    let content = Content::Firmware { target: target.to_owned(), version };
    let source = Source::file(FIRMWARE.to_owned(), content, path.to_owned(), None)?;
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(20).read_to_end(&mut head))
        .map_err(|reason| Failure::Read { path: path.to_owned(), reason })?;
    match check_program(&head, target) {
        Ok(()) => Ok(source),
        Err(found) => Err(Failure::Bundle {
            reason: format!("{} is {found}; accepted: a program for {target}", path.display()),
            help: "give the daemon as it was built for the boards: `--firmware` and `--target` belong together"
                .to_owned(),
        }),
    }
}

/// Whether the first bytes of a file are those of a program for `target`; else what they are.
fn check_program(head: &[u8], target: &str) -> Result<(), String> {
    let (Some(b"\x7fELF"), Some(&[low, high])) = (head.get(..4), head.get(18..20)) else {
        return Err("no program for Linux".to_owned());
    };
    let found = u16::from_le_bytes([low, high]);
    let architecture = target.split('-').next().unwrap_or_default();
    match MACHINES.iter().find(|(name, _)| *name == architecture) {
        None => {
            let known = MACHINES.map(|(name, _)| name).join(", ");
            Err(format!("for a processor that nobody knows, `{architecture}` of `{target}`; accepted: {known}"))
        }
        Some((_, machine)) if *machine != found => {
            let known = MACHINES.iter().find(|(_, machine)| *machine == found);
            Err(known.map_or("a program for another processor".to_owned(), |(name, _)| format!("a program for {name}")))
        }
        _ => Ok(()),
    }
}

/// Everything that makes up a bundle.
pub struct Recipe {
    /// What is said of it.
    pub description: Description,
    /// Its parts.
    pub sources: Vec<Source>,
    /// Who signs it.
    pub keys: Vec<SigningKey>,
    /// Whom it is encrypted to.
    pub recipients: Vec<Recipient>,
}

impl Recipe {
    /// Writes the bundle to `out` and reads it back; what that shows is the result.
    ///
    /// # Errors
    /// When a value is out of bounds, a file is not what it was said to be, or reading or writing fails. `out` is then
    /// not there.
    pub fn write(&self, out: &Path, progress: &mut Progress) -> Result<Inspection, Failure> {
        let mut file = NewFile::create(out, new_file::PUBLIC)?;
        self.rehearse()?;
        let keys: Vec<&SigningKey> = self.keys.iter().collect();
        let trust = Trust::new(&self.keys.iter().map(SigningKey::public).collect::<Vec<_>>())
            .map_err(|error| crate::keyring::refused("`--sign`", error))?;

        progress.step("packing", Some(self.sources.iter().map(|source| source.len).sum()));
        let mut builder = Builder::new(self.description.clone(), &self.recipients, new_file::stage_beside(out)?);
        let mut stored = 0;
        for source in &self.sources {
            stored += add(&mut builder, source, progress)?;
        }
        progress.step("writing", Some(stored));
        let failed = |error| progress.cause(refused(out, error));
        builder.finish(&keys, &mut progress.watch(file.file())).map_err(failed)?;

        progress.step("reading back", Some(stored));
        file.file().rewind().map_err(|reason| Failure::Write { path: out.to_owned(), reason })?;
        let inspection = Inspection::read(progress.watch(BufReader::new(file.file())), &trust)
            .map_err(|error| progress.cause(refused(out, error)))?;
        file.commit()?;
        Ok(inspection)
    }

    /// Builds it with parts of one byte: a value out of bounds is found out before gigabytes are packed.
    fn rehearse(&self) -> Result<(), Failure> {
        let keys: Vec<&SigningKey> = self.keys.iter().collect();
        let mut builder = Builder::new(self.description.clone(), &self.recipients, Cursor::new(Vec::new()));
        let add = |source: &Source| {
            builder.add(&source.name, source.content.clone(), Compression::None, &mut &b"x"[..]).map(drop)
        };
        self.sources.iter().try_for_each(add).map_err(refused_value)?;
        builder.finish(&keys, &mut io::sink()).map_err(refused_value).map(drop)
    }
}

/// Packs one part; gives the bytes it takes in the bundle.
fn add(builder: &mut Builder<File>, source: &Source, progress: &Progress) -> Result<u64, Failure> {
    let (path, plain): (&Path, Box<dyn Read + '_>) = match &source.origin {
        Origin::Made(bytes) => (Path::new(&source.name), Box::new(bytes.as_slice())),
        Origin::File(path) => {
            let unreadable = |reason| Failure::Read { path: path.clone(), reason };
            (path, Box::new(File::open(path).map_err(unreadable)?))
        }
    };
    let part = builder
        .add(&source.name, source.content.clone(), Compression::Zstd, &mut progress.watch(plain))
        .map_err(|error| progress.cause(refused(path, error)))?;
    match source.sha256 {
        Some(expected) if expected != part.plain_sha256 => Err(Failure::Bundle {
            reason: format!(
                "{} is not the file that manifest.toml lists: its SHA-256 is {}; listed: {expected}",
                path.display(),
                part.plain_sha256
            ),
            help: "`mtcae export` writes both anew".to_owned(),
        }),
        _ => Ok(part.stored),
    }
}

/// A bundle's error as the tool says it; `path` is the file at hand.
pub fn refused(path: &Path, error: BundleError) -> Failure {
    let help = match &error {
        BundleError::Io { .. } => "is the disk full, or the file gone?",
        BundleError::NotABundle { .. } => "give a file that `mtcae bundle` wrote",
        BundleError::Format { .. } => "`mtcae --version` says which this one is",
        BundleError::Truncated { .. } | BundleError::Trailing { .. } | BundleError::Damaged { .. } => {
            "no board takes it; compare its length and its SHA-256 with the original's"
        }
        BundleError::Signature { .. } => {
            "no board takes it; get it again from where it was built, and tell its signer if that one is the same"
        }
        _ => "it was made by a faulty tool, and no board takes it; build it again with this one",
    };
    Failure::Bundle { reason: format!("{}: {error}", path.display()), help: help.to_owned() }
}

/// An error of what a person said of the bundle, with where it was said.
fn refused_value(error: BundleError) -> Failure {
    let key = match &error {
        BundleError::Value { key, .. } => key.as_str(),
        BundleError::Limit { what, .. } => what.as_str(),
        _ => "",
    };
    let help = match key {
        "name" => "say it with `--name`",
        "version" => "say it with `--version`",
        "boards" => "say it with `--family`; the board file's `board.family` is what counts",
        "recipients" | "the number of recipients" => "say it with `--encrypt-to`, each recipient once",
        "the number of signatures" => "say it with `--sign`",
        key if key.starts_with("licences") => "say it with `--licence weights=MIT`, or in bundle.toml",
        key if key.starts_with("metrics") || key.starts_with("provenance") => "correct it in bundle.toml or its flag",
        key if key.starts_with("parts") || key == "the number of parts" => {
            "a part has the name of its file; rename the file, or leave it out"
        }
        _ => "correct the model's manifest.toml",
    };
    Failure::Bundle { reason: error.to_string(), help: help.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(machine: u16) -> Vec<u8> {
        let mut head = b"\x7fELF\x02\x01\x01".to_vec();
        head.resize(18, 0);
        head.extend(machine.to_le_bytes());
        head
    }

    #[test]
    fn a_program_is_for_its_target() {
        let linux = |architecture: &str| format!("{architecture}-unknown-linux-gnu");
        assert_eq!(check_program(&head(183), &linux("aarch64")), Ok(()));
        assert_eq!(check_program(&head(62), &linux("x86_64")), Ok(()));
        assert_eq!(check_program(&head(62), &linux("aarch64")), Err("a program for x86_64".to_owned()));
        assert_eq!(check_program(&head(8), &linux("aarch64")), Err("a program for another processor".to_owned()));
        // A slip of the pen is no new processor.
        let slip = check_program(&head(62), "x86-64-unknown-linux-gnu").unwrap_err();
        assert!(
            slip.ends_with("`x86` of `x86-64-unknown-linux-gnu`; accepted: x86_64, aarch64, armv7, riscv64gc"),
            "{slip}"
        );
        assert!(check_program(b"#!/bin/sh\nexec sleep 1000\n", &linux("mips")).is_err());
        assert!(check_program(&head(62)[..19], &linux("x86_64")).is_err());
    }
}
