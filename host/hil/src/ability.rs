//! What a board on a bench can be made to do.

use std::fmt;

/// Something that a scenario needs and a bench has, or has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ability {
    /// Messages go both ways.
    Line,
    /// The suite decides which frames the camera sees, and when the daemon starts.
    Frames,
    /// The line can be slowed and damaged.
    LineFaults,
    /// The line can be pulled out, so that the board sees it go, and put back in.
    Unplug,
    /// The camera can go away and come back.
    CameraFaults,
    /// The camera's driver can be made to fail in several ways, and another picture be shown meanwhile.
    DriverFaults,
    /// The camera gives other pixel formats on demand.
    Formats,
    /// A privacy switch can be flipped.
    Privacy,
    /// Whether the status light is lit can be seen.
    Light,
    /// A pulse can be given on the frame trigger's line.
    Trigger,
    /// The board can be told that it is hot.
    Heat,
    /// The daemon can be killed, and is started again by what watches over it.
    Kill,
    /// A single thread of the daemon can be stopped.
    Freeze,
    /// The board has slots, and takes bundles that the suite signs.
    Updates,
    /// Everything on the board ends at once, without warning, and it starts again.
    PowerCuts,
    /// Descriptors, threads and memory of the daemon can be counted.
    Holdings,
    /// The whole board can be made to hang, and a watchdog outside of it resets it.
    Reset,
    /// The board publishes to a broker that can be ended and started.
    Broker,
    /// Answers come as often as from a board.
    Pace,
}

impl Ability {
    /// All of them.
    pub const ALL: [Ability; 19] = [
        Ability::Line,
        Ability::Frames,
        Ability::LineFaults,
        Ability::Unplug,
        Ability::CameraFaults,
        Ability::DriverFaults,
        Ability::Formats,
        Ability::Privacy,
        Ability::Light,
        Ability::Trigger,
        Ability::Heat,
        Ability::Kill,
        Ability::Freeze,
        Ability::Updates,
        Ability::PowerCuts,
        Ability::Holdings,
        Ability::Reset,
        Ability::Broker,
        Ability::Pace,
    ];

    /// As it is written in lists and reports.
    pub fn word(self) -> &'static str {
        match self {
            Ability::Line => "line",
            Ability::Frames => "frames",
            Ability::LineFaults => "line-faults",
            Ability::Unplug => "unplug",
            Ability::CameraFaults => "camera-faults",
            Ability::DriverFaults => "driver-faults",
            Ability::Formats => "formats",
            Ability::Privacy => "privacy",
            Ability::Light => "light",
            Ability::Trigger => "trigger",
            Ability::Heat => "heat",
            Ability::Kill => "kill",
            Ability::Freeze => "freeze",
            Ability::Updates => "updates",
            Ability::PowerCuts => "power-cuts",
            Ability::Holdings => "holdings",
            Ability::Reset => "reset",
            Ability::Broker => "broker",
            Ability::Pace => "pace",
        }
    }

    /// What it is, in a few words.
    pub fn what(self) -> &'static str {
        match self {
            Ability::Line => "messages go both ways",
            Ability::Frames => "the suite decides what the camera sees, and when the daemon starts",
            Ability::LineFaults => "the line can be slowed and damaged",
            Ability::Unplug => "the line can be pulled out, so that the board sees it go, and put back in",
            Ability::CameraFaults => "the camera can go away and come back",
            Ability::DriverFaults => "the camera's driver can be made to fail, and another picture be shown meanwhile",
            Ability::Formats => "the camera gives other pixel formats on demand",
            Ability::Privacy => "a privacy switch can be flipped",
            Ability::Light => "whether the status light is lit can be seen",
            Ability::Trigger => "the frame trigger can be pulsed",
            Ability::Heat => "the board can be told that it is hot",
            Ability::Kill => "the daemon can be killed, and is started again",
            Ability::Freeze => "a single thread of the daemon can be stopped",
            Ability::Updates => "the board has slots, and takes bundles that the suite signs",
            Ability::PowerCuts => "power can be cut and given back",
            Ability::Holdings => "descriptors, threads and memory of the daemon can be counted",
            Ability::Reset => "the whole board can be made to hang, and is reset by its watchdog",
            Ability::Broker => "the board publishes to a broker that can be ended and started",
            Ability::Pace => "answers come as often as from a board",
        }
    }
}

impl fmt::Display for Ability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
