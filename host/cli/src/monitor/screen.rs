//! The terminal: taken at the start, drawn into, and given back however the program ends.

use super::view::View;
use super::{Surface, draw, lines};
use crate::failure::Failure;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::io::{self, Write};
use std::time::Duration;

/// Between two pictures.
const REDRAW_EVERY: Duration = Duration::from_millis(50);

/// The terminal in raw mode on its second screen; dropping it gives it back. A panic gives it back first, by the hook
/// that ratatui sets.
pub struct Screen {
    terminal: DefaultTerminal,
    drawn: Option<Duration>,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When standard input or output is none.
    pub fn open() -> io::Result<Self> {
        let terminal = ratatui::try_init().inspect_err(|_| ratatui::restore())?;
        Ok(Self { terminal, drawn: None })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Once more after `finish` does no harm; on an error it is the only time.
        let _ = ratatui::try_restore();
    }
}

impl Surface for Screen {
    fn tick(&mut self, now: Duration, view: &View) -> Result<bool, Failure> {
        while event::poll(Duration::ZERO)? {
            match event::read()? {
                Event::Key(key) if quits(&key) => return Ok(false),
                Event::Resize(..) => self.drawn = None,
                _ => {}
            }
        }
        if self.drawn.is_none_or(|drawn| now.saturating_sub(drawn) >= REDRAW_EVERY) {
            self.drawn = Some(now);
            self.terminal.draw(|frame| draw::draw(frame, view, now))?;
        }
        Ok(true)
    }

    fn finish(&mut self, now: Duration, view: &View) -> Result<(), Failure> {
        ratatui::try_restore()?;
        Ok(writeln!(io::stdout(), "{}", lines::closing(now, view))?)
    }
}

fn quits(key: &KeyEvent) -> bool {
    let control_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press && (matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) || control_c)
}
