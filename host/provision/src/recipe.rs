//! What a board has to have: from the wishes of a person to a list of items.

use crate::item::{Item, Kind, Owner, Rule};
use crate::layout::*;
use crate::{Blob, BoardFile, FirstVersion, Found, ProvisionError, State, trust};
use mtcae_board_configs::{SYSUSERS, TMPFILES, UDEV_RULES, UNIT, USER_UNIT};
use mtcae_update::DIRECTORIES;
use std::collections::BTreeSet;
use zeroize::Zeroizing;

/// A key of the board's own. Wiped when dropped.
pub struct KeyPair {
    /// The one line of its secret file.
    pub secret: Zeroizing<String>,
    /// What others may know of it.
    pub public: String,
}

/// Which key the board gets.
pub enum KeyWish {
    /// None.
    None,
    /// This one, and no other.
    This(KeyPair),
    /// This one, unless it has one.
    Unless(KeyPair),
}

/// What a board has to have.
pub struct Recipe {
    /// The board file.
    pub board: BoardFile,
    /// The launcher.
    pub launcher: Blob,
    /// Signing keys and rotations: file name and text.
    pub trusted: Vec<(String, String)>,
    /// The device key.
    pub device_key: KeyWish,
    /// The line key.
    pub line_key: KeyWish,
    /// Line keys of those who may connect: file name and text.
    pub clients: Vec<(String, String)>,
    /// What it runs first; a board that has a version keeps it.
    pub first: Option<FirstVersion>,
}

/// Paths that are looked at whatever the recipe says.
const ALWAYS: [&str; 7] = [MARK, RECORDS[0], RECORDS[1], DEVICE_KEY, DEVICE_PUBLIC, LINE_KEY, LINE_PUBLIC];

impl Recipe {
    /// The paths that a plan is made from.
    pub fn paths(&self) -> BTreeSet<String> {
        let fixed = [
            CONFIGURATION,
            TRUSTED,
            CLIENTS,
            BOARD_FILE,
            SYSUSERS_FILE,
            TMPFILES_FILE,
            UDEV_FILE,
            UNIT_FILE,
            USER_UNIT_FILE,
            ENABLED,
            LAUNCHER,
            SLOTS,
        ];
        let mut paths: BTreeSet<String> =
            fixed.iter().chain(&PARENTS).chain(&ALWAYS).map(|&path| path.to_owned()).collect();
        paths.extend(DIRECTORIES.iter().map(|folder| format!("{SLOTS}/{folder}")));
        paths.extend(self.trusted.iter().map(|(name, _)| format!("{TRUSTED}/{name}")));
        paths.extend(self.clients.iter().map(|(name, _)| format!("{CLIENTS}/{name}")));
        paths.extend(self.first.iter().flat_map(FirstVersion::paths));
        paths
    }

    /// Whether a version is in the slots of a board.
    pub fn has_version(found: &Found) -> bool {
        RECORDS.iter().any(|record| found.has_file(record))
    }

    /// All that the board has to have, in the order in which it gets it; `runs` says whether its system runs and is told.
    ///
    /// # Errors
    /// `OtherKey`, `TrustsNobody`.
    pub fn into_items(self, found: &Found, runs: bool) -> Result<Vec<Item>, ProvisionError> {
        trust::check(&self.trusted, found)?;
        let has_version = Recipe::has_version(found);
        let first = self.first.filter(|_| !has_version);
        let starts = has_version || first.is_some();
        let mut items = vec![Item::folder("configuration", CONFIGURATION, Owner::Root)];
        items.extend(PARENTS.iter().map(|path| Item::folder("folder", path, Owner::Root).rule(Rule::There)));
        items.push(Item::text("user mtcae and its groups", SYSUSERS_FILE, SYSUSERS));
        if runs {
            items.push(Item::command("makes the user", &["systemd-sysusers", SYSUSERS_FILE], false));
            if first.is_some() {
                // What runs without a version only waits for one.
                items.push(Item::command("stops what waits for a version", &["systemctl", "stop", UNIT_NAME], true));
            }
        }
        items.push(Item::text("what belongs to the user", TMPFILES_FILE, TMPFILES));
        items.push(Item::text("names and groups of devices", UDEV_FILE, UDEV_RULES));
        items.push(Item::text("unit that makes the user", USER_UNIT_FILE, USER_UNIT));
        items.push(Item::text("unit of the launcher", UNIT_FILE, UNIT));
        items.push(Item::file("launcher", LAUNCHER, self.launcher).mode(0o755));
        items.push(Item::text("board file", BOARD_FILE, &self.board.text));
        items.push(Item::folder("trusted keys", TRUSTED, Owner::Root));
        items.extend(self.trusted.iter().map(|(name, text)| public("trusted", &format!("{TRUSTED}/{name}"), text)));
        items.extend(own_key("device key", self.device_key, (DEVICE_KEY, DEVICE_PUBLIC), found)?);
        items.extend(own_key("line key", self.line_key, (LINE_KEY, LINE_PUBLIC), found)?);
        if !self.clients.is_empty() {
            items.push(Item::folder("who may connect", CLIENTS, Owner::Root));
        }
        items.extend(self.clients.iter().map(|(name, text)| public("may connect", &format!("{CLIENTS}/{name}"), text)));
        items.push(Item::folder("slots", SLOTS, Owner::Service));
        let slots = DIRECTORIES.iter().map(|name| Item::folder("slot", &format!("{SLOTS}/{name}"), Owner::Service));
        items.extend(slots);
        items.extend(first.into_iter().flat_map(FirstVersion::into_items));
        let link = Kind::Link(UNIT_FILE.to_owned());
        items.push(Item { kind: link, ..Item::text("starts with the system", ENABLED, "") });
        if runs {
            items.extend(tell(starts));
        }
        Ok(items)
    }
}

fn public(what: &str, path: &str, text: &str) -> Item {
    Item::text(what, path, &format!("{}\n", text.trim_end()))
}

/// The public half comes first, so that whoever finds the secret one finds both.
fn own_key(
    what: &str,
    wish: KeyWish,
    (secret_path, public_path): (&'static str, &str),
    found: &Found,
) -> Result<Vec<Item>, ProvisionError> {
    let secret =
        |pair: &KeyPair| Item::file(what, secret_path, Blob::secret(&pair.secret)).mode(0o600).owner(Owner::Service);
    let open = |pair: &KeyPair| public(&format!("{what}, public half"), public_path, &pair.public);
    Ok(match (wish, found.at(secret_path)) {
        (KeyWish::None, _) => Vec::new(),
        (KeyWish::This(pair), State::File { sha256, .. }) if sha256 != Blob::secret(&pair.secret).sha256() => {
            return Err(ProvisionError::OtherKey { path: secret_path });
        }
        (KeyWish::Unless(pair), State::File { .. }) => vec![secret(&pair).rule(Rule::Keep)],
        (KeyWish::This(pair) | KeyWish::Unless(pair), _) => vec![open(&pair), secret(&pair)],
    })
}

fn tell(starts: bool) -> Vec<Item> {
    let mut items = vec![
        Item::command("sets owners", &["systemd-tmpfiles", "--create", TMPFILES_FILE], false),
        Item::command("tells udev", &["udevadm", "control", "--reload"], true),
        Item::command(
            "names the devices",
            &["udevadm", "trigger", "--action=change", "--subsystem-match=video4linux", "--subsystem-match=tty"],
            true,
        ),
        Item::command("tells systemd", &["systemctl", "daemon-reload"], false),
    ];
    if starts {
        items.push(Item::command("starts the launcher", &["systemctl", "restart", UNIT_NAME], false));
    }
    items
}
