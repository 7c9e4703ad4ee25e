//! Opening the source a board file names.

use crate::DaemonError;
use mtcae_board_configs::{Board, PixelFormat, Source};
use mtcae_core::{FrameSource, OfferedMode, SourceError, SourceInfo};
use mtcae_drivers::{FileOptions, FileSource, MonotonicClock, Pacing};
use mtcae_wire::{Mode, Text};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Wait before a file that became unreadable is opened again.
const REOPEN_FILE: Duration = Duration::from_secs(1);

/// An open source; `None` when it turned out while opening that nobody wants it any more.
pub(crate) type Opening = Result<Option<Box<dyn FrameSource>>, SourceError>;

/// Stands for V4L2 in tests.
#[cfg(test)]
pub(crate) type Pretend = Arc<dyn Fn(&mtcae_board_configs::V4l2, &mut dyn FnMut() -> bool) -> Opening + Send + Sync>;

/// Opens one source, as often as needed.
#[derive(Clone)]
pub(crate) struct Opener {
    source: Source,
    max_side: u32,
    clock: Arc<MonotonicClock>,
    #[cfg(test)]
    pub pretend: Option<Pretend>,
}

impl Opener {
    pub fn new(board: &Board, clock: Arc<MonotonicClock>) -> Opener {
        Opener {
            source: board.camera.source.clone(),
            max_side: board.camera.max_side,
            clock,
            #[cfg(test)]
            pretend: None,
        }
    }

    /// Opens it, which may take seconds, unless `wanted` says meanwhile that nobody may look any more: the source is then closed
    /// within some 20 ms, or as soon as the driver answers.
    pub fn open(&self, wanted: &mut dyn FnMut() -> bool) -> Opening {
        match &self.source {
            _ if !wanted() => Ok(None),
            Source::File(file) => {
                let pacing = if file.realtime { Pacing::Realtime } else { Pacing::Fast };
                let options =
                    FileOptions { looped: file.repeat, pacing, max_side: self.max_side, ..FileOptions::default() };
                Ok(Some(Box::new(FileSource::open(Path::new(&file.path), options, self.clock.clone())?)))
            }
            #[cfg(test)]
            Source::V4l2(camera) if self.pretend.is_some() => {
                self.pretend.as_ref().map_or(Ok(None), |pretend| pretend(camera, wanted))
            }
            Source::V4l2(camera) => open_camera(camera, self.max_side, &self.clock, wanted),
        }
    }

    /// What stands for a source that was not opened, because nobody may look.
    pub fn unopened(&self) -> SourceInfo {
        let name = match &self.source {
            Source::File(file) => file.path.clone(),
            Source::V4l2(camera) => camera.device.clone(),
        };
        SourceInfo { name, format: "closed by the privacy switch".into(), width: 0, height: 0, fps: 0.0 }
    }

    /// The same source, to be opened in one of its `modes`, or why it cannot be.
    pub fn in_mode(&self, wanted: &Mode, modes: &[OfferedMode]) -> Result<Opener, String> {
        let same = |m: &&OfferedMode| {
            // The wire has room for a V4L2 format's letters, and cuts the name of a file's.
            Text::new(&m.format) == wanted.format
                && (m.width, m.height) == (u32::from(wanted.width), u32::from(wanted.height))
        };
        let asked = format!("{} {}x{}", wanted.format, wanted.width, wanted.height);
        let found = modes.iter().find(same).ok_or_else(|| format!("the camera has no mode {asked}"))?;
        let mut opener = self.clone();
        if let Source::V4l2(camera) = &mut opener.source {
            let format = found.readable.then(|| PixelFormat::from_word(&found.format)).flatten();
            let format = format.ok_or_else(|| format!("{} cannot be read", found.format))?;
            // A raw picture is developed at half its size, and asked for by that.
            let raw = mtcae_drivers::PixelFormat::from_code(format.word().as_bytes()).is_some_and(|f| f.is_raw());
            let times = if raw { 2 } else { 1 };
            (camera.width, camera.height) = (found.width / times, found.height / times);
            camera.formats = vec![format];
            if wanted.fps_tenths > 0 {
                camera.fps = u32::from(wanted.fps_tenths).div_ceil(10);
            }
        }
        Ok(opener)
    }

    /// How long without a frame means that the device is gone; a file is never silent.
    pub fn silence(&self) -> Option<Duration> {
        match &self.source {
            Source::V4l2(camera) => Some(Duration::from_millis(camera.timeout_ms.into())),
            Source::File(_) => None,
        }
    }

    /// Wait before a lost source is opened again.
    pub fn reopen(&self) -> Duration {
        match &self.source {
            Source::V4l2(camera) => Duration::from_millis(camera.reopen_ms.into()),
            Source::File(_) => REOPEN_FILE,
        }
    }

    /// True when frames are to be read only as fast as they are used.
    pub fn on_demand(&self) -> bool {
        matches!(&self.source, Source::File(file) if !file.realtime)
    }
}

#[cfg(feature = "v4l2")]
fn open_camera(
    camera: &mtcae_board_configs::V4l2,
    max_side: u32,
    clock: &Arc<MonotonicClock>,
    wanted: &mut dyn FnMut() -> bool,
) -> Opening {
    use mtcae_board_configs::MainsChoice;
    use mtcae_drivers::PixelFormat;
    let options = mtcae_drivers::V4l2Options {
        device: camera.device.clone(),
        width: camera.width,
        height: camera.height,
        fps: camera.fps as f32,
        max_side,
        // A word that is not read would never be offered; a test says that there is none.
        formats: camera.formats.iter().filter_map(|f| PixelFormat::from_code(f.word().as_bytes())).collect(),
        exposure_us: camera.exposure_us,
        mains: match camera.mains {
            MainsChoice::Auto => mtcae_drivers::Mains::Unknown,
            MainsChoice::Hz50 => mtcae_drivers::Mains::Hz50,
            MainsChoice::Hz60 => mtcae_drivers::Mains::Hz60,
        },
        black_level: camera.black_level,
    };
    let source = mtcae_drivers::V4l2Source::open(&options, Arc::clone(clock), wanted)?;
    Ok(source.map(|source| Box::new(source) as Box<dyn FrameSource>))
}

#[cfg(not(feature = "v4l2"))]
fn open_camera(
    camera: &mtcae_board_configs::V4l2,
    _: u32,
    _: &Arc<MonotonicClock>,
    _: &mut dyn FnMut() -> bool,
) -> Opening {
    Err(SourceError::Refused(format!(
        "camera {}: this build cannot open cameras; build mtcae-firmware with its feature `v4l2`, or give a file",
        camera.device
    )))
}

/// A source that fails at the start stops the start, whatever the driver would do later.
pub(crate) fn start_error(error: &SourceError) -> DaemonError {
    DaemonError::Source(error.to_string())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_format_of_a_board_file_is_read_and_every_one_that_is_read_can_be_named() {
        let words = mtcae_board_configs::PixelFormat::WORDS;
        let read: Vec<&str> = mtcae_drivers::PixelFormat::ALL.iter().map(|f| f.code()).collect();
        assert_eq!(words, read);
    }
}
