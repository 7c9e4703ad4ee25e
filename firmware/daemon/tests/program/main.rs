//! The real program on real clips, pseudo-terminals and broken things.
#![cfg(feature = "program")]

#[cfg(feature = "ort")]
mod engines;
mod errors;
mod faults;
mod firmware;
mod lines;
#[cfg(feature = "mqtt")]
mod mqtt;
mod privacy;
mod robot;
mod running;
mod soak;
mod streams;
mod tcp;
mod trigger;
