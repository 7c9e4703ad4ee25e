//! Which boards are at hand: every serial port is asked who is there, and every TCP board that was named.

use crate::ask::Patience;
use crate::session::Session;
use crate::{BoardError, DEFAULT_BAUD, KnownBoards, Target, serial_ports};
use mtcae_wire::Hello;
use std::thread;

/// Most ports and boards that are asked at once.
pub const MAX_ASKED: usize = 64;

/// What a port or an address answered.
#[derive(Debug)]
pub struct Device {
    /// Where.
    pub target: Target,
    /// Who is there, or why nobody is known to be.
    pub answer: Result<Hello, BoardError>,
}

/// The serial ports of this machine as targets, at `baud`.
pub fn serial_targets(baud: Option<u32>) -> Vec<Target> {
    let baud = baud.unwrap_or(DEFAULT_BAUD);
    serial_ports().into_iter().map(|port| Target::Serial { port, baud }).collect()
}

/// Asks all of `targets` at once who is there; each has about a second. Of more than [`MAX_ASKED`] the first are asked.
pub fn devices(targets: Vec<Target>, known: &KnownBoards) -> Vec<Device> {
    let asked = |target: &Target| Session::open(target, known)?.hello(Patience::SHORT);
    thread::scope(|scope| {
        let threads: Vec<_> = targets
            .into_iter()
            .take(MAX_ASKED)
            .map(|target| scope.spawn(move || Device { answer: asked(&target), target }))
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    })
}
