//! Keeping a version, and going back from one. Neither is sent twice without a look at the slots: the answer may be what was
//! lost.

use crate::admission::{lowest_counters, slots_of};
use crate::ask::{Patience, acknowledged, check_device};
use crate::session::{Heard, Session};
use crate::watch::running;
use crate::{BoardError, GONE_AFTER};
use mtcae_bundle::Permit;
use mtcae_wire::{Down, Hello, Reason, Request, SlotName, SlotState, Slots, Up};
use std::time::{Duration, Instant};

/// Times that a request is sent whose answer was lost.
const TRIES: u32 = 3;
/// Between two questions to a board that starts anew.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// What was confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// The version.
    pub version: String,
    /// It was confirmed before this was asked.
    pub before: bool,
}

/// What a board runs after it went back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledBack {
    /// What ran before.
    pub from: String,
    /// What runs now.
    pub to: String,
    /// Who the board is now.
    pub board: Hello,
}

/// The version on trial.
fn on_trial(slots: &Slots) -> Option<String> {
    slots_of(slots).find(|(slot, _)| slot.state == SlotState::Trial).map(|(slot, _)| slot.version.as_str().to_owned())
}

/// The files that what runs came in.
fn active(slots: &Slots) -> Vec<u32> {
    slots_of(slots).filter(|(_, active)| *active).map(|(slot, _)| slot.transfer).collect()
}

/// The slots of model and daemon that start next.
fn starts_next(slots: &Slots) -> [Option<SlotName>; 2] {
    [slots.model.active, slots.daemon.active]
}

/// Keeps the version on trial. Confirming what is confirmed is no error.
///
/// # Errors
/// `NotNow` when nothing is installed; `Declined`; as [`Session::ask`].
pub fn confirm(session: &mut Session) -> Result<Confirmed, BoardError> {
    let slots = session.slots()?;
    let Some(version) = on_trial(&slots) else {
        let confirmed = slots_of(&slots).any(|(slot, active)| active && slot.state == SlotState::Confirmed);
        if confirmed {
            return Ok(Confirmed { version: running(&slots), before: true });
        }
        return Err(BoardError::NotNow("nothing is on trial on this board, and nothing is confirmed".to_owned()));
    };
    for left in (0..TRIES).rev() {
        let request = |token| Down::Confirm(Request { token });
        let Err(error) = session.ask("to confirm", Patience::ONCE, request, acknowledged) else {
            return Ok(Confirmed { version, before: false });
        };
        match error {
            BoardError::Silent { .. } | BoardError::Gone { .. } | BoardError::Declined { .. } => {}
            error => return Err(error),
        }
        let slots = session.slots()?;
        if on_trial(&slots).is_none() {
            let runs = running(&slots);
            let kept = slots_of(&slots).any(|(slot, active)| active && slot.version.as_str() == version);
            let gone =
                || BoardError::NotNow(format!("version {version} is not on trial any more; the board runs {runs}"));
            return if kept { Ok(Confirmed { version, before: false }) } else { Err(gone()) };
        }
        if left == 0 || matches!(error, BoardError::Declined { .. }) {
            return Err(error);
        }
    }
    Err(session.silent("to confirm"))
}

/// Goes back: from a version on trial to the confirmed one, else to the one before it; waits until that runs. A `permit` is for
/// a version with an older security counter.
///
/// # Errors
/// `Declined` when there is nothing to go back to; `TooOld`; `Permit` when that is for another board, `PermitDeclined`; `NotNow` when the board then runs what it ran before; as
/// [`Session::ask`].
pub fn rollback(session: &mut Session, permit: Option<&Permit>) -> Result<RolledBack, BoardError> {
    let before = session.hello(Patience::NORMAL)?;
    check_device(permit, &before)?;
    let slots = session.slots()?;
    if let Some(permit) = permit {
        session.permit(permit)?;
    }
    // One token for all tries: the answer to the first may come late.
    let token = session.new_token();
    for left in (0..TRIES).rev() {
        let request = |token| Down::Rollback(Request { token });
        match session.ask_with(token, "to go back", Patience::ONCE, request, |up| acknowledged(up, token)) {
            Ok(()) => break,
            Err(error @ (BoardError::Silent { .. } | BoardError::Gone { .. })) if left == 0 => return Err(error),
            Err(BoardError::Silent { .. } | BoardError::Gone { .. }) => {}
            Err(error) => return Err(too_old(error, &before, &slots)),
        }
        if !is_unheard(session, before.boot, &slots) {
            break;
        }
    }
    let board = next_start(session, before.boot)?;
    let now = session.slots()?;
    let (from, to) = (running(&slots), running(&now));
    // Two bundles may have the same version.
    if active(&now) == active(&slots) {
        return Err(BoardError::NotNow(format!("the board started anew, and still runs {to}")));
    }
    Ok(RolledBack { from, to, board })
}

/// A board has one word for all that it cannot go back to; its slots tell which of them a permit lets through.
fn too_old(error: BoardError, board: &Hello, slots: &Slots) -> BoardError {
    let pairs = [&slots.model, &slots.daemon].into_iter().zip(lowest_counters(slots));
    let older = pairs.filter_map(|(pair, lowest)| {
        let before = pair.slots[1 - pair.active? as usize].as_ref()?;
        (before.state == SlotState::Confirmed && Some(before.security_counter) < lowest)
            .then_some(before.security_counter)
    });
    match (error, older.min()) {
        (BoardError::Declined { reason: Reason::BadValue, detail, .. }, Some(counter)) => {
            BoardError::TooOld { device: board.device.as_str().to_owned(), counter, detail }
        }
        (error, _) => error,
    }
}

/// Whether the board says that it has not heard the request to go back, so that it may be sent again: twice would be forward. A
/// board that has heard it starts anew, or has other slots to start; what it says of them it says after it has done what it was told.
fn is_unheard(session: &mut Session, boot: u32, before: &Slots) -> bool {
    let same_start = session.hello(Patience::NORMAL).is_ok_and(|hello| hello.boot == boot);
    same_start && session.slots().is_ok_and(|slots| starts_next(&slots) == starts_next(before))
}

/// Waits for a daemon with another boot.
fn next_start(session: &mut Session, before: u32) -> Result<Hello, BoardError> {
    let until = Instant::now() + GONE_AFTER;
    let mut ask_at = Instant::now();
    while Instant::now() < until {
        session.check_stop()?;
        if Instant::now() >= ask_at {
            session.send(&Down::Hello);
            ask_at = Instant::now() + ASK_EVERY;
        }
        match session.receive(Duration::from_millis(50)) {
            Some(Heard::Message(Up::Hello(hello))) if hello.boot != before => return Ok(hello),
            _ => {}
        }
    }
    Err(session.silent("after it was told to go back"))
}
