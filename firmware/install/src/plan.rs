//! Which part of a bundle goes into which slot.

use crate::sealed::SEALED_FILE;
use mtcae_bundle::{BundleManifest, Content};
use mtcae_update::{Confirm, Digest, Kind, Part, Plan};

/// The slot of a part; `None` for what no slot needs: texts of a bundle without a model.
pub(crate) fn kind_of(content: &Content, with_model: bool) -> Option<Kind> {
    match content {
        Content::Firmware { .. } => Some(Kind::Daemon),
        Content::ModelManifest
        | Content::Model { .. }
        | Content::Detector
        | Content::ReferenceClip
        | Content::ReferenceAnswer => Some(Kind::Model),
        Content::Document => with_model.then_some(Kind::Model),
    }
}

/// What a bundle of `len` bytes with the SHA-256 `origin` puts into slots. The model of an encrypted bundle stays in it: its
/// slot gets the bundle as it is, and the daemon opens that in memory.
///
/// The daemon's parts come first in an encrypted bundle's plan, in the bundle's order otherwise.
pub fn plan(manifest: &BundleManifest, len: u64, origin: Digest, confirm: Confirm) -> Plan {
    let (sealed, with_model) = (manifest.is_encrypted(), manifest.model.is_some());
    let unpacked = manifest.parts.iter().filter_map(|part| {
        let kind = kind_of(&part.content, with_model)?;
        let sha256 = Digest(*part.plain_sha256.as_bytes());
        (!sealed || kind == Kind::Daemon).then(|| Part { kind, name: part.name.clone(), len: part.plain, sha256 })
    });
    let mut parts: Vec<Part> = unpacked.collect();
    if sealed && with_model {
        parts.push(Part { kind: Kind::Model, name: SEALED_FILE.to_owned(), len, sha256: origin });
    }
    let version = format!("{} {}", manifest.name, manifest.version);
    let version = version.chars().take(mtcae_update::MAX_VERSION).collect();
    Plan { version, counter: manifest.security_counter.into(), origin, confirm, parts }
}
