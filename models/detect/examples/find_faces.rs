//! Finds faces in pictures: `cargo run --release -p mtcae-detect --features tract --example find_faces -- PICTURE...`
//!
//! One JSON object a picture: its path, and of each face x, y, width, height (pixels), score and five points. Settings are the default
//! ones, which are those of the Python packages (`tests/compare_packages.py`).

use mtcae_contract::Image;
use mtcae_detect::{Detection, Detector, DetectorConfig, TractNets};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut detector = Detector::new(TractNets::new()?, DetectorConfig::default())?;
    for path in std::env::args().skip(1) {
        let rgb = image::open(&path)?.to_rgb8();
        let image = Image::from_rgb(rgb.width(), rgb.height(), rgb.into_raw())?;
        let faces: Vec<String> = detector.detect(&image)?.iter().map(json).collect();
        println!("{{\"picture\":{path:?},\"faces\":[{}]}}", faces.join(","));
    }
    Ok(())
}

fn json(d: &Detection) -> String {
    let points: Vec<String> = d.landmarks.iter().map(|p| format!("[{},{}]", p.x, p.y)).collect();
    let f = d.face;
    format!("{{\"box\":[{},{},{},{}],\"score\":{},\"points\":[{}]}}", f.x, f.y, f.w, f.h, d.score, points.join(","))
}
