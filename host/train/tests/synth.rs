//! Clips made, then trained on, with the programs that a person runs.

use mtcae_contract::Expression;
use mtcae_data::Stills;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn mtcae() -> PathBuf {
    let tool = Path::new(env!("CARGO_BIN_EXE_mtcae-train")).with_file_name("mtcae");
    assert!(tool.is_file(), "{} is missing; `cargo test --workspace` builds it", tool.display());
    tool
}

fn run(folder: &Path, arguments: &str) -> Output {
    let mut command = Command::new(mtcae());
    command
        .args(arguments.split(' '))
        .current_dir(folder)
        .env_remove("RUST_BACKTRACE")
        .env_remove("RUST_LIB_BACKTRACE");
    command.output().unwrap()
}

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
size = 48
batch = 2
steps = 2
lr = 1e-3
warmup = 1
"#;

#[test]
fn made_clips_can_be_trained_on() {
    let desk = tempfile::tempdir().unwrap();
    let make = "data synth --model sketch --out shards --name made --clips 8 --identities 3 --size 64 --side 48 --frames 6 --classes 8";
    let said = run(desk.path(), make);
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    assert!(text.starts_with("8 clips of 6 frames; 1 shard(s), 0 already there\n"), "{text}");
    assert!(text.contains("contempt         1\n") && desk.path().join("shards/made.png").is_file(), "{text}");
    let again = run(desk.path(), make);
    assert!(String::from_utf8_lossy(&again.stdout).contains("1 shard(s), 1 already there"));

    let clips = Stills::open_named(&desk.path().join("shards"), "made").unwrap();
    assert_eq!((clips.len(), clips.frames(0), clips.labels().labels()[7]), (8, 6, Expression::Contempt));

    std::fs::write(desk.path().join("recipe.toml"), RECIPE).unwrap();
    let trained = run(desk.path(), "train --recipe recipe.toml --data shards/made --out run");
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
    assert!(desk.path().join("run/checkpoint.safetensors").is_file());
    let scored = run(desk.path(), "evaluate run/checkpoint.safetensors --data shards/made");
    let warned = String::from_utf8_lossy(&scored.stderr).into_owned();
    assert!(
        scored.status.success() && warned.contains("was trained on persons or pictures of 8 of the 8 samples"),
        "{warned}"
    );
}

#[test]
fn what_cannot_be_made_is_named() {
    let desk = tempfile::tempdir().unwrap();
    for (arguments, error) in [
        ("--model nowhere.npz --clips 3", "nowhere.npz: No such file or directory (os error 2)"),
        ("--model . --clips 3", "neither generic_neutral_mesh.obj nor FaceXModel/generic_neutral_mesh.obj is there"),
        ("--model sketch --clips 0", "clips is 0; accepted: 1 to 1000000"),
        ("--model sketch --clips 3 --size 9", "size is 9; accepted: 48 to 1024 pixels"),
    ] {
        let said = run(desk.path(), &format!("data synth --out shards --name made {arguments}"));
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(!said.status.success() && text.contains(error), "{arguments}: {text}");
    }
    assert!(!desk.path().join("shards/made-000.safetensors").exists());
}
