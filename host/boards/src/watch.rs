//! From a whole file on the board to a version that is confirmed there, or gone: what to ask meanwhile, and what the answers
//! come to. No I/O, no clock.

use crate::admission::{Brings, runs_confirmed, slots_of, slots_with};
use mtcae_transfer::Micros;
use mtcae_wire::{Down, Nack, Reason, Refusal, Request, SlotState, Slots, Up, UpdatePhase};

/// Between two questions, microseconds.
pub const EVERY_US: Micros = 500_000;
/// A board that says nothing for so long is given up, microseconds: three starts of a version that hangs, two minutes each, and
/// the pauses between them.
pub const SILENT_US: Micros = 400_000_000;
/// The whole watch, microseconds.
pub const LIMIT_US: Micros = 900_000_000;
/// A start that is still on trial after so long is not waited for, microseconds: its self-test takes longer than usual, as it does
/// while a privacy switch is on.
pub const HELD_US: Micros = 150_000_000;
/// A board that started anew and has the file in no slot after so long has forgotten about it, microseconds.
const FORGOTTEN_US: Micros = 5_000_000;

/// What the board is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It checks the bundle and writes it into slots.
    Installing,
    /// It is installed; the daemon ends, and the launcher starts the new one.
    Restarting,
    /// The new version runs on trial.
    Trial {
        /// Starts that are left to it after this one.
        starts_left: u8,
    },
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It is installed and not waited for any longer.
    Installed,
    /// The new version runs and is confirmed.
    Confirmed,
    /// The board started anew and lost the file before it was installed: send it again.
    Again,
    /// The board has gone back.
    RolledBack {
        /// What runs now.
        runs: String,
    },
    /// The board refused what it had verified.
    Refused(Refusal, String),
    /// It has passed its self-test and waits for the user.
    Passed,
    /// It is on trial, and nobody confirms it.
    Held(String),
    /// Nothing was heard of it.
    Silent,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Step {
    /// Send this.
    Send(Down),
    /// Nothing, for so many microseconds, unless something comes.
    Wait(Micros),
    /// It has ended.
    End(End),
}

/// Watches one bundle on one board.
pub struct Watch {
    transfer: u32,
    brings: Brings,
    /// Of the daemon that took the file.
    old_boot: u32,
    /// To the end of the trial, or to the installation only.
    to_the_end: bool,
    phase: Phase,
    installed: bool,
    /// The newest start heard of, and since when.
    new_boot: Option<(u32, Micros)>,
    starts: u32,
    began: Option<Micros>,
    heard: Micros,
    asked: Option<Micros>,
    questions: u32,
    token: u32,
    end: Option<End>,
}

impl Watch {
    /// Watches `transfer`, which `brings` that, taken by the daemon of `boot`. Tokens are counted from `first_token`.
    pub fn new(transfer: u32, brings: Brings, boot: u32, first_token: u32, to_the_end: bool) -> Watch {
        Watch {
            transfer,
            brings,
            old_boot: boot,
            to_the_end,
            phase: Phase::Installing,
            installed: false,
            new_boot: None,
            starts: 0,
            began: None,
            heard: 0,
            asked: None,
            questions: 0,
            token: first_token,
            end: None,
        }
    }

    /// The same for a bundle that is on trial already.
    pub fn of_trial(transfer: u32, brings: Brings, boot: u32, first_token: u32, now: Micros) -> Watch {
        let new_boot = Some((boot, now));
        Watch { installed: true, new_boot, starts: 1, ..Watch::new(transfer, brings, boot, first_token, true) }
    }

    /// What the board is at.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// For how long nothing has been heard, microseconds.
    pub fn quiet(&self, now: Micros) -> Micros {
        now.saturating_sub(self.heard)
    }

    /// Starts of the board since the file was taken that were heard of.
    pub fn starts(&self) -> u32 {
        self.starts
    }

    /// What to do at `now`.
    pub fn poll(&mut self, now: Micros) -> Step {
        if self.began.is_none() {
            self.began = Some(now);
            self.heard = now;
        }
        self.time_out(now);
        if let Some(end) = &self.end {
            return Step::End(end.clone());
        }
        let due = self.asked.map_or(now, |asked| asked + EVERY_US);
        if now < due {
            return Step::Wait(due - now);
        }
        self.asked = Some(now);
        Step::Send(self.question())
    }

    /// Takes a message that came at `now`.
    pub fn take(&mut self, now: Micros, message: &Up) {
        self.heard = now;
        match message {
            Up::Hello(hello) => self.take_boot(now, hello.boot),
            Up::Status(status) => self.take_boot(now, status.boot),
            Up::UpdateState(state) if state.transfer == self.transfer => match state.phase {
                UpdatePhase::Installed => self.installed(),
                UpdatePhase::Installing => self.phase = Phase::Installing,
                _ => {}
            },
            Up::UpdateRefused(refused) if refused.transfer == self.transfer && self.starts == 0 => {
                self.finish(End::Refused(refused.refusal, refused.detail.as_str().to_owned()));
            }
            Up::Slots(slots) if slots.token == self.token => self.take_slots(now, slots),
            Up::Nack(Nack { token, reason: Reason::Unsupported, .. }) if *token == self.token && self.starts > 0 => {
                self.finish(End::Held("the version that runs now takes no updates, so it cannot be asked".to_owned()));
            }
            _ => {}
        }
    }

    fn question(&mut self) -> Down {
        self.questions += 1;
        if self.questions % 2 == 1 {
            return Down::Hello;
        }
        self.token = self.token.wrapping_add(1);
        let request = Request { token: self.token };
        // While it installs, the daemon is busy with its slots.
        if self.installed || self.starts > 0 { Down::SlotsQuery(request) } else { Down::UpdateQuery(request) }
    }

    fn take_boot(&mut self, now: Micros, boot: u32) {
        let known = self.new_boot.map_or(self.old_boot, |(boot, _)| boot);
        if boot != known {
            self.new_boot = Some((boot, now));
            self.starts += 1;
            // What was asked of the daemon before does not count any more.
            self.token = self.token.wrapping_add(1);
        }
    }

    /// Takes it that the board has said it is installed.
    pub fn installed(&mut self) {
        self.installed = true;
        self.phase = Phase::Restarting;
        if !self.to_the_end {
            self.finish(End::Installed);
        }
    }

    fn take_slots(&mut self, now: Micros, slots: &Slots) {
        let states: Vec<(SlotState, bool)> =
            slots_with(slots, self.transfer).map(|(slot, active)| (slot.state, active)).collect();
        let any = |wanted| states.iter().any(|(state, _)| *state == wanted);
        let since = self.new_boot.map(|(_, since)| now.saturating_sub(since));
        if any(SlotState::Trial) {
            return match slots.trial_starts_left {
                None if since.is_some() && self.to_the_end => self.finish(End::Passed),
                left => self.take_trial(since, left.unwrap_or(0)),
            };
        }
        if runs_confirmed(slots, self.transfer, self.brings) {
            return self.finish(End::Confirmed);
        }
        // Half of it may run since an earlier flash.
        let nothing_new = states.iter().all(|&(state, active)| state == SlotState::Confirmed && active);
        let gone = any(SlotState::Failed) || (self.installed && since.is_some() && nothing_new);
        if gone {
            return self.finish(End::RolledBack { runs: running(slots) });
        }
        if since.is_some_and(|since| since >= FORGOTTEN_US) {
            self.finish(End::Again);
        }
    }

    fn take_trial(&mut self, since: Option<Micros>, starts_left: u8) {
        self.installed = true;
        self.phase = if since.is_some() { Phase::Trial { starts_left } } else { Phase::Restarting };
        if !self.to_the_end {
            self.finish(End::Installed);
        } else if since.is_some_and(|since| since >= HELD_US) {
            let seconds = HELD_US / 1_000_000;
            let slow = "its self-test has not ended; a privacy switch that is on makes it wait";
            self.finish(End::Held(format!("it has run on trial for {seconds} s, and {slow}")));
        }
    }

    fn time_out(&mut self, now: Micros) {
        if self.quiet(now) >= SILENT_US {
            self.finish(End::Silent);
        }
        if self.began.is_some_and(|began| now.saturating_sub(began) >= LIMIT_US) {
            let what = if self.installed { "its trial came to no end" } else { "its installation came to no end" };
            self.finish(End::Held(format!("{what} within {} s", LIMIT_US / 1_000_000)));
        }
    }

    /// The first end counts.
    fn finish(&mut self, end: End) {
        self.end.get_or_insert(end);
    }
}

/// The versions that run, for people.
pub(crate) fn running(slots: &Slots) -> String {
    let mut versions: Vec<&str> =
        slots_of(slots).filter(|(_, active)| *active).map(|(slot, _)| slot.version.as_str()).collect();
    versions.dedup();
    if versions.is_empty() { "what it was first given".to_owned() } else { versions.join(" and ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_wire::{Hello, Slot, SlotName, SlotPair, UpdateRefused};

    const S: Micros = 1_000_000;
    const BOTH: Brings = Brings { model: true, daemon: true };

    fn hello(boot: u32) -> Up {
        Up::Hello(Hello {
            protocol: 1,
            boot,
            device: "bench".into(),
            firmware: "0.1.0".into(),
            model: "edge".into(),
            model_version: "1.0.0".into(),
            engine: "tract".into(),
            labels: Default::default(),
        })
    }

    fn slot(transfer: u32, state: SlotState) -> Option<Slot> {
        let version = if transfer == 9 { "new" } else { "old" };
        Some(Slot { transfer, version: version.into(), security_counter: 1, state })
    }

    /// The old version in A; in B, if anything, the one that is watched.
    fn slots(token: u32, b: Option<SlotState>, active: SlotName) -> Up {
        let a = slot(1, SlotState::Confirmed);
        let pair = SlotPair { active: Some(active), slots: [a, b.and_then(|state| slot(9, state))] };
        let trial_starts_left = (b == Some(SlotState::Trial)).then_some(2);
        let (model, daemon, family) = (pair.clone(), pair, "pc".into());
        Up::Slots(Slots { token, family, model, daemon, trial_starts_left, security_counter: 1, free_bytes: 0 })
    }

    /// Polls from `now` on for `seconds`; answers each question with what the board is at; the end, and when it came.
    fn run(
        watch: &mut Watch,
        now: &mut Micros,
        seconds: u64,
        boot: u32,
        b: Option<SlotState>,
        active: SlotName,
    ) -> Option<End> {
        let until = *now + seconds * S;
        while *now < until {
            match watch.poll(*now) {
                Step::End(end) => return Some(end),
                Step::Wait(us) => *now += us,
                Step::Send(Down::Hello) => watch.take(*now, &hello(boot)),
                Step::Send(Down::SlotsQuery(request)) => watch.take(*now, &slots(request.token, b, active)),
                Step::Send(_) => {}
            }
        }
        None
    }

    fn installed(now: &mut Micros, to_the_end: bool) -> Watch {
        let mut watch = Watch::new(9, BOTH, 1, 77, to_the_end);
        assert_eq!(run(&mut watch, now, 2, 1, None, SlotName::A), None);
        assert_eq!(watch.phase(), Phase::Installing);
        watch.installed();
        watch
    }

    #[test]
    fn from_installed_over_trial_to_confirmed() {
        let mut now = 0;
        let mut watch = installed(&mut now, true);
        assert_eq!(run(&mut watch, &mut now, 1, 1, Some(SlotState::Trial), SlotName::B), None);
        assert_eq!(watch.phase(), Phase::Restarting, "the daemon that answers is the old one");
        assert_eq!(run(&mut watch, &mut now, 3, 2, Some(SlotState::Trial), SlotName::B), None);
        assert_eq!((watch.phase(), watch.starts()), (Phase::Trial { starts_left: 2 }, 1));
        assert_eq!(run(&mut watch, &mut now, 3, 2, Some(SlotState::Confirmed), SlotName::B), Some(End::Confirmed));
    }

    #[test]
    fn a_version_that_passed_waits_for_the_user() {
        let mut now = 0;
        let mut watch = installed(&mut now, true);
        watch.take(now, &hello(2));
        let Up::Slots(passed) = slots(5, Some(SlotState::Trial), SlotName::B) else { panic!("slots are slots") };
        watch.take_slots(now, &Slots { trial_starts_left: None, ..passed });
        assert_eq!(run(&mut watch, &mut now, 1, 2, Some(SlotState::Trial), SlotName::B), Some(End::Passed));
    }

    #[test]
    fn a_version_that_crashes_is_gone_back_from() {
        for b in [Some(SlotState::Failed), None] {
            let mut now = 0;
            let mut watch = installed(&mut now, true);
            for boot in 2..5 {
                assert_eq!(run(&mut watch, &mut now, 3, boot, Some(SlotState::Trial), SlotName::B), None);
            }
            let end = run(&mut watch, &mut now, 3, 5, b, SlotName::A);
            assert_eq!((end, watch.starts()), (Some(End::RolledBack { runs: "old".to_owned() }), 4));
        }
    }

    #[test]
    fn a_trial_that_takes_long_is_not_waited_for() {
        let mut now = 0;
        let mut watch = installed(&mut now, true);
        let end = run(&mut watch, &mut now, 200, 2, Some(SlotState::Trial), SlotName::B);
        assert!(matches!(end, Some(End::Held(_))), "{end:?}");
        assert!((HELD_US..HELD_US + 10 * S).contains(&now), "{now}");
    }

    #[test]
    fn silence_and_time_have_an_end() {
        let (mut now, mut watch) = (0, Watch::new(9, BOTH, 1, 77, true));
        watch.poll(now);
        watch.installed();
        while !matches!(watch.poll(now), Step::End(_)) {
            now += S;
        }
        assert_eq!((watch.poll(now), now), (Step::End(End::Silent), SILENT_US));
        // One that answers, and whose installation never ends.
        let (mut now, mut watch) = (0, Watch::new(9, BOTH, 1, 77, true));
        let end = run(&mut watch, &mut now, 2000, 1, None, SlotName::A);
        assert!(matches!(end, Some(End::Held(_))) && now >= LIMIT_US, "{end:?} {now}");
    }

    #[test]
    fn a_board_that_forgot_the_file_gets_it_again() {
        let (mut now, mut watch) = (0, Watch::new(9, BOTH, 1, 77, true));
        assert_eq!(run(&mut watch, &mut now, 2, 1, None, SlotName::A), None);
        assert_eq!(run(&mut watch, &mut now, 20, 2, None, SlotName::A), Some(End::Again));
    }

    #[test]
    fn what_the_board_refuses_ends_it_and_what_is_anothers_does_not() {
        let refused = |transfer| {
            let (refusal, detail) = (Refusal::NotTrusted, "unknown key".into());
            Up::UpdateRefused(UpdateRefused { token: 3, transfer, refusal, detail })
        };
        let mut watch = Watch::new(9, BOTH, 1, 77, true);
        watch.take(0, &refused(8));
        watch.take(0, &slots(5, Some(SlotState::Confirmed), SlotName::B));
        assert!(matches!(watch.poll(0), Step::Send(_)), "another file, and an answer to somebody else");
        watch.take(0, &refused(9));
        assert_eq!(watch.poll(0), Step::End(End::Refused(Refusal::NotTrusted, "unknown key".to_owned())));
    }

    #[test]
    fn half_of_it_from_an_earlier_flash_is_neither_confirmed_nor_new() {
        // Its model runs since it was flashed first; another bundle has replaced its daemon.
        let half = |token, b| {
            let Up::Slots(slots) = slots(token, b, SlotName::A) else { panic!("slots are slots") };
            let model = SlotPair { active: Some(SlotName::B), slots: [None, slot(9, SlotState::Confirmed)] };
            Slots { model, ..slots }
        };
        let mut watch = Watch::new(9, BOTH, 1, 77, true);
        watch.installed();
        watch.take(0, &hello(2));
        watch.take_slots(0, &half(5, Some(SlotState::Trial)));
        assert!(matches!(watch.poll(0), Step::Send(_)), "on trial");
        watch.take_slots(0, &half(5, None));
        assert_eq!(watch.poll(0), Step::End(End::RolledBack { runs: "new and old".to_owned() }));
        // To a bundle of a model alone the daemon is nothing.
        let mut watch = Watch::new(9, Brings { daemon: false, ..BOTH }, 1, 77, true);
        watch.take_slots(0, &half(5, None));
        assert_eq!(watch.poll(0), Step::End(End::Confirmed));
    }

    #[test]
    fn without_waiting_the_installation_is_the_end() {
        let mut now = 0;
        let mut watch = installed(&mut now, false);
        assert_eq!(watch.poll(now), Step::End(End::Installed));
    }
}
