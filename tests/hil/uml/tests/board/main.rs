//! The real daemon on a virtual board: a real V4L2 camera that shows known faces, its GPIO chip, watchdog and serial line.
//!
//! Needs the kernel that `tests/hil/uml/build-kernel` builds, and the binaries that `cargo test --workspace` builds;
//! without the kernel each test says that it was skipped.

mod answers;
mod bench;
mod camera;
mod faults;
mod formats;
mod pictures;
mod pins;
mod power;
mod robot;
mod watchdog;
