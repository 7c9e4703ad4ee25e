//! From what is there and what has to be to steps: pure.

use crate::found::{Found, State};
use crate::item::{Item, Kind, Owner, Rule};
use crate::{Blob, MARK, ProvisionError};
use std::collections::BTreeSet;

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing: it is as it has to be.
    Fine,
    /// Makes it.
    Create,
    /// Puts another content in its place.
    Replace,
    /// Sets mode and owner.
    Attributes,
    /// Takes it away.
    Remove,
    /// Runs a command.
    Run,
}

impl Action {
    /// One word.
    pub fn word(self) -> &'static str {
        match self {
            Action::Fine => "-",
            Action::Create => "create",
            Action::Replace => "replace",
            Action::Attributes => "set",
            Action::Remove => "remove",
            Action::Run => "run",
        }
    }
}

/// Whose the files become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// Nobody looks.
    Left,
    /// Root's, and the service's of these numbers. They are root's own where the user is not made yet; the board's
    /// `mtcae-user.service` then hands them over.
    Numbers((u32, u32)),
    /// Root's, and the service's, whose numbers may not be known yet.
    Names(Option<(u32, u32)>),
}

impl Owners {
    fn fit(self, owner: Owner, found: (u32, u32)) -> bool {
        match (self, owner) {
            (Owners::Left, _) => true,
            (_, Owner::Root) => found == (0, 0),
            (Owners::Numbers(service), Owner::Service) => found == service,
            (Owners::Names(service), Owner::Service) => service == Some(found),
        }
    }
}

/// One thing to do, or found done.
pub struct Step {
    /// What it does.
    pub action: Action,
    /// With what.
    pub item: Item,
}

impl Step {
    /// What it writes.
    pub(crate) fn puts(&self) -> Option<&Blob> {
        match (&self.item.kind, self.action) {
            (Kind::File(blob), Action::Create | Action::Replace) => Some(blob),
            _ => None,
        }
    }
}

/// All that is to do, in its order.
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
    /// Whose the files become.
    pub owners: Owners,
}

impl Plan {
    /// What makes a board that has `items` of one with `found`. The first item is the folder of the mark.
    ///
    /// # Errors
    /// `InTheWay`.
    pub fn new(items: Vec<Item>, found: &Found, owners: Owners) -> Result<Plan, ProvisionError> {
        let mut steps = Vec::with_capacity(items.len() + 2);
        for item in items {
            steps.push(Step { action: action(&item, found, owners)?, item });
        }
        let cut = *found.at(MARK) != State::Absent;
        if !cut && steps.iter().all(|step| step.action == Action::Fine) {
            return Ok(Plan { steps, owners });
        }
        for step in &mut steps {
            if matches!(step.item.kind, Kind::Command { .. }) {
                step.action = Action::Run;
            }
        }
        let mark =
            Item::text("mark of a run under way", MARK, "mtcae provision is at work, or was cut: run it again\n");
        steps.insert(1.min(steps.len()), Step { action: action(&mark, found, owners)?, item: mark });
        let over = Item {
            what: "the run is over".to_owned(),
            path: MARK.to_owned(),
            kind: Kind::Nothing,
            ..Item::command("", &[], true)
        };
        steps.push(Step { action: Action::Remove, item: over });
        Ok(Plan { steps, owners })
    }

    /// Whether everything is as it has to be.
    pub fn is_done(&self) -> bool {
        self.changes() == 0
    }

    /// Steps that do something.
    pub fn changes(&self) -> usize {
        self.steps.iter().filter(|step| step.action != Action::Fine).count()
    }

    /// Bytes of the files that it puts.
    pub fn bytes(&self) -> u64 {
        self.steps.iter().filter_map(Step::puts).map(Blob::len).sum()
    }

    /// Every path that matters to it.
    pub fn paths(&self) -> BTreeSet<String> {
        let paths = self.steps.iter().map(|step| step.item.path.clone()).filter(|path| !path.is_empty());
        paths.chain([MARK.to_owned()]).collect()
    }

    /// Whether a board with `found` is what the plan was to make of it.
    ///
    /// # Errors
    /// `NotKept`, `InTheWay`.
    pub fn verify(&self, found: &Found, owners: Owners) -> Result<(), ProvisionError> {
        let not_kept = |path: &str| Err(ProvisionError::NotKept { path: path.to_owned() });
        if *found.at(MARK) != State::Absent {
            return not_kept(MARK);
        }
        for Step { item, .. } in self.steps.iter().filter(|step| step.item.path != MARK) {
            if action(item, found, owners)? != Action::Fine {
                return not_kept(&item.path);
            }
        }
        Ok(())
    }
}

fn action(item: &Item, found: &Found, owners: Owners) -> Result<Action, ProvisionError> {
    let state = found.at(&item.path);
    let in_the_way = |found, wanted| Err(ProvisionError::InTheWay { path: item.path.clone(), found, wanted });
    let attributes = |mode: u32, owner| {
        let fit = item.rule == Rule::There || mode == item.mode && owners.fit(item.owner, owner);
        if fit { Action::Fine } else { Action::Attributes }
    };
    Ok(match (&item.kind, state) {
        (Kind::Command { .. }, _) | (Kind::Nothing, State::Absent) => Action::Fine,
        (Kind::Nothing, _) => Action::Remove,
        (_, State::Absent) => Action::Create,
        (_, State::Other) => return in_the_way("a device, a socket or a pipe", "a file or a folder"),
        (Kind::Folder, State::Folder { mode, owner }) => attributes(*mode, *owner),
        // A system may have its `/var/lib` elsewhere.
        (Kind::Folder, State::Link(_)) if item.rule == Rule::There => Action::Fine,
        (Kind::Folder, _) => return in_the_way("a file or a link", "a folder"),
        (_, State::Folder { .. }) => return in_the_way("a folder", "a file"),
        (Kind::File(blob), State::File { mode, owner, sha256 }) => {
            let same = item.rule != Rule::Exact || sha256 == blob.sha256();
            if same { attributes(*mode, *owner) } else { Action::Replace }
        }
        (Kind::File(_), State::Link(_)) if item.rule != Rule::Exact => return in_the_way("a link", "a file"),
        (Kind::Link(to), State::Link(there)) if to == there => Action::Fine,
        (Kind::File(_) | Kind::Link(_), _) => Action::Replace,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNERS: Owners = Owners::Names(Some((990, 980)));

    fn file(mode: u32, owner: (u32, u32), text: &str) -> State {
        let sha256 = crate::Blob::bytes(text.as_bytes().to_vec()).sha256().to_owned();
        State::File { mode, owner, sha256 }
    }

    fn decide(item: &Item, state: State, owners: Owners) -> Result<Action, String> {
        let states = [(item.path.clone(), state)].into();
        action(item, &Found { states, ..Found::default() }, owners).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_is_made_replaced_set_or_left() {
        let item = Item::text("key", "/k", "x").mode(0o600).owner(Owner::Service);
        let own = (990, 980);
        for (state, action) in [
            (State::Absent, Action::Create),
            (file(0o600, own, "x"), Action::Fine),
            (file(0o600, own, "y"), Action::Replace),
            (file(0o644, own, "x"), Action::Attributes),
            (file(0o600, (0, 0), "x"), Action::Attributes),
            (file(0o600, (990, 0), "x"), Action::Attributes),
            (State::Link("/elsewhere".into()), Action::Replace),
        ] {
            assert_eq!(decide(&item, state.clone(), OWNERS), Ok(action), "{state:?}");
        }
        assert_eq!(decide(&item, file(0o600, (5, 5), "x"), Owners::Left), Ok(Action::Fine));
        assert_eq!(decide(&item, file(0o600, (0, 0), "x"), Owners::Numbers((0, 0))), Ok(Action::Fine));
        assert_eq!(decide(&item, file(0o600, (0, 0), "x"), Owners::Names(None)), Ok(Action::Attributes));
        let kept = item.rule(Rule::Keep);
        assert_eq!(decide(&kept, file(0o600, own, "y"), OWNERS), Ok(Action::Fine));
        assert_eq!(decide(&kept, file(0o640, own, "y"), OWNERS), Ok(Action::Attributes));
        insta::assert_snapshot!(decide(&kept, State::Link("/x".into()), OWNERS).unwrap_err(), @"/k on the board is a link; it has to be a file");
        insta::assert_snapshot!(decide(&kept, State::Folder { mode: 0o755, owner: (0, 0) }, OWNERS).unwrap_err(), @"/k on the board is a folder; it has to be a file");
        insta::assert_snapshot!(decide(&kept, State::Other, OWNERS).unwrap_err(), @"/k on the board is a device, a socket or a pipe; it has to be a file or a folder");
    }

    #[test]
    fn folders_and_links() {
        let folder = |mode, owner| State::Folder { mode, owner };
        let item = Item::folder("f", "/f", Owner::Root);
        assert_eq!(decide(&item, folder(0o755, (0, 0)), OWNERS), Ok(Action::Fine));
        assert_eq!(decide(&item, folder(0o700, (0, 0)), OWNERS), Ok(Action::Attributes));
        assert!(decide(&item, State::Link("/x".into()), OWNERS).is_err());
        let there = item.rule(Rule::There);
        assert_eq!(decide(&there, folder(0o700, (9, 9)), OWNERS), Ok(Action::Fine));
        assert_eq!(decide(&there, State::Link("/x".into()), OWNERS), Ok(Action::Fine));
        assert!(decide(&there, file(0o644, (0, 0), ""), OWNERS).is_err());
        let link = Item { kind: Kind::Link("/to".into()), ..Item::text("l", "/l", "") };
        assert_eq!(decide(&link, State::Link("/to".into()), OWNERS), Ok(Action::Fine));
        assert_eq!(decide(&link, State::Link("/from".into()), OWNERS), Ok(Action::Replace));
        assert_eq!(decide(&link, file(0o644, (0, 0), ""), OWNERS), Ok(Action::Replace));
    }

    fn items() -> Vec<Item> {
        vec![
            Item::folder("folder", "/etc/mtcae", Owner::Root),
            Item::text("file", "/etc/mtcae/a", "a"),
            Item::command("tell", &["true"], false),
        ]
    }

    fn actions(found: &Found) -> (Vec<Action>, usize) {
        let plan = Plan::new(items(), found, OWNERS).unwrap();
        (plan.steps.iter().map(|step| step.action).collect(), plan.changes())
    }

    #[test]
    fn a_change_is_marked_first_and_unmarked_last() {
        use Action::{Attributes, Create, Fine, Remove, Run};
        let mut found = Found::default();
        assert_eq!(actions(&found), (vec![Create, Create, Create, Run, Remove], 5));
        found.states.insert("/etc/mtcae".into(), State::Folder { mode: 0o755, owner: (0, 0) });
        found.states.insert("/etc/mtcae/a".into(), file(0o644, (0, 0), "a"));
        assert_eq!(actions(&found), (vec![Fine, Fine, Fine], 0));
        // Cut before the system was told.
        found.states.insert(MARK.into(), file(0o600, (0, 0), ""));
        assert_eq!(actions(&found).0, [Fine, Action::Replace, Fine, Run, Remove]);
        found.states.insert(MARK.into(), State::Absent);
        found.states.insert("/etc/mtcae/a".into(), file(0o600, (0, 0), "a"));
        assert_eq!(actions(&found).0, [Fine, Create, Attributes, Run, Remove]);
    }

    #[test]
    fn what_was_not_kept_is_named() {
        let plan = Plan::new(items(), &Found::default(), OWNERS).unwrap();
        let mut found = Found::default();
        found.states.insert("/etc/mtcae".into(), State::Folder { mode: 0o755, owner: (0, 0) });
        insta::assert_snapshot!(plan.verify(&found, OWNERS).unwrap_err(), @"after all steps /etc/mtcae/a on the board is not as it should be");
        found.states.insert("/etc/mtcae/a".into(), file(0o644, (0, 0), "a"));
        plan.verify(&found, OWNERS).unwrap();
        found.states.insert(MARK.into(), file(0o644, (0, 0), ""));
        assert!(plan.verify(&found, OWNERS).is_err());
    }
}
