//! How long a checkout of ICT-FaceKit takes to read, and how far it is from an `.npz` of it:
//! `cargo run --release -p mtcae-synth --example checkout -- CHECKOUT [ICT.npz]`

use mtcae_contract::Expression;
use mtcae_synth::{ClipSpec, FaceModel, Renderer, Vec3};
use std::{error::Error, path::Path, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let path = args.first().ok_or("usage: checkout CHECKOUT [ICT.npz]")?;
    let model = timed(path)?;
    let Some(other) = args.get(1) else { return Ok(()) };
    let other = timed(other)?;
    let names = model.expression_names().eq(other.expression_names());
    println!("triangles equal: {}, names equal: {names}", model.triangles() == other.triangles());
    println!("mean face: {:.1e} cm apart at most", apart(model.neutral(), other.neutral()));
    let one = |n: usize, i: usize| (0..n).map(|j| if i == j { 1.0 } else { 0.0 }).collect::<Vec<f32>>();
    let expressed = |m: &FaceModel, i| {
        let mut offsets = vec![[0.0; 3]; m.neutral().len()];
        m.express(&mut offsets, &one(m.expressions(), i));
        offsets
    };
    let expressions = (0..model.expressions()).map(|i| apart(&expressed(&model, i), &expressed(&other, i)));
    println!("expressions: {:.1e} cm", expressions.fold(0.0, f32::max));
    let person = |m: &FaceModel, i| m.person(&one(m.identities(), i));
    let persons = (0..model.identities()).map(|i| apart(&person(&model, i), &person(&other, i)));
    println!("persons: {:.1e} cm", persons.fold(0.0, f32::max));
    let spec = ClipSpec { label: Expression::Happy, subject: 7, size: 160, frames: 16 };
    let [a, b] = [&model, &other].map(|m| Renderer::new(m).render(&spec, 42));
    let (a, b) = (a?, b?);
    let pixels = a.frames.iter().zip(&b.frames).flat_map(|(a, b)| a.rgb().iter().zip(b.rgb()));
    let (all, differ) = pixels.fold((0, 0), |(all, differ), (a, b)| (all + 1, differ + usize::from(a != b)));
    println!("a clip of 160 pixels: {differ} of {all} bytes differ, boxes equal: {}", a.boxes == b.boxes);
    Ok(())
}

fn timed(path: &str) -> Result<FaceModel, Box<dyn Error>> {
    let start = Instant::now();
    let model = FaceModel::read(Path::new(path))?;
    let (seconds, shapes, persons) = (start.elapsed().as_secs_f64(), model.expressions(), model.identities());
    println!(
        "{path}: {shapes} expressions and {persons} persons of {} vertices in {seconds:.2} s",
        model.neutral().len()
    );
    Ok(model)
}

/// The greatest distance between points.
fn apart(a: &[Vec3], b: &[Vec3]) -> f32 {
    let far = |(a, b): (&Vec3, &Vec3)| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
    a.iter().zip(b).map(far).fold(0.0, f32::max)
}
