//! The bridge to ROS 2, run: what it puts on DDS is what the board said over MQTT, under the names and types of ROS 2.

mod common;

use common::{Broker, Heard, LONG, Listener, hello, mosquitto, report, status};
use mtcae_core::{Sink, SinkError};
use mtcae_mqtt::{MqttOptions, MqttSink};
use mtcae_wire::Up;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// What is installed for the check: DDS and MQTT for the bridge, another reader of ROS 2's messages.
const PACKAGES: [&str; 3] = ["cyclonedds==11.0.1", "paho-mqtt==2.2.0", "rosbags==0.11.9"];
/// DDS on this machine alone.
const DDS: &str = "<CycloneDDS><Domain><General><Interfaces><NetworkInterface name=\"lo\"/></Interfaces>\
    <AllowMulticast>false</AllowMulticast></General><Discovery><ParticipantIndex>auto</ParticipantIndex>\
    <Peers><Peer address=\"localhost\"/></Peers></Discovery></Domain></CycloneDDS>";
/// Topic below `faces/`, and its type.
const TOPICS: [(&str, &str); 4] = [
    ("tracked", "IdsList"),
    ("f0000002a/roi", "NormalizedRegionOfInterest2D"),
    ("f0000002a/landmarks", "FacialLandmarks"),
    ("f0000002a/expression", "Expression"),
];

/// Every field of an `IdsList`, one of another type.
const NO_IDS: &str = r#"{"header":{"stamp":{"sec":0,"nanosec":0},"frame_id":""},"ids":5}"#;

/// A folder with the packages; `None`, and why not, when they cannot be had.
fn packages() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ros2-python");
    if PACKAGES.iter().zip(["cyclonedds", "paho", "rosbags"]).any(|(_, module)| !folder.join(module).exists()) {
        let pip =
            ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--timeout", "20", "--retries", "1"];
        let install = Command::new("python3").args(pip).arg("--target").arg(&folder).args(PACKAGES).output();
        let why = match install {
            Ok(output) if output.status.success() => return Some(folder),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().lines().last().unwrap_or_default().to_owned(),
            Err(error) => error.to_string(),
        };
        println!("skipped: a bridge to ROS 2 because pip cannot install {}: {why}", PACKAGES.join(", "));
        return None;
    }
    Some(folder)
}

/// A script that runs, and the lines that it prints.
struct Script {
    child: Child,
    lines: Receiver<String>,
}

impl Script {
    fn start(packages: &Path, script: &str, arguments: &[&str]) -> Script {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = std::env::join_paths([packages, &here.join("ros2")]).unwrap();
        let mut child = Command::new("python3")
            .arg("-B")
            .arg(here.join(script))
            .args(arguments)
            .envs([("PYTHONPATH", path.as_os_str()), ("CYCLONEDDS_URI", DDS.as_ref()), ("ROS_DOMAIN_ID", "0".as_ref())])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Script { child, lines }
    }

    fn next(&self) -> String {
        self.lines.recv_timeout(2 * LONG).expect("the script says something")
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connected(port: u16) -> MqttSink {
    let options = MqttOptions {
        host: "127.0.0.1".into(),
        port,
        prefix: "mtcae".into(),
        device: "desk".into(),
        user: None,
        password_file: None,
        tls: None,
        home_assistant: false,
        unix_offset_us: None,
    };
    let mut sink = MqttSink::open(&options).unwrap();
    let end = Instant::now() + LONG;
    while sink.session().is_none() {
        sink.poll().unwrap();
        assert!(Instant::now() < end, "no connection");
        std::thread::sleep(Duration::from_millis(2));
    }
    sink
}

/// As float32 has it, so that two readers of the same number agree.
fn rounded(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), rounded(value))).collect(),
        Value::Array(items) => items.iter().map(rounded).collect(),
        Value::Number(number) if number.is_f64() => (number.as_f64().unwrap_or(0.0) as f32).into(),
        other => other.clone(),
    }
}

#[test]
fn what_the_bridge_puts_on_dds_is_what_the_board_said() {
    let Some(program) = mosquitto() else { return };
    let Some(packages) = packages() else { return };
    let broker = Broker::open(&program);
    let heard = Listener::new("listener", broker.port);
    let wanted = TOPICS.map(|(name, kind)| format!("rt/humans/faces/{name}=hri_msgs/msg/{kind}"));
    let mut arguments = vec!["120"];
    arguments.extend(wanted.iter().map(String::as_str));
    let node = Script::start(&packages, "tests/ros2_listener.py", &arguments);
    let bridge = Script::start(&packages, "ros2/bridge.py", &["127.0.0.1", &broker.port.to_string(), "mtcae/desk"]);
    assert_eq!((node.next().as_str(), bridge.next().as_str()), ("{\"ready\": true}", "subscribed"));

    // What others say there is no end of the bridge: no JSON, no object, fields and values that the types have not.
    for odd in ["{", "5", "null", "[1, \"a\"]", "{\"ids\": []}", "{\"header\": 5, \"ids\": 5}", NO_IDS] {
        heard.say("mtcae/desk/faces/tracked", odd);
    }
    heard.wait("the last of them", |h| h.payload == NO_IDS);
    let mut sink = connected(broker.port);
    let mut said =
        [hello(), status(500)].into_iter().chain((0..).map(|seq| Up::Report(report(seq, 0x2a, Some((seq % 8) as u8)))));
    let (mut announced, mut messages) = (Vec::new(), [0; TOPICS.len()]);
    let end = Instant::now() + 3 * LONG;
    while announced.len() < TOPICS.len() || messages.iter().any(|&n| n < 20) {
        assert!(Instant::now() < end, "announced {announced:?}, messages {messages:?}");
        let next = said.next().unwrap();
        while sink.send(&next) == Err(SinkError::Busy) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(20));
        for line in node.lines.try_iter() {
            let line: Value = serde_json::from_str(&line).unwrap();
            if let (Some(topic), Some(kind)) = (line["announced"].as_str(), line["type"].as_str()) {
                announced.push((topic.to_owned(), kind.to_owned()));
                continue;
            }
            let topic = line["topic"].as_str().unwrap().trim_start_matches("rt/humans/");
            let at = TOPICS.iter().position(|(name, _)| topic.ends_with(name)).unwrap();
            let message = rounded(&line["message"]);
            // The odd ones are among what was heard.
            let says = |h: &Heard| serde_json::from_str(&h.payload).is_ok_and(|said: Value| rounded(&said) == message);
            let same = |h: &Heard| h.topic == format!("mtcae/desk/{topic}") && says(h);
            heard.wait("a message of the bridge", same);
            messages[at] += 1;
        }
    }
    println!("messages that a ROS 2 node reads from DDS as the board said them: {messages:?}");
    announced.sort();
    let mut expected =
        TOPICS.map(|(name, kind)| (format!("rt/humans/faces/{name}"), format!("hri_msgs::msg::dds_::{kind}_")));
    expected.sort();
    assert_eq!(announced, expected);
}
