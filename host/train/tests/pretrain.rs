//! An encoder is pre-trained on made clips, killed on the way, looked at, and trained on, with the programs that a person runs.

use mtcae_network::Checkpoint;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn mtcae() -> PathBuf {
    let tool = Path::new(env!("CARGO_BIN_EXE_mtcae-train")).with_file_name("mtcae");
    assert!(tool.is_file(), "{} is missing; `cargo test --workspace` builds it", tool.display());
    tool
}

fn command(program: &Path, folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(program);
    let arguments = arguments.split(' ').filter(|a| !a.is_empty());
    command.args(arguments).current_dir(folder).env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE");
    command
}

fn run(folder: &Path, arguments: &str) -> Output {
    command(&mtcae(), folder, arguments).output().unwrap()
}

fn done(folder: &Path, arguments: &str) -> String {
    let said = run(folder, arguments);
    assert!(said.status.success(), "{arguments}: {}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8_lossy(&said.stdout).into_owned()
}

const AUGMENT: &str = r#"
[augment]
flip = 0.5
rotate = 0.0
scale = 0.1
shift = 0.05
contrast = 0.0
tint = 0.0
erase = 0.0
motion = 0.0
"#;

fn recipe(steps: usize) -> String {
    format!(
        r#"
preset = "small"
seed = 1
masked = 0.75
weight_decay = 0.05
beta2 = 0.95
[decoder]
width = 48
depth = 1
heads = 3
{AUGMENT}
[[phase]]
frames = 4
size = 64
batch = 4
steps = {steps}
lr = 1e-3
warmup = {}
"#,
        steps.min(2)
    )
}

fn finetune() -> String {
    format!(
        r#"
preset = "small"
seed = 1
weight_decay = 0.05
label_smoothing = 0.1
balance = 0.0
average = 0.0
losses = {{ boxes = 10.0, landmarks = 10.0, expression = 1.5 }}
{AUGMENT}
[[phase]]
frames = 16
size = 32
batch = 2
steps = 1
lr = 1e-4
warmup = 0
"#
    )
}

const MAKE: &str = "data synth --model sketch --out shards --name made --clips 8 --identities 3 --size 80 --side 64 --frames 4 --classes 8";

/// Losses in the order of the updates; of one that was done again, the last.
fn losses(folder: &Path) -> Vec<f64> {
    let text = std::fs::read_to_string(folder.join("log.jsonl")).unwrap_or_default();
    let mut losses = std::collections::BTreeMap::new();
    // The last line may be half written.
    for line in text.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok()) {
        losses.insert(line["update"].as_u64().unwrap(), line["loss"].as_f64().unwrap());
    }
    losses.into_values().collect()
}

#[test]
fn a_killed_run_goes_on_and_ends_the_same_and_its_encoder_can_be_trained() {
    let desk = tempfile::tempdir().unwrap();
    let at = |name: &str| desk.path().join(name);
    done(desk.path(), MAKE);
    std::fs::write(at("recipe.toml"), recipe(8)).unwrap();
    let pretrain = "pretrain --recipe recipe.toml --data shards/made --every 3 --out";
    let said = done(desk.path(), &format!("{pretrain} whole --picture whole.png --clips 3"));
    assert_eq!(said, "wrote whole/checkpoint.safetensors\ndrew whole.png\n");
    let whole = losses(&at("whole"));
    assert_eq!(whole.len(), 8);
    let mean = |l: &[f64]| l.iter().sum::<f64>() / l.len() as f64;
    // So few updates of so much learn to say nothing rather than something wrong; `tests/masked.rs` shows that more is learnt.
    assert!(mean(&whole[5..]) < mean(&whole[..3]) - 0.01, "{whole:?}");
    assert!(std::fs::read_to_string(at("whole/loss.svg")).unwrap().contains("<polyline"));
    // Three clips of three rows, two pairs of frames, two pixels between pictures.
    let picture = image::open(at("whole.png")).unwrap().into_rgb8();
    assert_eq!(picture.dimensions(), (2 * 64 + 2, 9 * 64 + 8 * 2));
    let grey = |row: u32| {
        let pixels = (0..64 * 64).map(|i| picture.get_pixel(i % 64, row * 66 + i / 64).0);
        pixels.filter(|p| *p == [128; 3]).count()
    };
    assert!(grey(0) < 200 && grey(1) >= 12 * 256 && grey(2) < 200, "{} {} {}", grey(0), grey(1), grey(2));

    // Killed when it has written a state and done more; nothing is lost but what came after.
    let trainer = PathBuf::from(env!("CARGO_BIN_EXE_mtcae-train"));
    let begin = Instant::now();
    let mut child = command(&trainer, desk.path(), &format!("{pretrain} cut"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while losses(&at("cut")).len() < 4 && child.try_wait().unwrap().is_none() {
        assert!(begin.elapsed() < Duration::from_secs(300), "no progress");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!at("cut/checkpoint.safetensors").exists(), "it was done before it was killed");
    let said = done(desk.path(), &format!("{pretrain} cut"));
    assert!(said.starts_with("goes on at update "), "{said}");
    assert_eq!(losses(&at("cut")), whole);
    let log = std::fs::read_to_string(at("cut/log.jsonl")).unwrap();
    assert_eq!(log.lines().count(), 8, "updates that were done again stand twice in the log");
    let bytes = |name: &str| std::fs::read(at(name).join("checkpoint.safetensors")).unwrap();
    assert!(bytes("cut") == bytes("whole"), "the same run gave another checkpoint");

    let checkpoint = Checkpoint::from_bytes(&bytes("whole")).unwrap();
    assert_eq!((checkpoint.config.classes, checkpoint.config.size), (8, 64));
    std::fs::write(at("train.toml"), finetune()).unwrap();
    let train = "train --recipe train.toml --data shards/made --init whole/checkpoint.safetensors --out run";
    assert_eq!(done(desk.path(), train), "wrote run/checkpoint.safetensors\n");
    // Folds by person are worth less when the encoder has seen all persons: it is said when it is trained, and when it is scored.
    let fold = "--data shards/made --folds subject:3 --fold 1/3";
    let said =
        run(desk.path(), &format!("train --recipe train.toml {fold} --init whole/checkpoint.safetensors --out of"));
    let told = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(
        said.status.success()
            && told.contains("warning: whole/checkpoint.safetensors was pre-trained, without labels, on "),
        "{told}"
    );
    let said = run(desk.path(), &format!("evaluate of {fold} --json"));
    let told = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.success() && told.starts_with("warning: of was pre-trained, without labels, on "), "{told}");
    let scored: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!((&scored["trained_on"], &scored["pretrained_on"]), (&false.into(), &true.into()));
    let refused = run(desk.path(), "evaluate run --data shards/made");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(said, "Error: run is a run of `mtcae train`, no model folder; score run/checkpoint.safetensors\n");
    // One careful step away from where it began.
    let trained = Checkpoint::from_bytes(&bytes("run")).unwrap();
    let name = "blocks.3.mlp.fc1.weight";
    let gap = trained.tensors[name].values.iter().zip(&checkpoint.tensors[name].values).map(|(a, b)| (a - b).abs());
    assert!(gap.fold(0.0, f32::max) < 1e-3);
    // Ctrl-C keeps the state; the same command goes on, and another one does not.
    std::fs::write(at("train.toml"), finetune().replace("steps = 1", "steps = 4000")).unwrap();
    let train = "train --recipe train.toml --data shards/made --init whole/checkpoint.safetensors --out long";
    let mut child = command(&trainer, desk.path(), train).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    while losses(&at("long")).len() < 2 && child.try_wait().unwrap().is_none() {
        assert!(begin.elapsed() < Duration::from_secs(300), "no progress");
        std::thread::sleep(Duration::from_millis(1));
    }
    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(signal.success() && ended.status.code() == Some(130), "{said}");
    let updates = losses(&at("long")).len();
    assert_eq!(said, format!("Error: stopped at update {updates}; the same command goes on from there\n"));
    std::fs::write(at("train.toml"), finetune().replace("steps = 1", "steps = 4001")).unwrap();
    let refused = run(desk.path(), train);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.starts_with("Error: long holds a run of other recipe; accepted: what it was begun with"), "{said}");
    let refused = run(desk.path(), &train.replace("--init whole/checkpoint.safetensors", ""));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.starts_with("Error: long holds a run of other recipe and other --init; "), "{said}");
    // And a pre-training may start from an encoder.
    std::fs::write(at("recipe.toml"), recipe(1)).unwrap();
    let said = run(desk.path(), &format!("{pretrain} whole --init whole/checkpoint.safetensors"));
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.starts_with("Error: whole holds a run of other recipe and other --init; "), "{said}");
    done(desk.path(), &format!("{pretrain} more --init whole/checkpoint.safetensors"));
    assert!(losses(&at("more"))[0] < whole[0], "{} {}", losses(&at("more"))[0], whole[0]);
}

#[test]
fn what_cannot_be_pre_trained_is_named() {
    let desk = tempfile::tempdir().unwrap();
    std::fs::write(desk.path().join("recipe.toml"), recipe(1).replace("\"small\"", "\"edge\"")).unwrap();
    let said = run(desk.path(), "pretrain --recipe recipe.toml --data shards/made --out run");
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(!said.status.success());
    insta::assert_snapshot!(text.trim_end(), @"Error: recipe recipe.toml: this network starts with a convolutional stem, which sees pixels that are to be hidden; accepted: presets with plain patches: large, base, small");
    let help = String::from_utf8(run(desk.path(), "pretrain --help").stdout).unwrap();
    assert!(help.contains("--picture <FILE>") && help.contains("(VideoMAE)"), "{help}");
}
