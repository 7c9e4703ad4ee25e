//! What an update consists of, as the bundle's verified manifest says it.

use crate::slot::DAEMON_FILE;
use crate::{Digest, Kind, UpdateError};
use serde::{Deserialize, Serialize};

/// Most files in an update.
pub const MAX_PARTS: usize = 32;
/// Longest name of a file.
pub const MAX_NAME: usize = 64;
/// Longest name of a version.
pub const MAX_VERSION: usize = 32;
/// Most bytes in an update.
pub const MAX_PAYLOAD: u64 = 4 << 30;

/// Who decides that a new version stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Confirm {
    /// The board, after a good self-test.
    BySelfTest,
    /// The user, after a good self-test or in place of one.
    ByUser,
}

/// One file of an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which slot it belongs to.
    pub kind: Kind,
    /// File name in the slot: 1 to [`MAX_NAME`] of letters, digits, `.`, `_`, `-`, not starting with `.`.
    pub name: String,
    /// Bytes, as they lie in the slot; at least 1.
    pub len: u64,
    /// SHA-256 of these bytes.
    pub sha256: Digest,
}

/// What an update consists of. Its bytes are those of the parts, one after the other, in the order of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Name of the version, 1 to [`MAX_VERSION`] printable ASCII characters.
    pub version: String,
    /// Security counter; one lower than the board's is refused.
    pub counter: u64,
    /// SHA-256 of the file that it came in, by which people trace it; not looked at.
    pub origin: Digest,
    /// Who confirms.
    pub confirm: Confirm,
    /// The files, at most [`MAX_PARTS`].
    pub parts: Vec<Part>,
}

/// A verified leave to install or go back to a version with a lower security counter. Whoever makes one has checked its
/// signature, its board and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit {
    /// The lowest counter that it allows.
    pub lowest_counter: u64,
}

impl Plan {
    /// Tells this update from any other.
    pub fn id(&self) -> Digest {
        Digest::of(&crate::frame::encode(*b"MTCP", self))
    }

    /// Bytes in all.
    pub fn total(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.len))
    }

    /// The kinds of slots that it fills.
    pub fn kinds(&self) -> Vec<Kind> {
        Kind::ALL.into_iter().filter(|kind| self.parts.iter().any(|part| part.kind == *kind)).collect()
    }

    /// Where a part starts in the update's bytes.
    pub fn offset_of(&self, part: usize) -> u64 {
        self.parts.iter().take(part).map(|part| part.len).sum()
    }

    /// Checks everything that does not depend on the board.
    ///
    /// # Errors
    /// [`UpdateError::BadPlan`], naming what is wrong.
    pub fn check(&self) -> Result<(), UpdateError> {
        let bad = |what: String| Err(UpdateError::BadPlan { what });
        let printable = |text: &str| text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
        if !(1..=MAX_VERSION).contains(&self.version.len()) || !printable(&self.version) {
            let accepted = format!("accepted are 1 to {MAX_VERSION} printable ASCII characters");
            return bad(format!("the version is {:?}; {accepted}", self.version));
        }
        if !(1..=MAX_PARTS).contains(&self.parts.len()) {
            return bad(format!("it has {} parts; accepted are 1 to {MAX_PARTS}", self.parts.len()));
        }
        for (index, part) in self.parts.iter().enumerate() {
            part.check()?;
            if self.parts[..index].iter().any(|other| (other.kind, &other.name) == (part.kind, &part.name)) {
                return bad(format!("the {} has two parts {:?}", part.kind, part.name));
            }
        }
        if self.total() > MAX_PAYLOAD {
            return bad(format!("it has {} bytes; accepted are at most {MAX_PAYLOAD}", self.total()));
        }
        let mut daemon = self.parts.iter().filter(|part| part.kind == Kind::Daemon).peekable();
        if daemon.peek().is_some() && !daemon.any(|part| part.name == DAEMON_FILE) {
            return bad(format!("the daemon has no part {DAEMON_FILE:?}, which is what the launcher starts"));
        }
        Ok(())
    }
}

impl Part {
    fn check(&self) -> Result<(), UpdateError> {
        let bad = |what: String| Err(UpdateError::BadPlan { what });
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let name = &self.name;
        let fits = (1..=MAX_NAME).contains(&name.len()) && name.chars().all(allowed) && !name.starts_with('.');
        if !fits || crate::seal::RESERVED.contains(&name.as_str()) {
            let accepted = format!("1 to {MAX_NAME} letters, digits, '.', '_' and '-', not starting with '.'");
            return bad(format!(
                "a part is named {name:?}; accepted are {accepted}, and not seal, seal.new or seal.with"
            ));
        }
        if self.len == 0 {
            return bad(format!("part {name:?} is empty; accepted are parts of at least one byte"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(parts: &[(Kind, &str, u64)]) -> Plan {
        let part = |(kind, name, len): &(Kind, &str, u64)| Part {
            kind: *kind,
            name: (*name).to_owned(),
            len: *len,
            sha256: Digest::of(b""),
        };
        let parts = parts.iter().map(part).collect();
        Plan { version: "1.0.0".into(), counter: 1, origin: Digest::of(b"file"), confirm: Confirm::BySelfTest, parts }
    }

    #[test]
    fn a_good_plan_knows_its_parts() {
        let plan = plan(&[(Kind::Model, "manifest.toml", 10), (Kind::Model, "model.onnx", 20)]);
        plan.check().unwrap();
        assert_eq!((plan.total(), plan.offset_of(1), plan.kinds()), (30, 10, vec![Kind::Model]));
    }

    #[test]
    fn what_cannot_lie_in_a_slot_is_refused() {
        let long = "x".repeat(MAX_NAME + 1);
        for name in ["", "../up", "a/b", ".hidden", "seal", "seal.new", "seal.with", "ä", "a b", "nul\0", long.as_str()]
        {
            assert!(plan(&[(Kind::Model, name, 1)]).check().is_err(), "{name:?}");
        }
        let refused: [&[(Kind, &str, u64)]; 5] = [
            &[],
            &[(Kind::Model, "m", 0)],
            &[(Kind::Model, "m", 1), (Kind::Model, "m", 2)],
            &[(Kind::Daemon, "other", 1)],
            &[(Kind::Model, "m", u64::MAX), (Kind::Model, "n", u64::MAX)],
        ];
        for parts in refused {
            assert!(plan(parts).check().is_err(), "{parts:?}");
        }
        for version in ["", "a\u{1b}[2J", &"1".repeat(MAX_VERSION + 1)] {
            let plan = Plan { version: version.into(), ..plan(&[(Kind::Model, "m", 1)]) };
            assert!(plan.check().is_err(), "{version:?}");
        }
    }
}
