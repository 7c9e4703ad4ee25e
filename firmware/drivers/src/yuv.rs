//! From rows of YUV samples (BT.601) to RGB, shrunk on the way by 2, 4 or 8: rows are summed as they come, and only
//! what is kept is converted, so that no full-size copy is made.

use crate::decode::Range;

/// Pixels that are converted before they are woven together; small enough for registers and the first cache.
const BLOCK: usize = 64;

/// One plane of samples.
#[derive(Clone, Copy)]
pub(crate) struct Plane<'a> {
    /// From the first sample on.
    pub bytes: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Bytes from one sample to the next: 1, 2 or 4.
    pub step: usize,
}

impl<'a> Plane<'a> {
    fn row(&self, y: usize) -> &'a [u8] {
        let from = (y * self.stride).min(self.bytes.len());
        &self.bytes[from..self.bytes.len().min(from + self.stride)]
    }
}

/// Where a picture's samples are.
pub(crate) struct YuvPicture<'a> {
    pub width: usize,
    pub height: usize,
    pub luma: Plane<'a>,
    /// U, V, and the pixels across and down that share one of each, as powers of two; none for grey.
    pub chroma: Option<([Plane<'a>; 2], [u32; 2])>,
    pub range: Range,
}

/// By which power of two a picture is shrunk so that its long side stays at `max_side` or above.
pub(crate) fn log2_shrink(width: usize, height: usize, max_side: u32, most: u32) -> u32 {
    let times = width.max(height) / max_side.max(1) as usize;
    times.max(1).ilog2().min(most).min(width.min(height).max(1).ilog2())
}

/// Turns pictures into RGB; keeps its sums from picture to picture.
#[derive(Default)]
pub(crate) struct YuvConverter {
    sums: [Vec<u16>; 3],
}

impl YuvConverter {
    /// The most a picture is shrunk by, as a power of two: sums of 64 samples fit 16 bits.
    pub const MOST: u32 = 3;

    /// Writes the picture, `1 << log2` times smaller, to `out`; gives its sides.
    pub fn convert(&mut self, picture: &YuvPicture<'_>, log2: u32, out: &mut Vec<u8>) -> (usize, usize) {
        let log2 = log2.min(Self::MOST);
        let (width, height) = (picture.width >> log2, picture.height >> log2);
        let coefficients = Coefficients::new(picture.range);
        out.resize(width * height * 3, 0);
        self.sums.iter_mut().for_each(|s| s.resize(width, 0));
        for (y, dst) in out.chunks_exact_mut((width * 3).max(1)).enumerate() {
            let [luma, u, v] = &mut self.sums;
            luma.fill(0);
            for row in y << log2..(y + 1) << log2 {
                add(picture.luma.row(row), picture.luma.step, log2, luma);
            }
            let mut shifts = [2 * log2, 0];
            match &picture.chroma {
                None => [u, v].into_iter().for_each(|s| s.fill(128)),
                Some((planes, shared)) => {
                    for (plane, sums) in planes.iter().zip([u, v]) {
                        sums.fill(0);
                        shifts[1] = add_chroma(plane, *shared, log2, y, sums);
                    }
                }
            }
            coefficients.convert_row(&self.sums, shifts, dst);
        }
        (width, height)
    }
}

/// Adds the samples of `plane` that belong to row `y` of the small picture; how many each sum has, as a power of two.
fn add_chroma(plane: &Plane<'_>, [x_shared, y_shared]: [u32; 2], log2: u32, y: usize, sums: &mut [u16]) -> u32 {
    let from = (y << log2) >> y_shared;
    let rows = log2.saturating_sub(y_shared);
    for row in from..from + (1 << rows) {
        match log2.checked_sub(x_shared) {
            Some(columns) => add(plane.row(row), plane.step, columns, sums),
            None => add_spread(plane.row(row), plane.step, x_shared - log2, sums),
        }
    }
    rows + log2.saturating_sub(x_shared)
}

/// Adds `1 << log2` samples of `row` to each sum.
fn add(row: &[u8], step: usize, log2: u32, sums: &mut [u16]) {
    match (step, log2) {
        (1, 0) => add_groups::<1, 1>(row, sums),
        (1, 1) => add_groups::<1, 2>(row, sums),
        (1, 2) => add_groups::<1, 4>(row, sums),
        (1, _) => add_groups::<1, 8>(row, sums),
        (2, 0) => add_groups::<2, 1>(row, sums),
        (2, 1) => add_groups::<2, 2>(row, sums),
        (2, 2) => add_groups::<2, 4>(row, sums),
        (2, _) => add_groups::<2, 8>(row, sums),
        (_, 0) => add_groups::<4, 1>(row, sums),
        (_, 1) => add_groups::<4, 2>(row, sums),
        (_, _) => add_groups::<4, 4>(row, sums),
    }
}

/// Adds `N` samples, `STEP` bytes apart, to each sum; what a row lacks counts as nothing.
fn add_groups<const STEP: usize, const N: usize>(row: &[u8], sums: &mut [u16]) {
    let whole = (row.len() / (STEP * N)).min(sums.len());
    let (sums, rest) = sums.split_at_mut(whole);
    for (sum, group) in sums.iter_mut().zip(row.chunks_exact(STEP * N)) {
        *sum += (0..N).map(|i| u16::from(group[i * STEP])).sum::<u16>();
    }
    // The last group may end with its last sample.
    if let (Some(sum), Some(group)) = (rest.first_mut(), row.get(whole * STEP * N..)) {
        *sum += group.iter().step_by(STEP).map(|&s| u16::from(s)).sum::<u16>();
    }
}

/// Adds each sample to the `1 << log2` sums that share it.
fn add_spread(row: &[u8], step: usize, log2: u32, sums: &mut [u16]) {
    let samples = row.iter().step_by(step);
    match (log2, step) {
        (1, 4) => spread_pairs::<4>(row, sums),
        (1, 2) => spread_pairs::<2>(row, sums),
        (1, 1) => spread_pairs::<1>(row, sums),
        _ => {
            for (shared, &sample) in sums.chunks_mut(1 << log2).zip(samples) {
                shared.iter_mut().for_each(|s| *s += u16::from(sample));
            }
        }
    }
}

fn spread_pairs<const STEP: usize>(row: &[u8], sums: &mut [u16]) {
    let (pairs, last) = sums.as_chunks_mut::<2>();
    let whole = (row.len() / STEP).min(pairs.len());
    let rest = row.get(whole * STEP..).and_then(|r| r.first());
    let (pairs, short) = pairs.split_at_mut(whole);
    for (pair, group) in pairs.iter_mut().zip(row.chunks_exact(STEP)) {
        *pair = pair.map(|s| s + u16::from(group[0]));
    }
    let rest_sums = short.iter_mut().take(1).flatten().chain(last);
    rest_sums.for_each(|s| *s += rest.map_or(0, |&r| u16::from(r)));
}

/// BT.601 with 13 bits after the point: products of 16-bit numbers, which every processor multiplies many at a time.
struct Coefficients {
    black: i16,
    luma: i16,
    /// Parts of V in red, U in green, V in green, U in blue.
    parts: [i16; 4],
}

impl Coefficients {
    fn new(range: Range) -> Coefficients {
        match range {
            Range::Full => Coefficients { black: 0, luma: 8192, parts: [11485, -2819, -5850, 14516] },
            Range::Limited => Coefficients { black: 16, luma: 9539, parts: [13075, -3209, -6660, 16525] },
        }
    }

    fn convert_row(&self, [luma, u, v]: &[Vec<u16>; 3], [luma_shift, chroma_shift]: [u32; 2], out: &mut [u8]) {
        let mut rgb = [[0u8; BLOCK]; 3];
        let mean = |sum: u16, shift: u32| ((sum + ((1 << shift) >> 1)) >> shift) as i16;
        let blocks = luma.chunks(BLOCK).zip(u.chunks(BLOCK)).zip(v.chunks(BLOCK));
        for (((luma, u), v), out) in blocks.zip(out.chunks_mut(BLOCK * 3)) {
            let [red, green, blue] = &mut rgb;
            let [rv, gu, gv, bu] = self.parts.map(i32::from);
            for i in 0..luma.len().min(BLOCK) {
                let y = i32::from(mean(luma[i], luma_shift) - self.black) * i32::from(self.luma) + 4096;
                let (u, v) = (mean(u[i], chroma_shift) - 128, mean(v[i], chroma_shift) - 128);
                let (u, v) = (i32::from(u), i32::from(v));
                red[i] = ((y + rv * v) >> 13).clamp(0, 255) as u8;
                green[i] = ((y + gu * u + gv * v) >> 13).clamp(0, 255) as u8;
                blue[i] = ((y + bu * u) >> 13).clamp(0, 255) as u8;
            }
            weave(&rgb, out);
        }
    }
}

/// Three planes to pixels.
fn weave(planes: &[[u8; BLOCK]; 3], out: &mut [u8]) {
    let (pixels, _) = out.as_chunks_mut::<3>();
    for (i, pixel) in pixels.iter_mut().enumerate().take(BLOCK) {
        *pixel = [planes[0][i], planes[1][i], planes[2][i]];
    }
}
