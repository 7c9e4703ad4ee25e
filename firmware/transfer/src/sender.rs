//! The host's end.

use crate::Micros;
use crate::flight::Flight;
use mtcae_wire::{
    CHUNK, Down, Nack, Offer, Reason, Refusal, Request, Up, UpdateBegin, UpdateFinish, UpdatePhase, UpdateRefused,
    UpdateState,
};

/// First wait for an answer or for news before the board is asked, microseconds; doubles with every try.
pub const FIRST_WAIT_US: Micros = 250_000;
/// Longest such wait, microseconds.
pub const LONGEST_WAIT_US: Micros = 4_000_000;
/// A board that says nothing about the file for so long is given up, microseconds.
pub const GIVE_UP_US: Micros = 60_000_000;
/// Times that a file is sent anew from its start because the board had dropped what was durable.
pub const MAX_RESTARTS: u32 = 2;

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Action {
    /// Send this request.
    Send(Down),
    /// Send the bytes of this chunk: an [`UpdateChunk`](mtcae_wire::UpdateChunk) of [`Sender::transfer`].
    Chunk {
        /// Which.
        index: u32,
    },
    /// Nothing, for so many microseconds, unless something comes.
    Wait(Micros),
    /// It has ended: the phase the board was in then, from `Verified` on, or why not.
    End(Result<UpdatePhase, SendError>),
}

/// Why a file did not get there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The board refused it; sending the same file again will not help unless `refusal` passes with time.
    #[error("the board refused the file: {detail}")]
    Refused {
        /// Why, for the program.
        refusal: Refusal,
        /// Why, for a person.
        detail: String,
    },
    /// The board answers requests about updates with a `Nack`: its firmware does not know them.
    #[error("the board declined the request ({reason:?}): {detail}")]
    Declined {
        /// Why, for the program.
        reason: Reason,
        /// Why, for a person.
        detail: String,
    },
    /// Nothing was heard; the same file can be sent again and goes on where it was.
    #[error("the board said nothing about the file for {} s; check the line and send it again", GIVE_UP_US / 1_000_000)]
    Silent,
    /// The board's storage does not keep what it called durable.
    #[error("the board lost what was durable {MAX_RESTARTS} times; its storage may be failing")]
    Forgetful,
}

/// How far it is, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Of the file.
    pub length: u64,
    /// On the board, and safe from a loss of power.
    pub durable: u64,
    /// On the board.
    pub received: u64,
    /// Read back by the board for its final check.
    pub checked: u64,
    /// Chunks sent, again ones included.
    pub sent_chunks: u64,
    /// Chunks sent again.
    pub resent_chunks: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Begin,
    Chunks,
    Finish,
}

/// Sends one file.
///
/// Its owner hands it every message of the board with [`Sender::take`], and calls [`Sender::poll`] whenever the line takes
/// another frame; what `poll` gives counts as sent.
pub struct Sender {
    offer: Offer,
    token: u32,
    step: Step,
    /// Whether the request of this step is sent.
    asked: bool,
    flight: Flight,
    state: Option<UpdateState>,
    /// When something was last sent or heard.
    quiet_since: Micros,
    wait: Micros,
    /// When the board last spoke of this file.
    heard: Option<Micros>,
    restarts: u32,
    sent: u64,
    resent: u64,
    end: Option<Result<UpdatePhase, SendError>>,
}

impl Sender {
    /// Sends the file of `offer`. `first_token` is any random number: answers to an earlier sender are then not taken for
    /// answers to this one.
    pub fn new(offer: Offer, first_token: u32) -> Sender {
        Sender {
            offer,
            token: first_token,
            step: Step::Begin,
            asked: false,
            flight: Flight::new(),
            state: None,
            quiet_since: 0,
            wait: FIRST_WAIT_US,
            heard: None,
            restarts: 0,
            sent: 0,
            resent: 0,
            end: None,
        }
    }

    /// [`Offer::transfer`] of the file.
    pub fn transfer(&self) -> u32 {
        self.offer.transfer()
    }

    /// Tells it that the line was opened again at `now`: what was on its way may be lost.
    pub fn reconnected(&mut self, now: Micros) {
        self.begin(now);
        self.heard = Some(now);
    }

    /// Takes a message that came at `now`.
    pub fn take(&mut self, now: Micros, message: &Up) {
        match message {
            Up::UpdateState(state) => self.take_state(now, state),
            Up::UpdateRefused(refused) if refused.transfer == self.transfer() && self.flight.knows(refused.token) => {
                self.take_refusal(now, refused);
            }
            Up::Nack(Nack { token, reason, detail }) if self.flight.knows(*token) => {
                self.finish(Err(SendError::Declined { reason: *reason, detail: detail.as_str().to_owned() }));
            }
            _ => {}
        }
    }

    /// What to do at `now`.
    pub fn poll(&mut self, now: Micros) -> Action {
        let heard = *self.heard.get_or_insert(now);
        if now.saturating_sub(heard) >= GIVE_UP_US {
            self.finish(Err(SendError::Silent));
        }
        if let Some(end) = &self.end {
            return Action::End(end.clone());
        }
        if let Some(index) = self.next_chunk() {
            self.sent += 1;
            self.resent += u64::from(self.flight.chunk(index));
            self.quiet_since = now;
            return Action::Chunk { index };
        }
        let due = self.quiet_since.saturating_add(self.wait);
        let first = self.step != Step::Chunks && !self.asked;
        if now < due && !first {
            return Action::Wait(due - now);
        }
        if !first {
            self.wait = (2 * self.wait).min(LONGEST_WAIT_US);
        }
        self.asked = true;
        self.quiet_since = now;
        Action::Send(self.request())
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let bytes = |chunks: u32| (u64::from(chunks) * CHUNK as u64).min(self.offer.length);
        let of = |part: fn(&UpdateState) -> u32| self.state.as_ref().map_or(0, |state| bytes(part(state)));
        Progress {
            length: self.offer.length,
            durable: of(|state| state.durable),
            received: of(|state| state.received),
            checked: of(|state| state.checked),
            sent_chunks: self.sent,
            resent_chunks: self.resent,
        }
    }

    fn next_chunk(&self) -> Option<u32> {
        let state = self.state.as_ref().filter(|_| self.step == Step::Chunks)?;
        self.flight.next_chunk(state)
    }

    fn request(&mut self) -> Down {
        self.token = self.token.wrapping_add(1);
        let token = self.token;
        self.flight.request(token);
        match self.step {
            Step::Begin => Down::UpdateBegin(UpdateBegin { token, offer: self.offer.clone() }),
            Step::Chunks => Down::UpdateQuery(Request { token }),
            Step::Finish => Down::UpdateFinish(UpdateFinish { token, transfer: self.transfer() }),
        }
    }

    fn take_state(&mut self, now: Micros, state: &UpdateState) {
        let ours = state.transfer == self.transfer() && state.chunks == self.offer.chunks();
        if !ours || state.phase == UpdatePhase::Idle {
            // The board started anew, or lies: the file is offered again, and once only until that is answered.
            if self.step != Step::Begin {
                self.begin(now);
            }
            return;
        }
        // Before the offer is answered, a state may be older than this sender.
        if self.step == Step::Begin && !self.flight.knows(state.token) {
            return;
        }
        self.heard = Some(now);
        self.quiet_since = now;
        self.wait = FIRST_WAIT_US;
        if self.flight.take(state) {
            self.restart();
        }
        self.state = Some(*state);
        match state.phase {
            UpdatePhase::Verified | UpdatePhase::Installing | UpdatePhase::Installed => self.finish(Ok(state.phase)),
            UpdatePhase::Verifying => self.step_to(Step::Finish),
            _ if state.durable == state.chunks => self.step_to(Step::Finish),
            _ => self.step_to(Step::Chunks),
        }
    }

    fn take_refusal(&mut self, now: Micros, refused: &UpdateRefused) {
        if refused.refusal == Refusal::Damaged && self.step != Step::Begin && self.restarts < MAX_RESTARTS {
            return self.begin(now);
        }
        let detail = refused.detail.as_str().to_owned();
        self.finish(Err(SendError::Refused { refusal: refused.refusal, detail }));
    }

    fn restart(&mut self) {
        self.restarts += 1;
        if self.restarts > MAX_RESTARTS {
            self.finish(Err(SendError::Forgetful));
        }
    }

    fn step_to(&mut self, step: Step) {
        if self.step != step {
            self.step = step;
            self.asked = false;
        }
    }

    /// Offers the file anew; answers to what was asked before are then too old to count.
    fn begin(&mut self, now: Micros) {
        self.flight.forget_requests();
        self.step = Step::Begin;
        self.asked = false;
        self.wait = FIRST_WAIT_US;
        self.quiet_since = now;
    }

    /// The first end counts.
    fn finish(&mut self, end: Result<UpdatePhase, SendError>) {
        self.end.get_or_insert(end);
    }
}
