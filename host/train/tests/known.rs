//! What weights learnt from is known to whoever trains on with them or scores them, with the programs that a person runs.

use mtcae_contract::{ClipSpec, Framing, MANIFEST_FORMAT, Manifest, Sampling};
use mtcae_data::{FACE_MARGIN, Stills};
use mtcae_network::{Checkpoint, StoredAs};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// As little training as there can be.
const RECIPE: &str = r#"
preset = "tiny"
seed = 1
weight_decay = 0.05
label_smoothing = 0.1
balance = 0.0
average = 0.9
losses = { boxes = 10.0, landmarks = 10.0, expression = 1.5 }
augment = { flip = 0.5, rotate = 5.0, scale = 0.05, shift = 0.05, contrast = 0.2, tint = 0.1, erase = 0.1, motion = 0.3 }
phase = [{ frames = 2, size = 32, batch = 2, steps = 1, lr = 1e-3, warmup = 0 }]
"#;

struct Desk(TempDir);

impl Desk {
    /// With clips of three persons, twice: the same persons cut at another size.
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        std::fs::write(desk.at("recipe.toml"), RECIPE).unwrap();
        let make = "data synth --model sketch --out shards --clips 6 --identities 3 --size 64 --frames 4 --classes 8";
        desk.done(&format!("{make} --name made --side 48"));
        desk.done(&format!("{make} --name again --side 40"));
        desk
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Exit code, standard output and error.
    fn said(&self, arguments: &str) -> String {
        let tool = Path::new(env!("CARGO_BIN_EXE_mtcae-train")).with_file_name("mtcae");
        assert!(tool.is_file(), "{} is missing; `cargo test --workspace` builds it", tool.display());
        let mut command = Command::new(tool);
        command
            .args(arguments.split(' '))
            .current_dir(self.0.path())
            .env("NO_COLOR", "1")
            .env_remove("RUST_BACKTRACE")
            .env_remove("RUST_LIB_BACKTRACE");
        let output = command.output().unwrap();
        let code = output.status.code().map_or("signal".to_owned(), |code| code.to_string());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        format!("exit code: {code}\n{}{}", text(&output.stdout), text(&output.stderr))
    }

    fn done(&self, arguments: &str) -> String {
        let said = self.said(arguments);
        assert!(said.starts_with("exit code: 0\n"), "{arguments}: {said}");
        said
    }

    fn refused(&self, arguments: &str, says: &str) {
        let said = self.said(arguments);
        assert!(said.starts_with("exit code: 1\n") && said.contains(says), "{arguments}: {said}");
    }

    fn train(&self, more: &str) -> String {
        format!("train --recipe recipe.toml --data shards/made {more}")
    }

    /// A manifest for the checkpoint of a run.
    fn manifest(&self, checkpoint: &str) -> Checkpoint {
        let checkpoint = Checkpoint::from_bytes(&std::fs::read(self.at(checkpoint)).unwrap()).unwrap();
        let config = &checkpoint.config;
        let manifest = Manifest {
            format: MANIFEST_FORMAT,
            name: "sample".into(),
            version: "0.0.1".into(),
            preset: "tiny".into(),
            labels: Stills::open_named(&self.at("shards"), "made").unwrap().labels().clone(),
            sampling: Sampling::Uniform,
            temperature: 1.0,
            clip: ClipSpec { frames: config.frames, size: config.size, seconds: 0.5 },
            framing: Framing::Face { margin: FACE_MARGIN },
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            artifacts: Vec::new(),
        };
        std::fs::write(self.at("manifest.toml"), manifest.to_toml().unwrap()).unwrap();
        checkpoint
    }
}

#[test]
fn nobody_is_tested_on_whom_the_weights_know() {
    let desk = Desk::new();
    desk.done(&desk.train("--out all"));
    desk.done(&desk.train("--folds subject:3 --out fr"));
    // The weights that a run begins with.
    let knows = " of `subject:3`; accepted: weights that know none of them, such as those of the same fold";
    desk.refused(&desk.train("--init all/checkpoint.safetensors --folds subject:3 --out leak"), knows);
    assert!(!desk.at("leak").exists());
    let one = "--init fr/fold-1/checkpoint.safetensors --folds subject:3";
    desk.refused(&desk.train(&format!("{one} --fold 2 --out leak")), knows);
    desk.done(&desk.train(&format!("{one} --fold 1 --out on")));
    desk.done("evaluate on --data shards/made --folds subject:3 --fold 1");
    // Through the weights that it began with, a run knows persons that it has not seen itself.
    desk.done("train --recipe recipe.toml --data shards/made --init all/checkpoint.safetensors --out more");
    let said = desk.done("evaluate more/checkpoint.safetensors --data shards/again");
    assert!(said.contains("was trained on persons or pictures of 6 of the 6 samples: "), "{said}");
    // The same persons, prepared again.
    let knows = "was trained on this data, all but fold 1 of `subject:3`; score it with ";
    desk.refused("evaluate fr/fold-1/checkpoint.safetensors --data shards/again", knows);
    desk.done("evaluate fr --data shards/again --folds subject:3");
    // A model folder in the run's own, and one in it.
    desk.manifest("fr/fold-1/checkpoint.safetensors");
    for out in ["fr/fold-1", "fr/fold-1/model"] {
        let from = "export --checkpoint fr/fold-1/checkpoint.safetensors --manifest manifest.toml";
        desk.done(&format!("{from} --out {out}"));
        desk.refused(&format!("evaluate {out} --data shards/made"), knows);
        desk.refused(&format!("curves {out} --data shards/made --harms dark"), knows);
        desk.done(&format!("evaluate {out} --data shards/made --folds subject:3 --fold 1"));
    }
}

#[test]
fn labels_stand_in_the_checkpoint_and_others_are_refused() {
    let desk = Desk::new();
    desk.done(&desk.train("--out run"));
    let mut checkpoint = desk.manifest("run/checkpoint.safetensors");
    checkpoint.labels.as_mut().unwrap().reverse();
    std::fs::write(desk.at("odd.safetensors"), checkpoint.to_bytes(StoredAs::F16).unwrap()).unwrap();
    let says = r#"checkpoint answers with the labels ["contempt", "surprise", "#;
    desk.refused("evaluate odd.safetensors --data shards/made", says);
    desk.refused(&desk.train("--init odd.safetensors --out on"), says);
    desk.refused("export --checkpoint odd.safetensors --manifest manifest.toml --out model", says);
    desk.refused("quantize odd.safetensors --manifest manifest.toml --dynamic --out model", says);
    // What is of the weights before is no part of the model any more.
    desk.done("quantize run/checkpoint.safetensors --manifest manifest.toml --dynamic --out model");
    let said = desk.done("export --checkpoint run/checkpoint.safetensors --manifest manifest.toml --out model");
    assert!(said.contains("model/sample.int8.onnx is not listed any more, "), "{said}");
    // What earlier trainers wrote says nothing of labels.
    checkpoint.labels = None;
    std::fs::write(desk.at("old.safetensors"), checkpoint.to_bytes(StoredAs::F16).unwrap()).unwrap();
    desk.done("evaluate old.safetensors --data shards/made");
}

#[test]
fn a_folder_has_one_trainer_and_the_recipe_that_ships_is_at_hand() {
    let desk = Desk::new();
    std::fs::create_dir(desk.at("run")).unwrap();
    let held = std::fs::File::create(desk.at("run/run.lock")).unwrap();
    held.lock().unwrap();
    let says = "Error: another `mtcae train` works in run; accepted: ";
    desk.refused(&desk.train("--out run"), says);
    desk.refused("pretrain --data shards/made --out run", says);
    drop(held);
    desk.done(&desk.train("--out run"));
    desk.refused("train --data nowhere --out no", "nowhere-000.safetensors: no such shard");
}
