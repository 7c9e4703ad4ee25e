//! One picture to one sample: decode, find the face, cut the stored square.

use crate::hash::picture_hash;
use crate::{DataError, FACE_MARGIN, STORE_MARGIN};
use image::{ImageDecoder, ImageReader, Limits};
use mtcae_contract::{Cropper, Image, LANDMARKS, Point, Rect};
use mtcae_detect::{Detection, Detector, DetectorConfig, TractNets};
use std::io::Cursor;

/// Side of the square canvas in which the detector sees a picture. One size means one set of prepared plans.
const CANVAS: usize = 192;

/// Part of the canvas that the picture fills; the rest repeats the border, for faces that fill their picture.
const FILLED: f32 = 0.75;

/// A sample without its label.
#[derive(Debug)]
pub(crate) struct Annotated {
    /// `side * side * channels` bytes.
    pub square: Vec<u8>,
    /// Fractions of the stored square.
    pub face: Rect,
    /// Fractions of the stored square; zeros when `has_face` is false.
    pub landmarks: [Point; LANDMARKS],
    pub has_face: bool,
    /// Of the whole picture.
    pub picture: u64,
}

/// Annotates pictures; one per thread.
pub(crate) struct Annotator {
    detector: Detector<TractNets>,
    cropper: Cropper,
    canvas: Vec<u8>,
}

impl Annotator {
    pub fn new() -> Result<Annotator, DataError> {
        // Faces of data-set pictures fill much of them, hence no search for small ones.
        let config = DetectorConfig { min_face: 40.0, thresholds: [0.5, 0.6, 0.7], ..DetectorConfig::default() };
        let nets = TractNets::new().map_err(detector_error)?;
        let detector = Detector::new(nets, config).map_err(detector_error)?;
        Ok(Annotator { detector, cropper: Cropper::new(), canvas: vec![0; CANVAS * CANVAS * 3] })
    }

    /// The sample of `image`, `side` pixels a side with 1 or 3 `channels`.
    pub fn annotate(&mut self, image: &Image, side: usize, channels: usize) -> Result<Annotated, DataError> {
        let found = self.find(image)?;
        let face = found.map_or_else(|| whole_as_face(image), |d| d.face);
        let stored = face.square_with_margin(STORE_MARGIN);
        let mut rgb = vec![0; side * side * 3];
        self.cropper.crop_resize(image, stored, side, &mut rgb);
        Ok(Annotated {
            square: if channels == 1 { rgb.as_chunks().0.iter().map(luma).collect() } else { rgb },
            face: stored.rect_to_fraction(face),
            landmarks: found.map_or_else(Default::default, |d| d.landmarks.map(|p| stored.to_fraction(p))),
            has_face: found.is_some(),
            picture: picture_hash([image]),
        })
    }

    /// The picture's face, in its pixels: the surest and most central.
    fn find(&mut self, image: &Image) -> Result<Option<Detection>, DataError> {
        let longest = image.width().max(image.height()) as f32;
        let seen = Rect::whole(image.width(), image.height()).square_with_margin((1.0 / FILLED - 1.0) / 2.0);
        self.cropper.crop_resize(image, seen, CANVAS, &mut self.canvas);
        let canvas = Image::from_rgb(CANVAS as u32, CANVAS as u32, std::mem::take(&mut self.canvas));
        let canvas = canvas.map_err(|e| DataError::Detector(e.to_string()))?;
        let found = self.detector.detect(&canvas);
        self.canvas = canvas.into_rgb();
        let to_picture = |p: Point| seen.from_fraction(Point { x: p.x / CANVAS as f32, y: p.y / CANVAS as f32 });
        let middle = Rect::whole(image.width(), image.height()).center();
        let faces = found.map_err(detector_error)?.into_iter().map(|d| {
            let (a, scale) = (to_picture(Point { x: d.face.x, y: d.face.y }), seen.w / CANVAS as f32);
            let face = Rect { x: a.x, y: a.y, w: d.face.w * scale, h: d.face.h * scale };
            Detection { face, landmarks: d.landmarks.map(to_picture), ..d }
        });
        let worth = |d: &Detection| {
            let off = d.face.center().distance(middle) / longest;
            d.score + d.face.w.max(d.face.h) / longest - 2.0 * off
        };
        Ok(faces.max_by(|a, b| worth(a).total_cmp(&worth(b))))
    }
}

/// The box whose framing square is the square around the whole picture.
fn whole_as_face(image: &Image) -> Rect {
    Rect::whole(image.width(), image.height()).square_with_margin((1.0 / (1.0 + 2.0 * FACE_MARGIN) - 1.0) / 2.0)
}

/// Brightness (BT.601); leaves grey as it is.
fn luma([r, g, b]: &[u8; 3]) -> u8 {
    ((77 * u32::from(*r) + 150 * u32::from(*g) + 29 * u32::from(*b) + 128) >> 8) as u8
}

fn detector_error(e: mtcae_detect::DetectError) -> DataError {
    DataError::Detector(e.to_string())
}

/// A JPEG's or PNG's pixels. The error says what is wrong with the file.
pub(crate) fn decode(bytes: &[u8]) -> Result<Image, String> {
    if is_cut_jpeg(bytes) {
        return Err(format!("JPEG of {} bytes breaks off before its end", bytes.len()));
    }
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| e.to_string())?;
    let mut decoder = reader.into_decoder().map_err(|e| e.to_string())?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(Image::MAX_SIDE);
    limits.max_image_height = Some(Image::MAX_SIDE);
    decoder.set_limits(limits).map_err(|e| e.to_string())?;
    // Phones store what they see and say how it was held. A file whose word on that cannot be read is taken as it is.
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut picture = image::DynamicImage::from_decoder(decoder).map_err(|e| e.to_string())?;
    picture.apply_orientation(orientation);
    let rgb = picture.into_rgb8();
    Image::from_rgb(rgb.width(), rgb.height(), rgb.into_raw()).map_err(|e| e.to_string())
}

/// Whether a JPEG lacks its end: the decoder would fill what is missing with grey and say nothing.
fn is_cut_jpeg(bytes: &[u8]) -> bool {
    let mut at = 2;
    // By the lengths of the segments, as a thumbnail in one of them has an end of its own.
    while let (true, Some(&[0xff, marker, high, low])) = (bytes.starts_with(b"\xff\xd8"), bytes.get(at..at + 4)) {
        match marker {
            0xda => return !bytes[at..].windows(2).any(|pair| pair == b"\xff\xd9"),
            0xff => at += 1,
            _ => at += 2 + usize::from(u16::from_be_bytes([high, low])),
        }
    }
    // Of anything else the decoder says what is wrong.
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn astronaut() -> Image {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/astronaut.png");
        decode(&std::fs::read(path).unwrap()).unwrap()
    }

    #[test]
    fn a_jpeg_that_breaks_off_is_no_picture() {
        let face = include_bytes!("../../../firmware/drivers/tests/fixtures/face.jpg");
        assert!(decode(face).is_ok());
        assert!(decode(&[&face[..], b"bytes behind its end"].concat()).is_ok());
        for len in 0..face.len() {
            assert!(decode(&face[..len]).is_err(), "{len} of {} bytes", face.len());
        }
        // A thumbnail inside does not stand in for the end.
        let app1 = [&[0xff, 0xe1][..], &(face.len() as u16 + 2).to_be_bytes(), face].concat();
        let with_thumbnail = [&face[..2], &app1, &face[2..]].concat();
        assert!(decode(&with_thumbnail).is_ok());
        assert!(decode(&with_thumbnail[..with_thumbnail.len() - 500]).is_err());
    }

    #[test]
    fn a_picture_that_lies_on_its_side_is_turned_as_its_exif_says() {
        let face = include_bytes!("../../../firmware/drivers/tests/fixtures/face.jpg");
        // One entry in big-endian TIFF: tag 0x112 (orientation), one short, 6 (a quarter turn to the right).
        let exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let app1 = [&[0xff, 0xe1][..], &(exif.len() as u16 + 2).to_be_bytes(), exif].concat();
        let turned = decode(&[&face[..2], &app1, &face[2..]].concat()).unwrap();
        let straight = decode(face).unwrap();
        let (w, h) = (straight.width() as usize, straight.height() as usize);
        assert_eq!((turned.width() as usize, turned.height() as usize), (h, w));
        let (from, to) = (straight.rgb().as_chunks::<3>().0, turned.rgb().as_chunks::<3>().0);
        // Each row becomes a column, the first one the last.
        assert!((0..h).all(|y| (0..w).all(|x| to[x * h + (h - 1 - y)] == from[y * w + x])));
        assert_ne!(to, from);
    }

    #[test]
    fn a_face_is_stored_in_the_middle_of_its_square() {
        let mut tight = vec![0; 48 * 48 * 3];
        Cropper::new().crop_resize(&astronaut(), Rect { x: 164.0, y: 57.0, w: 120.0, h: 120.0 }, 48, &mut tight);
        let tight = Image::from_rgb(48, 48, tight).unwrap();
        let sample = Annotator::new().unwrap().annotate(&tight, 96, 3).unwrap();
        assert!(sample.has_face);
        assert!(sample.face.center().distance(Point { x: 0.5, y: 0.5 }) < 1e-4);
        assert!((sample.face.w.max(sample.face.h) - 1.0 / 1.9).abs() < 1e-4, "{:?}", sample.face);
        let [left, right, nose, ..] = sample.landmarks;
        assert!(left.x < nose.x && nose.x < right.x && (0.3..0.7).contains(&nose.y), "{:?}", sample.landmarks);
        assert_eq!(sample.square.len(), 96 * 96 * 3);
    }

    #[test]
    fn without_a_face_the_whole_picture_is_framed() {
        let blank = Image::filled(60, 40, [9, 99, 0]).unwrap();
        let sample = Annotator::new().unwrap().annotate(&blank, 32, 1).unwrap();
        assert!(!sample.has_face);
        assert_eq!(sample.square, vec![luma(&[9, 99, 0]); 32 * 32]);
        let framing = sample.face.square_with_margin(FACE_MARGIN);
        let scale = (1.0 + 2.0 * FACE_MARGIN) / (1.0 + 2.0 * STORE_MARGIN);
        assert!((framing.w - scale).abs() < 1e-5 && (framing.x - (1.0 - scale) / 2.0).abs() < 1e-5);
    }

    #[test]
    fn broken_files_are_refused() {
        assert!(decode(b"not a picture").is_err());
        let png = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/astronaut.png")).unwrap();
        assert!(decode(&png[..png.len() / 2]).is_err());
    }
}
