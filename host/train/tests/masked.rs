//! One update of masked pre-training is the one that PyTorch takes, and its loss that of transformers' VideoMAE
//! (`tests/fixtures/make_masked.py`).

use mtcae_network::{Autoencoder, EncoderConfig, NarrowConfig, NetworkConfig, Param, Stem, autoencoder_parameters};
use mtcae_train::{
    AdamW, Batch, MaskedBatch, Place, Precision, Rates, Resident, State, TubeMask, pretrain_resident, pretrain_update,
};
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// How far the loss may be from PyTorch's in double and from transformers' in single precision.
const LOSS: f32 = 1e-5;
/// How far gradients and weights may be from PyTorch's, which were computed in double precision.
const NEAR: f32 = 1e-4;

const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

#[derive(Deserialize)]
struct Case {
    frames: usize,
    size: usize,
    width: usize,
    depth: usize,
    heads: usize,
    decoder: NarrowConfig,
    loss: f32,
    transformers: f32,
    number: usize,
    lr: f32,
    weight_decay: f32,
    beta2: f32,
}

impl Case {
    fn autoencoder(&self) -> Autoencoder {
        let Case { frames, size, width, depth, heads, .. } = *self;
        let encoder = EncoderConfig { stem: Stem::Patch, width, depth, heads };
        let config = NetworkConfig { frames, size, encoder, ..NetworkConfig::preset("small").unwrap() };
        Autoencoder::new(config, &self.decoder).unwrap()
    }

    fn rates(&self) -> Rates {
        let optimizer = AdamW { beta2: self.beta2, ..AdamW::new(self.weight_decay) };
        Rates { optimizer, lr: self.lr, average: 0.0, number: self.number, layer_decay: 1.0, depth: self.depth }
    }
}

fn floats(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let view = file.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    let bytes = view.data();
    match view.dtype() {
        Dtype::F32 => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F16 => bytes.as_chunks::<2>().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
        Dtype::U8 => bytes.iter().map(|b| f32::from(*b)).collect(),
        other => panic!("a fixture in {other:?}"),
    }
}

fn batch(case: &Case, file: &SafeTensors<'_>) -> MaskedBatch {
    let area = case.size * case.size;
    let pixel = |(i, v): (usize, &f32)| (v / 255.0 - MEAN[i / area % 3]) / STD[i / area % 3];
    let pixels: Vec<f32> = floats(file, "pixels").iter().enumerate().map(pixel).collect();
    let clips = pixels.len() / (case.frames * 3 * area);
    let hidden: Vec<usize> = floats(file, "hidden").iter().map(|v| *v as usize).collect();
    let tokens = case.frames / 2 * area / 256;
    let mask = |hidden: &[usize]| TubeMask {
        visible: (0..tokens).filter(|t| !hidden.contains(t)).collect(),
        hidden: hidden.to_vec(),
    };
    let masks: Vec<_> = hidden.chunks(hidden.len() / clips).map(mask).collect();
    MaskedBatch::new(&Batch { clips, pixels, ..Batch::new(case.frames, case.size, false) }, &masks)
}

fn mean_before(place: usize) -> f32 {
    (place % 7) as f32 * 1e-3 - 3e-3
}

fn start(case: &Case, file: &SafeTensors<'_>) -> State {
    let params = autoencoder_parameters(&case.autoencoder());
    let check = |p: &Param| assert_eq!(file.tensor(&p.name).unwrap().shape(), p.shape, "{}", p.name);
    params.iter().for_each(check);
    let mut state = State::new(params, |p| floats(file, &p.name));
    state.updates = case.number - 1;
    for slot in &mut state.slots {
        slot.mean = (0..slot.value.len()).map(mean_before).collect();
        slot.square = (0..slot.value.len()).map(|i| (i % 5 + 1) as f32 * 1e-4).collect();
    }
    state
}

fn check(way: &str, case: &Case, file: &SafeTensors<'_>, loss: f32, after: &State) {
    for (whose, want) in [("PyTorch", case.loss), ("transformers", case.transformers)] {
        assert!((loss - want).abs() < LOSS, "{way}: loss {loss}, {whose} {want}");
    }
    let mut worst = [0.0f32; 2];
    for slot in &after.slots {
        let gradient = slot.mean.iter().enumerate().map(|(i, mean)| (mean - 0.9 * mean_before(i)) / 0.1);
        let gaps = |found: Vec<f32>, part: &str| {
            let want = floats(file, &format!("{part}/{}", slot.param.name));
            assert_eq!(found.len(), want.len());
            found.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        let found = [gaps(gradient.collect(), "gradient"), gaps(slot.value.clone(), "weight")];
        assert!(found.iter().all(|gap| *gap < NEAR), "{way}: {} {found:?}", slot.param.name);
        worst = [worst[0].max(found[0]), worst[1].max(found[1])];
    }
    println!("{way}: loss {loss}, PyTorch {}, gradients within {}, weights within {}", case.loss, worst[0], worst[1]);
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/masked.safetensors")
}

fn case(bytes: &[u8]) -> (Case, SafeTensors<'_>) {
    let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
    let case = serde_json::from_str(&header.metadata().as_ref().unwrap()["case"]).unwrap();
    (case, SafeTensors::deserialize(bytes).unwrap())
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn what_is_seen_again_and_again_is_learnt() {
    let bytes = read(&fixture());
    let (case, file) = case(&bytes);
    let (auto, batch, mut state) = (case.autoencoder(), batch(&case, &file), start(&case, &file));
    let mut losses = Vec::new();
    for number in 1..=200 {
        let rates = Rates { lr: 1e-2, number, ..case.rates() };
        losses.push(pretrain_update(&auto, &mut state, &rates, 0, 1, |_| batch.clone()));
    }
    // Who says nothing is wrong by 1. The hidden tokens are noise, but clips can be remembered, in so few channels a little.
    assert!(losses[0] > 1.0 && losses[199] < 0.85, "{} to {}", losses[0], losses[199]);
}

#[test]
fn one_update_is_pytorchs_and_the_loss_is_transformers() {
    let bytes = read(&fixture());
    let (case, file) = case(&bytes);
    let (auto, batch, before) = (case.autoencoder(), batch(&case, &file), start(&case, &file));
    let mut after = before.clone();
    let loss = pretrain_update(&auto, &mut after, &case.rates(), 0, 1, |_| batch.clone());
    check("processor", &case, &file, loss, &after);
    assert_eq!(after.updates, case.number);
    // The way that a card goes, on the processor.
    let mut after = before.clone();
    let mut resident = Resident::new(&before, &Place::Cpu.open().unwrap(), Precision::F32);
    let loss = pretrain_resident(&auto, &mut resident, &case.rates(), 0, &batch);
    resident.read_into(&mut after);
    check("card", &case, &file, loss, &after);
}
