//! What `quantize` says: a table for people, an object for programs.

use mtcae_deploy::{Accuracy, Quantized, Written};
use mtcae_network::onnx::Activation;
use serde_json::{Value, json};
use std::fmt::Write;

/// Accuracy of both files on the same samples.
#[derive(Debug, Clone, Copy)]
pub struct Scored {
    /// How many.
    pub samples: usize,
    /// Of the fp32 file.
    pub fp32: Accuracy,
    /// Of the int8 file.
    pub int8: Accuracy,
}

/// Everything that is told.
pub struct Told<'a> {
    /// The int8 model.
    pub found: &'a Quantized,
    /// Its accuracy, where there was data.
    pub scored: Option<&'a Scored>,
    /// Where it is now.
    pub written: &'a Written,
    /// Size of the fp32 file.
    pub fp32_bytes: usize,
}

/// One row a layer, then sizes, differences, accuracy and time.
pub fn table(told: &Told<'_>) -> String {
    let found = told.found;
    let width = found.layers.iter().map(|l| l.layer.name.len()).max().unwrap_or(5).max(5);
    let mut text = format!("{:width$}  {:>11}  {:>7}  {:4}  {:>8}\n", "layer", "in x out", "error %", "as", "bytes");
    for l in &found.layers {
        let sides = format!("{} x {}", l.layer.inputs, l.layer.outputs);
        let (form, error) = (if l.activation.is_some() { "int8" } else { "f32" }, l.error * 100.0);
        // Writing to a String does not fail.
        let _ = writeln!(text, "{:width$}  {sides:>11}  {error:7.3}  {form:4}  {:8}", l.layer.name, l.bytes);
    }
    let int8 = found.layers.iter().filter(|l| l.activation.is_some()).count();
    let _ = writeln!(text, "{int8} layers in int8, {} in f32", found.layers.len() - int8);
    let mb = |bytes: usize| bytes as f64 / 1e6;
    let size = (mb(found.onnx.len()), mb(told.fp32_bytes));
    let _ = writeln!(text, "{}  {:.2} MB; fp32 {:.2} MB", told.written.onnx.display(), size.0, size.1);
    let a = &found.agreement;
    let _ = writeln!(
        text,
        "differs from fp32 by at most {:.2} % in boxes, {:.2} % in landmarks, {:.2} % in logits ({:.2} % rms)",
        a.boxes * 100.0,
        a.landmarks * 100.0,
        a.logits * 100.0,
        found.logits_error * 100.0
    );
    match told.scored {
        Some(s) => {
            let line = |a: &Accuracy| format!("WAR {:.4}  UAR {:.4}  box IoU {:.4}", a.war, a.uar, a.box_iou);
            let _ = writeln!(text, "on {} held-out samples: fp32  {}", s.samples, line(&s.fp32));
            let _ = writeln!(text, "{:>1$}  {2}", "int8", 28 + s.samples.to_string().len(), line(&s.int8));
        }
        None => text += "accuracy was not measured: there was no data; give `--calibrate DATA`\n",
    }
    let (fp32, int8) = found.clip_ms;
    let _ =
        writeln!(text, "a clip in tract, one thread: fp32 {fp32:.1} ms, int8 {int8:.1} ms of processor time (median)");
    text
}

/// The same as one JSON object.
pub fn json_text(told: &Told<'_>) -> Value {
    let found = told.found;
    let activation = |a: &Option<Activation>| match a {
        Some(Activation::Static { scale, zero_point }) => json!({ "scale": scale, "zero_point": zero_point }),
        Some(Activation::Dynamic) => json!("dynamic"),
        None => Value::Null,
    };
    let layers = found.layers.iter().map(|l| {
        json!({
            "layer": l.layer.name, "inputs": l.layer.inputs, "outputs": l.layer.outputs, "error": l.error,
            "int8": l.activation.is_some(), "activation": activation(&l.activation), "bytes": l.bytes,
        })
    });
    let accuracy = |a: &Accuracy| json!({ "war": a.war, "uar": a.uar, "box_iou": a.box_iou });
    let a = &found.agreement;
    json!({
        "onnx": told.written.onnx, "manifest": told.written.manifest, "sha256": told.written.sha256,
        "bytes": found.onnx.len(), "fp32_bytes": told.fp32_bytes,
        "difference": { "boxes": a.boxes, "landmarks": a.landmarks, "logits": a.logits, "logits_rms": found.logits_error },
        "clip_ms": { "fp32": found.clip_ms.0, "int8": found.clip_ms.1 },
        "accuracy": told.scored.map(|s| json!({
            "samples": s.samples, "fp32": accuracy(&s.fp32), "int8": accuracy(&s.int8),
        })),
        "layers": layers.collect::<Vec<_>>(),
    })
}
