//! Exposure, gain and the lamps' frequency of an open camera, set through its V4L2 controls.

use crate::V4l2Options;
use crate::controls::{self, Control, ExposureControls, Write};
use crate::exposure::{AutoExposure, ExposureSetting, Span};
use crate::isp::Metered;
use crate::pixel::PixelFormat;
use mtcae_core::SourceError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use v4l::Device;
use v4l::control::{Flags, Type, Value};

/// Sets a camera's exposure while it streams.
pub(crate) struct Steer {
    dev: Device,
    auto: Option<(AutoExposure, ExposureControls)>,
}

impl Steer {
    /// Sets what the options fix, and starts steering when pictures are raw and nothing is fixed; the text says who
    /// sets the exposure.
    pub fn start(
        dev: Device,
        name: &str,
        options: &V4l2Options,
        format: PixelFormat,
        fps: f32,
    ) -> Result<(Steer, String), SourceError> {
        let all = list(&dev);
        let mut steer = Steer { dev, auto: None };
        let refused = |why: &str| {
            SourceError::Refused(format!(
                "camera {name}: exposure of {} us cannot be set: {why}; leave it to the camera (0)",
                options.exposure_us
            ))
        };
        if let Some(write) = controls::mains(&all, options.mains) {
            // A camera that does not take it goes on as it was made.
            let _ = steer.write(write);
        }
        let found = controls::exposure_controls(&all);
        if options.exposure_us > 0 {
            let write = controls::fixed(found.as_ref(), options.exposure_us).map_err(refused)?;
            for write in controls::by_hand(&all).into_iter().chain([write]) {
                steer.write(write).map_err(|e| refused(&e.to_string()))?;
            }
            return Ok((steer, format!("exposure fixed at {} us", options.exposure_us)));
        }
        if !format.is_raw() {
            return Ok((steer, "exposure by the camera".to_owned()));
        }
        let Some(found) = found else { return Ok((steer, "exposure as it is, no control for it".to_owned())) };
        for write in controls::by_hand(&all) {
            // Where that fails the first picture that stays too bright or dark shows it.
            let _ = steer.write(write);
        }
        let start = ExposureSetting {
            exposure: steer.read(found.exposure).unwrap_or(found.range.exposure.min),
            gain: found.gain.and_then(|id| steer.read(id)).unwrap_or(0),
        };
        let auto = AutoExposure::new(found.range, start, 1e6 / fps.max(1.0), options.mains);
        let text = match found.gain {
            Some(_) => "exposure and gain by this program",
            None => "exposure by this program, no gain to set",
        };
        steer.set(auto.setting(), &found);
        steer.auto = Some((auto, found));
        Ok((steer, text.to_owned()))
    }

    /// Takes in how bright a raw picture was.
    pub fn on_picture(&mut self, picture: Metered) {
        let Some((auto, found)) = &mut self.auto else { return };
        if let Some(setting) = auto.on_picture(picture) {
            let found = *found;
            self.set(setting, &found);
        }
    }

    /// A value that is not taken shows in the next pictures and is answered by another; a camera that is gone shows in
    /// its stream.
    fn set(&self, setting: ExposureSetting, found: &ExposureControls) {
        let gain = found.gain.map(|id| Write { id, value: setting.gain });
        for write in [Some(Write { id: found.exposure, value: setting.exposure }), gain].into_iter().flatten() {
            let _ = self.write(write);
        }
    }

    fn write(&self, Write { id, value }: Write) -> std::io::Result<()> {
        self.dev.set_control(v4l::Control { id, value: Value::Integer(value) })
    }

    fn read(&self, id: u32) -> Option<i64> {
        match self.dev.control(id).ok()?.value {
            Value::Integer(value) => Some(value),
            _ => None,
        }
    }
}

/// The controls that numbers can be written to; none when the driver has some that v4l does not know, on which it
/// panics.
fn list(dev: &Device) -> Vec<Control> {
    let all = catch_unwind(AssertUnwindSafe(|| dev.query_controls().unwrap_or_default())).unwrap_or_default();
    let is_number = |typ| matches!(typ, Type::Integer | Type::Integer64 | Type::Boolean | Type::Menu);
    all.into_iter()
        .filter(|c| is_number(c.typ) && !c.flags.intersects(Flags::DISABLED | Flags::READ_ONLY))
        .map(|c| {
            let step = i64::try_from(c.step).unwrap_or(1);
            Control { id: c.id, span: Span { min: c.minimum, max: c.maximum, step } }
        })
        .collect()
}
