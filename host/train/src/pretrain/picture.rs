//! What an autoencoder makes of clips, as a picture.

use super::mask::TubeMask;
use super::masked_batch::{MaskedBatch, Token};
use super::pass::answer;
use super::recipe::PretrainRecipe;
use crate::batch::Batch;
use crate::clips::clip_frames;
use crate::device::{Place, Precision};
use crate::error::TrainError;
use crate::state::State;
use crate::step::{leaves, numbers};
use mtcae_contract::Cropper;
use mtcae_data::{FACE_MARGIN, Stills};
use mtcae_network::{Autoencoder, NetworkConfig, PATCH_VALUES, SplitMix};

/// Most frames of a clip in a row.
const COLUMNS: usize = 8;
/// Between pictures, pixels.
const GAP: usize = 2;
/// Of what is hidden.
const GREY: f32 = 0.5;

/// Pixels, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// `[height, width, 3]`.
    pub rgb: Vec<u8>,
}

/// What the state's averaged weights say of `n` clips from all over `data`: of each the clip, what the encoder reads of it, and what
/// the decoder makes of the rest, one row each, at most eight frames in a row.
///
/// Answers have no light and contrast of their own (targets have none): those of the hidden token are put back.
///
/// # Errors
/// When the recipe has no phase or cannot be pre-trained.
pub fn reconstructions(
    recipe: &PretrainRecipe,
    config: &NetworkConfig,
    state: &State,
    data: &Stills,
    n: usize,
) -> Result<Picture, TrainError> {
    let Some(phase) = recipe.phase.last() else { return Err(TrainError::Model("the recipe has no phase".to_owned())) };
    let auto = Autoencoder::new(phase.network(config), &recipe.decoder)?;
    let device = Place::Cpu.open()?;
    let params = leaves(&state.slots, &device, |s| &s.average, false);
    let n = n.clamp(1, data.len());
    let (size, shown) = (auto.config().size, (phase.frames / 2).min(COLUMNS));
    let mut sheet = Sheet::new(shown, 3 * n, size);
    let mut random = SplitMix::new(recipe.seed);
    for k in 0..n {
        let sample = k * data.len() / n;
        let mut batch = Batch::new(phase.frames, size, false);
        let frames = clip_frames(data, sample, phase.frames);
        batch.push_plain(&frames, data.framing(sample, FACE_MARGIN), &mut Cropper::new());
        let mask = TubeMask::draw(phase.frames / 2, (size / 16).pow(2), recipe.masked, &mut random);
        let cut = MaskedBatch::new(&batch, std::slice::from_ref(&mask));
        let said = numbers(answer(&auto, &params, &cut, 0, Precision::F32, &device));
        for column in 0..shown {
            let tubelet = column * (phase.frames / 2) / shown;
            sheet.draw(&batch, &mask, &said, (tubelet, column, 3 * k));
        }
    }
    Ok(sheet.done())
}

struct Sheet {
    side: usize,
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Sheet {
    fn new(columns: usize, rows: usize, side: usize) -> Sheet {
        let (width, height) = (columns * (side + GAP) - GAP, rows * (side + GAP) - GAP);
        Sheet { side, width, height, rgb: vec![255; width * height * 3] }
    }

    /// The first frame of `tubelet` in three rows.
    fn draw(&mut self, batch: &Batch, mask: &TubeMask, said: &[f32], (tubelet, column, row): (usize, usize, usize)) {
        let places = (batch.size / 16).pow(2);
        for place in tubelet * places..(tubelet + 1) * places {
            let look = Token::of(batch, 0, place).look();
            let plain = look.plain();
            let at = |rows: usize| (place % places, column, row + rows);
            self.token(&plain, at(0));
            match mask.hidden.binary_search(&place) {
                Ok(i) => {
                    self.token(&[GREY; PATCH_VALUES], at(1));
                    self.token(&look.dressed(&said[i * PATCH_VALUES..][..PATCH_VALUES]), at(2));
                }
                Err(_) => {
                    self.token(&plain, at(1));
                    self.token(&plain, at(2));
                }
            }
        }
    }

    /// The first frame of `values` (frame, row, column, colour; 0 to 1) at a place of the picture in a column and row of the sheet.
    fn token(&mut self, values: &[f32], (place, column, row): (usize, usize, usize)) {
        let across = self.side / 16;
        let (left, top) =
            (column * (self.side + GAP) + place % across * 16, row * (self.side + GAP) + place / across * 16);
        for (y, line) in values.chunks(16 * 3).take(16).enumerate() {
            let at = ((top + y) * self.width + left) * 3;
            for (to, v) in self.rgb[at..at + 16 * 3].iter_mut().zip(line) {
                *to = (v * 255.0).round().clamp(0.0, 255.0) as u8;
            }
        }
    }

    fn done(self) -> Picture {
        Picture { width: self.width, height: self.height, rgb: self.rgb }
    }
}
