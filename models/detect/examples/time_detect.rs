//! Times the detector on pictures: `cargo run --release -p mtcae-detect --features tract --example time_detect -- PICTURE...`
//!
//! Prints the median over the pictures, each profile in turn on each picture so that a busy machine slows all alike.

use mtcae_contract::Image;
use mtcae_detect::{Detector, DetectorConfig, TractNets};
use std::{error::Error, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let mut images = Vec::new();
    for path in std::env::args().skip(1) {
        let rgb = image::open(&path)?.to_rgb8();
        images.push(Image::from_rgb(rgb.width(), rgb.height(), rgb.into_raw())?);
    }
    let mut default = Detector::new(TractNets::new()?, DetectorConfig::default())?;
    let mut fast = Detector::new(TractNets::new()?, DetectorConfig::fast())?;
    let mut times: [Vec<f64>; 4] = Default::default();
    let mut faces = [0; 4];
    let first = images.first().ok_or("usage: time_detect PICTURE...")?;
    for _ in 0..2 {
        default.detect(first)?;
        fast.detect(first)?;
    }
    for image in &images {
        let (found, ms) = timed(|| default.detect(image))?;
        times[0].push(ms);
        faces[0] += usize::from(!found.is_empty());
        let boxes: Vec<_> = found.iter().map(|d| d.face).collect();
        let (found, ms) = timed(|| fast.detect(image))?;
        times[1].push(ms);
        faces[1] += usize::from(!found.is_empty());
        let (found, ms) = timed(|| fast.refine(image, &boxes))?;
        times[2].push(ms);
        faces[2] += usize::from(!found.is_empty());
        let Some(face) = boxes.first() else { continue };
        let (found, ms) = timed(|| default.detect_near(image, *face))?;
        times[3].push(ms);
        faces[3] += usize::from(!found.is_empty());
    }
    for ((name, mut ms), faces) in ["default", "fast", "refine", "near"].iter().zip(times).zip(faces) {
        ms.sort_by(f64::total_cmp);
        let (p50, p95) = (ms[ms.len() / 2], ms[ms.len() * 95 / 100]);
        println!("{name:8} median {p50:6.2} ms, p95 {p95:6.2} ms, a face in {faces} of {} pictures", ms.len());
    }
    Ok(())
}

fn timed<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<(T, f64), E> {
    let start = Instant::now();
    Ok((work()?, start.elapsed().as_secs_f64() * 1e3))
}
