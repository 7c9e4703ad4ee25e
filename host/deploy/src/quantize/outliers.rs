//! Factors moved from what a norm makes into the weights that read it: a channel that is much larger than the others costs all of
//! them resolution when they share one scale.
//!
//! After SmoothQuant (Xiao et al., 2023). The network computes the same: the norm's weight and bias are divided by the factor, the
//! columns of the linear layers behind it are multiplied by it.

use mtcae_network::onnx::Quantizable;
use mtcae_network::{Checkpoint, Tensor};
use std::collections::{BTreeMap, BTreeSet};

/// Factors are from one over this to this: what is beyond is no outlier but a dead channel.
const LARGEST_FACTOR: f32 = 1e3;

/// Largest absolute value of each channel of what layers read, by the value's name in the graph.
pub(super) type Peaks = BTreeMap<String, Vec<f32>>;

/// Takes `values`, `[tokens, channels]`, into the peaks of `name`, which must be there.
pub(super) fn take_in(peaks: &mut Peaks, name: &str, values: &[f32]) {
    let Some(tops) = peaks.get_mut(name) else { return };
    for row in values.chunks_exact(tops.len()) {
        tops.iter_mut().zip(row).filter(|(_, v)| v.is_finite()).for_each(|(top, v)| *top = top.max(v.abs()));
    }
}

/// Peaks of nothing yet, of every value that a norm makes and `layers` alone read.
pub(super) fn no_peaks(layers: &[Quantizable]) -> Peaks {
    let behind_norms = layers.iter().filter(|l| l.norm.is_some());
    behind_norms.map(|l| (l.reads.clone(), vec![0.0; l.inputs])).collect()
}

/// The same network with factors moved. `strength` from 0 to 1 says how much of an activation's peak moves: the factor of a channel is
/// `peak ^ strength / weight ^ (1 - strength)`, where `weight` is the largest one that reads the channel.
pub(super) fn moved(checkpoint: &Checkpoint, layers: &[Quantizable], peaks: &Peaks, strength: f32) -> Checkpoint {
    let mut checkpoint = checkpoint.clone();
    for (reads, tops) in peaks {
        let readers = || layers.iter().filter(|l| l.reads == *reads);
        let Some(norm) = readers().find_map(|l| l.norm.as_ref()) else { continue };
        let weights: BTreeSet<String> = readers().map(|l| weight_name(&checkpoint, &l.name)).collect();
        let mut largest = vec![0f32; tops.len()];
        for tensor in weights.iter().filter_map(|name| checkpoint.tensors.get(name)) {
            for row in tensor.values.chunks_exact(tops.len()) {
                largest.iter_mut().zip(row).for_each(|(top, w)| *top = top.max(w.abs()));
            }
        }
        let factors: Vec<f32> = tops.iter().zip(&largest).map(|(a, w)| factor(*a, *w, strength)).collect();
        for part in ["weight", "bias"] {
            scale(checkpoint.tensors.get_mut(&format!("{norm}.{part}")), &factors, |v, f| v / f);
        }
        for name in &weights {
            scale(checkpoint.tensors.get_mut(name), &factors, |v, f| v * f);
        }
    }
    checkpoint
}

fn factor(peak: f32, weight: f32, strength: f32) -> f32 {
    let factor = peak.powf(strength) / weight.powf(1.0 - strength);
    // A channel that is always zero, or that nobody reads, stays as it is.
    if factor > 0.0 && factor.is_finite() { factor.clamp(1.0 / LARGEST_FACTOR, LARGEST_FACTOR) } else { 1.0 }
}

fn scale(tensor: Option<&mut Tensor>, factors: &[f32], by: impl Fn(f32, f32) -> f32) {
    let Some(tensor) = tensor else { return };
    for row in tensor.values.chunks_exact_mut(factors.len()) {
        row.iter_mut().zip(factors).for_each(|(v, f)| *v = by(*v, *f));
    }
}

/// Where a layer's weight stands: the encoder has queries, keys and values in one.
fn weight_name(checkpoint: &Checkpoint, layer: &str) -> String {
    let own = format!("{layer}.weight");
    match layer.rsplit_once('.') {
        Some((stem, "q" | "k" | "v")) if !checkpoint.tensors.contains_key(&own) => format!("{stem}.qkv.weight"),
        _ => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{agreement, reference, seeded_clip};
    use crate::export::{onnx_bytes, options};
    use crate::tract::TractModel;
    use mtcae_contract::Manifest;
    use mtcae_network::NetworkConfig;
    use mtcae_network::onnx::emit_tapped;

    fn with_outliers() -> (Checkpoint, Manifest) {
        let mut config = NetworkConfig::preset("tiny").unwrap();
        (config.size, config.frames, config.encoder.depth, config.decoder.layers) = (32, 4, 1, 1);
        let manifest = crate::bench::random_manifest(&config, "tiny");
        let mut checkpoint = Checkpoint::random(config, 9).unwrap();
        for norm in ["blocks.0.norm1", "decoders.1.norm"] {
            checkpoint.tensors.get_mut(&format!("{norm}.weight")).unwrap().values[3] = 40.0;
        }
        (checkpoint, manifest)
    }

    #[test]
    fn the_network_computes_the_same_and_its_peaks_are_level() {
        let (checkpoint, manifest) = with_outliers();
        let clip = seeded_clip(4, 32, 1);
        let peaks_of = |checkpoint: &Checkpoint| {
            let (tapped, layers) = emit_tapped(checkpoint, &options(&manifest)).unwrap();
            let mut peaks = no_peaks(&layers);
            let model = TractModel::load(&tapped).unwrap();
            model.each_output(&clip, &mut |name, values| take_in(&mut peaks, name, values)).unwrap();
            (peaks, layers)
        };
        let (before, layers) = peaks_of(&checkpoint);
        let other = moved(&checkpoint, &layers, &before, 0.5);
        let want = reference(&checkpoint, &clip, manifest.mean, manifest.std).unwrap();
        let got = TractModel::load(&onnx_bytes(&other, &manifest).unwrap()).unwrap().run(&clip).unwrap();
        assert!(agreement(&got, &want).worst().1 < 1e-5, "{:?}", agreement(&got, &want));
        let (after, _) = peaks_of(&other);
        let spread = |tops: &[f32]| {
            let top = tops.iter().fold(0f32, |t, v| t.max(*v));
            top * tops.len() as f32 / tops.iter().sum::<f32>()
        };
        let reads = layers.iter().find(|l| l.name == "blocks.0.attn.q").map(|l| &l.reads).unwrap();
        assert!(before.len() == after.len() && before.len() > 5);
        // Half of an outlier, of its powers, is gone: 40 becomes about the root of that.
        let (outlier, left) = (spread(&before[reads]), spread(&after[reads]));
        assert!(outlier > 30.0 && left < 1.5 * outlier.sqrt(), "{outlier} {left}");
    }

    #[test]
    fn channels_without_a_peak_or_a_weight_stay_as_they_are() {
        assert_eq!(factor(0.0, 0.1, 0.5), 1.0);
        assert_eq!(factor(2.0, 0.0, 0.5), 1.0);
        assert_eq!(factor(4.0, 1.0, 0.5), 2.0);
        assert_eq!(factor(4.0, 0.25, 0.5), 4.0);
        assert_eq!(factor(4.0, 0.25, 1.0), 4.0);
        assert_eq!(factor(1e20, 1e-20, 0.5), LARGEST_FACTOR);
    }
}
