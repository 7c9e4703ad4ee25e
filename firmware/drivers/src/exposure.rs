//! Auto-exposure without a camera: from how bright pictures are to the exposure time and gain that the next ones need.

use crate::isp::Metered;

/// Linear light that pictures should have on average: the grey card's 18 %.
pub const EXPOSURE_TARGET: f32 = 0.18;
/// Pictures that are taken with the old values after new ones were given; two are usual, one more is allowed for.
const SETTLE: u32 = 3;
/// Time of one careful measurement, microseconds: whole flashes of lamps on 50 Hz and on 60 Hz, and a whole number of
/// pictures at every usual rate, so that lamps beating with the pictures even out.
const WINDOW_US: f32 = 200_000.0;
/// Pictures of the shortest measurement; enough when the exposure is wrong by more than [`FAR`].
const WINDOW_MIN: u32 = 3;
/// Pictures of the longest.
const WINDOW_MAX: u32 = 24;
/// Stops; even lamps that go out between flashes look less wrong in [`WINDOW_MIN`] pictures.
const FAR: f32 = 1.2;
/// A settled exposure is left alone while it is wrong by less than this, in stops; lamps flicker by less.
const REST: f32 = 0.35;
/// A moving one goes on until it is wrong by less than this.
const ARRIVED: f32 = 0.12;
/// The most that is changed at once, stops.
const MOST: f32 = 3.0;
/// With more of the picture than this cut off, how much too bright it is cannot be seen.
const BLIND: f32 = 0.5;
/// Range of a gain whose numbers do not say what they mean, stops.
const UNKNOWN_GAIN: f32 = 3.0;

/// The values a control takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The least.
    pub min: i64,
    /// The most.
    pub max: i64,
    /// From one to the next; counts from `min`.
    pub step: i64,
}

impl Span {
    /// The value at `wanted` or the nearest there is.
    pub(crate) fn nearest(&self, wanted: f32) -> i64 {
        let step = self.step.max(1);
        let steps = ((wanted as f64 - self.min as f64) / step as f64).round() as i64;
        let most = (self.max.max(self.min) - self.min) / step;
        self.min + steps.clamp(0, most) * step
    }
}

/// What a sensor lets be set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExposureRange {
    /// Exposure time, in the sensor's own unit; light is proportional to it.
    pub exposure: Span,
    /// Microseconds of one unit, when known.
    pub unit_us: Option<f32>,
    /// Gain, in the sensor's own numbers, more for brighter.
    pub gain: Option<Span>,
}

/// What is to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExposureSetting {
    /// In the sensor's unit.
    pub exposure: i64,
    /// In the sensor's numbers; 0 without a gain.
    pub gain: i64,
}

/// Mains frequency of the lamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mains {
    /// Not known: exposure times are free.
    #[default]
    Unknown,
    /// Light comes a hundred times a second.
    Hz50,
    /// Light comes 120 times a second.
    Hz60,
}

impl Mains {
    /// From one flash of the lamps to the next, microseconds.
    fn period_us(self) -> Option<f32> {
        match self {
            Mains::Unknown => None,
            Mains::Hz50 => Some(10_000.0),
            Mains::Hz60 => Some(8_333.3),
        }
    }
}

/// Steers exposure time first and gain after it: long exposures cost nothing while nobody moves, gain costs noise.
///
/// A wrong picture is answered by one step, whose effect is waited for and measured before the next. A step that went
/// too far halves the trust in steps, so that a gain whose numbers mean something else does not make it swing.
#[derive(Debug, Clone)]
pub struct AutoExposure {
    range: ExposureRange,
    /// From one flash of the lamps to the next, in the sensor's unit.
    flash: Option<f32>,
    now: ExposureSetting,
    moving: bool,
    /// Pictures of a careful measurement.
    window: u32,
    /// Share of a step that is taken.
    trust: f32,
    last_step: f32,
    wait: u32,
    seen: u32,
    light: f32,
    clipped: f32,
}

impl AutoExposure {
    /// Starts from what the camera is set to. No exposure is longer than `frame_us`, so that the rate is kept.
    pub fn new(mut range: ExposureRange, start: ExposureSetting, frame_us: f32, mains: Mains) -> AutoExposure {
        if let Some(unit) = range.unit_us {
            range.exposure.max = range.exposure.nearest(frame_us / unit).max(range.exposure.min);
        }
        // A time in whole flashes needs a gain to make up for what lies between.
        let flash = range.unit_us.zip(mains.period_us()).map(|(unit, us)| us / unit);
        let flash = flash.filter(|_| range.gain.is_some());
        let now = ExposureSetting {
            exposure: range.exposure.nearest(start.exposure as f32),
            gain: range.gain.map_or(0, |g| g.nearest(start.gain as f32)),
        };
        AutoExposure {
            range,
            flash,
            now,
            moving: true,
            window: ((WINDOW_US / frame_us.max(1.0)).round() as u32).clamp(WINDOW_MIN, WINDOW_MAX),
            trust: 1.0,
            last_step: 0.0,
            wait: 0,
            seen: 0,
            light: 0.0,
            clipped: 0.0,
        }
    }

    /// What is set now.
    pub fn setting(&self) -> ExposureSetting {
        self.now
    }

    /// True once the pictures are as bright as they should or can be.
    pub fn is_settled(&self) -> bool {
        !self.moving
    }

    /// Takes in one picture; gives what is to be set, when something is.
    pub fn on_picture(&mut self, picture: Metered) -> Option<ExposureSetting> {
        if self.wait > 0 {
            self.wait -= 1;
            return None;
        }
        self.light += picture.light;
        self.clipped += picture.clipped;
        self.seen += 1;
        if self.seen < WINDOW_MIN {
            return None;
        }
        let (light, clipped) = (self.light / self.seen as f32, self.clipped / self.seen as f32);
        let wrong = if clipped > BLIND { -MOST } else { (EXPOSURE_TARGET / light.max(1e-4)).log2().clamp(-MOST, MOST) };
        if self.seen < self.window && (wrong.abs() < FAR || self.seen > WINDOW_MIN) {
            return None;
        }
        (self.light, self.clipped, self.seen) = (0.0, 0.0, 0);
        if wrong.abs() < if self.moving { ARRIVED } else { REST } {
            (self.moving, self.trust, self.last_step) = (false, 1.0, 0.0);
            return None;
        }
        self.step(wrong)
    }

    fn step(&mut self, wrong: f32) -> Option<ExposureSetting> {
        self.trust = if wrong * self.last_step < 0.0 { self.trust / 2.0 } else { self.trust * 1.25 }.clamp(0.125, 1.0);
        self.last_step = wrong;
        let next = self.split(self.stops() + wrong * self.trust);
        self.moving = next != self.now;
        if !self.moving {
            return None;
        }
        self.now = next;
        self.wait = SETTLE;
        Some(next)
    }

    /// Stops above an exposure of one unit without gain.
    fn stops(&self) -> f32 {
        let gain = self.range.gain.map_or(0.0, |span| stops_from_gain(span, self.now.gain));
        (self.now.exposure.max(1) as f32).log2() + gain
    }

    /// As much as possible by the exposure time, the rest by gain.
    fn split(&self, stops: f32) -> ExposureSetting {
        let span = self.range.exposure;
        let wanted = stops.exp2().min(span.max as f32);
        let whole = match self.flash {
            Some(flash) if wanted >= flash => (wanted / flash).floor() * flash,
            _ => wanted,
        };
        let exposure = span.nearest(whole);
        let rest = stops - (exposure.max(1) as f32).log2();
        // Rounding an exposure of few units is no reason to touch the gain.
        let gain = self
            .range
            .gain
            .map_or(0, |g| if exposure < span.max && whole == wanted { g.min } else { gain_from_stops(g, rest) });
        ExposureSetting { exposure, gain }
    }
}

/// What a gain's number means: a multiple of its least when that is above 0 (as most drivers have it), else spread
/// evenly over [`UNKNOWN_GAIN`]. Where that is wrong, the picture tells.
fn stops_from_gain(span: Span, gain: i64) -> f32 {
    match span.min {
        1.. => (gain as f32 / span.min as f32).log2(),
        _ => UNKNOWN_GAIN * (gain - span.min) as f32 / (span.max - span.min).max(1) as f32,
    }
}

fn gain_from_stops(span: Span, stops: f32) -> i64 {
    let stops = stops.max(0.0);
    span.nearest(match span.min {
        1.. => span.min as f32 * stops.exp2(),
        _ => span.min as f32 + (span.max - span.min) as f32 * stops / UNKNOWN_GAIN,
    })
}
