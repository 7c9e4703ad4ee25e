//! The way into the slots, in an order that touches nothing before everything is known to be good.

use crate::error::InstallError;
use crate::plan::plan;
use crate::sealed::SEALED_FILE;
use crate::sink::{Copier, SlotSink, Sum};
use mtcae_bundle::{BundleManifest, Content, DeviceKey, Discard, Reader, Target, Trust};
use mtcae_update::{Confirm, Digest, Kind, Permit, Plan, Store, Updater};
use std::io::{Read, Seek};

/// What a board takes, and how.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Its family, as in the board file's `board.family`.
    pub family: &'a str,
    /// Target triple of a daemon that runs on it, where that is known.
    pub target: Option<&'a str>,
    /// Whose signature counts.
    pub trust: &'a Trust,
    /// Keys that open what is encrypted.
    pub keys: &'a [DeviceKey],
    /// Who confirms.
    pub confirm: Confirm,
    /// A leave to take an older version.
    pub permit: Option<Permit>,
}

/// What is ready for its trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Installed {
    /// What the bundle says about itself.
    pub manifest: BundleManifest,
    /// What was written.
    pub plan: Plan,
}

/// Verifies `bundle` from its start and writes it into the idle slots of `updater`, or goes on with that; the slots are
/// "ready" afterwards. `progress` is told the bytes written and how many there are.
///
/// Every signature, sum and length is checked before the first byte of a slot changes; then the bundle is read again.
///
/// # Errors
/// See [`InstallError`].
pub fn install<S: Store, R: Read + Seek>(
    updater: &mut Updater<S>,
    bundle: &mut R,
    rules: &Rules<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Installed, InstallError> {
    let (manifest, len, origin) = verify(bundle, rules)?;
    if let Some(version) = updater.confirmed_from(origin)? {
        return Err(InstallError::Already { version });
    }
    let plan = plan(&manifest, len, origin, rules.confirm);
    updater.check(&plan, rules.permit.as_ref())?;
    updater.begin(&plan, rules.permit.as_ref())?;
    match write(updater, bundle, rules, &plan, progress) {
        Ok(()) => {}
        // It was good a moment ago: the medium it lies on changed it. What is half written is of no use.
        Err(error @ InstallError::Bundle(_)) => {
            updater.abandon()?;
            return Err(error);
        }
        Err(error) => return Err(error),
    }
    updater.finish()?;
    Ok(Installed { manifest, plan })
}

/// Reads all of it and keeps nothing; its manifest, its length, its SHA-256.
fn verify<R: Read + Seek>(bundle: &mut R, rules: &Rules<'_>) -> Result<(BundleManifest, u64, Digest), InstallError> {
    bundle.rewind().map_err(InstallError::Read)?;
    let mut sum = Sum::new(bundle);
    let accepted = Reader::open(&mut sum, rules.trust)?.accept(&target(rules))?;
    check_processor(accepted.manifest(), rules)?;
    let manifest = accepted.unpack(rules.keys, &mut Discard)?;
    let (len, origin) = sum.finish();
    Ok((manifest, len, origin))
}

/// The slots know the counters and the room, and say more about them.
fn target(rules: &Rules<'_>) -> Target {
    Target { family: rules.family.to_owned(), lowest_counter: 0, free_bytes: None }
}

fn check_processor(manifest: &BundleManifest, rules: &Rules<'_>) -> Result<(), InstallError> {
    let Some(accepted) = rules.target else { return Ok(()) };
    for part in &manifest.parts {
        match &part.content {
            Content::Firmware { target, .. } if target != accepted => {
                return Err(InstallError::Target { found: target.clone(), accepted: accepted.to_owned() });
            }
            _ => {}
        }
    }
    Ok(())
}

fn write<S: Store, R: Read + Seek>(
    updater: &mut Updater<S>,
    bundle: &mut R,
    rules: &Rules<'_>,
    plan: &Plan,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), InstallError> {
    bundle.rewind().map_err(InstallError::Read)?;
    let mut sink = SlotSink::new(updater, plan, progress);
    let unpacked = Reader::open(&mut *bundle, rules.trust)?.accept(&target(rules))?.unpack(rules.keys, &mut sink);
    let trouble = sink.trouble.take();
    let encrypted = match (unpacked, trouble) {
        (_, Some(error)) => return Err(error.into()),
        (Err(error), None) => return Err(error.into()),
        (Ok(manifest), None) => manifest.is_encrypted(),
    };
    match plan.parts.iter().position(|part| part.kind == Kind::Model && part.name == SEALED_FILE) {
        Some(part) if encrypted => {
            bundle.rewind().map_err(InstallError::Read)?;
            Copier { updater, plan, progress }.copy(part, bundle)
        }
        _ => Ok(()),
    }
}
