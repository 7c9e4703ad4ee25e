//! Frames of the clips that ship, on a grey ground of 640x480, in the pixel formats of a camera.

use crate::{BenchError, View};
use mtcae_core::FrameSource;
use mtcae_drivers::{FileOptions, FileSource, MonotonicClock, Pacing};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

/// Pixels of a row.
pub const WIDTH: usize = 640;
/// Rows.
pub const HEIGHT: usize = 480;
/// Formats that pictures are made in, by V4L2's four letters; the first is the usual one. All that vivid shows and a board reads.
pub const FORMATS: [&str; 16] = [
    "YUYV", "UYVY", "NV12", "GREY", "RGGB", "BA81", "GBRG", "GRBG", "RG10", "BG10", "GB10", "BA10", "RG12", "BG12",
    "GB12", "BA12",
];
/// The ground around a frame.
const GROUND: [u8; 3] = [110; 3];
/// Frames of a clip that are shown, at most: 3 s.
const FRAMES: usize = 90;
/// A clip that ships has its next frame within this time.
const WAIT: Duration = Duration::from_secs(10);

/// Column and row of the red one among the four sensors of a raw format, and bits of a sample; `None` for others.
pub fn raw_of(format: &str) -> Option<([usize; 2], u32)> {
    Some(match format {
        "RGGB" => ([0, 0], 8),
        "BA81" => ([1, 1], 8),
        "GBRG" => ([0, 1], 8),
        "GRBG" => ([1, 0], 8),
        "RG10" => ([0, 0], 10),
        "BG10" => ([1, 1], 10),
        "GB10" => ([0, 1], 10),
        "BA10" => ([1, 0], 10),
        "RG12" => ([0, 0], 12),
        "BG12" => ([1, 1], 12),
        "GB12" => ([0, 1], 12),
        "BA12" => ([1, 0], 12),
        _ => return None,
    })
}

/// Red, green and blue of each pixel.
pub struct Picture(Vec<u8>);

impl Picture {
    /// An RGB picture of `width` x `height` in the middle, each of its pixels repeated as often as there is room.
    fn new(rgb: &[u8], width: usize, height: usize) -> Picture {
        let times = (WIDTH / width.max(1)).min(HEIGHT / height.max(1)).max(1);
        let (left, top) = (WIDTH.saturating_sub(width * times) / 2, HEIGHT.saturating_sub(height * times) / 2);
        let inside = |at: usize, from: usize, len: usize| at.checked_sub(from).map(|d| d / times).filter(|d| *d < len);
        let mut all = Vec::with_capacity(WIDTH * HEIGHT * 3);
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let at = inside(x, left, width).zip(inside(y, top, height)).map(|(x, y)| (y * width + x) * 3);
                all.extend_from_slice(at.and_then(|at| rgb.get(at..at + 3)).unwrap_or(&GROUND));
            }
        }
        Picture(all)
    }

    fn pixel(&self, x: usize, y: usize) -> [f32; 3] {
        [0, 1, 2].map(|c| self.0.get((y * WIDTH + x) * 3 + c).copied().map_or(0.0, f32::from))
    }

    /// Luma, BT.601 in its limited range.
    fn luma(&self, x: usize, y: usize) -> u8 {
        let [r, g, b] = self.pixel(x, y);
        (16.0 + 0.257 * r + 0.504 * g + 0.098 * b).round() as u8
    }

    /// Both chromas of two pixels side by side, of which `x` is the left one.
    fn chroma(&self, x: usize, y: usize) -> [u8; 2] {
        let (left, right) = (self.pixel(x, y), self.pixel(x + 1, y));
        let [r, g, b] = [0, 1, 2].map(|c| (left[c] + right[c]) / 2.0);
        let u = 128.0 - 0.148 * r - 0.291 * g + 0.439 * b;
        let v = 128.0 + 0.439 * r - 0.368 * g - 0.071 * b;
        [u.round() as u8, v.round() as u8]
    }

    /// As a camera gives it in `format`; `None` for a format of which none are made.
    pub fn bytes(&self, format: &str) -> Option<Vec<u8>> {
        let rows = || (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y)));
        let pairs = || rows().filter(|(x, _)| x % 2 == 0);
        let two = |x: usize, y: usize| (self.luma(x, y), self.chroma(x, y), self.luma(x + 1, y));
        Some(match format {
            "YUYV" => pairs().map(|(x, y)| two(x, y)).flat_map(|(l, [u, v], r)| [l, u, r, v]).collect(),
            "UYVY" => pairs().map(|(x, y)| two(x, y)).flat_map(|(l, [u, v], r)| [u, l, v, r]).collect(),
            "GREY" => rows().map(|(x, y)| self.luma(x, y)).collect(),
            "NV12" => {
                let chroma = pairs().filter(|(_, y)| y % 2 == 0).flat_map(|(x, y)| self.chroma(x, y));
                rows().map(|(x, y)| self.luma(x, y)).chain(chroma).collect()
            }
            _ => {
                let ([left, top], bits) = raw_of(format)?;
                // Blue is diagonally opposite of red, green are the other two.
                let sample = |(x, y): (usize, usize)| self.pixel(x, y)[(x + left) % 2 + (y + top) % 2] as u16;
                match bits {
                    8 => rows().map(|at| sample(at) as u8).collect(),
                    _ => rows().flat_map(|at| (sample(at) << (bits - 8)).to_le_bytes()).collect(),
                }
            }
        })
    }

    /// The same numbers as a frame of a Y4M file, with the head that fits; raw ones as YUYV.
    fn y4m(&self, format: &str) -> (&'static str, Vec<u8>) {
        let luma = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y))).map(|(x, y)| self.luma(x, y));
        let rows = if format == "NV12" { 2 } else { 1 };
        let chroma = |which: usize| {
            let pairs = (0..HEIGHT).step_by(rows).flat_map(|y| (0..WIDTH).step_by(2).map(move |x| (x, y)));
            pairs.map(move |(x, y)| self.chroma(x, y)[which])
        };
        match format {
            "GREY" => ("Cmono", luma.collect()),
            "NV12" => ("C420", luma.chain(chroma(0)).chain(chroma(1)).collect()),
            _ => ("C422", luma.chain(chroma(0)).chain(chroma(1)).collect()),
        }
    }
}

/// The pictures of a view, in order.
///
/// # Errors
/// When the clip cannot be read, or has no such frame.
fn pictures(
    clips: &Path,
    view: &View,
    mut each: impl FnMut(&Picture) -> std::io::Result<()>,
) -> Result<(), BenchError> {
    let (clip, wanted) = match view {
        View::Clip(clip) => (*clip, None),
        View::Still { clip, frame } => (*clip, Some(*frame)),
        View::Removable => ("astronaut", None),
    };
    let path = clips.join(format!("{clip}.avi"));
    let cannot = |why: &dyn std::fmt::Display| BenchError::Board(format!("{}: {why}", path.display()));
    let options = FileOptions { pacing: Pacing::Fast, ..FileOptions::default() };
    let mut source = FileSource::open(&path, options, MonotonicClock::shared()).map_err(|e| cannot(&e))?;
    for at in 0..=wanted.unwrap_or(FRAMES - 1) {
        let image = match source.next_frame(WAIT) {
            Ok(Some(captured)) => captured.image,
            // A clip may be shorter; a still must be there.
            _ if wanted.is_none() && at > 0 => return Ok(()),
            Ok(None) => return Err(cannot(&"no frame came")),
            Err(why) => return Err(cannot(&format!("frame {at}: {why}"))),
        };
        if wanted.is_none_or(|wanted| wanted == at) {
            let picture = Picture::new(image.rgb(), image.width() as usize, image.height() as usize);
            each(&picture).map_err(BenchError::system("write a picture"))?;
        }
    }
    Ok(())
}

/// Writes what `view` shows in `format` into `file`, frame after frame; the bytes of one.
///
/// # Errors
/// As [`pictures`]; when the file cannot be written.
pub fn raw(clips: &Path, view: &View, format: &str, file: &Path) -> Result<usize, BenchError> {
    let mut out = create(file)?;
    let mut length = 0;
    pictures(clips, view, |picture| {
        let bytes = picture.bytes(format).ok_or_else(|| std::io::Error::other(format!("none in {format}")))?;
        length = bytes.len();
        out.write_all(&bytes)
    })?;
    out.flush().map_err(BenchError::system(format!("write {}", file.display())))?;
    Ok(length)
}

/// Writes the same as a Y4M file; a still often enough to be a clip.
///
/// # Errors
/// As [`raw`].
pub fn y4m(clips: &Path, view: &View, format: &str, file: &Path) -> Result<(), BenchError> {
    let mut out = create(file)?;
    let (mut is_first, times) = (true, if matches!(view, View::Still { .. }) { 8 } else { 1 });
    pictures(clips, view, |picture| {
        let (chroma, bytes) = picture.y4m(format);
        if std::mem::take(&mut is_first) {
            writeln!(out, "YUV4MPEG2 W{WIDTH} H{HEIGHT} F30:1 Ip A1:1 {chroma}")?;
        }
        (0..times).try_for_each(|_| out.write_all(b"FRAME\n").and_then(|()| out.write_all(&bytes)))
    })?;
    out.flush().map_err(BenchError::system(format!("write {}", file.display())))
}

fn create(path: &Path) -> Result<BufWriter<File>, BenchError> {
    File::create(path).map(BufWriter::new).map_err(BenchError::system(format!("write {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn clips() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data")
    }

    #[test]
    fn a_picture_stands_in_the_middle_as_large_as_it_can() {
        let picture = Picture::new(&[[255, 0, 0], [0, 0, 255]].concat(), 2, 1);
        assert_eq!((picture.pixel(0, 79), picture.pixel(319, 240)), ([110.0; 3], [255.0, 0.0, 0.0]));
        assert_eq!((picture.pixel(320, 240), picture.pixel(639, 399)), ([0.0, 0.0, 255.0], [0.0, 0.0, 255.0]));
        assert_eq!(picture.pixel(639, 400), [110.0; 3]);
    }

    #[test]
    fn formats_hold_the_same_picture_in_another_order() {
        let picture = Picture::new(&[[255, 0, 0], [0, 255, 0]].concat(), 1, 2);
        let bytes = |format| picture.bytes(format).unwrap();
        let (yuyv, uyvy, nv12, grey, raw) = (bytes("YUYV"), bytes("UYVY"), bytes("NV12"), bytes("GREY"), bytes("RGGB"));
        let pixels = WIDTH * HEIGHT;
        assert_eq!(
            [yuyv.len(), uyvy.len(), nv12.len(), grey.len(), raw.len()],
            [2, 2, 0, 1, 1].map(|n| match n {
                0 => pixels * 3 / 2,
                n => pixels * n,
            })
        );
        // Red in the upper half, in the middle column.
        let at = 100 * WIDTH + 320;
        assert_eq!(yuyv[at * 2..at * 2 + 4], [82, 90, 82, 240]);
        assert_eq!(uyvy[at * 2..at * 2 + 4], [90, 82, 240, 82]);
        assert_eq!((grey[at], nv12[at], nv12[pixels + 50 * WIDTH + 320]), (82, 82, 90));
        assert_eq!((raw[at], raw[at + 1], raw[at + WIDTH], raw[at + WIDTH + 1]), (255, 0, 0, 0));
        let (other, wide) = (bytes("BA81"), bytes("GB10"));
        assert_eq!((other[at], other[at + 1], other[at + WIDTH], other[at + WIDTH + 1]), (0, 0, 0, 255));
        // Red stands below the green one, two bytes each, of ten bits.
        assert_eq!(wide.len(), pixels * 2);
        assert_eq!(
            (&wide[at * 2..at * 2 + 2], &wide[(at + WIDTH) * 2..(at + WIDTH) * 2 + 2]),
            (&[0, 0][..], &[252, 3][..])
        );
        assert!(picture.bytes("MJPG").is_none());
    }

    #[test]
    fn views_become_files() {
        let (dir, still) = (tempfile::tempdir().unwrap(), View::Still { clip: "carphone", frame: 3 });
        let file = dir.path().join("frames");
        assert_eq!(raw(&clips(), &still, "UYVY", &file).unwrap() as u64, file.metadata().unwrap().len());
        for format in FORMATS {
            y4m(&clips(), &still, format, &file).unwrap();
            let mut source = FileSource::open(&file, FileOptions::default(), MonotonicClock::shared()).unwrap();
            let image = source.next_frame(WAIT).unwrap().unwrap().image;
            assert_eq!((image.width(), image.height()), (WIDTH as u32, HEIGHT as u32), "{format}");
        }
        let none = View::Still { clip: "carphone", frame: 4000 };
        assert!(raw(&clips(), &none, "GREY", &file).unwrap_err().to_string().contains("carphone.avi: "));
    }
}
