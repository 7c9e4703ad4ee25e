//! A board's pins over `embedded-hal`: the privacy switch, which fails closed, the status light and the frame trigger; and
//! Linux's GPIO lines as such pins.
//!
//! Time is given, in microseconds of a monotonic clock; only [`Line`] touches the machine.
#![forbid(unsafe_code)]

mod light;
mod line;
mod privacy;
mod trigger;

pub use light::{Sign, StatusLight};
pub use line::{Line, LineError};
pub use privacy::PrivacySwitch;
pub use trigger::FrameTrigger;

/// Microseconds of a monotonic clock.
pub type Micros = u64;

/// The level of a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Near ground.
    Low,
    /// Near the supply.
    High,
}
