//! What a camera's driver can do wrong.

use std::fmt;

/// A fault of a camera's driver, as a virtual camera makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DriverFault {
    /// The device is gone; it is back once everybody has closed it.
    Disconnected,
    /// The queue of buffers is broken until it is set up anew.
    Queue,
    /// The next buffer is not taken.
    Qbuf,
    /// The queue breaks, and the next start of streaming fails.
    StreamOn,
    /// The queue breaks, and the next request for buffers fails.
    Reqbufs,
    /// One frame comes back as damaged.
    CorruptFrame,
    /// No buffer comes back, until [`crate::Bench::driver_mended`].
    BuffersDropped,
    /// The queue breaks, and numbers and times of the frames after it soon wrap (in vivid: after 16 s).
    ClockWraps,
}

impl DriverFault {
    /// Those after which the camera must give pictures again by itself within seconds.
    pub const ALL: [DriverFault; 7] = [
        DriverFault::Disconnected,
        DriverFault::Queue,
        DriverFault::Qbuf,
        DriverFault::StreamOn,
        DriverFault::Reqbufs,
        DriverFault::CorruptFrame,
        DriverFault::BuffersDropped,
    ];

    /// As it is written in reports.
    pub fn word(self) -> &'static str {
        match self {
            DriverFault::Disconnected => "disconnected",
            DriverFault::Queue => "queue error",
            DriverFault::Qbuf => "QBUF error",
            DriverFault::StreamOn => "STREAMON error",
            DriverFault::Reqbufs => "REQBUFS error",
            DriverFault::CorruptFrame => "corrupt frame",
            DriverFault::BuffersDropped => "all buffers dropped",
            DriverFault::ClockWraps => "clock wraps",
        }
    }

    /// Whether the camera has to be opened again after it.
    pub fn loses_camera(self) -> bool {
        self != DriverFault::CorruptFrame
    }

    /// Whether it lasts until it is mended.
    pub fn lasts(self) -> bool {
        matches!(self, DriverFault::BuffersDropped | DriverFault::ClockWraps)
    }
}

impl fmt::Display for DriverFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
