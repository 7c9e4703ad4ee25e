//! The virtual board itself: its cable from screen to camera, and its disk when the power goes in the middle of an update.
//! What runs on it is tried by the suite of host/hil, with the target `uml`.
//!
//! Needs the kernel that `tests/hil/uml/build-kernel` builds, and the programs that `cargo test --workspace` builds;
//! without the kernel each test says that it was skipped.

mod bench;
mod camera;
mod line;
mod power;
