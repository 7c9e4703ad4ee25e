//! Frames of a video through `ffprobe` and `ffmpeg`, which run as child processes: a broken file cannot take more down
//! than its own process.

use crate::DataError;
use mtcae_contract::{Image, sample_uniform};
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// Longest silence of a child before it is ended.
const STALL: Duration = Duration::from_secs(60);

/// Longest part of a child's last line that is kept, bytes.
const MAX_LINE: usize = 300;

/// Long side to which frames are shrunk, pixels: enough for the detector, and less to carry.
const MAX_SIDE: usize = 640;

/// The programs: paths, or names that are looked for in `PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoTools {
    /// Decodes.
    pub ffmpeg: PathBuf,
    /// Counts frames.
    pub ffprobe: PathBuf,
}

impl Default for VideoTools {
    fn default() -> Self {
        VideoTools { ffmpeg: "ffmpeg".into(), ffprobe: "ffprobe".into() }
    }
}

/// Why a video has no frames to give.
#[derive(Debug)]
pub(crate) enum VideoFault {
    /// The file holds no pictures: sound alone, or nothing.
    NoVideo(String),
    /// It cannot be decoded.
    Broken(String),
    /// Not the file's fault.
    Fatal(DataError),
}

impl VideoTools {
    /// Whether both programs start.
    ///
    /// # Errors
    /// [`DataError::Ffmpeg`] with what to do.
    pub fn check(&self) -> Result<(), DataError> {
        for program in [&self.ffmpeg, &self.ffprobe] {
            run(Command::new(program).arg("-version"), program, 1 << 16)?;
        }
        Ok(())
    }

    /// `t` frames spread evenly over the video at `path`; with fewer frames than `t`, frames repeat.
    pub(crate) fn frames(&self, path: &Path, t: usize) -> Result<Vec<Image>, VideoFault> {
        // Packets are counted in a moment; what they promise and do not hold is found by decoding everything.
        let mut count = self.count(path, "packets")?;
        let mut indices = sample_uniform(count, t);
        let mut images = self.decode(path, &indices)?;
        let wanted = |indices: &[usize]| indices.iter().collect::<BTreeSet<_>>().len();
        if images.len() != wanted(&indices) {
            count = self.count(path, "frames")?;
            indices = sample_uniform(count, t);
            images = self.decode(path, &indices)?;
        }
        if count < 2 || images.len() != wanted(&indices) {
            return Err(VideoFault::Broken(format!("{} frame(s) can be decoded; accepted: 2 or more", images.len())));
        }
        let places: Vec<usize> = indices.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let place = |i: &usize| places.binary_search(i).unwrap_or(0);
        Ok(indices.iter().map(|i| images[place(i)].clone()).collect())
    }

    /// Frames of the first video stream, counted by `packets` or by decoding `frames`.
    fn count(&self, path: &Path, what: &str) -> Result<usize, VideoFault> {
        let mut command = Command::new(&self.ffprobe);
        command
            .args(["-v", "error", "-protocol_whitelist", "file,pipe", "-select_streams", "v:0"])
            .arg(format!("-count_{what}"))
            .args(["-show_entries", &format!("stream=nb_read_{what}"), "-of", "default=nw=1:nk=1"])
            .arg(absolute(path)?);
        let ran = run(&mut command, &self.ffprobe, 1 << 16).map_err(VideoFault::Fatal)?;
        let text = String::from_utf8_lossy(&ran.out);
        match (ran.failed, text.trim()) {
            (Some(line), _) => Err(VideoFault::Broken(line)),
            (None, "") => Err(VideoFault::NoVideo("no pictures in it, sound at most".to_owned())),
            // A stream that is announced and empty has `N/A`.
            (None, count) => Ok(count.lines().next().and_then(|n| n.trim().parse().ok()).unwrap_or(0)),
        }
    }

    /// The frames at `indices`, each once, in ascending order; fewer when the video ends before.
    fn decode(&self, path: &Path, indices: &[usize]) -> Result<Vec<Image>, VideoFault> {
        let chosen: BTreeSet<usize> = indices.iter().copied().collect();
        let Some(last) = chosen.last() else {
            return Err(VideoFault::NoVideo("no frame in its video stream".to_owned()));
        };
        let terms: Vec<String> = chosen.iter().map(|i| format!("eq(n\\,{i})")).collect();
        // Equal times and an equal rate: every frame that was chosen comes once, in all versions of ffmpeg.
        let filter = format!(
            "select='{}',setpts=N/25/TB,scale='min({MAX_SIDE},iw)':'min({MAX_SIDE},ih)':force_original_aspect_ratio=decrease",
            terms.join("+")
        );
        let mut command = Command::new(&self.ffmpeg);
        command
            .args(["-hide_banner", "-nostdin", "-loglevel", "error", "-xerror", "-threads", "1"])
            .args(["-protocol_whitelist", "file,pipe", "-i"])
            .arg(absolute(path)?)
            .args(["-map", "0:v:0", "-vf", &filter, "-r", "25", "-frames:v", &chosen.len().to_string()])
            .args(["-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "pipe:1"]);
        let most = (chosen.len() + 1) * (MAX_SIDE * MAX_SIDE * 3 + 64);
        let ran = run(&mut command, &self.ffmpeg, most).map_err(VideoFault::Fatal)?;
        match ran.failed {
            Some(line) => Err(VideoFault::Broken(format!("at or before frame {last}: {line}"))),
            None => pictures(&ran.out).map_err(VideoFault::Broken),
        }
    }
}

/// A path that cannot be taken for an option or a protocol.
fn absolute(path: &Path) -> Result<PathBuf, VideoFault> {
    std::path::absolute(path).map_err(|e| VideoFault::Fatal(DataError::io(path)(e)))
}

/// What a child said.
struct Ran {
    out: Vec<u8>,
    /// Its last line of errors, when it failed.
    failed: Option<String>,
}

/// Runs a child to its end; one that is silent for too long, or says more than `most` bytes, is ended and has failed.
fn run(command: &mut Command, program: &Path, most: usize) -> Result<Ran, DataError> {
    let start = |e: std::io::Error| {
        DataError::Ffmpeg(match e.kind() {
            ErrorKind::NotFound => format!(
                "{} was not found; videos are read through ffmpeg: install it (`sudo apt install ffmpeg`)",
                program.display()
            ),
            _ => format!("{} cannot be started: {e}", program.display()),
        })
    };
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(start)?;
    let (Some(mut stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(DataError::Ffmpeg(format!("{} gave no pipe", program.display())));
    };
    let errors = std::thread::spawn(move || last_line(&mut stderr));
    let (send, receive) = mpsc::sync_channel::<Vec<u8>>(4);
    let reader = std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(n @ 1..) = stdout.read(&mut buffer) {
            if send.send(buffer[..n].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut out = Vec::new();
    let stopped = loop {
        match receive.recv_timeout(STALL) {
            Ok(bytes) if out.len() + bytes.len() <= most => out.extend(bytes),
            Ok(_) => break Some(format!("more than {most} bytes came")),
            Err(RecvTimeoutError::Timeout) => break Some(format!("nothing came for {} s", STALL.as_secs())),
            Err(RecvTimeoutError::Disconnected) => break None,
        }
    };
    drop(receive);
    if stopped.is_some() {
        // Fails only when the child has ended by itself.
        let _ = child.kill();
    }
    let status = child.wait().map_err(start)?;
    let _ = reader.join();
    let line = errors.join().unwrap_or_default();
    let failed = match (stopped, status.success()) {
        (None, true) => None,
        (Some(why), _) => Some(why),
        (None, false) if line.is_empty() => Some(status.to_string()),
        (None, false) => Some(line),
    };
    Ok(Ran { out, failed })
}

/// The last line that is not empty, without what names memory and files.
fn last_line(pipe: &mut impl Read) -> String {
    let (mut kept, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = pipe.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..n]);
        let excess = kept.len().saturating_sub(1 << 14);
        kept.drain(..excess);
    }
    let text = String::from_utf8_lossy(&kept);
    let line = text.lines().rev().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default();
    // `[h264 @ 0x55d0c8] ...` differs from run to run, and the path is said beside the line.
    let line = line.rsplit_once("] ").map_or(line, |(_, rest)| rest);
    let line = match (line.starts_with('/'), line.rsplit_once(": ")) {
        (true, Some((_, rest))) => rest,
        _ => line,
    };
    line.chars().take(MAX_LINE).collect()
}

/// The pictures of a stream of binary PPM.
fn pictures(mut bytes: &[u8]) -> Result<Vec<Image>, String> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (width, height, start) = header(bytes).ok_or("ffmpeg's answer is no PPM")?;
        let end = start + width as usize * height as usize * 3;
        let pixels = bytes.get(start..end).ok_or("ffmpeg's answer breaks off")?;
        found.push(Image::from_rgb(width, height, pixels.to_vec()).map_err(|e| e.to_string())?);
        bytes = &bytes[end..];
    }
    Ok(found)
}

/// Width, height and where the pixels begin.
fn header(bytes: &[u8]) -> Option<(u32, u32, usize)> {
    let head = &bytes[..bytes.len().min(64)];
    let mut at = 0;
    let mut word = || {
        let length = head.get(at..)?.iter().position(|b| b.is_ascii_whitespace())?;
        let word = std::str::from_utf8(&head[at..at + length]).ok()?;
        at += length + 1;
        Some((word, at))
    };
    let (magic, width, height, (most, start)) = (word()?.0, word()?.0, word()?.0, word()?);
    if magic != "P6" || most != "255" {
        return None;
    }
    let side = |text: &str| text.parse().ok().filter(|n| (1..=MAX_SIDE as u32).contains(n));
    Some((side(width)?, side(height)?, start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_taken_apart() {
        let one = [&b"P6\n2 1\n255\n"[..], &[1, 2, 3, 4, 5, 6]].concat();
        let two = [&one[..], b"P6\n1 1\n255\n", &[10, 10, 10]].concat();
        let images = pictures(&two).unwrap();
        assert_eq!(images.iter().map(|i| (i.width(), i.height())).collect::<Vec<_>>(), [(2, 1), (1, 1)]);
        assert_eq!((images[0].rgb(), images[1].rgb()), (&[1, 2, 3, 4, 5, 6][..], &[10; 3][..]));
        assert!(pictures(&[]).unwrap().is_empty());
        for wrong in [&one[..one.len() - 1], &one[1..], b"P6\n2 1\n65535\n", b"P6\n0 1\n255\n", b"P6\n9999 1\n255\n"] {
            assert!(pictures(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_missing_program_says_what_to_install() {
        let tools = VideoTools { ffmpeg: "no-such-ffmpeg".into(), ..VideoTools::default() };
        let said = tools.check().unwrap_err().to_string();
        assert_eq!(
            said,
            "no-such-ffmpeg was not found; videos are read through ffmpeg: install it (`sudo apt install ffmpeg`)"
        );
    }

    #[test]
    fn the_last_line_is_short_and_the_same_in_every_run() {
        let line = |text: &str| last_line(&mut text.as_bytes());
        assert_eq!(line("a\n[mov,mp4 @ 0x55d0c8] moov atom not found\n\n"), "moov atom not found");
        assert_eq!(line("/tmp/x.mp4: Invalid data found"), "Invalid data found");
        assert_eq!(line(&"x".repeat(40_000)).len(), MAX_LINE);
        assert_eq!(line(""), "");
    }

    #[test]
    fn a_child_that_says_too_much_has_failed() {
        let ran = run(Command::new("sh").args(["-c", "yes"]), Path::new("sh"), 1 << 17).unwrap();
        assert!(ran.failed.is_some_and(|why| why.contains("more than 131072 bytes")) && ran.out.len() <= 1 << 17);
        let ran = run(Command::new("sh").args(["-c", "echo no >&2; exit 3"]), Path::new("sh"), 10).unwrap();
        assert_eq!(ran.failed.as_deref(), Some("no"));
    }
}
