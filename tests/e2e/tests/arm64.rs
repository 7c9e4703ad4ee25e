//! The daemon for arm64, under qemu-user, gives the answers of the one for this machine: the same stills, f32 and int8.
//!
//! Needs what `tests/hil/arm64/build` makes, and `qemu-aarch64`; without them the test says that it was skipped. An emulator
//! says what is computed, not how fast.

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Clips that ship, and a frame of each.
const STILLS: [(&str, usize); 6] =
    [("astronaut", 0), ("carphone", 0), ("carphone", 40), ("astronaut", 90), ("carphone", 80), ("carphone", 119)];
/// Models, and by how much a probability may differ: in int8 a number that differs in its last bit may be rounded to the
/// step beside.
const MODELS: [(&str, f64); 2] = [("edge", 0.02), ("tiny", 0.02)];
/// More than two answers take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(400);
/// The processor that is emulated: instructions of a Jetson Orin's.
const PROCESSOR: &str = "cortex-a76";

fn target() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned()
}

/// The folder that `tests/hil/arm64/build` printed, and the emulator, or why there is none.
fn emulated() -> Result<PathBuf, String> {
    let built = || {
        let all = std::fs::read_dir(target().parent()?.join("arm64")).ok()?.flatten().map(|entry| entry.path());
        all.filter(|path| path.join("bin/mtcae-firmware").is_file())
            .max_by_key(|path| path.metadata().and_then(|m| m.modified()).ok())
    };
    let folder = std::env::var_os("MTCAE_ARM64").map(PathBuf::from).or_else(built);
    let folder = folder.ok_or("its daemon has not been built: tests/hil/arm64/build")?;
    let found = Command::new("qemu-aarch64").arg("--version").output();
    found.map_err(|why| format!("qemu-aarch64 does not start (package qemu-user): {why}"))?;
    Ok(folder)
}

/// A folder with one still twice.
fn still(folder: &Path, clip: &str, frame: usize) -> PathBuf {
    let clips = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data");
    let frames = mtcae_hil::frames(&clips.join(format!("{clip}.avi"))).unwrap();
    let folder = folder.join(format!("{clip}-{frame}"));
    std::fs::create_dir_all(&folder).unwrap();
    (0..2).for_each(|i| std::fs::write(folder.join(format!("{i}.jpg")), &frames[frame]).unwrap());
    folder
}

/// Label and probabilities of the second answer without smoothing, and the engine that gave them.
fn answer(mut daemon: Command, dir: &Path, still: &Path, model: &Path) -> (BTreeMap<String, f64>, String) {
    let board = dir.join("board.toml");
    let text = format!(
        "[board]\nname = \"bench\"\nfamily = \"pc\"\n[camera]\nsource = \"file\"\npath = {still:?}\nloop = true\n\
         [model]\npath = {model:?}\nengine = \"tract\"\n[estimate]\nema_ms = 0\n[report]\nmax_age_ms = 100000\n"
    );
    std::fs::write(&board, text).unwrap();
    let mut child =
        daemon.arg("--board").arg(&board).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a daemon");
    let (end, mut left, mut engine) = (Instant::now() + PATIENCE, 2, String::new());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let found = loop {
        let line = lines.next().unwrap_or_else(|| panic!("the daemon ended: {:?}", child.wait())).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        assert!(Instant::now() < end, "no answer in {} s; last: {line}", PATIENCE.as_secs());
        if said["type"] == "hello" {
            engine = said["engine"].as_str().unwrap().to_owned();
        }
        if let Some(scores) = said["face"]["scores"].as_object() {
            left -= 1;
            if left == 0 {
                break scores.iter().map(|(label, score)| (label.clone(), score.as_f64().unwrap())).collect();
            }
        }
    };
    child.kill().unwrap();
    child.wait().unwrap();
    (found, engine)
}

fn leader(scores: &BTreeMap<String, f64>) -> (&str, f64) {
    scores.iter().map(|(l, s)| (l.as_str(), *s)).max_by(|a, b| a.1.total_cmp(&b.1)).unwrap()
}

#[test]
fn an_arm64_daemon_answers_as_the_one_of_this_machine() {
    let folder = match emulated() {
        Ok(folder) => folder,
        Err(why) => return println!("skipped: answers of an arm64 daemon because {why}"),
    };
    let dir = tempfile::tempdir().unwrap();
    let zoo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/zoo").canonicalize().unwrap();
    // All with MTCAE_STILLS=6.
    let count = std::env::var("MTCAE_STILLS").map_or(2, |n| n.parse().expect("MTCAE_STILLS is a number"));
    for (model, tolerance) in MODELS {
        let (mut worst, began) = (0.0f64, Instant::now());
        for (clip, frame) in &STILLS[..count] {
            let (still, model) = (still(dir.path(), clip, *frame), zoo.join(model));
            let here = answer(Command::new(target().join("mtcae-firmware")), dir.path(), &still, &model);
            let mut emulator = Command::new("qemu-aarch64");
            emulator.arg("-L").arg(&folder).args(["-cpu", PROCESSOR]).arg(folder.join("bin/mtcae-firmware"));
            let there = answer(emulator, dir.path(), &still, &model);
            assert_eq!(here.1, there.1, "engines");
            let (here, there) = (here.0, there.0);
            let apart = here.iter().map(|(label, score)| (score - there[label]).abs()).fold(0.0, f64::max);
            let ((label, score), name) = (leader(&here), format!("{}, {clip} {frame}", model.display()));
            assert!(apart <= tolerance, "{name}: {apart} apart; {here:?} here, {there:?} there");
            // Two that are equally likely may change places.
            assert!(leader(&there).0 == label || score - here[leader(&there).0] <= tolerance, "{name}: {there:?}");
            worst = worst.max(apart);
        }
        let took = began.elapsed().as_secs_f64();
        println!("{model}: {count} stills, {worst:.5} apart at most, {took:.0} s");
    }
}
