//! Why an update is refused or fails.

use crate::{Event, Kind, Permit, State, StoreError};
use thiserror::Error;

/// Why an update is refused or fails. Nothing that runs has changed then.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UpdateError {
    /// The medium failed; try again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The slots are not in a state for that.
    #[error("{}", why_not_now(*.state, *.event, .accepted))]
    NotNow {
        /// Where they are.
        state: State,
        /// What was asked.
        event: Event,
        /// What is possible.
        accepted: String,
    },
    /// The plan is no plan.
    #[error("the update is refused: {what}")]
    BadPlan {
        /// What is wrong, and what is accepted.
        what: String,
    },
    /// The version is older than the board accepts.
    #[error(
        "the {kind} has security counter {counter}, and this board accepts {lowest} or more; take a newer version, or \
         a permit"
    )]
    Downgrade {
        /// Which part of it.
        kind: Kind,
        /// What it has.
        counter: u64,
        /// What the board accepts.
        lowest: u64,
    },
    /// The board needs both kinds to start, and the update brings one.
    #[error("the update has no {kind} and the board has none either; install one that has both")]
    Incomplete {
        /// What is missing.
        kind: Kind,
    },
    /// The update does not fit.
    #[error("the update needs {needed} bytes and {free} are free; free some and try again")]
    NoRoom {
        /// Bytes still to be written.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// Bytes do not follow those that are there.
    #[error("bytes from {offset} on do not follow those that are there; go on at {expected}")]
    Gap {
        /// Where they should go.
        offset: u64,
        /// Where the next byte goes.
        expected: u64,
    },
    /// There are more bytes than the plan has.
    #[error("the update ends at byte {total}, and bytes up to {end} came")]
    TooLong {
        /// Where these bytes end.
        end: u64,
        /// Where the update ends.
        total: u64,
    },
    /// No update was begun since the last error or restart.
    #[error("begin the update again, which says where to go on")]
    NotBegun,
    /// Bytes are missing.
    #[error("the update has {received} of {total} bytes; send the rest")]
    Unfinished {
        /// What is there.
        received: u64,
        /// What it has.
        total: u64,
    },
    /// What was read back is not what the plan says.
    #[error("{part} read back is not what the update's plan says; the update was dropped, send it again")]
    Differs {
        /// The file.
        part: String,
    },
    /// There is no whole version to go back to.
    #[error("there is no version to go back to: {why}")]
    NoWayBack {
        /// Why not.
        why: String,
    },
    /// A rule of this crate was broken by itself.
    #[error("{0}; please report this")]
    Bug(String),
}

/// Refuses a counter below `lowest` unless the permit allows it; whether the permit was needed.
pub(crate) fn check_counter(
    kind: Kind,
    counter: u64,
    lowest: u64,
    permit: Option<&Permit>,
) -> Result<bool, UpdateError> {
    if counter >= lowest {
        return Ok(false);
    }
    match permit {
        Some(permit) if counter >= permit.lowest_counter => Ok(true),
        _ => Err(UpdateError::Downgrade { kind, counter, lowest }),
    }
}

fn why_not_now(state: State, event: Event, accepted: &str) -> String {
    let nothing = match event {
        Event::Confirm => "there is nothing to confirm",
        Event::Rollback => "there is nothing to go back from",
        _ => return format!("{event} is not possible now: the slots are {state}; {accepted}"),
    };
    match state {
        State::Empty => format!("{nothing}: no version is installed; install one with `mtcae flash`"),
        _ => format!("{nothing}: no version is on trial"),
    }
}

/// The error of an event that the table does not have.
pub(crate) fn not_now(state: State, event: Event) -> UpdateError {
    let accepted: Vec<String> =
        crate::TABLE.iter().filter(|row| row.state == state).map(|row| row.event.to_string()).collect();
    UpdateError::NotNow { state, event, accepted: format!("possible are {}", accepted.join(", ")) }
}
