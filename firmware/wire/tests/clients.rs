//! The clients in C and Python against the decoder of this crate: the same messages and the same refusals, frame by frame.

mod common;
#[path = "common/noise.rs"]
mod noise;
#[path = "common/programs.rs"]
mod programs;
#[path = "common/samples.rs"]
mod samples;
#[path = "common/streams.rs"]
mod streams;

use common::any_down;
use mtcae_wire::*;
use programs::{SANITIZE, build, cc, folder, run};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use streams::{Stream, agree, said};

/// The test's driver, plain, and with checks of every access and shift where the compiler has them.
fn drivers(test: &str) -> Vec<(&'static str, PathBuf)> {
    let mut drivers = vec![("C", build(&format!("{test}-plain"), "tests/driver.c", &[]))];
    let probe = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-probe"));
    std::fs::write(probe.with_extension("c"), "int main(void) { return 0; }\n").expect("a writable folder");
    let source = probe.with_extension("c");
    let works = cc(&SANITIZE, &[source.to_str().expect("UTF-8")], &probe).status.success()
        && Command::new(&probe).status().is_ok_and(|status| status.success());
    if works {
        drivers.push(("C with sanitizers", build(&format!("{test}-sanitized"), "tests/driver.c", &SANITIZE)));
    } else {
        println!("skipped: the C client under sanitizers, because cc has no working -fsanitize=address,undefined");
    }
    drivers
}

/// How often each first word or two of the lines came.
fn tally(lines: &[String]) -> BTreeMap<&str, usize> {
    let mut tally = BTreeMap::new();
    for line in lines {
        let what = match line.strip_prefix("error ") {
            Some(error) => error.split(' ').next().unwrap_or_default(),
            None => line.split('"').nth(1).unwrap_or("counts"),
        };
        *tally.entry(what).or_default() += 1;
    }
    tally
}

const KINDS: [&str; 11] =
    ["Hello", "Report", "Status", "Log", "Pong", "Ack", "Nack", "Slots", "UpdateState", "UpdateRefused", "CameraMode"];

/// Fails when a stream no longer has enough of what it is there to have.
fn require(stream: &Stream, lines: &[String], least: usize, what: &[&str]) {
    let tally = tally(lines);
    let missing: Vec<_> = what.iter().filter(|what| tally.get(**what).is_none_or(|&count| count < least)).collect();
    assert!(missing.is_empty(), "{}: too few of {missing:?}: {tally:?}", stream.name);
}

/// The streams, each with what Rust says about it, which is checked for being worth a comparison.
fn streams(frames: usize) -> Vec<(Stream, Vec<String>)> {
    let with_lines = |stream: Stream| {
        let lines = said(&stream.bytes);
        (stream, lines)
    };
    let pool = streams::pool(2000);
    let golden = streams::golden().into_iter().flat_map(|(_, frame)| frame).collect();
    let all = [
        Stream { name: "golden frames", bytes: golden },
        streams::flips(),
        streams::whole(&pool),
        streams::damaged(&pool, frames),
        streams::forged(&pool, frames),
        streams::garbage(40 * frames),
        streams::contradictions(),
        streams::edges(),
    ]
    .map(with_lines);
    let [golden, flips, whole, damaged, forged, garbage, contradictions, edges] = &all;
    require(&golden.0, &golden.1, 1, &KINDS);
    require(&golden.0, &golden.1, 14, &["direction"]);
    require(&flips.0, &flips.1, 100, &["checksum", "framing"]);
    assert!(flips.1.iter().all(|line| !line.starts_with('{')), "a frame with a flipped bit is taken for a message");
    require(&whole.0, &whole.1, 30, &KINDS);
    require(&damaged.0, &damaged.1, frames / 100, &["checksum", "framing"]);
    require(&damaged.0, &damaged.1, frames / 1000, &["short", "overlong"]);
    require(&forged.0, &forged.1, frames / 100, &["body", "unknown", "Report", "Status", "Hello", "Log"]);
    require(&forged.0, &forged.1, frames / 1000, &["version", "direction", "invalid"]);
    require(&garbage.0, &garbage.1, frames / 100, &["overlong", "framing"]);
    require(&contradictions.0, &contradictions.1, 1, &["Hello", "Report", "UpdateState", "CameraMode", "invalid"]);
    require(&edges.0, &edges.1, 10, &["Report", "Log", "body"]);
    for kind in [0, 1, 8, 10] {
        assert!(contradictions.1.contains(&format!("error invalid {kind}")), "no contradiction in kind {kind}");
    }
    all.into()
}

#[test]
fn the_c_client_agrees_frame_by_frame() {
    let streams = streams(100_000);
    for (stream, lines) in &streams {
        println!("{}: {:?}", stream.name, tally(lines));
    }
    for (who, program) in drivers("decode") {
        for (stream, lines) in &streams {
            agree(who, stream, &run(&program, &["decode"], stream.bytes.clone()), lines);
        }
        println!("{who} agrees on {} lines", streams.iter().map(|(_, lines)| lines.len()).sum::<usize>());
    }
}

#[test]
#[ignore = "needs arm-none-eabi-gcc, newlib and QEMU: cargo test -p mtcae-wire --test clients -- --ignored --nocapture"]
fn the_c_client_agrees_on_an_emulated_microcontroller() {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("driver-cortex-m4");
    let mut gcc = Command::new("arm-none-eabi-gcc");
    gcc.args(["-mcpu=cortex-m4", "-mthumb", "-std=c99", "-Os", "--specs=rdimon.specs", "-I."]);
    // Debian's newlib has the formats of 64-bit numbers, and hides them from GCC's own stdint.h.
    gcc.arg("-D__int64_t_defined=1");
    gcc.arg("-Wl,--section-start=.vectors=0,--section-start=.init=0x1000");
    gcc.args(["tests/driver.c", "tests/start.c", "mtcae_wire.c", "mtcae_request.c", "-o"]).arg(&program);
    let output = gcc.current_dir(folder()).output().expect("arm-none-eabi-gcc starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let semihosting = "enable=on,target=native,arg=driver,arg=decode";
    let program = program.to_str().expect("UTF-8");
    let machine = ["-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "none"];
    let args = [&machine[..], &["-semihosting-config", semihosting, "-kernel", program]].concat();
    let streams = streams(10_000);
    for (stream, lines) in &streams {
        agree("C on a Cortex-M4", stream, &run(Path::new("qemu-system-arm"), &args, stream.bytes.clone()), lines);
    }
    println!("C on a Cortex-M4 agrees on {} lines", streams.iter().map(|(_, lines)| lines.len()).sum::<usize>());
}

#[test]
fn the_python_client_agrees_frame_by_frame() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/python/say.py");
    let python = Path::new("python3");
    if let Err(error) = Command::new(python).arg("-V").output() {
        println!("skipped: the Python client, because python3 does not start: {error}");
        return;
    }
    let script = script.to_str().expect("UTF-8");
    for (stream, lines) in streams(10_000) {
        // The client does not number its errors.
        let bare = |line: &String| if line.starts_with("error") { "error".to_owned() } else { line.clone() };
        let counts = |line: &String| line.starts_with("counts");
        let lines: Vec<String> = lines.iter().filter(|line| !counts(line)).map(bare).collect();
        agree("Python", &stream, &run(python, &["-B", script], stream.bytes.clone()), &lines);
    }
}

/// The line that makes the driver encode `down`; `None` for what the C client does not send.
fn order(down: &Down) -> Option<String> {
    fn word(value: Option<impl ToString>) -> String {
        value.map_or("-".to_owned(), |value| value.to_string())
    }
    let token = |name: &str, request: &Request| Some(format!("{name} {}", request.token));
    match down {
        Down::Hello => Some("Hello".to_owned()),
        Down::Ping(ping) => Some(format!("Ping {}", ping.token)),
        Down::SetTime(time) => Some(format!("SetTime {} {}", time.token, time.unix_us)),
        Down::SlotsQuery(request) => token("SlotsQuery", request),
        Down::UpdateQuery(request) => token("UpdateQuery", request),
        Down::Confirm(request) => token("Confirm", request),
        Down::Rollback(request) => token("Rollback", request),
        Down::CameraModesQuery(request) => token("CameraModesQuery", request),
        Down::LogsQuery(query) => Some(format!("LogsQuery {} {}", query.token, query.lines)),
        Down::Camera(CameraOrder { token, action }) => Some(match action {
            CameraAction::Stop => format!("Stop {token}"),
            CameraAction::Start => format!("Start {token}"),
            CameraAction::Choose(Mode { format, width, height, fps_tenths }) => {
                let format = format.as_str().bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
                let format = if format.is_empty() { "-".to_owned() } else { format };
                format!("Choose {token} {format} {width} {height} {fps_tenths}")
            }
        }),
        Down::Subscribe(Subscribe { token, report_every_ms, status_every_ms, log }) => {
            let (report, status, log) = (word(*report_every_ms), word(*status_every_ms), word(log.map(|l| l as u8)));
            Some(format!("Subscribe {token} {report} {status} {log}"))
        }
        Down::UpdateBegin(_) | Down::UpdateFinish(_) | Down::Permit(_) => None,
    }
}

#[test]
fn the_c_client_sends_the_same_requests() {
    let mut runner = TestRunner::deterministic();
    let mut draw = || any_down().new_tree(&mut runner).expect("a request").current();
    let golden = streams::golden().into_iter().filter(|(name, _)| name.starts_with("down"));
    let golden = golden.filter_map(|(_, frame)| Decoder::<Down>::new().feed(&frame).next()?.ok());
    let requests: Vec<Down> = golden.chain((0..5000).map(|_| draw())).collect();
    let (orders, frames): (Vec<_>, Vec<_>) = requests
        .iter()
        .filter_map(|down| Some((order(down)?, encode(down).expect("valid"))))
        .map(|(order, frame)| (order, frame.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
        .unzip();
    let kinds = orders.iter().map(|order| order.split(' ').next().unwrap_or_default());
    let kinds = kinds.collect::<std::collections::BTreeSet<_>>();
    assert_eq!(kinds.len(), 13, "{kinds:?}");
    for (who, program) in drivers("encode") {
        let got = run(&program, &["encode"], (orders.join("\n") + "\n").into_bytes());
        for ((order, frame), got) in orders.iter().zip(&frames).zip(&got) {
            assert_eq!(got, frame, "{who}: {order}");
        }
        assert_eq!(got.len(), frames.len(), "{who}");
        println!("{who} sends {} requests as Rust does", got.len());
    }
}

#[test]
fn the_c_client_does_not_send_what_a_board_refuses() {
    let (_, program) = drivers("refuse").swap_remove(0);
    for (order, fine) in [
        ("Subscribe 1 0 99 1", false),
        ("Subscribe 1 0 100 3", true),
        ("Subscribe 1 0 100 4", false),
        ("Choose 1 595556593132333435 640 480 300", false),
        ("Choose 1 5955565931323334 640 480 300", true),
        ("Choose 1 1b5b 640 480 300", false),
        ("Choose 1 ff 640 480 300", false),
        ("Choose 1 c280 640 480 300", false),
        ("Choose 1 c3a4 640 480 300", true),
    ] {
        let got = run(&program, &["encode"], format!("{order}\n").into_bytes());
        assert_eq!(got != ["refused"], fine, "{order}: {got:?}");
    }
}
