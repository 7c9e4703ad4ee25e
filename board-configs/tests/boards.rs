//! Every board that ships is valid, every file in `boards/` ships, and the README's table is what the code documents.

use mtcae_board_configs::{
    Board, LevelChoice, Mqtt, SinkKind, Source, Tcp, builtin, builtin_named, keys_as_markdown, load, load_builtin,
};
use std::path::Path;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_shipped_board_is_valid_and_bears_its_name() {
    for shipped in builtin() {
        let board = load(shipped.name, shipped.text).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(board.about.name, shipped.name);
        assert!(!board.about.description.is_empty(), "{} says nothing of itself", shipped.name);
    }
}

#[test]
fn every_file_in_boards_ships() {
    let mut files: Vec<String> = std::fs::read_dir(folder().join("boards"))
        .expect("the folder is part of the crate")
        .map(|entry| entry.expect("a readable entry").path())
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    let mut shipped: Vec<String> = builtin().iter().map(|board| board.name.to_owned()).collect();
    files.sort();
    shipped.sort();
    assert_eq!(files, shipped);
}

#[test]
fn boards_nobody_has_tried_say_so() {
    for shipped in builtin().iter().filter(|board| board.name.starts_with("jetson")) {
        let comments: Vec<&str> = shipped.text.lines().filter(|line| line.starts_with('#')).collect();
        assert!(comments.iter().any(|line| line.contains("never tried on real hardware")), "{}", shipped.name);
    }
}

#[test]
fn the_demo_needs_no_camera_and_no_serial_line() {
    let demo = load_builtin("demo").expect("it ships");
    assert!(matches!(demo.camera.source, Source::File(_)));
    assert!(!builtin_named("demo").expect("it ships").text.contains("/dev/"));
}

#[test]
fn a_default_written_out_means_the_same_as_left_out() {
    let short = load("short", "[board]\nname = \"a\"\nfamily = \"pc\"\n").expect("valid");
    for shipped in ["camera.max_side", "detector.thresholds", "estimate.enter", "report.max_hz", "model.path"] {
        assert!(keys_as_markdown().contains(&format!("`{shipped}`")), "{shipped} is documented");
    }
    assert_eq!(load("long", &written_out()).expect("every documented default is valid"), short);
}

/// A file with every default of the documented table written out, for a v4l2 camera.
fn written_out() -> String {
    let mut text = String::from("[board]\nname = \"a\"\nfamily = \"pc\"\n");
    let mut open = "board".to_owned();
    for row in keys_as_markdown().lines().skip(2) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let (section, key) = cells[0].split_once('.').expect("a dotted key");
        let other_source = ["path", "loop", "realtime"].contains(&key) && section == "camera";
        if ["must be given", "none"].contains(&cells[1]) || other_source || section == "sink" {
            continue;
        }
        if section != open {
            text += &format!("[{section}]\n");
            open = section.to_owned();
        }
        text += &format!("{key} = {}\n", cells[1]);
    }
    text
}

#[test]
fn pins_are_wired_as_the_file_says() {
    let text =
        "[board]\nname = \"a\"\nfamily = \"pc\"\n[pins]\nprivacy = \"/dev/gpiochip0:12\"\nprivate_when = \"high\"\n";
    let pins = load("a", text).expect("valid").pins;
    let expected = (Some("/dev/gpiochip0:12".to_owned()), LevelChoice::High, None, LevelChoice::High);
    assert_eq!((pins.privacy, pins.private_when, pins.light, pins.light_when), expected);
    let wrong = ["gpio12", "/dev/gpiochip0:", "/dev/gpiochip0:x", "/dev/../x:1", "value", "/sys/a:1"];
    for pin in wrong {
        let text = text.replace("/dev/gpiochip0:12", pin);
        let said = load("a", &text).expect_err(pin).to_string();
        assert_eq!(
            said,
            format!(
                "a:5: `pins.privacy` is {pin:?}; accepted: \"/dev/gpiochipN:LINE\", or the absolute path of a file that holds 0 or 1"
            )
        );
    }
}

#[test]
fn changed_values_arrive() {
    let text = "[board]\nname = \"a\"\nfamily = \"pc\"\n[camera]\nsource = \"file\"\npath = \"clip.y4m\"\nloop = true\n\
                [estimate]\nenter = 1\n[[sink]]\nkind = \"serial\"\nport = \"/dev/ttyS0\"\noutbox = 7\n";
    let Board { camera, estimate, sinks, .. } = load("a", text).expect("valid");
    insta::assert_debug_snapshot!((camera, estimate.enter, sinks), @r#"
    (
        Camera {
            max_side: 640,
            source: File(
                VideoFile {
                    path: "clip.y4m",
                    repeat: true,
                    realtime: true,
                },
            ),
        },
        1.0,
        [
            Sink {
                outbox: 7,
                kind: Serial(
                    Serial {
                        port: "/dev/ttyS0",
                        baud: 115200,
                    },
                ),
            },
        ],
    )
    "#);
}

#[test]
fn a_tcp_sink_listens_on_the_board_itself_unless_told_otherwise() {
    let head = "[board]\nname = \"a\"\nfamily = \"pc\"\n[[sink]]\nkind = \"tcp\"\n";
    let kind = |rest: &str| load("a", &format!("{head}{rest}")).expect("valid").sinks[0].kind.clone();
    let SinkKind::Tcp(bare) = kind("") else { panic!("another kind") };
    assert!(bare.listen.ip().is_loopback() && bare == Tcp::on(bare.listen));
    let whole = kind("listen = \"[::]:9000\"\nkey = \"k\"\nclients = \"c\"\n");
    let listen = "[::]:9000".parse().expect("an address");
    assert_eq!(whole, SinkKind::Tcp(Tcp { listen, key: "k".into(), clients: "c".into() }));
    for shipped in builtin() {
        let board = load_builtin(shipped.name).expect("it ships");
        assert!(!board.sinks.iter().any(|s| matches!(s.kind, SinkKind::Tcp(_))), "{} opens a port", shipped.name);
    }
}

#[test]
fn an_mqtt_sink_arrives_as_written() {
    let head = "[board]\nname = \"a\"\nfamily = \"pc\"\n[[sink]]\nkind = \"mqtt\"\n";
    let kind = |rest: &str| load("a", &format!("{head}{rest}")).expect("valid").sinks[0].kind.clone();
    assert_eq!(kind("host = \"10.0.0.2\""), SinkKind::Mqtt(Mqtt::at("10.0.0.2", 1883)));
    let whole = kind(
        "host = \"broker.local\"\nport = 8883\nprefix = \"lab/mtcae\"\nuser = \"u\"\npassword_file = \"p\"\n\
         ca = \"ca.pem\"\ncertificate = \"c.pem\"\nkey = \"c.key\"\nhome_assistant = true\n",
    );
    let some = |text: &str| Some(text.to_owned());
    let expected = Mqtt {
        prefix: "lab/mtcae".into(),
        user: some("u"),
        password_file: some("p"),
        ca: some("ca.pem"),
        certificate: some("c.pem"),
        key: some("c.key"),
        home_assistant: true,
        ..Mqtt::at("broker.local", 8883)
    };
    assert_eq!(whole, SinkKind::Mqtt(expected));
    // Two boards, or two brokers, are fine.
    let two = format!("{head}host = \"a\"\n[[sink]]\nkind = \"mqtt\"\nhost = \"a\"\nport = 1884\n");
    assert_eq!(load("a", &two).expect("valid").sinks.len(), 2);
}

#[test]
fn the_readme_lists_every_key() {
    let path = folder().join("README.md");
    let readme = std::fs::read_to_string(&path).expect("the crate has a README");
    let (start, end) = ("<!-- keys -->\n", "<!-- end of keys -->");
    let (before, rest) = readme.split_once(start).expect("the README has a place for the table");
    let (table, after) = rest.split_once(end).expect("the table's place has an end");
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(&path, format!("{before}{start}{}{end}{after}", keys_as_markdown())).expect("writable");
        return;
    }
    assert_eq!(table, keys_as_markdown(), "run `UPDATE_README=1 cargo test -p mtcae-board-configs` and commit");
}
