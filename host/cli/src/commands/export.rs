//! `mtcae export`.

use crate::failure::Failure;
use clap::ValueHint;
use mtcae_contract::Manifest;
use mtcae_deploy::{ExportReport, Step, export};
use serde_json::json;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

/// Write a trained network as an ONNX file, checked by running it
#[derive(clap::Args)]
#[command(after_help = "\
Writes NAME.fp32.onnx and manifest.toml, after the graph was run and compared with plain arithmetic; when they differ,
nothing is written.

Example:
  mtcae export --checkpoint runs/edge/best.safetensors --manifest runs/edge/manifest.toml --out models/zoo/edge")]
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
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Exports and prints what was made.
    pub fn run(self) -> Result<(), Failure> {
        let text = std::fs::read_to_string(&self.manifest)
            .map_err(|source| Failure::Read { path: self.manifest.clone(), source })?;
        let manifest = Manifest::from_toml(&text)
            .map_err(|error| Failure::Export(format!("{}: {error}", self.manifest.display())))?;
        let shown = io::stderr().is_terminal();
        let mut progress = |step| {
            if shown {
                eprintln!("{}", step_text(step));
            }
        };
        let report = export(&self.checkpoint, &manifest, &self.out, &mut progress)
            .map_err(|error| Failure::Export(error.to_string()))?;
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
    let object = json!({
        "onnx": report.onnx, "manifest": report.manifest, "bytes": report.bytes, "sha256": report.sha256,
        "parameters": report.parameters, "worst_error": report.agreement.worst().1,
    });
    format!("{object}\n")
}

fn report_text(report: &ExportReport) -> String {
    format!(
        "{}  {:.1} MB, {} parameters\n{}\nlargest difference from plain arithmetic: {:.1e}\n",
        report.onnx.display(),
        report.bytes as f64 / 1e6,
        report.parameters,
        report.manifest.display(),
        report.agreement.worst().1,
    )
}
