//! A camera behind V4L2: memory-mapped buffers, the driver's own time stamps, exposure for sensors that have none.

use crate::MonotonicClock;
use crate::decode::{BLACK_LEVEL, MAX_SIDE, PictureDecoder, Range};
use crate::exposure::Mains;
use crate::mode::{self, Doing, Mode, Wanted};
use crate::pixel::{FrameLayout, PixelFormat};
use crate::steer::Steer;
use mtcae_contract::Micros;
use mtcae_core::{Captured, Clock, FrameSource, OfferedMode, SourceError, SourceInfo};
use std::fs::read_dir;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use v4l::buffer::{Flags, Metadata, Type};
use v4l::capability::Flags as Caps;
use v4l::format::{Colorspace, Format, FourCC, Quantization};
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::io::mmap::Stream;
use v4l::io::traits::CaptureStream;
use v4l::video::{Capture, capture::Parameters};
use v4l::{Device, Fraction};

/// Longest wait for a camera's first picture: some adjust their exposure first.
const FIRST_PICTURE: Duration = Duration::from_secs(5);
/// Longest wait before looking whether the camera is still wanted.
const SLICE: Duration = Duration::from_millis(20);
/// Buffers asked for: one with us, the others with the driver.
const BUFFERS: u32 = 4;
/// Modes of a camera that are looked at; real ones offer some dozens.
const MAX_MODES: usize = 1000;
/// `POLLIN`.
const READABLE: i16 = 1;
/// A driver's time stamp further back than this is not believed.
const OLDEST: Micros = 10_000_000;

/// Which camera, and what to ask of it.
#[derive(Debug, Clone, PartialEq)]
pub struct V4l2Options {
    /// A device's path, or `auto` for the first that can be read, `/dev/v4l/by-id` before `/dev/video*`.
    pub device: String,
    /// Width wanted, pixels.
    pub width: u32,
    /// Height wanted, pixels.
    pub height: u32,
    /// Frames per second wanted.
    pub fps: f32,
    /// Long side that frames are shrunk to, pixels, at most [`MAX_SIDE`].
    pub max_side: u32,
    /// Pixel formats that may be used, the preferred first.
    pub formats: Vec<PixelFormat>,
    /// Exposure time, microseconds; 0 leaves it to the camera, or, for raw pictures, to [`crate::AutoExposure`].
    pub exposure_us: u32,
    /// Mains frequency of the lamps.
    pub mains: Mains,
    /// Black of raw pictures as a share of the largest sample.
    pub black_level: f32,
}

impl Default for V4l2Options {
    fn default() -> Self {
        V4l2Options {
            device: "auto".into(),
            width: 640,
            height: 480,
            fps: 30.0,
            max_side: MAX_SIDE,
            formats: vec![PixelFormat::Mjpg, PixelFormat::Yuyv, PixelFormat::Uyvy, PixelFormat::Nv12],
            exposure_us: 0,
            mains: Mains::Unknown,
            black_level: BLACK_LEVEL,
        }
    }
}

/// An open camera. After [`SourceError::Lost`] its owner drops it and opens a new one.
pub struct V4l2Source {
    /// `None` only while being dropped.
    stream: Option<Stream<'static>>,
    device: String,
    info: SourceInfo,
    /// Why this mode, and who sets the exposure.
    choice: String,
    offered: Vec<Mode>,
    layout: FrameLayout,
    steer: Steer,
    decoder: PictureDecoder,
    clock: Arc<MonotonicClock>,
    /// The picture that came while opening, until it is asked for.
    first: Option<Captured>,
    running: Running,
    /// The driver's number of the last picture, and ours.
    last: Option<(u32, u32)>,
}

/// How far a stream is.
#[derive(PartialEq)]
enum Running {
    /// The driver has no buffers yet, and nothing can be waited for.
    Not,
    /// The driver has all of them; its first one, when it comes, is taken without its picture.
    First,
    Yes,
}

impl V4l2Source {
    /// Opens the camera in the offered mode nearest to what is wanted (see [`FrameSource::info`]) and waits, at most
    /// 5 s, for its first picture. `None`, with the camera closed, as soon as `wanted` says that nobody wants it any more: it is
    /// asked every 20 ms, and between two calls of the driver.
    ///
    /// # Errors
    /// [`SourceError::Refused`] when there is no such camera, it is busy, forbidden, no capture device, or offers no
    /// format that is read; [`SourceError::Lost`] when it vanishes or gives no picture.
    pub fn open(
        options: &V4l2Options,
        clock: Arc<MonotonicClock>,
        wanted: &mut dyn FnMut() -> bool,
    ) -> Result<Option<V4l2Source>, SourceError> {
        if options.device != "auto" {
            return Self::open_device(&options.device, options, &clock, wanted);
        }
        // What is wrong with a camera says more than that a node is not one.
        let mut reason = None;
        for path in candidates() {
            match Self::open_device(&path.to_string_lossy(), options, &clock, wanted) {
                Ok(source) => return Ok(source),
                Err(SourceError::Refused(text)) if text.contains("gives no pictures") => {}
                Err(e) => reason = reason.or(Some(e)),
            }
        }
        Err(reason.unwrap_or_else(|| SourceError::Refused(mode::no_camera("auto", &video_devices()))))
    }

    fn open_device(
        device: &str,
        options: &V4l2Options,
        clock: &Arc<MonotonicClock>,
        wanted: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Self>, SourceError> {
        if !wanted() {
            return Ok(None);
        }
        // v4l panics on values of newer drivers that it does not know.
        let mut source =
            catch_unwind(AssertUnwindSafe(|| Self::start(device, options, clock))).unwrap_or_else(|_| {
                Err(SourceError::Refused(format!("camera {device}: its driver says something that v4l does not know")))
            })?;
        let deadline = Instant::now() + FIRST_PICTURE;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            if !wanted() {
                return Ok(None);
            }
            match source.capture(left.min(SLICE)) {
                Ok(None) | Err(SourceError::BadFrame(_)) => {}
                Err(e) => return Err(e),
                Ok(Some(captured)) => {
                    source.first = Some(captured);
                    return Ok(Some(source));
                }
            }
        }
        let seconds = FIRST_PICTURE.as_secs();
        Err(SourceError::Lost(format!(
            "{device} gave no good picture within {seconds} s; unplug it and plug it in again"
        )))
    }

    fn start(device: &str, options: &V4l2Options, clock: &Arc<MonotonicClock>) -> Result<Self, SourceError> {
        let failed = |doing| move |e: std::io::Error| mode::error_from_io(device, doing, &e, &video_devices());
        let dev = Device::with_path(device).map_err(failed(Doing::Opening))?;
        let caps = dev.query_caps().map_err(failed(Doing::Opening))?;
        if !caps.capabilities.contains(Caps::VIDEO_CAPTURE | Caps::STREAMING) {
            let what = match caps.capabilities.contains(Caps::VIDEO_CAPTURE_MPLANE) {
                true => "it speaks the multi-planar interface only",
                false => "it is no capture device",
            };
            return Err(SourceError::Refused(mode::not_capture(device, what, &video_devices())));
        }
        let wanted = Wanted { width: options.width, height: options.height, fps: options.fps };
        let offered = modes(&dev, wanted).map_err(failed(Doing::SettingUp))?;
        let accepted = &options.formats;
        let unsupported = || SourceError::Refused(mode::unsupported(device, &offered, accepted));
        let chosen = mode::choose(&offered, wanted, accepted).ok_or_else(unsupported)?;
        let format = Format::new(chosen.width, chosen.height, FourCC::new(&chosen.format));
        let format = dev.set_format(&format).map_err(failed(Doing::SettingUp))?;
        let pixel_format = PixelFormat::from_code(&format.fourcc.repr).filter(|f| accepted.contains(f));
        let layout = layout_of(&format, pixel_format.ok_or_else(unsupported)?);
        if layout.format != PixelFormat::Mjpg {
            layout.checked_len().map_err(|e| SourceError::Refused(format!("camera {device}: its driver says: {e}")))?;
        }
        let fps = set_rate(&dev, options.fps).or(chosen.fps).unwrap_or(options.fps);
        let mut stream = Stream::with_buffers(&dev, Type::VideoCapture, BUFFERS).map_err(failed(Doing::SettingUp))?;
        stream.set_timeout(SLICE);
        let (steer, exposure) = Steer::start(dev, device, options, layout.format, fps)?;
        let info = SourceInfo {
            name: format!("{device} ({})", caps.card),
            format: mode::four_letters(format.fourcc.repr),
            width: format.width,
            height: format.height,
            fps,
        };
        Ok(V4l2Source {
            stream: Some(stream),
            device: device.to_owned(),
            info,
            choice: format!("{}; {exposure}", mode::reason(&offered, chosen, wanted, accepted)),
            offered,
            layout,
            steer,
            decoder: PictureDecoder::new(options.max_side).with_black_level(options.black_level),
            clock: clock.clone(),
            first: None,
            running: Running::Not,
            last: None,
        })
    }

    /// The next picture of the stream.
    fn capture(&mut self, timeout: Duration) -> Result<Option<Captured>, SourceError> {
        let lost = |e: std::io::Error| mode::error_from_io(&self.device, Doing::Streaming, &e, &[]);
        let Some(stream) = &mut self.stream else { return Err(SourceError::End) };
        // The first `next` gives all buffers to the driver and cannot be polled before. Where it times out, the next one would
        // give a buffer a second time; `dequeue`, which takes one, sets that right.
        if self.running != Running::Not {
            let ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
            match stream.handle().poll(READABLE, ms) {
                Ok(0) => return Ok(None),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => return Ok(None),
                Err(e) => return Err(lost(e)),
                Ok(_) => {}
            }
        }
        if std::mem::replace(&mut self.running, Running::Yes) == Running::First {
            stream.dequeue().map_err(lost)?;
            return Ok(None);
        }
        let (buffer, meta) = match stream.next() {
            Ok(next) => next,
            Err(e) if e.kind() == std::io::ErrorKind::TimedOut => {
                self.running = Running::First;
                return Ok(None);
            }
            Err(e) => return Err(lost(e)),
        };
        let seq = number(&mut self.last, meta.sequence);
        let captured = stamp(&self.clock, meta);
        let begin = Instant::now();
        // The buffer is as long as the driver made it; only this much of it is the picture.
        let bytes = &buffer[..buffer.len().min(meta.bytesused as usize)];
        let bad = |what: &dyn std::fmt::Display| SourceError::BadFrame(format!("{}: frame {seq}: {what}", self.device));
        if meta.flags.contains(Flags::ERROR) || bytes.is_empty() {
            return Err(bad(&"the driver marked it as damaged"));
        }
        let image = self.decoder.frame(bytes, &self.layout).map_err(|e| bad(&e))?;
        if let Some(metered) = self.decoder.metered() {
            self.steer.on_picture(metered);
        }
        let decode_us = begin.elapsed().as_micros().try_into().unwrap_or(u32::MAX);
        Ok(Some(Captured { image, captured, seq, decode_us }))
    }
}

impl FrameSource for V4l2Source {
    fn info(&self) -> SourceInfo {
        self.info.clone()
    }

    fn choice(&self) -> Option<String> {
        Some(self.choice.clone())
    }

    fn modes(&self) -> Vec<OfferedMode> {
        mode::listed(&self.offered, &self.info)
    }

    fn next_frame(&mut self, timeout: Duration) -> Result<Option<Captured>, SourceError> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.capture(timeout),
        }
    }
}

impl Drop for V4l2Source {
    fn drop(&mut self) {
        // v4l panics when a stream cannot be stopped, which is of no interest any more.
        let stream = self.stream.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(stream)));
    }
}

/// Our number of the picture the driver calls `sequence`; holes stay holes, and a driver that does not count is helped.
fn number(last: &mut Option<(u32, u32)>, sequence: u32) -> u32 {
    let ours = last.map_or(0, |(before, ours)| ours.wrapping_add(sequence.wrapping_sub(before).clamp(1, 1000)));
    *last = Some((sequence, ours));
    ours
}

/// When the picture was captured: as the driver says where that is on our clock and likely, else now.
fn stamp(clock: &MonotonicClock, meta: &Metadata) -> Micros {
    let now = clock.now();
    // The flags' names overlap, so that the kind is compared as a whole.
    if meta.flags.bits() & Flags::TIMESTAMP_MASK.bits() != Flags::TIMESTAMP_MONOTONIC.bits() {
        return now;
    }
    #[allow(clippy::unnecessary_cast)] // 32 bits wide on 32-bit boards
    let stamp = clock.micros_from_monotonic(meta.timestamp.sec as i64, meta.timestamp.usec as i64);
    // 0 is any time before this program: one picture may be that old, and a driver that counts from elsewhere always is.
    if (1..=now).contains(&stamp) && now - stamp <= OLDEST { stamp } else { now }
}

/// How the driver's bytes lie.
fn layout_of(format: &Format, pixel_format: PixelFormat) -> FrameLayout {
    FrameLayout {
        format: pixel_format,
        width: format.width,
        height: format.height,
        stride: format.stride,
        range: range(format, pixel_format),
    }
}

/// V4L2's rule for drivers that leave it open: YUV is limited, unless its colour space is JPEG's. Grey pictures come
/// from sensors that use all of the byte, whatever that rule says.
fn range(format: &Format, pixel_format: PixelFormat) -> Range {
    match (format.quantization, format.colorspace) {
        (Quantization::FullRange, _) | (Quantization::Default, Colorspace::JPEG) => Range::Full,
        (Quantization::Default, _) if pixel_format == PixelFormat::Grey => Range::Full,
        _ => Range::Limited,
    }
}

/// Asks for a rate; the one agreed on, when the driver says.
fn set_rate(dev: &Device, fps: f32) -> Option<f32> {
    let ask = Parameters::new(Fraction::new(1000, (fps * 1000.0).round() as u32));
    dev.set_params(&ask).ok().and_then(|p| rate(p.interval))
}

fn rate(interval: Fraction) -> Option<f32> {
    let ok = interval.numerator > 0 && interval.denominator > 0;
    ok.then(|| interval.denominator as f32 / interval.numerator as f32)
}

/// Every mode of the camera; sizes in steps are taken at the one nearest to what is wanted.
fn modes(dev: &Device, wanted: Wanted) -> std::io::Result<Vec<Mode>> {
    let mut modes = Vec::new();
    for description in dev.enum_formats()? {
        let fourcc = description.fourcc;
        let ask = wanted.of(fourcc.repr);
        // A driver without a list of sizes takes any, and says on setting which.
        let mut sizes: Vec<(u32, u32)> = dev
            .enum_framesizes(fourcc)
            .unwrap_or_default()
            .into_iter()
            .map(|s| match s.size {
                FrameSizeEnum::Discrete(d) => (d.width, d.height),
                FrameSizeEnum::Stepwise(s) => (
                    mode::nearest_step(ask.width, s.min_width, s.max_width, s.step_width),
                    mode::nearest_step(ask.height, s.min_height, s.max_height, s.step_height),
                ),
            })
            .collect();
        if sizes.is_empty() {
            sizes.push((ask.width, ask.height));
        }
        for (width, height) in sizes {
            let intervals = dev.enum_frameintervals(fourcc, width, height).unwrap_or_default();
            let fastest = intervals.into_iter().filter_map(|i| match i.interval {
                FrameIntervalEnum::Discrete(f) => rate(f),
                FrameIntervalEnum::Stepwise(s) => rate(s.min),
            });
            modes.push(Mode { format: fourcc.repr, width, height, fps: fastest.reduce(f32::max) });
            if modes.len() == MAX_MODES {
                return Ok(modes);
            }
        }
    }
    Ok(modes)
}

/// Devices that may be cameras, those with lasting names first.
fn candidates() -> Vec<PathBuf> {
    let list = |folder: &str, prefix: &str| {
        let mut paths: Vec<PathBuf> = read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
        paths.retain(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(prefix)));
        paths.sort_by_key(|p| (p.as_os_str().len(), p.clone()));
        paths
    };
    let mut all = list("/dev/v4l/by-id", "");
    all.extend(list("/dev", "video"));
    all
}

/// The devices here with their names, for a person.
fn video_devices() -> Vec<String> {
    let mut nodes: Vec<_> = read_dir("/sys/class/video4linux").into_iter().flatten().flatten().collect();
    nodes.sort_by_key(|n| n.file_name());
    let name = |path: &Path| std::fs::read_to_string(path.join("name")).unwrap_or_default();
    nodes.iter().map(|n| format!("/dev/{} ({})", n.file_name().to_string_lossy(), name(&n.path()).trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_pictures_leave_holes_and_uncounted_ones_do_not_stand_still() {
        let mut last = None;
        let numbers: Vec<u32> = [7, 8, 11, 11, 12].map(|s| number(&mut last, s)).into();
        assert_eq!(numbers, [0, 1, 4, 5, 6]);
    }

    #[test]
    fn only_likely_monotonic_stamps_are_believed() {
        let clock = MonotonicClock::start();
        std::thread::sleep(Duration::from_millis(1));
        let t = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        std::thread::sleep(Duration::from_millis(5));
        let timestamp = v4l::timestamp::Timestamp::new(t.tv_sec, t.tv_nsec / 1000);
        let meta = Metadata { flags: Flags::TIMESTAMP_MONOTONIC, timestamp, ..Metadata::default() };
        let captured = clock.micros_from_monotonic(t.tv_sec, t.tv_nsec / 1000);
        assert!(captured > 0);
        assert_eq!(stamp(&clock, &meta), captured);
        assert!(stamp(&clock, &Metadata { flags: Flags::TIMESTAMP_COPY, ..meta }) >= captured + 5_000);
        // Of the future, of before this program, of another clock.
        for elsewhere in [t.tv_sec + 9, 0, 3, -16] {
            let timestamp = v4l::timestamp::Timestamp::new(elsewhere, 0);
            assert!(stamp(&clock, &Metadata { timestamp, ..meta }) >= captured + 5_000, "{elsewhere} s");
        }
    }

    #[test]
    fn an_absent_camera_and_a_file_are_refused_in_one_line() {
        let open = |device: &str| {
            let options = V4l2Options { device: device.into(), ..V4l2Options::default() };
            let opened = V4l2Source::open(&options, MonotonicClock::shared(), &mut || true);
            opened.err().expect("no camera there").to_string()
        };
        assert!(open("/dev/video987").starts_with("camera /dev/video987 does not exist; "));
        let text = open("/dev/null");
        assert!(text.starts_with("/dev/null gives no pictures (it is no V4L2 device)"), "{text}");
    }

    #[test]
    fn a_camera_that_nobody_wants_is_not_opened() {
        let options = V4l2Options { device: "/dev/video987".into(), ..V4l2Options::default() };
        let opened = V4l2Source::open(&options, MonotonicClock::shared(), &mut || false);
        assert!(matches!(opened, Ok(None)));
    }
}
