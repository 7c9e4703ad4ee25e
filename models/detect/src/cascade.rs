//! The cascade: many cheap guesses, few careful answers.

use crate::boxes::{Candidate, Overlap, suppress};
use crate::config::Level;
use crate::nets::pnet_places;
use crate::pixels::Pixels;
use crate::{DetectError, DetectorConfig, Net, NetOutput, Nets};
use mtcae_contract::{Image, LANDMARKS, Point, Rect};

/// Pixels of a level between two answers of P-Net.
const STRIDE: usize = 2;

/// Candidates of one level that enter suppression, per candidate that may enter R-Net: bounds the work on a picture
/// that looks like faces everywhere.
const LEVEL_CANDIDATES: usize = 4;

/// How far around a face [`Detector::detect_near`] looks, in the longer side of its box: so far may its edges move.
const NEAR: f32 = 0.75;

/// Sides of the levels there, pixels; faces of a quarter of the square and more. Fixed, so that an engine prepares them once.
const NEAR_LEVELS: [usize; 5] = [48, 34, 24, 17, 12];

/// Most candidates there, as in [`DetectorConfig::max_candidates`], which may say less.
const NEAR_CANDIDATES: [usize; 3] = [16, 4, 2];

/// A face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Around the face, pixels; may reach outside the picture.
    pub face: Rect,
    /// O-Net's probability, 0 to 1.
    pub score: f32,
    /// Left eye, right eye, nose, left and right mouth corner as seen in the image, pixels.
    pub landmarks: [Point; LANDMARKS],
}

/// Finds faces.
pub struct Detector<N> {
    nets: N,
    config: DetectorConfig,
    pixels: Pixels,
}

impl<N: Nets> Detector<N> {
    /// A detector that runs `nets`.
    ///
    /// # Errors
    /// When a value of `config` is out of range.
    pub fn new(nets: N, config: DetectorConfig) -> Result<Self, DetectError> {
        config.validate()?;
        Ok(Detector { nets, config, pixels: Pixels::new() })
    }

    /// The settings.
    pub fn config(&self) -> &DetectorConfig {
        &self.config
    }

    /// Every face in the picture, most probable first.
    ///
    /// # Errors
    /// When a network cannot be run; no face is an empty list.
    pub fn detect(&mut self, image: &Image) -> Result<Vec<Detection>, DetectError> {
        let [_, r, o] = self.config.max_candidates;
        self.leaving_nothing(|it| {
            let proposals = it.propose(image)?;
            let squares = it.reject(image, &proposals, r)?;
            it.answer(image, &squares, o)
        })
    }

    /// Every face in the part of the picture under `roi` (pixels), most probable first, in the whole picture's pixels.
    ///
    /// Costs as much as a picture of the size of `roi`. An improper `roi`, or one outside the picture, gives no faces.
    ///
    /// # Errors
    /// As [`Detector::detect`].
    pub fn detect_in(&mut self, image: &Image, roi: Rect) -> Result<Vec<Detection>, DetectError> {
        let Some((part, origin)) = cut(image, roi) else { return Ok(Vec::new()) };
        let mut found = self.detect(&part)?;
        for d in &mut found {
            d.face.x += origin.x;
            d.face.y += origin.y;
            for p in &mut d.landmarks {
                p.x += origin.x;
                p.y += origin.y;
            }
        }
        Ok(found)
    }

    /// Every face in the square around `face` (pixels, for example that of the previous frame) that is two and a half times as large,
    /// most probable first: the whole cascade, for about a fifth of what a picture of 640x360 costs (README). An improper `face`, or one outside the
    /// picture, gives no faces.
    ///
    /// # Errors
    /// As [`Detector::detect`].
    pub fn detect_near(&mut self, image: &Image, face: Rect) -> Result<Vec<Detection>, DetectError> {
        if !face.is_proper() {
            return Ok(Vec::new());
        }
        let around = square(&face.square_with_margin(NEAR));
        if !usable(image, &around) {
            return Ok(Vec::new());
        }
        let config = self.config.max_candidates;
        let [p, r, o] = std::array::from_fn(|i| NEAR_CANDIDATES[i].min(config[i]));
        self.leaving_nothing(|it| {
            let squares = proposals(image, it.propose_in(image, around)?, p);
            let squares = it.reject(image, &squares, r)?;
            it.answer(image, &squares, o)
        })
    }

    /// The faces near `boxes` (pixels, for example those of the previous frame), by O-Net alone, most probable first.
    ///
    /// Follows a face that moved by up to about a quarter of its size; about a twentieth of a whole search. Improper
    /// boxes and those beyond `max_candidates[1]` are left out.
    ///
    /// # Errors
    /// As [`Detector::detect`].
    pub fn refine(&mut self, image: &Image, boxes: &[Rect]) -> Result<Vec<Detection>, DetectError> {
        let mut squares: Vec<Rect> = boxes.iter().map(square).collect();
        squares.retain(|s| usable(image, s));
        squares.truncate(self.config.max_candidates[1]);
        let most = self.config.max_candidates[2];
        self.leaving_nothing(|it| it.answer(image, &squares, most))
    }

    /// Does `work`, and overwrites what it has left of the picture in buffers that stay.
    fn leaving_nothing<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let done = work(self);
        self.pixels.wipe();
        done
    }

    /// P-Net on every level: squares that may hold a face, at most `max_candidates[0]`.
    fn propose(&mut self, image: &Image) -> Result<Vec<Rect>, DetectError> {
        let mut all = Vec::new();
        for level in self.config.levels(image.width(), image.height()) {
            let shape = [1, level.width, level.height, 3];
            let input = self.pixels.level(image, level.width, level.height);
            let output = run(&mut self.nets, Net::P, input, shape)?;
            all.extend(self.likely(&output, &level));
        }
        Ok(proposals(image, all, self.config.max_candidates[0]))
    }

    /// P-Net on the square `around`, at fixed sizes.
    fn propose_in(&mut self, image: &Image, around: Rect) -> Result<Vec<Candidate>, DetectError> {
        let mut all = Vec::new();
        for side in NEAR_LEVELS {
            let level = Level { width: side, height: side, scale: side as f64 / f64::from(around.w) };
            let input = self.pixels.crops(image, &[around], side);
            let output = run(&mut self.nets, Net::P, input, [1, side, side, 3])?;
            let moved = |c: Candidate| Candidate {
                face: Rect { x: c.face.x + around.x, y: c.face.y + around.y, ..c.face },
                ..c
            };
            all.extend(self.likely(&output, &level).into_iter().map(moved));
        }
        Ok(all)
    }

    /// The candidates of one level that are left when those that overlap are out.
    fn likely(&self, output: &NetOutput, level: &Level) -> Vec<Candidate> {
        let [keep, ..] = self.config.max_candidates;
        let mut found = places(output, level, self.config.thresholds[0]);
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.truncate(keep * LEVEL_CANDIDATES);
        suppress(found, |c| (c.face, c.score), Overlap::Union, 0.5, keep)
    }

    /// R-Net: the squares that still look like a face, corrected, at most `most`.
    fn reject(&mut self, image: &Image, proposals: &[Rect], most: usize) -> Result<Vec<Rect>, DetectError> {
        if proposals.is_empty() {
            return Ok(Vec::new());
        }
        let input = self.pixels.crops(image, proposals, Net::R.side());
        let output = run(&mut self.nets, Net::R, input, [proposals.len(), 24, 24, 3])?;
        let likely = candidates(proposals, &output, self.config.thresholds[1]).map(|(_, c)| c).collect();
        let kept = suppress(likely, |c| (c.face, c.score), Overlap::Union, 0.7, most);
        Ok(squares(image, &kept))
    }

    /// O-Net: the faces among `squares`, at most `most`.
    fn answer(&mut self, image: &Image, squares: &[Rect], most: usize) -> Result<Vec<Detection>, DetectError> {
        if squares.is_empty() {
            return Ok(Vec::new());
        }
        let input = self.pixels.crops(image, squares, Net::O.side());
        let output = run(&mut self.nets, Net::O, input, [squares.len(), 48, 48, 3])?;
        let found = candidates(squares, &output, self.config.thresholds[2])
            .map(|(i, c)| Detection {
                face: c.corrected(),
                score: c.score,
                landmarks: std::array::from_fn(|k| {
                    let marks = &output.landmarks[i];
                    c.face.from_fraction(Point { x: marks[k], y: marks[k + LANDMARKS] })
                }),
            })
            .filter(|d| d.face.is_proper())
            .collect();
        Ok(suppress(found, |d| (d.face, d.score), Overlap::Smaller, 0.7, most))
    }
}

/// The squares of all levels' candidates, at most `most`.
fn proposals(image: &Image, all: Vec<Candidate>, most: usize) -> Vec<Rect> {
    squares(image, &suppress(all, |c| (c.face, c.score), Overlap::Union, 0.7, most))
}

/// Runs a network and checks that it answered as often as it was asked.
fn run(nets: &mut impl Nets, net: Net, input: &[f32], shape: [usize; 4]) -> Result<NetOutput, DetectError> {
    let output = nets.run(net, input, shape).map_err(|source| DetectError::Engine { net, source })?;
    let expected = net.answers(shape);
    let marks = if net == Net::O { output.landmarks.len() } else { expected };
    let lengths = [output.face.len(), output.offsets.len(), marks];
    match lengths.iter().find(|n| **n != expected) {
        Some(&got) => Err(DetectError::Answers { net, shape, got, expected }),
        None => Ok(output),
    }
}

/// The candidates of one level, in pixels of the picture.
///
/// The weights were trained with pixels that are counted from 1, of which a place has the second to the twelfth; rounding is part of it.
fn places(output: &NetOutput, level: &Level, threshold: f32) -> Vec<Candidate> {
    let rows = pnet_places(level.height);
    let pixel = |i: usize, of: usize| (((i * STRIDE + of) as f64) / level.scale).trunc() as f32;
    let (first, last) = (1, Net::P.side());
    let likely = output.face.iter().zip(&output.offsets).enumerate().filter(|(_, (score, _))| **score >= threshold);
    likely
        .map(|(i, (score, offsets))| {
            let (x, y) = (pixel(i / rows, first), pixel(i % rows, first));
            let (w, h) = (pixel(i / rows, last) - x, pixel(i % rows, last) - y);
            let [left, top, right, bottom] = *offsets;
            let (by_w, by_h) = (w / (w + 1.0), h / (h + 1.0));
            Candidate {
                face: Rect { x: x - 1.0, y: y - 1.0, w: w + 1.0, h: h + 1.0 },
                score: *score,
                offsets: [left * by_w, top * by_h, right * by_w, bottom * by_h],
            }
        })
        .collect()
}

/// The squares a network finds likely, with their index.
fn candidates<'a>(
    squares: &'a [Rect],
    output: &'a NetOutput,
    threshold: f32,
) -> impl Iterator<Item = (usize, Candidate)> + 'a {
    let answers = squares.iter().zip(&output.face).zip(&output.offsets).enumerate();
    answers
        .filter(move |(_, ((_, score), _))| **score >= threshold)
        .map(|(i, ((face, score), offsets))| (i, Candidate { face: *face, score: *score, offsets: *offsets }))
}

/// The corrected boxes as squares, without those that left the picture.
fn squares(image: &Image, candidates: &[Candidate]) -> Vec<Rect> {
    candidates.iter().map(|c| square(&c.corrected())).filter(|s| usable(image, s)).collect()
}

/// The square around a box, in whole pixels.
fn square(face: &Rect) -> Rect {
    let s = face.square_with_margin(0.0);
    let (x, y) = ((s.x + 1.0).trunc() - 1.0, (s.y + 1.0).trunc() - 1.0);
    Rect { x, y, w: (s.x + s.w).trunc() - x, h: (s.y + s.h).trunc() - y }
}

/// A crop that holds some of the picture and is not absurdly large.
fn usable(image: &Image, square: &Rect) -> bool {
    let whole = Rect::whole(image.width(), image.height());
    square.is_proper() && square.iou(&whole) > 0.0 && square.w <= 4.0 * whole.w.max(whole.h)
}

/// The part of the picture under `roi`, whole pixels, and its top-left corner.
fn cut(image: &Image, roi: Rect) -> Option<(Image, Point)> {
    if !roi.is_proper() {
        return None;
    }
    let clamp = |v: f32, max: u32| v.clamp(0.0, max as f32) as usize;
    let (x0, y0) = (clamp(roi.x.floor(), image.width()), clamp(roi.y.floor(), image.height()));
    let (x1, y1) = (clamp((roi.x + roi.w).ceil(), image.width()), clamp((roi.y + roi.h).ceil(), image.height()));
    let row = image.width() as usize * 3;
    let mut rgb = Vec::with_capacity((x1 - x0) * (y1 - y0) * 3);
    for y in y0..y1 {
        rgb.extend_from_slice(&image.rgb()[y * row + x0 * 3..y * row + x1 * 3]);
    }
    let part = Image::from_rgb((x1 - x0) as u32, (y1 - y0) as u32, rgb).ok()?;
    Some((part, Point { x: x0 as f32, y: y0 as f32 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says "face" wherever the middle of what it sees is bright; counts what it was asked.
    fn bright(
        asked: &mut Vec<(Net, [usize; 4])>,
    ) -> impl FnMut(Net, &[f32], [usize; 4]) -> Result<NetOutput, crate::BoxError> {
        move |net, input, shape| {
            asked.push((net, shape));
            let (columns, rows) = (shape[1], shape[2]);
            let picture = columns * rows * 3;
            let middle = |n: usize, x: usize, y: usize| input[n * picture + (x * rows + y) * 3];
            let face: Vec<f32> = match net {
                Net::P => (0..net.answers(shape))
                    .map(|i| middle(0, i / pnet_places(rows) * 2 + 5, i % pnet_places(rows) * 2 + 5))
                    .collect(),
                _ => (0..shape[0]).map(|n| middle(n, columns / 2, rows / 2)).collect(),
            };
            let n = face.len();
            let landmarks = if net == Net::O { vec![[0.5; 10]; n] } else { Vec::new() };
            Ok(NetOutput { face, offsets: vec![[0.0; 4]; n], landmarks })
        }
    }

    fn spot(x: i32, y: i32, side: i32) -> Image {
        let lit = |px: i32, py: i32| (x..x + side).contains(&px) && (y..y + side).contains(&py);
        let rgb = (0..120).flat_map(|py| (0..160).flat_map(move |px| [if lit(px, py) { 255 } else { 0 }; 3])).collect();
        Image::from_rgb(160, 120, rgb).unwrap()
    }

    #[test]
    fn a_bright_spot_is_found_where_it_is() {
        let mut asked = Vec::new();
        let mut detector = Detector::new(bright(&mut asked), DetectorConfig::default()).unwrap();
        let found = detector.detect(&spot(100, 40, 24)).unwrap();
        let middle = found[0].face.center();
        assert!(middle.distance(Point { x: 112.0, y: 52.0 }) < 16.0, "{found:?}");
        assert!(found[0].landmarks[0].distance(middle) < 0.01);
        assert!(detector.pixels.is_clean(), "a part of the picture is left");
        let part = detector.detect_in(&spot(100, 40, 24), Rect { x: 80.0, y: 20.0, w: 70.0, h: 70.0 }).unwrap();
        assert!(part[0].face.center().distance(Point { x: 112.0, y: 52.0 }) < 16.0, "{part:?}");
        for found in [
            detector.refine(&spot(100, 40, 24), &[found[0].face]),
            detector.detect_near(&spot(100, 40, 24), found[0].face),
        ] {
            assert!(!found.unwrap().is_empty() && detector.pixels.is_clean(), "a part of the picture is left");
        }
        assert!(detector.detect(&Image::filled(64, 64, [0; 3]).unwrap()).unwrap().is_empty());
        assert!(detector.pixels.is_clean(), "a part of a picture without a face is left");
    }

    #[test]
    fn candidates_are_bounded_when_everything_looks_like_a_face() {
        let mut asked = Vec::new();
        let config = DetectorConfig { max_candidates: [20, 7, 3], ..Default::default() };
        let mut detector = Detector::new(bright(&mut asked), config).unwrap();
        let found = detector.detect(&Image::filled(320, 240, [255; 3]).unwrap()).unwrap();
        assert!(found.len() <= 3);
        drop(detector);
        assert!(asked.iter().all(|(net, shape)| match net {
            Net::P => shape[0] == 1,
            Net::R => shape[0] <= 20,
            Net::O => shape[0] <= 7,
        }));
        assert_eq!(asked.iter().filter(|(net, _)| *net == Net::R).count(), 1);
    }

    #[test]
    fn refine_asks_o_net_alone_and_survives_any_box() {
        let mut asked = Vec::new();
        let mut detector = Detector::new(bright(&mut asked), DetectorConfig::default()).unwrap();
        let boxes = [
            Rect { x: 96.0, y: 36.0, w: 30.0, h: 30.0 },
            Rect { x: f32::NAN, y: 0.0, w: 5.0, h: 5.0 },
            Rect { x: 900.0, y: 0.0, w: 5.0, h: 5.0 },
            Rect { x: 0.0, y: 0.0, w: 1e9, h: 5.0 },
        ];
        assert_eq!(detector.refine(&spot(100, 40, 24), &boxes).unwrap().len(), 1);
        assert!(detector.detect_in(&spot(0, 0, 9), boxes[1]).unwrap().is_empty());
        assert!(detector.detect_in(&spot(0, 0, 9), boxes[2]).unwrap().is_empty());
        drop(detector);
        assert_eq!(asked, [(Net::O, [1, 48, 48, 3])]);
    }

    #[test]
    fn an_engine_that_answers_too_little_is_named() {
        let short = |_: Net, _: &[f32], _: [usize; 4]| Ok(NetOutput::default());
        let mut detector = Detector::new(short, DetectorConfig::default()).unwrap();
        let err = detector.detect(&spot(0, 0, 9)).unwrap_err();
        assert_eq!(err.to_string(), "P-Net gave 0 answers to an input of shape [1, 96, 72, 3]; expected 1333");
    }
}
