//! The power goes at every operation of everything that changes a board, and again in the recovery.

mod common;

use common::{Release, install, open, releases, running, send, starts, try_out};
use mtcae_update::sim::{CutMode, SimStore, Trouble};
use mtcae_update::{Choice, Depth, State, UpdateError, Updater, Verdict};

/// Rolls of the dice for each place and each mode whose outcome is left to chance.
const ROLLS: u64 = 4;
/// Fewer cuts than these and the simulation no longer tests what it says.
const FEWEST_CUTS: u64 = 10_700;
const FEWEST_NESTED: u64 = 230_000;

type Doing = fn(&mut Updater<SimStore>) -> Result<(), UpdateError>;
/// Numbers of a model's and a daemon's release.
type Runs = (u8, u8);

/// Something that changes a board.
struct Act {
    name: &'static str,
    before: fn() -> SimStore,
    does: Doing,
    /// Does what is left of it after a cut.
    again: Doing,
    /// What may start after a cut; `None` stands for nothing.
    may_start: &'static [Option<Runs>],
    /// What starts once it is done.
    at_last: Runs,
}

const OLD: Option<Runs> = Some((1, 1));
const NEW: Option<Runs> = Some((2, 2));

fn update_to(updater: &mut Updater<SimStore>, number: usize) -> Result<(), UpdateError> {
    if updater.status()?.state == State::Trial {
        return Ok(());
    }
    install(updater, &releases()[number])
}

fn on_trial() -> SimStore {
    let mut updater = open(running());
    install(&mut updater, &Release::both(2)).unwrap();
    updater.into_store()
}

/// Releases 0 and 1, then the daemon of release 5: its model came with another daemon, whose slot the next update takes.
fn with_daemon_5() -> SimStore {
    let mut updater = open(running());
    install(&mut updater, &releases()[5]).unwrap();
    try_out(&mut updater).unwrap();
    updater.into_store()
}

fn started(times: u8) -> SimStore {
    let mut updater = open(on_trial());
    for _ in 0..times {
        assert!(matches!(updater.choose(Depth::Bytes).unwrap(), Choice::Start { trial: Some(_), .. }));
    }
    updater.into_store()
}

fn half_written() -> SimStore {
    let mut updater = open(running());
    send(&mut updater, &Release::both(2), 2500).unwrap();
    updater.into_store()
}

fn ready() -> SimStore {
    let mut updater = open(running());
    let release = Release::both(2);
    send(&mut updater, &release, release.plan.total()).unwrap();
    updater.finish().unwrap();
    updater.into_store()
}

fn start(updater: &mut Updater<SimStore>) -> Result<(), UpdateError> {
    updater.choose(Depth::Bytes).map(|_| ())
}

fn pass(updater: &mut Updater<SimStore>) -> Result<(), UpdateError> {
    updater.self_test(Verdict::Good).map(|_| ())
}

fn confirm_if_asked(updater: &mut Updater<SimStore>) -> Result<(), UpdateError> {
    if updater.status()?.state == State::Trial { updater.confirm() } else { Ok(()) }
}

fn leave_trial(updater: &mut Updater<SimStore>) -> Result<(), UpdateError> {
    if updater.status()?.state == State::Trial { updater.rollback(None) } else { Ok(()) }
}

fn to_release_0(updater: &mut Updater<SimStore>) -> Result<(), UpdateError> {
    let permit = mtcae_update::Permit { lowest_counter: 0 };
    let running = updater.status()?.confirmed.expect("one is confirmed");
    if running.names[0] == "1.0.0" { Ok(()) } else { updater.rollback(Some(&permit)) }
}

fn drop_it(updater: &mut Updater<SimStore>) -> Result<(), UpdateError> {
    if updater.status()?.state == State::Running { Ok(()) } else { updater.abandon() }
}

fn acts() -> Vec<Act> {
    let act = |name, before, does, again, may_start, at_last| Act { name, before, does, again, may_start, at_last };
    vec![
        act("update", running, |u| update_to(u, 2), |u| update_to(u, 2), &[OLD, NEW], (2, 2)),
        act("update of the model", running, |u| update_to(u, 3), |u| update_to(u, 3), &[OLD, Some((3, 1))], (3, 1)),
        act("update of the daemon", running, |u| update_to(u, 5), |u| update_to(u, 5), &[OLD, Some((1, 5))], (1, 5)),
        act(
            "update of both after one of the daemon",
            with_daemon_5,
            |u| update_to(u, 2),
            |u| update_to(u, 2),
            &[Some((1, 5)), NEW],
            (2, 2),
        ),
        act(
            "update of the model after one of the daemon",
            with_daemon_5,
            |u| update_to(u, 3),
            |u| update_to(u, 3),
            &[Some((1, 5)), Some((3, 5))],
            (3, 5),
        ),
        act("first update", || SimStore::new(1), |u| update_to(u, 2), |u| update_to(u, 2), &[None, NEW], (2, 2)),
        act("rest of an update", half_written, |u| update_to(u, 2), |u| update_to(u, 2), &[OLD, NEW], (2, 2)),
        act("another update", half_written, |u| update_to(u, 4), |u| update_to(u, 4), &[OLD, Some((4, 4))], (4, 4)),
        act(
            "another one in place of a ready one",
            ready,
            |u| update_to(u, 4),
            |u| update_to(u, 4),
            &[OLD, Some((4, 4))],
            (4, 4),
        ),
        act("abandon, half written", half_written, drop_it, drop_it, &[OLD], (1, 1)),
        act("abandon, ready", ready, drop_it, drop_it, &[OLD], (1, 1)),
        act("first start on trial", on_trial, start, confirm_if_asked, &[NEW], (2, 2)),
        act("confirm by self-test", || started(1), pass, confirm_if_asked, &[NEW], (2, 2)),
        act("confirm by the user", || started(1), Updater::confirm, confirm_if_asked, &[NEW], (2, 2)),
        act("rollback by the user, on trial", || started(1), leave_trial, leave_trial, &[OLD, NEW], (1, 1)),
        act("rollback after three starts", || started(3), start, start, &[OLD], (1, 1)),
        act("rollback to the version before", running, to_release_0, to_release_0, &[OLD, Some((0, 0))], (0, 0)),
    ]
}

/// What was cut.
#[derive(Default)]
struct Count {
    operations: u64,
    cuts: u64,
    nested: u64,
}

/// Lets the power go at `at` in `doing`; whether it was still that long.
fn cut_at(store: &mut SimStore, at: u64, mode: CutMode, doing: Doing) -> bool {
    store.inject(at, Trouble::Cut(mode));
    let mut updater = open(store.clone());
    let result = doing(&mut updater);
    *store = updater.into_store();
    if store.waits() {
        result.expect("nothing was cut");
        store.restart();
        return false;
    }
    store.power_on();
    true
}

fn check_start(act: &Act, store: &SimStore, place: &str) -> SimStore {
    let mut updater = open(store.clone());
    let choice = updater.choose(Depth::Bytes).expect("the store works");
    let store = updater.into_store();
    let found = starts(&store, &choice);
    if !act.may_start.contains(&found) {
        panic!("{} cut at {place}: {found:?} starts ({choice:?})", act.name);
    }
    store
}

/// What starts when both copies of the record are lost, too: an older version or the new one, and never a mix.
fn check_lost_record(act: &Act, store: &SimStore, place: &str) {
    let mut store = store.clone();
    store.lose("slots.0");
    store.lose("slots.1");
    let mut updater = open(store);
    for start in 1..=4 {
        let choice = updater.choose(Depth::Bytes).expect("the store works");
        let store = updater.into_store();
        let found = starts(&store, &choice);
        let one_release = found.is_some_and(|(model, daemon)| model == daemon);
        let good = one_release || act.may_start.contains(&found);
        assert!(good, "{} cut at {place}, record lost: {found:?} is start {start} ({choice:?})", act.name);
        updater = open(store);
    }
}

fn check_retry(act: &Act, store: SimStore, place: &str) {
    let mut updater = open(store);
    (act.again)(&mut updater).unwrap_or_else(|e| panic!("{} cut at {place}, again: {e}", act.name));
    let choice = updater.choose(Depth::Bytes).expect("the store works");
    assert_eq!(starts(&updater.into_store(), &choice), Some(act.at_last), "{} cut at {place}, again", act.name);
}

fn rolls(mode: CutMode) -> u64 {
    if mode == CutMode::Lost { 1 } else { ROLLS }
}

fn cut_everywhere(act: &Act, count: &mut Count) {
    let before = (act.before)();
    for at in 0.. {
        let mut longer = false;
        for mode in CutMode::ALL {
            for roll in 0..rolls(mode) {
                let mut store = before.clone();
                store.seed(roll);
                longer = cut_at(&mut store, at, mode, act.does);
                let place = format!("operation {at}, {mode:?}, roll {roll}");
                if longer {
                    count.cuts += 1;
                    check_lost_record(act, &store, &place);
                    if roll == 0 {
                        cut_the_recovery(act, &store, &place, count);
                    }
                }
                let store = check_start(act, &store, &place);
                check_retry(act, store, &place);
            }
        }
        if !longer {
            count.operations += at;
            return;
        }
    }
}

fn cut_the_recovery(act: &Act, cut: &SimStore, place: &str, count: &mut Count) {
    for at in 0.. {
        let mut longer = false;
        for mode in CutMode::ALL {
            let mut store = cut.clone();
            store.seed(at);
            longer = cut_at(&mut store, at, mode, start);
            if !longer {
                break;
            }
            count.nested += 1;
            let place = format!("{place}, and at operation {at}, {mode:?}, of the start after it");
            let store = check_start(act, &store, &place);
            check_retry(act, store, &place);
        }
        if !longer {
            return;
        }
    }
}

#[test]
fn a_cut_at_every_operation_leaves_a_board_that_starts() {
    let mut all = Count::default();
    for act in acts() {
        let mut count = Count::default();
        cut_everywhere(&act, &mut count);
        println!(
            "{:38} {:4} operations, {:5} cuts, {:6} in the start after them",
            act.name, count.operations, count.cuts, count.nested
        );
        all.cuts += count.cuts;
        all.nested += count.nested;
    }
    println!("{} cuts, {} in the start after them, 0 boards that do not start", all.cuts, all.nested);
    assert!(all.cuts >= FEWEST_CUTS, "{} cuts", all.cuts);
    assert!(all.nested >= FEWEST_NESTED, "{} nested cuts", all.nested);
}

/// xorshift64*; enough for dice.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }
}

#[test]
fn five_cuts_in_a_row_leave_a_board_that_starts() {
    let (mut cuts, mut new) = (0, 0);
    for seed in 0..1000_u64 {
        let mut dice = Dice(seed * 2 + 1);
        let mut store = running();
        store.seed(seed);
        let mut done = 0;
        while done < 5 {
            let mode = CutMode::ALL[dice.below(3) as usize];
            let starting = dice.below(4) == 0;
            let (doing, longest): (Doing, u64) = if starting { (start, 30) } else { (|u| update_to(u, 2), 110) };
            if cut_at(&mut store, dice.below(longest), mode, doing) {
                done += 1;
                cuts += 1;
            }
            let mut updater = open(store);
            let choice = updater.choose(Depth::Bytes).expect("the store works");
            store = updater.into_store();
            let found = starts(&store, &choice);
            assert!([OLD, NEW].contains(&found), "seed {seed}, cut {done}: {found:?}");
            new += u64::from(found == NEW);
        }
        let mut updater = open(store);
        update_to(&mut updater, 2).unwrap_or_else(|e| panic!("seed {seed}, again: {e}"));
        let choice = updater.choose(Depth::Bytes).expect("the store works");
        let store = updater.into_store();
        assert!([OLD, NEW].contains(&starts(&store, &choice)), "seed {seed}, again");
    }
    println!("1000 boards, {cuts} cuts, {new} times the new version started after one, 0 boards that do not start");
    assert_eq!(cuts, 5000);
    assert!(new > 100, "{new}");
}

/// Sends an update until the power goes after `until` bytes; how far it was and where it goes on.
fn goes_on(until: u64, mode: CutMode, roll: u64) -> (u64, u64, u64) {
    let release = Release::both(2);
    let mut updater = open(running());
    let durable = send(&mut updater, &release, until).unwrap();
    let mut store = updater.into_store();
    store.seed(roll);
    store.cut(mode);
    let mut updater = open(store);
    let progress = updater.begin(&release.plan, None).unwrap();
    install(&mut updater, &release).unwrap();
    let choice = updater.choose(Depth::Bytes).unwrap();
    assert_eq!(starts(&updater.into_store(), &choice), NEW);
    (until, durable, progress.received)
}

#[test]
fn an_update_goes_on_where_it_was_cut() {
    let mut cuts = 0;
    let mut lost = 0;
    for until in (0..=Release::both(2).plan.total()).step_by(37) {
        for mode in CutMode::ALL {
            for roll in 0..rolls(mode) {
                let (until, durable, on) = goes_on(until, mode, roll);
                assert!(on >= durable, "{durable} bytes were said to be durable, and it goes on at {on}");
                assert!(on <= until && until - on < common::WINDOW, "cut at {until}, goes on at {on}");
                lost = lost.max(until - on);
                cuts += 1;
            }
        }
    }
    println!("{cuts} cuts between writes; at most {lost} bytes sent again, with a window of {}", common::WINDOW);
    assert!(cuts >= 1_100, "{cuts}");
}

#[test]
fn a_cut_within_a_resume_costs_no_second_window() {
    let release = Release::both(2);
    let (mut cuts, mut lost) = (0, 0);
    for at in 0..20 {
        for mode in CutMode::ALL {
            for roll in 0..rolls(mode) {
                let mut store = half_written();
                for again in 0..3 {
                    store.seed(roll * 3 + again);
                    let begin: Doing = |u| u.begin(&Release::both(2).plan, None).map(|_| ());
                    cuts += u64::from(cut_at(&mut store, at, mode, begin));
                    store.power_on();
                }
                let on = open(store).begin(&release.plan, None).unwrap().received;
                assert!(2500 - on < common::WINDOW, "goes on at {on}");
                lost = lost.max(2500 - on);
            }
        }
    }
    println!("{cuts} cuts within a resume; at most {lost} bytes sent again");
    assert!(cuts >= 450, "{cuts}");
}
