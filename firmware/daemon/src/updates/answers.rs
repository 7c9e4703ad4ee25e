//! What the slots hold and why they refuse, in the words of the wire.

use mtcae_bundle::{BundleError, Refusal as NotForUs};
use mtcae_drivers::DirStore;
use mtcae_install::InstallError;
use mtcae_transfer::StorageError;
use mtcae_update::{
    Digest, Held, Inbox, Kind, MAX_STARTS, Pair, Standing, State, Store, StoreError, UpdateError, Updater,
};
use mtcae_wire::{Offer, Refusal, Slot, SlotName, SlotPair, SlotState, Slots, Text};

/// The answer to a question about the slots.
pub(crate) fn slots(updater: &mut Updater<DirStore>, family: &str, token: u32) -> Result<Slots, UpdateError> {
    let status = updater.status()?;
    let held = updater.slots()?;
    let runs = match status.state {
        State::Trial => status.new.as_ref().or(status.confirmed.as_ref()),
        _ => status.confirmed.as_ref(),
    };
    let pair = |kind: Kind| SlotPair {
        active: runs.map(|version| name(version.pair, kind)),
        slots: [0, 1].map(|at| held[kind as usize][at].as_ref().map(slot)),
    };
    Ok(Slots {
        token,
        family: Text::new(family),
        model: pair(Kind::Model),
        daemon: pair(Kind::Daemon),
        trial_starts_left: (status.state == State::Trial && !status.held)
            .then(|| MAX_STARTS.saturating_sub(status.starts)),
        security_counter: counter(status.lowest.into_iter().max().unwrap_or(0)),
        free_bytes: updater.store_mut().free_space()?,
    })
}

fn name(pair: Pair, kind: Kind) -> SlotName {
    match pair.slot(kind) {
        mtcae_update::Slot::A => SlotName::A,
        mtcae_update::Slot::B => SlotName::B,
    }
}

fn slot(held: &Held) -> Slot {
    let Held { version, counter: number, origin, standing } = held;
    let [a, b, c, d, ..] = origin.0;
    // The name of the bundle stands in front; the wire has room for the version.
    let version = version.rsplit(' ').next().unwrap_or(version);
    Slot {
        transfer: u32::from_le_bytes([a, b, c, d]),
        version: Text::new(version),
        security_counter: counter(*number),
        state: match standing {
            Standing::Ready => SlotState::Ready,
            Standing::Trial => SlotState::Trial,
            Standing::Confirmed => SlotState::Confirmed,
            Standing::Failed => SlotState::Failed,
        },
    }
}

fn counter(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Whether a bundle would be taken, from what its sender says of it; the bundle itself is what counts later.
pub(crate) fn admit(
    updater: &mut Updater<DirStore>,
    offer: &Offer,
    family: &str,
    permitted: Option<u64>,
) -> Result<(), (Refusal, String)> {
    if !offer.families.iter().any(|known| known.as_str() == family) {
        return Err((Refusal::WrongBoard, format!("this board's family is {family}")));
    }
    let status = updater.status().map_err(|e| refused(&e))?;
    if status.state == State::Trial {
        return Err((Refusal::Busy, "a version is on trial; confirm it or roll it back first".into()));
    }
    if let Some(version) = updater.confirmed_from(Digest(offer.sha256)).map_err(|e| refused(&e))? {
        return Err((Refusal::AlreadyInstalled, format!("{version} of this very file is confirmed here")));
    }
    let lowest = status.lowest.into_iter().min().unwrap_or(0);
    let found = u64::from(offer.security_counter);
    if found < lowest && permitted.is_none_or(|permitted| found < permitted) {
        return Err((
            Refusal::OlderCounter,
            format!("its security counter is {found}; this board takes {lowest} or more"),
        ));
    }
    let store = updater.store_mut();
    // What has arrived of a bundle makes room for the rest of it, or goes.
    let free = store.free_space().and_then(|free| Ok(free + store.len(Inbox::FILE)?.unwrap_or(0)));
    let free = free.map_err(|e| refused(&e.into()))?;
    if free < offer.length {
        return Err((Refusal::NoSpace, format!("the bundle has {} bytes, and {free} are free", offer.length)));
    }
    Ok(())
}

/// Why an installation failed, for the program and for a person.
pub(crate) fn refusal(error: &InstallError) -> (Refusal, String) {
    match error {
        InstallError::Slots(error) => refused(error),
        InstallError::Already { .. } => (Refusal::AlreadyInstalled, error.to_string()),
        InstallError::Target { .. } => (Refusal::WrongBoard, error.to_string()),
        InstallError::Read(_) => (Refusal::Storage, error.to_string()),
        InstallError::Bundle(bundle) => {
            let refusal = match bundle {
                BundleError::UnknownKey { .. } | BundleError::RetiredKey { .. } | BundleError::Signature { .. } => {
                    Refusal::NotTrusted
                }
                BundleError::Refused(NotForUs::Board { .. }) => Refusal::WrongBoard,
                BundleError::Refused(NotForUs::Counter { .. }) => Refusal::OlderCounter,
                BundleError::Refused(NotForUs::Space { .. }) => Refusal::NoSpace,
                BundleError::Io { .. } | BundleError::Sink { .. } => Refusal::Storage,
                BundleError::Damaged { .. } | BundleError::Truncated { .. } | BundleError::Trailing { .. } => {
                    Refusal::Damaged
                }
                _ => Refusal::Unusable,
            };
            (refusal, bundle.to_string())
        }
    }
}

fn refused(error: &UpdateError) -> (Refusal, String) {
    let refusal = match error {
        UpdateError::Store(StoreError::NoSpace { .. }) | UpdateError::NoRoom { .. } => Refusal::NoSpace,
        UpdateError::Store(StoreError::Busy { .. }) | UpdateError::NotNow { .. } => Refusal::Busy,
        UpdateError::Downgrade { .. } => Refusal::OlderCounter,
        UpdateError::BadPlan { .. } | UpdateError::Incomplete { .. } => Refusal::Unusable,
        _ => Refusal::Storage,
    };
    (refusal, error.to_string())
}

/// The inbox's error in the words of a transfer.
pub(crate) fn storage_error(error: &UpdateError) -> StorageError {
    match error {
        UpdateError::NoRoom { .. } | UpdateError::Store(StoreError::NoSpace { .. }) => {
            StorageError::NoSpace(error.to_string())
        }
        error => StorageError::Failed(error.to_string()),
    }
}
