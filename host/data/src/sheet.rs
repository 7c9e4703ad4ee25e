//! A sheet of samples, to check annotation by eye.

use crate::font::dots;
use crate::{DataError, FACE_MARGIN, StillRef, Stills};
use image::ImageEncoder;
use image::codecs::png::PngEncoder;
use mtcae_contract::{Point, Rect};
use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Side of a sample on the sheet, pixels.
const TILE: usize = 128;

/// Samples in a row.
const COLUMNS: usize = 8;

/// Frames of a clip on the sheet.
const CLIP_TILES: usize = 4;

/// Draws `n` samples spread evenly over `stills` (1 to 1024) with face box (green; red where no face was found),
/// framing square (blue), landmarks (yellow) and label into a PNG.
///
/// # Errors
/// When the file cannot be written.
pub fn contact_sheet(stills: &Stills, n: usize, path: &Path) -> Result<(), DataError> {
    let n = n.clamp(1, stills.len().min(1024));
    let chosen = (0..n).map(|k| place(k, n, stills.len()));
    save(chosen.map(|i| (stills.sample(i), label(stills, i))), path)
}

/// As [`contact_sheet`], with four frames of each of `n` clips side by side, first to last; the first says the label, the
/// second who it is. A box is orange where it comes from the frames beside it.
///
/// # Errors
/// When the file cannot be written.
pub fn clip_sheet(clips: &Stills, n: usize, path: &Path) -> Result<(), DataError> {
    let n = n.clamp(1, clips.len().min(1024));
    let chosen = (0..n).map(|k| place(k, n, clips.len()));
    let tile = |(i, k): (usize, usize)| {
        let still = clips.frame(i, k * (clips.frames(i) - 1) / (CLIP_TILES - 1));
        let text = match k {
            0 => label(clips, i),
            1 => clips.subject_name(still.subject).unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        (still, text)
    };
    save(chosen.flat_map(|i| (0..CLIP_TILES).map(move |k| (i, k))).map(tile), path)
}

/// The `k`-th of `n` samples from all over `len`, at another place of each part: where classes take turns, not always the
/// same one.
fn place(k: usize, n: usize, len: usize) -> usize {
    let (first, next) = (k * len / n, (k + 1) * len / n);
    first + 5 * k % (next - first).max(1)
}

fn label(stills: &Stills, i: usize) -> String {
    stills.labels().labels()[stills.sample(i).label].name().to_owned()
}

/// Draws the samples in rows into a PNG, each with its text.
fn save<'a>(samples: impl Iterator<Item = (StillRef<'a>, String)>, path: &Path) -> Result<(), DataError> {
    let tiles: Vec<Vec<u8>> = samples.map(|(still, text)| draw(&still, &text)).collect();
    let (width, height) = (COLUMNS * TILE, tiles.len().div_ceil(COLUMNS) * TILE);
    let mut sheet = vec![0; width * height * 3];
    for (k, tile) in tiles.iter().enumerate() {
        let (left, top) = (k % COLUMNS * TILE, k / COLUMNS * TILE);
        for (y, row) in tile.chunks_exact(TILE * 3).enumerate() {
            let at = ((top + y) * width + left) * 3;
            sheet[at..at + TILE * 3].copy_from_slice(row);
        }
    }
    let partial = path.with_extension("partial.png");
    let format = image::ExtendedColorType::Rgb8;
    // It shows faces: for nobody else to look at, as a shard.
    let open = || OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial);
    let mut file = BufWriter::new(open().map_err(DataError::io(&partial))?);
    PngEncoder::new(&mut file)
        .write_image(&sheet, width as u32, height as u32, format)
        .map_err(|e| DataError::io(&partial)(std::io::Error::other(e)))?;
    file.flush().map_err(DataError::io(&partial))?;
    std::fs::rename(&partial, path).map_err(DataError::io(path))
}

fn draw(still: &StillRef, text: &str) -> Vec<u8> {
    let mut tile = Vec::with_capacity(TILE * TILE * 3);
    for i in 0..TILE * TILE {
        let (x, y) = (i % TILE * still.side / TILE, i / TILE * still.side / TILE);
        let at = (y * still.side + x) * still.channels;
        let pixel = &still.image[at..at + still.channels];
        tile.extend((0..3).map(|c| pixel[c % still.channels]));
    }
    outline(&mut tile, still.framing(FACE_MARGIN), [60, 120, 255]);
    let color = match (still.has_face, still.filled) {
        (true, false) => [0, 230, 0],
        (true, true) => [255, 140, 0],
        (false, _) => [230, 0, 0],
    };
    outline(&mut tile, still.face, color);
    if still.has_face {
        for p in still.landmarks {
            for d in -1..=1 {
                dot(&mut tile, p, d, 0, [255, 230, 0]);
                dot(&mut tile, p, 0, d, [255, 230, 0]);
            }
        }
    }
    write(&mut tile, text);
    tile
}

/// Writes `text` along the lower edge, white on black.
fn write(tile: &mut [u8], text: &str) {
    if text.is_empty() {
        return;
    }
    let mut put = |x: usize, y: usize, color: [u8; 3]| {
        if x < TILE && y < TILE {
            tile[(y * TILE + x) * 3..][..3].copy_from_slice(&color);
        }
    };
    let (left, top) = (2, TILE - 12);
    for (x, y) in (0..text.chars().count() * 8 + 2).flat_map(|x| (top - 2..TILE).map(move |y| (x, y))) {
        put(x, y, [0; 3]);
    }
    for (x, y) in dots(text) {
        for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            put(left + 2 * x + dx, top + 2 * y + dy, [255; 3]);
        }
    }
}

fn outline(tile: &mut [u8], r: Rect, color: [u8; 3]) {
    for i in 0..=TILE {
        let t = i as f32 / TILE as f32;
        for p in [Point { x: t, y: 0.0 }, Point { x: t, y: 1.0 }, Point { x: 0.0, y: t }, Point { x: 1.0, y: t }] {
            dot(tile, r.from_fraction(p), 0, 0, color);
        }
    }
}

/// Colours the pixel `dx`, `dy` from `p`; nothing when it is outside.
fn dot(tile: &mut [u8], p: Point, dx: i64, dy: i64, color: [u8; 3]) {
    let at = |v: f32, d: i64| usize::try_from((v * TILE as f32) as i64 + d).ok().filter(|v| *v < TILE);
    if let (Some(x), Some(y)) = (at(p.x, dx), at(p.y, dy)) {
        tile[(y * TILE + x) * 3..][..3].copy_from_slice(&color);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn samples_come_from_everywhere_and_from_all_classes() {
        let places: Vec<usize> = (0..16).map(|k| place(k, 16, 384)).collect();
        assert!(places.windows(2).all(|p| p[0] < p[1]) && places[15] < 384, "{places:?}");
        assert_eq!(places.iter().map(|p| p % 8).collect::<BTreeSet<_>>().len(), 8);
        assert_eq!((0..3).map(|k| place(k, 3, 3)).collect::<Vec<_>>(), [0, 1, 2]);
    }
}
