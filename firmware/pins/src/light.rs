//! The status light: what the board is at, by a pattern that a person can tell from across a room.

use crate::{Level, Micros};
use embedded_hal::digital::OutputPin;

/// What a light says. The README has the patterns for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// The camera is being opened for the first time.
    Starting,
    /// The board looks, and nobody is in view.
    Looking,
    /// A face is in view.
    Seeing,
    /// Nobody may look: the privacy switch, or an order.
    Closed,
    /// The camera is gone and is being opened again.
    Lost,
    /// The engine fails, or the board is too hot.
    Trouble,
}

impl Sign {
    /// All of them.
    pub const ALL: [Sign; 6] = [Sign::Starting, Sign::Looking, Sign::Seeing, Sign::Closed, Sign::Lost, Sign::Trouble];

    /// Times of light and dark in turn, milliseconds; they repeat. Dark all the time is empty.
    pub fn pattern(self) -> &'static [u16] {
        match self {
            Sign::Starting => &[500, 500],
            Sign::Looking => &[100, 1900],
            Sign::Seeing => &[1000],
            Sign::Closed => &[],
            Sign::Lost => &[100, 150, 100, 1150],
            Sign::Trouble => &[100, 100],
        }
    }

    /// Whether the light is on at `now`.
    pub fn is_on(self, now: Micros) -> bool {
        let pattern = self.pattern();
        let period: u64 = pattern.iter().map(|ms| u64::from(*ms)).sum();
        if period == 0 {
            return false;
        }
        let mut at = now / 1000 % period;
        for (i, ms) in pattern.iter().enumerate() {
            match at.checked_sub(u64::from(*ms)) {
                Some(left) => at = left,
                None => return i % 2 == 0,
            }
        }
        false
    }
}

/// A light at an output pin.
#[derive(Debug)]
pub struct StatusLight<P> {
    pin: P,
    on: Level,
    lit: Option<bool>,
}

impl<P: OutputPin> StatusLight<P> {
    /// At `pin`, which lights at the level `on`.
    pub fn new(pin: P, on: Level) -> StatusLight<P> {
        StatusLight { pin, on, lit: None }
    }

    /// Shows `sign` at `now`; writes the pin only on a change, and tries again at the next call when that failed.
    ///
    /// # Errors
    /// What the pin says.
    pub fn show(&mut self, sign: Sign, now: Micros) -> Result<(), P::Error> {
        self.light(sign.is_on(now))
    }

    /// Puts it out.
    ///
    /// # Errors
    /// What the pin says.
    pub fn out(&mut self) -> Result<(), P::Error> {
        self.light(false)
    }

    fn light(&mut self, lit: bool) -> Result<(), P::Error> {
        if self.lit == Some(lit) {
            return Ok(());
        }
        self.lit = None;
        if lit == (self.on == Level::High) {
            self.pin.set_high()?
        } else {
            self.pin.set_low()?
        }
        self.lit = Some(lit);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_hal_mock::eh1::MockError;
    use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};
    use std::io::ErrorKind;

    /// Two seconds, 50 ms a character.
    fn drawn(sign: Sign) -> String {
        (0..40).map(|i| if sign.is_on(i * 50_000) { '#' } else { '.' }).collect()
    }

    #[test]
    fn the_readme_draws_every_pattern() {
        let readme = include_str!("../README.md");
        for sign in Sign::ALL {
            let row = format!("| `{sign:?}` | `{}` |", drawn(sign));
            assert!(readme.contains(&row), "README.md lacks the row {row}");
        }
        let all: std::collections::HashSet<String> = Sign::ALL.map(drawn).into();
        assert_eq!(all.len(), Sign::ALL.len(), "no two look the same");
    }

    #[test]
    fn the_pin_is_written_on_a_change_and_again_after_a_failure() {
        let failed = Transaction::set(State::Low).with_error(MockError::Io(ErrorKind::NotConnected));
        let mut pin = Mock::new(&[Transaction::set(State::High), failed, Transaction::set(State::Low)]);
        let mut light = StatusLight::new(pin.clone(), Level::High);
        light.show(Sign::Seeing, 0).unwrap();
        light.show(Sign::Seeing, 5_000_000).unwrap();
        assert!(light.out().is_err());
        light.out().unwrap();
        light.show(Sign::Closed, 7).unwrap();
        pin.done();
    }

    #[test]
    fn a_light_may_be_on_at_low() {
        let mut pin = Mock::new(&[Transaction::set(State::Low), Transaction::set(State::High)]);
        let mut light = StatusLight::new(pin.clone(), Level::Low);
        light.show(Sign::Seeing, 0).unwrap();
        light.out().unwrap();
        pin.done();
    }
}
