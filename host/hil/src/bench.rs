//! What every target gives: a board that can be started, talked to, and broken.

use crate::{Ability, DriverFault, Eye};
use mtcae_boards::{BoardError, Target};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// A board on a bench. Dropping it ends everything that it started and takes away what it made.
///
/// A method whose ability the bench lacks is never called by the suite; the ones given here say so. One board runs at
/// a time: [`Bench::start`] ends what ran before.
pub trait Bench {
    /// What reports call it, for example `local`.
    fn name(&self) -> String;

    /// Why the bench cannot do this, in a clause that goes behind "because"; `None` when it can.
    fn lacks(&self, ability: Ability) -> Option<String>;

    /// Starts a board of this kind, with fresh disks, and returns when it has been started (not: when it answers).
    ///
    /// # Errors
    /// When it does not start.
    fn start(&mut self, setup: &Setup) -> Result<(), BenchError>;

    /// The robot's end of the board's line, plugged in now. Dropping a descriptor unplugs it; the board then sees its
    /// line go, and this may be called again.
    ///
    /// # Errors
    /// When there is no line.
    fn plug_in(&mut self) -> Result<Plug, BenchError>;

    /// The line is about to be unplugged: takes away what leads the daemon to it, so that it does not open somebody else's
    /// line that gets the same number.
    ///
    /// # Errors
    /// When that fails.
    fn unplug(&mut self) -> Result<(), BenchError> {
        Ok(())
    }

    /// Ends the board in order, and says how it ended when that was not in order.
    ///
    /// # Errors
    /// When it does not end, or says that something went wrong.
    fn stop(&mut self) -> Result<(), BenchError>;

    /// Takes the camera away, or gives it back.
    ///
    /// # Errors
    /// When that fails.
    fn camera(&mut self, _there: bool) -> Result<(), BenchError> {
        Err(BenchError::Lacks(Ability::CameraFaults))
    }

    /// Shows something else to the camera of the board that runs.
    ///
    /// # Errors
    /// When that fails.
    fn show(&mut self, _view: &View) -> Result<(), BenchError> {
        Err(BenchError::Lacks(Ability::DriverFaults))
    }

    /// Makes the camera's driver fail, once, and shows something else from then on; returns when that is seen.
    ///
    /// # Errors
    /// When that fails.
    fn driver_fault(&mut self, _fault: DriverFault, _then: &View) -> Result<(), BenchError> {
        Err(BenchError::Lacks(Ability::DriverFaults))
    }

    /// Ends the driver's faults that last.
    ///
    /// # Errors
    /// When that fails.
    fn driver_mended(&mut self) -> Result<(), BenchError> {
        Err(BenchError::Lacks(Ability::DriverFaults))
    }

    /// Pixel formats that the camera gives, by V4L2's four letters, as far as the suite can make pictures of them.
    fn formats(&self) -> &'static [&'static str] {
        &[]
    }

    /// A file with what the camera of this board would see, frame by frame, for the host's own evaluation.
    ///
    /// # Errors
    /// When it cannot be made.
    fn seen(&mut self, _setup: &Setup) -> Result<PathBuf, BenchError> {
        Err(BenchError::Lacks(Ability::Frames))
    }

    /// Flips the privacy switch.
    ///
    /// # Errors
    /// When that fails.
    fn privacy(&mut self, _private: bool) -> Result<(), BenchError> {
        Err(BenchError::Lacks(Ability::Privacy))
    }

    /// Whether the status light is lit.
    ///
    /// # Errors
    /// When it cannot be seen.
    fn lit(&mut self) -> Result<bool, BenchError> {
        Err(BenchError::Lacks(Ability::Light))
    }

    /// Gives a pulse on the frame trigger's line.
    ///
    /// # Errors
    /// When that fails.
    fn pulse(&mut self) -> Result<(), BenchError> {
        Err(BenchError::Lacks(Ability::Trigger))
    }

    /// What the board's thermometer shows from now on, degrees Celsius.
    ///
    /// # Errors
    /// When that fails.
    fn heat(&mut self, _celsius: f32) -> Result<(), BenchError> {
        Err(BenchError::Lacks(Ability::Heat))
    }

    /// Kills the daemon alone; whatever watches over it starts it again.
    ///
    /// # Errors
    /// When there is none.
    fn kill(&mut self) -> Result<(), BenchError> {
        Err(BenchError::Lacks(Ability::Kill))
    }

    /// Names of the daemon's threads that [`Bench::freeze`] takes and whose silence must be noticed.
    ///
    /// # Errors
    /// When they cannot be listed.
    fn threads(&mut self) -> Result<Vec<String>, BenchError> {
        Err(BenchError::Lacks(Ability::Freeze))
    }

    /// Stops the threads of that name, and nothing else, until the daemon has been ended by its watchdog.
    ///
    /// # Errors
    /// When it cannot be done.
    fn freeze(&mut self, _thread: &str) -> Result<(), BenchError> {
        Err(BenchError::Lacks(Ability::Freeze))
    }

    /// Cuts the power: everything ends at once, what was not on the disk is lost. The line stays plugged in.
    ///
    /// # Errors
    /// When it cannot be done.
    fn power_cut(&mut self) -> Result<(), BenchError> {
        Err(BenchError::Lacks(Ability::PowerCuts))
    }

    /// Gives the power back: the board starts with the disks that it has.
    ///
    /// # Errors
    /// When it does not start.
    fn power_on(&mut self) -> Result<(), BenchError> {
        Err(BenchError::Lacks(Ability::PowerCuts))
    }

    /// A bundle for this board, signed so that it takes it: `tiny 1.N.0` with N as its counter, which is above 1.
    ///
    /// # Errors
    /// When none can be made.
    fn bundle(&mut self, _counter: u32, _kind: BundleKind) -> Result<PathBuf, BenchError> {
        Err(BenchError::Lacks(Ability::Updates))
    }

    /// What the daemon holds now.
    ///
    /// # Errors
    /// When it cannot be counted.
    fn holdings(&mut self) -> Result<Holdings, BenchError> {
        Err(BenchError::Lacks(Ability::Holdings))
    }

    /// Lets the whole board hang, and returns when its watchdog has reset it and it has started again; how long that took.
    ///
    /// # Errors
    /// When nothing resets it.
    fn hang(&mut self) -> Result<Duration, BenchError> {
        Err(BenchError::Lacks(Ability::Reset))
    }

    /// Ends the broker that the board publishes to, or starts it; where it listens.
    ///
    /// # Errors
    /// When that fails.
    fn broker(&mut self, _there: bool) -> Result<SocketAddr, BenchError> {
        Err(BenchError::Lacks(Ability::Broker))
    }

    /// By how much a probability may differ from the host's for the same still.
    fn tolerance(&self) -> f32 {
        0.02
    }

    /// How many times as long as on a board things may take here; `None` where times say nothing of a board: they are
    /// measured, and held to nothing.
    fn slack(&self) -> Option<f64> {
        Some(1.0)
    }

    /// An eye on the program that is the board, where it is one on this machine.
    fn eye(&self) -> Option<Eye> {
        None
    }

    /// The last lines that board and daemon wrote on their error output or console.
    fn console(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// The robot's end of a line.
#[derive(Debug)]
pub enum Plug {
    /// A raw descriptor of a terminal, non-blocking: what is written to it goes to the board.
    Descriptor(OwnedFd),
    /// Something that only host/boards can open, such as TCP with its keys.
    Target(Target),
}

/// How a board is set up.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// What the camera sees.
    pub view: View,
    /// Time between two statuses, milliseconds.
    pub status_every_ms: u32,
    /// Most answers of the network a second; 0 leaves what is usual.
    pub max_hz: f32,
    /// Bits per second of the line.
    pub baud: u32,
    /// The camera's pixel format, by V4L2's four letters; `None` leaves what is usual.
    pub format: Option<&'static str>,
    /// A privacy switch and a status light are wired; the board may look at the start.
    pub switch: bool,
    /// A frame trigger is wired: nothing is inferred without a pulse.
    pub trigger: bool,
    /// The board publishes to the bench's broker, too.
    pub broker: bool,
    /// A launcher watches over the daemon, which runs in a slot and takes bundles.
    pub slots: bool,
    /// Longest time between two heartbeats that the launcher bears.
    pub heartbeat: Duration,
}

impl Default for Setup {
    /// A looped clip with a face, a fast line, a daemon without anything around it.
    fn default() -> Setup {
        Setup {
            view: View::Clip("astronaut"),
            status_every_ms: 300,
            max_hz: 0.0,
            baud: 4_000_000,
            format: None,
            switch: false,
            trigger: false,
            broker: false,
            slots: false,
            heartbeat: Duration::from_secs(6),
        }
    }
}

/// What a camera sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// A clip that ships in `tests/data`, by its name, again and again at its own rate.
    Clip(&'static str),
    /// One frame of such a clip, by its number from 0, standing still.
    Still {
        /// The clip.
        clip: &'static str,
        /// The frame.
        frame: usize,
    },
    /// A camera that [`Bench::camera`] can take away; it shows a face.
    Removable,
}

/// What is in a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleKind {
    /// A version that works.
    Good {
        /// Bytes that cannot be compressed, so that it takes its time on the line.
        ballast: usize,
    },
    /// A model that does not give its own reference answer.
    WrongAnswer,
    /// A daemon that ends at once.
    Crashes,
    /// A daemon that does nothing.
    Hangs,
}

/// What a daemon holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holdings {
    /// Open descriptors.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
    /// Resident memory, KiB.
    pub rss_kib: u64,
}

/// Why a bench does not do what it was asked.
#[derive(Debug, Error)]
pub enum BenchError {
    /// It never could.
    #[error("this bench has no {0}")]
    Lacks(Ability),
    /// The system refuses something.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// What the system says.
        source: io::Error,
    },
    /// The board, or a tool, does something else than it should.
    #[error("{0}")]
    Board(String),
}

impl BenchError {
    /// For `map_err`: the system refuses `what`.
    pub fn system<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> BenchError {
        let what = what.into();
        move |source| BenchError::System { what, source: source.into() }
    }
}

impl From<BoardError> for BenchError {
    fn from(error: BoardError) -> BenchError {
        BenchError::Board(error.to_string())
    }
}
