//! Bytes for a client in another language, and what the decoder of this crate makes of them, line by line.

use super::noise::{Rng, damage};
use super::samples;
use crate::common::{any_up, body_of, frame_of};
use mtcae_wire::*;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::path::Path;

/// What a client is fed.
pub struct Stream {
    pub name: &'static str,
    pub bytes: Vec<u8>,
}

/// What a byte stream says: a line for each message, as JSON, or error, by name and number, and one for the counts.
pub fn said(bytes: &[u8]) -> Vec<String> {
    let mut decoder = Decoder::<Up>::new();
    let mut lines: Vec<String> = decoder.feed(bytes).map(|outcome| line(&outcome)).collect();
    let Counts { good, bad, overlong } = decoder.counts();
    lines.push(format!("counts {good} {bad} {overlong}"));
    lines
}

fn line(outcome: &Result<Up, DecodeError>) -> String {
    use DecodeError::*;
    let (name, detail) = match outcome {
        Ok(up) => return serde_json::to_string(up).expect("every message has a JSON form"),
        Err(Overlong { .. }) => ("overlong", 0),
        Err(Framing { len }) => ("framing", *len),
        Err(Short { len }) => ("short", *len),
        Err(Checksum { .. }) => ("checksum", 0),
        Err(Direction) => ("direction", 0),
        Err(Version { found }) => ("version", usize::from(*found)),
        Err(UnknownKind { kind }) => ("unknown", usize::from(*kind)),
        Err(Body { kind }) => ("body", usize::from(*kind)),
        Err(Invalid(invalid)) => ("invalid", kind_of(invalid.field)),
    };
    format!("error {name} {detail}")
}

/// The kind of the message that a rule about `field` belongs to.
fn kind_of(field: &str) -> usize {
    let rules = [("Hello.", 0), ("Report.", 1), ("UpdateState.", 8), ("CameraMode.", 10)];
    let found = rules.iter().find(|(start, _)| field.starts_with(start));
    found.unwrap_or_else(|| panic!("a rule about {field}, which no test knows")).1
}

/// The golden frames by name, those to a board among them.
pub fn golden() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = std::fs::read_dir(folder).expect("the golden frames are there").map(|entry| entry.unwrap().path());
    let mut hex: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "hex")).collect();
    hex.sort();
    let name = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    hex.iter().map(|path| (name(path), bytes(&std::fs::read_to_string(path).unwrap()))).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

/// Each golden frame with one bit flipped, for every bit, and a delimiter behind it.
pub fn flips() -> Stream {
    let mut bytes = Vec::new();
    for (_, frame) in golden() {
        for bit in 0..8 * frame.len() {
            let mut bad = frame.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            bytes.extend(bad);
            bytes.push(0);
        }
    }
    Stream { name: "single flipped bits", bytes }
}

/// Frames of all kinds of messages over the whole range of their fields; the same at every run.
pub fn pool(count: usize) -> Vec<Vec<u8>> {
    let mut runner = TestRunner::deterministic();
    let strategy = any_up();
    let mut draw = || strategy.new_tree(&mut runner).expect("a message").current();
    (0..count).map(|_| encode(&draw()).expect("valid").to_vec()).collect()
}

/// Whole frames.
pub fn whole(pool: &[Vec<u8>]) -> Stream {
    Stream { name: "whole frames", bytes: pool.concat() }
}

/// Frames as a bad line leaves them, an intact one behind each.
pub fn damaged(pool: &[Vec<u8>], count: usize) -> Stream {
    let (mut rng, mut bytes) = (Rng(0xc0de_d11e), Vec::new());
    for _ in 0..count {
        let mut bad = pool[rng.below(pool.len())].clone();
        damage(&mut rng, &mut bad);
        bytes.extend(bad);
        bytes.extend(&pool[rng.below(pool.len())]);
    }
    Stream { name: "damaged frames", bytes }
}

/// Frames whose body was changed and whose checksum is right: what only the reading of the body can refuse.
pub fn forged(pool: &[Vec<u8>], count: usize) -> Stream {
    let (mut rng, mut bytes) = (Rng(0xf0_96ed), Vec::new());
    for _ in 0..count {
        let mut body = body_of(&pool[rng.below(pool.len())]);
        for _ in 0..=rng.below(4) / 3 {
            change(&mut rng, &mut body);
        }
        let first = if rng.below(100) == 0 { rng.next() as u8 } else { VERSION };
        bytes.extend(frame_of(first, &body));
    }
    Stream { name: "changed bodies with a right checksum", bytes }
}

/// Numbers at the edges of what fields admit.
const EDGES: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 32, 0x7f, 0x80, 0xc2, 0xff];

fn change(rng: &mut Rng, body: &mut Vec<u8>) {
    let (at, early) = (rng.below(body.len()), rng.below(body.len().min(4)));
    let byte = if rng.below(2) == 0 { EDGES[rng.below(EDGES.len())] } else { rng.next() as u8 };
    match rng.below(16) {
        0 => body.truncate(at.max(1)),
        1 => body.push(byte),
        2 => body.insert(at, byte),
        3 if body.len() > 1 => drop(body.remove(at)),
        4..9 => body[at] = body[at].wrapping_add(1),
        // The first numbers of a message and the kind itself.
        9 => body[early] = byte,
        // The last ones, where a report has its label and a status its parts.
        10..13 => *body.iter_mut().rev().nth(early).expect("four at most") = byte,
        _ => body[at] = byte,
    }
}

/// Messages on both sides of every rule among fields.
pub fn contradictions() -> Stream {
    let mut all = Vec::new();
    for (_, up) in samples::up() {
        match up {
            Up::Hello(hello) => all.extend((0..2).map(|from| {
                let mut twice = hello.clone();
                twice.labels[2] = twice.labels[from * 2].clone();
                Up::Hello(twice)
            })),
            Up::Report(report) => all.extend(reports(&report)),
            Up::UpdateState(state) => all.extend(states(state)),
            Up::CameraMode(mode) => {
                all.extend((0..5).map(|index| Up::CameraMode(CameraMode { index, count: 3, ..mode.clone() })));
            }
            _ => {}
        }
    }
    let frame = |up: &Up| frame_of(VERSION, &postcard::to_allocvec(up).expect("room"));
    Stream { name: "contradictions", bytes: all.iter().flat_map(frame).collect() }
}

fn reports(report: &Report) -> Vec<Up> {
    let mut all: Vec<Report> = (0..3).map(|faces| Report { faces, ..report.clone() }).collect();
    let Some(face) = report.face.clone() else { return all.into_iter().map(Up::Report).collect() };
    let place = |steps| Coord::try_from(steps).expect("in range");
    let mut faces = Vec::new();
    for size in [-1, 0, 1].map(place) {
        faces.push(FaceReport { area: Area { w: size, ..face.area }, ..face.clone() });
        faces.push(FaceReport { area: Area { h: size, ..face.area }, ..face.clone() });
    }
    for label in [None, Some(0), Some(6), Some(7), Some(8), Some(127), Some(128), Some(255)] {
        for smoothing in [Smoothing::Unsure, Smoothing::Holding, Smoothing::Stable] {
            faces.push(FaceReport { label, smoothing, ..face.clone() });
        }
    }
    all.extend(faces.into_iter().map(|face| Report { face: Some(face), ..report.clone() }));
    all.into_iter().map(Up::Report).collect()
}

fn states(state: UpdateState) -> Vec<Up> {
    let mut all = vec![
        UpdateState { checked: state.durable + 1, ..state },
        UpdateState { checked: state.durable, ..state },
        UpdateState { durable: state.received + 1, ..state },
        UpdateState { received: state.chunks + 1, ..state },
        UpdateState { window: 129, ..state },
        UpdateState { chunks: u32::MAX, received: 0, durable: 0, later: u128::MAX, ..state },
    ];
    // A file that has 0 to 131 chunks more than were received, and each highest bit about there.
    for missing in 0..132u32 {
        for bit in missing.saturating_sub(4)..(missing + 3).min(128) {
            let chunks = state.received + missing;
            all.push(UpdateState { chunks, later: 1 << bit, ..state });
            all.push(UpdateState { chunks, later: u128::MAX >> (127 - bit), ..state });
        }
    }
    all.into_iter().map(Up::UpdateState).collect()
}

/// Numbers on both sides of their bounds, and texts of every first byte with the second bytes that matter.
pub fn edges() -> Stream {
    let mut bodies = Vec::new();
    for steps in [-8193i16, -8192, -1, 0, 16384, 16385, i16::MIN, i16::MAX] {
        bodies.push(report_body([steps, 0], [0, 0]));
        bodies.push(report_body([0, steps], [0, 0]));
    }
    for steps in [0u16, 127, 128, 8191, 8192, 8193, u16::MAX] {
        bodies.push(report_body([0, 0], [steps, 0]));
        bodies.push(report_body([0, 0], [0, steps]));
    }
    for first in 0..=255u8 {
        for second in [0x20, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0] {
            for len in 1..=4 {
                bodies.push([&[3, 2, 0, len], &[first, second, 0x80, 0xbf][..usize::from(len)]].concat());
            }
        }
    }
    Stream { name: "edges", bytes: bodies.iter().flat_map(|body| frame_of(VERSION, body)).collect() }
}

/// The body of a report whose first place, first landmark, confidence and last score are these steps.
fn report_body([x, landmark]: [i16; 2], [confidence, score]: [u16; 2]) -> Vec<u8> {
    let report = (1u8, (5u32, 6u32, 7u64, 8u32), (640u16, 360u16, 0u32), (1u8, true));
    let landmarks = [(landmark, 0i16), (0, 0), (0, 0), (0, 0), (0, 0)];
    let face = (9u32, (x, 0i16, 1i16, 1i16), landmarks, confidence, (2u8, 4096u16, score));
    postcard::to_allocvec(&(report, face, (true, 0u8), (2u8, 0u8))).expect("room")
}

/// Bytes without sense, with delimiters now and then.
pub fn garbage(count: usize) -> Stream {
    let mut rng = Rng(0x9a4b_a9e5);
    let mut bytes = Vec::new();
    while bytes.len() < count {
        let run = if rng.below(50) == 0 { rng.below(1000) } else { rng.below(60) };
        bytes.extend((0..run).map(|_| rng.next() as u8));
        bytes.push(0);
    }
    Stream { name: "garbage", bytes }
}

/// Says where two accounts of a stream part.
pub fn agree(who: &str, stream: &Stream, theirs: &[String], ours: &[String]) {
    if let Some(at) = theirs.iter().zip(ours).position(|(a, b)| a != b) {
        panic!("{who}, {}, line {at}:\nsays       {}\nand not    {}", stream.name, theirs[at], ours[at]);
    }
    assert_eq!(theirs.len(), ours.len(), "{who}, {}: lines", stream.name);
}
