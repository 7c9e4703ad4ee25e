//! The monitor: from a line's bytes to what a person or a program sees of a board.
//!
//! ```text
//! port -> link (thread: decode, ask, reconnect) -> LinkEvent -> View (what is known) -> Surfaces: screen | lines | json
//! recording -> replay (at its pace) ---------------^                                              recording, web page
//! ```

mod draw;
mod faces;
mod history;
mod json;
mod lines;
pub mod link;
pub mod port;
pub mod recording;
pub mod replay;
mod requests;
#[cfg(test)]
mod sample;
mod screen;
mod sequence;
pub mod view;
pub mod web;

use crate::failure::Failure;
use crate::say::both;
pub use json::line as json_line;
use link::{Line, LinkThread, Opener};
use screen::Screen;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use view::{LinkEvent, View};

/// The longest the loop waits before it looks at the keys and the clock.
const TICK: Duration = Duration::from_millis(20);
/// Events taken between two looks at the keys and the clock.
const BATCH: usize = 256;

/// Where the monitor shows what it knows.
pub trait Surface {
    /// What a person at the screen should know of it.
    fn note(&self) -> Option<String> {
        None
    }

    /// Shows an event that `view` has just taken.
    fn event(&mut self, _now: Duration, _event: &LinkEvent, _view: &View) -> Result<(), Failure> {
        Ok(())
    }

    /// Called many times a second; false when the monitor is to end.
    fn tick(&mut self, _now: Duration, _view: &View) -> Result<bool, Failure> {
        Ok(true)
    }

    /// Called once, at the end.
    fn finish(&mut self, now: Duration, view: &View) -> Result<(), Failure>;
}

/// Several surfaces; the first is the person's.
pub type Surfaces = Vec<Box<dyn Surface>>;

/// As one: it ends when one of them ends. Each gets every event and its end, whatever becomes of the others: a recording is
/// whole though the reader of standard output has left.
impl Surface for Surfaces {
    fn event(&mut self, now: Duration, event: &LinkEvent, view: &View) -> Result<(), Failure> {
        self.iter_mut().map(|surface| surface.event(now, event, view)).fold(Ok(()), both)
    }

    fn tick(&mut self, now: Duration, view: &View) -> Result<bool, Failure> {
        self.iter_mut().try_fold(true, |goes_on, surface| Ok(surface.tick(now, view)? && goes_on))
    }

    fn finish(&mut self, now: Duration, view: &View) -> Result<(), Failure> {
        self.iter_mut().map(|surface| surface.finish(now, view)).fold(Ok(()), both)
    }
}

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Drawn in the terminal.
    Screen,
    /// A line of text for each report.
    Lines,
    /// A JSON object for each message.
    Json,
}

impl Output {
    /// JSON when asked for, else the terminal if there is one.
    pub fn choose(json: bool) -> Self {
        match (json, io::stdout().is_terminal()) {
            (true, _) => Self::Json,
            (false, true) => Self::Screen,
            (false, false) => Self::Lines,
        }
    }
}

/// How to monitor.
pub struct Settings {
    /// The port's name, for people.
    pub port: String,
    /// Form of the output.
    pub output: Output,
    /// When to stop by itself.
    pub length: Option<Duration>,
    /// Set by somebody else to stop.
    pub stop: Arc<AtomicBool>,
}

/// A flag that SIGINT, SIGTERM and SIGHUP set, so that the terminal is put back in order before the program ends. A second signal
/// ends it as it is: a read from a pipe or a write to one may wait for ever, and nobody looks at the flag then.
pub fn stop_on_signals() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in STOPPING {
        // In this order, or the first would end it.
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, stop.clone()).map_err(no_signals)?;
        signal_hook::flag::register(signal, stop.clone()).map_err(no_signals)?;
    }
    Ok(stop)
}

/// The same for a program with others to put away, which no second signal may keep from it.
pub fn stop_tidily_on_signals() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in STOPPING {
        signal_hook::flag::register(signal, stop.clone()).map_err(no_signals)?;
    }
    Ok(stop)
}

const STOPPING: [i32; 3] = [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP];

fn no_signals(reason: io::Error) -> Failure {
    Failure::System { what: "listen for signals", reason }
}

/// Monitors `line`, which `open` opens again when it is lost, also on the surfaces `beside`; gives what was known at the
/// end.
pub fn run(line: Box<dyn Line>, open: Opener, settings: &Settings, beside: Surfaces) -> Result<View, Failure> {
    let mut view = View::new(&settings.port, Duration::ZERO);
    let mut surfaces = surfaces(settings.output, beside, &mut view)?;
    let began = Instant::now();
    let link = LinkThread::start(line, open).map_err(|reason| Failure::System { what: "start a thread", reason })?;
    let shown = show(&link, began, settings, &mut view, &mut surfaces);
    let finished = surfaces.finish(began.elapsed(), &view);
    both(shown, finished).map(|()| view)
}

/// Until the time is over, somebody stops it, or a surface ends or fails.
fn show(
    link: &LinkThread,
    began: Instant,
    settings: &Settings,
    view: &mut View,
    surfaces: &mut Surfaces,
) -> Result<(), Failure> {
    loop {
        take_events(link, began, view, surfaces)?;
        let now = began.elapsed();
        let over = settings.length.is_some_and(|length| now >= length) || settings.stop.load(Ordering::Relaxed);
        if over || !surfaces.tick(now, view)? {
            return Ok(());
        }
    }
}

/// The person's surface and those `beside` it, which the view tells of.
fn surfaces(output: Output, beside: Surfaces, view: &mut View) -> Result<Surfaces, Failure> {
    view.notes = beside.iter().filter_map(|surface| surface.note()).collect();
    let mut surfaces = vec![surface(output)?];
    surfaces.extend(beside);
    Ok(surfaces)
}

fn surface(output: Output) -> Result<Box<dyn Surface>, Failure> {
    Ok(match output {
        Output::Screen => Box::new(Screen::open().map_err(Failure::Terminal)?),
        Output::Lines => Box::new(lines::TextLines(io::stdout())),
        Output::Json => Box::new(json::JsonLines(io::stdout())),
    })
}

fn take_events(link: &LinkThread, began: Instant, view: &mut View, surfaces: &mut Surfaces) -> Result<(), Failure> {
    let mut wait = TICK;
    for _ in 0..BATCH {
        let Some((at, event)) = link.next(wait) else { break };
        let now = at.saturating_duration_since(began);
        view.take(now, &event);
        surfaces.event(now, &event, view)?;
        wait = Duration::ZERO;
    }
    Ok(())
}
