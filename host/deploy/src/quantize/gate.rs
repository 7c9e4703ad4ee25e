//! What a quantized model must not lose, and which layer is named when it does.

use super::{LayerReport, QuantizeError};
use crate::check::Agreement;

/// What an int8 file may lose against the fp32 file of the same model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Drop of WAR (accuracy), points of a hundred.
    pub war_points: f32,
    /// Drop of the mean box IoU.
    pub box_iou: f32,
    /// Difference of any output in one engine, relative to the output's largest value.
    pub difference: f32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { war_points: 0.5, box_iou: 0.01, difference: 0.1 }
    }
}

/// How right a model is on samples that calibration did not see.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accuracy {
    /// Share of the samples named right, 0 to 1.
    pub war: f32,
    /// Mean recall of the classes, 0 to 1.
    pub uar: f32,
    /// Mean box IoU, 0 to 1.
    pub box_iou: f32,
}

/// Refuses an int8 model whose answers are too far from the fp32 model's, or that has nothing in int8.
///
/// # Errors
/// Naming the output, how far it is, and the layer that hurts most; or how many layers could be in int8.
pub fn gate_difference(found: Agreement, limits: &Limits, layers: &[LayerReport]) -> Result<(), QuantizeError> {
    if !layers.is_empty() && layers.iter().all(|layer| layer.activation.is_none()) {
        return Err(QuantizeError::Nothing { layers: layers.len() });
    }
    let (output, error) = found.worst();
    if error <= limits.difference {
        return Ok(());
    }
    Err(QuantizeError::Difference { output, error, limit: limits.difference, worst: worst(layers) })
}

/// Refuses an int8 model that is less right than the fp32 model by more than it may be.
///
/// # Errors
/// Naming what dropped, by how much, and the layer that hurts most.
pub fn gate_accuracy(
    fp32: &Accuracy,
    int8: &Accuracy,
    limits: &Limits,
    layers: &[LayerReport],
) -> Result<(), QuantizeError> {
    let drops = [
        ("WAR, in points", (fp32.war - int8.war) * 100.0, limits.war_points),
        ("box IoU", fp32.box_iou - int8.box_iou, limits.box_iou),
    ];
    // What is no number never passes.
    match drops.into_iter().find(|(_, drop, limit)| !matches!(drop.partial_cmp(limit), Some(o) if o.is_le())) {
        Some((what, drop, limit)) => Err(QuantizeError::Accuracy { what, drop, limit, worst: worst(layers) }),
        None => Ok(()),
    }
}

/// What to say of the layer in int8 that alone moves the logits most.
fn worst(layers: &[LayerReport]) -> String {
    let int8 = layers.iter().filter(|l| l.activation.is_some());
    match int8.max_by(|a, b| a.error.total_cmp(&b.error)) {
        Some(layer) => format!(
            "`{}` hurts most: alone it moves the logits by {:.2} %; `--keep-layer {}` leaves it in f32, `--keep N` the N worst",
            layer.layer.name,
            layer.error * 100.0,
            layer.layer.name
        ),
        None => "no layer is in int8".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_network::onnx::{Activation, Quantizable};

    fn report(name: &str, error: f32, int8: bool) -> LayerReport {
        let layer = Quantizable {
            name: name.into(),
            reads: "x".into(),
            norm: None,
            shape: vec![1, 8, 4],
            inputs: 4,
            outputs: 4,
        };
        let activation = int8.then_some(Activation::Dynamic);
        LayerReport { layer, error, activation, bytes: 0 }
    }

    #[test]
    fn a_drop_is_refused_with_its_size_and_the_worst_layer_that_is_in_int8() {
        let layers = [report("a", 0.5, false), report("b", 0.02, true), report("c", 0.03, true)];
        let limits = Limits::default();
        let fp32 = Accuracy { war: 0.60, uar: 0.5, box_iou: 0.9 };
        let with = |war, box_iou| gate_accuracy(&fp32, &Accuracy { war, uar: 0.5, box_iou }, &limits, &layers);
        assert!(with(0.5951, 0.8901).is_ok() && with(0.7, 0.95).is_ok());
        insta::assert_snapshot!(with(0.59, 0.9).unwrap_err(), @"the int8 model is worse on the held-out part by 1.000 in WAR, in points; accepted: up to 0.5; `c` hurts most: alone it moves the logits by 3.00 %; `--keep-layer c` leaves it in f32, `--keep N` the N worst; nothing was written");
        assert!(with(0.6, 0.88).unwrap_err().to_string().contains("0.020 in box IoU"));
        assert!(with(f32::NAN, 0.9).is_err() && with(0.6, f32::NAN).is_err());
        let far = Agreement { boxes: 0.0, landmarks: 0.2, logits: 0.1 };
        insta::assert_snapshot!(gate_difference(far, &limits, &[]).unwrap_err(), @"the int8 graph differs from the fp32 file by 2.0e-1 in `landmarks`; accepted: up to 1e-1; no layer is in int8; nothing was written");
        assert!(gate_difference(Agreement { landmarks: 0.1, ..far }, &limits, &[]).is_ok());
    }
}
