//! Making the record anew from the seals in the slots, when both of its copies are lost.

use crate::record::{Outcome, Record, Update, Work};
use crate::seal::{self, Depth, Seal};
use crate::{Confirm, Digest, Kind, Pair, Slot, Store, StoreError};

/// What a slot holds, every byte of which is what it should be.
struct Whole {
    seal: Seal,
    digest: Digest,
    /// Digest of the seal that it runs with, of an update of one kind.
    partner: Option<Digest>,
}

struct Found([[Option<Whole>; 2]; 2]);

/// The newest whole version goes on trial, with the one before it to go back to. `None` when the slots hold nothing
/// that can start.
pub(crate) fn rebuild<S: Store>(store: &mut S) -> Result<Option<Record>, StoreError> {
    let found = Found::read(store)?;
    let pairs = Slot::ALL.into_iter().flat_map(|model| Slot::ALL.map(|daemon| Pair { model, daemon }));
    let together = pairs.filter_map(|pair| found.together(pair).map(|halves| (pair, halves)));
    let newest = together.max_by_key(|(_, [newer, older])| (newer.seal.sequence, older.seal.sequence));
    let Some((pair, [last, _])) = newest else { return Ok(None) };
    // An update goes beside what is confirmed.
    let before = Some(pair.swapped(&last.seal.kinds)).filter(|before| found.together(*before).is_some());
    let kept = before.unwrap_or(pair);
    let mut record = Record::empty();
    record.generation = last.seal.sequence + 1;
    record.confirmed = Some(kept);
    record.last = Outcome::Rebuilt;
    record.seals = Kind::ALL.map(|kind| Slot::ALL.map(|slot| found.get(kind, slot).map(|whole| whole.digest)));
    record.lowest = Kind::ALL.map(|kind| found.get(kind, kept.slot(kind)).map_or(0, |whole| whole.seal.counter));
    if before.is_some() {
        let update = Update { id: last.seal.update, pair, confirm: Confirm::BySelfTest, permitted: false };
        record.work = Work::Trial { update, starts: 0, held: false };
    }
    Ok(Some(record))
}

impl Found {
    fn read<S: Store>(store: &mut S) -> Result<Found, StoreError> {
        let mut found = [[None, None], [None, None]];
        for kind in Kind::ALL {
            for slot in Slot::ALL {
                let Some((seal, digest)) = seal::read(store, kind, slot)? else { continue };
                if seal::wrong_part(store, kind, slot, &seal.parts, Depth::Bytes)?.is_none() {
                    let partner = seal::partner(store, kind, slot, &seal)?;
                    found[kind.index()][slot.index()] = Some(Whole { seal, digest, partner });
                }
            }
        }
        Ok(Found(found))
    }

    fn get(&self, kind: Kind, slot: Slot) -> Option<&Whole> {
        self.0[kind.index()][slot.index()].as_ref()
    }

    /// A pair's halves, the newer first, when they have run together or were to: a mix of two versions is none.
    fn together(&self, pair: Pair) -> Option<[&Whole; 2]> {
        let [model, daemon] = [self.get(Kind::Model, pair.model)?, self.get(Kind::Daemon, pair.daemon)?];
        let (newer, older) = if model.seal.sequence > daemon.seal.sequence { (model, daemon) } else { (daemon, model) };
        let fits = match newer.partner {
            Some(partner) => partner == older.digest,
            None if newer.seal.kinds.len() == Kind::ALL.len() => newer.seal.update == older.seal.update,
            // Of firmware that did not write down what it runs with.
            None => self.was_confirmed(older),
        };
        fits.then_some([newer, older])
    }

    /// Whether the update that brought it filled all its slots, as far as the others show.
    fn was_confirmed(&self, half: &Whole) -> bool {
        let of = |kind: Kind| self.0[kind.index()].iter().flatten();
        let vouched = Kind::ALL.into_iter().flat_map(of).any(|other| other.partner == Some(half.digest));
        vouched || half.seal.kinds.iter().all(|kind| of(*kind).any(|other| other.seal.update == half.seal.update))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::SimStore;
    use crate::{Part, State};

    const BOTH: &[Kind] = &Kind::ALL;
    const DAEMON: &[Kind] = &[Kind::Daemon];
    const A_A: Pair = Pair { model: Slot::A, daemon: Slot::A };
    const A_B: Pair = Pair { model: Slot::A, daemon: Slot::B };

    /// Puts a slot of update `number` there, sealed; the digest of its seal.
    fn put(store: &mut SimStore, at: (Kind, Slot), number: u8, kinds: &[Kind], partner: Option<Digest>) -> Digest {
        let (kind, slot) = at;
        let path = format!("{}/weights", crate::slot::folder(kind, slot));
        store.create(&path).unwrap();
        store.append(&path, &[number]).unwrap();
        let mut parts = vec![Part { kind, name: "weights".into(), len: 1, sha256: Digest::of(&[number]) }];
        parts.extend(partner.map(|partner| seal::write_partner(store, kind, slot, partner).unwrap()));
        let (version, origin, counter) = (number.to_string(), Digest::of(b"file"), 1);
        let update = Digest([number; 32]);
        let seal = Seal { update, sequence: number.into(), kinds: kinds.to_vec(), version, origin, counter, parts };
        seal::write(store, kind, slot, &seal).unwrap()
    }

    /// A model and a daemon that came together; the digest of the model's seal.
    fn first(store: &mut SimStore) -> Digest {
        put(store, (Kind::Daemon, Slot::A), 1, BOTH, None);
        put(store, (Kind::Model, Slot::A), 1, BOTH, None)
    }

    /// What would start, and what is behind it.
    fn made(store: &mut SimStore) -> Option<(Pair, Option<Pair>)> {
        let record = rebuild(store).unwrap()?;
        let new = record.update().map(|update| update.pair);
        assert_eq!(record.state(), if new.is_some() { State::Trial } else { State::Running });
        Some((new.or(record.confirmed)?, new.and(record.confirmed)))
    }

    #[test]
    fn seals_of_older_firmware_say_as_much_as_before() {
        let mut store = SimStore::new(1);
        let model = first(&mut store);
        assert_eq!(made(&mut store), Some((A_A, None)));
        put(&mut store, (Kind::Daemon, Slot::B), 2, DAEMON, None);
        assert_eq!(made(&mut store), Some((A_B, Some(A_A))));
        // Nothing shows that the model was more than half an update.
        put(&mut store, (Kind::Daemon, Slot::A), 3, DAEMON, None);
        assert_eq!(made(&mut store), None);
        // The first update by firmware that writes it down helps the one before it, too.
        put(&mut store, (Kind::Daemon, Slot::A), 3, DAEMON, Some(model));
        assert_eq!(made(&mut store), Some((A_A, Some(A_B))));
    }

    #[test]
    fn half_an_update_runs_with_nothing() {
        for partner in [true, false] {
            let mut store = SimStore::new(1);
            let model = first(&mut store);
            // The power went before its daemon was sealed, and it was dropped.
            put(&mut store, (Kind::Model, Slot::B), 7, BOTH, None);
            assert_eq!(made(&mut store), Some((A_A, None)));
            put(&mut store, (Kind::Daemon, Slot::B), 8, DAEMON, partner.then_some(model));
            assert_eq!(made(&mut store), Some((A_B, Some(A_A))));
        }
    }

    #[test]
    fn a_slot_whose_partner_is_gone_runs_with_no_other() {
        let mut store = SimStore::new(1);
        first(&mut store);
        put(&mut store, (Kind::Daemon, Slot::B), 2, DAEMON, Some(Digest([5; 32])));
        assert_eq!(made(&mut store), Some((A_A, None)));
    }
}
