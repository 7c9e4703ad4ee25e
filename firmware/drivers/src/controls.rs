//! Which of a camera's controls set exposure, gain and the lamps' frequency: decisions without a camera.

use crate::exposure::{ExposureRange, Mains, Span};

/// Numbers of linux/v4l2-controls.h, and of NVIDIA's sensor drivers for Jetson (`tegra-v4l2-camera.h`).
const EXPOSURE: u32 = 0x0098_0911;
const AUTO_GAIN: u32 = 0x0098_0912;
const GAIN: u32 = 0x0098_0913;
const MAINS: u32 = 0x0098_0918;
const EXPOSURE_AUTO: u32 = 0x009a_0901;
const EXPOSURE_ABSOLUTE: u32 = 0x009a_0902;
const TEGRA_GAIN: u32 = 0x009a_2009;
const TEGRA_EXPOSURE: u32 = 0x009a_200a;
const ANALOGUE_GAIN: u32 = 0x009e_0903;

/// Controls of exposure time, the preferred first, and microseconds of their unit where that is defined.
const TIMES: [(u32, Option<f32>); 3] =
    [(EXPOSURE_ABSOLUTE, Some(100.0)), (TEGRA_EXPOSURE, Some(1.0)), (EXPOSURE, None)];
/// Controls of gain, the preferred first.
const GAINS: [u32; 3] = [ANALOGUE_GAIN, GAIN, TEGRA_GAIN];
/// `V4L2_EXPOSURE_MANUAL`.
const MANUAL: i64 = 1;

/// One of a camera's controls that can be written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Control {
    pub id: u32,
    pub span: Span,
}

/// A value for a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Write {
    pub id: u32,
    pub value: i64,
}

/// What exposure and gain are called here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ExposureControls {
    pub exposure: u32,
    pub gain: Option<u32>,
    pub range: ExposureRange,
}

fn find(all: &[Control], id: u32) -> Option<&Control> {
    all.iter().find(|c| c.id == id)
}

/// The exposure time's control and the gain's; none when the time cannot be set.
pub(crate) fn exposure_controls(all: &[Control]) -> Option<ExposureControls> {
    let (time, unit_us) = TIMES.iter().find_map(|&(id, unit)| Some((find(all, id)?, unit)))?;
    let gain = GAINS.iter().find_map(|&id| find(all, id));
    let range = ExposureRange { exposure: time.span, unit_us, gain: gain.map(|g| g.span) };
    Some(ExposureControls { exposure: time.id, gain: gain.map(|g| g.id), range })
}

/// What must be written before exposure and gain can be set by hand.
pub(crate) fn by_hand(all: &[Control]) -> Vec<Write> {
    let manual = [(EXPOSURE_AUTO, MANUAL), (AUTO_GAIN, 0)];
    let found = manual.iter().filter_map(|&(id, value)| find(all, id).map(|c| (c, value)));
    found.map(|(c, value)| Write { id: c.id, value }).collect()
}

/// What tells the camera's own exposure about the lamps; none when nothing is known or it has no such control.
pub(crate) fn mains(all: &[Control], mains: Mains) -> Option<Write> {
    let value = match mains {
        Mains::Unknown => return None,
        Mains::Hz50 => 1,
        Mains::Hz60 => 2,
    };
    find(all, MAINS).map(|c| Write { id: c.id, value })
}

/// The value of the exposure control for a time; an error says what is there instead.
pub(crate) fn fixed(controls: Option<&ExposureControls>, exposure_us: u32) -> Result<Write, &'static str> {
    let controls = controls.ok_or("it has no control for the exposure time")?;
    let unit = controls.range.unit_us.ok_or("its exposure time has a unit of its own, not microseconds")?;
    let value = controls.range.exposure.nearest(exposure_us as f32 / unit);
    Ok(Write { id: controls.exposure, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(id: u32, min: i64, max: i64) -> Control {
        Control { id, span: Span { min, max, step: 1 } }
    }

    #[test]
    fn a_webcam_is_set_in_tenths_of_a_millisecond_after_its_own_exposure_is_off() {
        let all = [control(EXPOSURE_AUTO, 0, 3), control(GAIN, 0, 255), control(EXPOSURE_ABSOLUTE, 3, 2047)];
        let found = exposure_controls(&all).unwrap();
        assert_eq!((found.exposure, found.gain, found.range.unit_us), (EXPOSURE_ABSOLUTE, Some(GAIN), Some(100.0)));
        assert_eq!(by_hand(&all), [Write { id: EXPOSURE_AUTO, value: MANUAL }]);
        assert_eq!(fixed(Some(&found), 10_000).unwrap().value, 100);
        assert_eq!(fixed(Some(&found), 1).unwrap().value, 3);
    }

    #[test]
    fn a_jetson_sensor_has_microseconds_and_a_plain_one_lines() {
        let tegra = [control(TEGRA_GAIN, 16, 170), control(TEGRA_EXPOSURE, 13, 683_709)];
        let found = exposure_controls(&tegra).unwrap();
        assert_eq!((found.range.unit_us, found.gain), (Some(1.0), Some(TEGRA_GAIN)));
        assert!(by_hand(&tegra).is_empty());
        let plain =
            [control(EXPOSURE, 4, 1759), control(GAIN, 0, 1), control(ANALOGUE_GAIN, 0, 232), control(AUTO_GAIN, 0, 1)];
        let found = exposure_controls(&plain).unwrap();
        assert_eq!((found.range.unit_us, found.gain), (None, Some(ANALOGUE_GAIN)));
        assert_eq!(by_hand(&plain), [Write { id: AUTO_GAIN, value: 0 }]);
        assert!(fixed(Some(&found), 10_000).is_err() && fixed(None, 10_000).is_err());
        assert_eq!(exposure_controls(&[control(GAIN, 0, 9)]), None);
    }

    #[test]
    fn lamps_are_told_to_cameras_that_ask() {
        let all = [control(MAINS, 0, 2)];
        assert_eq!(mains(&all, Mains::Hz60).map(|w| w.value), Some(2));
        assert_eq!(mains(&all, Mains::Unknown), None);
        assert_eq!(mains(&[], Mains::Hz50), None);
    }
}
