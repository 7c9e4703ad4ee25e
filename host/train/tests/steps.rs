//! One update of each strategy is the one that PyTorch takes (`tests/fixtures/make_steps.py`).

use mtcae_network::{Checkpoint, Network, NetworkConfig, SplitMix, Tensor};
use mtcae_train::{AdamW, Batch, Losses, Place, Precision, Resident, State, StepLosses, Update, update_on_processor};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// How far gradients and weights may be from PyTorch's, which were computed in double precision.
const NEAR: f32 = 1e-4;
/// How far losses may be.
const LOSS: f32 = 1e-5;

#[derive(Deserialize)]
struct Case {
    config: NetworkConfig,
    losses: BTreeMap<String, f32>,
    weights: Losses,
    how: How,
}

#[derive(Deserialize)]
struct How {
    seed: u64,
    number: usize,
    lr: f32,
    weight_decay: f32,
    smoothing: f32,
}

impl Case {
    fn update(&self) -> Update<'_> {
        Update {
            losses: &self.weights,
            smoothing: self.how.smoothing,
            optimizer: AdamW::new(self.how.weight_decay),
            lr: self.how.lr,
            average: 0.9,
            number: self.how.number,
            first_tubelet: 0,
            seed: self.how.seed,
            layer_decay: 1.0,
            drop_path: 0.0,
        }
    }
}

fn floats(view: &TensorView<'_>) -> Vec<f32> {
    let bytes = view.data();
    match view.dtype() {
        Dtype::F32 => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F16 => bytes.as_chunks::<2>().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
        Dtype::U8 => bytes.iter().map(|b| f32::from(*b)).collect(),
        other => panic!("a fixture in {other:?}"),
    }
}

fn state(name: &str, case: &Case, file: &SafeTensors<'_>) -> State {
    let prefix = format!("{name}/");
    let tensors = file.iter().filter_map(|(n, v)| Some((n.strip_prefix(&prefix)?.to_owned(), v)));
    let tensors = tensors.map(|(n, v)| (n, Tensor { shape: v.shape().to_vec(), values: floats(&v) })).collect();
    let checkpoint = Checkpoint::new(case.config.clone(), tensors).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut state = State::from_checkpoint(&checkpoint).unwrap();
    state.updates = case.how.number - 1;
    for slot in &mut state.slots {
        slot.mean = (0..slot.value.len()).map(mean_before).collect();
        slot.square = (0..slot.value.len()).map(|i| (i % 5 + 1) as f32 * 1e-4).collect();
    }
    state
}

fn mean_before(place: usize) -> f32 {
    (place % 7) as f32 * 1e-3 - 3e-3
}

fn batch(name: &str, case: &Case, file: &SafeTensors<'_>) -> Batch {
    let of = |part: &str| floats(&file.tensor(&format!("{name}@{part}")).unwrap());
    Batch {
        clips: of("known").len(),
        pixels: of("pixels").iter().map(|v| (v - 128.0) / 64.0).collect(),
        boxes: of("boxes"),
        landmarks: of("landmarks"),
        known: of("known"),
        labels: of("labels").iter().map(|l| *l as usize).collect(),
        ..Batch::new(case.config.frames, case.config.size, false)
    }
}

fn check(name: &str, case: &Case, file: &SafeTensors<'_>, losses: StepLosses, after: &State) {
    for (task, found) in [
        ("boxes", losses.boxes),
        ("landmarks", losses.landmarks),
        ("expression", losses.expression),
        ("total", losses.total),
    ] {
        let want = case.losses[task];
        assert!((found - want).abs() < LOSS * want.max(1.0), "{name}: {task} {found}, PyTorch {want}");
    }
    for slot in &after.slots {
        let of = |part: &str| file.tensor(&format!("{name}@{part}/{}", slot.param.name)).map(|v| floats(&v));
        let near = |what: &str, found: &mut dyn Iterator<Item = f32>, want: &[f32]| {
            for (i, (found, want)) in found.zip(want).enumerate() {
                let gap = (found - want).abs();
                assert!(gap < NEAR, "{name}: {what} of {} at {i} {found}, PyTorch {want}", slot.param.name);
            }
        };
        near("weight", &mut slot.value.iter().copied(), &of("weight").unwrap());
        if slot.param.trained {
            let gradient = |(i, mean): (usize, &f32)| (mean - 0.9 * mean_before(i)) / 0.1;
            near("gradient", &mut slot.mean.iter().enumerate().map(gradient), &of("gradient").unwrap());
        }
    }
}

#[test]
fn one_update_of_each_strategy_is_pytorchs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/steps.safetensors");
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let cases = header.metadata().clone().unwrap();
    assert_eq!(cases.len(), 7);
    for (name, text) in &cases {
        let case: Case = serde_json::from_str(text).unwrap();
        let network = Network::new(case.config.clone()).unwrap();
        let (before, batch) = (state(name, &case, &file), batch(name, &case, &file));
        let mut after = before.clone();
        let share = |_| (batch.clone(), SplitMix::new(case.how.seed));
        let losses = update_on_processor(&network, &mut after, &case.update(), 1, share);
        check(name, &case, &file, losses, &after);
        assert!(after != before && after.updates == case.how.number);
        // The way that a card goes, on the processor.
        let mut after = before.clone();
        let mut resident = Resident::new(&before, &Place::Cpu.open().unwrap(), Precision::F32);
        let random = SplitMix::new(case.how.seed);
        let losses = resident.update_as_processor(&network, &batch, &case.update(), random);
        resident.read_into(&mut after);
        check(name, &case, &file, losses, &after);
    }
}
