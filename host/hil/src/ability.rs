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
    /// A privacy switch can be flipped.
    Privacy,
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
}

impl Ability {
    /// All of them.
    pub const ALL: [Ability; 12] = [
        Ability::Line,
        Ability::Frames,
        Ability::LineFaults,
        Ability::Unplug,
        Ability::CameraFaults,
        Ability::Privacy,
        Ability::Heat,
        Ability::Kill,
        Ability::Freeze,
        Ability::Updates,
        Ability::PowerCuts,
        Ability::Holdings,
    ];

    /// As it is written in lists and reports.
    pub fn word(self) -> &'static str {
        match self {
            Ability::Line => "line",
            Ability::Frames => "frames",
            Ability::LineFaults => "line-faults",
            Ability::Unplug => "unplug",
            Ability::CameraFaults => "camera-faults",
            Ability::Privacy => "privacy",
            Ability::Heat => "heat",
            Ability::Kill => "kill",
            Ability::Freeze => "freeze",
            Ability::Updates => "updates",
            Ability::PowerCuts => "power-cuts",
            Ability::Holdings => "holdings",
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
            Ability::Privacy => "a privacy switch can be flipped",
            Ability::Heat => "the board can be told that it is hot",
            Ability::Kill => "the daemon can be killed, and is started again",
            Ability::Freeze => "a single thread of the daemon can be stopped",
            Ability::Updates => "the board has slots, and takes bundles that the suite signs",
            Ability::PowerCuts => "power can be cut and given back",
            Ability::Holdings => "descriptors, threads and memory of the daemon can be counted",
        }
    }
}

impl fmt::Display for Ability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
