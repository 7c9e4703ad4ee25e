//! Programs in other languages, compiled and run.
#![allow(dead_code, reason = "each test file takes what it needs")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What must hold for every C compiler.
pub const STRICT: [&str; 6] = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1"];
pub const SANITIZE: [&str; 2] = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

/// The C client.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("c")
}

/// The C compiler, in the client's folder.
pub fn cc(flags: &[&str], sources: &[&str], program: &Path) -> std::process::Output {
    let mut cc = Command::new("cc");
    cc.args(flags).arg("-I.").args(sources).arg("-o").arg(program).current_dir(folder());
    cc.output().unwrap_or_else(|error| panic!("cc does not start: {error}; install build-essential"))
}

/// A program of the folder `c`, compiled without a warning.
pub fn build(name: &str, main: &str, extra: &[&str]) -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let flags = [&STRICT, extra].concat();
    let output = cc(&flags, &[main, "mtcae_wire.c", "mtcae_request.c"], &program);
    assert!(output.status.success(), "cc {flags:?}: {}", String::from_utf8_lossy(&output.stderr));
    program
}

/// What `program` prints when it is fed `bytes`.
pub fn run(program: &Path, args: &[&str], bytes: Vec<u8>) -> Vec<String> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
    let mut input = child.stdin.take().expect("piped");
    // On a thread of its own: the program may not read on while nobody takes what it prints.
    let feeding = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().expect("it ends");
    let fed = feeding.join().expect("no panic");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && fed.is_ok(), "{}: {}: {errors}", program.display(), output.status);
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}
