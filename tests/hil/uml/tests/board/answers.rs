//! Camera -> driver -> network -> serial line on the virtual board says the same of known faces as the daemon of this
//! machine does of the same frames in a file.

use crate::bench::{Bench, model, program, same_size};
use crate::pictures::{Picture, shown};
use crate::robot::Robot;
use mtcae_wire::FaceReport;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Long enough for the smoothing (350 ms) to have forgotten what was before, on a machine that is not too busy.
const SETTLED_US: u64 = 4_000_000;
/// Answers that are alike, one after the other, before one counts as settled.
const ALIKE: usize = 3;
/// Reports of one still, at most.
const LONGEST: usize = 1000;
/// Largest difference of a score or of a side of the box, of 1. The wire has steps of 1/8192.
const TOLERANCE: f64 = 0.002;

/// What was said of a face.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    pub label: Option<String>,
    pub scores: BTreeMap<String, f64>,
    pub area: [f64; 4],
}

impl Said {
    /// The largest difference between two of a face.
    pub fn off(&self, other: &Said) -> f64 {
        let scores = self.scores.iter().map(|(label, score)| (score - other.scores[label]).abs());
        let area = self.area.iter().zip(other.area).map(|(a, b)| (a - b).abs());
        scores.chain(area).fold(0.0, f64::max)
    }
}

/// What the daemon of this machine says of a picture in a file, settled.
pub fn of_file(picture: &Picture, dir: &Path) -> Said {
    let clip = dir.join("still.y4m");
    std::fs::write(&clip, picture.y4m(8)).unwrap();
    let board = dir.join("host.toml");
    let text = format!(
        "[board]\nname = \"host\"\nfamily = \"pc\"\n[camera]\nsource = \"file\"\npath = {clip:?}\nloop = true\n\
         [model]\npath = {:?}\n[[sink]]\nkind = \"stdout\"\n",
        model()
    );
    std::fs::write(&board, text).unwrap();
    let daemon = Command::new(program("mtcae-firmware")).arg("--board").arg(&board).stdout(Stdio::piped()).spawn();
    let mut daemon = daemon.unwrap();
    let lines = BufReader::new(daemon.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut messages = lines.map(|line| serde_json::from_str::<Value>(&line).unwrap());
    let mut settling = Settling::default();
    let said = messages.find_map(|m| {
        let face = m.get("face").filter(|face| face.is_object())?;
        let scores = face["scores"].as_object()?.iter();
        let said = Said {
            label: face["label"].as_str().map(str::to_owned),
            scores: scores.map(|(label, score)| (label.clone(), score.as_f64().unwrap())).collect(),
            area: ["x", "y", "w", "h"].map(|side| face["box"][side].as_f64().unwrap()),
        };
        settling.at_rest(m["captured_us"].as_u64()?, said)
    });
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    said.expect("a report of a face")
}

/// Waits until answers no longer change.
#[derive(Default)]
struct Settling {
    first_us: Option<u64>,
    last: Option<Said>,
    alike: usize,
}

impl Settling {
    /// `said`, captured at `captured_us`, once nothing changes any more.
    fn at_rest(&mut self, captured_us: u64, said: Said) -> Option<Said> {
        let first = *self.first_us.get_or_insert(captured_us);
        let same = self.last.as_ref().is_some_and(|last| last.label == said.label && last.off(&said) < TOLERANCE / 4.0);
        self.alike = if same { self.alike + 1 } else { 0 };
        self.last = Some(said);
        if captured_us - first > SETTLED_US && self.alike >= ALIKE { self.last.take() } else { None }
    }
}

/// What the board says of the face before its camera, settled.
pub fn of_board(bench: &mut Bench) -> Said {
    bench.robot.forget();
    let mut settling = Settling::default();
    for _ in 0..LONGEST {
        let (report, face) = bench.robot.face();
        let said = of_face(&bench.robot, &face);
        if let Some(said) = settling.at_rest(report.captured_us, said) {
            return said;
        }
    }
    panic!("the board's answers to a still never come to rest: {:?}", settling.last);
}

/// What a report says.
pub fn of_face(robot: &Robot, face: &FaceReport) -> Said {
    let labels = &robot.hello.as_ref().expect("it said hello").labels;
    let scores = labels.iter().zip(&face.scores).map(|(l, s)| (l.as_str().to_owned(), f64::from(s.to_f32())));
    Said { label: robot.label(face), scores: scores.collect(), area: face.area.to_f32().map(f64::from) }
}

#[test]
fn the_board_says_of_known_faces_what_this_machine_says() {
    let Some(mut bench) = Bench::start("parity of answers") else { return };
    let pictures = shown();
    let mut worst = 0.0_f64;
    let mut labels = Vec::new();
    for (i, picture) in pictures.iter().enumerate() {
        // A new daemon for each, as there: where a face was last is part of where its next crop lies.
        bench.show(&picture.yuyv());
        bench.wait_for_the_screen();
        bench.daemon(&same_size("YUYV"), "");
        let here = of_file(picture, bench.dir.path());
        let there = of_board(&mut bench);
        println!(
            "picture {i}: {:?} here, {:?} on the board, at most {:.4} apart",
            here.label,
            there.label,
            here.off(&there)
        );
        assert_eq!(there.label, here.label, "picture {i}: {there:?} {here:?}");
        worst = worst.max(here.off(&there));
        labels.push(here.label);
        if i == 0 {
            let said = bench.said();
            assert!(said.contains("YUYV, 640x480"), "{said}");
        }
        bench.end_daemon();
    }
    println!("{} pictures, the same labels, scores and boxes at most {worst:.4} apart", pictures.len());
    assert!(worst <= TOLERANCE, "{worst}");
    labels.dedup();
    assert!(labels.len() > 1, "one answer to all proves little: {labels:?}");
    assert_eq!(bench.robot.damaged, 0);
}
