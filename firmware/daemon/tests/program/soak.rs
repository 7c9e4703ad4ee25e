//! Long runs of the program: memory stays flat, nothing queues, reports stay in order and fresh, only messages on the line.
//! `MTCAE_SOAK_MINUTES` says how long the second one takes, `MTCAE_SOAK_CAPTURE` where to keep the bytes of its line.

use super::faults::holdings;
use super::firmware::{Bench, clip, in_order, shipped};
use super::robot::Socket;
use mtcae_wire::{Up, encode};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Until then caches fill and plans are made.
const WARM_UP: Duration = Duration::from_secs(60);
const LENGTH: Duration = Duration::from_secs(600);
/// Growth after the warm-up that counts as flat, KiB.
const FLAT: u64 = 8 * 1024;

#[test]
#[ignore = "takes ten minutes"]
fn ten_minutes_of_a_looped_clip() {
    let socket = Socket::new();
    let mut robot = socket.plug_in();
    let sinks = socket.sink() + "[[sink]]\nkind = \"stdout\"\n";
    let bench = Bench::on_clip(true, &sinks);
    let mut firmware = bench.start(&[]);
    let (begin, mut warm, mut most, mut last, mut reports, mut faces) = (Instant::now(), 0, 0, None, 0u64, 0u64);
    let mut kept = Vec::new();
    while begin.elapsed() < LENGTH {
        if let Up::Report(report) = robot.next() {
            assert!(last < Some(report.seq), "{last:?} then {}", report.seq);
            last = Some(report.seq);
            reports += 1;
            faces += u64::from(report.face.is_some());
            assert_eq!(report.dropped, 0);
            kept.push(firmware.next_of("report"));
            in_order(&kept);
            kept.drain(..kept.len() - 1);
        }
        let rss = firmware.rss_kib();
        if begin.elapsed() < WARM_UP {
            warm = warm.max(rss);
        } else {
            most = most.max(rss);
            assert!(rss <= warm + FLAT, "{rss} KiB, after the warm-up {warm} KiB");
        }
    }
    firmware.terminate();
    assert_eq!(firmware.wait().code(), Some(0));
    println!("{reports} reports, {faces} with a face; {warm} KiB after a minute, at most {most} KiB afterwards");
    println!("{}", firmware.says("ended after"));
    assert!(reports > 1000 && faces * 10 > reports * 8);
}

/// What the second test notes of each minute.
#[derive(Default)]
struct Minute {
    /// Ages of its reports, milliseconds.
    ages: Vec<f64>,
    /// Most frames counted so far.
    frames: u32,
}

impl Minute {
    fn median(&mut self) -> f64 {
        self.ages.sort_by(f64::total_cmp);
        self.ages[self.ages.len() / 2]
    }

    /// Time from one report to the next, milliseconds.
    fn pause(&self) -> f64 {
        60e3 / self.ages.len() as f64
    }
}

/// A film of 120 pictures a second: more than anybody could use.
fn fast_film(path: &Path) {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-i"]).arg(shipped("tests/data/carphone.avi"));
    let faster = ["-vf", "settb=1/1200,setpts=N*10", "-r", "120", "-c:v", "mjpeg", "-q:v", "3"];
    let made = ffmpeg.args(faster).arg(path).status();
    assert!(made.is_ok_and(|status| status.success()), "ffmpeg is needed");
}

/// More frames than anybody could use, with the model that ships: what is reported is as new at the end as at the beginning, the
/// program holds no more than at the beginning, and every byte on the line is one of a message.
#[test]
#[ignore = "takes half an hour"]
fn twice_the_sustainable_rate() {
    let minutes: u64 = std::env::var("MTCAE_SOAK_MINUTES").map_or(30, |n| n.parse().expect("a number of minutes"));
    let folder = tempfile::tempdir().unwrap();
    let fast = folder.path().join("fast.avi");
    fast_film(&fast);
    let socket = Socket::new();
    let mut robot = socket.plug_in();
    robot.capture = Some(Vec::new());
    let sinks = "max_hz = 60.0\n".to_owned() + &socket.sink();
    let bench = Bench::new(&clip(fast.to_str().unwrap(), true), &sinks);
    let model = shipped("models/zoo/edge");
    let mut firmware = bench.start(&["--model", model.to_str().unwrap()]);

    let begin = Instant::now();
    let (mut spoken, mut last, mut held, mut most) = (Vec::new(), None, None, (0, 0, 0));
    let mut notes: Vec<Minute> = (0..minutes).map(|_| Minute::default()).collect();
    while let Some(minute) = notes.get_mut((begin.elapsed().as_secs() / 60) as usize) {
        let message = robot.next();
        spoken.extend_from_slice(&encode(&message).unwrap());
        match message {
            Up::Report(report) => {
                assert!(last < Some(report.seq), "{last:?} then {}", report.seq);
                last = Some(report.seq);
                minute.ages.push(f64::from(report.age_us) / 1e3);
            }
            Up::Status(status) => {
                minute.frames = status.counters.frames;
                let now = holdings(&firmware);
                if begin.elapsed() >= WARM_UP {
                    let (fds, threads, rss) = *held.get_or_insert(now);
                    assert!(now.0 <= fds + 1 && now.1 <= threads && now.2 <= rss + FLAT, "{now:?}, at first {held:?}");
                }
                most = (most.0.max(now.0), most.1.max(now.1), most.2.max(now.2));
            }
            _ => {}
        }
    }
    firmware.terminate();
    assert_eq!(firmware.wait().code(), Some(0));
    robot.rest().iter().for_each(|message| spoken.extend_from_slice(&encode(message).unwrap()));
    let (pauses, ages): (Vec<f64>, Vec<f64>) = notes.iter_mut().map(|note| (note.pause(), note.median())).unzip();
    let reports: usize = notes.iter().map(|note| note.ages.len()).sum();
    let seconds = 60.0 * minutes as f64;
    let frames = f64::from(notes.iter().map(|note| note.frames).max().unwrap_or(0));
    println!("{minutes} minutes: {:.1} frames/s, {:.1} clips/s", frames / seconds, reports as f64 / seconds);
    println!("each minute: median age {ages:.0?} ms, from one report to the next {pauses:.0?} ms");
    println!("at most {most:?} (descriptors, threads, KiB); at first {held:?}");
    let capture = robot.capture.unwrap();
    println!("{} bytes on the line, {} of them in messages", capture.len(), spoken.len());
    if let Some(path) = std::env::var_os("MTCAE_SOAK_CAPTURE") {
        std::fs::write(path, &capture).unwrap();
    }
    // A line begins with a delimiter, which ends whatever was on it before.
    assert!(capture == [&[0][..], &spoken].concat(), "something else than messages is on the line");
    assert!(frames >= 2.0 * reports as f64, "{frames} frames are not twice {reports} clips");
    // What queues grows older by half a second each second. What does not is as old as the answer takes, however fast the machine is.
    for (age, pause) in ages.iter().zip(&pauses) {
        assert!(*age <= 2.0 * pause + 20.0, "reports are {age} ms old in a minute that has one each {pause} ms");
    }
}
