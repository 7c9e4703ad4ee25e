//! The program on clips: what it says, what it sends, how it ends.

use super::firmware::{Bench, in_order, shipped};
use insta::assert_snapshot;

#[test]
fn it_says_what_runs_and_ends_with_its_clip() {
    let bench = Bench::on_clip(false, "");
    let mut firmware = bench.start(&[]);
    assert_eq!(firmware.wait().code(), Some(0), "{:?}", firmware.errors());
    let filters = vec![
        (r"source  .*astronaut\.avi", "source  astronaut.avi"),
        (r"\([0-9a-f]{12}\)", "(HASH)"),
        (r"\d+\.\d ms in trial", "N ms in trial"),
        (r"ended after .*", "ended after ..."),
        (r"mtcae-firmware \d+\.\d+\.\d+", "mtcae-firmware VERSION"),
    ];
    insta::with_settings!({filters => filters}, {
        assert_snapshot!(firmware.errors().join("\n"), @"
        mtcae-firmware VERSION
        board   bench (pc)
        source  astronaut.avi, MJPEG, 320x240, 25.0 frames/s
        model   tiny-test 0.1.0 (HASH), 2 frames of 16x16 in 0.5 s, face with a margin of 0.2
        engine  tract, fp32, 1 thread, N ms in trial
        sinks   stdout
        ended after ...
        ");
    });
    let messages = firmware.rest();
    assert_eq!(messages[0]["type"], "hello");
    assert_eq!(messages[0]["labels"], serde_json::json!(["neutral", "happy", "sad"]));
    assert_eq!((&messages[0]["device"], &messages[0]["engine"]), (&"bench".into(), &"tract".into()));
    let (reports, with_face) = in_order(&messages);
    assert!(reports >= 2 && with_face * 2 > reports, "{with_face} of {reports}");
}

#[test]
fn it_ends_cleanly_when_told_to() {
    let bench = Bench::on_clip(true, "");
    let mut firmware = bench.start(&[]);
    let report = firmware.next_that(|m| m["face"].is_object());
    assert!(report["age_us"].as_u64() < Some(10_000_000), "{report}");
    let status = firmware.next_that(|m| m["type"] == "status" && m["counters"]["clips"].as_u64() > Some(0));
    assert_eq!((&status["camera"], &status["sink"]), (&"streaming".into(), &"connected".into()));
    assert!(
        status["rss_kib"].as_u64() > Some(1000) && status["latency_us"]["infer"]["p50"].as_u64() > Some(0),
        "{status}"
    );
    firmware.terminate();
    let begin = std::time::Instant::now();
    assert_eq!(firmware.wait().code(), Some(0), "{:?}", firmware.errors());
    assert!(begin.elapsed().as_secs() < 10);
    assert!(firmware.says("ended after").contains("reports made"));
}

#[test]
fn a_hot_board_works_less_and_says_so() {
    let zones = tempfile::tempdir().unwrap();
    std::fs::create_dir(zones.path().join("thermal_zone0")).unwrap();
    let temperature = zones.path().join("thermal_zone0/temp");
    std::fs::write(&temperature, "45000").unwrap();
    let bench = Bench::on_clip(true, "[[sink]]\nkind = \"stdout\"\n");
    let text = std::fs::read_to_string(bench.board()).unwrap();
    let thermal = format!("[board]\nthermal = {:?}\n", zones.path());
    std::fs::write(bench.board(), text.replacen("[board]\n", &thermal, 1)).unwrap();
    let firmware = bench.start(&[]);
    let cool = firmware.next_that(|m| m["type"] == "status" && m["temperature_c"] == 45.0);
    assert_eq!((&cool["clips_per_s"], &cool["parts"]["temperature"]), (&15.0.into(), &"good".into()), "{cool}");
    std::fs::write(&temperature, "85000").unwrap();
    firmware.says("warning: the board is too hot: at most 7.5 clips a second");
    let hot = firmware.next_that(|m| m["type"] == "status" && m["parts"]["temperature"] == "strained");
    assert_eq!(hot["clips_per_s"], 7.5, "{hot}");
    std::fs::write(&temperature, "99000").unwrap();
    let critical = firmware.next_that(|m| m["type"] == "status" && m["parts"]["temperature"] == "bad");
    assert_eq!(critical["clips_per_s"], 0.9, "{critical}");
    let clips = |m: &serde_json::Value| (m["counters"]["clips"].as_u64().unwrap(), m["uptime_ms"].as_u64().unwrap());
    let (before, began) = clips(&firmware.next_of("status"));
    let later = firmware.next_that(|m| m["type"] == "status" && m["uptime_ms"].as_u64() > Some(began + 4000));
    let (after, ended) = clips(&later);
    let most = (ended - began) * 15 / 16 / 1000 + 2;
    assert!((1..=most).contains(&(after - before)), "{} clips in {} ms", after - before, ended - began);
}

#[test]
fn two_faces_take_turns() {
    let bench = Bench::new("source = \"file\"\npath = \"pictures\"\nloop = true\nrealtime = true", "");
    let folder = bench.dir.path().join("pictures");
    std::fs::create_dir(&folder).unwrap();
    let face = shipped("firmware/drivers/tests/fixtures/face.jpg");
    // The same face twice, the right one mirrored.
    let done = std::process::Command::new("ffmpeg")
        .args(["-loglevel", "error", "-i"])
        .arg(&face)
        .args(["-filter_complex", "[0]scale=320:240,split[a][b];[b]hflip[c];[a][c]hstack", "-q:v", "2"])
        .arg(folder.join("both.jpg"))
        .status();
    match done {
        Ok(status) => assert!(status.success()),
        Err(e) => return println!("skipped: two faces in one picture because ffmpeg does not start: {e}"),
    }
    std::fs::copy(folder.join("both.jpg"), folder.join("again.jpg")).unwrap();
    let firmware = bench.start(&["--source", &format!("file:{}", folder.display())]);
    firmware.next_that(|m| m["type"] == "report" && m["faces"] == 2);
    let reports: Vec<_> = (0..16).map(|_| firmware.next_of("report")).collect();
    let places: Vec<(u64, f64)> = reports
        .iter()
        .map(|r| {
            assert_eq!(r["faces"], 2, "{r}");
            let (x, w) = (r["face"]["box"]["x"].as_f64().unwrap(), r["face"]["box"]["w"].as_f64().unwrap());
            assert!(w > 0.05 && w < 0.5, "{r}");
            (r["face"]["id"].as_u64().unwrap(), x + w / 2.0)
        })
        .collect();
    assert!(places.windows(2).all(|w| w[0].0 != w[1].0), "not in turn: {places:?}");
    assert!(places.windows(3).all(|w| w[0].0 == w[2].0), "other ids: {places:?}");
    let side = |id: u64| places.iter().filter(|p| p.0 == id).map(|p| p.1 < 0.5).collect::<Vec<_>>();
    let (first, second) = (side(places[0].0), side(places[1].0));
    assert!(first.iter().all(|left| *left == first[0]) && second.iter().all(|left| *left != first[0]), "{places:?}");
}

#[test]
fn truncated_pictures_are_skipped_and_counted() {
    let jpeg = std::fs::read(shipped("firmware/drivers/tests/fixtures/face.jpg")).unwrap();
    let bench = Bench::new("source = \"file\"\npath = \"pictures\"\nloop = true", "");
    let folder = bench.dir.path().join("pictures");
    std::fs::create_dir(&folder).unwrap();
    for i in 0..12 {
        let bytes = if i % 4 == 2 { &jpeg[..jpeg.len() / 2] } else { &jpeg[..] };
        std::fs::write(folder.join(format!("{i:02}.jpg")), bytes).unwrap();
    }
    let firmware = bench.start(&["--source", &format!("file:{}", folder.display())]);
    let status = firmware.next_that(|m| m["counters"]["dropped_frames"].as_u64() >= Some(3));
    assert_eq!(status["camera"], "streaming");
    assert!(firmware.says("bad frame skipped").contains("JPEG"), "{:?}", firmware.errors());
    // One complaint every ten seconds, not one for each frame.
    let complaints = firmware.errors().iter().filter(|l| l.contains("bad frame")).count();
    assert!(complaints <= 8, "{:?}", firmware.errors());
}

#[test]
fn a_check_opens_everything_and_sends_nothing() {
    let bench = Bench::on_clip(true, "");
    let mut firmware = bench.start(&["--check"]);
    assert_eq!(firmware.wait().code(), Some(0));
    assert!(firmware.says("engine  tract").contains("fp32"));
    assert!(firmware.rest().is_empty());
}
