//! The self-test of a version on trial: the reference clip gives the reference answer, the camera gives frames, a sink
//! is connected.

use super::slots;
use crate::DaemonError;
use crate::shared::{Shared, lock};
use mtcae_board_configs::{Board, Update};
use mtcae_contract::Micros;
use mtcae_drivers::DirStore;
use mtcae_update::{State, UpdateError, Updater, Verdict};
use mtcae_wire::{Level, SinkState};
use std::path::{Path, PathBuf};

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
    if !enabled || !runs_on_trial(&root, Path::new(&board.model.path)).unwrap_or(false) {
        return Ok(None);
    }
    let until = Micros::from(*self_test_ms) * 1000;
    Ok(Some(Trial { root, until, limit_ms: *self_test_ms }))
}

fn runs_on_trial(root: &Path, model: &Path) -> Result<bool, UpdateError> {
    let status = slots::look(root)?.status()?;
    let new = status.new.filter(|_| status.state == State::Trial && !status.held);
    let real = |path: &Path| path.canonicalize().ok();
    Ok(new.is_some_and(|new| real(&root.join(new.pair.model_folder())) == real(model)))
}

impl Trial {
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
