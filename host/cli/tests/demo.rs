//! `mtcae demo` as a program: frames of a shipped clip in, messages of the monitor out.

mod common;

use common::{mtcae, transcript};
use serde_json::Value;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

fn run(clip: &str) -> Vec<Value> {
    let output = mtcae(&["demo", "--json", "--seconds", "6", "--stats", "--clip", clip]).output().unwrap();
    assert!(output.status.success(), "{}", transcript(&output));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn faces_are_reported_in_order_and_none_is_lost() {
    for clip in ["carphone", "astronaut"] {
        let objects = run(clip);
        let of = |kind: &str| objects.iter().filter(|o| o["type"] == kind).cloned().collect::<Vec<_>>();
        let (hello, reports, summary) = (&of("hello")[0], of("report"), &of("summary")[0]);
        let faces: Vec<_> = reports.iter().filter(|report| !report["face"].is_null()).collect();
        // A busy machine makes few reports; of those it makes, most must have the face.
        assert!(faces.len() >= 3 && faces.len() * 2 > reports.len(), "{clip}: {} of {}", faces.len(), reports.len());
        assert!(reports.windows(2).all(|pair| pair[1]["seq"].as_u64() > pair[0]["seq"].as_u64()), "{clip}");
        let labels = hello["labels"].as_array().unwrap();
        assert!(faces.iter().all(|face| face["face"]["label"].is_null() || labels.contains(&face["face"]["label"])));
        assert_eq!((&summary["bad_frames"], &summary["lost"]), (&0.into(), &0.into()), "{clip}: {summary}");
        let stats = &of("stats")[0];
        assert!(stats["latency_us"]["infer"]["p50"].as_u64() > Some(0), "{stats}");
    }
}

#[test]
fn a_robot_hears_the_demo_on_mqtt() {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|dir| dir.join("mosquitto_sub").is_file());
    if !found {
        println!("skipped: the demo on MQTT because mosquitto_sub is not installed");
        return;
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let demo = mtcae(&["demo", "--mqtt", &port, "--json", "--seconds", "12"]).stdout(Stdio::null()).spawn();
    let mut demo = Stopped(demo.unwrap());
    let topics = ["-t", "mtcae/+/available", "-t", "mtcae/+/faces/tracked", "-t", "mtcae/+/faces/+/expression"];
    let heard = (0..100).find_map(|_| {
        std::thread::sleep(Duration::from_millis(200));
        // A broker that is not there yet refuses; 40 messages are some ten reports of a face.
        let mut listener = Command::new("mosquitto_sub");
        listener.args(["-h", "127.0.0.1", "-p", &port, "-v", "-C", "40", "-W", "30"]).args(topics);
        listener.output().ok().filter(|output| !output.stdout.is_empty())
    });
    let text = String::from_utf8(heard.expect("something is heard").stdout).unwrap();
    let of = |end: &str| -> Vec<&str> {
        text.lines().filter_map(|line| line.split_once(' ')).filter(|(t, _)| t.ends_with(end)).map(|(_, p)| p).collect()
    };
    assert!(of("/available").contains(&"online"), "{text}");
    let said: Vec<Value> = of("/expression").iter().map(|payload| serde_json::from_str(payload).unwrap()).collect();
    assert!(said.len() >= 5 && said.iter().all(|e| e["confidence"].is_number()), "{text}");
    assert!(demo.0.wait().unwrap().success());
    // The broker has gone with it.
    assert!(TcpStream::connect(format!("127.0.0.1:{port}")).is_err());
}

/// A child that does not outlive its test.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("none").display().to_string();
    let text = transcript(&mtcae(&["demo", "--model", &model, "--json"]).output().unwrap());
    assert!(text.starts_with("exit code: 1\n") && text.contains("none") && text.contains("mtcae::"), "{text}");
    let text = transcript(&mtcae(&["demo", "--board", "no-such-board"]).output().unwrap());
    assert!(text.starts_with("exit code: 1\n") && text.contains("no-such-board"), "{text}");
}
