//! The states of a board's slots, as data: the code asks it before it changes anything, and the README prints it.

use std::fmt;

/// A version on trial is started this many times at most before the confirmed one comes back.
pub const MAX_STARTS: u8 = 3;

/// What a board's slots are at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Nothing has been installed.
    Empty,
    /// A confirmed version runs, and no update is at work.
    Running,
    /// An update is being written into idle slots.
    Writing,
    /// The idle slots are written, durable, and read back equal.
    Ready,
    /// The new version is the one to start; the confirmed one stays untouched.
    Trial,
}

impl State {
    /// All of them.
    pub const ALL: [State; 5] = [State::Empty, State::Running, State::Writing, State::Ready, State::Trial];
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What can happen to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Event {
    /// An update is offered that is not the one at work.
    Begin,
    /// The update at work is offered again.
    Resume,
    /// Bytes of it come.
    Write,
    /// All bytes are there, and read back equal.
    Finish,
    /// All bytes are there, and read back they are not what the plan says.
    Differs,
    /// The new version is to be tried.
    Switch,
    /// The update is dropped.
    Abandon,
    /// The launcher starts a version.
    Start,
    /// The launcher is to start a version that has had [`MAX_STARTS`] starts, and a confirmed one is there.
    Exhausted,
    /// The launcher finds the slot to start damaged, and another whole version is there.
    Damaged,
    /// A good self-test, of an update that confirms by itself.
    Passed,
    /// A good self-test, of an update that the user confirms.
    Held,
    /// A self-test that came to no end: no frames, no sink, a hang.
    Unfinished,
    /// A self-test that answered wrongly, and a confirmed version is there.
    Wrong,
    /// The user says that the version on trial stays.
    Confirm,
    /// The user wants the version before this one.
    Rollback,
}

impl Event {
    /// All of them.
    pub const ALL: [Event; 16] = [
        Event::Begin,
        Event::Resume,
        Event::Write,
        Event::Finish,
        Event::Differs,
        Event::Switch,
        Event::Abandon,
        Event::Start,
        Event::Exhausted,
        Event::Damaged,
        Event::Passed,
        Event::Held,
        Event::Unfinished,
        Event::Wrong,
        Event::Confirm,
        Event::Rollback,
    ];
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = format!("{self:?}");
        f.write_str(&name.to_lowercase())
    }
}

/// Where an event leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// To this state.
    To(State),
    /// To `Running`; to `Empty` on a board without a confirmed version.
    Rest,
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Next::To(state) => state.fmt(f),
            Next::Rest => f.write_str("Running or Empty"),
        }
    }
}

/// One line of the table; what is not in it is refused.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Before.
    pub state: State,
    /// What happens.
    pub event: Event,
    /// After.
    pub next: Next,
    /// What is done.
    pub does: &'static str,
}

const fn row(state: State, event: Event, next: State, does: &'static str) -> Row {
    Row { state, event, next: Next::To(next), does }
}

const fn rest(state: State, event: Event, does: &'static str) -> Row {
    Row { state, event, next: Next::Rest, does }
}

/// Every event that is accepted, and where it leads.
pub const TABLE: &[Row] = &[
    row(State::Empty, Event::Begin, State::Writing, "accepts an update of both kinds, into the slots A"),
    row(State::Empty, Event::Start, State::Empty, "starts nothing, and says so"),
    row(
        State::Running,
        Event::Begin,
        State::Writing,
        "empties the idle slots; what was in them can no longer be gone back to",
    ),
    row(State::Running, Event::Start, State::Running, "starts the confirmed version; writes nothing"),
    row(State::Running, Event::Damaged, State::Running, "the version before it, if whole, takes its place"),
    row(
        State::Running,
        Event::Rollback,
        State::Running,
        "reads the version before it back, then the two change places",
    ),
    row(State::Writing, Event::Begin, State::Writing, "drops the update at work and starts from zero with the other"),
    row(State::Writing, Event::Resume, State::Writing, "goes on behind the last byte that is durable"),
    row(State::Writing, Event::Write, State::Writing, "appends; syncs and notes it in the journal once a window"),
    row(State::Writing, Event::Finish, State::Ready, "syncs, reads everything back, seals the slots"),
    rest(State::Writing, Event::Differs, "drops the update"),
    rest(State::Writing, Event::Abandon, "drops the update"),
    row(State::Writing, Event::Start, State::Writing, "starts the confirmed version; writes nothing"),
    row(
        State::Writing,
        Event::Damaged,
        State::Running,
        "the version before it, if whole, takes its place; drops the update",
    ),
    row(State::Ready, Event::Begin, State::Writing, "drops the update at work and starts from zero with the other"),
    row(State::Ready, Event::Resume, State::Ready, "says that everything is there"),
    row(State::Ready, Event::Write, State::Ready, "ignores bytes that are there already"),
    row(State::Ready, Event::Finish, State::Ready, "nothing"),
    row(State::Ready, Event::Switch, State::Trial, "replaces the record"),
    rest(State::Ready, Event::Abandon, "drops the update"),
    row(State::Ready, Event::Start, State::Ready, "starts the confirmed version; writes nothing"),
    row(
        State::Ready,
        Event::Damaged,
        State::Running,
        "the version before it, if whole, takes its place; drops the update",
    ),
    row(State::Trial, Event::Start, State::Trial, "counts the start, then starts the new version"),
    row(State::Trial, Event::Exhausted, State::Running, "goes back, and starts the confirmed version"),
    row(State::Trial, Event::Damaged, State::Running, "goes back, and starts the confirmed version"),
    row(State::Trial, Event::Passed, State::Running, "the new version is confirmed; raises the lowest counter"),
    row(State::Trial, Event::Held, State::Trial, "waits for the user"),
    row(State::Trial, Event::Unfinished, State::Trial, "the start counts; the daemon ends and is started again"),
    row(State::Trial, Event::Wrong, State::Running, "goes back"),
    row(State::Trial, Event::Confirm, State::Running, "the new version is confirmed; raises the lowest counter"),
    rest(State::Trial, Event::Rollback, "goes back"),
];

/// Where `event` leads from `state`, `None` when it is refused there.
pub(crate) fn next(state: State, event: Event) -> Option<Next> {
    TABLE.iter().find(|row| (row.state, row.event) == (state, event)).map(|row| row.next)
}

/// What goes wrong underneath.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// One operation fails.
    Io,
    /// The program is killed in an operation; the system lives on.
    Kill,
    /// One operation hangs and is given up.
    Hang,
    /// From an operation on, nothing can be added.
    Full,
    /// From an operation on, nothing can be changed.
    ReadOnly,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 5] = [Fault::Io, Fault::Kill, Fault::Hang, Fault::Full, Fault::ReadOnly];
}

/// Where a board ends when any [`Fault`] hits any operation of an event.
#[derive(Debug, Clone, Copy)]
pub struct FaultRow {
    /// Before.
    pub state: State,
    /// What was under way.
    pub event: Event,
    /// The end when the record had not been replaced.
    pub before: State,
    /// The end when it had been.
    pub after: State,
    /// What starts while the fault lasts.
    pub starts: &'static str,
}

const fn fault(state: State, event: Event, before: State, after: State, starts: &'static str) -> FaultRow {
    FaultRow { state, event, before, after, starts }
}

/// Where faults lead; the same for each [`Fault`].
pub const FAULTS: &[FaultRow] = &[
    fault(State::Empty, Event::Begin, State::Empty, State::Writing, "nothing"),
    fault(State::Running, Event::Begin, State::Running, State::Writing, "the confirmed version"),
    fault(State::Writing, Event::Resume, State::Writing, State::Writing, "the confirmed version"),
    fault(State::Writing, Event::Write, State::Writing, State::Writing, "the confirmed version"),
    fault(State::Writing, Event::Finish, State::Writing, State::Ready, "the confirmed version"),
    fault(State::Writing, Event::Abandon, State::Writing, State::Running, "the confirmed version"),
    fault(State::Ready, Event::Switch, State::Ready, State::Trial, "the confirmed version, then the new one"),
    fault(
        State::Trial,
        Event::Start,
        State::Trial,
        State::Trial,
        "the new version; the confirmed one when the start cannot be counted",
    ),
    fault(State::Trial, Event::Exhausted, State::Trial, State::Running, "the confirmed version"),
    fault(
        State::Trial,
        Event::Confirm,
        State::Trial,
        State::Running,
        "the new version; the confirmed one when the start cannot be counted",
    ),
    fault(State::Trial, Event::Rollback, State::Trial, State::Running, "the new version, then the confirmed one"),
    fault(
        State::Running,
        Event::Rollback,
        State::Running,
        State::Running,
        "the confirmed version, then the one before it",
    ),
];

/// [`TABLE`] as Markdown.
pub fn table_as_markdown() -> String {
    let mut text = String::from("| state | event | next state | what is done |\n|---|---|---|---|\n");
    for row in TABLE {
        text += &format!("| {} | {} | {} | {} |\n", row.state, row.event, row.next, row.does);
    }
    text
}

/// [`FAULTS`] as Markdown.
pub fn faults_as_markdown() -> String {
    let head = "| state | under way | ends in, record not replaced | ends in, record replaced | starts |\n";
    let mut text = format!("{head}|---|---|---|---|---|\n");
    for row in FAULTS {
        text += &format!("| {} | {} | {} | {} | {} |\n", row.state, row.event, row.before, row.after, row.starts);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_pair_stands_twice_and_every_state_is_reached_and_left() {
        let pairs: BTreeSet<(State, Event)> = TABLE.iter().map(|row| (row.state, row.event)).collect();
        assert_eq!(pairs.len(), TABLE.len());
        for state in State::ALL {
            assert!(TABLE.iter().any(|row| row.state == state && row.next != Next::To(state)), "{state} is never left");
            assert!(next(state, Event::Start).is_some(), "{state} says nothing of a start");
        }
    }

    #[test]
    fn faults_end_where_the_table_leads() {
        for row in FAULTS {
            let there = next(row.state, row.event);
            assert_eq!(row.before, row.state);
            let fits = there == Some(Next::To(row.after)) || (there == Some(Next::Rest) && row.after == State::Running);
            assert!(fits, "{row:?} but {there:?}");
        }
    }
}
