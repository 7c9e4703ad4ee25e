//! `mtcae export`.

use crate::failure::{Failure, sentence};
use crate::say::tell;
use clap::ValueHint;
use mtcae_contract::Manifest;
use mtcae_deploy::{ExportReport, ExportedFile, Step, export};
use serde_json::json;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

/// Write a trained network as an ONNX file, checked by running it
#[derive(clap::Args)]
#[command(after_help = "\
Writes NAME.fp32.onnx and manifest.toml, after the graph was run and compared with plain arithmetic; when they differ, \
nothing is written. With --fp16 also NAME.fp16.onnx, for GPUs: its matrix products are in f16, norms and softmax in f32.

Example:
  mtcae export --checkpoint run/checkpoint.safetensors --manifest host/train/recipes/edge.manifest.toml --out model")]
pub struct Args {
    /// Weights that `mtcae train` wrote
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    checkpoint: PathBuf,
    /// The model's description: name, labels, clip, framing
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    manifest: PathBuf,
    /// Folder for the files
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: PathBuf,
    /// Also write a file with its matrix products in f16, for CUDA and TensorRT
    #[arg(long)]
    fp16: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Exports and prints what was made.
    pub fn run(self) -> Result<(), Failure> {
        let text = std::fs::read_to_string(&self.manifest)
            .map_err(|reason| Failure::Read { path: self.manifest.clone(), reason })?;
        let manifest = Manifest::from_toml(&text)
            .map_err(|error| Failure::Export(format!("{}: {error}", self.manifest.display())))?;
        let shown = io::stderr().is_terminal();
        let mut progress = |step| {
            if shown {
                tell!("{}", step_text(step));
            }
        };
        let report = export(&self.checkpoint, &manifest, &self.out, self.fp16, &mut progress)
            .map_err(|error| Failure::Export(sentence(&error)))?;
        for file in &report.dropped {
            tell!(
                "{} is not listed any more, as it may be of other weights: make it anew{}",
                file.display(),
                if file.to_string_lossy().ends_with(".int8.onnx") { " with `mtcae quantize`" } else { "" }
            );
        }
        let text = if self.json { json_text(&report) } else { report_text(&report) };
        Ok(io::stdout().write_all(text.as_bytes())?)
    }
}

fn step_text(step: Step) -> String {
    match step {
        Step::Read => "reading the checkpoint".to_owned(),
        Step::Emit => "writing the graph".to_owned(),
        Step::Load => "loading it into tract".to_owned(),
        Step::Check(clip, clips) => format!("checking clip {clip} of {clips}"),
        Step::Write => "writing the files".to_owned(),
    }
}

fn json_text(report: &ExportReport) -> String {
    let file = |f: &ExportedFile| json!({ "onnx": f.onnx, "bytes": f.bytes, "sha256": f.sha256, "worst_error": f.agreement.worst().1 });
    let [first, more @ ..] = report.files.as_slice() else { return String::new() };
    let mut object = file(first);
    object["manifest"] = json!(report.manifest);
    object["parameters"] = json!(report.parameters);
    object["dropped"] = json!(report.dropped);
    if let [half] = more {
        object["fp16"] = file(half);
    }
    format!("{object}\n")
}

fn report_text(report: &ExportReport) -> String {
    let mut text = String::new();
    for f in &report.files {
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "{}  {:.1} MB, {} parameters, largest difference from plain arithmetic: {:.1e}",
            f.onnx.display(),
            f.bytes as f64 / 1e6,
            report.parameters,
            f.agreement.worst().1,
        );
    }
    let _ = writeln!(text, "{}", report.manifest.display());
    text
}
