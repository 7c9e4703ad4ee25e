//! A bundle as a person or a script wants to see it.

use crate::{BundleError, BundleManifest, Compression, Content, Reader, SignedBy, Standing, Trust};
use mtcae_contract::Framing;
use serde::Serialize;
use std::fmt::{self, Display, Formatter};
use std::io::Read;

/// Everything about a bundle that its stored bytes show, whoever signed it: whole, undamaged, not unpacked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// Whether a key that counts here has signed it.
    pub trusted: bool,
    /// Who signed it; every signature fits.
    pub signers: Vec<SignedBy>,
    /// Bytes of the file.
    pub len: u64,
    /// Bytes of all parts when unpacked.
    pub plain_len: u64,
    /// What it says about itself.
    pub manifest: BundleManifest,
}

impl Inspection {
    /// Reads a whole bundle and checks its signatures and every stored byte. Needs no device key. Unlike
    /// [`Reader::open`], it shows a bundle of an unknown signer too, and says so.
    ///
    /// # Errors
    /// When it is not a whole and undamaged bundle of this format.
    pub fn read(source: impl Read, trust: &Trust) -> Result<Inspection, BundleError> {
        let reader = Reader::open_for_display(source, trust)?;
        let (signers, len) = (reader.signers().to_vec(), reader.bundle_len());
        let manifest = reader.check_stored()?;
        let trusted = signers.iter().any(|signer| signer.standing == Standing::Trusted);
        Ok(Inspection { trusted, signers, len, plain_len: manifest.plain_len(), manifest })
    }
}

impl Display for Inspection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let m = &self.manifest;
        writeln!(f, "{} {}, security counter {}, {} bytes", m.name, m.version, m.security_counter, self.len)?;
        for signer in &self.signers {
            let standing = match signer.standing {
                Standing::Trusted => "trusted",
                Standing::Retired => "NOT trusted: replaced by a rotation",
                Standing::Unknown => "NOT trusted: unknown key",
            };
            writeln!(f, "signed by    {} ({standing})", signer.key)?;
        }
        writeln!(f, "boards       {}", m.boards.join(", "))?;
        if let Some(model) = &m.model {
            let labels: Vec<&str> = model.labels.labels().iter().map(|label| label.name()).collect();
            let (frames, size) = (model.clip.frames, model.clip.size);
            writeln!(f, "model        {} {}, {frames} frames of {size}x{size}", model.name, model.version)?;
            writeln!(f, "labels       {}", labels.join(", "))?;
            match model.framing {
                Framing::Whole => write!(f, "framing      whole frame")?,
                Framing::Face { margin } => write!(f, "framing      face, margin {margin}")?,
            }
            writeln!(f, "; temperature {}", model.temperature)?;
        }
        for metric in &m.metrics {
            writeln!(f, "metric       {} {} on {}", metric.name, metric.value, metric.on)?;
        }
        let p = &m.provenance;
        let revision = if p.revision.is_empty() { "an unknown revision" } else { &p.revision };
        writeln!(f, "built        by {} at {} (Unix), from {revision}", p.builder, p.built_unix_s)?;
        for data in &p.data {
            writeln!(f, "trained on   {data}")?;
        }
        for licence in &m.licences {
            writeln!(f, "licence      {}: {}", licence.covers, licence.terms)?;
        }
        let recipients: Vec<String> = m.recipients.iter().map(|r| r.to_string()).collect();
        let encrypted = if recipients.is_empty() { "no".to_owned() } else { format!("to {}", recipients.join(", ")) };
        writeln!(f, "encrypted    {encrypted}")?;
        m.parts.iter().try_for_each(|part| {
            let packed = if part.compression == Compression::Zstd { ", zstd" } else { "" };
            let content = &part.content;
            writeln!(f, "part         {} ({content}): {} bytes, stored {}{packed}", part.name, part.plain, part.stored)
        })
    }
}

impl Display for Content {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Content::ModelManifest => f.write_str("model manifest"),
            Content::Model { precision, engines } => {
                let precision = format!("{precision:?}").to_ascii_lowercase();
                write!(f, "model {precision} for {}", engines.join(", "))
            }
            Content::Detector => f.write_str("detector"),
            Content::ReferenceClip => f.write_str("reference clip"),
            Content::ReferenceAnswer => f.write_str("reference answer"),
            Content::Firmware { target, version } => write!(f, "firmware {version} for {target}"),
            Content::Document => f.write_str("document"),
        }
    }
}
