//! From videos to a table: prepare, train on folds, score, compare, for each naming scheme.

use crate::desk::Desk;
use crate::made::{Cast, encode, ffmpeg};
use mtcae_contract::Expression::{self, *};
use mtcae_network::{Network, NetworkConfig, count};
use serde_json::Value;

/// Frames of a video.
const FRAMES: usize = 18;

/// As little training as there can be: what is tested is the way, not the accuracy.
const RECIPE: &str = r#"
preset = "tiny"
seed = 1
weight_decay = 0.05
label_smoothing = 0.1
balance = 0.0
average = 0.9
[losses]
boxes = 10.0
landmarks = 10.0
expression = 1.5
[augment]
flip = 0.5
rotate = 5.0
scale = 0.05
shift = 0.05
contrast = 0.2
tint = 0.1
erase = 0.1
motion = 0.3
[[phase]]
frames = 4
still = false
size = 32
batch = 2
steps = 2
lr = 1e-3
warmup = 1
"#;

fn desk() -> Desk {
    let desk = Desk::new();
    desk.file("recipe.toml", RECIPE.as_bytes());
    desk
}

/// Videos of these persons with these expressions.
fn shoot(desk: &Desk, persons: &[u64], expressions: &[Expression], name: impl Fn(u64, Expression) -> String) {
    let cast = Cast::new();
    for (person, expression) in persons.iter().flat_map(|p| expressions.iter().map(move |e| (*p, *e))) {
        encode(&desk.path(&name(person, expression)), &cast.clip(expression, person, FRAMES));
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn ravdess_goes_from_videos_to_folds_and_tables() {
    if !ffmpeg() {
        return;
    }
    let desk = desk();
    let number =
        |e| 1 + [Neutral, Calm, Happy, Sad, Angry, Fear, Disgust, Surprise].iter().position(|x| *x == e).unwrap();
    // One actor of each of three folds.
    shoot(&desk, &[1, 5, 9], &[Neutral, Happy, Surprise], |p, e| {
        format!("in/Actor_{p:02}/01-01-{:02}-01-01-01-{p:02}.mp4", number(e))
    });
    let said = desk.done("data prepare ravdess --root in --out shards --side 48");
    assert!(said.starts_with("9 clips of 16 frames, 3 persons; "), "{said}");

    let folds = "--data shards/ravdess --folds mae-dfer-6fold";
    let said = desk.done(&format!("train --recipe recipe.toml {folds} --out run"));
    assert_eq!(said.matches("6 samples to train on, 3 to test on").count(), 3, "{said}");
    let scored = json(&desk.done(&format!("evaluate run {folds} --json --html report.html")));
    assert_eq!((scored["samples"].as_u64(), scored["persons"].as_u64()), (Some(9), Some(3)));
    let names: Vec<&str> = scored["folds"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["fold 1/6", "fold 2/6", "fold 3/6"]);
    let page = std::fs::read_to_string(desk.path("report.html")).unwrap();
    assert!(page.ends_with("</html>\n") && page.matches("<svg").count() == 6);
    let one = json(&desk.done(&format!("evaluate run/fold-2/checkpoint.safetensors {folds} --fold 2/6 --json")));
    assert_eq!(one["war"], scored["folds"][1]["war"]);

    // A model is never scored on persons that it knows.
    let said = desk.said(&format!("evaluate run/fold-2/checkpoint.safetensors {folds} --fold 1/6"));
    assert!(
        said.starts_with(
            "exit code: 1\nError: run/fold-2/checkpoint.safetensors was trained on this data, all but fold 2 "
        ),
        "{said}"
    );
    let said = desk.said("evaluate run/fold-2/checkpoint.safetensors --data shards/ravdess");
    assert!(said.contains("score it with `--folds mae-dfer-6fold --fold 2`"), "{said}");
    let said = desk.said("train --recipe recipe.toml --data shards/ravdess --test shards/ravdess --out no");
    assert!(said.contains("3 person(s) are in both the training and the test data, such as ravdess-"), "{said}");
    for (wrong, says) in [
        (
            "--folds cremad-5fold",
            "folds `cremad-5fold` are for persons called cremad-1001 to cremad-1091; the data has \"ravdess-",
        ),
        ("--folds subject:3 --fold 4", "fold is 4; accepted: 1 to 3"),
        ("--folds subject:3 --fold 1/5", "fold is 1/5; `subject:3` has 3 folds"),
        ("--folds mae-dfer-6fold --fold 6", "fold 6 of `mae-dfer-6fold` has 9 samples to train on and 0 to test on"),
    ] {
        let said = desk.said(&format!("train --recipe recipe.toml --data shards/ravdess --out no {wrong}"));
        assert!(said.starts_with("exit code: 1\n") && said.contains(says), "{said}");
    }
    desk.file("ravdess.json", scored.to_string().as_bytes());
    ablation(&desk);
}

/// Two of the strategies, and the tables.
fn ablation(desk: &Desk) {
    let run = "ablate --recipe recipe.toml --data shards/ravdess --folds subject:2 --fold 1/2 --out ablation \
               --strategies single-task,cascaded-vit";
    let said = trained(desk, run);
    assert!(said.contains("single-task") && said.contains("intervals: 95 % of a bootstrap over persons"), "{said}");
    let table = json(&std::fs::read_to_string(desk.path("ablation/ablation.json")).unwrap());
    let rows = table["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert!(rows[0]["box_iou"].is_null() && rows[1]["box_iou"].is_number(), "{table}");
    assert!(rows[0]["parameters"].as_u64() < rows[1]["parameters"].as_u64() && rows[0]["minus_cascade"].is_array());
    // Statistics of norms are not learnt.
    let whole = NetworkConfig { classes: 7, ..NetworkConfig::preset("tiny").unwrap() };
    let learnt = count(&Network::new(whole).unwrap()).parameters();
    assert_eq!(rows[1]["parameters"].as_u64(), Some(learnt as u64));
    // What is trained is not trained again.
    let stamp = || {
        std::fs::metadata(desk.path("ablation/single-task/fold-1/checkpoint.safetensors")).unwrap().modified().unwrap()
    };
    let before = stamp();
    assert_eq!(trained(desk, run), said);
    assert_eq!(stamp(), before);
    let tables = trained(desk, "tables --ablation ablation/ablation.json --ravdess ravdess.json");
    assert!(tables.contains("Table II: RAVDESS") && tables.contains("83.69"), "{tables}");
    assert!(tables.contains("shards/ravdess; run; mae-dfer-6fold"), "{tables}");
}

/// Standard output of the trainer, which must succeed.
fn trained(desk: &Desk, arguments: &str) -> String {
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let output = desk.trainer(&arguments.join(" ")).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn cremad_goes_from_flv_to_scores() {
    if !ffmpeg() {
        return;
    }
    let desk = desk();
    shoot(&desk, &[1001, 1019], &[Angry, Happy, Sad], |p, e| {
        format!("in/{p}_IEO_{}_XX.flv", e.name()[..3].to_uppercase())
    });
    let said = desk.done("data prepare cremad --root in --out shards --framing whole --side 48");
    assert!(said.starts_with("6 clips of 16 frames, 2 persons; "), "{said}");
    desk.done("train --recipe recipe.toml --data shards/cremad --folds cremad-5fold --fold 1/5 --out run");
    let said = desk.done("evaluate run --data shards/cremad --folds cremad-5fold --fold 1/5");
    assert!(said.starts_with("3 clips of 1 persons  WAR "), "{said}");
    // A model that sees faces cannot be scored on whole frames.
    let zoo = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/zoo/edge");
    let said = desk.said(&format!("evaluate {zoo} --data shards/cremad"));
    assert!(said.starts_with("exit code: 1\nError: model edge: its framing is `face`"), "{said}");
}

#[test]
fn mead_goes_from_folders_to_scores_by_the_boards_engine() {
    if !ffmpeg() {
        return;
    }
    let desk = desk();
    shoot(&desk, &[3, 9], &[Fear, Contempt, Disgust], |p, e| {
        let folder = if e == Disgust { "disgusted" } else { e.name() };
        format!("in/M{p:03}/video/front/{folder}/level_1/001.mp4")
    });
    let said = desk.done("data prepare mead --root in --out shards --side 96");
    assert!(said.starts_with("6 clips of 16 frames, 2 persons; "), "{said}");
    desk.done("train --recipe recipe.toml --data shards/mead --folds mead-5fold --fold 2/5 --out run");
    let said = desk.done("evaluate run --data shards/mead --folds mead-5fold --fold 2/5");
    assert!(said.starts_with("3 clips of 1 persons  WAR "), "{said}");

    // Folders of eight classes can be answered by the model that ships, through the board's engine.
    for name in ["fear", "disgusted"] {
        let from = desk.path(&format!("in/M003/video/front/{name}/level_1/001.mp4"));
        desk.file(&format!("eight/{name}/Ann_1.mp4"), &std::fs::read(from).unwrap());
    }
    desk.done("data prepare folder --root eight --out shards --naming person --classes 8");
    let zoo = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/zoo/edge");
    let scored = json(&desk.done(&format!("evaluate {zoo} --data shards/folder --json")));
    assert_eq!((scored["samples"].as_u64(), scored["persons"].as_u64()), (Some(2), Some(1)));
    assert!(scored["box_iou"].as_f64() > Some(0.5), "{scored}");
}
