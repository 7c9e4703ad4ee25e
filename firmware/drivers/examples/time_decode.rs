//! Times the decoder: `cargo run --release -p mtcae-drivers --example time_decode -- FOLDER`, where FOLDER holds JPEG
//! pictures of one size (see the README for how they were made). Prints the table of the README.

use mtcae_drivers::{Chroma, FrameLayout, PictureDecoder, PixelFormat, Range};
use std::path::Path;
use std::time::Instant;

/// Median and 99th percentile of `run`, milliseconds.
fn time(mut run: impl FnMut(usize)) -> (f64, f64) {
    let mut ms: Vec<f64> = (0..300)
        .map(|i| {
            let begin = Instant::now();
            run(i);
            begin.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    ms.sort_by(f64::total_cmp);
    (ms[150], ms[297])
}

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let mut pictures = Vec::new();
    for entry in std::fs::read_dir(Path::new(&folder))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "jpg") {
            pictures.push(std::fs::read(path)?);
        }
    }
    println!("| what | median ms | p99 ms |\n|---|---|---|");
    let row = |what: &str, (p50, p99): (f64, f64)| println!("| {what} | {p50:.2} | {p99:.2} |");
    let mut decoder = PictureDecoder::new(640);
    if let Some(first) = pictures.first().map(|p| decoder.jpeg(p).map(|_| decoder.size())) {
        let (w, h) = first.unwrap_or_default();
        let bytes = pictures.iter().map(Vec::len).sum::<usize>() / pictures.len();
        let run = |i: usize| drop(decoder.jpeg(&pictures[i % pictures.len()]));
        row(&format!("MJPG {w}x{h}, {} KB a frame", bytes / 1000), time(run));
    }
    for (w, h) in [(640, 480), (1280, 720)] {
        let packed: Vec<u8> = (0..w * h * 2).map(|i| (i * 7 % 251) as u8).collect();
        let layout = FrameLayout { format: PixelFormat::Yuyv, width: w, height: h, stride: 0, range: Range::Limited };
        row(&format!("YUYV {w}x{h}"), time(|_| drop(decoder.frame(&packed, &layout))));
        let chroma = Some(Chroma { x: 1, y: 1 });
        row(&format!("Y4M 4:2:0 {w}x{h}"), time(|_| drop(decoder.planar(&packed, w, h, chroma, Range::Limited))));
    }
    Ok(())
}
