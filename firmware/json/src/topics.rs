//! Topics, with the quality of service of each and whether the broker keeps its last message.

/// Payload of [`Part::Available`] while the board is connected.
pub const ONLINE: &str = "online";
/// Payload of [`Part::Available`] when it is not; also the last will.
pub const OFFLINE: &str = "offline";

/// What a topic is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Whether the board is connected.
    Available,
    /// How the board is, and what runs on it.
    Status,
    /// The ids of the faces in view.
    Tracked,
    /// A face's box.
    Roi,
    /// A face's landmarks.
    Landmarks,
    /// A face's expression in REP-155's words.
    Expression,
    /// A face's expression in the model's words.
    Scores,
    /// A line of the board's log; never given to a broker.
    Log,
}

/// How often a message arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qos {
    /// 0: once or not at all.
    AtMostOnce,
    /// 1: once, or more often.
    AtLeastOnce,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 8] = [
        Part::Available,
        Part::Status,
        Part::Tracked,
        Part::Roi,
        Part::Landmarks,
        Part::Expression,
        Part::Scores,
        Part::Log,
    ];

    /// Its quality of service and whether it is retained.
    pub fn delivery(self) -> (Qos, bool) {
        match self {
            Part::Available | Part::Status => (Qos::AtLeastOnce, true),
            // An old face is worse than none.
            Part::Tracked | Part::Roi | Part::Landmarks | Part::Expression | Part::Scores | Part::Log => {
                (Qos::AtMostOnce, false)
            }
        }
    }
}

/// One message on one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// What it is about.
    pub part: Part,
    /// Full topic.
    pub topic: String,
    /// JSON, except for [`Part::Available`].
    pub payload: String,
    /// Quality of service.
    pub qos: Qos,
    /// Whether the broker keeps it for those who subscribe later.
    pub retain: bool,
}

/// The topics of one device: `<prefix>/<device>/...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    root: String,
}

impl Topics {
    /// Below `prefix`, which has no `/` at its ends and no wildcard in it.
    pub fn new(prefix: &str, device: &str) -> Topics {
        Topics { root: format!("{prefix}/{device}") }
    }

    /// The topic of `part`; `face` is the `face_id` of those that are about one.
    pub fn topic(&self, part: Part, face: &str) -> String {
        let root = &self.root;
        match part {
            Part::Available => format!("{root}/available"),
            Part::Status => format!("{root}/status"),
            Part::Tracked => format!("{root}/faces/tracked"),
            Part::Roi => format!("{root}/faces/{face}/roi"),
            Part::Landmarks => format!("{root}/faces/{face}/landmarks"),
            Part::Expression => format!("{root}/faces/{face}/expression"),
            Part::Scores => format!("{root}/faces/{face}/scores"),
            Part::Log => format!("{root}/log"),
        }
    }

    pub(crate) fn publication(&self, part: Part, face: &str, payload: String) -> Publication {
        let (qos, retain) = part.delivery();
        Publication { part, topic: self.topic(part, face), payload, qos, retain }
    }

    /// That the board is connected, or that it is not.
    pub fn available(&self, online: bool) -> Publication {
        self.publication(Part::Available, "", if online { ONLINE } else { OFFLINE }.to_owned())
    }
}

/// A track's id as a name of REP-155 and of ROS 2 topics, which must not begin with a digit: `f` and eight
/// hexadecimal digits.
pub(crate) fn face_id(track: u32) -> String {
    format!("f{track:08x}")
}
