//! Everything a run is, at one step: weights, their averages, the optimizer's moments. One file, replaced whole.

use crate::error::TrainError;
use crate::plateau::Standing;
use mtcae_network::{Checkpoint, Network, NetworkConfig, Param, Tensor, parameters};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// A parameter on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    /// What it is.
    pub param: Param,
    /// Its present value.
    pub value: Vec<f32>,
    /// Moving average of its values: what is evaluated and kept.
    pub average: Vec<f32>,
    /// AdamW's mean of the gradient.
    pub mean: Vec<f32>,
    /// AdamW's mean of the squared gradient.
    pub square: Vec<f32>,
}

impl Slot {
    /// A parameter at the start.
    pub fn new(param: Param, value: Vec<f32>) -> Slot {
        let zeros = vec![0.0; value.len()];
        Slot { param, average: value.clone(), mean: zeros.clone(), square: zeros, value }
    }

    /// Moves the average towards the value; what is not trained has no average of its own.
    pub fn follow(&mut self, decay: f32) {
        let decay = if self.param.trained { decay } else { 0.0 };
        for (a, v) in self.average.iter_mut().zip(&self.value) {
            *a = decay * *a + (1.0 - decay) * v;
        }
    }
}

/// A run at one step.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Steps done in the present phase.
    pub step: usize,
    /// Index of the present phase.
    pub phase: usize,
    /// Updates done in all phases.
    pub updates: usize,
    /// How it stands with a recipe's plateau.
    pub standing: Standing,
    /// The parameters in the order of their use.
    pub slots: Vec<Slot>,
}

/// The key of [`Standing`].
const STANDING: &str = "standing";

const PARTS: [&str; 4] = ["value", "average", "mean", "square"];

impl State {
    /// A run that starts from `checkpoint`.
    ///
    /// # Errors
    /// When the checkpoint's configuration is out of range.
    pub fn from_checkpoint(checkpoint: &Checkpoint) -> Result<State, TrainError> {
        let network = Network::new(checkpoint.config.clone())?;
        Ok(State::new(parameters(&network), |p| checkpoint.tensors[&p.name].values.clone()))
    }

    /// A run that starts from what `value` says of each of `params`.
    pub fn new(params: Vec<Param>, value: impl Fn(&Param) -> Vec<f32>) -> State {
        let slot = |p: Param| {
            let value = value(&p);
            Slot::new(p, value)
        };
        let slots = params.into_iter().map(slot).collect();
        State { step: 0, phase: 0, updates: 0, standing: Standing::default(), slots }
    }

    /// The averaged weights as a checkpoint of `config`.
    ///
    /// # Errors
    /// When they do not fit `config` or are not finite.
    pub fn averaged(&self, config: &NetworkConfig) -> Result<Checkpoint, TrainError> {
        let tensors = self
            .slots
            .iter()
            .map(|s| (s.param.name.clone(), Tensor { shape: s.param.shape.clone(), values: s.average.clone() }));
        Ok(Checkpoint::new(config.clone(), tensors.collect::<BTreeMap<_, _>>())?)
    }

    /// Writes the state beside `path` and renames it into place.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, path: &Path) -> Result<(), TrainError> {
        let mut blobs: Vec<(String, Vec<u8>)> = Vec::with_capacity(self.slots.len() * PARTS.len());
        for s in &self.slots {
            for (part, values) in PARTS.iter().zip([&s.value, &s.average, &s.mean, &s.square]) {
                let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                blobs.push((format!("{part}/{}", s.param.name), bytes));
            }
        }
        let mut views = Vec::with_capacity(blobs.len());
        for (name, bytes) in &blobs {
            let view = TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes);
            views.push((name.as_str(), view.map_err(|e| TrainError::file(path, e))?));
        }
        let place = [("step", self.step), ("phase", self.phase), ("updates", self.updates)];
        let mut metadata: HashMap<_, _> = place.iter().map(|(k, v)| ((*k).to_owned(), v.to_string())).collect();
        let Standing { best, waited, eased } = self.standing;
        metadata.insert(STANDING.to_owned(), format!("{best} {waited} {eased}"));
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| TrainError::file(path, e))?;
        write_whole(path, &bytes)
    }

    /// Reads a state back into the parameters of `network`.
    ///
    /// # Errors
    /// When the file is not a state, or one of another network.
    pub fn read(path: &Path, network: &Network) -> Result<State, TrainError> {
        State::read_of(path, parameters(network))
    }

    /// Reads a state back into `params`.
    ///
    /// # Errors
    /// When the file is not a state, or one of other parameters.
    pub fn read_of(path: &Path, params: Vec<Param>) -> Result<State, TrainError> {
        let bytes = std::fs::read(path).map_err(|e| TrainError::file(path, e))?;
        let bad = |e: &dyn std::fmt::Display| {
            TrainError::file(path, format!("not a training state: {e}; remove it to begin anew"))
        };
        let file = SafeTensors::deserialize(&bytes).map_err(|e| bad(&e))?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| bad(&e))?;
        let number = |key: &str| -> Result<usize, TrainError> {
            let text = header.metadata().as_ref().and_then(|m| m.get(key));
            text.and_then(|t| t.parse().ok()).ok_or_else(|| bad(&format!("no number `{key}`")))
        };
        // States of before there were plateaus have none.
        let standing =
            header.metadata().as_ref().and_then(|m| m.get(STANDING)).map_or(Some(Standing::default()), |text| {
                let parts: Vec<&str> = text.split(' ').collect();
                let &[best, waited, eased] = &parts[..] else { return None };
                Some(Standing { best: best.parse().ok()?, waited: waited.parse().ok()?, eased: eased.parse().ok()? })
            });
        let standing = standing.ok_or_else(|| bad(&format!("`{STANDING}` is not three numbers")))?;
        let mut slots = Vec::new();
        for param in params {
            let mut parts = Vec::with_capacity(PARTS.len());
            for part in PARTS {
                let name = format!("{part}/{}", param.name);
                let view = file.tensor(&name).map_err(|e| bad(&e))?;
                if view.dtype() != Dtype::F32 || view.shape() != [param.len()] {
                    return Err(bad(&format!(
                        "`{name}` is {:?} {:?}, not F32 [{}]",
                        view.dtype(),
                        view.shape(),
                        param.len()
                    )));
                }
                parts.push(view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect());
            }
            let [value, average, mean, square]: [Vec<f32>; 4] = parts.try_into().unwrap_or_default();
            slots.push(Slot { param, value, average, mean, square });
        }
        Ok(State { step: number("step")?, phase: number("phase")?, updates: number("updates")?, standing, slots })
    }
}

/// Writes beside `path`, syncs, and renames: a cut leaves the old file or the new one.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    use std::io::Write;
    let partial = path.with_extension("partial");
    let write = || {
        let mut file = std::fs::File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&partial, path)
    };
    write().map_err(|e| TrainError::file(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_writes() {
        let mut config = NetworkConfig::preset("tiny").unwrap();
        config.encoder.depth = 1;
        let checkpoint = Checkpoint::random(config.clone(), 3).unwrap();
        let mut state = State::from_checkpoint(&checkpoint).unwrap();
        (state.step, state.phase, state.updates) = (7, 1, 9);
        state.standing = Standing { best: 0.1234567, waited: 3, eased: 2 };
        state.slots[0].mean[0] = 0.5;
        state.slots[0].value[0] = 2.0;
        state.slots[0].follow(0.75);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.safetensors");
        state.write(&path).unwrap();
        let network = Network::new(config).unwrap();
        assert_eq!(State::read(&path, &network).unwrap(), state);
        std::fs::write(&path, b"nonsense").unwrap();
        let said = State::read(&path, &network).unwrap_err().to_string();
        assert!(said.contains("not a training state: ") && said.ends_with("; remove it to begin anew"), "{said}");
    }
}
