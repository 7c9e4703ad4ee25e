//! What a person may tune, with units, defaults and ranges. The daemon fills it from the board file.

use mtcae_contract::Micros;
use thiserror::Error;

/// A setting outside its range.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("setting `{key}` is {value}; accepted: {accepted}")]
pub struct SettingsError {
    /// Dotted name, for example `smoothing.enter`.
    pub key: &'static str,
    /// The value found.
    pub value: String,
    /// What would be accepted.
    pub accepted: &'static str,
}

/// Everything tunable of a [`crate::Pipeline`].
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// When a pause between frames is a gap.
    pub gap: GapSettings,
    /// Following faces and cutting crops.
    pub gaze: GazeSettings,
    /// How often to look and to infer.
    pub schedule: ScheduleSettings,
    /// From probabilities to a label.
    pub smoothing: SmoothingSettings,
    /// Time between reports while no face is in view, microseconds, 10 ms to 60 s.
    pub absent_every: Micros,
}

/// When a pause between two frames ends an epoch: no clip then mixes frames before and after it.
#[derive(Debug, Clone, PartialEq)]
pub struct GapSettings {
    /// A pause longer than this many usual intervals is a gap, 2 to 1000.
    pub intervals: f32,
    /// ... but never one shorter than this, microseconds, 1 ms to 10 s.
    pub shortest: Micros,
    /// ... and always one longer than this, microseconds, `shortest` to 60 s.
    pub longest: Micros,
}

/// Following faces and cutting crops.
#[derive(Debug, Clone, PartialEq)]
pub struct GazeSettings {
    /// The crop stays while the wanted centre is within this share of its side, 0 to 0.5.
    pub move_tolerance: f32,
    /// The crop stays while the wanted side differs by at most this share, 0 to 1.
    pub size_tolerance: f32,
    /// Most faces followed at once, 1 to 16; they take turns with the network, or with each stream of it.
    pub faces: usize,
    /// Which faces are followed when there are more.
    pub choice: Choice,
    /// Faces with a lower detector score start no track, 0 to 1.
    pub min_score: f32,
    /// The network's box steers the track, and is reported, when its overlap (IoU) with the track is at least this, 0 to 1.
    pub steer_iou: f32,
    /// A face that was looked for and not found is lost this long after it was last found, microseconds, 0 to 60 s.
    pub lost_after: Micros,
    /// A face nobody has confirmed for this long is lost in any case, microseconds, `lost_after` to 600 s.
    pub forget_after: Micros,
    /// A lost face that comes back near where it was within this time is the same one, with its id and its label,
    /// microseconds, 0 (never) to 10 s.
    pub recall: Micros,
}

/// Which faces are followed when there are more than can be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Choice {
    /// The largest: those who are near.
    #[default]
    Largest,
    /// Those nearest to the middle of the picture: whom the robot looks at.
    Central,
}

/// How often to look and to infer.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleSettings {
    /// Pause between full detections while a face is followed, microseconds, 10 ms to 60 s.
    pub detect_every: Micros,
    /// Pause between cheap looks at one followed face, microseconds, 10 ms to 60 s.
    pub follow_every: Micros,
    /// Pause between full detections while no face is known or one is missing, microseconds, 0 to 60 s.
    pub search_every: Micros,
    /// Most inferences a second, of all faces together, 0.1 to 240.
    pub max_hz: f32,
    /// Largest share of the time spent looking while a face is followed, 0.01 to 1.
    pub look_share: f32,
    /// Jobs that run side by side, 1 to 16: clips of different faces, and one look at a time.
    pub streams: usize,
    /// Infer only when asked: once for each face followed, with the first frame after [`crate::Pipeline::trigger`].
    pub triggered: bool,
}

/// From probabilities to a label; every number is about time or probability, none about frames.
#[derive(Debug, Clone, PartialEq)]
pub struct SmoothingSettings {
    /// Time constant of the exponential average, microseconds, 0 (none) to 60 s.
    pub tau: Micros,
    /// A label is taken at this smoothed probability, 0 to 1.
    pub enter: f32,
    /// A label is given up below this, 0 to `enter`.
    pub leave: f32,
    /// A new label must lead the old one by this, 0 to 1.
    pub lead: f32,
    /// A label is kept at least this long, microseconds, 0 to 60 s.
    pub dwell: Micros,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            gap: GapSettings::default(),
            gaze: GazeSettings::default(),
            schedule: ScheduleSettings::default(),
            smoothing: SmoothingSettings::default(),
            absent_every: 1_000_000,
        }
    }
}

impl Default for GapSettings {
    fn default() -> Self {
        Self { intervals: 8.0, shortest: 300_000, longest: 2_000_000 }
    }
}

impl Default for GazeSettings {
    fn default() -> Self {
        Self {
            move_tolerance: 0.08,
            size_tolerance: 0.15,
            faces: 4,
            choice: Choice::Largest,
            min_score: 0.6,
            steer_iou: 0.6,
            lost_after: 800_000,
            forget_after: 5_000_000,
            recall: 1_000_000,
        }
    }
}

impl Default for ScheduleSettings {
    fn default() -> Self {
        Self {
            detect_every: 1_000_000,
            follow_every: 200_000,
            search_every: 150_000,
            max_hz: 15.0,
            look_share: 0.3,
            streams: 1,
            triggered: false,
        }
    }
}

impl Default for SmoothingSettings {
    fn default() -> Self {
        Self { tau: 350_000, enter: 0.45, leave: 0.35, lead: 0.1, dwell: 400_000 }
    }
}

impl ScheduleSettings {
    /// Shortest time between the starts of two inferences, microseconds.
    pub fn infer_every(&self) -> Micros {
        (1e6 / f64::from(self.max_hz)) as Micros
    }
}

const MINUTE: Micros = 60_000_000;

impl Settings {
    /// Checks every value's range.
    ///
    /// # Errors
    /// The first value out of range, with its name and what is accepted.
    pub fn validate(&self) -> Result<(), SettingsError> {
        self.gap.validate()?;
        self.gaze.validate()?;
        self.schedule.validate()?;
        self.smoothing.validate()?;
        time("absent_every", self.absent_every, 10_000, MINUTE, "10 ms to 60 s")
    }
}

impl GapSettings {
    fn validate(&self) -> Result<(), SettingsError> {
        number("gap.intervals", self.intervals, 2.0, 1000.0, "2 to 1000")?;
        time("gap.shortest", self.shortest, 1_000, 10_000_000, "1 ms to 10 s")?;
        time("gap.longest", self.longest, self.shortest, MINUTE, "gap.shortest to 60 s")
    }
}

impl GazeSettings {
    fn validate(&self) -> Result<(), SettingsError> {
        number("gaze.move_tolerance", self.move_tolerance, 0.0, 0.5, "0 to 0.5")?;
        number("gaze.size_tolerance", self.size_tolerance, 0.0, 1.0, "0 to 1")?;
        number("gaze.faces", self.faces as f32, 1.0, 16.0, "1 to 16")?;
        number("gaze.min_score", self.min_score, 0.0, 1.0, "0 to 1")?;
        number("gaze.steer_iou", self.steer_iou, 0.0, 1.0, "0 to 1")?;
        time("gaze.lost_after", self.lost_after, 0, MINUTE, "0 to 60 s")?;
        time("gaze.forget_after", self.forget_after, self.lost_after, 10 * MINUTE, "gaze.lost_after to 600 s")?;
        time("gaze.recall", self.recall, 0, 10_000_000, "0 to 10 s")
    }
}

impl ScheduleSettings {
    fn validate(&self) -> Result<(), SettingsError> {
        time("schedule.detect_every", self.detect_every, 10_000, MINUTE, "10 ms to 60 s")?;
        time("schedule.follow_every", self.follow_every, 10_000, MINUTE, "10 ms to 60 s")?;
        time("schedule.search_every", self.search_every, 0, MINUTE, "0 to 60 s")?;
        number("schedule.max_hz", self.max_hz, 0.1, 240.0, "0.1 to 240")?;
        number("schedule.look_share", self.look_share, 0.01, 1.0, "0.01 to 1")?;
        number("schedule.streams", self.streams as f32, 1.0, 16.0, "1 to 16")
    }
}

impl SmoothingSettings {
    pub(crate) fn validate(&self) -> Result<(), SettingsError> {
        time("smoothing.tau", self.tau, 0, MINUTE, "0 to 60 s")?;
        number("smoothing.enter", self.enter, 0.0, 1.0, "0 to 1")?;
        number("smoothing.leave", self.leave, 0.0, self.enter, "0 to smoothing.enter")?;
        number("smoothing.lead", self.lead, 0.0, 1.0, "0 to 1")?;
        time("smoothing.dwell", self.dwell, 0, MINUTE, "0 to 60 s")
    }
}

fn number(key: &'static str, value: f32, min: f32, max: f32, accepted: &'static str) -> Result<(), SettingsError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(SettingsError { key, value: value.to_string(), accepted })
}

fn time(key: &'static str, us: Micros, min: Micros, max: Micros, accepted: &'static str) -> Result<(), SettingsError> {
    if (min..=max).contains(&us) {
        return Ok(());
    }
    Err(SettingsError { key, value: format!("{us} us"), accepted })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_accepted() {
        assert_eq!(Settings::default().validate(), Ok(()));
    }

    #[test]
    fn a_value_out_of_range_is_named() {
        let mut s = Settings::default();
        s.smoothing.leave = 0.9;
        let err = s.validate().unwrap_err().to_string();
        assert_eq!(err, "setting `smoothing.leave` is 0.9; accepted: 0 to smoothing.enter");
        let mut s = Settings::default();
        s.schedule.max_hz = f32::NAN;
        assert_eq!(s.validate().unwrap_err().key, "schedule.max_hz");
        let s = Settings { absent_every: 5, ..Settings::default() };
        assert_eq!(s.validate().unwrap_err().to_string(), "setting `absent_every` is 5 us; accepted: 10 ms to 60 s");
    }
}
