//! Faults of the medium and kills at every operation of every state, and new versions that are no good.

mod common;

use common::{Release, install, open, running, send, starts, starts_of, try_out};
use mtcae_update::sim::{CutMode, SimStore, Trouble};
use mtcae_update::{
    Choice, Confirm, Depth, Event, FAULTS, Fault, FaultRow, Kind, MAX_STARTS, Note, Outcome, Permit, State,
    UpdateError, Updater, Verdict, Why, WhyNothing, faults_as_markdown, table_as_markdown,
};

/// Fewer faults than this and the test no longer tests what it says.
const FEWEST_FAULTS: u64 = 1_250;

fn before(row: &FaultRow) -> SimStore {
    let release = Release::both(2);
    let mut updater = open(if row.state == State::Empty { SimStore::new(1) } else { running() });
    match (row.state, row.event) {
        (State::Empty | State::Running, _) => {}
        (State::Writing, Event::Finish) => {
            send(&mut updater, &release, release.plan.total()).unwrap();
        }
        (State::Writing, _) => {
            send(&mut updater, &release, 2500).unwrap();
        }
        (State::Ready, _) => {
            send(&mut updater, &release, release.plan.total()).unwrap();
            updater.finish().unwrap();
        }
        (State::Trial, event) => {
            install(&mut updater, &release).unwrap();
            for _ in 0..if event == Event::Exhausted { MAX_STARTS } else { 1 } {
                updater.choose(Depth::Bytes).unwrap();
            }
        }
    }
    updater.into_store()
}

/// What is under way in a row; that which must come before it in the same program goes through `ahead`.
fn ahead(row: &FaultRow, updater: &mut Updater<SimStore>) {
    let release = Release::both(2);
    match row.event {
        Event::Write => {
            send(updater, &release, 0).unwrap();
        }
        Event::Finish => {
            send(updater, &release, release.plan.total()).unwrap();
        }
        _ => {}
    }
}

fn does(row: &FaultRow, updater: &mut Updater<SimStore>) -> Result<(), UpdateError> {
    let release = Release::both(2);
    match (row.state, row.event) {
        (_, Event::Begin | Event::Resume) => updater.begin(&release.plan, None).map(|_| ()),
        (_, Event::Write) => {
            let from = 2048;
            updater.write(from, &release.bytes[from as usize..]).map(|_| ())
        }
        (_, Event::Finish) => updater.finish(),
        (_, Event::Abandon) => updater.abandon(),
        (_, Event::Switch) => updater.switch(),
        (_, Event::Start | Event::Exhausted) => updater.choose(Depth::Bytes).map(|_| ()),
        (_, Event::Confirm) => updater.confirm(),
        (State::Running, Event::Rollback) => updater.rollback(Some(&Permit { lowest_counter: 0 })),
        (_, Event::Rollback) => updater.rollback(None),
        (state, event) => panic!("{state}, {event} is new here"),
    }
}

fn trouble(fault: Fault) -> Trouble {
    match fault {
        Fault::Io => Trouble::Io,
        Fault::Kill => Trouble::Kill,
        Fault::Hang => Trouble::Hang,
        Fault::Full => Trouble::Full,
        Fault::ReadOnly => Trouble::ReadOnly,
    }
}

/// What may start, by the row's text.
fn may_start(row: &FaultRow, found: Option<(u8, u8)>) -> bool {
    match row.starts {
        "nothing" => found.is_none(),
        "the confirmed version" => found == Some((1, 1)),
        "the confirmed version, then the one before it" => [Some((1, 1)), Some((0, 0))].contains(&found),
        _ => [Some((1, 1)), Some((2, 2))].contains(&found),
    }
}

/// One fault at one operation; whether the row was still that long.
fn hit(row: &FaultRow, fault: Fault, at: u64) -> bool {
    let what = format!("{}, {}, {fault:?} at operation {at}", row.state, row.event);
    let mut updater = open(before(row));
    ahead(row, &mut updater);
    let mut store = updater.store_mut().clone();
    let (started, renames) = (store.operations(), store.renames().len());
    store.inject(at, trouble(fault));
    *updater.store_mut() = store;
    let result = does(row, &mut updater);
    let mut store = updater.into_store();
    if store.waits() {
        result.unwrap_or_else(|e| panic!("{what}: {e}"));
        return false;
    }
    let replaced = store.renames()[renames..].iter().any(|(at, to)| *at >= started && to.starts_with("slots."));
    if fault == Fault::Kill {
        store.restart();
    }
    let expected = if replaced { row.after } else { row.before };
    let mut updater = open(store);
    let state = updater.status().unwrap_or_else(|e| panic!("{what}: {e}")).state;
    assert_eq!(state, expected, "{what}");
    let choice = updater.choose(Depth::Bytes).unwrap_or_else(|e| panic!("{what}: {e}"));
    let mut store = updater.into_store();
    let found = starts(&store, &choice);
    assert!(may_start(row, found), "{what}: {choice:?}");
    store.repair();
    // The power goes as well: a sync that failed has made nothing durable.
    store.cut(CutMode::Lost);
    check_recovery(row, store, &what);
    true
}

fn check_recovery(row: &FaultRow, store: SimStore, what: &str) {
    let mut updater = open(store);
    let choice = updater.choose(Depth::Bytes).unwrap_or_else(|e| panic!("{what}, then off: {e}"));
    let mut store = updater.into_store();
    let found = starts(&store, &choice);
    assert!(
        may_start(row, found) || found == Some((2, 2)) && row.after == State::Trial,
        "{what}, then off: {choice:?}"
    );
    let mut updater = open(store);
    if updater.status().unwrap().state == State::Trial {
        updater.rollback(None).unwrap();
    }
    install(&mut updater, &Release::both(4)).unwrap_or_else(|e| panic!("{what}, then another update: {e}"));
    let choice = updater.choose(Depth::Bytes).unwrap();
    store = updater.into_store();
    assert_eq!(starts(&store, &choice), Some((4, 4)), "{what}, then another update");
}

#[test]
fn faults_in_every_state_end_where_the_table_says() {
    let mut all = 0;
    for row in FAULTS {
        let mut faults = 0;
        for fault in Fault::ALL {
            faults += (0..).take_while(|at| hit(row, fault, *at)).count() as u64;
        }
        println!("{:8} {:10} {faults:4} faults", row.state.to_string(), row.event.to_string());
        assert!(faults > 0);
        all += faults;
    }
    println!("{all} faults, all end where the table says");
    assert!(all >= FEWEST_FAULTS, "{all}");
}

/// How a new version is no good.
#[derive(Debug, Clone, Copy)]
enum Bad {
    Crashes,
    Hangs,
    NoFrames,
    AnswersWrongly,
}

#[test]
fn a_bad_version_is_gone_within_three_starts() {
    let mut gone = 0;
    for seed in 0..25_u64 {
        for bad in [Bad::Crashes, Bad::Hangs, Bad::NoFrames, Bad::AnswersWrongly] {
            let mut updater = open(running());
            install(&mut updater, &Release::both(2)).unwrap();
            let mut tried = 0;
            loop {
                let choice = updater.choose(if seed % 2 == 0 { Depth::Bytes } else { Depth::Lengths }).unwrap();
                let Choice::Start { trial: Some(number), .. } = choice else { break };
                tried += 1;
                assert_eq!(number, tried);
                match bad {
                    // Nobody says anything; a launcher kills what hangs.
                    Bad::Crashes | Bad::Hangs => {}
                    Bad::NoFrames => assert_eq!(updater.self_test(Verdict::Unfinished).unwrap(), State::Trial),
                    Bad::AnswersWrongly => assert_eq!(updater.self_test(Verdict::Wrong).unwrap(), State::Running),
                }
                if seed % 3 == 0 {
                    // With the power going at the same moment.
                    let mut store = updater.into_store();
                    store.cut(CutMode::ALL[(seed % 9 / 3) as usize]);
                    updater = open(store);
                }
            }
            assert!((1..=MAX_STARTS).contains(&tried), "{bad:?}: {tried} starts");
            let status = updater.status().unwrap();
            let why = if matches!(bad, Bad::AnswersWrongly) { Why::SelfTest } else { Why::Starts };
            assert_eq!((status.state, status.last), (State::Running, Outcome::RolledBack(why)));
            let choice = updater.choose(Depth::Bytes).unwrap();
            assert_eq!(starts(&updater.into_store(), &choice), Some((1, 1)));
            gone += 1;
        }
    }
    println!("{gone} of 100 bad versions were gone within {MAX_STARTS} starts");
    assert_eq!(gone, 100);
}

#[test]
fn an_older_counter_is_refused_without_a_permit() {
    let mut updater = open(running());
    let old = Release::both(0);
    let refused = UpdateError::Downgrade { kind: Kind::Model, counter: 0, lowest: 1 };
    assert_eq!(updater.begin(&old.plan, None), Err(refused.clone()));
    assert_eq!(updater.begin(&old.plan, Some(&Permit { lowest_counter: 1 })), Err(refused.clone()));
    assert_eq!(updater.rollback(None), Err(refused));
    assert_eq!(updater.status().unwrap().state, State::Running);
    updater.begin(&old.plan, Some(&Permit { lowest_counter: 0 })).unwrap();
    install(&mut updater, &old).unwrap();
    try_out(&mut updater).unwrap();
    assert_eq!(updater.status().unwrap().lowest, [0, 0], "the permit holds for what comes after it, too");
    updater.rollback(None).unwrap();
    assert_eq!(updater.status().unwrap().lowest, [1, 1], "back at the newer version its counter counts again");
    assert!(matches!(updater.rollback(None), Err(UpdateError::Downgrade { counter: 0, lowest: 1, .. })));
}

#[test]
fn a_new_counter_binds_only_once_it_is_confirmed() {
    let mut updater = open(running());
    install(&mut updater, &Release::both(4)).unwrap();
    updater.choose(Depth::Bytes).unwrap();
    assert_eq!(updater.status().unwrap().lowest, [1, 1]);
    updater.rollback(None).unwrap();
    install(&mut updater, &Release::both(2)).unwrap();
    try_out(&mut updater).unwrap();
    assert_eq!(updater.status().unwrap().lowest, [2, 2]);
}

#[test]
fn the_user_confirms_when_the_plan_says_so() {
    let mut release = Release::both(2);
    release.plan.confirm = Confirm::ByUser;
    let mut updater = open(running());
    install(&mut updater, &release).unwrap();
    updater.choose(Depth::Bytes).unwrap();
    assert_eq!(updater.self_test(Verdict::Good).unwrap(), State::Trial);
    assert!(updater.status().unwrap().held);
    updater.confirm().unwrap();
    assert_eq!(updater.status().unwrap().state, State::Running);
    assert!(matches!(updater.confirm(), Err(UpdateError::NotNow { .. })));
}

#[test]
fn what_does_not_fit_or_follow_is_refused() {
    let release = Release::both(2);
    let mut store = running();
    store.set_capacity(20_000);
    let mut updater = open(store);
    assert!(matches!(updater.begin(&release.plan, None), Err(UpdateError::NoRoom { .. })));
    assert_eq!(updater.status().unwrap().state, State::Running);

    let mut updater = open(SimStore::new(1));
    let model = Release::new(3, &[Kind::Model]);
    assert_eq!(updater.begin(&model.plan, None), Err(UpdateError::Incomplete { kind: Kind::Daemon }));
    assert_eq!(updater.write(0, b"x"), Err(UpdateError::NotBegun));
    updater.begin(&release.plan, None).unwrap();
    assert_eq!(updater.write(1, b"x"), Err(UpdateError::Gap { offset: 1, expected: 0 }));
    let total = release.plan.total();
    assert_eq!(updater.write(0, &vec![0; total as usize + 1]), Err(UpdateError::TooLong { end: total + 1, total }));
    assert_eq!(updater.finish(), Err(UpdateError::Unfinished { received: 0, total }));
    assert!(matches!(updater.switch(), Err(UpdateError::NotNow { .. })));
}

#[test]
fn bytes_that_are_not_the_plans_are_dropped() {
    let release = Release::both(2);
    let mut updater = open(running());
    let mut wrong = Release { plan: release.plan.clone(), bytes: release.bytes.clone() };
    wrong.bytes[3000] ^= 1;
    let error = install(&mut updater, &wrong).unwrap_err();
    assert!(matches!(&error, UpdateError::Differs { part } if part.ends_with("mtcae-firmware")), "{error}");
    let status = updater.status().unwrap();
    assert_eq!((status.state, status.last), (State::Running, Outcome::Differed));
    install(&mut updater, &release).unwrap();
}

#[test]
fn parts_may_come_again_from_their_start() {
    let release = Release::both(2);
    let mut updater = open(running());
    send(&mut updater, &release, 2900).unwrap();
    let on = updater.begin(&release.plan, None).unwrap().received;
    assert_eq!(on, 2048);
    let mut at = 0;
    for (index, part) in release.plan.parts.iter().enumerate() {
        for (piece, bytes) in release.bytes[at..at + part.len as usize].chunks(100).enumerate() {
            updater.write_part(index, piece as u64 * 100, bytes).unwrap();
        }
        at += part.len as usize;
    }
    updater.finish().unwrap();
    assert_eq!(updater.begin(&release.plan, None).unwrap().received, release.plan.total());
    updater.write(0, &release.bytes).unwrap();
    updater.finish().unwrap();
    updater.switch().unwrap();
}

/// A board with a version on trial and one to go back to.
fn on_trial() -> SimStore {
    let mut updater = open(running());
    install(&mut updater, &Release::both(2)).unwrap();
    updater.into_store()
}

#[test]
fn a_damaged_slot_is_not_started() {
    let mut spoiled = 0;
    for depth in [Depth::Bytes, Depth::Lengths] {
        for path in ["daemon-a/mtcae-firmware", "model-a/model.onnx", "model-a/seal"] {
            // Release 2 is on trial in the slots A, release 1 in B.
            let mut store = on_trial();
            let short = depth == Depth::Lengths && !path.ends_with("seal");
            let there = store.spoil(path, |bytes| match short {
                true => bytes.truncate(bytes.len() - 1),
                false => bytes[20] ^= 4,
            });
            assert!(there, "{path}");
            let mut updater = open(store);
            let choice = updater.choose(depth).unwrap();
            let Choice::Start { note: Some(Note::WentBack(Why::Damage)), trial: None, .. } = choice else {
                panic!("{path}: {choice:?}")
            };
            assert_eq!(starts(&updater.into_store(), &choice), Some((1, 1)));
            spoiled += 1;
        }
    }
    // The confirmed version, with the one before it still there, and then with none.
    let mut store = running();
    store.spoil("daemon-b/mtcae-firmware", |bytes| bytes[7] ^= 1);
    let mut updater = open(store);
    let choice = updater.choose(Depth::Bytes).unwrap();
    assert!(matches!(choice, Choice::Start { note: Some(Note::Replaced(_)), .. }), "{choice:?}");
    let mut store = updater.into_store();
    assert_eq!(starts(&store, &choice), Some((0, 0)));
    store.spoil("model-a/model.onnx", |bytes| bytes[7] ^= 1);
    let choice = open(store).choose(Depth::Bytes).unwrap();
    assert!(matches!(choice, Choice::Nothing(WhyNothing::Damaged(_))), "{choice:?}");
    // The first version of a board.
    let mut updater = open(SimStore::new(1));
    install(&mut updater, &Release::both(2)).unwrap();
    let mut store = updater.into_store();
    store.spoil("model-a/model.onnx", |bytes| bytes[7] ^= 1);
    let choice = open(store).choose(Depth::Bytes).unwrap();
    assert!(matches!(choice, Choice::Nothing(WhyNothing::Damaged(_))), "{choice:?}");
    println!("{spoiled} damaged slots of a version on trial, 3 others");
}

#[test]
fn a_lost_record_is_made_anew() {
    let mut lost = 0;
    for (board, versions) in [(running(), [(1, 1), (0, 0)]), (on_trial(), [(2, 2), (1, 1)])] {
        for which in [&["slots.0"][..], &["slots.1"], &["slots.0", "slots.1"]] {
            for way in 0..3 {
                let mut store = board.clone();
                for path in which {
                    match way {
                        0 => store.lose(path),
                        1 => assert!(store.spoil(path, |bytes| bytes.truncate(9))),
                        _ => assert!(store.spoil(path, |bytes| bytes[12] ^= 0x10)),
                    }
                }
                // Whatever starts is whole; a version that fails gives way to the other one.
                let mut updater = open(store);
                let mut seen = Vec::new();
                for _ in 0..5 {
                    let choice = updater.choose(Depth::Bytes).unwrap();
                    let store = updater.into_store();
                    seen.push(starts(&store, &choice).expect("it starts"));
                    updater = open(store);
                }
                assert!(seen.iter().all(|found| versions.contains(found)), "{which:?}: {seen:?}");
                lost += 1;
            }
        }
    }
    println!("{lost} damaged or missing records, every board started");
    assert_eq!(lost, 18);
}

/// What starts, start after start, once both copies of the record are lost.
fn without_record(store: &SimStore, releases: &[Release]) -> Vec<Option<(u8, u8)>> {
    let mut store = store.clone();
    store.lose("slots.0");
    store.lose("slots.1");
    let mut seen = Vec::new();
    for _ in 0..=MAX_STARTS {
        let mut updater = open(store);
        let choice = updater.choose(Depth::Bytes).unwrap();
        store = updater.into_store();
        seen.push(starts_of(releases, &store, &choice));
    }
    seen
}

#[test]
fn a_lost_record_of_updates_of_one_kind_is_made_anew() {
    const WAYS: [&[Kind]; 3] = [&Kind::ALL, &[Kind::Model], &[Kind::Daemon]];
    let mut lost = 0;
    for history in 0..WAYS.len().pow(4) {
        let kinds =
            |number: usize| if number < 2 { WAYS[0] } else { WAYS[history / WAYS.len().pow(number as u32 - 2) % 3] };
        let releases: Vec<Release> = (0..6).map(|number| Release::new(number as u8, kinds(number))).collect();
        let mut updater = open(SimStore::new(1));
        let (mut runs, mut before) = ((0, 0), (0, 0));
        for (number, release) in releases.iter().enumerate() {
            install(&mut updater, release).unwrap();
            let on_trial = updater.store_mut().clone();
            try_out(&mut updater).unwrap();
            before = runs;
            let of = |kind, so_far| if kinds(number).contains(&kind) { number as u8 } else { so_far };
            runs = (of(Kind::Model, runs.0), of(Kind::Daemon, runs.1));
            for store in [&on_trial, updater.store_mut()] {
                let seen = without_record(store, &releases);
                let what = format!("history {history}, release {number}: {seen:?}");
                assert_eq!(seen[0], Some(runs), "{what}");
                let back = if number == 0 { runs } else { before };
                assert_eq!(seen[usize::from(MAX_STARTS)], Some(back), "{what}");
                lost += 1;
            }
        }
        // After a way back the newest version is tried once more, and the one before it comes back.
        if updater.rollback(Some(&Permit { lowest_counter: 0 })).is_ok() {
            let seen = without_record(updater.store_mut(), &releases);
            assert_eq!((seen[0], seen[usize::from(MAX_STARTS)]), (Some(runs), Some(before)), "history {history}, back");
            lost += 1;
        }
    }
    println!(
        "{lost} times both copies lost, each time the newest version started, and the one before it when that failed"
    );
    assert!(lost >= 1_000, "{lost}");
}

#[test]
fn the_readme_has_the_tables() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let mut readme = std::fs::read_to_string(path).unwrap();
    for (mark, table) in [("states", table_as_markdown()), ("faults", faults_as_markdown())] {
        let (open, close) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->"));
        let start = readme.find(&open).expect("the mark is there") + open.len();
        let end = readme.find(&close).expect("the mark is there");
        if std::env::var_os("UPDATE_README").is_some() {
            readme.replace_range(start..end, &table);
            std::fs::write(path, &readme).unwrap();
        } else {
            assert_eq!(readme[start..end], table, "run `UPDATE_README=1 cargo test -p mtcae-update` and commit");
        }
    }
}
