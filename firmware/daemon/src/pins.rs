//! The thread of the pins: the privacy switch and the frame trigger in, the status light out.

use crate::DaemonError;
use crate::shared::{Shared, lock};
use mtcae_board_configs::{Board, LevelChoice, Pins as Wiring};
use mtcae_contract::Micros;
use mtcae_core::Clock;
use mtcae_pins::{FrameTrigger, Level, Line, PrivacySwitch, Sign, StatusLight};
use mtcae_wire::{CameraState, Condition, Level as Severity};
use std::time::Duration;

/// Time between two looks at the switch.
const LOOK: Duration = Duration::from_millis(5);
/// Time between two looks at a trigger, whose pulses are short.
const QUICK_LOOK: Duration = Duration::from_millis(1);
/// A switch that reads public within this time at the start, microseconds, lets the camera be opened at once.
const FIRST_LOOKS: Micros = 120_000;

/// The pins a board file names, open.
pub(crate) struct Pins {
    switch: Option<PrivacySwitch<Line>>,
    light: Option<StatusLight<Line>>,
    trigger: Option<FrameTrigger<Line>>,
}

impl Pins {
    /// Opens them; a switch that cannot be opened is no reason to look.
    pub fn open(board: &Board) -> Result<Pins, DaemonError> {
        let Wiring { privacy, private_when, light, light_when, trigger, trigger_when } = &board.pins;
        let failed = |key: &str, e: mtcae_pins::LineError| {
            DaemonError::Source(format!("board {}: `pins.{key}`: {e}", board.about.name))
        };
        let switch = privacy.as_ref().map(|name| Line::input(name).map_err(|e| failed("privacy", e))).transpose()?;
        let light = light.as_ref().map(|name| Line::output(name).map_err(|e| failed("light", e))).transpose()?;
        let trigger = trigger.as_ref().map(|name| Line::input(name).map_err(|e| failed("trigger", e))).transpose()?;
        Ok(Pins {
            trigger: trigger.map(|pin| FrameTrigger::new(pin, level(*trigger_when))),
            switch: switch.map(|pin| PrivacySwitch::new(pin, level(*private_when))),
            light: light.map(|pin| StatusLight::new(pin, level(*light_when))),
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

    /// Nothing is wired.
    pub fn is_empty(&self) -> bool {
        self.switch.is_none() && self.light.is_none() && self.trigger.is_none()
    }

    /// Runs until the daemon stops.
    pub fn run(mut self, shared: &Shared) {
        while !shared.stopping() && !shared.ended.load(std::sync::atomic::Ordering::Relaxed) {
            let now = shared.now();
            if let Some(switch) = &mut self.switch {
                shared.camera.set_private(switch.look(now));
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
                shared.complain("light", Severity::Warn, &format!("the status light cannot be written: {why}"));
            }
            std::thread::sleep(if self.trigger.is_some() { QUICK_LOOK } else { LOOK });
        }
        if let Some(light) = &mut self.light {
            // Nobody is left to tell.
            let _ = light.out();
        }
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
