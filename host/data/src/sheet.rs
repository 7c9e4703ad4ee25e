//! A sheet of samples, to check annotation by eye.

use crate::{DataError, FACE_MARGIN, StillRef, Stills};
use mtcae_contract::{Point, Rect};
use std::path::Path;

/// Side of a sample on the sheet, pixels.
const TILE: usize = 128;

/// Samples in a row.
const COLUMNS: usize = 8;

/// Frames of a clip on the sheet.
const CLIP_TILES: usize = 4;

/// Draws `n` samples spread evenly over `stills` (1 to 1024) with face box (green; red where no face was found),
/// framing square (blue) and landmarks (yellow) into a PNG.
///
/// # Errors
/// When the file cannot be written.
pub fn contact_sheet(stills: &Stills, n: usize, path: &Path) -> Result<(), DataError> {
    let n = n.clamp(1, stills.len().min(1024));
    save((0..n).map(|k| stills.sample(k * stills.len() / n)), path)
}

/// As [`contact_sheet`], with four frames of each of `n` clips side by side, first to last.
///
/// # Errors
/// When the file cannot be written.
pub fn clip_sheet(clips: &Stills, n: usize, path: &Path) -> Result<(), DataError> {
    let n = n.clamp(1, clips.len().min(1024));
    let chosen = (0..n).map(|k| k * clips.len() / n);
    let frames = chosen.flat_map(|i| (0..CLIP_TILES).map(move |t| (i, t * (clips.frames(i) - 1) / (CLIP_TILES - 1))));
    save(frames.map(|(i, t)| clips.frame(i, t)), path)
}

/// Draws the samples in rows into a PNG.
fn save<'a>(samples: impl Iterator<Item = StillRef<'a>>, path: &Path) -> Result<(), DataError> {
    let tiles: Vec<Vec<u8>> = samples.map(|s| draw(&s)).collect();
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
    image::save_buffer(&partial, &sheet, width as u32, height as u32, format)
        .map_err(|e| DataError::io(&partial)(std::io::Error::other(e)))?;
    std::fs::rename(&partial, path).map_err(DataError::io(path))
}

fn draw(still: &StillRef) -> Vec<u8> {
    let mut tile = Vec::with_capacity(TILE * TILE * 3);
    for i in 0..TILE * TILE {
        let (x, y) = (i % TILE * still.side / TILE, i / TILE * still.side / TILE);
        let at = (y * still.side + x) * still.channels;
        let pixel = &still.image[at..at + still.channels];
        tile.extend((0..3).map(|c| pixel[c % still.channels]));
    }
    outline(&mut tile, still.framing(FACE_MARGIN), [60, 120, 255]);
    outline(&mut tile, still.face, if still.has_face { [0, 230, 0] } else { [230, 0, 0] });
    if still.has_face {
        for p in still.landmarks {
            for d in -1..=1 {
                dot(&mut tile, p, d, 0, [255, 230, 0]);
                dot(&mut tile, p, 0, d, [255, 230, 0]);
            }
        }
    }
    tile
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
