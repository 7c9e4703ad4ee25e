//! Files that tell a board's system of the firmware, as they ship.

/// The systemd unit of the launcher, `mtcae.service`.
pub const UNIT: &str = include_str!("../systemd/mtcae.service");
/// The systemd unit that makes its user, `mtcae-user.service`.
pub const USER_UNIT: &str = include_str!("../systemd/mtcae-user.service");
/// The user and its groups, for systemd-sysusers.
pub const SYSUSERS: &str = include_str!("../systemd/mtcae.sysusers.conf");
/// What belongs to the user, for systemd-tmpfiles.
pub const TMPFILES: &str = include_str!("../systemd/mtcae.tmpfiles.conf");
/// Names and groups of cameras and serial lines, for udev.
pub const UDEV_RULES: &str = include_str!("../udev/70-mtcae.rules");
