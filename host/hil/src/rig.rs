//! What a scenario works with: the bench, the line to it, chance, and a book of what happened.

use crate::channel::Faults;
use crate::listener::Listener;
use crate::outcome::{Figure, Lane, Mark};
use crate::proxy::{Proxy, ProxyCounts};
use crate::scenario::{Failed, claim};
use crate::{Ability, Bench, Dice, Plug, Setup};
use mtcae_boards::{KnownBoards, Session, Target};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// More than anything takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// So many times as long is waited where times say nothing of a board.
const PATIENT: u32 = 4;

/// What the host makes of a still, for comparison with a board's answer.
pub struct Expected {
    /// Name and version of the model.
    pub model: (String, String),
    /// Names of its expressions, in order.
    pub labels: Vec<String>,
    /// Their probabilities.
    pub scores: Vec<f32>,
}

impl Expected {
    /// The likeliest expression, and how likely it is.
    pub fn leader(&self) -> (&str, f32) {
        let named = self.labels.iter().map(String::as_str).zip(self.scores.iter().copied());
        named.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or(("", 0.0))
    }
}

/// Evaluates a file, or a folder of pictures, on the host.
pub type Evaluate<'a> = &'a dyn Fn(&Path) -> Result<Expected, String>;

/// What a run is to be like.
pub struct Settings<'a> {
    /// The seed of all chance.
    pub seed: u64,
    /// Few repetitions, short waits.
    pub quick: bool,
    /// How long a soak lasts.
    pub soak: Duration,
    /// What the host makes of a still, where it can.
    pub evaluate: Option<Evaluate<'a>>,
    /// Keys of boards on the network.
    pub known: &'a KnownBoards,
    /// Set when the run is to end.
    pub stop: Arc<AtomicBool>,
}

/// What a scenario works with.
pub struct Rig<'a> {
    /// The board.
    pub bench: &'a mut dyn Bench,
    /// What the run is to be like.
    pub settings: &'a Settings<'a>,
    /// Chance of this scenario.
    pub dice: Dice,
    proxy: Option<Proxy>,
    target: Option<Target>,
    began: Instant,
    figures: Vec<Figure>,
    marks: Vec<Mark>,
    ages_us: Vec<u32>,
}

impl<'a> Rig<'a> {
    /// A rig for one scenario; `seed` is its own.
    pub fn new(bench: &'a mut dyn Bench, settings: &'a Settings<'a>, seed: u64) -> Rig<'a> {
        Rig {
            bench,
            settings,
            dice: Dice::new(seed),
            proxy: None,
            target: None,
            began: Instant::now(),
            figures: Vec::new(),
            marks: Vec::new(),
            ages_us: Vec::new(),
        }
    }

    /// `full` repetitions, or `quick` ones.
    pub fn times(&self, full: u32, quick: u32) -> u32 {
        if self.settings.quick { quick } else { full }
    }

    /// Starts a board and listens to it. Where the suite cannot start one, the one that runs is taken as it is.
    ///
    /// # Errors
    /// When it does not start, or its line does not open.
    pub fn start(&mut self, setup: &Setup) -> Result<Listener, Failed> {
        self.start_over(setup, Faults { baud: setup.baud, ..Faults::default() })
    }

    /// The same over a line with `faults`.
    ///
    /// # Errors
    /// As [`Rig::start`].
    pub fn start_over(&mut self, setup: &Setup, faults: Faults) -> Result<Listener, Failed> {
        // The line before the board: it is there when the board looks for it.
        self.proxy = None;
        if self.bench.lacks(Ability::Frames).is_none() {
            self.bench.start(setup)?;
        }
        match self.bench.plug_in()? {
            Plug::Descriptor(fd) => {
                let proxy = Proxy::new(fd, faults, self.dice.number())?;
                self.target = Some(Target::Serial { port: proxy.path().to_owned(), baud: setup.baud });
                self.proxy = Some(proxy);
            }
            Plug::Target(target) => self.target = Some(target),
        }
        self.note(format!("{} started", self.bench.name()));
        self.listen()
    }

    /// Another session on the same line.
    ///
    /// # Errors
    /// When the line does not open.
    pub fn listen(&self) -> Result<Listener, Failed> {
        let Some(target) = &self.target else { return Err(Failed::Claim("no board was started".to_owned())) };
        let mut session = Session::open(target, self.settings.known)?;
        session.stop_with(Arc::clone(&self.settings.stop));
        Ok(Listener::new(session, self.stretch(), self.bench.eye()))
    }

    fn stretch(&self) -> u32 {
        if self.bench.slack().is_some() { 1 } else { PATIENT }
    }

    /// More than anything takes on this bench.
    pub fn patience(&self) -> Duration {
        PATIENCE * self.stretch()
    }

    /// Where the host reaches the board, for tools that open the line themselves.
    pub fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }

    /// Changes what the line does.
    pub fn line(&self, faults: Faults) {
        if let Some(proxy) = &self.proxy {
            proxy.set(faults);
        }
    }

    /// Pulls the line's plug at the board.
    ///
    /// # Errors
    /// When the bench does not let go of it.
    pub fn unplug(&mut self) -> Result<(), Failed> {
        self.bench.unplug()?;
        if let Some(proxy) = &self.proxy {
            proxy.unplug();
        }
        self.mark(Lane::Fault, "line unplugged".to_owned());
        Ok(())
    }

    /// Puts it back in.
    ///
    /// # Errors
    /// When there is no line any more.
    pub fn plug_in(&mut self) -> Result<(), Failed> {
        if let (Some(proxy), Plug::Descriptor(fd)) = (&self.proxy, self.bench.plug_in()?) {
            proxy.plug_in(fd);
        }
        Ok(())
    }

    /// What the line did so far.
    pub fn line_counts(&self) -> ProxyCounts {
        self.proxy.as_ref().map(Proxy::counts).unwrap_or_default()
    }

    /// Takes what a listener has heard into the report of this scenario, and holds it to the order of reports.
    ///
    /// # Errors
    /// `Claim` when the order was broken.
    pub fn heard(&mut self, listener: &mut Listener) -> Result<(), Failed> {
        self.ages_us.append(&mut listener.tally.ages_us);
        listener.tally.check()
    }

    /// Something broke on purpose.
    pub fn fault(&mut self, text: impl Into<String>) {
        self.mark(Lane::Fault, text.into());
    }

    /// It works again.
    pub fn recovery(&mut self, text: impl Into<String>) {
        self.mark(Lane::Recovery, text.into());
    }

    /// Something else happened.
    pub fn note(&mut self, text: impl Into<String>) {
        self.mark(Lane::Note, text.into());
    }

    fn mark(&mut self, lane: Lane, text: String) {
        self.marks.push(Mark { at: self.began.elapsed(), lane, text });
    }

    /// Something measured that has no limit.
    pub fn figure(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.figures.push(Figure { name: name.into(), value, unit, limit: None });
    }

    /// Something measured that may be `limit` at most.
    ///
    /// # Errors
    /// `Claim` when it is more.
    pub fn at_most(
        &mut self,
        name: impl Into<String>,
        value: f64,
        limit: f64,
        unit: &'static str,
    ) -> Result<(), Failed> {
        let name = name.into();
        let found = format!("{name}: {value:.3} {unit}; at most {limit} {unit} are allowed");
        self.figures.push(Figure { name, value, unit, limit: Some(limit) });
        claim(value <= limit, || found)
    }

    /// As [`Rig::at_most`] for a time, with the bench's slack: `limit` is what a board may take.
    ///
    /// # Errors
    /// `Claim` when it took longer.
    pub fn within(&mut self, name: impl Into<String>, time: Duration, limit: Duration) -> Result<(), Failed> {
        self.in_time(name, time, limit.mul_f64(self.bench.slack().unwrap_or(1.0)))
    }

    /// As [`Rig::at_most`] for a time that has slack enough; where times say nothing, it is measured and held to nothing.
    ///
    /// # Errors
    /// `Claim` when it took longer.
    pub fn in_time(&mut self, name: impl Into<String>, time: Duration, limit: Duration) -> Result<(), Failed> {
        let (name, took) = (name.into(), time.as_secs_f64());
        if self.bench.slack().is_some() {
            return self.at_most(name, took, limit.as_secs_f64(), "s");
        }
        self.note(format!("{name}: not held to its limit, as times say nothing of a board here"));
        self.figure(name, took, "s");
        Ok(())
    }

    /// The end: figures, marks and ages.
    pub(crate) fn into_book(self) -> (Vec<Figure>, Vec<Mark>, Vec<u32>) {
        (self.figures, self.marks, self.ages_us)
    }
}
