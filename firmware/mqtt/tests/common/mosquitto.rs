//! A real mosquitto; the daemon's tests have it, too.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for anything; the machine may be busy.
pub const LONG: Duration = Duration::from_secs(20);

/// Where mosquitto is; `None`, and why not, when it is not installed.
pub fn mosquitto() -> Option<PathBuf> {
    installed("mosquitto")
}

/// The same of any of its programs.
pub fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|program| program.is_file());
    if found.is_none() {
        println!("skipped: MQTT with a real broker because {name} is not installed");
    }
    found
}

/// A running broker.
pub struct Broker {
    program: PathBuf,
    child: Child,
    pub port: u16,
    pub folder: tempfile::TempDir,
}

impl Broker {
    /// Starts one on a free port of this machine; `settings` are more lines of its configuration, in which `DIR` is its
    /// folder, where `prepare` may put files.
    pub fn start(program: &Path, settings: &str, prepare: impl FnOnce(&Path)) -> Broker {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let settings = settings.replace("DIR", folder.path().to_str().unwrap());
        // A port that was free a moment ago may be another broker's now; ours then ends.
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            // Started as root, it would become a user who may not read the folder.
            let text = format!("user root\npersistence false\nlistener {port} 127.0.0.1\n{settings}\n");
            fs::write(folder.path().join("mosquitto.conf"), text).unwrap();
            let mut child = spawn(program, folder.path());
            if answers(&mut child, port) {
                return Broker { program: program.to_owned(), child, port, folder };
            }
        }
        panic!("mosquitto does not run: {}", log(folder.path()));
    }

    /// One that admits everyone.
    pub fn open(program: &Path) -> Broker {
        Broker::start(program, "allow_anonymous true", |_| {})
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn start_again(&mut self) {
        self.child = spawn(&self.program, self.folder.path());
        self.wait();
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Until it answers.
    fn wait(&mut self) {
        assert!(answers(&mut self.child, self.port), "mosquitto does not run: {}", log(self.folder.path()));
    }
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}

/// Waits until `port` answers; false when it is not `child` that does.
fn answers(child: &mut Child, port: u16) -> bool {
    let end = Instant::now() + LONG;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(Instant::now() < end, "mosquitto does not answer");
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(50));
    child.try_wait().unwrap().is_none()
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &Path, folder: &Path) -> Child {
    let log = fs::File::create(folder.join("log")).unwrap();
    let mut command = Command::new(program);
    command.arg("-c").arg(folder.join("mosquitto.conf")).stdin(Stdio::null());
    command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}
