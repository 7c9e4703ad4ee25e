//! Good bundles over the line, and the verbs around them.

use crate::bench::{Bench, PATIENCE};
use crate::bundles::{Recipe, signing_key};
use mtcae_bundle::{Rotation, SigningKey, write_public};
use mtcae_drivers::DirStore;
use std::time::{Duration, Instant};

const BAUD: u32 = 4_000_000;
const DELAY: Duration = Duration::from_millis(5);

#[test]
fn a_bundle_goes_over_the_line_is_tried_and_confirmed_and_taken_back() {
    let bench = Bench::new(BAUD, DELAY, "self-test");
    let board = bench.power_on();
    board.says("starts daemon-a with model-a");
    let bundle = bench.write("v2.mtcb", &Recipe { counter: 2, ballast: 200_000, ..Recipe::default() }.build());
    let bundle = bundle.to_str().unwrap();

    let (code, lines, errors) = bench.run(&["flash", "LINE", bundle, "--dry-run"]);
    assert_eq!((code, bench.confirmed().as_str()), (0, "tiny 1.1.0"), "{lines:?} {errors}");
    let (code, lines, errors) = bench.run(&["flash", "LINE", bundle, "--json"]);
    assert_eq!((code, bench.confirmed().as_str()), (0, "tiny 1.2.0"), "{lines:?} {errors} {:#?}", board.errors());
    board.says("self-test good; confirmed");

    let (code, lines, errors) = bench.run(&["status", "LINE", "--json"]);
    assert!(code == 0 && lines.join(" ").contains("1.2.0"), "{lines:?} {errors}");
    let (code, _, errors) = bench.run(&["flash", "LINE", bundle]);
    assert_eq!(code, 0, "the same again is nothing to do: {errors}");
    let (code, lines, errors) = bench.run(&["logs", "LINE", "--lines", "20"]);
    assert!(code == 0 && lines.join(" ").contains("self-test good"), "{lines:?} {errors}");
    let (code, lines, errors) = bench.run(&["doctor", "LINE", "--json"]);
    assert!(code <= 1 && !lines.is_empty(), "{lines:?} {errors}");

    // Confirmed versions raise the counter, so the way back needs a permit.
    let (code, _, errors) = bench.run(&["rollback", "LINE"]);
    assert!(code == 1 && errors.contains("counter"), "{errors}");
    assert_eq!(bench.confirmed(), "tiny 1.2.0");
    let (code, _, errors) = bench.run(&["confirm", "LINE"]);
    assert_eq!(code, 0, "what is confirmed stays so: {errors}");
}

#[test]
fn a_user_has_the_last_word_where_the_board_file_says_so() {
    let bench = Bench::new(BAUD, DELAY, "user");
    let board = bench.power_on();
    for (counter, verb, kept) in [(2, "rollback", "tiny 1.1.0"), (3, "confirm", "tiny 1.3.0")] {
        let bundle = bench.write("next.mtcb", &Recipe { counter, ballast: 50_000, ..Recipe::default() }.build());
        let (_, lines, errors) = bench.run(&["flash", "LINE", bundle.to_str().unwrap()]);
        board.says("self-test good; `mtcae confirm` keeps this version");
        assert!(bench.status().held, "{lines:?} {errors}");
        let (code, lines, errors) = bench.run(&[verb, "LINE"]);
        assert_eq!((code, bench.confirmed().as_str()), (0, kept), "{verb}: {lines:?} {errors}");
    }
}

#[test]
fn an_encrypted_model_stays_encrypted_on_the_board() {
    let bench = Bench::new(BAUD, DELAY, "self-test");
    let recipients = vec![bench.device_key().recipient()];
    let board = bench.power_on();
    let bundle = Recipe { counter: 2, recipients, ..Recipe::default() }.build();
    let path = bench.write("sealed.mtcb", &bundle);
    let (code, lines, errors) = bench.run(&["flash", "LINE", path.to_str().unwrap()]);
    assert_eq!((code, bench.confirmed().as_str()), (0, "tiny 1.2.0"), "{lines:?} {errors} {:#?}", board.errors());
    let slot = bench.slots().join("model-b");
    assert_eq!(std::fs::read(slot.join("model.mtcb")).unwrap(), bundle);
    assert!(!slot.join("tiny.onnx").exists());
    // The key that signed it is replaced: what runs starts again all the same.
    drop(board);
    let rotation = Rotation::sign(&signing_key(), SigningKey::from_seed(&[9; 32]).public(), 2).unwrap();
    write_public(&bench.etc().join("trusted/release.rotation"), &rotation.to_string()).unwrap();
    let board = bench.power_on();
    board.says("model   tiny-test 0.2.0");
}

#[test]
fn a_flash_goes_on_after_a_pause_in_which_others_had_the_slots() {
    let bench = Bench::new(BAUD, DELAY, "self-test");
    let board = bench.power_on();
    board.says("starts daemon-a with model-a");
    let bytes = Recipe { counter: 2, ballast: 1_600_000, ..Recipe::default() }.build();
    let bundle = bench.write("v2.mtcb", &bytes);
    let bundle = bundle.to_str().unwrap();
    let mut flash = bench.mtcae(&["flash", "LINE", bundle]);
    let begun = Instant::now();
    while bench.line.down() < 700_000 {
        assert!(begun.elapsed() < PATIENCE, "{:?} {:?}", flash.errors(), board.errors());
        std::thread::sleep(Duration::from_millis(20));
    }
    flash.kill();
    flash.wait();
    // The daemon lets go of the slots after fifteen seconds without a word about the file.
    while DirStore::open(&bench.slots()).is_err() {
        assert!(begun.elapsed() < PATIENCE, "the slots stay locked");
        std::thread::sleep(Duration::from_millis(200));
    }
    let before = bench.line.down();
    let (code, lines, errors) = bench.run(&["flash", "LINE", bundle]);
    assert_eq!((code, bench.confirmed().as_str()), (0, "tiny 1.2.0"), "{lines:?} {errors} {:#?}", board.errors());
    assert!(bench.line.down() - before < 1_100_000, "it went on where it was");
}

/// One board, one desk, one TCP port on the loopback: keys first, then the same flash.
#[test]
fn a_bundle_goes_over_tcp_between_two_that_know_each_other() {
    let bench = Bench::new(BAUD, DELAY, "self-test");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let target = format!("tcp:127.0.0.1:{port}");
    let etc = bench.etc();
    let (key, clients) = (etc.join("line.key"), etc.join("clients"));
    std::fs::create_dir_all(&clients).unwrap();
    let good = |arguments: &[&str]| {
        let (code, lines, errors) = bench.run(arguments);
        assert_eq!(code, 0, "{arguments:?}: {lines:?} {errors}");
        lines.join(" ")
    };
    good(&["keys", "new", "--line", key.to_str().unwrap()]);
    good(&["keys", "new", "--line"]);
    let desk = bench.dir.path().join("config/mtcae/line.key.pub");
    std::fs::copy(desk, clients.join("desk.pub")).unwrap();
    let sink =
        format!("[[sink]]\nkind = \"tcp\"\nlisten = \"127.0.0.1:{port}\"\nkey = {key:?}\nclients = {clients:?}\n");
    let board_file = etc.join("board.toml");
    let text = std::fs::read_to_string(&board_file).unwrap() + &sink;
    std::fs::write(&board_file, text).unwrap();
    let board = bench.power_on();
    board.says("starts daemon-a with model-a");

    let bundle = bench.write("v2.mtcb", &Recipe { counter: 2, ballast: 300_000, ..Recipe::default() }.build());
    let bundle = bundle.to_str().unwrap();
    let (code, _, errors) = bench.run(&["flash", &target, bundle]);
    assert_eq!(code, 1, "a board whose key nobody vouched for is not talked to: {errors}");
    good(&["keys", "trust-board", &target, etc.join("line.key.pub").to_str().unwrap()]);
    good(&["flash", &target, bundle]);
    assert_eq!(bench.confirmed(), "tiny 1.2.0", "{:#?}", board.errors());
}

/// How much of a line a bundle gets, and whether reports go on meanwhile.
#[test]
#[ignore = "takes a minute and measures: cargo test -p mtcae-e2e --test updates how_much -- --ignored --nocapture"]
fn how_much_of_a_line_a_bundle_gets() {
    for (baud, delay_ms) in [(921_600, 20), (460_800, 100)] {
        let bench = Bench::new(baud, Duration::from_millis(delay_ms), "self-test");
        let board = bench.power_on();
        board.says("starts daemon-a with model-a");
        let bytes = Recipe { counter: 2, ballast: 1_500_000, ..Recipe::default() }.build();
        let bundle = bench.write("v2.mtcb", &bytes);
        let mut flash = bench.mtcae(&["flash", "LINE", bundle.to_str().unwrap(), "--json"]);
        let at = |stage: &str| flash.objects().iter().any(|object| object["stage"] == stage);
        let wait = |what: &dyn Fn() -> bool| {
            while !what() {
                std::thread::sleep(Duration::from_millis(5));
            }
            Instant::now()
        };
        let begun = wait(&|| bench.line.down() > 2_000);
        let (from, up) = (bench.line.down(), bench.line.up());
        let ended = wait(&|| at("verifying") || at("installing"));
        let seconds = ended.duration_since(begun).as_secs_f64();
        let capacity = f64::from(baud) / 10.0 * seconds;
        let upward = bench.line.up() - up;
        println!(
            "{baud} baud, {delay_ms} ms each way: {:.1} % of the line's bytes were the bundle's ({} of {:.0}; {} went down), and {upward} \
             bytes came up meanwhile",
            bytes.len() as f64 / capacity * 100.0,
            bytes.len(),
            capacity,
            bench.line.down() - from,
        );
        assert!(flash.wait().success());
        assert!(upward > 10_000, "reports go on");
    }
}
