//! Whole flashes of a simulated board: through cuts, losses of power and noise, to each end that there is.

mod common;

use common::brain::{Ending, Fault, Script};
use common::bundle::{Recipe, read};
use common::{Board, nobody};
use mtcae_boards::{BoardError, BundleFile, Flashed, Options, Outcome, Session, Stage, flash, prospect};
use mtcae_bundle::Permit;
use mtcae_wire::Refusal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// As many bytes as a test can send in about a second.
const BYTES: usize = 300_000;

fn bundle(board: &Board, recipe: &Recipe) -> BundleFile {
    read(&recipe.write(board.folder()))
}

fn large() -> Recipe {
    Recipe { firmware: BYTES, ..Recipe::new(5) }
}

fn flashed(script: Script, recipe: &Recipe, options: &Options) -> (Result<Flashed, BoardError>, Board) {
    let board = Board::start(script);
    let bundle = bundle(&board, recipe);
    let mut session = Session::open(&board.target(), &nobody()).unwrap();
    let result = flash(&mut session, &bundle, options, &mut |_| {});
    (result, board)
}

fn refusal(script: Script, recipe: &Recipe) -> (Refusal, String) {
    let (result, board) = flashed(script, recipe, &Options::default());
    match result.unwrap_err() {
        error @ BoardError::Refused { refusal, .. } => {
            let text = error.to_string().replace(&board.target().to_string(), "PORT");
            (refusal, text)
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_bundle_gets_there_and_is_confirmed() {
    let board = Board::start(Script::default());
    let bundle = bundle(&board, &large());
    let mut session = Session::open(&board.target(), &nobody()).unwrap();
    let mut stages = Vec::new();
    let done = flash(&mut session, &bundle, &Options::default(), &mut |stage| stages.push(stage)).unwrap();
    assert_eq!((done.outcome, done.resumed_from, done.reconnects), (Outcome::Confirmed, 0, 0));
    assert_eq!(done.progress.durable, bundle.length());
    assert_eq!((board.happened().installs, done.board.device.as_str()), (1, "bench"));
    // The numbers of a progress bar come from the board and never fall.
    let durable: Vec<u64> = stages
        .iter()
        .filter_map(|stage| match stage {
            Stage::Sending(progress) | Stage::Verifying(progress) => Some(progress.durable),
            _ => None,
        })
        .collect();
    assert!(durable.len() > 10 && durable.is_sorted(), "{durable:?}");
    let order = |stage: &Stage| match stage {
        Stage::Asking => 0,
        Stage::Sending(_) => 1,
        Stage::Verifying(_) => 2,
        Stage::Board { .. } => 3,
        Stage::LineLost => 9,
    };
    assert!(stages.iter().map(order).is_sorted(), "{stages:?}");

    // What is there is not sent again.
    let again = flash(&mut session, &bundle, &Options::default(), &mut |_| {}).unwrap();
    assert_eq!((again.outcome, board.happened().begins), (Outcome::AlreadyThere, 1));
}

#[test]
fn lines_cut_and_power_lost_at_random_places_cost_no_more_than_a_window() {
    let (mut cuts, mut power_cuts, mut twice, mut resumed) = (0, 0, 0, 0);
    for seed in 0..12u64 {
        let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut roll = |below: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % below
        };
        let mut places: Vec<u64> = (0..4).map(|_| roll(BYTES as u64)).collect();
        places.sort_unstable();
        let fault = |after| {
            let kind = roll(3);
            Fault { after, line: kind != 1, power: kind != 0, away_ms: roll(600) }
        };
        let script = Script { faults: places.into_iter().map(fault).collect(), ..Script::default() };
        let (result, board) = flashed(script, &large(), &Options::default());
        let (done, happened) = (result.unwrap(), board.happened());
        assert_eq!((done.outcome, happened.installs), (Outcome::Confirmed, 1), "seed {seed}");
        // What the board had to take twice: one window for each fault at most.
        let faults = u64::from(happened.cuts + happened.power_cuts);
        let surplus = happened.chunks + happened.again - done.progress.length.div_ceil(1024);
        assert!(surplus <= 128 * faults, "seed {seed}: {happened:?}");
        cuts += happened.cuts;
        power_cuts += happened.power_cuts;
        twice += surplus;
        resumed += u32::from(done.reconnects > 0);
    }
    println!(
        "{cuts} lines cut, {power_cuts} losses of power, {twice} chunks taken twice, {resumed} of 12 lines opened again"
    );
    assert!(cuts >= 28 && power_cuts >= 30 && resumed >= 10, "fewer faults: {cuts}, {power_cuts}, {resumed}");
}

#[test]
fn noise_on_the_line_is_repaired() {
    let script = Script { damage_one_in: Some(20_000), noise: true, ..Script::default() };
    let (result, board) = flashed(script, &large(), &Options::default());
    let (done, happened) = (result.unwrap(), board.happened());
    println!("{} bytes damaged, {} chunks sent again", happened.noise, done.progress.resent_chunks);
    assert_eq!(done.outcome, Outcome::Confirmed);
    assert!(happened.noise >= 10 && done.progress.resent_chunks > 0, "too little noise: {happened:?}");
}

#[test]
fn a_board_that_loses_its_power_before_the_installation_gets_it_again() {
    let script = Script { ending: Ending::LosePower, ..Script::default() };
    let (result, board) = flashed(script, &large(), &Options::default());
    let done = result.unwrap();
    assert_eq!((done.outcome, board.happened().begins, board.happened().installs), (Outcome::Confirmed, 2, 1));
    assert_eq!(board.happened().chunks, done.progress.length.div_ceil(1024), "none twice");
}

#[test]
fn a_board_that_went_on_while_the_line_was_cut_is_followed() {
    for away_ms in [200, 900] {
        let script = Script { ending: Ending::CutMeanwhile { away_ms }, ..Script::default() };
        let (result, board) = flashed(script, &Recipe::new(5), &Options::default());
        let (done, happened) = (result.unwrap(), board.happened());
        assert_eq!((done.outcome, done.reconnects, happened.installs), (Outcome::Confirmed, 1, 1), "{away_ms}");
    }
}

#[test]
fn a_version_that_was_given_up_is_said_to_be() {
    let script = Script { ending: Ending::GoBack, ..Script::default() };
    let (result, _board) = flashed(script, &Recipe::new(5), &Options::default());
    let error = result.unwrap_err();
    insta::assert_snapshot!(error, @"edge 0.5.0 was installed and started, and the board went back after 3 starts; it runs 0.1.0");
    assert_eq!(error.code(), "mtcae::rolled-back");
}

#[test]
fn without_waiting_it_ends_with_the_installation() {
    let script = Script { ending: Ending::Hold, ..Script::default() };
    let no_wait = Options { no_wait: true, ..Options::default() };
    let (result, _board) = flashed(script, &Recipe::new(5), &no_wait);
    assert_eq!(result.unwrap().outcome, Outcome::Installed);
}

#[test]
fn each_refusal_comes_before_the_first_byte() {
    let pc = Script::default;
    let (kind, text) = refusal(Script { family: "jetson-agx", ..pc() }, &Recipe::new(5));
    insta::assert_snapshot!(text, @r#"bench (PORT) does not take edge 0.5.0: this board's family is "jetson-agx"; the bundle is for pc"#);
    assert_eq!(kind, Refusal::WrongBoard);
    let (kind, text) = refusal(Script { counter: 6, ..pc() }, &Recipe::new(5));
    insta::assert_snapshot!(text, @"bench (PORT) does not take edge 0.5.0: its security counter is 5; this board takes 6 and above");
    assert_eq!(kind, Refusal::OlderCounter);
    assert_eq!(refusal(Script { free_bytes: 999, ..pc() }, &Recipe::new(5)).0, Refusal::NoSpace);
    let (kind, text) = refusal(Script { on_trial: true, ..pc() }, &Recipe::new(5));
    insta::assert_snapshot!(text, @"bench (PORT) does not take edge 0.5.0: version 0.2.0 is on trial there, and one of them at a time");
    assert_eq!(kind, Refusal::Busy);
}

#[test]
fn each_refusal_of_the_board_itself_is_told_as_it_is() {
    let all = [
        Refusal::NotTrusted,
        Refusal::Unusable,
        Refusal::Storage,
        Refusal::NoSpace,
        Refusal::OlderCounter,
        Refusal::WrongBoard,
        Refusal::Busy,
        Refusal::NotAllowed,
        Refusal::AlreadyInstalled,
    ];
    for wanted in all {
        let script = Script { ending: Ending::Refuse(wanted), ..Script::default() };
        let (kind, text) = refusal(script, &Recipe::new(5));
        assert_eq!((kind, text.as_str()), (wanted, "PORT does not take edge 0.5.0: the board says why"));
    }
    println!("{} refusals of the board told", all.len());
}

#[test]
fn a_permit_lets_an_older_counter_pass_and_a_wrong_one_does_not() {
    let permit = |lowest| Permit::sign(&common::bundle::key(), "bench", lowest, 0, 86_400).unwrap();
    let with = |lowest| Options { permit: Some(permit(lowest)), ..Options::default() };
    let script = || Script { counter: 6, ..Script::default() };
    assert_eq!(flashed(script(), &Recipe::new(5), &with(5)).0.unwrap().outcome, Outcome::Confirmed);
    assert_eq!(flashed(script(), &Recipe::new(4), &with(5)).0.unwrap_err().code(), "mtcae::refused");
    let takes_none = Script { takes_no_permit: true, ..script() };
    assert_eq!(flashed(takes_none, &Recipe::new(5), &with(5)).0.unwrap_err().code(), "mtcae::permit");
    let (other, board) = (Permit::sign(&common::bundle::key(), "other", 5, 0, 86_400).unwrap(), Board::start(script()));
    let mut session = Session::open(&board.target(), &nobody()).unwrap();
    let looked = prospect(&mut session, &bundle(&board, &Recipe::new(5)), Some(&other));
    assert_eq!(looked.unwrap_err().code(), "mtcae::permit");
}

#[test]
fn resuming_refuses_to_begin() {
    let resume = Options { resume: true, ..Options::default() };
    let (result, board) = flashed(Script::default(), &large(), &resume);
    assert_eq!(result.unwrap_err().code(), "mtcae::resume");
    // What little was on its way when the answer came is all that is there; with that it goes on.
    let bundle = read(&large().write(board.folder()));
    let mut session = Session::open(&board.target(), &nobody()).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    session.stop_with(stop.clone());
    let stopped = flash(&mut session, &bundle, &Options::default(), &mut |stage| {
        if matches!(stage, Stage::Sending(progress) if progress.durable > 50_000) {
            stop.store(true, Ordering::Relaxed);
        }
    });
    assert_eq!(stopped.unwrap_err().code(), "mtcae::stopped");
    drop(session);
    let mut session = Session::open(&board.target(), &nobody()).unwrap();
    let done = flash(&mut session, &bundle, &resume, &mut |_| {}).unwrap();
    assert!(done.resumed_from > 50_000 && done.outcome == Outcome::Confirmed, "{done:?}");
}

#[test]
fn a_look_changes_nothing() {
    let board = Board::start(Script::default());
    let bundle = bundle(&board, &large());
    let mut session = Session::open(&board.target(), &nobody()).unwrap();
    let before = prospect(&mut session, &bundle, None).unwrap();
    assert_eq!((before.there, before.slots.family.as_str()), (0, "pc"));
    assert_eq!((board.happened().begins, board.happened().chunks), (0, 0));
}

#[test]
fn a_board_that_takes_no_updates_says_so() {
    let (result, _board) =
        flashed(Script { updates: false, ..Script::default() }, &Recipe::new(5), &Options::default());
    assert_eq!(result.unwrap_err().code(), "mtcae::no-updates");
}
