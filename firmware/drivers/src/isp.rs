//! What a camera's own processor does for other cameras: black level, white balance and gamma for raw pictures, by one
//! table a colour, and the measurements that auto-exposure needs. No lens, colour matrix or noise is corrected.

use crate::pixel::{Bayer, Samples};
use crate::raw::{Squares, WHITE};
use crate::yuv::log2_shrink;

/// Red and blue are at most this many times brighter or darker than the sensor saw them, against green.
const GAIN_LIMIT: f32 = 4.0;
/// Share of the way to the newest white balance, a picture.
const GAIN_STEP: f32 = 0.1;
/// Pixels nearer to white than this say nothing of colour: their true value was cut off.
const NEAR_WHITE: f32 = 0.95;
/// Pictures darker than this, as a share of white, say nothing of colour: most of it is noise.
const NEAR_BLACK: f32 = 0.005;
/// Every so many rows and columns are measured.
const ROW_STEP: usize = 4;
const COLUMN_STEP: usize = 8;

/// What raw pictures look like, measured before white balance and gamma.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metered {
    /// Mean linear light from 0 (black) to 1 (the most the sensor can tell); the middle counts four times.
    pub light: f32,
    /// Share of pixels with a colour that is cut off at the most the sensor can tell.
    pub clipped: f32,
}

/// Develops raw pictures; keeps white balance and buffers from picture to picture.
pub(crate) struct Isp {
    squares: Squares,
    /// Value of black, of [`WHITE`].
    black: f32,
    /// Of red, green and blue, the smallest 1; none before the first picture that told.
    gains: Option<[f32; 3]>,
    /// From linear light of 0 to [`WHITE`] above black to the numbers of sRGB.
    gamma: Vec<u8>,
    tables: [Vec<u8>; 3],
}

impl Isp {
    /// `black` is the value of black as a share of the largest sample.
    pub fn new(black: f32) -> Isp {
        let gamma = (0..=WHITE).map(|v| srgb_from_linear(f32::from(v) / f32::from(WHITE))).collect();
        let black = black.clamp(0.0, 0.5) * f32::from(WHITE);
        let tables = [const { Vec::new() }; 3];
        let mut isp = Isp { squares: Squares::default(), black, gains: None, gamma, tables };
        isp.make_tables();
        isp
    }

    /// Writes the picture, at half the size or a quarter so that its long side stays at `max_side` or above, to `out`;
    /// gives its sides and what was measured.
    pub fn develop(
        &mut self,
        rows: (&[u8], usize),
        (width, height): (usize, usize),
        mosaic: (Bayer, Samples),
        max_side: u32,
        out: &mut Vec<u8>,
    ) -> ((usize, usize), Metered) {
        let log2 = log2_shrink(width / 2, height / 2, max_side, Squares::MOST);
        let small = ((width / 2) >> log2, (height / 2) >> log2);
        out.resize(small.0 * small.1 * 3, 0);
        loop {
            let (mut meter, tables) = (Meter::new(small, self.black), &self.tables);
            self.squares.read(rows, (width, height), mosaic, log2, |y, light| {
                if y % ROW_STEP == ROW_STEP / 2 || small.1 <= ROW_STEP {
                    meter.measure(y, light);
                }
                apply(tables, light, &mut out[y * small.0 * 3..][..small.0 * 3]);
            });
            if !self.squares.was_shifted(mosaic.1) {
                self.balance(&meter);
                return (small, meter.metered());
            }
        }
    }

    /// Grey world: the mean of most scenes is grey. The change shows from the next picture on.
    fn balance(&mut self, meter: &Meter) {
        let Some([r, g, b]) = meter.mean_colour() else { return };
        if g < NEAR_BLACK {
            return;
        }
        let limited = |mean: f32| (g / mean.max(1e-6)).clamp(1.0 / GAIN_LIMIT, GAIN_LIMIT);
        let now = [limited(r), 1.0, limited(b)];
        // What is white because it was cut off must stay white: no gain is below 1.
        let least = now.iter().copied().fold(f32::MAX, f32::min);
        let now = now.map(|gain| gain / least);
        self.gains = Some(match self.gains {
            None => now,
            Some(old) => [0, 1, 2].map(|i| old[i] + (now[i] - old[i]) * GAIN_STEP),
        });
        self.make_tables();
    }

    fn make_tables(&mut self) {
        let white = f32::from(WHITE);
        for (table, gain) in self.tables.iter_mut().zip(self.gains.unwrap_or([1.0; 3])) {
            let factor = gain * white / (white - self.black);
            let linear = (0..=WHITE).map(|v| ((f32::from(v) - self.black) * factor).clamp(0.0, white));
            table.clear();
            table.extend(linear.map(|l| self.gamma[(l + 0.5) as usize]));
        }
    }
}

/// The curve of sRGB (IEC 61966-2-1), from 0 to 1.
fn srgb_from_linear(light: f32) -> u8 {
    let encoded = if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
    (encoded * 255.0).round() as u8
}

fn apply([red, green, blue]: &[Vec<u8>; 3], [r, g, b]: &[Vec<u16>; 3], out: &mut [u8]) {
    let (pixels, _) = out.as_chunks_mut::<3>();
    for (((pixel, &r), &g), &b) in pixels.iter_mut().zip(r).zip(g).zip(b) {
        *pixel = [red[usize::from(r)], green[usize::from(g)], blue[usize::from(b)]];
    }
}

/// Sums over the measured pixels of one picture.
struct Meter {
    size: (usize, usize),
    black: f32,
    light: f32,
    weight: f32,
    clipped: u32,
    seen: u32,
    colour: [f32; 3],
    coloured: u32,
}

impl Meter {
    fn new(size: (usize, usize), black: f32) -> Meter {
        Meter { size, black, light: 0.0, weight: 0.0, clipped: 0, seen: 0, colour: [0.0; 3], coloured: 0 }
    }

    fn measure(&mut self, y: usize, [r, g, b]: &[Vec<u16>; 3]) {
        let scale = 1.0 / (f32::from(WHITE) - self.black);
        let inner = |at: usize, size: usize| at >= size / 4 && at < size - size / 4;
        for x in (COLUMN_STEP / 2 % self.size.0..self.size.0).step_by(COLUMN_STEP) {
            let [r, g, b] = [r[x], g[x], b[x]].map(|v| (f32::from(v) - self.black).max(0.0) * scale);
            let weight = if inner(x, self.size.0) && inner(y, self.size.1) { 4.0 } else { 1.0 };
            self.light += weight * (r + 2.0 * g + b) / 4.0;
            self.weight += weight;
            self.seen += 1;
            if r.max(g).max(b) >= NEAR_WHITE {
                self.clipped += 1;
            } else {
                self.colour = [self.colour[0] + r, self.colour[1] + g, self.colour[2] + b];
                self.coloured += 1;
            }
        }
    }

    /// Mean of red, green and blue where none was cut off; none when that is too little of the picture.
    fn mean_colour(&self) -> Option<[f32; 3]> {
        let enough = self.coloured > 0 && self.coloured * 10 >= self.seen;
        enough.then(|| self.colour.map(|c| c / self.coloured as f32))
    }

    fn metered(&self) -> Metered {
        Metered { light: self.light / self.weight.max(1.0), clipped: self.clipped as f32 / self.seen.max(1) as f32 }
    }
}
