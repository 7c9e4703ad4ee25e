//! Good bundles over the line, and the verbs around them.

use crate::bench::Bench;
use crate::bundles::Recipe;
use std::time::Duration;

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
}
