//! Making the record anew from the seals in the slots, when both of its copies are lost.

use crate::record::{Outcome, Record, Update, Work};
use crate::seal::{self, Depth, Seal};
use crate::{Confirm, Digest, Kind, Pair, Slot, Store, StoreError};

type Found = [[Option<(Seal, Digest)>; 2]; 2];

/// The newest whole version goes on trial, with the one before it to go back to. `None` when the slots hold nothing
/// that can start.
pub(crate) fn rebuild<S: Store>(store: &mut S) -> Result<Option<Record>, StoreError> {
    let found = whole(store)?;
    let newest = |kind: Kind| {
        let sequence = |slot: Slot| get(&found, kind, slot).map(|(seal, _)| seal.sequence);
        Slot::ALL.into_iter().filter(|slot| sequence(*slot).is_some()).max_by_key(|slot| sequence(*slot))
    };
    let (Some(model), Some(daemon)) = (newest(Kind::Model), newest(Kind::Daemon)) else { return Ok(None) };
    let pair = Pair { model, daemon };
    let seals = |pair: Pair| Kind::ALL.map(|kind| get(&found, kind, pair.slot(kind)));
    let Some((last, _)) = seals(pair).into_iter().flatten().max_by_key(|(seal, _)| seal.sequence) else {
        return Ok(None);
    };
    let before = pair.swapped(&last.kinds);
    let way_back = seals(before).iter().all(Option::is_some);
    let kept = if way_back { before } else { pair };
    let mut record = Record::empty();
    record.generation = last.sequence + 1;
    record.confirmed = Some(kept);
    record.last = Outcome::Rebuilt;
    record.seals = Kind::ALL.map(|kind| Slot::ALL.map(|slot| get(&found, kind, slot).map(|(_, digest)| *digest)));
    record.lowest = seals(kept).map(|seal| seal.map_or(0, |(seal, _)| seal.counter));
    if way_back {
        let update = Update { id: last.update, pair, confirm: Confirm::BySelfTest, permitted: false };
        record.work = Work::Trial { update, starts: 0, held: false };
    }
    Ok(Some(record))
}

fn get(found: &Found, kind: Kind, slot: Slot) -> Option<&(Seal, Digest)> {
    found[kind.index()][slot.index()].as_ref()
}

/// The seals of the slots that hold every byte of what they should, and of updates that filled all their slots.
fn whole<S: Store>(store: &mut S) -> Result<Found, StoreError> {
    let mut found: Found = [[None, None], [None, None]];
    for kind in Kind::ALL {
        for slot in Slot::ALL {
            let Some((seal, digest)) = seal::read(store, kind, slot)? else { continue };
            if seal::wrong_part(store, kind, slot, &seal.parts, Depth::Bytes)?.is_none() {
                found[kind.index()][slot.index()] = Some((seal, digest));
            }
        }
    }
    let updates: Vec<(Kind, Digest)> = Kind::ALL
        .into_iter()
        .flat_map(|kind| found[kind.index()].iter().flatten().map(move |(seal, _)| (kind, seal.update)))
        .collect();
    for slot in found.iter_mut().flatten() {
        let half = |seal: &Seal| seal.kinds.iter().any(|kind| !updates.contains(&(*kind, seal.update)));
        if slot.as_ref().is_some_and(|(seal, _)| half(seal)) {
            *slot = None;
        }
    }
    Ok(found)
}
