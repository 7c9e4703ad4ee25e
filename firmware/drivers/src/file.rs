//! Video files and folders of pictures as a source.
//!
//! MJPEG streams, MJPEG in AVI, Y4M, JPEG and PNG pictures are read here; every other video goes through an installed
//! `ffmpeg`, which runs as a child process.

mod avi;
mod ffmpeg;
mod folder;
mod mjpeg;
mod y4m;

use crate::decode::{Chroma, DecodeError, MAX_SIDE, PictureDecoder, Range};
use mtcae_contract::{Image, Micros};
use mtcae_core::{Captured, Clock, FrameSource, SourceError, SourceInfo};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;

/// What a person is told that may be given instead of a file that cannot be read.
const ACCEPTED: &str =
    "an MJPEG stream, AVI with MJPEG, Y4M, a folder of JPEG or PNG pictures, or any video that ffmpeg reads";
/// Frames per second accepted from a file or from the options.
const FPS: std::ops::RangeInclusive<f32> = 0.1..=1000.0;
/// When a paced file is this late (the machine slept, a consumer stalled), it resumes where it stood instead of
/// hurrying through what was missed.
const RESUME_AFTER: Micros = 2_000_000;
/// Longest sleep between two looks at the clock.
const NAP: Duration = Duration::from_millis(20);

/// When frames are given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pacing {
    /// As a camera would: each at its time; those whose time has passed are skipped and counted, the newest wins.
    Realtime,
    /// As fast as they are asked for, none skipped.
    Fast,
}

/// How a file is played.
#[derive(Debug, Clone)]
pub struct FileOptions {
    /// Starts again at the end; without it the source ends.
    pub looped: bool,
    /// When frames are given out.
    pub pacing: Pacing,
    /// Long side that frames are shrunk to, pixels, at most [`MAX_SIDE`].
    pub max_side: u32,
    /// Frames per second of sources that do not say (MJPEG streams, folders), 0.1 to 1000.
    pub fps: f32,
    /// The ffmpeg program: a path, or a name that is looked for in `PATH`.
    pub ffmpeg: PathBuf,
}

impl Default for FileOptions {
    fn default() -> Self {
        FileOptions { looped: false, pacing: Pacing::Realtime, max_side: MAX_SIDE, fps: 25.0, ffmpeg: "ffmpeg".into() }
    }
}

/// Why a reader gave no frame.
#[derive(Debug, Error)]
enum ReadError {
    /// This frame is unusable; the next may be good.
    #[error("{0}")]
    Bad(String),
    /// The file is of no use, and why.
    #[error("{0}")]
    Broken(String),
    /// The system refused to read it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// What a reader found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// A frame's bytes are in the buffer.
    Frame,
    /// Nothing within the time given.
    NotYet,
    /// The file has ended.
    End,
}

/// How a frame's bytes are to be decoded.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Coding {
    Jpeg,
    /// JPEG or PNG, as the bytes say.
    Still,
    Planar {
        width: u32,
        height: u32,
        chroma: Option<Chroma>,
        range: Range,
    },
}

/// Takes a file apart into encoded frames.
trait Reader: Send {
    /// For a person, at most 8 characters, for example `MJPEG`.
    fn format(&self) -> &'static str;
    fn coding(&self) -> Coding;
    /// Frames per second, when the file says.
    fn fps(&self) -> Option<f32>;
    /// Puts the next frame's bytes into `frame`, waiting no longer than `timeout` for its first byte.
    fn read(&mut self, frame: &mut Vec<u8>, timeout: Duration) -> Result<Found, ReadError>;
    /// Back to the first frame.
    fn rewind(&mut self) -> Result<(), ReadError>;
}

/// Plays a file or a folder.
pub struct FileSource {
    reader: Box<dyn Reader>,
    decoder: PictureDecoder,
    clock: Arc<dyn Clock>,
    options: FileOptions,
    info: SourceInfo,
    frame: Vec<u8>,
    /// The picture decoded to learn its size, with the time that took, until it is asked for.
    first: Option<(Image, u32)>,
    /// Frames seen, in all passes.
    seen: u32,
    /// Good frames of this pass; a pass without one is not repeated.
    good_this_pass: u32,
    /// Time of frame 0; known when the first frame is asked for.
    start: Option<Micros>,
    ended: bool,
}

impl FileSource {
    /// Opens `path`, whose kind is told from its content, and decodes its first good picture.
    ///
    /// # Errors
    /// [`SourceError::Refused`] naming the file, what is wrong, and what is accepted.
    pub fn open(path: &Path, options: FileOptions, clock: Arc<dyn Clock>) -> Result<FileSource, SourceError> {
        let name = path.display().to_string();
        if !FPS.contains(&options.fps) {
            return Err(SourceError::Refused(format!("frames per second is {}; accepted: 0.1 to 1000", options.fps)));
        }
        let reader = open_reader(path, &options).map_err(|e| refused(&name, &e))?;
        let fps = reader.fps().filter(|f| FPS.contains(f)).unwrap_or(options.fps);
        let info = SourceInfo { name, format: reader.format().into(), width: 0, height: 0, fps };
        let decoder = PictureDecoder::new(options.max_side);
        let mut source = FileSource {
            reader,
            decoder,
            clock,
            options,
            info,
            frame: Vec::new(),
            first: None,
            seen: 0,
            good_this_pass: 0,
            start: None,
            ended: false,
        };
        source.probe()?;
        Ok(source)
    }

    /// Decodes up to the first good picture, so that a file without any is refused at the start.
    fn probe(&mut self) -> Result<(), SourceError> {
        const TRIES: u32 = 250;
        let mut last = "it holds no picture".to_owned();
        for _ in 0..TRIES {
            match self.reader.read(&mut self.frame, ffmpeg::STALL) {
                Ok(Found::Frame) => match self.decode() {
                    Ok((image, us, size)) => {
                        (self.info.width, self.info.height) = size;
                        self.first = Some((image, us));
                        return Ok(());
                    }
                    Err(e) => last = format!("no picture could be decoded: {e}"),
                },
                Ok(Found::NotYet) => {
                    last = format!("no picture within {} s", ffmpeg::STALL.as_secs());
                    break;
                }
                Ok(Found::End) => break,
                Err(ReadError::Bad(e)) => last = format!("no picture could be decoded: {e}"),
                Err(e) => return Err(refused(&self.info.name, &e)),
            }
            self.seen = self.seen.wrapping_add(1);
        }
        Err(refused(&self.info.name, &ReadError::Broken(last)))
    }

    /// The picture in `frame`, the microseconds it took, and its size before shrinking.
    fn decode(&mut self) -> Result<(Image, u32, (u32, u32)), DecodeError> {
        let begin = Instant::now();
        let bytes = &self.frame;
        let image = match self.reader.coding() {
            Coding::Jpeg => self.decoder.jpeg(bytes),
            Coding::Still if bytes.starts_with(folder::PNG_MAGIC) => self.decoder.png(bytes),
            Coding::Still => self.decoder.jpeg(bytes),
            Coding::Planar { width, height, chroma, range } => self.decoder.planar(bytes, width, height, chroma, range),
        }?;
        Ok((image, begin.elapsed().as_micros().try_into().unwrap_or(u32::MAX), self.decoder.size()))
    }

    /// When frame `index` is due.
    fn due(&self, start: Micros, index: u32) -> Micros {
        start + (f64::from(index) * 1e6 / f64::from(self.info.fps)) as Micros
    }

    /// Sleeps until frame `index` is due, at most until `deadline`; true when it is due.
    fn wait_until_due(&self, start: Micros, index: u32, deadline: Micros) -> bool {
        let due = self.due(start, index);
        loop {
            let now = self.clock.now();
            if now >= due {
                return true;
            }
            if now >= deadline {
                return false;
            }
            std::thread::sleep(NAP.min(Duration::from_micros(due.min(deadline) - now)));
        }
    }

    /// One frame's bytes, across the end of a looped file. `NotYet` when `timeout` has passed.
    fn read(&mut self, timeout: Duration) -> Result<Found, SourceError> {
        for _ in 0..2 {
            match self.reader.read(&mut self.frame, timeout) {
                Ok(Found::End) => {}
                Ok(found) => return Ok(found),
                Err(ReadError::Bad(e)) => return Err(SourceError::BadFrame(format!("{}: {e}", self.info.name))),
                Err(e) => return Err(SourceError::Lost(format!("{}: {e}", self.info.name))),
            }
            if !self.options.looped || self.good_this_pass == 0 {
                self.ended = true;
                return Ok(Found::End);
            }
            self.good_this_pass = 0;
            self.reader.rewind().map_err(|e| SourceError::Lost(format!("{}: {e}", self.info.name)))?;
        }
        self.ended = true;
        Ok(Found::End)
    }

    /// Passes over frames until the next to be read is the newest that is due; false when the time is up or at the end.
    fn skip_late(&mut self, start: &mut Micros, deadline: Micros) -> Result<bool, SourceError> {
        let now = self.clock.now();
        let late = now.saturating_sub(self.due(*start, self.seen));
        if late > RESUME_AFTER {
            *start += late;
            self.start = Some(*start);
            return Ok(true);
        }
        while self.due(*start, self.seen + 1) <= now {
            let left = Duration::from_micros(deadline.saturating_sub(self.clock.now()));
            match self.read(left) {
                Ok(Found::Frame) => self.good_this_pass += 1,
                Ok(_) => return Ok(false),
                Err(SourceError::BadFrame(_)) => {}
                Err(e) => return Err(e),
            }
            self.seen = self.seen.wrapping_add(1);
        }
        Ok(true)
    }
}

impl FrameSource for FileSource {
    fn info(&self) -> SourceInfo {
        self.info.clone()
    }

    fn next_frame(&mut self, timeout: Duration) -> Result<Option<Captured>, SourceError> {
        if self.ended {
            return Err(SourceError::End);
        }
        let now = self.clock.now();
        let deadline = now + timeout.as_micros() as Micros;
        let first = self.start.is_none();
        // Bad pictures before the first good one do not delay it.
        let zero = now.saturating_sub(self.due(0, self.seen));
        let mut start = *self.start.get_or_insert(zero);
        if self.options.pacing == Pacing::Realtime && !first {
            if !self.wait_until_due(start, self.seen, deadline) {
                return Ok(None);
            }
            if !self.skip_late(&mut start, deadline)? {
                return if self.ended { Err(SourceError::End) } else { Ok(None) };
            }
        }
        let seq = self.seen;
        let captured = self.due(start, seq);
        let (image, decode_us) = match self.first.take() {
            Some(first) => first,
            None => {
                let left = Duration::from_micros(deadline.saturating_sub(self.clock.now()));
                match self.read(left) {
                    Ok(Found::Frame) => {}
                    Ok(Found::NotYet) => return Ok(None),
                    Ok(Found::End) => return Err(SourceError::End),
                    Err(e) => {
                        self.seen = self.seen.wrapping_add(1);
                        return Err(e);
                    }
                }
                self.seen = self.seen.wrapping_add(1);
                let (image, us, _) = self
                    .decode()
                    .map_err(|e| SourceError::BadFrame(format!("{}: frame {seq}: {e}", self.info.name)))?;
                self.good_this_pass += 1;
                return Ok(Some(Captured { image, captured, seq, decode_us: us }));
            }
        };
        self.seen = self.seen.wrapping_add(1);
        self.good_this_pass += 1;
        Ok(Some(Captured { image, captured, seq, decode_us }))
    }
}

fn refused(name: &str, error: &ReadError) -> SourceError {
    SourceError::Refused(match error {
        ReadError::Io(e) if e.kind() == std::io::ErrorKind::NotFound => {
            format!("{name}: there is no such file; give {ACCEPTED}")
        }
        ReadError::Io(e) => format!("{name}: {e}; give {ACCEPTED}"),
        // ffmpeg's own absence already says what to do.
        ReadError::Broken(e) if e.contains("ffmpeg is not installed") => format!("{name}: {e}"),
        e => format!("{name}: {e}; give {ACCEPTED}"),
    })
}

/// The reader for what `path` holds.
fn open_reader(path: &Path, options: &FileOptions) -> Result<Box<dyn Reader>, ReadError> {
    if std::fs::metadata(path)?.is_dir() {
        return Ok(Box::new(folder::Folder::open(path)?));
    }
    let mut head = Vec::new();
    File::open(path)?.take(16).read_to_end(&mut head)?;
    Ok(match head.as_slice() {
        [] => return Err(ReadError::Broken("the file is empty".into())),
        [0xff, 0xd8, 0xff, ..] => Box::new(mjpeg::Mjpeg::open(path)?),
        h if h.starts_with(folder::PNG_MAGIC) => Box::new(folder::Folder::single(path)),
        h if h.starts_with(b"YUV4MPEG2") => Box::new(y4m::Y4m::open(path)?),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' ', ..] => match avi::Avi::open(path)? {
            Some(reader) => Box::new(reader),
            None => Box::new(ffmpeg::Ffmpeg::open(path, &options.ffmpeg)?),
        },
        _ => Box::new(ffmpeg::Ffmpeg::open(path, &options.ffmpeg)?),
    })
}
