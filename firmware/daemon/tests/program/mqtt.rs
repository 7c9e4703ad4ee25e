//! The program with a real mosquitto, heard by mosquitto's own client.

#[path = "../../../mqtt/tests/common/mosquitto.rs"]
mod mosquitto;

use super::faults::faults;
use super::firmware::{Bench, Firmware, PATIENCE, in_order};
use mosquitto::{Broker, installed};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A broker, and where the client is; `None`, and why not, where one of them is not installed.
fn broker() -> Option<(Broker, PathBuf)> {
    let (program, client) = (installed("mosquitto")?, installed("mosquitto_sub")?);
    Some((Broker::open(&program), client))
}

/// mosquitto_sub, subscribed to everything.
struct Listener {
    child: Child,
    lines: Arc<Mutex<Vec<(String, String)>>>,
}

impl Listener {
    fn start(client: &Path, port: u16) -> Listener {
        let port = port.to_string();
        let mut child = Command::new(client)
            .args(["-h", "127.0.0.1", "-p", &port, "-t", "#", "-F", "%t %p"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (into, out) = (Arc::clone(&lines), BufReader::new(child.stdout.take().unwrap()));
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let (topic, payload) = line.split_once(' ').unwrap_or((&line, ""));
                into.lock().unwrap().push((topic.to_owned(), payload.to_owned()));
            }
        });
        Listener { child, lines }
    }

    /// Messages heard so far.
    fn count(&self) -> usize {
        self.lines.lock().unwrap().len()
    }

    /// Waits for a message after the first `after` whose topic ends with `topic`.
    fn wait(&self, after: usize, topic: &str, wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = |(t, p): &&(String, String)| t.ends_with(topic) && wanted(p);
            if let Some((_, payload)) = self.lines.lock().unwrap().iter().skip(after).find(found) {
                return payload.clone();
            }
            assert!(Instant::now() < end, "never heard of {topic}; {} messages", self.count());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn json(&self, after: usize, topic: &str) -> Value {
        serde_json::from_str(&self.wait(after, topic, |_| true)).unwrap()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(bench: &Bench, port: u16) -> Firmware {
    let sinks = ["--sink", &format!("mqtt:127.0.0.1:{port}"), "--sink", "stdout"];
    bench.start(&sinks)
}

#[test]
fn a_broker_may_come_and_go() {
    let bench = Bench::on_clip(true, "");
    let Some((mut broker, client)) = broker() else { return };
    let mut firmware = start(&bench, broker.port);
    let (mut slowest, mut last, kills) = (Duration::ZERO, 0, faults());
    for kill in 0..=kills {
        let listener = Listener::start(&client, broker.port);
        let begun = Instant::now();
        listener.wait(0, "mtcae/bench/available", |p| p == "online");
        if kill > 0 {
            slowest = slowest.max(begun.elapsed());
        }
        let status = listener.json(0, "mtcae/bench/status");
        assert_eq!((&status["model"], &status["camera"]), (&"tiny-test".into(), &"streaming".into()));
        let roi = listener.json(0, "/roi");
        assert!(roi["xmin"].as_f64() < roi["xmax"].as_f64() && roi["header"]["frame_id"] == "bench", "{roi}");
        assert!(roi["header"]["stamp"]["sec"].as_u64() > Some(1_700_000_000), "{roi}");
        listener.json(0, "/landmarks");
        listener.json(0, "/expression");
        let seen = listener.json(0, "/scores");
        assert!(seen["seq"].as_u64() > Some(last) || last == 0, "{last}, then {seen}");
        let heard = listener.lines.lock().unwrap().clone();
        let seqs: Vec<u64> = heard
            .iter()
            .filter(|(topic, _)| topic.ends_with("/scores"))
            .map(|(_, payload)| serde_json::from_str::<Value>(payload).unwrap()["seq"].as_u64().unwrap())
            .collect();
        assert!(seqs.windows(2).all(|pair| pair[0] < pair[1]), "out of order: {seqs:?}");
        last = *seqs.last().unwrap();
        if kill < kills {
            broker.kill();
            firmware.next_that(|m| m["type"] == "status" && m["sink"] == "lost");
            broker.start_again();
        }
    }
    // Those before it may still be on their way here.
    let all_back = |m: &Value| m["sink"] == "connected" && m["counters"]["reconnects"].as_u64() >= Some(kills as u64);
    let status = firmware.next_that(|m| m["type"] == "status" && all_back(m));
    println!("{kills} kills; slowest recovery {slowest:?}; {}", status["counters"]);
    assert!(slowest <= Duration::from_secs(3), "{slowest:?}");
    assert_eq!(status["counters"]["reconnects"], kills);
    let listener = Listener::start(&client, broker.port);
    listener.wait(0, "/roi", |_| true);
    let before = listener.count();
    firmware.terminate();
    assert_eq!(firmware.wait().code(), Some(0));
    listener.wait(before, "mtcae/bench/available", |p| p == "offline");
    // The other sink never waited for the broker.
    let (reports, _) = in_order(&firmware.rest());
    assert!(firmware.errors().iter().filter(|l| l.contains("sink lost: mqtt:127.0.0.1:")).count() == kills);
    assert!(reports <= 20, "{reports} reports waited for nobody");
}

#[test]
fn the_last_will_says_that_the_program_was_killed() {
    let bench = Bench::on_clip(true, "");
    let Some((broker, client)) = broker() else { return };
    let listener = Listener::start(&client, broker.port);
    let firmware = start(&bench, broker.port);
    listener.wait(0, "/scores", |_| true);
    let before = listener.count();
    drop(firmware);
    listener.wait(before, "mtcae/bench/available", |p| p == "offline");
}

#[test]
fn a_broker_that_is_not_there_is_named_once_and_waited_for() {
    let bench = Bench::on_clip(true, "");
    let Some((mut broker, client)) = broker() else { return };
    broker.kill();
    let firmware = start(&bench, broker.port);
    let said = firmware.says("nobody answers there");
    assert!(said.starts_with("warning: mqtt:127.0.0.1:") && said.ends_with("tried again every few seconds"), "{said}");
    let status = firmware.next_that(|m| m["type"] == "status" && m["uptime_ms"].as_u64() > Some(1_500));
    assert_eq!(status["sink"], "connecting");
    broker.start_again();
    Listener::start(&client, broker.port).wait(0, "/roi", |_| true);
    assert_eq!(firmware.errors().iter().filter(|l| l.contains("nobody answers")).count(), 1);
}

#[test]
fn a_password_that_others_may_read_is_refused_and_told_to_nobody() {
    let bench = Bench::on_clip(true, "");
    let secret = bench.dir.path().join("password");
    std::fs::write(&secret, "correct horse\n").unwrap();
    let sink = format!(
        "[[sink]]\nkind = \"mqtt\"\nhost = \"127.0.0.1\"\nport = 1\nuser = \"bench\"\npassword_file = {secret:?}\n\
         [[sink]]\nkind = \"stdout\"\n"
    );
    let board = std::fs::read_to_string(bench.board()).unwrap() + &sink;
    std::fs::write(bench.board(), board).unwrap();
    let mut firmware = bench.start(&[]);
    firmware.says("its mode is 644, so that others may read it; accepted is 600");
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    firmware.next_that(|m| m["type"] == "status" && m["uptime_ms"].as_u64() > Some(2_000));
    firmware.terminate();
    assert_eq!(firmware.wait().code(), Some(0));
    let said = format!("{:?} {:?}", firmware.errors(), firmware.rest());
    assert!(!said.contains("correct horse"), "{said}");
}
