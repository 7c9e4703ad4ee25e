//! A real mosquitto, someone who listens to it, and a board's messages.
#![allow(dead_code, unused_imports, reason = "each test file uses a part of it")]

#[path = "../../../json/tests/common/mod.rs"]
mod board;

pub use board::*;

use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest wait for anything; the machine may be busy.
pub const LONG: Duration = Duration::from_secs(20);

/// Where mosquitto is; `None`, and why not, when it is not installed.
pub fn mosquitto() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = folders.map(|folder| folder.join("mosquitto")).find(|program| program.is_file());
    if found.is_none() {
        println!("skipped: MQTT with a real broker because mosquitto is not installed");
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

/// A message as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    pub topic: String,
    pub payload: String,
    /// It is the one that the broker had kept.
    pub kept: bool,
}

impl Heard {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.payload).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// Someone who has subscribed to everything.
pub struct Listener {
    client: Client,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Listener {
    /// Connects and subscribes; returns when the broker has acknowledged that.
    pub fn new(name: &str, port: u16) -> Listener {
        let mut options = MqttOptions::new(name, "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(60));
        let (client, mut connection) = Client::new(options, 16);
        client.subscribe("#", QoS::AtLeastOnce).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (ready, is_ready) = std::sync::mpsc::channel();
        let into = Arc::clone(&heard);
        std::thread::spawn(move || {
            // The first error is the end.
            for event in connection.iter().map_while(Result::ok) {
                match event {
                    Event::Incoming(Packet::SubAck(_)) => ready.send(()).unwrap(),
                    Event::Incoming(Packet::Publish(p)) => into.lock().unwrap().push(Heard {
                        topic: p.topic.clone(),
                        payload: String::from_utf8(p.payload.to_vec()).unwrap(),
                        kept: p.retain,
                    }),
                    _ => {}
                }
            }
        });
        is_ready.recv_timeout(LONG).expect("the broker acknowledges a subscription");
        Listener { client, heard }
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits until a message is as `wanted`.
    pub fn wait(&self, what: &str, wanted: impl Fn(&Heard) -> bool) -> Heard {
        let end = Instant::now() + LONG;
        loop {
            if let Some(found) = self.heard.lock().unwrap().iter().rev().find(|h| wanted(h)) {
                return found.clone();
            }
            assert!(Instant::now() < end, "never heard: {what}; heard {} messages", self.heard.lock().unwrap().len());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.client.disconnect();
    }
}
