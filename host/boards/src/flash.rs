//! A bundle to one board, from the first question to a version that is confirmed there.

use crate::admission::{Asked, Course, course, runs_confirmed, slots_with};
use crate::ask::{Patience, check_device, offered};
use crate::session::{Heard, Session};
use crate::watch::{End, Phase, Step, Watch};
use crate::{BoardError, BundleFile};
use mtcae_bundle::Permit;
use mtcae_transfer::{Action, Micros, Progress, SendError, Sender};
use mtcae_wire::{CHUNK, Down, Hello, Nack, Offer, Reason, Refusal, SlotState, Slots, Up, UpdatePhase};
use std::time::Duration;

/// The longest wait between two looks at the clock and the stop flag.
const GLANCE: Duration = Duration::from_millis(50);
/// A line that is gone for so long is given up while a bundle is sent.
pub const GONE_AFTER: Duration = Duration::from_secs(120);
/// A transfer that gets no further for so long is given up, microseconds: a line may come back again and again and carry
/// nothing.
pub const STALLED_US: Micros = 300_000_000;
/// Times that a bundle is sent again because the board lost it after it was verified.
pub const MAX_AGAIN: u32 = 3;

/// How to flash.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A signed leave for an older security counter.
    pub permit: Option<Permit>,
    /// Refuse to send from the start.
    pub resume: bool,
    /// End when the bundle is installed, before its trial.
    pub no_wait: bool,
}

/// What is going on, for a progress bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The board is asked who it is and what it has.
    Asking,
    /// The bundle is sent; the numbers are the board's own.
    Sending(Progress),
    /// The board reads the file back.
    Verifying(Progress),
    /// It is whole on the board, which now does this.
    Board {
        /// What it does.
        phase: Phase,
        /// Nothing was heard for so many seconds.
        quiet_s: u64,
    },
    /// The line is gone and is opened again.
    LineLost,
}

/// How a flash ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was there before, confirmed.
    AlreadyThere,
    /// It is installed and starts on trial.
    Installed,
    /// It runs, has passed its self-test, and waits for the user to confirm it.
    Passed,
    /// It runs and is confirmed.
    Confirmed,
}

/// What a flash came to.
#[derive(Debug, Clone)]
pub struct Flashed {
    /// How it ended.
    pub outcome: Outcome,
    /// Who the board was at the beginning.
    pub board: Hello,
    /// Bytes of the bundle that the board had at the beginning.
    pub resumed_from: u64,
    /// Of the transfer; zeros when nothing was sent.
    pub progress: Progress,
    /// Times that the line was opened again.
    pub reconnects: u32,
    /// From the first question to the end, microseconds.
    pub took_us: Micros,
}

/// What a board is before a flash, and what there is to do.
#[derive(Debug, Clone)]
pub struct Prospect {
    /// Who it is.
    pub board: Hello,
    /// What its slots hold.
    pub slots: Slots,
    /// What is to be done.
    pub course: Course,
    /// Bytes of the bundle that it is known to have.
    pub there: u64,
}

/// Asks the board and changes nothing.
///
/// # Errors
/// `Refused` when it would not take the bundle; `Permit` when that is for another board; `NoUpdates`; as [`Session::ask`].
pub fn prospect(session: &mut Session, bundle: &BundleFile, permit: Option<&Permit>) -> Result<Prospect, BoardError> {
    let board = session.hello(Patience::NORMAL)?;
    check_device(permit, &board)?;
    let slots = session.slots()?;
    let offer = bundle.offer(slots.family.as_str());
    let state = session.update_state()?.filter(|state| state.transfer == offer.transfer());
    let there = state.map_or(0, |state| (u64::from(state.durable) * CHUNK as u64).min(offer.length));
    let (boards, brings) = (&bundle.manifest.boards[..], bundle.brings());
    let asked = Asked { offer: &offer, boards, brings, there, permitted: permit.map(Permit::lowest_counter) };
    let refused = |(refusal, detail)| {
        let by = format!("{} ({}) does not take", board.device, session.name());
        BoardError::Refused { by, bundle: bundle.title(), refusal, detail }
    };
    let course = course(&asked, &slots).map_err(refused)?;
    Ok(Prospect { board, slots, course, there })
}

/// Takes a bundle to the board and follows it to its end. `stage` hears what is going on, many times a second.
///
/// # Errors
/// Why it is not confirmed there; for [`Options::no_wait`], why it is not installed.
pub fn flash(
    session: &mut Session,
    bundle: &BundleFile,
    options: &Options,
    stage: &mut dyn FnMut(Stage),
) -> Result<Flashed, BoardError> {
    stage(Stage::Asking);
    let began = session.now();
    let Prospect { board, slots, course, .. } = prospect(session, bundle, options.permit.as_ref())?;
    let offer = bundle.offer(slots.family.as_str());
    let mut flight =
        Flight { session, bundle, options, offer, stage, progress: Progress::default(), resumed_from: None };
    let outcome = flight.follow(&board, course)?;
    let (progress, resumed_from) = (flight.progress, flight.resumed_from.unwrap_or(0));
    let (reconnects, took_us) = (session.counts().reconnects, session.now() - began);
    Ok(Flashed { outcome, board, resumed_from, progress, reconnects, took_us })
}

struct Flight<'a> {
    session: &'a mut Session,
    bundle: &'a BundleFile,
    options: &'a Options,
    offer: Offer,
    stage: &'a mut dyn FnMut(Stage),
    progress: Progress,
    /// What the board had when it first answered the offer.
    resumed_from: Option<u64>,
}

impl Flight<'_> {
    fn follow(&mut self, board: &Hello, course: Course) -> Result<Outcome, BoardError> {
        let token = self.session.new_token();
        let (transfer, brings) = (self.offer.transfer(), self.bundle.brings());
        match course {
            Course::Nothing => return Ok(Outcome::AlreadyThere),
            Course::Follow if self.options.no_wait => return Ok(Outcome::Installed),
            Course::Follow => {
                let watch = Watch::of_trial(transfer, brings, board.boot, token, self.session.now());
                if let Some(outcome) = self.watch(watch)? {
                    return Ok(outcome);
                }
            }
            Course::Send => {}
        }
        let mut boot = board.boot;
        for _ in 0..=MAX_AGAIN {
            let watch = match self.send(&mut boot) {
                Ok(phase) => {
                    let token = self.session.new_token();
                    let mut watch = Watch::new(transfer, brings, boot, token, !self.options.no_wait);
                    if phase == UpdatePhase::Installed {
                        watch.installed();
                    }
                    watch
                }
                Err(BoardError::Refused { by, bundle, refusal, detail }) => match self.went_on(refusal)? {
                    Some(Course::Follow) => {
                        Watch::of_trial(transfer, brings, boot, self.session.new_token(), self.session.now())
                    }
                    Some(_) => return Ok(Outcome::Confirmed),
                    None => return Err(BoardError::Refused { by, bundle, refusal, detail }),
                },
                Err(error) => return Err(error),
            };
            if let Some(outcome) = self.watch(watch)? {
                return Ok(outcome);
            }
        }
        Err(self.failed(format!("the board started anew and lost it {MAX_AGAIN} times, whole as it was")))
    }

    /// Whether a board refuses the file because it went on with it while the line was cut; what is to be done then.
    fn went_on(&mut self, refusal: Refusal) -> Result<Option<Course>, BoardError> {
        if !matches!(refusal, Refusal::Busy | Refusal::AlreadyInstalled) {
            return Ok(None);
        }
        let slots = self.session.slots()?;
        let transfer = self.offer.transfer();
        if slots_with(&slots, transfer).any(|(slot, _)| slot.state == SlotState::Trial) {
            return Ok(Some(Course::Follow));
        }
        Ok(runs_confirmed(&slots, transfer, self.bundle.brings()).then_some(Course::Nothing))
    }

    /// Sends until the board has verified the file; `boot` becomes that of the daemon which has.
    fn send(&mut self, boot: &mut u32) -> Result<UpdatePhase, BoardError> {
        let mut sender = Sender::new(self.offer.clone(), self.session.new_token());
        let mut permit = None;
        let mut moved = (self.session.now(), 0);
        loop {
            self.session.check_stop()?;
            let wait = match self.hand_over(&mut sender, &mut permit)? {
                Some(Action::End(end)) => return end.map_err(|error| self.refused(error)),
                Some(Action::Wait(us)) => Duration::from_micros(us).min(GLANCE),
                _ => GLANCE,
            };
            let heard = self.session.receive(wait);
            let now = self.session.now();
            match heard {
                Some(Heard::Message(message)) => {
                    if let Up::Hello(hello) = &message {
                        *boot = hello.boot;
                    }
                    check_permit(&message, permit)?;
                    sender.take(now, &message);
                    self.note(&sender, &message)?;
                }
                Some(Heard::Reconnected) => sender.reconnected(now),
                Some(Heard::Lost) => (self.stage)(Stage::LineLost),
                None => {}
            }
            self.check_line()?;
            let got = sender.progress().received + sender.progress().checked;
            if got != moved.1 {
                moved = (now, got);
            } else if now.saturating_sub(moved.0) >= STALLED_US {
                return Err(self.failed(format!("it got no further for {} s", STALLED_US / 1_000_000)));
            }
        }
    }

    /// Gives the line what it takes now; what the sender does not send.
    fn hand_over(&mut self, sender: &mut Sender, permit: &mut Option<u32>) -> Result<Option<Action>, BoardError> {
        while self.session.is_ready() {
            match sender.poll(self.session.now()) {
                Action::Send(request) => {
                    if let Down::UpdateBegin(_) = request {
                        *permit = self.send_permit();
                        // Whether the daemon started anew must be known when the file is there.
                        self.session.send(&Down::Hello);
                    }
                    self.session.send(&request);
                }
                Action::Chunk { index } => {
                    let chunk = self.bundle.chunk(&self.offer, index)?;
                    self.session.send_chunk(&chunk);
                }
                action => return Ok(Some(action)),
            }
            self.session.flush();
        }
        Ok(None)
    }

    /// A permit counts until the daemon ends, so each offer goes behind one.
    fn send_permit(&mut self) -> Option<u32> {
        let permit = self.options.permit.as_ref()?;
        let token = self.session.new_token();
        self.session.send(&Down::Permit(offered(permit, token)));
        Some(token)
    }

    fn note(&mut self, sender: &Sender, message: &Up) -> Result<(), BoardError> {
        let Up::UpdateState(state) = message else { return Ok(()) };
        if state.transfer != self.offer.transfer() {
            return Ok(());
        }
        self.progress = sender.progress();
        let first = self.resumed_from.is_none();
        let there = *self.resumed_from.get_or_insert(self.progress.durable);
        if first && there == 0 && self.options.resume {
            return Err(BoardError::NothingToResume { bundle: self.bundle.title() });
        }
        let verifying = state.phase >= UpdatePhase::Verifying;
        (self.stage)(if verifying { Stage::Verifying(self.progress) } else { Stage::Sending(self.progress) });
        Ok(())
    }

    /// Follows the installation and the trial; `None` when the bundle has to be sent again.
    fn watch(&mut self, mut watch: Watch) -> Result<Option<Outcome>, BoardError> {
        let end = loop {
            self.session.check_stop()?;
            let now = self.session.now();
            let wait = match watch.poll(now) {
                Step::Send(request) => {
                    self.session.send(&request);
                    GLANCE
                }
                Step::Wait(us) => Duration::from_micros(us).min(GLANCE),
                Step::End(end) => break end,
            };
            match self.session.receive(wait) {
                Some(Heard::Message(message)) => watch.take(self.session.now(), &message),
                Some(Heard::Lost) => (self.stage)(Stage::LineLost),
                Some(Heard::Reconnected) | None => {}
            }
            let quiet_s = watch.quiet(self.session.now()) / 1_000_000;
            (self.stage)(Stage::Board { phase: watch.phase(), quiet_s });
        };
        let bundle = self.bundle.title();
        match end {
            End::Installed => Ok(Some(Outcome::Installed)),
            End::Confirmed => Ok(Some(Outcome::Confirmed)),
            End::Passed => Ok(Some(Outcome::Passed)),
            End::Again => Ok(None),
            End::RolledBack { runs } => {
                // The newest start is that of the version which runs now.
                let starts = watch.starts().saturating_sub(1);
                Err(BoardError::RolledBack { bundle, starts, runs })
            }
            End::Refused(refusal, detail) => Err(self.refused(SendError::Refused { refusal, detail })),
            End::Held(reason) => Err(BoardError::NotConfirmed { bundle, reason }),
            End::Silent => {
                let reason = match self.session.silent("how the new version is") {
                    BoardError::Silent { .. } => "the board does not answer any more".to_owned(),
                    error => error.to_string(),
                };
                Err(BoardError::NotConfirmed { bundle, reason })
            }
        }
    }

    fn check_line(&self) -> Result<(), BoardError> {
        match self.session.gone() {
            Some((since, _)) if since >= GONE_AFTER => Err(self.session.silent("the offer")),
            _ => Ok(()),
        }
    }

    fn refused(&self, error: SendError) -> BoardError {
        let bundle = self.bundle.title();
        match error {
            SendError::Refused { refusal, detail } => {
                BoardError::Refused { by: format!("{} does not take", self.session.name()), bundle, refusal, detail }
            }
            SendError::Declined { reason: Reason::Unsupported, .. } => {
                BoardError::NoUpdates { target: self.session.name().to_owned() }
            }
            SendError::Declined { reason, detail } => BoardError::Declined { asked: bundle, reason, detail },
            SendError::Silent | SendError::Forgetful => self.failed(error.to_string()),
        }
    }

    fn failed(&self, reason: String) -> BoardError {
        BoardError::Transfer { bundle: self.bundle.title(), reason }
    }
}

fn check_permit(message: &Up, permit: Option<u32>) -> Result<(), BoardError> {
    match message {
        Up::Nack(Nack { token, reason, detail }) if Some(*token) == permit => {
            let detail = detail.as_str().to_owned();
            Err(match reason {
                Reason::BadValue => BoardError::PermitDeclined(detail),
                reason => BoardError::Declined { asked: "the permit".to_owned(), reason: *reason, detail },
            })
        }
        _ => Ok(()),
    }
}
