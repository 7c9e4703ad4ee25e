//! What is wrong below a mounted root, each thing with its next step.

use super::{Finding, bad, good, warning};
use crate::{BoardError, Root, RootStatus};
use mtcae_update::State;

impl Root {
    /// Looks at board file, trusted keys and slots. Writes nothing.
    pub fn examine(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        match (self.family(), self.trusted()) {
            (None, _) => {
                let next = "`mtcae provision` puts one there";
                findings.push(bad(
                    "board",
                    "there is no /etc/mtcae/board.toml, so nothing says what board it is",
                    next,
                ));
            }
            (Some(family), Ok(keys)) => {
                findings.push(good("board", format!("family {family}")));
                findings.push(good("keys", format!("trusts {}", keys.join(", "))));
            }
            (Some(family), Err(error)) => {
                findings.push(good("board", format!("family {family}")));
                findings.push(bad("keys", error.to_string(), &error.help()));
            }
        }
        match self.status() {
            Ok(status) => findings.extend(slots(&status)),
            Err(error @ BoardError::Slots { .. }) => {
                findings.push(warning(
                    "slots",
                    error.to_string(),
                    "a flash makes them; `sudo` may be needed to see them",
                ));
            }
            Err(error) => findings.push(bad("slots", error.to_string(), &error.help())),
        }
        findings
    }
}

fn slots(root: &RootStatus) -> Vec<Finding> {
    let status = &root.status;
    let names = |version: &Option<mtcae_update::Version>| {
        version.as_ref().map_or("nothing".to_owned(), |v| format!("model {}, daemon {}", v.names[0], v.names[1]))
    };
    let slots = match status.state {
        State::Empty => warning("slots", "nothing is installed", "`mtcae flash` installs a bundle"),
        State::Running => {
            good("slots", format!("{}, confirmed; last update: {}", names(&status.confirmed), status.last))
        }
        State::Writing => warning("slots", "an update is half written", "flash it again: it goes on where it was"),
        State::Ready => {
            warning("slots", format!("{} is ready, and not on trial", names(&status.new)), "flash it again")
        }
        State::Trial => {
            let says = format!("{} is on trial, {} starts so far", names(&status.new), status.starts);
            warning("slots", says, "start the board, or `mtcae confirm` to keep it")
        }
    };
    let mib = root.free_bytes >> 20;
    vec![slots, good("space", format!("{mib} MiB free"))]
}
