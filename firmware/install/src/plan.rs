//! Which part of a bundle goes into which slot.

use crate::sealed::SEALED_FILE;
use mtcae_bundle::{BundleManifest, Content};
use mtcae_update::{Confirm, Digest, Kind, MAX_VERSION, Part, Plan};

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

/// Name and version, the name cut where both have no room: two versions never look the same.
fn called(name: &str, version: &str) -> String {
    let room = MAX_VERSION.saturating_sub(version.len() + 1);
    match name.chars().take(room).collect::<String>() {
        name if name.is_empty() => version.to_owned(),
        name => format!("{name} {version}"),
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
    let version = called(&manifest.name, &manifest.version.to_string());
    Plan { version, counter: manifest.security_counter.into(), origin, confirm, parts }
}
