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

/// Speeds of the boards that ship, which are tried where nobody says one.
const USUAL_BAUDS: [u32; 2] = [DEFAULT_BAUD, 921_600];

/// The serial ports of this machine, each as the targets that it may be: at `baud`, or at the usual speeds one after the other.
pub fn serial_targets(baud: Option<u32>) -> Vec<Vec<Target>> {
    let bauds = baud.map_or(USUAL_BAUDS.to_vec(), |baud| vec![baud]);
    let at = |port: String| bauds.iter().map(|&baud| Target::Serial { port: port.clone(), baud }).collect();
    serial_ports().into_iter().map(at).collect()
}

/// Asks all `places` at once who is there, each as one target after the other until one answers, for about a second each; where
/// none does, the first one's answer counts. Of more than [`MAX_ASKED`] places the first are asked.
pub fn devices(places: Vec<Vec<Target>>, known: &KnownBoards) -> Vec<Device> {
    let asked = |target: Target| {
        let answer =
            Session::open(&target, known).map_err(BoardError::from).and_then(|mut it| it.hello(Patience::SHORT));
        Device { answer, target }
    };
    let first = move |place: Vec<Target>| {
        let mut silent = None;
        for target in place {
            let device = asked(target);
            // What does not open does not at another speed either.
            if !matches!(device.answer, Err(BoardError::Silent { .. })) {
                return Some(device);
            }
            silent.get_or_insert(device);
        }
        silent
    };
    thread::scope(|scope| {
        let threads: Vec<_> =
            places.into_iter().take(MAX_ASKED).map(|place| scope.spawn(move || first(place))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok().flatten()).collect()
    })
}
