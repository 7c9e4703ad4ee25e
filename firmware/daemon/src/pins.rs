//! The thread of the pins: the privacy switch and the frame trigger in, the status light out.

use crate::DaemonError;
use crate::shared::{Shared, lock};
use mtcae_board_configs::{Board, LevelChoice, Pins as Wiring};
use mtcae_contract::Micros;
use mtcae_core::Clock;
use mtcae_pins::{FrameTrigger, Level, Line, LineError, PrivacySwitch, Sign, StatusLight};
use mtcae_wire::{CameraState, Condition, Level as Severity};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Time between two looks at the switch.
const LOOK: Duration = Duration::from_millis(5);
/// Time between two looks at a trigger, whose pulses are short.
const QUICK_LOOK: Duration = Duration::from_millis(1);
/// Time after which a light that cannot be opened is tried again, microseconds.
const LIGHT_AGAIN: Micros = 5_000_000;
/// A switch that reads public within this time at the start, microseconds, lets the camera be opened at once.
const FIRST_LOOKS: Micros = 120_000;

/// The pins a board file names, open.
pub(crate) struct Pins {
    switch: Option<PrivacySwitch<Line>>,
    light: Option<Light>,
    trigger: Option<FrameTrigger<Line>>,
}

impl Pins {
    /// Opens them; a switch that cannot be opened is no reason to look. A light that cannot be opened is an error only where it is
    /// `checked`: a board works without it.
    pub fn open(board: &Board, checked: bool) -> Result<Pins, DaemonError> {
        let Wiring { privacy, private_when, light, light_when, trigger, trigger_when } = &board.pins;
        let failed =
            |key: &str, e: LineError| DaemonError::Source(format!("board {}: `pins.{key}`: {e}", board.about.name));
        let switch = privacy.as_ref().map(|name| Line::input(name).map_err(|e| failed("privacy", e))).transpose()?;
        let mut light = light.as_ref().map(|name| Light::new(name, level(*light_when)));
        match light.as_mut().map(|light| light.open(0)) {
            Some(Err(why)) if checked => return Err(failed("light", why)),
            // Told as soon as there is a log.
            Some(Err(_)) => light.iter_mut().for_each(|light| light.again = 0),
            _ => {}
        }
        let trigger = trigger.as_ref().map(|name| Line::input(name).map_err(|e| failed("trigger", e))).transpose()?;
        Ok(Pins {
            trigger: trigger.map(|pin| FrameTrigger::new(pin, level(*trigger_when))),
            switch: switch.map(|pin| PrivacySwitch::new(pin, level(*private_when))),
            light,
        })
    }

    /// Whether nobody may look, from the first readings.
    pub fn private_at_start(&mut self, clock: &dyn Clock) -> bool {
        let end = clock.now() + FIRST_LOOKS;
        while self.private(clock.now()) {
            if clock.now() >= end {
                return true;
            }
            std::thread::sleep(LOOK);
        }
        false
    }

    /// Whether nobody may look, from a reading at `now`.
    pub fn private(&mut self, now: Micros) -> bool {
        self.switch.as_mut().is_some_and(|switch| switch.look(now))
    }

    /// A privacy switch is wired.
    pub fn has_switch(&self) -> bool {
        self.switch.is_some()
    }

    /// Nothing is wired.
    pub fn is_empty(&self) -> bool {
        self.switch.is_none() && self.light.is_none() && self.trigger.is_none()
    }

    /// Runs until the daemon stops.
    pub fn run(mut self, shared: &Shared) {
        while !shared.stopping() && !shared.ended.load(Ordering::Relaxed) {
            let now = shared.now();
            shared.beats.pins.store(now, Ordering::Relaxed);
            if let Some(switch) = &mut self.switch {
                shared.camera.set_private(switch.look(now));
                shared.camera.looked(now);
                if let Some(why) = switch.fault() {
                    let text = format!("the privacy switch cannot be read, and counts as private: {why}");
                    shared.complain("privacy switch", Severity::Error, &text);
                }
            }
            if let Some(trigger) = &mut self.trigger {
                if let Some(at) = trigger.look(now) {
                    lock(&shared.work).pipeline.trigger(at);
                    shared.frame.notify_all();
                }
                if let Some(why) = trigger.fault() {
                    let text = format!("the frame trigger cannot be read, so nothing is inferred: {why}");
                    shared.complain("trigger", Severity::Error, &text);
                }
            }
            if let Some(light) = &mut self.light
                && let Err(why) = light.show(sign(shared), now)
            {
                shared.complain("light", Severity::Warn, &format!("the status light does not work: {why}"));
            }
            std::thread::sleep(if self.trigger.is_some() { QUICK_LOOK } else { LOOK });
        }
        if let Some(light) = self.light.as_mut().and_then(|light| light.pin.as_mut()) {
            // Nobody is left to tell.
            let _ = light.out();
        }
    }
}

/// The status light, which a board works without: one that cannot be opened is tried again.
struct Light {
    name: String,
    on: Level,
    pin: Option<StatusLight<Line>>,
    /// When it is tried again, microseconds.
    again: Micros,
}

impl Light {
    fn new(name: &str, on: Level) -> Light {
        Light { name: name.to_owned(), on, pin: None, again: 0 }
    }

    fn open(&mut self, now: Micros) -> Result<(), LineError> {
        self.again = now + LIGHT_AGAIN;
        self.pin = Some(StatusLight::new(Line::output(&self.name)?, self.on));
        Ok(())
    }

    fn show(&mut self, sign: Sign, now: Micros) -> Result<(), LineError> {
        if self.pin.is_none() && now >= self.again {
            self.open(now)?;
        }
        self.pin.as_mut().map_or(Ok(()), |pin| pin.show(sign, now))
    }
}

fn level(choice: LevelChoice) -> Level {
    match choice {
        LevelChoice::Low => Level::Low,
        LevelChoice::High => Level::High,
    }
}

fn sign(shared: &Shared) -> Sign {
    let work = lock(&shared.work);
    let seen = !work.pipeline.tracks().all().is_empty();
    let (camera, engine) = (work.camera, work.engine);
    drop(work);
    let hot = lock(&shared.measured).temperature == Condition::Bad;
    match camera {
        CameraState::Off | CameraState::Private => Sign::Closed,
        CameraState::Lost => Sign::Lost,
        _ if hot || engine == Condition::Bad => Sign::Trouble,
        CameraState::Starting => Sign::Starting,
        CameraState::Streaming | CameraState::Ended => {
            if seen {
                Sign::Seeing
            } else {
                Sign::Looking
            }
        }
    }
}
