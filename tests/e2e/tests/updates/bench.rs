//! A board's root file system in a folder, its launcher as a process, and the host tool.

use crate::bundles::{Recipe, signing_key, target};
use crate::line::SerialLine;
use mtcae_bundle::{DeviceKey, Trust, write_public, write_secret};
use mtcae_drivers::DirStore;
use mtcae_install::{Rules, install};
use mtcae_update::{Confirm, Depth, Status, Updater, Verdict};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use std::io::{BufRead, BufReader, Cursor};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// More than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A program beside this test.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join(name);
    assert!(path.is_file(), "{} is missing; `cargo test --workspace` builds it", path.display());
    path
}

/// The bytes of the real daemon.
pub fn daemon() -> Vec<u8> {
    std::fs::read(program("mtcae-firmware")).unwrap()
}

pub struct Bench {
    pub dir: TempDir,
    pub line: SerialLine,
}

impl Bench {
    /// A board on which version 1, with the real daemon, is confirmed.
    pub fn new(baud: u32, delay: Duration, confirm: &str) -> Bench {
        let bench = Bench { dir: tempfile::tempdir().unwrap(), line: SerialLine::new(baud, delay) };
        let etc = bench.etc();
        std::fs::create_dir_all(etc.join("trusted")).unwrap();
        write_public(&etc.join("trusted/release.pub"), &signing_key().public().to_string()).unwrap();
        let clip = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/astronaut.avi");
        let board = format!(
            "[board]\nname = \"bench\"\nfamily = \"pc\"\n\
             [camera]\nsource = \"file\"\npath = {clip:?}\nloop = true\n\
             [model]\nengine = \"tract\"\n\
             [report]\nstatus_every_ms = 500\n\
             [update]\nenabled = true\nroot = {:?}\ntrusted = {:?}\ndevice_key = {:?}\nconfirm = \"{confirm}\"\n\
             self_test_ms = 5000\n\
             [[sink]]\nkind = \"serial\"\nport = {:?}\nbaud = {baud}\n",
            bench.slots(),
            etc.join("trusted"),
            etc.join("device.key"),
            bench.line.board(),
        );
        std::fs::write(etc.join("board.toml"), board).unwrap();
        bench.install_first();
        bench
    }

    /// The root file system.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub fn etc(&self) -> PathBuf {
        self.root().join("etc/mtcae")
    }

    pub fn slots(&self) -> PathBuf {
        self.root().join("var/lib/mtcae")
    }

    /// Gives the board a key of its own, and says whom to encrypt to.
    pub fn device_key(&self) -> DeviceKey {
        let key = DeviceKey::generate().unwrap();
        write_secret(&self.etc().join("device.key"), &key.to_secret_text()).unwrap();
        key
    }

    fn install_first(&self) {
        let bundle = Recipe { counter: 1, daemon: Some(daemon()), ..Recipe::default() }.build();
        let trust = Trust::new(&[signing_key().public()]).unwrap();
        let mut updater = Updater::new(DirStore::open(&self.slots()).unwrap());
        let target = target();
        let rules = Rules {
            family: "pc",
            target: Some(&target),
            trust: &trust,
            keys: &[],
            confirm: Confirm::BySelfTest,
            permit: None,
        };
        install(&mut updater, &mut Cursor::new(bundle), &rules, &mut |_, _| {}).unwrap();
        updater.switch().unwrap();
        updater.choose(Depth::Bytes).unwrap();
        updater.self_test(Verdict::Good).unwrap();
    }

    /// What the slots are at, whoever has them open.
    pub fn status(&self) -> Status {
        Updater::new(DirStore::reader(&self.slots()).unwrap()).status().unwrap()
    }

    /// Name of the confirmed model, for example `tiny 1.2.0`.
    pub fn confirmed(&self) -> String {
        self.status().confirmed.map_or_else(String::new, |version| version.names[0].clone())
    }

    pub fn write(&self, name: &str, bundle: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bundle).unwrap();
        path
    }

    /// Starts the board.
    pub fn power_on(&self) -> Running {
        let mut command = Command::new(program("mtcae-launcher"));
        command.args(["run", "--restart-ms", "50", "--trial-ms", "8000", "--heartbeat-ms", "6000", "--root"]);
        command.arg(self.slots()).args(["--", "--board"]).arg(self.etc().join("board.toml"));
        Running::start(command)
    }

    /// The host tool with these arguments; `LINE` stands for the host's end of the line.
    pub fn mtcae(&self, arguments: &[&str]) -> Running {
        let mut command = Command::new(program("mtcae"));
        command.env("HOME", self.dir.path()).env("XDG_CONFIG_HOME", self.dir.path().join("config"));
        let line = format!("serial:{}:{}", self.line.host(), self.line.baud());
        command.args(arguments.iter().map(|argument| if *argument == "LINE" { &line } else { *argument }));
        Running::start(command)
    }

    /// Runs the host tool to its end: exit code, output lines, error output.
    pub fn run(&self, arguments: &[&str]) -> (i32, Vec<String>, String) {
        let mut running = self.mtcae(arguments);
        let code = running.wait().code().unwrap_or(-1);
        (code, running.output(), running.errors().join("\n"))
    }
}

/// A program that runs, and what it says. It is killed with its value.
pub struct Running {
    child: Child,
    output: Arc<Mutex<Vec<String>>>,
    errors: Arc<Mutex<Vec<String>>>,
    readers: Vec<std::thread::JoinHandle<()>>,
}

impl Running {
    fn start(mut command: Command) -> Running {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let (output, errors) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let out = keep(child.stdout.take().unwrap(), &output);
        let err = keep(child.stderr.take().unwrap(), &errors);
        Running { child, output, errors, readers: vec![out, err] }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn output(&self) -> Vec<String> {
        self.output.lock().unwrap().clone()
    }

    pub fn errors(&self) -> Vec<String> {
        self.errors.lock().unwrap().clone()
    }

    /// The objects among its output lines.
    pub fn objects(&self) -> Vec<Value> {
        self.output().iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The exit status, when it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.ended() {
                self.readers.drain(..).for_each(|reader| drop(reader.join()));
                return status;
            }
            assert!(Instant::now() < end, "it does not end: {:?} {:?}", self.output(), self.errors());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for a line of the error output that holds `text`.
    pub fn says(&self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(line) = self.errors().iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it never said {text:?}: {:#?}", self.errors());
    }

    /// SIGKILL to this process alone.
    pub fn kill(&self) {
        let _ = kill_process(pid(self.id()), Signal::KILL);
    }

    /// Ids of the processes that it started and that run.
    pub fn children(&self) -> Vec<u32> {
        let path = format!("/proc/{0}/task/{0}/children", self.id());
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().filter_map(|id| id.parse().ok()).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The launcher gives its daemon a group of its own.
        for child in self.children() {
            let _ = kill_process_group(pid(child), Signal::KILL);
        }
        let _ = kill_process_group(pid(self.id()), Signal::KILL);
        let _ = self.child.wait();
    }
}

pub fn pid(id: u32) -> Pid {
    Pid::from_raw(id as i32).unwrap()
}

fn keep(from: impl std::io::Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) -> std::thread::JoinHandle<()> {
    let lines = Arc::clone(lines);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            lines.lock().unwrap().push(line);
        }
    })
}
