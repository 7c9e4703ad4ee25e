//! `mtcae demo` as a program: frames of a shipped clip in, messages of the monitor out.

mod common;

use common::{mtcae, transcript};
use serde_json::Value;

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
fn what_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("none").display().to_string();
    let text = transcript(&mtcae(&["demo", "--model", &model, "--json"]).output().unwrap());
    assert!(text.starts_with("exit code: 1\n") && text.contains("none") && text.contains("mtcae::"), "{text}");
    let text = transcript(&mtcae(&["demo", "--board", "no-such-board"]).output().unwrap());
    assert!(text.starts_with("exit code: 1\n") && text.contains("no-such-board"), "{text}");
}
