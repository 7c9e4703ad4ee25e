//! Which of a camera's modes to use, and what its failures mean: decisions without a camera.

use crate::pixel::PixelFormat;
use mtcae_core::{OfferedMode, SourceError, SourceInfo};
use std::io;

/// What a person wants of a camera.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Wanted {
    pub width: u32,
    pub height: u32,
    pub fps: f32,
}

/// One of a camera's modes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mode {
    pub format: [u8; 4],
    pub width: u32,
    pub height: u32,
    /// Most frames per second; `None` when the driver does not say.
    pub fps: Option<f32>,
}

impl Wanted {
    /// What to ask of a camera for a picture of the wanted size: a raw one comes out at half its size.
    pub fn of(self, format: [u8; 4]) -> Wanted {
        let raw = PixelFormat::from_code(&format).is_some_and(PixelFormat::is_raw);
        let times = if raw { 2 } else { 1 };
        Wanted { width: self.width * times, height: self.height * times, ..self }
    }
}

/// How a mode misses what is wanted, the most important first; less is better.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
struct Miss {
    /// Under nine tenths of the wanted rate.
    slow: bool,
    /// Pixels by which the sides differ; a smaller side counts double.
    size: u64,
    /// Pictures a second that are lacking.
    rate: f32,
    /// Place among the accepted formats.
    format: usize,
}

fn miss(m: &Mode, wanted: Wanted, accepted: &[PixelFormat]) -> Option<Miss> {
    let pixel_format = PixelFormat::from_code(&m.format)?;
    let format = accepted.iter().position(|f| *f == pixel_format)?;
    let fps = m.fps.unwrap_or(wanted.fps).min(wanted.fps);
    let off = |have: u32, want: u32| u64::from(have.abs_diff(want)) * if have < want { 2 } else { 1 };
    let at = wanted.of(m.format);
    let size = off(m.width, at.width) + off(m.height, at.height);
    let size = if pixel_format.is_raw() { size / 2 } else { size };
    Some(Miss { slow: fps < 0.9 * wanted.fps, size, rate: (wanted.fps - fps).max(0.0), format })
}

/// The offered mode nearest to what is wanted, among the accepted formats, the preferred first; `None` when there is
/// none.
///
/// In this order: fast enough (nine tenths of the wanted rate), the nearest size (a smaller one counts double; half the
/// size for raw formats, as they are developed at that), the faster rate up to the wanted one, the preferred format.
pub(crate) fn choose(offered: &[Mode], wanted: Wanted, accepted: &[PixelFormat]) -> Option<Mode> {
    let mut best: Option<(Miss, Mode)> = None;
    for m in offered {
        let Some(miss) = miss(m, wanted, accepted) else { continue };
        if best.as_ref().is_none_or(|(b, _)| miss < *b) {
            best = Some((miss, *m));
        }
    }
    best.map(|(_, m)| m)
}

/// Why `chosen` is the best of the modes, for a person.
pub(crate) fn reason(offered: &[Mode], chosen: Mode, wanted: Wanted, accepted: &[PixelFormat]) -> String {
    let Some(m) = miss(&chosen, wanted, accepted) else { return String::new() };
    let misses: Vec<Miss> = offered.iter().filter_map(|o| miss(o, wanted, accepted)).collect();
    let mut why = vec![match misses.len() {
        1 => "the only accepted mode".to_owned(),
        n => format!("best of {n} accepted modes"),
    }];
    if m.size == 0 && !m.slow {
        why.push("size and rate as wanted".to_owned());
    }
    if m.slow {
        why.push(format!("none gives {} frames/s", wanted.fps));
    }
    if m.size > 0 {
        let fast =
            if !m.slow && misses.iter().any(|o| o.slow && o.size < m.size) { " that is fast enough" } else { "" };
        why.push(format!("the nearest size to {}x{}{fast}", wanted.width, wanted.height));
    }
    let format = four_letters(chosen.format);
    let passed = accepted[..m.format].iter().filter(|f| offered.iter().any(|o| o.format == f.code().as_bytes()));
    let passed: Vec<&str> = passed.map(|f| f.code()).collect();
    if PixelFormat::from_code(&chosen.format).is_some_and(PixelFormat::is_raw) {
        why.push(format!("{format} is developed at half its size"));
    }
    if !passed.is_empty() {
        why.push(format!("{} would miss more", passed.join(", ")));
    }
    why.join("; ")
}

/// `offered` for who asks, of which `used` is in use.
pub(crate) fn listed(offered: &[Mode], used: &SourceInfo) -> Vec<OfferedMode> {
    let listed = offered.iter().map(|m| {
        let format = four_letters(m.format);
        let current = format == used.format && (m.width, m.height) == (used.width, used.height);
        let readable = PixelFormat::from_code(&m.format).is_some();
        OfferedMode { format, width: m.width, height: m.height, fps: m.fps, readable, current }
    });
    listed.collect()
}

/// The size nearest to `want` of those between `min` and `max` in steps of `step`.
pub(crate) fn nearest_step(want: u32, min: u32, max: u32, step: u32) -> u32 {
    let step = step.max(1);
    let inside = want.clamp(min, max.max(min));
    min + (inside - min) / step * step
}

/// What was being done when a camera failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    Opening,
    SettingUp,
    Streaming,
}

/// The reaction to a failed call on `device`, and the words for it; `there` lists the cameras that are here.
pub(crate) fn error_from_io(device: &str, doing: Doing, error: &io::Error, there: &[String]) -> SourceError {
    let code = error.raw_os_error();
    let is = |e: rustix::io::Errno| code == Some(e.raw_os_error());
    use rustix::io::Errno;
    let gone = is(Errno::NODEV) || is(Errno::NXIO) || is(Errno::NOENT) || is(Errno::IO);
    if gone && doing != Doing::Opening {
        return SourceError::Lost(format!("{device} was unplugged or its driver gave up ({error}); plug it in again"));
    }
    SourceError::Refused(if gone {
        no_camera(device, there)
    } else if is(Errno::BUSY) {
        format!("camera {device} is busy: another program has it open; `fuser -v {device}` says which, end it")
    } else if is(Errno::ACCESS) || is(Errno::PERM) {
        format!(
            "camera {device}: permission denied; add the user to group video (`sudo usermod -aG video $USER`) and log \
             in again"
        )
    } else if is(Errno::NOTTY) || is(Errno::INVAL) && doing == Doing::Opening {
        not_capture(device, "it is no V4L2 device", there)
    } else if doing == Doing::Streaming {
        return SourceError::Lost(format!("{device} stopped: {error}"));
    } else {
        format!("camera {device} cannot be set up: {error}; unplug it and plug it in again, or try another size")
    })
}

pub(crate) fn no_camera(device: &str, there: &[String]) -> String {
    match device {
        "auto" => format!("no camera found; plug one in, or give a file; {}", list(there)),
        _ => format!("camera {device} does not exist; {}", list(there)),
    }
}

pub(crate) fn not_capture(device: &str, what: &str, there: &[String]) -> String {
    format!("{device} gives no pictures ({what}); give the camera's capture device; {}", list(there))
}

pub(crate) fn unsupported(device: &str, offered: &[Mode], accepted: &[PixelFormat]) -> String {
    let mut formats: Vec<[u8; 4]> = Vec::new();
    for m in offered {
        if !formats.contains(&m.format) {
            formats.push(m.format);
        }
    }
    let list = |names: Vec<String>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let has = list(formats.iter().map(|f| four_letters(*f)).collect());
    let takes = list(accepted.iter().map(|f| f.code().to_owned()).collect());
    let read: Vec<String> =
        formats.iter().filter_map(|f| PixelFormat::from_code(f)).map(|f| f.code().to_owned()).collect();
    let next = match read.is_empty() {
        true => "none of those is read; give another camera".to_owned(),
        false => format!("accept {} too, or give another camera", read.join(" or ")),
    };
    format!("camera {device} offers the pixel formats {has}; accepted: {takes}; {next}")
}

/// A format's four letters, printable whatever the driver says.
pub(crate) fn four_letters(format: [u8; 4]) -> String {
    format.iter().map(|&b| if b.is_ascii_graphic() { char::from(b) } else { '.' }).collect()
}

fn list(there: &[String]) -> String {
    match there {
        [] => "there is no video device here".to_owned(),
        _ => format!("video devices here: {}", there.iter().take(8).cloned().collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use insta::assert_snapshot;
    use rustix::io::Errno;

    const ACCEPTED: &[PixelFormat] = &[PixelFormat::Mjpg, PixelFormat::Yuyv];
    const WANTED: Wanted = Wanted { width: 640, height: 480, fps: 30.0 };

    fn mode(format: &[u8; 4], width: u32, height: u32, fps: f32) -> Mode {
        Mode { format: *format, width, height, fps: Some(fps) }
    }

    #[test]
    fn a_usual_webcam_gives_mjpg_at_the_wanted_size() {
        let offered = [
            mode(b"YUYV", 640, 480, 30.0),
            mode(b"YUYV", 1280, 720, 10.0),
            mode(b"MJPG", 640, 480, 30.0),
            mode(b"MJPG", 1280, 720, 30.0),
            mode(b"H264", 640, 480, 30.0),
        ];
        assert_eq!(choose(&offered, WANTED, ACCEPTED), Some(offered[2]));
        let hd = Wanted { width: 1280, height: 720, fps: 30.0 };
        assert_eq!(choose(&offered, hd, ACCEPTED), Some(offered[3]));
    }

    #[test]
    fn rate_counts_before_size_and_a_larger_size_before_a_smaller() {
        let offered = [mode(b"YUYV", 640, 480, 5.0), mode(b"YUYV", 320, 240, 30.0), mode(b"YUYV", 800, 600, 30.0)];
        assert_eq!(choose(&offered, WANTED, ACCEPTED), Some(offered[2]));
        assert_eq!(choose(&offered[..2], WANTED, ACCEPTED), Some(offered[1]));
        assert_eq!(choose(&offered[..1], WANTED, ACCEPTED), Some(offered[0]));
        assert_eq!(choose(&[mode(b"NV12", 640, 480, 30.0)], WANTED, ACCEPTED), None);
        let silent = Mode { fps: None, ..offered[0] };
        assert_eq!(choose(&[silent], WANTED, ACCEPTED), Some(silent));
    }

    #[test]
    fn who_asks_sees_what_can_be_read_and_what_is_used() {
        let offered = [mode(b"MJPG", 640, 480, 30.0), mode(b"H264", 640, 480, 30.0)];
        let used = SourceInfo { name: "/dev/video0".into(), format: "MJPG".into(), width: 640, height: 480, fps: 30.0 };
        let listed = listed(&offered, &used).into_iter().map(|m| (m.format, m.readable, m.current));
        let expected = [("MJPG", true, true), ("H264", false, false)].map(|(f, r, c)| (f.to_owned(), r, c));
        assert_eq!(listed.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn steps_stay_inside_what_is_offered() {
        assert_eq!(nearest_step(640, 48, 2592, 2), 640);
        assert_eq!(nearest_step(641, 48, 2592, 4), 640);
        assert_eq!(nearest_step(10, 48, 2592, 2), 48);
        assert_eq!(nearest_step(9999, 48, 2591, 2), 2590);
        assert_eq!(nearest_step(5, 8, 4, 0), 8);
    }

    #[test]
    fn every_failure_says_what_to_do() {
        let there = ["/dev/video1 (Loopback)".to_owned()];
        let text = |doing, errno: Errno| error_from_io("/dev/video0", doing, &errno.into(), &there);
        let refused = |doing, errno| match text(doing, errno) {
            SourceError::Refused(text) => text,
            other => panic!("{other:?}"),
        };
        assert_snapshot!(refused(Doing::Opening, Errno::NOENT), @"camera /dev/video0 does not exist; video devices here: /dev/video1 (Loopback)");
        assert_snapshot!(refused(Doing::SettingUp, Errno::BUSY), @"camera /dev/video0 is busy: another program has it open; `fuser -v /dev/video0` says which, end it");
        assert_snapshot!(refused(Doing::Opening, Errno::ACCESS), @"camera /dev/video0: permission denied; add the user to group video (`sudo usermod -aG video $USER`) and log in again");
        assert_snapshot!(refused(Doing::SettingUp, Errno::NOTTY), @"/dev/video0 gives no pictures (it is no V4L2 device); give the camera's capture device; video devices here: /dev/video1 (Loopback)");
        assert_snapshot!(text(Doing::Streaming, Errno::NODEV), @"camera lost: /dev/video0 was unplugged or its driver gave up (No such device (os error 19)); plug it in again");
        assert!(matches!(text(Doing::Streaming, Errno::INVAL), SourceError::Lost(_)));
        assert_snapshot!(no_camera("auto", &[]), @"no camera found; plug one in, or give a file; there is no video device here");
        let offered = [mode(b"NV12", 640, 480, 30.0), mode(b"NV12", 320, 240, 30.0), mode(b"\0\x1bH2", 1, 1, 1.0)];
        assert_snapshot!(unsupported("/dev/video0", &offered, ACCEPTED), @"camera /dev/video0 offers the pixel formats NV12, ..H2; accepted: MJPG, YUYV; accept NV12 too, or give another camera");
        assert_snapshot!(unsupported("/dev/video0", &offered[2..], ACCEPTED), @"camera /dev/video0 offers the pixel formats ..H2; accepted: MJPG, YUYV; none of those is read; give another camera");
    }

    #[test]
    fn a_sensor_gives_the_raw_mode_whose_half_fits() {
        // IMX219's.
        let modes = [(3280, 2464, 21.0), (1920, 1080, 30.0), (1640, 1232, 30.0), (640, 480, 90.0)];
        let offered = modes.map(|(w, h, fps)| mode(b"pRAA", w, h, fps));
        let accepted = PixelFormat::ALL;
        assert_eq!(choose(&offered, WANTED, accepted), Some(offered[2]));
        assert_snapshot!(reason(&offered, offered[2], WANTED, &accepted[13..]), @"best of 4 accepted modes; the nearest size to 640x480; pRAA is developed at half its size");
        assert_eq!(WANTED.of(*b"pRAA"), Wanted { width: 1280, height: 960, fps: 30.0 });
        assert_eq!(WANTED.of(*b"H264"), WANTED);
    }

    #[test]
    fn the_reason_says_what_was_given_up() {
        let offered = [mode(b"MJPG", 640, 480, 15.0), mode(b"YUYV", 800, 600, 30.0), mode(b"YUYV", 1280, 720, 10.0)];
        let why = |offered: &[Mode]| reason(offered, choose(offered, WANTED, ACCEPTED).unwrap(), WANTED, ACCEPTED);
        assert_snapshot!(why(&offered), @"best of 3 accepted modes; the nearest size to 640x480 that is fast enough; MJPG would miss more");
        assert_snapshot!(why(&offered[2..]), @"the only accepted mode; none gives 30 frames/s; the nearest size to 640x480");
        assert_snapshot!(why(&[mode(b"MJPG", 640, 480, 30.0)]), @"the only accepted mode; size and rate as wanted");
    }
}
