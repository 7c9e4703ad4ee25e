//! How well rendered faces are found: `cargo run --release -p mtcae-data --example check_synth -- ict.npz [CLIPS] [SIZE] [PICTURES]`
//!
//! Renders CLIPS clips (500) of SIZE pixels (160) of 8 expressions, looks for a face in the middle frame of each with MTCNN, and prints how
//! often one is found, how well box and landmarks agree with the exact ones, and clips rendered a second. PICTURES is a
//! folder for the frames in which none was found.

use mtcae_contract::{Expression, Rect};
use mtcae_detect::{Detector, DetectorConfig, TractNets};
use mtcae_synth::{ClipSpec, FaceModel, LabelledClip, Renderer};
use std::{error::Error, path::Path, time::Instant};

const LABELS: [Expression; 8] = [
    Expression::Neutral,
    Expression::Happy,
    Expression::Sad,
    Expression::Angry,
    Expression::Fear,
    Expression::Disgust,
    Expression::Surprise,
    Expression::Contempt,
];

/// Sums over the faces that were found.
#[derive(Default)]
struct Sums {
    found: usize,
    iou: f32,
    /// How far the found box's left, top, right and bottom edge is from the exact one's, in widths and heights.
    edges: [f32; 4],
    /// Distance of each landmark, and its offset rightwards and down, in distances between the eyes.
    marks: [[f32; 3]; 5],
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let path = args.first().ok_or("usage: check_synth ICT.npz [CLIPS] [SIZE] [PICTURES]")?;
    let number = |i: usize, other: usize| args.get(i).map_or(Ok(other), |a| a.parse());
    let (clips, size) = (number(1, 500)?, number(2, 160)?);
    let model = FaceModel::read(Path::new(path))?;
    let renderer = Renderer::new(&model);
    let mut detector = Detector::new(TractNets::new()?, DetectorConfig::default())?;
    let (mut sums, mut seconds) = (Sums::default(), 0.0);
    for i in 0..clips {
        let spec = ClipSpec { label: LABELS[i % 8], subject: i as u64 % 200, size, frames: 16 };
        let start = Instant::now();
        let clip = renderer.render(&spec, i as u64)?;
        seconds += start.elapsed().as_secs_f64();
        let frame = &clip.frames[8];
        let found = detector.detect(frame)?;
        let best = found.iter().max_by(|a, b| a.face.iou(&clip.boxes[8]).total_cmp(&b.face.iou(&clip.boxes[8])));
        match best.filter(|d| d.face.iou(&clip.boxes[8]) > 0.3) {
            Some(d) => sums.add(&clip, &d.face, &d.landmarks),
            None => {
                println!("clip {i} ({}, person {}): none; exact {:?}", spec.label, spec.subject, clip.boxes[8]);
                if let Some(folder) = args.get(3) {
                    let (side, rgb) = (size as u32, frame.rgb());
                    image::save_buffer(format!("{folder}/{i}.png"), rgb, side, side, image::ExtendedColorType::Rgb8)?;
                }
            }
        }
    }
    sums.print(clips);
    println!("{:.2} clips a second, one thread, {size} pixels", clips as f64 / seconds);
    Ok(())
}

impl Sums {
    fn add(&mut self, clip: &LabelledClip, found: &Rect, landmarks: &[mtcae_contract::Point; 5]) {
        let (exact, marks) = (&clip.boxes[8], &clip.landmarks[8]);
        self.found += 1;
        self.iou += exact.iou(found);
        let edges = [
            (found.x - exact.x) / exact.w,
            (found.y - exact.y) / exact.h,
            (found.x + found.w - exact.x - exact.w) / exact.w,
            (found.y + found.h - exact.y - exact.h) / exact.h,
        ];
        self.edges.iter_mut().zip(edges).for_each(|(s, e)| *s += e);
        let eyes = marks[0].distance(marks[1]).max(1.0);
        for ((s, a), b) in self.marks.iter_mut().zip(landmarks).zip(marks) {
            let by = [a.distance(*b), a.x - b.x, a.y - b.y];
            s.iter_mut().zip(by).for_each(|(s, d)| *s += d / eyes);
        }
    }

    fn print(&self, clips: usize) {
        let n = self.found.max(1) as f32;
        println!("found in {} of {clips} ({:.1} %)", self.found, 100.0 * self.found as f64 / clips.max(1) as f64);
        println!(
            "box: mean IoU {:.3}; found minus exact: left {:+.3} top {:+.3} right {:+.3} bottom {:+.3}",
            self.iou / n,
            self.edges[0] / n,
            self.edges[1] / n,
            self.edges[2] / n,
            self.edges[3] / n
        );
        for (name, s) in ["left eye", "right eye", "nose", "left corner", "right corner"].iter().zip(self.marks) {
            println!("{name:12} {:.3} eye distances off, mean {:+.3} right, {:+.3} down", s[0] / n, s[1] / n, s[2] / n);
        }
    }
}
