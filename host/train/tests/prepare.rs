//! From a folder of pictures to a score, with the programs that a person runs: `mtcae` hands over to `mtcae-train`.

use mtcae_contract::{Expression, LabelSet};
use mtcae_data::{STORE_MARGIN, Stills};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const PORTRAIT: &[u8] = include_bytes!("../../../tests/data/astronaut.png");
const FACE: &[u8] = include_bytes!("../../../firmware/drivers/tests/fixtures/face.jpg");

/// The tool, which must be beside the trainer, as it looks for the trainer there.
fn mtcae() -> PathBuf {
    let tool = Path::new(env!("CARGO_BIN_EXE_mtcae-train")).with_file_name("mtcae");
    assert!(tool.is_file(), "{} is missing; `cargo test --workspace` builds it", tool.display());
    tool
}

/// A folder to work in.
struct Desk(TempDir);

impl Desk {
    fn new() -> Desk {
        Desk(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: &[u8]) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Three good pictures among bad ones and ones that are of no use here.
    fn data_set(&self) {
        self.file("in/happy/Ann_Lee_0001.png", PORTRAIT);
        self.file("in/happy/Ann_Lee_0002.jpg", FACE);
        self.file("in/happy/notes.txt", b"not a picture by its name");
        self.file("in/happy/wave.gif", b"GIF89a");
        // What a file is called is often wrong.
        self.file("in/sadness/Bo_0001.jpg", PORTRAIT);
        self.file("in/contempt/Bo_0002.jpg", FACE);
        self.file("in/smug/Bo_0003.jpg", FACE);
        self.file("in/neutral/Cut_0001.png", &PORTRAIT[..9000]);
        self.file("in/neutral/Cut_0002.jpg", &FACE[..700]);
        self.file("in/neutral/Empty_0001.png", b"");
        self.file("in/neutral/Text_0001.jpg", b"<html>404</html>");
        std::fs::create_dir(self.0.path().join("in/neutral/Folder_0001.png")).unwrap();
        std::os::unix::fs::symlink("nowhere", self.0.path().join("in/neutral/Link_0001.png")).unwrap();
    }

    /// Exit code, standard output and error of the tool in this folder.
    fn said(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(mtcae());
        // With one, errors are followed by the program's own insides.
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("RUST_BACKTRACE")
            .env_remove("RUST_LIB_BACKTRACE");
        let output = command.output().unwrap();
        let code = output.status.code().map_or("signal".to_owned(), |code| code.to_string());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        format!("exit code: {code}\n{}{}", text(&output.stdout), text(&output.stderr))
    }

    fn prepare(&self, arguments: &[&str]) -> String {
        self.said(&[&["data", "prepare", "stills"], arguments].concat())
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.0.path().join(folder)) else { return Vec::new() };
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn pictures_become_shards_that_a_model_is_scored_on() {
    let desk = Desk::new();
    desk.data_set();
    let arguments = ["--root", "in", "--out", "out", "--name", "mine", "--naming", "person"];
    insta::assert_snapshot!(desk.prepare(&arguments), @r"
    exit code: 0
    3 samples, a face found in 3 (100.0 %); 6 corrupt, 1 of other labels; 1 shard(s), 0 already there
    happy            2
    sad              1
    passed over: folder `smug`, 1 picture(s); --folder smug=EXPRESSION says what it shows
    passed over: 1 .gif picture(s); make JPEG or PNG of them
    corrupt: neutral/Cut_0001.png: unexpected end of file
    corrupt: neutral/Cut_0002.jpg: JPEG of 700 bytes breaks off before its end
    corrupt: neutral/Empty_0001.png: The image format could not be determined
    corrupt: neutral/Folder_0001.png: Is a directory (os error 21)
    corrupt: neutral/Link_0001.png: No such file or directory (os error 2)
    corrupt: neutral/Text_0001.jpg: The image format could not be determined
    look at out/mine.png before training on it
    ");
    assert_eq!(desk.names("out"), ["mine-000.safetensors", "mine.png"]);
    let stills = Stills::open_named(&desk.0.path().join("out"), "mine").unwrap();
    let labels = LabelSet::seven();
    let samples: Vec<_> = (0..stills.len()).map(|i| stills.sample(i)).collect();
    let shown: Vec<_> = samples.iter().map(|sample| labels.labels()[sample.label]).collect();
    assert_eq!(shown, [Expression::Happy, Expression::Happy, Expression::Sad]);
    assert!(samples[0].subject == samples[1].subject && samples[1].subject != samples[2].subject);
    for sample in &samples {
        // The face is found, in the middle, and as large as the stored square's margin leaves it.
        let side = sample.face.w.max(sample.face.h) * (1.0 + 2.0 * STORE_MARGIN);
        assert!(sample.has_face && (side - 1.0).abs() < 1e-3, "{:?}", sample.face);
    }

    assert!(desk.prepare(&arguments).contains("1 shard(s), 1 already there"));
    // A reader that goes is no error; a full disk is one, at the end.
    let tool = mtcae().display().to_string();
    let piped = |to: &str| {
        let line = format!("{tool} data prepare stills --root in --out out --name mine --naming person {to}");
        Command::new("bash").args(["-c", &line]).current_dir(desk.0.path()).output().unwrap()
    };
    let gone = piped("| true; exit ${PIPESTATUS[0]}");
    assert!(gone.status.success() && gone.stderr.is_empty(), "{}", String::from_utf8_lossy(&gone.stderr));
    let full = piped("> /dev/full");
    assert!(String::from_utf8_lossy(&full.stderr).starts_with("Error: standard output: No space left"), "{full:?}");
    let zoo = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/zoo/edge");
    // The model that ships knows an eighth class; what has seven is its, too.
    let scored = desk.said(&["evaluate", zoo, "--data", "out/mine"]);
    assert!(scored.starts_with("exit code: 0\n") && scored.contains("WAR"), "{scored}");
    let eight = [&arguments[..4], &["--name", "eight", "--naming", "person", "--classes", "8"]].concat();
    assert!(desk.prepare(&eight).contains("4 samples, a face found in 4 (100.0 %); 6 corrupt, 0 of other labels"));
    let named = desk.prepare(&[&eight[..], &["--folder", "smug=contempt"]].concat());
    assert!(named.contains("contempt         2\n") && !named.contains("passed over: folder"), "{named}");
    assert!(desk.prepare(&eight).contains("contempt         1\n"), "it is made again without the folder");
    let scored = desk.said(&["evaluate", zoo, "--data", "out/eight"]);
    assert!(scored.starts_with("exit code: 0\n") && scored.contains("WAR"), "{scored}");

    let scored = desk.said(&["evaluate", zoo, "--data", "out/eight", "--classes", "happy, sadness", "--json"]);
    let object: serde_json::Value =
        serde_json::from_str(scored.strip_prefix("exit code: 0\n").expect(&scored)).unwrap();
    let cells = object["confusion"].as_array().unwrap().iter().map(|row| row.as_array().unwrap());
    let answers: Vec<u64> = cells.map(|row| row.iter().map(|n| n.as_u64().unwrap()).sum()).collect();
    assert_eq!((object["samples"].as_u64(), answers[1] + answers[2]), (Some(3), 3), "{scored}");
    assert!(object["confusion"].as_array().unwrap().iter().all(|row| row[0] == 0), "neutral is no answer: {scored}");
    // Boxes are those of faces off the middle, beside what the same box always would score there.
    let looked = |more: &[&str]| -> serde_json::Value {
        let said = desk.said(&[&["evaluate", zoo, "--data", "out/eight", "--json"], more].concat());
        serde_json::from_str(said.strip_prefix("exit code: 0\n").expect(&said)).unwrap()
    };
    let (off, centred) = (looked(&[]), looked(&["--centred"]));
    assert_eq!((off["off_centre"].as_bool(), centred["off_centre"].as_bool()), (Some(true), Some(false)));
    assert_eq!((&off["war"], &off["ece"]), (&centred["war"], &centred["ece"]), "expressions are those of the middle");
    let constant = |scored: &serde_json::Value| scored["constant"]["box_iou"].as_f64().unwrap();
    assert!(off["box_iou"] != centred["box_iou"] && constant(&off) < constant(&centred), "{off} {centred}");
    for (classes, code, says) in [
        ("glad", 2, "unknown expression \"glad\"; accepted: neutral, "),
        ("calm", 1, "--classes names `calm`; accepted: neutral, happy, sad, "),
        ("happy", 1, "--classes names `happy` alone, and one answer is always right; accepted: two or more"),
        ("fear,disgust", 1, "no sample is of --classes fear,disgust"),
    ] {
        let said = desk.said(&["evaluate", zoo, "--data", "out/eight", "--classes", classes]);
        assert!(said.starts_with(&format!("exit code: {code}\n")) && said.contains(says), "{said}");
    }

    let arguments = ["curves", zoo, "--data", "out/eight", "--harms", "dark,rotated", "--json", "--plot", "curves.svg"];
    let said = desk.said(&arguments);
    let object: serde_json::Value = serde_json::from_str(said.strip_prefix("exit code: 0\n").expect(&said)).unwrap();
    let points = object["curves"].as_array().unwrap();
    let amounts: Vec<_> = points.iter().map(|p| (p["harm"].as_str(), p["amount"].as_f64())).collect();
    assert_eq!(amounts.len(), 9);
    assert_eq!((amounts[0], amounts[8]), ((None, None), (Some("rotated"), Some(45.0))));
    // The landmarks turn with the face, and a network that was never turned so far cannot follow.
    let error = |i: usize| points[i]["landmark_nme"].as_f64().unwrap();
    assert!(error(0) < 0.2 && error(8) > error(0), "{said}");
    let plot = std::fs::read_to_string(desk.0.path().join("curves.svg")).unwrap();
    assert_eq!(plot.matches("<polyline").count(), 4);
    let wrong = desk.said(&["curves", zoo, "--data", "out/eight", "--harms", "melted"]);
    assert!(wrong.contains("melted") && wrong.contains("occluded"), "{wrong}");
}

#[test]
fn what_cannot_be_prepared_is_named_and_leaves_nothing() {
    let desk = Desk::new();
    desk.data_set();
    desk.file("bad/happy/Text_0001.jpg", b"<html>404</html>");
    desk.file("bad/happy/Empty_0001.png", b"");
    desk.file("archive.tar", b"no archive at all, and shorter than one");
    desk.file("file", b"in the place of a folder");
    let mut said = String::new();
    for arguments in [
        ["--root", "none", "--out", "out", "--name", "mine"],
        ["--root", "archive.tar", "--out", "out", "--name", "mine"],
        ["--root", "in/happy", "--out", "out", "--name", "mine"],
        ["--root", "bad", "--out", "out", "--name", "mine"],
        ["--root", "in", "--out", "out", "--name", "../mine"],
        ["--root", "in", "--out", "file", "--name", "mine"],
    ] {
        said += &desk.prepare(&arguments);
    }
    for more in [["--side", "8"], ["--workers", "0"], ["--folder", "7=happy"]] {
        said += &desk.prepare(&[&["--root", "in", "--out", "out", "--name", "mine"], &more[..]].concat());
    }
    insta::assert_snapshot!(said, @r#"
    exit code: 1
    Error: none: No such file or directory (os error 2)
    exit code: 1
    Error: archive.tar: not a whole tar archive: failed to read entire block; accepted: a folder or a plain tar archive with one folder for each expression
    exit code: 1
    Error: in/happy: no pictures in folders named by expression, such as happy/0001.jpg
    exit code: 1
    Error: bad: none of its 2 picture(s) becomes a sample: happy/Empty_0001.png: The image format could not be determined; happy/Text_0001.jpg: The image format could not be determined
    exit code: 1
    Error: name is "../mine"; accepted: letters, digits, `-`, `_` and `.`
    exit code: 1
    Error: file: File exists (os error 17)
    exit code: 1
    Error: side is 8; accepted: 32 to 1024 pixels
    exit code: 1
    Error: workers is 0; accepted: 1 to 64
    exit code: 1
    Error: --folder names `7`; accepted: folders with pictures in in
    "#);
    let said = desk.prepare(&["--root", "in", "--out", "out", "--name", "mine", "--folder", "1=glad"]);
    assert!(
        said.starts_with("exit code: 2\n") && said.contains("unknown expression \"glad\"; accepted: neutral"),
        "{said}"
    );
    assert!(desk.names("out").is_empty(), "{:?}", desk.names("out"));
    assert!(desk.prepare(&["--root", "in"]).starts_with("exit code: 2\n"));
    assert!(desk.said(&["evaluate", "x", "--data", "out/mine"]).contains("mtcae data prepare"));
}

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
phase = [{ frames = 2, still = true, size = 32, batch = 2, steps = 1, lr = 1e-3, warmup = 0 }]
"#;

#[test]
fn pictures_that_were_trained_on_are_told_and_can_be_left_out() {
    let desk = Desk::new();
    desk.file("recipe.toml", RECIPE.as_bytes());
    desk.file("train/happy/0001.png", PORTRAIT);
    desk.file("train/sad/0001.jpg", FACE);
    // The one again under another name, and a picture that is nowhere else.
    desk.file("test/happy/0001.png", PORTRAIT);
    desk.file("test/sad/0001.png", b"");
    let other = image::load_from_memory(PORTRAIT).unwrap().crop_imm(124, 17, 200, 200);
    other.save(desk.0.path().join("test/sad/0001.png")).unwrap();
    for name in ["train", "test"] {
        let said = desk.prepare(&["--root", name, "--out", "out", "--name", name]);
        assert!(said.contains("2 samples, a face found in 2 "), "{said}");
    }
    let train = ["train", "--recipe", "recipe.toml", "--data", "out/train", "--test", "out/test", "--out", "run"];
    let said = desk.said(&train);
    assert!(said.starts_with("exit code: 0\n"), "{said}");
    assert!(said.contains("warning: 1 of 2 test pictures are trained on, too: "), "{said}");
    // Without a terminal there is no bar that scores could stand above.
    assert!(said.contains("\nupdate 1: WAR "), "{said}");
    let apart = desk.said(&[&train[..8], &["apart", "--without", "out/train"]].concat());
    assert!(apart.contains("\n1 of 2 test pictures left out") && !apart.contains("warning"), "{apart}");
    let nothing = desk.said(&[&train[..5], &["--out", "no", "--without", "out/train"]].concat());
    assert!(nothing.contains("Error: --without leaves pictures out of --test, which was not given"), "{nothing}");
    let other = desk.said(&[&train[..], &["--workers", "1"]].concat());
    assert!(other.contains("Error: run holds a run of other --workers; accepted: what it was begun with"), "{other}");

    let model = "run/checkpoint.safetensors";
    let scored = |more: &[&str]| desk.said(&[&["evaluate", model, "--json", "--data"], more].concat());
    let json = |said: &str| -> serde_json::Value {
        let object = said.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("{said}"));
        serde_json::from_str(object).unwrap()
    };
    let rest = json(&scored(&["out/test", "--without", "out/train"]));
    assert_eq!((rest["samples"].as_u64(), rest["left_out"].as_u64()), (Some(1), Some(1)), "{rest}");
    assert_eq!(rest["trained_on"], false);
    let said = scored(&["out/train", "--without", "out/train"]);
    assert!(said.contains("Error: --without leaves no sample: "), "{said}");
    // What it learnt from, and nothing said which persons it has not seen.
    let said = scored(&["out/train"]);
    let told = "warning: run/checkpoint.safetensors was trained on persons or pictures of 2 of the 2 samples: ";
    assert!(said.contains(told), "{said}");
    assert_eq!(json(&said)["trained_on"], true);
    // One picture of two is not the same people, but it is said.
    let said = scored(&["out/test"]);
    assert!(said.contains("was trained on the pictures of 1 of the 2 samples: "), "{said}");
    assert_eq!(json(&said)["trained_on"], false);
    // The same pictures from elsewhere, under other names.
    desk.file("moved/happy/a.png", PORTRAIT);
    desk.file("moved/sad/b.jpg", FACE);
    desk.prepare(&["--root", "moved", "--out", "out", "--name", "moved", "--side", "96"]);
    assert_eq!(json(&scored(&["out/moved"]))["trained_on"], true);

    let zoo = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/zoo/edge");
    let curves = ["curves", zoo, "--data", "out/test", "--without", "out/train", "--harms", "dark", "--json"];
    let points = json(&desk.said(&curves));
    assert_eq!((points["left_out"].as_u64(), points["curves"][0]["samples"].as_u64()), (Some(1), Some(1)), "{points}");
    assert!(points["curves"][0]["constant_box_iou"].is_number(), "{points}");
}
