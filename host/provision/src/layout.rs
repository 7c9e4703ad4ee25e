//! Where things are on a board.

/// Folder of the configuration.
pub const CONFIGURATION: &str = "/etc/mtcae";
/// The board file.
pub const BOARD_FILE: &str = "/etc/mtcae/board.toml";
/// Folder of the keys that may sign bundles and permits.
pub const TRUSTED: &str = "/etc/mtcae/trusted";
/// Folder of the line keys of those who may connect.
pub const CLIENTS: &str = "/etc/mtcae/clients";
/// The key that opens what is encrypted to the board.
pub const DEVICE_KEY: &str = "/etc/mtcae/device.key";
/// Whom to encrypt to, for a later run to tell.
pub const DEVICE_PUBLIC: &str = "/etc/mtcae/device.pub";
/// The board's identity on a TCP line.
pub const LINE_KEY: &str = "/etc/mtcae/line.key";
/// Its public half, for a later run to tell.
pub const LINE_PUBLIC: &str = "/etc/mtcae/line.pub";
/// There while a run is under way, or after one that was cut.
pub const MARK: &str = "/etc/mtcae/unfinished";
/// The launcher.
pub const LAUNCHER: &str = "/usr/lib/mtcae/mtcae-launcher";
/// Folder of the slots.
pub const SLOTS: &str = "/var/lib/mtcae";
/// The slots' record, of which a board has one or two.
pub const RECORDS: [&str; 2] = ["/var/lib/mtcae/slots.0", "/var/lib/mtcae/slots.1"];
/// The launcher's unit.
pub const UNIT_NAME: &str = "mtcae.service";

pub(crate) const UNIT_FILE: &str = "/etc/systemd/system/mtcae.service";
pub(crate) const USER_UNIT_FILE: &str = "/etc/systemd/system/mtcae-user.service";
pub(crate) const ENABLED: &str = "/etc/systemd/system/multi-user.target.wants/mtcae.service";
pub(crate) const SYSUSERS_FILE: &str = "/etc/sysusers.d/mtcae.conf";
pub(crate) const TMPFILES_FILE: &str = "/etc/tmpfiles.d/mtcae.conf";
pub(crate) const UDEV_FILE: &str = "/etc/udev/rules.d/70-mtcae.rules";

/// Folders that a system has; made only where they are not there.
pub(crate) const PARENTS: [&str; 11] = [
    "/etc/sysusers.d",
    "/etc/tmpfiles.d",
    "/etc/udev",
    "/etc/udev/rules.d",
    "/etc/systemd",
    "/etc/systemd/system",
    "/etc/systemd/system/multi-user.target.wants",
    "/usr/lib",
    "/var",
    "/var/lib",
    "/usr/lib/mtcae",
];

/// Where a file is until it is whole: beside its place.
pub(crate) fn beside(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    format!("{folder}/.{name}.mtcae-new")
}
