//! Which of a camera's modes to use, and what its failures mean: decisions without a camera.

use mtcae_core::SourceError;
use std::io;

/// Pixel formats that are read, by V4L2's four letters, the preferred first: MJPG fits through USB 2 at any size.
pub(crate) const READ: [[u8; 4]; 2] = [*b"MJPG", *b"YUYV"];

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

/// The offered mode nearest to what is wanted, among formats that are read; `None` when there is none.
///
/// In this order: fast enough (nine tenths of the wanted rate), the nearest size (a smaller one counts double), the
/// faster rate up to the wanted one, the preferred format.
pub(crate) fn choose(offered: &[Mode], wanted: Wanted) -> Option<Mode> {
    let rank = |m: &Mode| {
        let format = READ.iter().position(|f| *f == m.format)?;
        let fps = m.fps.unwrap_or(wanted.fps).min(wanted.fps);
        let slow = fps < 0.9 * wanted.fps;
        let miss = |have: u32, want: u32| u64::from(have.abs_diff(want)) * if have < want { 2 } else { 1 };
        let size = miss(m.width, wanted.width) + miss(m.height, wanted.height);
        Some((slow, size, (wanted.fps - fps).max(0.0), format))
    };
    let mut best: Option<(_, Mode)> = None;
    for m in offered {
        let Some(r) = rank(m) else { continue };
        if best.as_ref().is_none_or(|(b, _)| r < *b) {
            best = Some((r, *m));
        }
    }
    best.map(|(_, m)| m)
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

pub(crate) fn unsupported(device: &str, offered: &[Mode]) -> String {
    let mut formats: Vec<String> = offered.iter().map(|m| four_letters(m.format)).collect();
    formats.dedup();
    let formats = if formats.is_empty() { "none".to_owned() } else { formats.join(", ") };
    let read = READ.map(four_letters).join(" and ");
    format!("camera {device} offers the pixel formats {formats}; {read} are read; give another camera")
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
        assert_eq!(choose(&offered, WANTED), Some(offered[2]));
        let hd = Wanted { width: 1280, height: 720, fps: 30.0 };
        assert_eq!(choose(&offered, hd), Some(offered[3]));
    }

    #[test]
    fn rate_counts_before_size_and_a_larger_size_before_a_smaller() {
        let offered = [mode(b"YUYV", 640, 480, 5.0), mode(b"YUYV", 320, 240, 30.0), mode(b"YUYV", 800, 600, 30.0)];
        assert_eq!(choose(&offered, WANTED), Some(offered[2]));
        assert_eq!(choose(&offered[..2], WANTED), Some(offered[1]));
        assert_eq!(choose(&offered[..1], WANTED), Some(offered[0]));
        assert_eq!(choose(&[mode(b"NV12", 640, 480, 30.0)], WANTED), None);
        let silent = Mode { fps: None, ..offered[0] };
        assert_eq!(choose(&[silent], WANTED), Some(silent));
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
        assert_snapshot!(unsupported("/dev/video0", &[mode(b"NV12", 640, 480, 30.0), mode(b"\0\x1bH2", 1, 1, 1.0)]), @"camera /dev/video0 offers the pixel formats NV12, ..H2; MJPG and YUYV are read; give another camera");
    }
}
