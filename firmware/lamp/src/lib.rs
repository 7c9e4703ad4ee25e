//! A lamp that lights when somebody is happy: an example for a robot's microcontroller. `no_std`, no allocation; it is
//! given bytes and the time, and drives one pin.
//!
//! ```text
//! UART -> byte -> Lamp::take -> Decoder<Up> -> Hello: which label is "happy"
//!                                           -> Report: is it that one? -> pin
//!         time -> Lamp::tick -> pin dark after a second; a request for a Hello -> UART
//! ```
#![no_std]
#![forbid(unsafe_code)]

use embedded_hal::digital::OutputPin;
use mtcae_wire::{Decoder, Down, Frame, Hello, Report, Up, encode};

/// The expression that lights the lamp, as [`Hello::labels`] names it.
pub const LABEL: &str = "happy";

/// How long a report keeps the lamp lit, in milliseconds: longer than the pause between two reports of one face, so that it does
/// not flicker when several are in view, and short enough that a lamp whose board is gone goes dark.
pub const LIT_MS: u32 = 1000;

/// Time between two requests for a [`Hello`], in milliseconds.
pub const ASK_MS: u32 = 1000;

/// A lamp on the pin `P`, high when lit.
#[derive(Debug)]
pub struct Lamp<P> {
    pin: P,
    decoder: Decoder<Up>,
    board: Option<Board>,
    /// When the last happy report came.
    lit: Option<u32>,
    asked: Option<u32>,
}

/// What a [`Hello`] said.
#[derive(Debug, Clone, Copy)]
struct Board {
    boot: u32,
    /// Index of [`LABEL`]; none when the model does not know it.
    label: Option<u8>,
}

impl<P: OutputPin> Lamp<P> {
    /// A lamp that is dark.
    ///
    /// # Errors
    /// When the pin cannot be set.
    pub fn new(mut pin: P) -> Result<Self, P::Error> {
        pin.set_low()?;
        Ok(Self { pin, decoder: Decoder::new(), board: None, lit: None, asked: None })
    }

    /// Takes a byte from the line at `now_ms`, milliseconds of any clock that runs on; it may wrap. Bad frames change nothing.
    ///
    /// # Errors
    /// When the pin cannot be set.
    pub fn take(&mut self, byte: u8, now_ms: u32) -> Result<(), P::Error> {
        match self.decoder.push(byte) {
            Some(Ok(Up::Hello(hello))) => self.board = Some(Board::of(&hello)),
            Some(Ok(Up::Report(report))) => return self.report(&report, now_ms),
            _ => {}
        }
        Ok(())
    }

    /// Darkens the lamp when its time is over, and gives what is to be sent: a request for a [`Hello`] as long as the board's labels
    /// are not known. To be called some ten times a second.
    ///
    /// # Errors
    /// When the pin cannot be set.
    pub fn tick(&mut self, now_ms: u32) -> Result<Option<Frame>, P::Error> {
        if self.lit.is_some_and(|lit| now_ms.wrapping_sub(lit) >= LIT_MS) {
            self.lit = None;
            self.pin.set_low()?;
        }
        if self.board.is_some() || self.asked.is_some_and(|asked| now_ms.wrapping_sub(asked) < ASK_MS) {
            return Ok(None);
        }
        self.asked = Some(now_ms);
        Ok(encode(&Down::Hello).ok())
    }

    /// The pin.
    pub fn pin(&self) -> &P {
        &self.pin
    }

    fn report(&mut self, report: &Report, now_ms: u32) -> Result<(), P::Error> {
        let Some(board) = self.board.filter(|board| board.boot == report.boot) else {
            // It started anew, perhaps with another model.
            self.board = None;
            return Ok(());
        };
        let label = report.face.as_ref().and_then(|face| face.label);
        if label.is_none() || label != board.label {
            return Ok(());
        }
        if self.lit.replace(now_ms).is_none() {
            self.pin.set_high()?;
        }
        Ok(())
    }
}

impl Board {
    fn of(hello: &Hello) -> Self {
        let label = hello.labels.iter().position(|label| label.as_str() == LABEL);
        Self { boot: hello.boot, label: label.and_then(|index| u8::try_from(index).ok()) }
    }
}
