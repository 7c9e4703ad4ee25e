//! The self-test of a version on trial: the reference clip gives the reference answer, the camera gives frames, a sink
//! is connected.

use super::slots;
use crate::DaemonError;
use crate::shared::{Shared, lock};
use mtcae_board_configs::{Board, Update};
use mtcae_contract::Micros;
use mtcae_drivers::DirStore;
use mtcae_update::{DAEMON_FILE, State, UpdateError, Updater, Verdict};
use mtcae_wire::{Level, SinkState};
use std::path::{Path, PathBuf};

/// Added to what the launcher is told of the trial's end, for the last look and for whoever has the slots, microseconds.
const LAST_LOOK: Micros = 10_000_000;

/// A version on trial, while its self-test lasts.
#[derive(Debug)]
pub(crate) struct Trial {
    root: PathBuf,
    until: Micros,
    limit_ms: u32,
}

/// The version on trial, when it is the one that this daemon runs.
pub(crate) fn find(board: &Board) -> Result<Option<Trial>, DaemonError> {
    let Update { enabled, root, self_test_ms, .. } = &board.update;
    let root = PathBuf::from(root);
    let program = std::env::current_exe().ok();
    let model = Path::new(&board.model.path);
    if !enabled || !runs_on_trial(&root, model, program.as_deref()).unwrap_or(false) {
        return Ok(None);
    }
    let until = Micros::from(*self_test_ms) * 1000;
    Ok(Some(Trial { root, until, limit_ms: *self_test_ms }))
}

/// Whether the version on trial is the one that runs: its model, and its daemon where the trial is of a daemon, too. A launcher
/// that cannot count a start starts the confirmed version while the record still says that another is on trial.
fn runs_on_trial(root: &Path, model: &Path, program: Option<&Path>) -> Result<bool, UpdateError> {
    let status = slots::look(root)?.status()?;
    let Some(new) = status.new.filter(|_| status.state == State::Trial && !status.held) else { return Ok(false) };
    let same = |found: &Path, slot: PathBuf| {
        let real = slot.canonicalize().ok();
        real.is_some() && real == found.canonicalize().ok()
    };
    let of_a_daemon = status.confirmed.is_some_and(|kept| kept.pair.daemon != new.pair.daemon);
    let daemon = root.join(new.pair.daemon_folder()).join(DAEMON_FILE);
    let tried = !of_a_daemon || program.is_some_and(|program| same(program, daemon));
    Ok(tried && same(model, root.join(new.pair.model_folder())))
}

impl Trial {
    /// For how long from `now` on the launcher has to wait, unless the trial ends before.
    pub fn left(&self, now: Micros) -> Micros {
        self.until.saturating_sub(now) + LAST_LOOK
    }

    /// Ends the trial of a model that answers wrongly, or cannot say.
    pub fn wrong(&self, why: &str) -> DaemonError {
        let told = self
            .tell(Verdict::Wrong)
            .map_or_else(|e| format!("; and the slots could not be told: {e}"), |_| String::new());
        DaemonError::Model(format!("self-test: {why}; this version is given up{told}"))
    }

    fn tell(&self, verdict: Verdict) -> Result<State, UpdateError> {
        let mut updater: Updater<DirStore> = slots::open(&self.root)?;
        updater.self_test(verdict)
    }

    /// One look; true when the self-test has ended. The clip was tried before.
    ///
    /// # Errors
    /// When the time is over: the daemon ends, and the launcher starts it once more or goes back.
    pub fn look(&mut self, shared: &Shared) -> Result<bool, DaemonError> {
        if shared.camera.private() {
            // A version is not to blame for a switch: its time begins when somebody may look.
            self.until = shared.now() + Micros::from(self.limit_ms) * 1000;
        }
        let frames = lock(&shared.work).pipeline.counts().frames.received > 0;
        let sink = shared.mail.iter().any(|mail| lock(&mail.state).sink == SinkState::Connected);
        if frames && sink {
            let state = self.tell(Verdict::Good).map_err(|e| DaemonError::Internal(format!("self-test: {e}")))?;
            let said =
                if state == State::Trial { "good; `mtcae confirm` keeps this version" } else { "good; confirmed" };
            shared.log(Level::Info, &format!("self-test {said}"));
            return Ok(true);
        }
        if shared.now() < self.until {
            return Ok(false);
        }
        let missing = if frames { "no sink is connected" } else { "the camera gives no frames" };
        let told = self.tell(Verdict::Unfinished).err().map(|e| format!(" ({e})")).unwrap_or_default();
        Err(DaemonError::Source(format!(
            "self-test: {missing} after {} ms; this start has failed{told}",
            self.limit_ms
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_update::{Confirm, Digest, Kind, Part, Plan};

    const BOTH: &[Kind] = &Kind::ALL;

    /// Puts version `number` of `kinds` on trial.
    fn put(root: &Path, number: u8, kinds: &[Kind]) {
        let files = [(Kind::Model, "manifest.toml"), (Kind::Daemon, DAEMON_FILE)];
        let part = |(kind, name): (Kind, &str)| Part { kind, name: name.into(), len: 1, sha256: Digest::of(&[number]) };
        let parts: Vec<Part> = files.into_iter().map(part).filter(|part| kinds.contains(&part.kind)).collect();
        let (bytes, origin, confirm) = (vec![number; parts.len()], Digest::of(b"file"), Confirm::BySelfTest);
        let plan = Plan { version: number.to_string(), counter: 1, origin, confirm, parts };
        let mut updater = slots::open(root).unwrap();
        updater.begin(&plan, None).unwrap();
        updater.write(0, &bytes).unwrap();
        updater.finish().unwrap();
        updater.switch().unwrap();
    }

    #[test]
    fn only_what_is_on_trial_takes_itself_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let elsewhere = std::env::current_exe().unwrap();
        let program = |slot: &str| root.join(slot).join(DAEMON_FILE);
        let tried = |model: &str, program: &Path| runs_on_trial(root, &root.join(model), Some(program)).unwrap();
        // The first version is the only one that can start.
        put(root, 1, BOTH);
        assert!(tried("model-a", &elsewhere) && !tried("model-b", &elsewhere));
        slots::open(root).unwrap().confirm().unwrap();
        assert!(!tried("model-a", &program("daemon-a")), "nothing is on trial");
        // A daemon alone: the model is the same one with either.
        put(root, 2, &[Kind::Daemon]);
        assert!(tried("model-a", &program("daemon-b")));
        assert!(
            !tried("model-a", &program("daemon-a")),
            "the confirmed one, which the launcher could start all the same"
        );
        assert!(!tried("model-a", &elsewhere) && !runs_on_trial(root, &root.join("model-a"), None).unwrap());
        slots::open(root).unwrap().rollback(None).unwrap();
        // A model alone runs with whatever daemon there is.
        put(root, 3, &[Kind::Model]);
        assert!(tried("model-b", &elsewhere) && !tried("model-a", &program("daemon-a")));
        slots::open(root).unwrap().rollback(None).unwrap();
        put(root, 4, BOTH);
        assert!(tried("model-b", &program("daemon-b")) && !tried("model-b", &program("daemon-a")));
        assert!(!tried("model-a", &program("daemon-b")));
    }

    #[test]
    fn the_launcher_waits_longer_than_the_trial_lasts() {
        let trial = Trial { root: PathBuf::new(), until: 60_000_000, limit_ms: 60_000 };
        assert_eq!((trial.left(0), trial.left(61_000_000)), (60_000_000 + LAST_LOOK, LAST_LOOK));
    }
}
