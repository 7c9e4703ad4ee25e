//! Updates of a real board: the launcher, the daemon and the host tool as processes, a serial line between them that is as
//! slow as one.
//!
//! The binaries are those beside this test: `cargo test --workspace` builds them.

mod bench;
mod bundles;
mod flashing;
mod killing;
mod line;
mod rejected;
