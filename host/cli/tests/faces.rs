//! A real person's smile through the whole pipeline, against MTCNN on every frame of the same video.
//!
//! The video may not be redistributed: it is read from the folder of development data beside the checkout, or from where
//! `MTCAE_CLIPS` points.

mod common;

use common::{mtcae, transcript};
use mtcae_contract::{Image, Rect};
use mtcae_detect::{Detector, DetectorConfig, TractNets};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// Size of `single_face.mp4`.
const SIZE: (u32, u32) = (640, 360);

/// The video, when it and ffmpeg are there.
fn video() -> Option<PathBuf> {
    let folder = std::env::var_os("MTCAE_CLIPS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/clips")),
        PathBuf::from,
    );
    let video = folder.join("single_face.mp4");
    if !video.exists() {
        println!("skipped: a real smile, because single_face.mp4 is not there (MTCAE_CLIPS names its folder)");
    } else if Command::new("ffmpeg").arg("-version").output().is_err() {
        println!("skipped: a real smile, because ffmpeg is not installed");
    } else {
        return Some(video);
    }
    None
}

/// MTCNN's box of the surest face in every frame, pixels.
fn reference(video: &std::path::Path) -> Vec<Rect> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(video)
        .args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", transcript(&output));
    let mut detector = Detector::new(TractNets::new().unwrap(), DetectorConfig::default()).unwrap();
    let frames = output.stdout.chunks_exact((SIZE.0 * SIZE.1 * 3) as usize);
    frames
        .map(|rgb| detector.detect(&Image::from_rgb(SIZE.0, SIZE.1, rgb.to_vec()).unwrap()).unwrap()[0].face)
        .collect()
}

/// A report's box in pixels.
fn reported(face: &Value) -> Rect {
    let of = |key: &str, side: u32| face["box"][key].as_f64().unwrap() as f32 * side as f32;
    Rect { x: of("x", SIZE.0), y: of("y", SIZE.1), w: of("w", SIZE.0), h: of("h", SIZE.1) }
}

#[test]
fn a_smile_is_seen_where_it_is() {
    let Some(video) = video() else { return };
    let arguments = ["demo", "--json", "--seconds", "12", "--clip", video.to_str().unwrap()];
    let output = mtcae(&arguments).output().unwrap();
    assert!(output.status.success(), "{}", transcript(&output));
    let objects = String::from_utf8(output.stdout).unwrap();
    let objects: Vec<Value> = objects.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let reports: Vec<&Value> = objects.iter().filter(|o| o["type"] == "report").collect();
    let faces: Vec<&Value> = reports.iter().map(|r| &r["face"]).filter(|face| !face.is_null()).collect();
    assert!(faces.len() * 100 >= reports.len() * 95, "{} of {} reports have a face", faces.len(), reports.len());

    let truth = reference(&video);
    assert_eq!(truth.len(), 72);
    let worst = |face: &&Value| truth.iter().map(|t| t.iou(&reported(face))).fold(1.0, f32::min);
    let least = faces.iter().map(worst).fold(1.0, f32::min);
    // The head hardly moves, so each reported box must cover the face of *every* frame.
    assert!(least >= 0.5, "a reported box has an IoU of {least} with MTCNN's");

    let leading = |face: &Value| {
        let scores = face["scores"].as_object().unwrap();
        scores.iter().max_by(|a, b| a.1.as_f64().unwrap().total_cmp(&b.1.as_f64().unwrap())).unwrap().0.clone()
    };
    let mut labels: Vec<&str> = faces.iter().filter_map(|face| face["label"].as_str()).collect();
    labels.dedup();
    println!("{} reports, {} with a face, least IoU {least:.2}, labels {labels:?}", reports.len(), faces.len());
    // He does not smile before 0.6 s, which the first report always precedes; whether it is sure enough for a label is
    // another matter.
    assert_eq!(leading(faces[0]), "neutral", "{}", faces[0]);
    let smile = faces.iter().position(|face| face["label"] == "happy").expect("the smile is named");
    assert!(smile > 0 && faces[smile]["state"] == "stable", "{}", faces[smile]);
}
