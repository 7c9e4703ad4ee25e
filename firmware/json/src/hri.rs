//! The messages of ROS 2 `hri_msgs` that a report becomes, field by field; `tests/hri_msgs.rs` holds them against the
//! definitions.

use serde::Serialize;

/// Landmarks in a [`FacialLandmarks`], as REP-155 counts them.
pub const LANDMARKS: usize = 70;

/// Where the five points of a report go: the index in a [`FacialLandmarks`] of each, in the report's order.
///
/// A report says left and right *as seen in the image*; REP-155 means the *subject's*. Someone who faces a camera
/// (which does not mirror) has the right eye on the image's left side.
pub const LANDMARK_OF_POINT: [usize; mtcae_wire::LANDMARKS] =
    [RIGHT_PUPIL, LEFT_PUPIL, NOSE, MOUTH_OUTER_RIGHT, MOUTH_OUTER_LEFT];

const NOSE: usize = 30;
const MOUTH_OUTER_RIGHT: usize = 48;
const MOUTH_OUTER_LEFT: usize = 54;
const RIGHT_PUPIL: usize = 68;
const LEFT_PUPIL: usize = 69;

/// `builtin_interfaces/Time`: since 1970-01-01 00:00 UTC; all zero when the board does not know the time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Time {
    /// Whole seconds.
    pub sec: i32,
    /// The rest, 0 to 999,999,999.
    pub nanosec: u32,
}

impl Time {
    /// Unix microseconds as a time; zero outside of what 32 bits of seconds can say.
    pub fn from_unix_us(unix_us: i64) -> Time {
        let Ok(sec) = i32::try_from(unix_us.div_euclid(1_000_000)) else { return Time::default() };
        Time { sec, nanosec: unix_us.rem_euclid(1_000_000) as u32 * 1_000 }
    }
}

/// `std_msgs/Header`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Header {
    /// When the newest frame was captured.
    pub stamp: Time,
    /// The camera's optical frame; the device id stands for it.
    pub frame_id: String,
}

/// `hri_msgs/IdsList`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IdsList {
    /// Of the newest frame.
    pub header: Header,
    /// Faces in view.
    pub ids: Vec<String>,
}

/// `hri_msgs/NormalizedRegionOfInterest2D`: fractions of the image's width and height, 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NormalizedRegionOfInterest2D {
    /// Of the newest frame.
    pub header: Header,
    /// Left edge.
    pub xmin: f32,
    /// Top edge.
    pub ymin: f32,
    /// Right edge.
    pub xmax: f32,
    /// Bottom edge.
    pub ymax: f32,
    /// How sure the detector is that this is a face, 0 to 1.
    pub c: f32,
}

/// `hri_msgs/NormalizedPointOfInterest2D`: fractions of the image's width and height, 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct NormalizedPointOfInterest2D {
    /// From the left edge.
    pub x: f32,
    /// From the top edge.
    pub y: f32,
    /// Confidence, 0 to 1; 0 for a point that is not known.
    pub c: f32,
}

/// `hri_msgs/FacialLandmarks`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FacialLandmarks {
    /// Of the newest frame.
    pub header: Header,
    /// [`LANDMARKS`] of them.
    pub landmarks: Vec<NormalizedPointOfInterest2D>,
    /// Of the image, pixels.
    pub height: u32,
    /// Of the image, pixels.
    pub width: u32,
}

/// `hri_msgs/Expression`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Expression {
    /// Of the newest frame.
    pub header: Header,
    /// A word of REP-155; empty when there is no label, or none that REP-155 has a word for.
    pub expression: String,
    /// Not estimated: always 0.
    pub valence: f32,
    /// Not estimated: always 0.
    pub arousal: f32,
    /// Smoothed probability of the expression; 0 when that is empty.
    pub confidence: f32,
}

/// `rcl_interfaces/Log`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Log {
    /// When it was logged; all zero where the board does not say, too.
    pub stamp: Time,
    /// 10 debug, 20 info, 30 warn, 40 error.
    pub level: u8,
    /// Who logged it: the device.
    pub name: String,
    /// The line.
    pub msg: String,
    /// Not told: empty.
    pub file: String,
    /// Not told: empty.
    pub function: String,
    /// Not told: 0.
    pub line: u32,
}

/// REP-155's word for a model's label; `None` when it has none, as for contempt.
pub fn word_from_label(label: &str) -> Option<&'static str> {
    Some(match label {
        "neutral" => "neutral",
        "happy" => "happy",
        "sad" => "sad",
        "angry" => "angry",
        "fear" => "scared",
        "disgust" => "disgusted",
        "surprise" => "surprised",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_split_downwards_and_zero_when_they_do_not_fit() {
        assert_eq!(Time::from_unix_us(1_764_000_000_250_001), Time { sec: 1_764_000_000, nanosec: 250_001_000 });
        assert_eq!(Time::from_unix_us(-1), Time { sec: -1, nanosec: 999_999_000 });
        for too_far in [i64::MAX, i64::MIN, (1 << 31) * 1_000_000] {
            assert_eq!(Time::from_unix_us(too_far), Time::default());
        }
    }
}
