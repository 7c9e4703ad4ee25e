//! Questions to a simulated board, and to one that is not there.

mod common;

use common::brain::Script;
use common::{Board, nobody};
use mtcae_boards::{
    BoardError, LineError, Patience, Session, Severity, confirm, devices, examine, judge_board, rollback,
};
use mtcae_bundle::Permit;

fn session(script: Script) -> (Session, Board) {
    let board = Board::start(script);
    (Session::open(&board.target(), &nobody()).unwrap(), board)
}

#[test]
fn who_it_is_and_what_it_logged() {
    let (mut session, _board) = session(Script { noise: true, ..Script::default() });
    assert_eq!(session.hello(Patience::NORMAL).unwrap().device.as_str(), "bench");
    let lines = |session: &mut Session, n| -> Vec<String> {
        session.logs(n).unwrap().iter().map(|log| log.text.as_str().to_owned()).collect()
    };
    assert_eq!(lines(&mut session, 3), ["line 9", "line 10", "line 11"]);
    assert_eq!(lines(&mut session, 255).len(), 12);
    let clock = session.clock().unwrap();
    assert!(clock.round_trip_us < 5_000_000 && clock.host_offset_us > 0);
    assert!(session.counts().bad > 0, "there was noise");
}

#[test]
fn silence_and_noise_are_told_apart() {
    let (mut mute, board) = session(Script { mute: true, ..Script::default() });
    let text = mute.hello(Patience::SHORT).unwrap_err().to_string().replace(&board.target().to_string(), "PORT");
    insta::assert_snapshot!(text, @"PORT does not answer who it is");
    // A board at another speed: what it says is no message.
    let (mut session, board) = session(Script { noise: true, ..Script::default() });
    let garbage = session.ask("nothing", Patience::SHORT, |_| mtcae_wire::Down::Hello, |_, _| None::<()>);
    let text = garbage.unwrap_err().to_string().replace(&board.target().to_string(), "PORT");
    assert!(text.starts_with("PORT does not answer nothing; what comes are no messages ("), "{text}");
}

#[test]
fn a_port_that_is_not_there_has_its_next_step() {
    let target = "/dev/ttyNONE".parse().unwrap();
    let Err(LineError { target, help, .. }) = Session::open(&target, &nobody()) else { panic!("it opened") };
    assert_eq!(target, "/dev/ttyNONE");
    assert!(help.starts_with("is the board's cable plugged in?\nserial ports here: "), "{help}");
}

#[test]
fn devices_says_who_answers_and_who_does_not() {
    let (talks, mute) = (Board::start(Script::default()), Board::start(Script { mute: true, ..Script::default() }));
    let found =
        devices([talks.target(), mute.target(), "/dev/ttyNONE".parse().unwrap()].map(|t| vec![t]).to_vec(), &nobody());
    let answers: Vec<&str> = found
        .iter()
        .map(|device| device.answer.as_ref().map_or_else(|error| error.code(), |hello| hello.device.as_str()))
        .collect();
    assert_eq!(answers, ["bench", "mtcae::silent", "mtcae::port"]);
    // Of a port that is asked at several speeds, the one that answers counts.
    let (mute, talks) = (Board::start(Script { mute: true, ..Script::default() }), Board::start(Script::default()));
    let found = devices(vec![vec![mute.target(), talks.target()]], &nobody());
    assert_eq!(found.iter().map(|device| &device.target).collect::<Vec<_>>(), [&talks.target()]);
}

#[test]
fn a_version_on_trial_is_kept_once() {
    let (mut session, _board) = session(Script { on_trial: true, ..Script::default() });
    let kept = confirm(&mut session).unwrap();
    assert_eq!((kept.version.as_str(), kept.before), ("0.2.0", false));
    let kept = confirm(&mut session).unwrap();
    assert_eq!((kept.version.as_str(), kept.before), ("0.2.0", true));
}

#[test]
fn going_back_waits_for_the_version_before() {
    let (mut session, _board) = session(Script { on_trial: true, ..Script::default() });
    let back = rollback(&mut session, None).unwrap();
    assert_eq!((back.from.as_str(), back.to.as_str(), back.board.boot), ("0.2.0", "0.1.0", 101));
}

#[test]
fn there_may_be_nothing_to_go_back_to() {
    let (mut session, _board) = session(Script::default());
    let error = rollback(&mut session, None).unwrap_err();
    insta::assert_snapshot!(error, @"the board declined to go back (failed): there is no version to go back to");
}

#[test]
fn a_version_with_an_older_counter_needs_a_permit() {
    let (mut board, _board) = session(Script { older_before: true, ..Script::default() });
    let error = rollback(&mut board, None).unwrap_err();
    insta::assert_snapshot!(format!("{}: {error}\n{}", error.code(), error.help()), @"
    mtcae::declined: the board declined to go back: the model has security counter 1, and this board accepts 2 or more
    `--permit FILE` lets it; `mtcae keys permit --key KEY --device bench --lowest 1 --days 2 --out FILE` makes one
    ");
    let permit = |device| Permit::sign(&common::bundle::key(), device, 1, 0, 86_400).unwrap();
    let said = |error: BoardError| format!("{}: {error}", error.code());
    insta::assert_snapshot!(said(rollback(&mut board, Some(&permit("other"))).unwrap_err()), @r#"mtcae::permit: the permit is for the board "other"; this one is "bench"; make one for it with `mtcae keys permit --device bench`"#);
    let (mut board, _board) = session(Script { takes_no_permit: true, ..Script::default() });
    insta::assert_snapshot!(said(rollback(&mut board, Some(&permit("bench"))).unwrap_err()), @"mtcae::permit: the board does not take the permit: the permit expired at 86400 s (Unix)");
}

/// The request waits ten seconds for an answer before it looks at the slots.
#[test]
fn a_lost_answer_is_no_reason_to_go_back_twice() {
    let lost = || Script { on_trial: true, lost_answers: 1, ..Script::default() };
    let going_back = std::thread::spawn(move || {
        let (mut session, _board) = session(lost());
        rollback(&mut session, None).map(|back| back.to)
    });
    let (mut session, _board) = session(lost());
    assert_eq!(confirm(&mut session).unwrap().version, "0.2.0");
    assert_eq!(going_back.join().unwrap().unwrap(), "0.1.0");
}

/// Each of them waits ten seconds for the answer that never comes.
#[test]
fn going_back_is_not_asked_again_of_a_board_that_does_it() {
    let on_trial = || Script { on_trial: true, ..Script::default() };
    // Its daemon, which has done it, ends after the host has lost patience; the line is cut while it is asked.
    let slow = Script { lost_answers: 1, ends_after_ms: 13_000, ..on_trial() };
    let cut = Script { cut_by_rollback: true, ..on_trial() };
    let threads = [slow, cut].map(|script| {
        std::thread::spawn(move || {
            let (mut session, board) = session(script);
            (rollback(&mut session, None).map(|back| back.to), board.happened().rollbacks)
        })
    });
    for thread in threads {
        let (to, times) = thread.join().unwrap();
        assert_eq!((to.unwrap().as_str(), times), ("0.1.0", 1));
    }
}

#[test]
fn a_good_board_is_good() {
    let (mut session, _board) = session(Script::default());
    let findings = judge_board(&examine(&mut session).unwrap());
    assert!(findings.iter().all(|finding| finding.severity == Severity::Good), "{findings:?}");
    assert_eq!(findings.len(), 10);
}

#[test]
fn a_board_without_updates_can_still_be_examined() {
    let (mut session, _board) = session(Script { updates: false, status: false, ..Script::default() });
    assert!(matches!(session.slots(), Err(BoardError::NoUpdates { .. })));
    let findings = judge_board(&examine(&mut session).unwrap());
    let of = |topic: &str| findings.iter().find(|finding| finding.topic == topic).unwrap();
    // This one never says how it is.
    assert_eq!(
        (of("board").severity, of("status").severity, of("slots").severity),
        (Severity::Good, Severity::Bad, Severity::Warning)
    );
}
