//! A running `mtcae-firmware` with a board file and a tiny model of its own.

use mtcae_contract::*;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub const TINY: &[u8] = include_bytes!("../../../drivers/tests/fixtures/tiny.onnx");
/// More than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

/// A manifest that fits [`TINY`].
pub fn manifest() -> Manifest {
    use Expression::{Happy, Neutral, Sad};
    Manifest {
        format: 1,
        name: "tiny-test".into(),
        version: "0.1.0".into(),
        preset: "tiny".into(),
        labels: LabelSet::new(vec![Neutral, Happy, Sad]).unwrap(),
        sampling: Sampling::Uniform,
        temperature: 1.0,
        clip: ClipSpec { frames: 2, size: 16, seconds: 0.5 },
        framing: Framing::Face { margin: 0.2 },
        mean: [0.5; 3],
        std: [0.5; 3],
        artifacts: Vec::new(),
    }
}

/// A folder with a board file `board.toml` and a model.
pub struct Bench {
    pub dir: TempDir,
}

impl Bench {
    /// With `camera` as the keys of `[camera]` and `sinks` as they stand at the end of the file.
    pub fn new(camera: &str, sinks: &str) -> Bench {
        let bench = Bench { dir: tempfile::tempdir().unwrap() };
        bench.model(manifest(), TINY);
        let board = format!(
            "[board]\nname = \"bench\"\nfamily = \"pc\"\n[camera]\n{camera}\n[model]\npath = {:?}\nengine = \"tract\"\nstreams = 1\n[report]\nstatus_every_ms = 300\n{sinks}",
            bench.dir.path(),
        );
        std::fs::write(bench.board(), board).unwrap();
        bench
    }

    /// On the shipped clip, again and again, or as fast as it goes and once.
    pub fn on_clip(forever: bool, sinks: &str) -> Bench {
        Bench::new(&clip("tests/data/astronaut.avi", forever), sinks)
    }

    pub fn board(&self) -> PathBuf {
        self.dir.path().join("board.toml")
    }

    pub fn model(&self, mut manifest: Manifest, onnx: &[u8]) {
        let sha256 = Sha256::digest(onnx).iter().map(|b| format!("{b:02x}")).collect();
        manifest.artifacts = vec![Artifact { precision: Precision::Fp32, file: "tiny.onnx".into(), sha256 }];
        std::fs::write(self.dir.path().join("manifest.toml"), manifest.to_toml().unwrap()).unwrap();
        std::fs::write(self.dir.path().join("tiny.onnx"), onnx).unwrap();
    }

    pub fn start(&self, arguments: &[&str]) -> Firmware {
        Firmware::start(&[&["--board", self.board().to_str().unwrap()], arguments].concat())
    }

    /// Exit code and error output of a start that fails, the folder called DIR.
    pub fn refusal(&self, arguments: &[&str]) -> (i32, String) {
        let mut firmware = self.start(arguments);
        let status = firmware.wait();
        let text = firmware.errors().join("\n").replace(self.dir.path().to_str().unwrap(), "DIR");
        (status.code().unwrap_or(-1), text)
    }
}

pub fn clip(path: &str, forever: bool) -> String {
    format!("source = \"file\"\npath = {:?}\nloop = {forever}\nrealtime = {forever}", shipped(path))
}

pub struct Firmware {
    child: Child,
    lines: Receiver<Value>,
    errors: Arc<Mutex<Vec<String>>>,
    /// Reads the error output to its end.
    reader: Option<JoinHandle<()>>,
}

impl Firmware {
    pub fn start(arguments: &[&str]) -> Firmware {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mtcae-firmware"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        let errors = Arc::new(Mutex::new(Vec::new()));
        let (kept, err) = (Arc::clone(&errors), BufReader::new(child.stderr.take().unwrap()));
        let read = move || err.lines().map_while(Result::ok).for_each(|l| kept.lock().unwrap().push(l));
        Firmware { child, lines, errors, reader: Some(std::thread::spawn(read)) }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Lines of the error output so far.
    pub fn errors(&self) -> Vec<String> {
        self.errors.lock().unwrap().clone()
    }

    /// The next object on the standard output.
    pub fn next(&self) -> Value {
        self.lines.recv_timeout(PATIENCE).unwrap_or_else(|e| panic!("{e}: {:?}", self.errors()))
    }

    /// The next one for which `wanted` is true.
    pub fn next_that(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let value = self.next();
            if wanted(&value) {
                return value;
            }
        }
        panic!("nothing like that came: {:?}", self.errors());
    }

    pub fn next_of(&self, kind: &str) -> Value {
        self.next_that(|v| v["type"] == kind)
    }

    /// What is left on the standard output of a program that has ended.
    pub fn rest(&self) -> Vec<Value> {
        std::iter::from_fn(|| self.lines.recv_timeout(Duration::from_millis(500)).ok()).collect()
    }

    /// Waits for a line of the error output that holds `text`.
    pub fn says(&self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(line) = self.errors().iter().find(|l| l.contains(text)) {
                return line.clone();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it never said {text:?}: {:?}", self.errors());
    }

    pub fn terminate(&self) {
        let id = rustix::process::Pid::from_raw(self.child.id() as i32).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    }

    pub fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.reader.take().into_iter().for_each(|reader| reader.join().unwrap());
                return status;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end: {:?}", self.errors());
    }

    /// Resident memory now, KiB.
    pub fn rss_kib(&self) -> u64 {
        let mut text = String::new();
        std::fs::File::open(format!("/proc/{}/status", self.id())).unwrap().read_to_string(&mut text).unwrap();
        let line = text.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Firmware {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Panics unless reports are numbered upwards and of one start; gives how many there are, and how many with a face.
pub fn in_order(messages: &[Value]) -> (usize, usize) {
    let reports: Vec<&Value> = messages.iter().filter(|m| m["type"] == "report").collect();
    for pair in reports.windows(2) {
        assert!(pair[0]["seq"].as_u64() < pair[1]["seq"].as_u64(), "{pair:?}");
        assert!(pair[0]["captured_us"].as_u64() <= pair[1]["captured_us"].as_u64(), "{pair:?}");
        assert_eq!(pair[0]["boot"], pair[1]["boot"]);
    }
    (reports.len(), reports.iter().filter(|r| r["face"].is_object()).count())
}
