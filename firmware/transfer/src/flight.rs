//! What a sender has on the line, and how it knows that a piece of it was lost.
//!
//! A line keeps the order, so no clock is needed: what was sent before something that arrived, and is not there, was lost.

use crate::WINDOW;
use mtcae_wire::UpdateState;
use std::collections::VecDeque;

const PLACES: usize = WINDOW as usize;
/// Requests remembered; older ones were never answered.
const REQUESTS: usize = 8;

/// Everything sent that may not have arrived.
pub(crate) struct Flight {
    /// When, in the order of sending, each chunk of the window was last sent; 0 is never.
    sent: [u64; PLACES],
    /// First chunk of the window.
    base: u32,
    /// Place of the next thing sent.
    next: u64,
    /// Everything sent before this place has arrived or was lost.
    settled: u64,
    /// Tokens of requests and their places; the first is the newest one that was answered.
    requests: VecDeque<(u32, u64)>,
}

impl Flight {
    pub fn new() -> Flight {
        Flight { sent: [0; PLACES], base: 0, next: 1, settled: 0, requests: VecDeque::with_capacity(REQUESTS) }
    }

    /// Notes that chunk `index` is sent now; true when it was sent before.
    pub fn chunk(&mut self, index: u32) -> bool {
        let place = &mut self.sent[index as usize % PLACES];
        let again = *place != 0;
        *place = self.next;
        self.next += 1;
        again
    }

    /// Notes that a request is sent now.
    pub fn request(&mut self, token: u32) {
        if self.requests.len() == REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back((token, self.next));
        self.next += 1;
    }

    /// From now on only the answers to later requests are known.
    pub fn forget_requests(&mut self) {
        self.requests.clear();
    }

    /// Whether a token is of this sender's newest answered request or of a later one.
    pub fn knows(&self, token: u32) -> bool {
        self.requests.iter().any(|&(known, _)| known == token)
    }

    /// Takes what the board has; true when its durable chunks became fewer.
    pub fn take(&mut self, state: &UpdateState) -> bool {
        if let Some(at) = self.requests.iter().position(|&(token, _)| token == state.token) {
            self.requests.drain(..at);
            self.settled = self.settled.max(self.requests[0].1);
        }
        let fell = state.durable < self.base;
        if fell {
            self.sent = [0; PLACES];
        }
        for index in self.base..state.durable.min(self.base.saturating_add(WINDOW.into())) {
            let place = std::mem::take(&mut self.sent[index as usize % PLACES]);
            self.settled = self.settled.max(place);
        }
        self.base = state.durable;
        for index in window(state).filter(|&index| state.has(index)) {
            self.settled = self.settled.max(self.sent[index as usize % PLACES]);
        }
        fell
    }

    /// The first chunk that the board takes, has not, and that is not on its way.
    pub fn next_chunk(&self, state: &UpdateState) -> Option<u32> {
        let due = |index: &u32| {
            let place = self.sent[*index as usize % PLACES];
            !state.has(*index) && (place == 0 || place < self.settled)
        };
        window(state).find(due)
    }
}

/// The chunks that a board takes.
fn window(state: &UpdateState) -> std::ops::Range<u32> {
    state.durable..state.durable.saturating_add(state.window.min(WINDOW).into()).min(state.chunks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_wire::UpdatePhase;

    fn state(token: u32, durable: u32, received: u32, later: u128) -> UpdateState {
        let phase = UpdatePhase::Receiving;
        UpdateState { token, transfer: 1, phase, chunks: 1000, durable, received, later, window: WINDOW, checked: 0 }
    }

    /// Sends all that is due.
    fn send(flight: &mut Flight, state: &UpdateState) -> Vec<u32> {
        let mut sent = Vec::new();
        while let Some(index) = flight.next_chunk(state) {
            flight.chunk(index);
            sent.push(index);
        }
        sent
    }

    #[test]
    fn a_window_is_sent_once() {
        let mut flight = Flight::new();
        assert_eq!(send(&mut flight, &state(0, 0, 0, 0)).len(), 128);
        flight.take(&state(0, 0, 20, 0));
        assert_eq!(send(&mut flight, &state(0, 0, 20, 0)), []);
        flight.take(&state(0, 10, 20, 0));
        assert_eq!(send(&mut flight, &state(0, 10, 20, 0)), (128..138).collect::<Vec<_>>());
    }

    #[test]
    fn what_was_overtaken_is_sent_again_and_the_rest_is_not() {
        let mut flight = Flight::new();
        send(&mut flight, &state(0, 0, 0, 0));
        // 3, 4 and 6 are missing before 7.
        let now = state(0, 0, 3, 0b1010);
        flight.take(&now);
        assert_eq!(send(&mut flight, &now), [3, 4, 6]);
        flight.take(&now);
        assert_eq!(send(&mut flight, &now), []);
    }

    #[test]
    fn an_answer_settles_all_that_was_sent_before_its_request() {
        let mut flight = Flight::new();
        send(&mut flight, &state(0, 0, 0, 0));
        flight.request(7);
        let now = state(7, 0, 126, 0);
        flight.take(&now);
        assert_eq!(send(&mut flight, &now), [126, 127]);
        // The same answer again says nothing about what was sent since.
        flight.take(&now);
        assert_eq!(send(&mut flight, &now), []);
        assert!(flight.knows(7) && !flight.knows(8));
    }

    #[test]
    fn what_a_restart_lost_is_sent_again() {
        let mut flight = Flight::new();
        send(&mut flight, &state(0, 0, 0, 0));
        flight.take(&state(0, 10, 60, 0));
        flight.request(9);
        let now = state(9, 10, 10, 0);
        assert!(!flight.take(&now));
        assert_eq!(send(&mut flight, &now), (10..138).collect::<Vec<_>>());
        assert!(flight.take(&state(9, 0, 0, 0)));
        assert_eq!(send(&mut flight, &state(9, 0, 0, 0)).len(), 128);
    }
}
