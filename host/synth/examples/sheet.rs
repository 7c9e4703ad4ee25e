//! Renders clips into a picture: `cargo run --release -p mtcae-synth --example sheet -- MODEL OUT.png [CLIPS] [SIZE] [FIRST SEED]`
//!
//! A row is a clip: eight of its frames. Expressions take turns from the top.

use mtcae_contract::Expression;
use mtcae_synth::{ClipSpec, FaceModel, Renderer};
use std::{error::Error, path::Path, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [model, out, ..] = &args[..] else {
        return Err("usage: sheet MODEL OUT.png [CLIPS] [SIZE] [FIRST SEED]".into());
    };
    let number = |i: usize, other: usize| args.get(i).map_or(Ok(other), |a| a.parse());
    let (clips, size, first) = (number(2, 8)?, number(3, 160)?, number(4, 0)?);
    let model = if model == "sketch" { FaceModel::sketch() } else { FaceModel::read(Path::new(model))? };
    let renderer = Renderer::new(&model);
    let mut sheet = vec![0; clips * size * size * 8 * 3];
    let mut seconds = 0.0;
    let labels = Expression::ALL.into_iter().filter(|e| *e != Expression::Calm).collect::<Vec<_>>();
    for row in 0..clips {
        let seed = (first + row) as u64;
        let spec = ClipSpec { label: labels[row % labels.len()], subject: seed, size, frames: 16 };
        let start = Instant::now();
        let clip = renderer.render(&spec, seed)?;
        seconds += start.elapsed().as_secs_f64();
        for column in 0..8 {
            let frame = &clip.frames[column * 2 + 1];
            for (y, line) in frame.rgb().chunks_exact(size * 3).enumerate() {
                let at = ((row * size + y) * 8 + column) * size * 3;
                sheet[at..at + size * 3].copy_from_slice(line);
            }
        }
    }
    let (width, height) = ((8 * size) as u32, (clips * size) as u32);
    image::save_buffer(out, &sheet, width, height, image::ExtendedColorType::Rgb8)?;
    println!("{:.2} clips a second, one thread, {size} pixels", clips as f64 / seconds);
    Ok(())
}
