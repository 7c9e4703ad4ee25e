//! The frame trigger: a pulse asks for one answer.

use crate::{Level, Micros};
use embedded_hal::digital::InputPin;

/// An input whose change to `when` asks for an answer. It is polled: a pulse must last longer than the pause between two
/// looks, and so must the pause between two pulses.
#[derive(Debug)]
pub struct FrameTrigger<P> {
    pin: P,
    when: Level,
    /// The last level seen; `None` until the first look, so that a line that is active from the start is no pulse.
    active: Option<bool>,
    fault: Option<String>,
    pulses: u64,
}

impl<P: InputPin> FrameTrigger<P> {
    /// A pulse is a change of `pin` to `when`.
    pub fn new(pin: P, when: Level) -> FrameTrigger<P> {
        FrameTrigger { pin, when, active: None, fault: None, pulses: 0 }
    }

    /// Reads the pin at `now`; gives the time of a pulse that has begun since the last look. A pin that cannot be read has
    /// no pulses.
    pub fn look(&mut self, now: Micros) -> Option<Micros> {
        match self.pin.is_high() {
            Ok(high) => {
                self.fault = None;
                let active = high == (self.when == Level::High);
                let pulse = active && self.active == Some(false);
                self.active = Some(active);
                self.pulses += u64::from(pulse);
                pulse.then_some(now)
            }
            Err(why) => {
                self.fault = Some(format!("{why:?}"));
                self.active = None;
                None
            }
        }
    }

    /// Why the last look could not read the pin.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Pulses seen so far.
    pub fn pulses(&self) -> u64 {
        self.pulses
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_hal_mock::eh1::MockError;
    use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};
    use std::io::ErrorKind;

    /// The looks, one each millisecond, at which a pin that reads `levels` has a pulse; `x` is a pin that cannot be read.
    fn pulses(levels: &str, when: Level) -> Vec<Micros> {
        let read = |level: char| match level {
            '1' => Transaction::get(State::High),
            '0' => Transaction::get(State::Low),
            _ => Transaction::get(State::Low).with_error(MockError::Io(ErrorKind::NotConnected)),
        };
        let mut pin = Mock::new(&levels.chars().map(read).collect::<Vec<_>>());
        let mut trigger = FrameTrigger::new(pin.clone(), when);
        let all: Vec<Micros> = (0..levels.len() as Micros).filter_map(|i| trigger.look(i)).collect();
        assert_eq!(trigger.pulses() as usize, all.len());
        assert_eq!(trigger.fault().is_some(), levels.ends_with('x'));
        pin.done();
        all
    }

    #[test]
    fn a_change_to_the_level_is_a_pulse_however_long_it_lasts() {
        assert_eq!(pulses("0011100101", Level::High), [2, 7, 9]);
        assert_eq!(pulses("1100011010", Level::Low), [2, 7, 9]);
    }

    #[test]
    fn what_was_active_before_anybody_looked_is_none() {
        assert_eq!(pulses("1110001", Level::High), [6]);
        assert_eq!(pulses("0x11", Level::High), [], "it may have changed at any time");
        assert_eq!(pulses("00x", Level::High), []);
    }
}
