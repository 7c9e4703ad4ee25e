//! Bundles for a bench: packed once from a real model by the real tool, then changed, and signed with the bench's own key.

use crate::{BenchError, BundleKind, Dice};
use mtcae_bundle::{
    Builder, BundleManifest, Compression, Content, Description, Part, PartSink, Reader, SigningKey, Trust, Version,
    write_secret,
};
use mtcae_contract::ReferenceAnswer;
use mtcae_update::DAEMON_FILE;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the first bundle is made of, and with.
pub struct Source<'a> {
    /// The program `mtcae`.
    pub tool: &'a Path,
    /// The model's folder.
    pub model: &'a Path,
    /// A folder for all files made here.
    pub folder: &'a Path,
    /// Target triple of the board's programs.
    pub triple: &'a str,
}

/// Parts of a real bundle, from which others are made.
pub struct Packer {
    folder: PathBuf,
    triple: String,
    key: SigningKey,
    first: BundleManifest,
    parts: Vec<(Part, Vec<u8>)>,
}

impl Packer {
    /// Packs the model with `mtcae bundle`, which computes its self-test, and takes the bundle apart again.
    ///
    /// # Errors
    /// When the tool refuses, with its words.
    pub fn new(source: &Source<'_>) -> Result<Packer, BenchError> {
        let key = SigningKey::generate().map_err(refused)?;
        let (key_file, out) = (source.folder.join("signing.key"), source.folder.join("first.mtcb"));
        write_secret(&key_file, &key.to_secret_text()).map_err(refused)?;
        let mut command = Command::new(source.tool);
        command.args(["bundle", "--name", "bench", "--version", "1.1.0", "--counter", "1", "--family", "pc"]);
        command.args(["--licence", "weights=as the model's card says", "--model"]).arg(source.model);
        command.arg("--sign").arg(&key_file).arg("--out").arg(&out);
        let done = command.output().map_err(BenchError::system("start mtcae bundle"))?;
        if !done.status.success() {
            let words = String::from_utf8_lossy(&done.stderr).into_owned();
            return Err(BenchError::Board(format!("mtcae bundle: {}", words.trim())));
        }
        let trust = Trust::new(&[key.public()]).map_err(refused)?;
        let file = File::open(&out).map_err(BenchError::system("read a bundle"))?;
        let mut parts = Parts::default();
        let reader = Reader::open(BufReader::new(file), &trust).map_err(refused)?;
        let first = reader.accept_for_host().unpack(&[], &mut parts).map_err(refused)?;
        let (folder, triple) = (source.folder.to_owned(), source.triple.to_owned());
        Ok(Packer { folder, triple, key, first, parts: parts.done })
    }

    /// Who signs.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// A bundle with this counter; `daemon` takes a daemon along.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn pack(&self, counter: u32, kind: BundleKind, daemon: Option<&[u8]>) -> Result<PathBuf, BenchError> {
        let script = |text: &str| format!("#!/bin/sh\n{text}\n").into_bytes();
        let daemon = match kind {
            BundleKind::Crashes => Some(script("exit 1")),
            BundleKind::Hangs => Some(script("exec sleep 1000")),
            BundleKind::Good { .. } | BundleKind::WrongAnswer => daemon.map(<[u8]>::to_vec),
        };
        let path = self.folder.join(format!("bench-1.{counter}.0.mtcb"));
        let writing = || BenchError::system(format!("write {}", path.display()));
        let stage = tempfile::tempfile_in(&self.folder).map_err(writing())?;
        let mut builder = Builder::new(self.description(counter), &[], stage);
        for (part, bytes) in &self.parts {
            let wrong = part.content == Content::ReferenceAnswer && kind == BundleKind::WrongAnswer;
            let bytes = if wrong { wrong_answer(bytes)? } else { bytes.clone() };
            add(&mut builder, &part.name, part.content.clone(), &bytes)?;
        }
        if let BundleKind::Good { ballast } = kind
            && ballast > 0
        {
            add(&mut builder, "BALLAST.md", Content::Document, &noise(ballast, counter))?;
        }
        if let Some(daemon) = daemon {
            let version = Version::new(0, 1, counter.into());
            add(&mut builder, DAEMON_FILE, Content::Firmware { target: self.triple.clone(), version }, &daemon)?;
        }
        let mut file = BufWriter::new(File::create(&path).map_err(writing())?);
        builder.finish(&[&self.key], &mut file).map_err(refused)?;
        file.flush().map_err(writing())?;
        Ok(path)
    }

    fn description(&self, counter: u32) -> Description {
        let BundleManifest { name, boards, model, metrics, provenance, licences, .. } = self.first.clone();
        let version = Version::new(1, counter.into(), 0);
        Description { name, version, security_counter: counter, boards, model, metrics, provenance, licences }
    }
}

/// The target triple of this machine's daemons.
pub fn target() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

fn add(builder: &mut Builder<File>, name: &str, content: Content, bytes: &[u8]) -> Result<(), BenchError> {
    // Packing as hard as a release does would take longer than the scenario.
    let packed = if bytes.len() > 100_000 { Compression::None } else { Compression::Zstd };
    builder.add(name, content, packed, &mut &bytes[..]).map(drop).map_err(refused)
}

/// An answer that the model does not give.
fn wrong_answer(json: &[u8]) -> Result<Vec<u8>, BenchError> {
    let text = String::from_utf8_lossy(json);
    let mut answer = ReferenceAnswer::from_json(&text).map_err(refused)?;
    answer.logits.iter_mut().for_each(|logit| *logit += 1.0);
    answer.to_json().map(String::into_bytes).map_err(refused)
}

/// Bytes that cannot be compressed.
fn noise(len: usize, counter: u32) -> Vec<u8> {
    let mut dice = Dice::new(u64::from(counter));
    (0..len).map(|_| dice.number() as u8).collect()
}

fn refused(error: impl std::fmt::Display) -> BenchError {
    BenchError::Board(error.to_string())
}

/// Keeps parts in memory.
#[derive(Default)]
struct Parts {
    open: Vec<u8>,
    done: Vec<(Part, Vec<u8>)>,
}

impl PartSink for Parts {
    fn begin(&mut self, _: &Part) -> io::Result<()> {
        self.open = Vec::new();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.open.extend_from_slice(bytes);
        Ok(())
    }

    fn end(&mut self, part: &Part) -> io::Result<()> {
        self.done.push((part.clone(), std::mem::take(&mut self.open)));
        Ok(())
    }

    fn commit(&mut self, _: &BundleManifest) -> io::Result<()> {
        Ok(())
    }

    fn abort(&mut self) {
        self.done.clear();
    }
}
