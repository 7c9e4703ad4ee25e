//! The examples for programs in C and Python, and those of CLIENTS.md, compiled and run against golden bytes.

#[path = "common/programs.rs"]
mod programs;

use mtcae_wire::*;
use programs::{build, folder, run};
use serialport::SerialPort;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

fn frame(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/golden/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let hex = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

#[test]
fn the_c_example_prints_expressions() {
    let program = build("example", "example.c", &[]);
    let bytes = ["up-report", "up-hello", "up-report-no-face", "up-report"].map(frame).concat();
    assert_eq!(run(&program, &[], bytes), ["face 51234: unsure", "face 51234: happy"]);
}

#[test]
fn the_c_example_asks_a_board_on_a_serial_line() {
    let program = build("example-on-a-line", "example.c", &[]);
    let (mut board, mut robot) = serialport::TTYPort::pair().expect("a pseudo-terminal");
    robot.set_exclusive(false).expect("open to others");
    board.set_timeout(Duration::from_secs(30)).expect("a time-out");
    let path = robot.name().expect("a path");
    let mut child = Command::new(program).arg(path).stdout(Stdio::piped()).spawn().expect("it starts");
    let (mut decoder, mut byte) = (Decoder::<Down>::new(), [0]);
    let request = loop {
        board.read_exact(&mut byte).expect("a request in time");
        if let Some(request) = decoder.push(byte[0]) {
            break request;
        }
    };
    assert_eq!(request, Ok(Down::Hello));
    board.write_all(&["up-hello", "up-report"].map(frame).concat()).expect("it takes bytes");
    let mut line = String::new();
    let mut said = BufReader::new(child.stdout.take().expect("piped"));
    said.read_line(&mut line).expect("UTF-8");
    // The line's own end would not end it: the child has inherited the board's side.
    child.kill().and_then(|()| child.wait()).expect("it ends");
    assert_eq!(line, "face 51234: happy\n");
}

#[test]
fn the_page_shows_the_example_as_it_is() {
    let page = include_str!("../CLIENTS.md");
    assert!(page.contains(include_str!("../c/example.c")), "CLIENTS.md has another example.c");
}

/// The block of CLIENTS.md in this language that holds `part`.
fn block(language: &str, part: &str) -> String {
    let page = include_str!("../CLIENTS.md");
    let fence = format!("```{language}\n");
    let mut blocks = page.split(&fence).skip(1).filter_map(|rest| rest.split("```").next());
    blocks.find(|block| block.contains(part)).unwrap_or_else(|| panic!("no block with {part}")).to_owned()
}

#[test]
fn the_page_s_subscription_compiles() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("subscription.c");
    let lines = block("c", "mtcae_subscription");
    let whole = format!(
        "#include \"mtcae_wire.h\"\nint main(void) {{\nuint8_t frame[MTCAE_MAX_REQUEST];\n{lines}return len == 0;\n}}\n"
    );
    std::fs::write(&path, whole).expect("a writable folder");
    let program = build("subscription", path.to_str().expect("UTF-8"), &[]);
    assert_eq!(run(&program, &[], Vec::new()), Vec::<String>::new());
}

#[test]
fn the_page_s_python_prints_expressions() {
    if let Err(error) = Command::new("python3").arg("-V").output() {
        println!("skipped: the Python of CLIENTS.md, because python3 does not start: {error}");
        return;
    }
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/python");
    let program = format!("import sys; sys.path.insert(0, {client:?})\n{}", block("python", "labels"));
    let bytes = ["up-report", "up-hello", "up-report"].map(frame).concat();
    assert_eq!(run(Path::new("python3"), &["-B", "-c", &program], bytes), ["51234 unsure", "51234 happy"]);
}

#[test]
fn the_c_header_is_good_in_cpp() {
    let header = folder().join("mtcae_wire.h");
    match Command::new("c++")
        .args(["-std=c++11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "-x", "c++"])
        .arg(header)
        .output()
    {
        Err(error) => println!("skipped: the C header in C++, because c++ does not start: {error}"),
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
    }
}
