//! Questions to a board: sent again when no answer comes, a bounded number of times.

use crate::BoardError;
use crate::session::{Heard, Session};
use mtcae_bundle::{Permit, PermitError};
use mtcae_wire::{
    CameraAction, CameraMode, CameraOrder, Down, Hello, Log, LogsQuery, MAX_PERMIT, Nack, PermitOffer, Ping, Reason,
    Request, Slots, Status, Up, UpdateState, heapless,
};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The longest wait between two looks at the stop flag.
const GLANCE: Duration = Duration::from_millis(100);
/// More modes than a board tells in one answer.
const MOST_MODES: usize = 256;
/// A board whose clock is that far ahead of what can be has sent nonsense.
const MAX_OFFSET_US: i128 = i64::MAX as i128;

/// A permit as its message.
pub(crate) fn offered(permit: &Permit, token: u32) -> PermitOffer {
    const { assert!(mtcae_bundle::MAX_PERMIT <= MAX_PERMIT, "a permit would not fit its message") }
    PermitOffer { token, permit: heapless::Vec::from_slice(&permit.to_bytes()).unwrap_or_default() }
}

/// Whether `permit` is for this board. Whether it counts there, the board says.
pub(crate) fn check_device(permit: Option<&Permit>, board: &Hello) -> Result<(), BoardError> {
    let device = board.device.as_str();
    match permit.map(Permit::device).filter(|permitted| *permitted != device) {
        Some(permitted) => {
            Err(PermitError::Device { permitted: permitted.to_owned(), device: device.to_owned() }.into())
        }
        None => Ok(()),
    }
}

/// How often and how long to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Times that the question is sent.
    pub tries: u32,
    /// Wait for an answer to the first; doubles with each.
    pub first: Duration,
}

impl Patience {
    /// For a board that is expected to be there: 7.5 s in all.
    pub const NORMAL: Patience = Patience { tries: 4, first: Duration::from_millis(500) };
    /// For a port on which a board may be: 1.2 s in all.
    pub const SHORT: Patience = Patience { tries: 2, first: Duration::from_millis(400) };
    /// For a request that must not be sent twice, and may take the board a while: 10 s.
    pub const ONCE: Patience = Patience { tries: 1, first: Duration::from_secs(10) };
}

/// The board's clocks against this machine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// From a question to its answer, microseconds.
    pub round_trip_us: u64,
    /// What to add to the board's monotonic clock to get this machine's Unix time, microseconds.
    pub host_offset_us: i64,
}

enum Answer<T> {
    None,
    Part,
    All(T),
}

impl Session {
    /// Sends what `request` makes of a token until `answer` gets something out of a message, or the board declines.
    ///
    /// # Errors
    /// `Silent`, `Gone`, `Version`, `Declined`, `Stopped`.
    pub fn ask<T>(
        &mut self,
        asked: &str,
        patience: Patience,
        request: impl Fn(u32) -> Down,
        mut answer: impl FnMut(&Up, u32) -> Option<T>,
    ) -> Result<T, BoardError> {
        let token = self.new_token();
        self.ask_with(token, asked, patience, request, |up| answer(up, token))
    }

    /// The same with a token from [`Session::new_token`]: an answer to whatever was asked with it before will do.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub(crate) fn ask_with<T>(
        &mut self,
        token: u32,
        asked: &str,
        patience: Patience,
        request: impl Fn(u32) -> Down,
        mut answer: impl FnMut(&Up) -> Option<T>,
    ) -> Result<T, BoardError> {
        self.ask_at_length(token, asked, patience, request, |up| answer(up).map_or(Answer::None, Answer::All))
    }

    /// The same for an answer of several messages: each part of it makes the wait begin anew.
    fn ask_at_length<T>(
        &mut self,
        token: u32,
        asked: &str,
        patience: Patience,
        request: impl Fn(u32) -> Down,
        mut answer: impl FnMut(&Up) -> Answer<T>,
    ) -> Result<T, BoardError> {
        // The token is the same for each try: whichever of them is answered will do.
        let mut wait = patience.first;
        for _ in 0..patience.tries {
            self.send(&request(token));
            let mut until = Instant::now() + wait;
            while let Some(left) = until.checked_duration_since(Instant::now()) {
                self.check_stop()?;
                match self.receive(left.min(GLANCE)) {
                    Some(Heard::Message(Up::Nack(nack))) if nack.token == token => return Err(declined(asked, &nack)),
                    Some(Heard::Message(message)) => match answer(&message) {
                        Answer::All(answer) => return Ok(answer),
                        Answer::Part => until = Instant::now() + wait,
                        Answer::None => {}
                    },
                    // What must not be sent twice may have arrived.
                    Some(Heard::Reconnected) if patience.tries > 1 => self.send(&request(token)),
                    Some(Heard::Reconnected | Heard::Lost) | None => {}
                }
            }
            wait *= 2;
        }
        Err(self.silent(asked))
    }

    /// Who the board is.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub fn hello(&mut self, patience: Patience) -> Result<Hello, BoardError> {
        self.ask(
            "who it is",
            patience,
            |_| Down::Hello,
            |up, _| match up {
                Up::Hello(hello) => Some(hello.clone()),
                _ => None,
            },
        )
    }

    /// What its slots hold.
    ///
    /// # Errors
    /// `NoUpdates`; as [`Session::ask`].
    pub fn slots(&mut self) -> Result<Slots, BoardError> {
        let request = |token| Down::SlotsQuery(Request { token });
        let slots = self.ask("what its slots hold", Patience::NORMAL, request, |up, token| match up {
            Up::Slots(slots) if slots.token == token => Some(slots.clone()),
            _ => None,
        });
        self.or_no_updates(slots)
    }

    /// How far it is with a bundle.
    ///
    /// # Errors
    /// `NoUpdates`; as [`Session::ask`].
    pub fn update_state(&mut self) -> Result<Option<UpdateState>, BoardError> {
        let request = |token| Down::UpdateQuery(Request { token });
        let state = self.ask("how far an update is", Patience::NORMAL, request, |up, token| match up {
            Up::UpdateState(state) if state.token == token => Some(Some(*state)),
            // The last file was refused: nothing is on its way.
            Up::UpdateRefused(refused) if refused.token == token => Some(None),
            _ => None,
        });
        self.or_no_updates(state)
    }

    /// The next status it sends by itself within `wait`.
    ///
    /// # Errors
    /// `Stopped`.
    pub fn status(&mut self, wait: Duration) -> Result<Option<Status>, BoardError> {
        let until = Instant::now() + wait;
        loop {
            self.check_stop()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            if let Some(Heard::Message(Up::Status(status))) = self.receive(left.min(GLANCE)) {
                return Ok(Some(status));
            }
        }
    }

    /// Its camera's modes, in the camera's order.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub fn camera_modes(&mut self) -> Result<Vec<CameraMode>, BoardError> {
        let mut modes: Vec<CameraMode> = Vec::new();
        let request = |token| Down::CameraModesQuery(Request { token });
        let token = self.new_token();
        self.ask_at_length(token, "for its camera's modes", Patience::NORMAL, request, |up| match up {
            Up::Ack(ack) if ack.token == token => Answer::All(()),
            Up::CameraMode(mode) if mode.token == token && modes.len() < MOST_MODES => {
                // One may come twice, when the question was sent twice.
                if modes.iter().all(|known| known.index != mode.index) {
                    modes.push(mode.clone());
                }
                Answer::Part
            }
            _ => Answer::None,
        })?;
        modes.sort_by_key(|mode| mode.index);
        Ok(modes)
    }

    /// Tells its camera what to do, and waits until that is done.
    ///
    /// # Errors
    /// `Declined` with the reason when it could not be done; as [`Session::ask`].
    pub fn camera(&mut self, action: &CameraAction) -> Result<(), BoardError> {
        let request = |token| Down::Camera(CameraOrder { token, action: action.clone() });
        self.ask("the camera", Patience::ONCE, request, acknowledged)
    }

    /// The newest lines of its log, at most `lines`, oldest first.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub fn logs(&mut self, lines: u8) -> Result<Vec<Log>, BoardError> {
        let mut logs: Vec<Log> = Vec::new();
        // As many again when the question is asked again; lines of which the board cannot stop are then only heard.
        let most = usize::from(lines).saturating_mul(2);
        let request = |token| Down::LogsQuery(LogsQuery { token, lines });
        let token = self.new_token();
        self.ask_at_length(token, "for its log", Patience::NORMAL, request, |up| match up {
            Up::Ack(ack) if ack.token == token => Answer::All(()),
            Up::Log(log) if logs.len() < most => {
                // A line may come twice, when the question was.
                if !logs.contains(log) {
                    logs.push(log.clone());
                }
                Answer::Part
            }
            _ => Answer::None,
        })?;
        logs.sort_by_key(|log| log.at_us);
        let surplus = logs.len().saturating_sub(lines.into());
        Ok(logs.split_off(surplus))
    }

    /// Compares clocks.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub fn clock(&mut self) -> Result<Clock, BoardError> {
        const TRIES: u32 = 3;
        let once = Patience { tries: 1, first: Duration::from_secs(1) };
        for left in (0..TRIES).rev() {
            // Each try has a token of its own, so that an answer belongs to this one.
            let (began, asked) = (Instant::now(), SystemTime::now());
            let pong = self.ask(
                "a ping",
                once,
                |token| Down::Ping(Ping { token }),
                |up, token| match up {
                    Up::Pong(pong) if pong.token == token => Some(pong.board_us),
                    _ => None,
                },
            );
            match pong {
                Ok(board_us) => return Ok(clock(asked, began.elapsed(), board_us)),
                Err(BoardError::Silent { .. }) if left > 0 => {}
                Err(error) => return Err(error),
            }
        }
        Err(self.silent("a ping"))
    }

    /// Hands over a permit.
    ///
    /// # Errors
    /// `PermitDeclined` when it does not count there; as [`Session::ask`].
    pub fn permit(&mut self, permit: &Permit) -> Result<(), BoardError> {
        let request = |token| Down::Permit(offered(permit, token));
        self.ask("the permit", Patience::NORMAL, request, acknowledged).map_err(|error| match error {
            BoardError::Declined { reason: Reason::BadValue, detail, .. } => BoardError::PermitDeclined(detail),
            error => error,
        })
    }

    fn or_no_updates<T>(&self, result: Result<T, BoardError>) -> Result<T, BoardError> {
        result.map_err(|error| match error {
            BoardError::Declined { reason: Reason::Unsupported, .. } => {
                BoardError::NoUpdates { target: self.name().to_owned() }
            }
            error => error,
        })
    }
}

/// The answer to a request that is carried out or not.
pub(crate) fn acknowledged(up: &Up, token: u32) -> Option<()> {
    matches!(up, Up::Ack(ack) if ack.token == token).then_some(())
}

fn declined(asked: &str, nack: &Nack) -> BoardError {
    BoardError::Declined { asked: asked.to_owned(), reason: nack.reason, detail: nack.detail.as_str().to_owned() }
}

/// The answer is taken to have been made half-way through its round trip.
fn clock(asked: SystemTime, round_trip: Duration, board_us: u64) -> Clock {
    let at = asked + round_trip / 2;
    let unix_us = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as i128;
    let offset = (unix_us - i128::from(board_us)).clamp(-MAX_OFFSET_US, MAX_OFFSET_US);
    Clock { round_trip_us: round_trip.as_micros() as u64, host_offset_us: offset as i64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_compared_in_the_middle_of_the_round_trip() {
        let asked = UNIX_EPOCH + Duration::from_micros(1_000_000);
        let found = clock(asked, Duration::from_micros(2_000), 500_000);
        assert_eq!(found, Clock { round_trip_us: 2_000, host_offset_us: 501_000 });
        let absurd = clock(asked, Duration::ZERO, u64::MAX);
        assert!(absurd.host_offset_us < 0);
    }
}
