//! Known faces: pictures of the clips that ship, on a grey ground of 640x480, as a camera would give them.

use mtcae_core::FrameSource;
use mtcae_drivers::{FileOptions, FileSource, MonotonicClock, Pacing};
use std::path::Path;
use std::time::Duration;

pub const WIDTH: usize = 640;
pub const HEIGHT: usize = 480;
/// Bytes of a YUYV frame.
pub const YUYV: usize = WIDTH * HEIGHT * 2;

/// Luma and both chromas of each pixel, BT.601 in its limited range; two pixels side by side share their chroma.
pub struct Picture {
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

/// Clip, numbers of its frames, how often each pixel is repeated.
const SHOWN: [(&str, &[u32], usize); 2] = [("carphone.avi", &[0, 45, 90], 3), ("astronaut.avi", &[0, 60, 120], 2)];

/// Six pictures of two people.
pub fn shown() -> Vec<Picture> {
    SHOWN.iter().flat_map(|(clip, numbers, times)| of_clip(clip, numbers, *times)).collect()
}

fn of_clip(clip: &str, numbers: &[u32], times: usize) -> Vec<Picture> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data").join(clip);
    let options = FileOptions { pacing: Pacing::Fast, ..FileOptions::default() };
    let mut source = FileSource::open(&path, options, MonotonicClock::shared()).unwrap();
    let mut found = Vec::new();
    while found.len() < numbers.len() {
        let captured = source.next_frame(Duration::from_secs(5)).unwrap().expect("the clip is longer");
        if numbers.contains(&captured.seq) {
            let image = captured.image;
            found.push(Picture::from_rgb(image.rgb(), image.width() as usize, image.height() as usize, times));
        }
    }
    found
}

impl Picture {
    fn from_rgb(rgb: &[u8], width: usize, height: usize, times: usize) -> Picture {
        let (left, top) = ((WIDTH - width * times) / 2, (HEIGHT - height * times) / 2);
        let inside = |at: usize, from: usize, len: usize| at.checked_sub(from).map(|d| d / times).filter(|d| *d < len);
        let pixel = |x: usize, y: usize| match (inside(x, left, width), inside(y, top, height)) {
            (Some(x), Some(y)) => [0, 1, 2].map(|c| f32::from(rgb[(y * width + x) * 3 + c])),
            _ => [110.0; 3],
        };
        let mut picture = Picture { y: Vec::new(), u: Vec::new(), v: Vec::new() };
        for row in 0..HEIGHT {
            for column in (0..WIDTH).step_by(2) {
                let two = [pixel(column, row), pixel(column + 1, row)];
                picture.y.extend(two.map(|[r, g, b]| (16.0 + 0.257 * r + 0.504 * g + 0.098 * b).round() as u8));
                let [r, g, b] = [0, 1, 2].map(|c| (two[0][c] + two[1][c]) / 2.0);
                picture.u.push((128.0 - 0.148 * r - 0.291 * g + 0.439 * b).round() as u8);
                picture.v.push((128.0 + 0.439 * r - 0.368 * g - 0.071 * b).round() as u8);
            }
        }
        picture
    }

    /// As a camera gives it.
    pub fn yuyv(&self) -> Vec<u8> {
        let chroma = self.u.iter().zip(&self.v);
        self.y.chunks_exact(2).zip(chroma).flat_map(|(y, (u, v))| [y[0], *u, y[1], *v]).collect()
    }

    /// The same numbers in another order.
    pub fn uyvy(&self) -> Vec<u8> {
        self.yuyv().chunks_exact(2).flat_map(|pair| [pair[1], pair[0]]).collect()
    }

    /// Luma, then the chroma of every other row.
    pub fn nv12(&self) -> Vec<u8> {
        let mut bytes = self.y.clone();
        for row in (0..HEIGHT).step_by(2) {
            let half = row * WIDTH / 2..(row + 1) * WIDTH / 2;
            bytes.extend(self.u[half.clone()].iter().zip(&self.v[half]).flat_map(|(u, v)| [*u, *v]));
        }
        bytes
    }

    /// A Y4M file with the same numbers, `frames` times.
    pub fn y4m(&self, frames: usize) -> Vec<u8> {
        let mut file = format!("YUV4MPEG2 W{WIDTH} H{HEIGHT} F30:1 Ip A1:1 C422\n").into_bytes();
        for _ in 0..frames {
            file.extend_from_slice(b"FRAME\n");
            for plane in [&self.y, &self.u, &self.v] {
                file.extend_from_slice(plane);
            }
        }
        file
    }
}

/// Frames that no two are alike: noise of a fixed seed.
pub fn noise(frames: usize, bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..frames * bytes / 8).flat_map(|_| next().to_le_bytes()).collect()
}
