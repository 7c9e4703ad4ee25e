//! Small videos: a portrait before a camera that moves, or clips of people who do not exist.

use mtcae_contract::{Expression, Image};
use mtcae_synth::{ClipSpec, FaceModel, Renderer};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const PORTRAIT: &[u8] = include_bytes!("../../../../tests/data/astronaut.png");

/// Side of a frame, pixels.
pub const SIDE: usize = 160;

/// Whether the programs are there that encode and decode; says so when they are not.
pub fn ffmpeg() -> bool {
    let there = |program| Command::new(program).arg("-version").stdout(Stdio::null()).status().is_ok();
    let all = there("ffmpeg") && there("ffprobe");
    if !all {
        println!("skipped: ffmpeg is not installed");
    }
    all
}

/// A real face, the view a little farther to the right in each frame.
pub fn portrait(frames: usize) -> Vec<Image> {
    let picture = image::load_from_memory(PORTRAIT).unwrap().into_rgb8();
    let view = |t: usize| {
        let part = image::imageops::crop_imm(&picture, 90 + 2 * t as u32, 0, 256, 256).to_image();
        let side = SIDE as u32;
        let small = image::imageops::resize(&part, side, side, image::imageops::FilterType::Triangle);
        Image::from_rgb(side, side, small.into_raw()).unwrap()
    };
    (0..frames).map(view).collect()
}

/// Clips of persons who do not exist, when the face model is where it is kept for development; otherwise the portrait.
pub struct Cast(Option<FaceModel>);

impl Cast {
    pub fn new() -> Cast {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/ict-facekit/ict.npz");
        Cast(path.is_file().then(|| FaceModel::read(&path).unwrap()))
    }

    pub fn clip(&self, label: Expression, subject: u64, frames: usize) -> Vec<Image> {
        let Some(model) = &self.0 else { return portrait(frames) };
        let spec = ClipSpec { label, subject, size: SIDE, frames };
        Renderer::new(model).render(&spec, subject * 100 + label as u64).unwrap().frames
    }
}

/// Encodes `frames`; the extension decides the container.
pub fn encode(path: &Path, frames: &[Image]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let codec = if path.extension().is_some_and(|e| e == "flv") { "flv" } else { "mpeg4" };
    let size = format!("{}x{}", frames[0].width(), frames[0].height());
    let mut child = Command::new("ffmpeg")
        .args([
            "-loglevel",
            "error",
            "-y",
            "-f",
            "rawvideo",
            "-pix_fmt",
            "rgb24",
            "-s",
            &size,
            "-r",
            "12",
            "-i",
            "pipe:0",
        ])
        .args(["-c:v", codec, "-q:v", "3"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    frames.iter().for_each(|frame| pipe.write_all(frame.rgb()).unwrap());
    drop(pipe);
    assert!(child.wait().unwrap().success(), "{}", path.display());
}

/// A file with sound and nothing else.
pub fn encode_sound(path: &Path) {
    let made = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-y", "-f", "lavfi", "-i", "sine=duration=0.5", "-c:a", "aac"])
        .arg(path)
        .status();
    assert!(made.unwrap().success());
}
