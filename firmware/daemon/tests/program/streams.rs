//! Several faces before a network that takes several clips side by side.

use super::firmware::{Bench, Firmware, shipped};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A board that looks at four faces in one picture; `None`, and why not, when ffmpeg is missing.
fn four_faces(streams: usize, sinks: &str) -> Option<(Bench, Firmware)> {
    four_faces_of(streams, sinks, None)
}

fn four_faces_of(streams: usize, sinks: &str, model: Option<&Path>) -> Option<(Bench, Firmware)> {
    let bench = Bench::new("source = \"file\"\npath = \"pictures\"\nloop = true\nrealtime = true", sinks);
    let text = std::fs::read_to_string(bench.board()).unwrap();
    std::fs::write(bench.board(), text.replace("streams = 1\n", &format!("streams = {streams}\n"))).unwrap();
    let folder = bench.dir.path().join("pictures");
    std::fs::create_dir(&folder).unwrap();
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-loglevel", "error", "-loop", "1", "-i"]).arg(shipped("firmware/drivers/tests/fixtures/face.jpg"));
    ffmpeg.args(["-vf", "scale=320:240,tile=2x2", "-frames:v", "1", "-q:v", "2"]).arg(folder.join("0.jpg"));
    match ffmpeg.status() {
        Ok(status) => assert!(status.success()),
        Err(e) => {
            println!("skipped: four faces in one picture because ffmpeg does not start: {e}");
            return None;
        }
    }
    std::fs::copy(folder.join("0.jpg"), folder.join("1.jpg")).unwrap();
    let source = format!("file:{}", folder.display());
    let mut arguments = vec!["--source", source.as_str()];
    if let Some(model) = model {
        arguments.extend(["--model", model.to_str().unwrap()]);
    }
    let firmware = bench.start(&arguments);
    Some((bench, firmware))
}

fn id(report: &Value) -> Option<u64> {
    report["face"]["id"].as_u64()
}

#[test]
fn a_mirror_is_said() {
    let bench = Bench::on_clip(true, "");
    let text = std::fs::read_to_string(bench.board()).unwrap();
    std::fs::write(bench.board(), text.replace("streams = 1\n", "streams = 2\nmirror = true\n")).unwrap();
    let firmware = bench.start(&[]);
    assert_eq!(firmware.next_of("hello")["engine"], "tract+mirror, 2 streams");
    firmware.says("engine  tract+mirror, 2 streams");
    firmware.next_that(|m| m["type"] == "report" && m["face"]["scores"].is_object());
}

#[test]
fn four_faces_and_two_streams_are_said_and_stay_in_order() {
    let Some((_bench, firmware)) = four_faces(2, "") else { return };
    assert_eq!(firmware.next_of("hello")["engine"], "tract, 2 streams");
    assert!(firmware.says("engine  tract, 2 streams").contains("fp32, 1 thread"));
    assert_eq!(firmware.next_of("status")["engine"], "tract, 2 streams");
    firmware.next_that(|m| m["type"] == "report" && m["faces"] == 4);
    let (mut seq, mut captured, mut ids) = (None, BTreeMap::new(), BTreeMap::<u64, u32>::new());
    for _ in 0..80 {
        let report = firmware.next_of("report");
        assert!(seq < report["seq"].as_u64(), "{seq:?} then {report}");
        seq = report["seq"].as_u64();
        let Some(id) = id(&report) else { continue };
        let at = report["captured_us"].as_u64().unwrap();
        assert!(captured.insert(id, at) < Some(at), "{report}");
        *ids.entry(id).or_default() += 1;
    }
    assert!(ids.len() == 4 && ids.values().all(|&n| n >= 10), "{ids:?}");
}

/// Processor time of the program, and its resident memory.
fn cost(firmware: &Firmware) -> (Duration, u64) {
    let text = std::fs::read_to_string(format!("/proc/{}/stat", firmware.id())).unwrap();
    let ticks: u64 =
        text.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(2).map(|n| n.parse::<u64>().unwrap()).sum();
    (Duration::from_millis(1000 * ticks / rustix::param::clock_ticks_per_second()), firmware.rss_kib())
}

/// With the model that ships, as many clips as go, at most 60 a second.
#[test]
#[ignore = "takes a minute, and says something on a quiet machine only"]
fn how_much_streams_bring() {
    for streams in [1, 2, 1, 2] {
        let model = shipped("models/zoo/edge");
        let Some((_bench, firmware)) = four_faces_of(streams, "max_hz = 60.0\n", Some(&model)) else { return };
        firmware.next_that(|m| m["faces"] == 4);
        let (begin, before) = (Instant::now(), cost(&firmware));
        let (mut reports, mut ids, mut ages) = (0u32, BTreeSet::new(), Vec::new());
        while begin.elapsed() < Duration::from_secs(12) {
            let report = firmware.next_of("report");
            reports += 1;
            ids.extend(id(&report));
            ages.push(report["age_us"].as_u64().unwrap());
        }
        let (seconds, after) = (begin.elapsed().as_secs_f64(), cost(&firmware));
        ages.sort();
        let cores = (after.0 - before.0).as_secs_f64() / seconds;
        println!(
            "{streams} streams: {:.1} clips/s of {} faces, age p50 {:.1} ms, {cores:.2} cores, {} MiB",
            f64::from(reports) / seconds,
            ids.len(),
            ages[ages.len() / 2] as f64 / 1e3,
            after.1 / 1024
        );
    }
}
