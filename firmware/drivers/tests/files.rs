//! The file source on real bytes: whole, cut, mutated, absent.
#![cfg(feature = "file")]

use insta::assert_snapshot;
use mtcae_contract::Micros;
use mtcae_core::{Captured, Clock, FrameSource, SourceError};
use mtcae_drivers::{FileOptions, FileSource, MonotonicClock, Pacing};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const FACE: &[u8] = include_bytes!("fixtures/face.jpg");
const SECOND: Duration = Duration::from_secs(1);

fn data(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data")).join(name)
}

fn fast() -> FileOptions {
    FileOptions { pacing: Pacing::Fast, ..FileOptions::default() }
}

fn open(path: &Path, options: FileOptions) -> Result<FileSource, SourceError> {
    FileSource::open(path, options, MonotonicClock::shared())
}

/// The text of a refusal, the file called FILE.
fn refusal(path: &Path, options: FileOptions) -> String {
    match open(path, options).map(|_| ()) {
        Err(SourceError::Refused(text)) => text.replace(&path.display().to_string(), "FILE"),
        other => panic!("{other:?}"),
    }
}

/// Good frames and bad ones up to the end.
fn play(source: &mut FileSource) -> (Vec<Captured>, u32) {
    let (mut good, mut bad) = (Vec::new(), 0);
    loop {
        match source.next_frame(SECOND) {
            Ok(Some(frame)) => good.push(frame),
            Ok(None) => {}
            Err(SourceError::BadFrame(_)) => bad += 1,
            Err(SourceError::End) => return (good, bad),
            Err(e) => panic!("{e}"),
        }
    }
}

fn write(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

/// A clock that moves by itself, a millisecond a look, and by hand.
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now(&self) -> Micros {
        self.0.fetch_add(1000, Ordering::SeqCst)
    }
}

#[test]
fn the_shipped_clips_play() {
    for (name, size, frames, fps) in
        [("carphone.avi", (176, 144), 120, 29.97), ("astronaut.avi", (320, 240), 175, 25.0)]
    {
        let mut source = open(&data(name), fast()).unwrap();
        let info = source.info();
        assert_eq!((info.width, info.height, info.format.as_str()), (size.0, size.1, "MJPEG"));
        assert!((info.fps - fps).abs() < 0.01, "{info:?}");
        let (good, bad) = play(&mut source);
        assert_eq!((good.len(), bad), (frames, 0));
        let seconds = (good[frames - 1].captured - good[0].captured) as f64 / 1e6;
        assert!((seconds - (frames - 1) as f64 / f64::from(fps)).abs() < 0.01);
        assert!(good.iter().enumerate().all(|(i, f)| f.seq as usize == i));
        assert_eq!(source.next_frame(SECOND).unwrap_err(), SourceError::End);
    }
}

#[test]
fn truncated_pictures_are_skipped_and_counted() {
    let cut = &FACE[..1500];
    let stream = [b"junk" as &[u8], FACE, FACE, cut, FACE, b"--boundary\r\n", FACE, cut].concat();
    let (_dir, path) = write("x.mjpeg", &[&stream[4..], &stream[..]].concat());
    let mut source = open(&path, fast()).unwrap();
    let (good, bad) = play(&mut source);
    assert_eq!((good.len(), bad), (8, 4));
    let seqs: Vec<u32> = good.iter().map(|f| f.seq).collect();
    assert_eq!(seqs, [0, 1, 3, 4, 6, 7, 9, 10]);
    assert_eq!(source.info().fps, 25.0);
}

#[test]
fn looping_goes_on_in_time_and_number() {
    let (_dir, path) = write("x.mjpeg", &FACE.repeat(3));
    let mut source = open(&path, FileOptions { looped: true, fps: 100.0, ..fast() }).unwrap();
    let frames: Vec<Captured> = (0..10).map(|_| source.next_frame(SECOND).unwrap().unwrap()).collect();
    assert!(frames.windows(2).all(|w| w[1].captured - w[0].captured == 10_000 && w[1].seq == w[0].seq + 1));
    let (_dir, path) = write("x.mjpeg", &[FACE, &FACE[..1500]].concat());
    let mut source = open(&path, FileOptions { looped: true, ..fast() }).unwrap();
    let results: Vec<bool> = (0..6).map(|_| source.next_frame(SECOND).is_ok()).collect();
    assert_eq!(results, [true, false, true, false, true, false]);
}

#[test]
fn real_time_keeps_to_the_clock_and_the_newest_wins() {
    let (_dir, path) = write("x.mjpeg", &FACE.repeat(400));
    let clock = Arc::new(Hand(AtomicU64::new(5_000_000)));
    let options = FileOptions { fps: 50.0, ..FileOptions::default() };
    let mut source = FileSource::open(&path, options, clock.clone()).unwrap();
    let first = source.next_frame(SECOND).unwrap().unwrap();
    let second = source.next_frame(SECOND).unwrap().unwrap();
    assert_eq!((second.seq, second.captured - first.captured), (1, 20_000));
    assert!(clock.now() >= second.captured);
    assert!(source.next_frame(Duration::ZERO).unwrap().is_none());
    clock.0.fetch_add(1_000_000, Ordering::SeqCst);
    let late = source.next_frame(SECOND).unwrap().unwrap();
    assert!((50..=53).contains(&late.seq), "{}", late.seq);
    assert_eq!(late.captured - first.captured, u64::from(late.seq) * 20_000);
    // After a long sleep it resumes where it stood.
    clock.0.fetch_add(60_000_000, Ordering::SeqCst);
    let resumed = source.next_frame(SECOND).unwrap().unwrap();
    assert_eq!(resumed.seq, late.seq + 1);
    assert!(resumed.captured > late.captured + 59_000_000 && resumed.captured <= clock.now());
}

#[test]
fn y4m_of_every_chroma_plays() {
    for (tag, bytes) in [("420jpeg", 12), ("422", 16), ("444", 24), ("mono", 8)] {
        let mut file = format!("YUV4MPEG2 W4 H2 F50:2 C{tag}\n").into_bytes();
        for luma in [50, 200] {
            file.extend(b"FRAME\n");
            file.extend([luma; 8]);
            file.extend(vec![128; bytes - 8]);
        }
        file.extend(b"FRAME\n123");
        let (_dir, path) = write("x.y4m", &file);
        let (good, bad) = play(&mut open(&path, fast()).unwrap());
        assert_eq!((good.len(), bad), (2, 1), "{tag}");
        let [r, g, b] = good[1].image.pixel(3, 1);
        assert!(r == g && g == b && r > 205, "{tag}: {r}");
    }
}

#[test]
fn a_folder_plays_in_the_order_of_its_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let png = std::fs::read(data("astronaut.png")).unwrap();
    for (name, bytes) in
        [("f10.jpg", FACE), ("f2.JPG", FACE), ("f1.png", &png), ("f3.jpg", &FACE[..99]), ("notes.txt", b"x")]
    {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    let mut source = open(dir.path(), fast()).unwrap();
    assert_eq!((source.info().width, source.info().format.as_str()), (512, "stills"));
    let (good, bad) = play(&mut source);
    let sizes: Vec<u32> = good.iter().map(|f| f.image.width()).collect();
    assert_eq!((sizes, bad), (vec![512, 128, 128], 1));
}

#[test]
fn useless_files_are_named_with_what_is_accepted() {
    assert_snapshot!(refusal(Path::new("/no/such.avi"), fast()), @"FILE: there is no such file; give an MJPEG stream, AVI with MJPEG, Y4M, a folder of JPEG or PNG pictures, or any video that ffmpeg reads");
    let (dir, path) = write("x.avi", b"");
    assert!(refusal(&path, fast()).starts_with("FILE: the file is empty; give "));
    assert!(refusal(dir.path(), fast()).starts_with("FILE: the folder holds no .jpg, .jpeg or .png file; give "));
    let (_dir, path) = write("x.mjpeg", &FACE[..1500]);
    assert!(refusal(&path, fast()).starts_with("FILE: no picture could be decoded: the last JPEG picture breaks off"));
    let (_dir, path) = write("x.y4m", b"YUV4MPEG2 W8 H8 C420p10\n");
    assert!(refusal(&path, fast()).starts_with("FILE: Y4M header: chroma `C420p10`; accepted: "));
    let (_dir, path) = write("x.avi", b"RIFF\x04\0\0\0AVI ");
    assert!(refusal(&path, fast()).starts_with("FILE: AVI: there is no video stream; give "));
    let bad_fps = FileOptions { fps: 0.0, ..fast() };
    assert_snapshot!(refusal(&path, bad_fps), @"frames per second is 0; accepted: 0.1 to 1000");
}

#[test]
fn a_missing_ffmpeg_is_said_with_the_next_step() {
    let (_dir, path) = write("x.mp4", b"\0\0\0\x20ftypisom");
    let options = FileOptions { ffmpeg: "/nowhere/ffmpeg".into(), ..fast() };
    assert_snapshot!(refusal(&path, options), @"FILE: this kind of video is read through ffmpeg, and ffmpeg is not installed (/nowhere/ffmpeg was not found); install it (`sudo apt install ffmpeg`), or convert the video elsewhere to AVI with MJPEG");
}

/// False, with the reason printed, where ffmpeg is not installed.
fn have_ffmpeg() -> bool {
    let have = std::process::Command::new("ffmpeg").arg("-version").output().is_ok();
    if !have {
        println!("skipped: videos through ffmpeg, because ffmpeg is not installed");
    }
    have
}

#[test]
fn other_videos_play_through_ffmpeg() {
    if !have_ffmpeg() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("-odd name.mkv");
    let made = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=20:duration=1", "-c:v", "mpeg4"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    let mut source = open(&path, fast()).unwrap();
    assert_eq!((source.info().width, source.info().fps), (160, 20.0));
    let (good, bad) = play(&mut source);
    assert_eq!((good.len(), bad), (20, 0));
    let mut looped = open(&path, FileOptions { looped: true, ..fast() }).unwrap();
    assert!((0..50).all(|_| looped.next_frame(SECOND).unwrap().is_some()));
    let (_dir, path) = write("x.mp4", &[7; 5000]);
    let text = refusal(&path, fast());
    assert!(text.starts_with("FILE: ffmpeg cannot read it: ") && text.contains("Invalid data"), "{text}");
}

#[test]
fn a_hung_child_is_not_waited_for_and_is_reaped() {
    let (dir, script) =
        write("ffmpeg", b"#!/bin/sh\nprintf 'YUV4MPEG2 W4 H2 F25:1 Cmono\\nFRAME\\n12345678'\nexec sleep 300\n");
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let video = dir.path().join("x.mp4");
    std::fs::write(&video, "video").unwrap();
    let mut source = open(&video, FileOptions { ffmpeg: script, ..fast() }).unwrap();
    assert!(source.next_frame(SECOND).unwrap().is_some());
    let begin = std::time::Instant::now();
    assert!(source.next_frame(Duration::from_millis(50)).unwrap().is_none());
    drop(source);
    assert!(begin.elapsed() < SECOND);
    let me = std::process::id().to_string();
    let children = std::process::Command::new("ps").args(["--ppid", &me, "-o", "args="]).output();
    if let Ok(out) = children {
        assert!(!String::from_utf8_lossy(&out.stdout).contains("sleep 300"));
    }
}

#[test]
fn a_thousand_damaged_avi_files_are_survived() {
    let whole = std::fs::read(data("carphone.avi")).unwrap();
    // The headers and the first pictures.
    let base = &whole[..24_000];
    let mut seed = 3u64;
    let mut next = || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.avi");
    // Never asked of ffmpeg: this is about the reader here.
    let options = FileOptions { ffmpeg: "/nowhere/ffmpeg".into(), max_side: 64, ..fast() };
    let (mut refused, mut bad, mut good) = (0, 0, 0);
    for round in 0..1000 {
        let mut bytes = base[..base.len() - next() % 8_000].to_vec();
        for _ in 0..1 + next() % 8 {
            // Half of the damage goes to the headers, where it is dearest.
            let at = if next() % 2 == 0 { next() % 400 } else { next() % bytes.len() };
            bytes[at] = next() as u8;
        }
        std::fs::write(&path, &bytes).unwrap();
        match open(&path, options.clone()) {
            Err(SourceError::Refused(_)) => refused += 1,
            Err(e) => panic!("round {round}: {e}"),
            Ok(mut source) => {
                let (frames, broken) = play(&mut source);
                good += frames.len();
                bad += broken;
            }
        }
    }
    println!("1000 damaged files: {refused} refused, {good} good and {bad} bad pictures in the others");
    assert!(refused > 10 && bad > 100 && good > 500);
}
