//! Long runs of the program: memory stays flat, nothing queues, reports stay in order and fresh, only messages on the line.
//! `MTCAE_SOAK_MINUTES` says how long the second one takes.

use super::faults::holdings;
use super::firmware::{Bench, clip, in_order, shipped};
use super::robot::Socket;
use mtcae_wire::{Up, encode};
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

/// More frames than anybody could use, with the model that ships: what is reported is as new at the end as at the beginning, the
/// program holds no more than at the beginning, and every byte on the line is one of a message.
#[test]
#[ignore = "takes half an hour"]
fn twice_the_sustainable_rate() {
    let minutes: u64 = std::env::var("MTCAE_SOAK_MINUTES").map_or(30, |n| n.parse().expect("a number of minutes"));
    let folder = tempfile::tempdir().unwrap();
    let fast = folder.path().join("fast.avi");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-i"]).arg(shipped("tests/data/carphone.avi"));
    let faster = ["-vf", "settb=1/1200,setpts=N*10", "-r", "120", "-c:v", "mjpeg", "-q:v", "3"];
    let made = ffmpeg.args(faster).arg(&fast).status();
    assert!(made.is_ok_and(|status| status.success()), "ffmpeg is needed");
    let socket = Socket::new();
    let mut robot = socket.plug_in();
    let sinks = "max_hz = 60.0\n".to_owned() + &socket.sink();
    let bench = Bench::new(&clip(fast.to_str().unwrap(), true), &sinks);
    let model = shipped("models/zoo/edge");
    let mut firmware = bench.start(&["--model", model.to_str().unwrap()]);

    let begin = Instant::now();
    let (mut bytes, mut first, mut held, mut most) = (0, None, None, (0, 0, 0));
    // Ages in milliseconds, a list a minute; frames and reports so far.
    let mut ages = vec![Vec::new(); minutes as usize];
    let (mut frames, mut reports) = (0u32, 0u32);
    while let Some(minute) = ages.get_mut((begin.elapsed().as_secs() / 60) as usize) {
        let message = robot.next();
        bytes += encode(&message).unwrap().len() as u64;
        match message {
            Up::Report(report) => {
                assert!(first < Some(report.seq), "{first:?} then {}", report.seq);
                first = Some(report.seq);
                reports += 1;
                minute.push(f64::from(report.age_us) / 1e3);
            }
            Up::Status(status) => {
                frames = status.counters.frames;
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
    let median = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let ages: Vec<f64> = ages.iter_mut().map(median).collect();
    let clips = reports as f32 / (60 * minutes) as f32;
    let frames = frames as f32 / (60 * minutes) as f32;
    println!("{minutes} minutes: {frames:.1} frames/s, {clips:.1} clips/s; median age of each minute {ages:.0?} ms");
    println!(
        "{} bytes on the line, {bytes} of them in messages; at most {most:?} (descriptors, threads, KiB)",
        robot.received
    );
    assert!(frames >= 2.0 * clips, "{frames} frames/s is not twice {clips} clips/s");
    assert!(robot.received.abs_diff(bytes) <= 8192, "{} bytes, {bytes} in messages", robot.received);
    let third = ages.len().div_ceil(3);
    let (mut early, mut late) = (ages[..third].to_vec(), ages[ages.len() - third..].to_vec());
    let (early, late) = (median(&mut early), median(&mut late));
    assert!(late <= 1.5 * early + 20.0, "{early} ms in the first third, {late} ms in the last");
}
