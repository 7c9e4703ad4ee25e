//! Whether a board will take a bundle, from what it says of its slots: asked before the first byte is sent.

use mtcae_wire::{Offer, Refusal, Slot, SlotPair, SlotState, Slots};

/// What there is to do for a bundle on a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// It has to be sent, or the rest of it.
    Send,
    /// It is installed and on trial: its end is to be waited for.
    Follow,
    /// It runs and is confirmed.
    Nothing,
}

/// A slot and whether it is the one that runs.
pub(crate) fn slots_of(slots: &Slots) -> impl Iterator<Item = (&Slot, bool)> {
    [&slots.model, &slots.daemon].into_iter().flat_map(|pair: &SlotPair| {
        pair.slots.iter().enumerate().filter_map(|(index, slot)| {
            let active = pair.active.is_some_and(|name| name as usize == index);
            slot.as_ref().map(|slot| (slot, active))
        })
    })
}

/// The bundle's slots, each with whether it runs. A bundle of a model alone has one.
pub(crate) fn slots_with(slots: &Slots, transfer: u32) -> impl Iterator<Item = (&Slot, bool)> {
    slots_of(slots).filter(move |(slot, _)| slot.transfer == transfer)
}

/// Which of the two kinds of what a board runs a bundle brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brings {
    /// A model.
    pub model: bool,
    /// A daemon.
    pub daemon: bool,
}

/// The one of a kind that runs and is confirmed.
fn confirmed(pair: &SlotPair) -> Option<&Slot> {
    let runs = pair.slots[pair.active? as usize].as_ref()?;
    (runs.state == SlotState::Confirmed).then_some(runs)
}

/// The lowest security counter of a model and of a daemon that a board accepts: that of the one which runs and is
/// confirmed. `None` where none is.
pub fn lowest_counters(slots: &Slots) -> [Option<u32>; 2] {
    [&slots.model, &slots.daemon].map(|pair| confirmed(pair).map(|slot| slot.security_counter))
}

/// Whether all that a bundle brings runs and is confirmed. A later bundle of one kind may have taken the place of half of it.
pub(crate) fn runs_confirmed(slots: &Slots, transfer: u32, brings: Brings) -> bool {
    let from = |pair: &SlotPair| confirmed(pair).is_some_and(|slot| slot.transfer == transfer);
    let Brings { model, daemon } = brings;
    (model || daemon) && (!model || from(&slots.model)) && (!daemon || from(&slots.daemon))
}

/// A bundle, as far as a board that is asked beforehand must be told.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What the board is told before the first byte.
    pub offer: &'a Offer,
    /// Families of boards that it is for, all of them.
    pub boards: &'a [String],
    /// What it brings, whose lowest counters count.
    pub brings: Brings,
    /// Bytes of it that the board is known to have.
    pub there: u64,
    /// The lowest counter that a permit allows; whether that counts is the board's to judge.
    pub permitted: Option<u32>,
}

/// What is to be done with a bundle on a board with these slots.
///
/// # Errors
/// Why the board would refuse it: for the program, and for a person.
pub fn course(asked: &Asked<'_>, slots: &Slots) -> Result<Course, (Refusal, String)> {
    let Asked { offer, boards, brings, there, permitted } = *asked;
    let family = slots.family.as_str();
    if !boards.iter().any(|name| name == family) {
        let detail = format!("this board's family is {family:?}; the bundle is for {}", boards.join(", "));
        return Err((Refusal::WrongBoard, detail));
    }
    if slots_with(slots, offer.transfer()).any(|(slot, _)| slot.state == SlotState::Trial) {
        return Ok(Course::Follow);
    }
    if let Some((other, _)) = slots_of(slots).find(|(slot, _)| slot.state == SlotState::Trial) {
        let detail = format!("version {} is on trial there, and one of them at a time", other.version);
        return Err((Refusal::Busy, detail));
    }
    if runs_confirmed(slots, offer.transfer(), brings) {
        return Ok(Course::Nothing);
    }
    let [model, daemon] = lowest_counters(slots);
    let (of, lowest) = match brings {
        // The board's own word, which is the higher of the two.
        Brings { model: true, daemon: true } => ("", slots.security_counter),
        Brings { model: true, .. } => (" of a model", model.unwrap_or(0)),
        Brings { .. } => (" of a daemon", daemon.unwrap_or(0)),
    };
    let found = offer.security_counter;
    if found < lowest.min(permitted.unwrap_or(u32::MAX)) {
        let detail = format!("its security counter is {found}; this board takes {lowest} and above{of}");
        return Err((Refusal::OlderCounter, detail));
    }
    // It is unpacked over what the idle slots hold, which is for the board to reckon.
    let (needed, free) = (offer.length.saturating_sub(there), slots.free_bytes);
    if needed > free {
        return Err((Refusal::NoSpace, format!("{needed} bytes of it are to come; free on the board: {free}")));
    }
    Ok(Course::Send)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_wire::SlotName;

    fn offer() -> Offer {
        let mut sha256 = [0; 32];
        sha256[0] = 9;
        let families = ["pc"].into_iter().map(Into::into).collect();
        let (name, version) = ("edge".into(), "1.1.0".into());
        Offer { length: 1000, sha256, name, version, security_counter: 5, families }
    }

    fn slot(transfer: u32, state: SlotState) -> Option<Slot> {
        Some(Slot { transfer, version: "1.0.0".into(), security_counter: 5, state })
    }

    /// Both kinds of release 1 in A, and `b` of both in B.
    fn slots(b: Option<Slot>, active: SlotName) -> Slots {
        let pair = SlotPair { active: Some(active), slots: [slot(1, SlotState::Confirmed), b] };
        let (family, model, daemon) = ("pc".into(), pair.clone(), pair);
        Slots { token: 0, family, model, daemon, trial_starts_left: None, security_counter: 5, free_bytes: 600 }
    }

    fn on(slots: &Slots) -> Result<Course, (Refusal, String)> {
        with(slots, BOTH, None)
    }

    const BOTH: Brings = Brings { model: true, daemon: true };

    fn with(slots: &Slots, brings: Brings, permitted: Option<u32>) -> Result<Course, (Refusal, String)> {
        let boards = ["pc".to_owned(), "jetson-orin-nano".to_owned()];
        course(&Asked { offer: &offer(), boards: &boards, brings, there: 400, permitted }, slots)
    }

    #[test]
    fn a_board_takes_what_is_for_it() {
        assert_eq!(on(&slots(None, SlotName::A)), Ok(Course::Send));
        assert_eq!(on(&slots(slot(9, SlotState::Ready), SlotName::A)), Ok(Course::Send));
        assert_eq!(on(&slots(slot(9, SlotState::Failed), SlotName::A)), Ok(Course::Send));
        assert_eq!(on(&slots(slot(9, SlotState::Trial), SlotName::B)), Ok(Course::Follow));
        assert_eq!(on(&slots(slot(9, SlotState::Confirmed), SlotName::B)), Ok(Course::Nothing));
        // Confirmed once, and gone back from.
        assert_eq!(on(&slots(slot(9, SlotState::Confirmed), SlotName::A)), Ok(Course::Send));
    }

    #[test]
    fn there_is_nothing_to_do_only_where_each_kind_runs_from_that_file() {
        // Its model runs still; two bundles of a daemon alone have come since.
        let mut board = slots(None, SlotName::A);
        board.model.slots = [slot(9, SlotState::Confirmed), None];
        board.daemon.slots = [slot(8, SlotState::Confirmed), slot(7, SlotState::Confirmed)];
        assert_eq!(on(&board), Ok(Course::Send));
        let model = Brings { daemon: false, ..BOTH };
        assert_eq!(with(&board, model, None), Ok(Course::Nothing), "a bundle of that model alone");
        board.daemon.slots[1] = slot(9, SlotState::Confirmed);
        assert_eq!(on(&board), Ok(Course::Send), "its daemon is there, and another runs");
        board.daemon.active = Some(SlotName::B);
        assert_eq!(on(&board), Ok(Course::Nothing));
        board.model.slots[1] = slot(9, SlotState::Confirmed);
        assert_eq!(on(&board), Ok(Course::Nothing), "an older copy of it does not matter");
        assert!(!runs_confirmed(&board, 9, Brings { model: false, daemon: false }));
    }

    #[test]
    fn each_refusal_says_what_is_accepted() {
        let refusal =
            |slots: &Slots| on(slots).map_err(|(refusal, detail)| format!("{refusal:?}: {detail}")).unwrap_err();
        let fine = || slots(None, SlotName::A);
        insta::assert_snapshot!(refusal(&Slots { family: "jetson-agx".into(), ..fine() }), @r#"WrongBoard: this board's family is "jetson-agx"; the bundle is for pc, jetson-orin-nano"#);
        insta::assert_snapshot!(refusal(&Slots { security_counter: 6, ..fine() }), @"OlderCounter: its security counter is 5; this board takes 6 and above");
        insta::assert_snapshot!(refusal(&Slots { free_bytes: 599, ..fine() }), @"NoSpace: 600 bytes of it are to come; free on the board: 599");
        insta::assert_snapshot!(refusal(&slots(slot(7, SlotState::Trial), SlotName::B)), @"Busy: version 1.0.0 is on trial there, and one of them at a time");
        let older = Slots { security_counter: 6, ..fine() };
        assert_eq!(with(&older, BOTH, Some(5)), Ok(Course::Send));
        assert!(with(&Slots { security_counter: 7, ..older }, BOTH, Some(6)).is_err());
    }

    #[test]
    fn a_bundle_of_one_kind_is_judged_by_the_counter_of_that_kind() {
        let mut board = Slots { security_counter: 6, ..slots(None, SlotName::A) };
        board.daemon.slots[0].iter_mut().for_each(|slot| slot.security_counter = 6);
        assert_eq!(lowest_counters(&board), [Some(5), Some(6)]);
        let (model, daemon) = (Brings { daemon: false, ..BOTH }, Brings { model: false, ..BOTH });
        assert_eq!(with(&board, model, None), Ok(Course::Send), "the daemon's counter binds no model");
        let refused = with(&board, daemon, None).unwrap_err();
        assert_eq!(refused.1, "its security counter is 5; this board takes 6 and above of a daemon");
        assert_eq!(with(&board, daemon, Some(5)), Ok(Course::Send));
        board.daemon.active = Some(SlotName::B);
        assert_eq!(lowest_counters(&board), [Some(5), None]);
        assert_eq!(with(&board, daemon, None), Ok(Course::Send));
    }
}
