//! A recording, shown as it was.

use super::json::event_from_line;
use super::view::View;
use super::{BATCH, Output, Surface, Surfaces, TICK, json_line, surfaces};
use crate::failure::Failure;
use mtcae_record::{Entry, ReadError, Reader};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How to replay.
pub struct Settings {
    /// The recording, for people.
    pub path: PathBuf,
    /// Form of the output.
    pub output: Output,
    /// How many times as fast as it was recorded; `None` for no waiting.
    pub speed: Option<f64>,
    /// Set by somebody else to stop.
    pub stop: Arc<AtomicBool>,
}

impl Settings {
    /// The time in the recording when so much has passed here.
    fn clock(&self, passed: Duration) -> Duration {
        let Some(speed) = self.speed else { return Duration::MAX };
        Duration::try_from_secs_f64(passed.as_secs_f64() * speed).unwrap_or(Duration::MAX)
    }

    /// How long to wait here until the recording is at `at`.
    fn until(&self, at: Duration, passed: Duration) -> Duration {
        let left = at.saturating_sub(self.clock(passed));
        TICK.min(self.speed.map_or(Duration::ZERO, |speed| left.div_f64(speed)))
    }
}

/// Shows what `reader` reads, also on the surfaces `beside`, to its end or until the person has seen enough.
///
/// # Errors
/// When the recording is damaged, after all that stands before the damage.
pub fn play<R: Read>(reader: &mut Reader<R>, settings: &Settings, beside: Surfaces) -> Result<(), Failure> {
    let name = settings.path.display().to_string();
    let mut view = View::new(&name, Duration::ZERO);
    view.replayed = true;
    let mut surfaces = surfaces(settings.output, beside, &mut view)?;
    let damaged = |error| failure(&settings.path, error);
    let began = Instant::now();
    let (mut next, mut now) = (reader.next_entry().map_err(damaged)?, Duration::ZERO);
    loop {
        let clock = settings.clock(began.elapsed());
        for _ in 0..BATCH {
            let Some(entry) = next.take_if(|entry| entry.at <= clock) else { break };
            now = entry.at;
            show(&entry, settings, &mut view, &mut surfaces)?;
            next = reader.next_entry().map_err(damaged)?;
        }
        if let Some(next) = &next {
            now = now.max(clock.min(next.at));
        }
        let over = next.is_none() || settings.stop.load(Ordering::Relaxed);
        if !surfaces.tick(now, &view)? || over {
            return surfaces.finish(now, &view);
        }
        let wait = next.as_ref().map_or(Duration::ZERO, |next| settings.until(next.at, began.elapsed()));
        std::thread::sleep(wait);
    }
}

fn show(entry: &Entry, settings: &Settings, view: &mut View, surfaces: &mut Surfaces) -> Result<(), Failure> {
    let damaged = |error: mtcae_json::JsonError| {
        let reason = format!("at {:.3} s: {error}", entry.at.as_secs_f64());
        unreadable(&settings.path, &reason, "it was recorded by another version of mtcae, or has been changed")
    };
    let labels: Vec<String> =
        view.hello.iter().flat_map(|hello| &hello.labels).map(|label| label.as_str().to_owned()).collect();
    let event = event_from_line(&entry.line, &labels).map_err(damaged)?;
    if let Some(event) = &event {
        view.take(entry.at, event);
    }
    let beside = match settings.output {
        // As it was recorded, with what this version does not know.
        Output::Json => {
            json_line(&mut io::stdout(), &entry.line)?;
            &mut surfaces[1..]
        }
        Output::Screen | Output::Lines => &mut surfaces[..],
    };
    let Some(event) = &event else { return Ok(()) };
    beside.iter_mut().try_for_each(|surface| surface.event(entry.at, event, view))
}

/// What a recording that cannot be read is to the person.
pub fn failure(path: &Path, error: ReadError) -> Failure {
    match error {
        ReadError::Io(reason) => Failure::Read { path: path.to_owned(), reason },
        ReadError::NotMcap | ReadError::Foreign { .. } => {
            unreadable(path, &error.to_string(), "give a file that `mtcae monitor --record` has made")
        }
        ReadError::Packed { .. } => unreadable(path, &error.to_string(), "repack it with lz4, or without"),
        ReadError::Damaged { .. } => {
            unreadable(path, &error.to_string(), "what stands before that byte has been played; is there a copy of it?")
        }
    }
}

fn unreadable(path: &Path, reason: &str, help: &str) -> Failure {
    Failure::Recording { reason: format!("cannot play {}: {reason}", path.display()), help: help.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(speed: Option<f64>) -> Settings {
        Settings { path: "a.mcap".into(), output: Output::Lines, speed, stop: Arc::default() }
    }

    #[test]
    fn the_clock_runs_at_the_speed_asked_for() {
        let s = Duration::from_secs;
        assert_eq!(at(Some(0.5)).clock(s(10)), s(5));
        assert_eq!(at(None).clock(s(0)), Duration::MAX);
        assert_eq!(at(Some(f64::MAX)).clock(s(10)), Duration::MAX);
        assert_eq!(at(Some(100.0)).until(s(21), s(0)), TICK);
        assert_eq!(at(Some(100.0)).until(s(1), s(0)), Duration::from_millis(10));
        assert_eq!(at(Some(1.0)).until(s(1), s(2)), Duration::ZERO);
    }
}
