//! The privacy switch: private at once, public only after a while, and private whenever nobody can say.

use crate::{Level, Micros};
use embedded_hal::digital::InputPin;

/// The switch must read public for so long without a break, microseconds; contacts bounce for a few milliseconds.
const STEADY: Micros = 50_000;

/// A switch at an input pin.
#[derive(Debug)]
pub struct PrivacySwitch<P> {
    pin: P,
    private: Level,
    /// Since when every look has said public.
    public_since: Option<Micros>,
    fault: Option<String>,
}

impl<P: InputPin> PrivacySwitch<P> {
    /// At `pin`, which has the level `private` while nobody may look. Private until it has been looked at.
    pub fn new(pin: P, private: Level) -> PrivacySwitch<P> {
        PrivacySwitch { pin, private, public_since: None, fault: None }
    }

    /// Reads the pin at `now`; whether nobody may look. To be called every few milliseconds.
    pub fn look(&mut self, now: Micros) -> bool {
        let high = match self.pin.is_high() {
            Ok(high) => {
                self.fault = None;
                high
            }
            Err(error) => {
                self.fault = Some(format!("{error:?}"));
                self.public_since = None;
                return true;
            }
        };
        if high == (self.private == Level::High) {
            self.public_since = None;
            return true;
        }
        let since = *self.public_since.get_or_insert(now);
        // A clock that went back begins the wait anew.
        let Some(steady) = now.checked_sub(since) else {
            self.public_since = Some(now);
            return true;
        };
        steady < STEADY
    }

    /// Why the last look could not be made.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_hal_mock::eh1::MockError;
    use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};
    use proptest::prelude::*;
    use std::io::ErrorKind;

    /// The answers of a switch whose pin reads `levels` every 10 ms; `None` is a pin that cannot be read.
    fn looks(levels: &[Option<bool>], private: Level) -> Vec<bool> {
        let read = |level: &Option<bool>| match level {
            Some(high) => Transaction::get(if *high { State::High } else { State::Low }),
            None => Transaction::get(State::Low).with_error(MockError::Io(ErrorKind::NotConnected)),
        };
        let transactions: Vec<Transaction> = levels.iter().map(read).collect();
        let mut pin = Mock::new(&transactions);
        let mut switch = PrivacySwitch::new(pin.clone(), private);
        let answers = (0..levels.len() as Micros).map(|i| switch.look(i * 10_000)).collect();
        pin.done();
        answers
    }

    #[test]
    fn private_at_once_and_public_only_after_a_while() {
        let levels = [[Some(true); 8].as_slice(), &[Some(false)], &[Some(true); 7]].concat();
        let answers = looks(&levels, Level::Low);
        let public: Vec<usize> = (0..answers.len()).filter(|i| !answers[*i]).collect();
        assert_eq!(public, [5, 6, 7, 14, 15]);
        let inverted: Vec<_> = levels.iter().map(|level| level.map(|high| !high)).collect();
        assert_eq!(looks(&inverted, Level::High), answers);
    }

    #[test]
    fn a_pin_that_cannot_be_read_is_private_and_says_why() {
        let answers = looks(&[[Some(true); 7].as_slice(), &[None], &[Some(true); 6]].concat(), Level::Low);
        assert_eq!((answers[6], answers[7], answers[12], answers[13]), (false, true, true, false));
        let mut pin = Mock::new(&[
            Transaction::get(State::Low).with_error(MockError::Io(ErrorKind::NotConnected)),
            Transaction::get(State::High),
        ]);
        let mut switch = PrivacySwitch::new(pin.clone(), Level::Low);
        assert!(switch.look(0) && switch.fault().is_some_and(|why| why.contains("NotConnected")));
        assert!(switch.look(1) && switch.fault().is_none());
        pin.done();
    }

    #[test]
    fn a_clock_that_goes_back_does_not_open_it() {
        let mut pin = Mock::new(&[const { State::High }; 3].map(Transaction::get));
        let mut switch = PrivacySwitch::new(pin.clone(), Level::Low);
        assert!(switch.look(9_000_000) && switch.look(0) && !switch.look(STEADY));
        pin.done();
    }

    proptest! {
        /// A thousand looks each: bouncing contacts, and a pin that cannot be read now and then.
        #[test]
        fn never_public_while_the_switch_is_private_or_unreadable(
            levels in prop::collection::vec(prop::option::weighted(0.95, prop::bool::weighted(0.9)), 1000),
        ) {
            let answers = looks(&levels, Level::Low);
            for (i, private) in answers.iter().enumerate() {
                let steady = i >= 5 && levels[i - 5..=i].iter().all(|level| *level == Some(true));
                prop_assert_eq!(!private, steady, "look {}", i);
            }
        }
    }
}
