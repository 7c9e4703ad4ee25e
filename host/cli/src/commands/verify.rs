//! `mtcae verify`.

use super::bench_engine::EngineWord;
use super::trainer;
use crate::boards;
use crate::failure::{Failure, sentence};
use crate::reference::face_clip;
use crate::say::{tell, verdict};
use clap::ValueHint;
use mtcae_contract::{Manifest, Precision};
use mtcae_deploy::{
    Agreement, Difference, EngineName, Engines, ExportError, Finding, NoBurn, Outputs, Parts, Severity, Verdict,
    Verification, read_artifact, read_checkpoint, read_manifest, seeded_clip, verify,
};
use mtcae_drivers::{ONNXRUNTIME_FOLDERS, find_onnxruntime};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where ONNX Runtime's own tools look for the library.
const LIBRARY: &str = "ORT_DYLIB_PATH";
/// Clips of seeded noise, beside that with a face.
const SEEDED: u64 = 3;

/// Run a model in every engine that is there, and look for known traps in its files
#[derive(clap::Args)]
#[command(after_help = "\
Every file of the model answers the same clips (seeded noise, and a face) in tract and, where its library is at hand, in \
ONNX Runtime, there on a GPU, too, where the library and the machine have one; the fp32 file also against the checkpoint's \
own arithmetic, and so is burn where the program mtcae-train is at hand. The exit code is 1 when answers are too far apart, a file does not run, or a trap is in it that makes an \
engine answer wrongly.

Examples:
  mtcae verify models/zoo/edge
  mtcae verify models/zoo/edge --onnxruntime /usr/lib/libonnxruntime.so --clip me.mp4
  mtcae verify model --engines cpu-ort,cuda       # of `mtcae export`: a GPU runs no int8")]
pub struct Args {
    /// Model folder
    #[arg(value_name = "MODEL", value_hint = ValueHint::DirPath)]
    model: PathBuf,
    /// ONNX Runtime's library; else where ORT_DYLIB_PATH points, or where a board looks for it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    onnxruntime: Option<PathBuf>,
    /// Engines that must answer, with commas between: tract, cpu-ort, cuda, tensorrt; else those that are there. Without tract
    /// that runs the fp32 file alone, for the others to be compared with
    #[arg(long, value_name = "NAMES", value_delimiter = ',', hide_possible_values = true)]
    engines: Vec<EngineWord>,
    /// Video with a face, or a folder of pictures, in place of the portrait that ships; may be given again
    #[arg(long = "clip", value_name = "VIDEO", value_hint = ValueHint::AnyPath)]
    clips: Vec<PathBuf>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// The engine that a board file calls so.
fn engine(word: EngineWord) -> EngineName {
    match word {
        EngineWord::Tract => EngineName::Tract,
        EngineWord::CpuOrt => EngineName::OnnxRuntime,
        EngineWord::Cuda => EngineName::Cuda,
        EngineWord::Tensorrt => EngineName::Tensorrt,
    }
}

impl Args {
    /// Runs the engines and says what differs.
    pub fn run(self) -> Result<(), Failure> {
        let manifest = read_manifest(&self.model).map_err(refused)?;
        let checkpoint = read_checkpoint(&self.model, &manifest).map_err(refused)?;
        let files = self.files(&manifest)?;
        let clips = self.clips(&manifest)?;
        let given = self.onnxruntime.clone().or_else(|| std::env::var_os(LIBRARY).map(PathBuf::from));
        // One that was named and is not there is told where it is loaded.
        let library = given.or_else(|| find_onnxruntime(None).ok());
        let named: Vec<EngineName> = self.engines.iter().map(|e| engine(*e)).collect();
        if named.iter().any(|e| *e != EngineName::Tract) && library.is_none() {
            return Err(Failure::Verify {
                reason: "`--engines` asks ONNX Runtime, whose library is not known".to_owned(),
                help: format!(
                    "give it with `--onnxruntime FILE` or {LIBRARY}; in {} it is found",
                    ONNXRUNTIME_FOLDERS.join(", ")
                ),
            });
        }
        let parts = Parts {
            manifest: &manifest,
            checkpoint: checkpoint.as_ref(),
            files: &files,
            clips: &clips,
            onnxruntime: library.as_deref(),
            burn: Some(&|clips: &[Vec<u8>]| in_burn(&self.model, clips)),
            engines: if named.is_empty() { Engines::There } else { Engines::Named(&named) },
        };
        let shown = io::stderr().is_terminal();
        let mut progress = |precision: Precision, engine: EngineName| {
            if shown {
                tell!("running the {} file in {engine}", name(precision));
            }
        };
        let found = verify(&parts, &mut progress).map_err(refused)?;
        let text = match self.json {
            true => format!("{}\n", json_text(&found, library.as_deref())),
            false => report_text(&found, library.as_deref()),
        };
        let found = match found.verdict() {
            Verdict::Good | Verdict::Slow => Ok(()),
            Verdict::Wrong => Err(Failure::Verify {
                reason: format!("{} is not what it should be", self.model.display()),
                help: "what is wrong is above: where it is the model, export or quantize it again; where an engine did not open, it says \
                       what it lacks"
                    .to_owned(),
            }),
        };
        verdict(boards::print(&text), found)
    }

    /// The files that the manifest lists, the fp32 one first.
    fn files(&self, manifest: &Manifest) -> Result<Vec<(Precision, Vec<u8>)>, Failure> {
        let all = [Precision::Fp32, Precision::Fp16, Precision::Int8].into_iter();
        let listed = all.filter(|p| manifest.artifact(*p).is_some());
        let files: Result<Vec<_>, Failure> =
            listed.map(|p| Ok((p, read_artifact(&self.model, manifest, p).map_err(refused)?))).collect();
        match files? {
            files if files.is_empty() => Err(Failure::Verify {
                reason: format!("the manifest in {} lists no files", self.model.display()),
                help: "`mtcae export` writes the files of a model and lists them there".to_owned(),
            }),
            files => Ok(files),
        }
    }

    fn clips(&self, manifest: &Manifest) -> Result<Vec<Vec<u8>>, Failure> {
        let spec = manifest.clip;
        let mut clips: Vec<Vec<u8>> = (1..=SEEDED).map(|seed| seeded_clip(spec.frames, spec.size, seed)).collect();
        if self.clips.is_empty() {
            clips.push(face_clip(manifest, None).map_err(no_clip)?.bytes);
        }
        for video in &self.clips {
            clips.push(face_clip(manifest, Some(video)).map_err(no_clip)?.bytes);
        }
        Ok(clips)
    }
}

/// What the trainer's own program answers with the checkpoint in `model`.
fn in_burn(model: &Path, clips: &[Vec<u8>]) -> Result<Vec<Outputs>, NoBurn> {
    asked((&trainer::program().0, model), clips)
}

/// What `program` answers with the checkpoint in `model`.
fn asked((program, model): (&Path, &Path), clips: &[Vec<u8>]) -> Result<Vec<Outputs>, NoBurn> {
    let failed = |e: io::Error| NoBurn::Failed(format!("{}: {e}", program.display()));
    let mut command = Command::new(program);
    command.arg("answers").arg(model).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => NoBurn::Absent("build it with `cargo build --release -p mtcae-train`".to_owned()),
        _ => failed(e),
    })?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ends early says why on its own.
        let _ = clips.iter().try_for_each(|clip| stdin.write_all(clip));
    }
    let output = child.wait_with_output().map_err(failed)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(NoBurn::Failed(format!("mtcae-train: {:.300}", said.lines().next().unwrap_or("no answer"))));
    }
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let unread = |line: &str| NoBurn::Failed(format!("mtcae-train said {line:.60}"));
    lines.lines().map(|line| answer(line).ok_or_else(|| unread(line))).collect()
}

/// One line of the trainer's; a task that the network has not is empty there.
fn answer(line: &str) -> Option<Outputs> {
    let value: Value = serde_json::from_str(line).ok()?;
    let numbers = |name: &str| -> Option<Vec<f32>> {
        value.get(name)?.as_array()?.iter().map(|v| v.as_f64().map(|v| v as f32)).collect()
    };
    let task = |name: &str| Some(numbers(name)?).map(|values| Some(values).filter(|v| !v.is_empty()));
    Some(Outputs { boxes: task("boxes")?, landmarks: task("landmarks")?, logits: numbers("logits")? })
}

fn no_clip(reason: String) -> Failure {
    Failure::Verify {
        reason,
        help: "`--clip` takes a video or a folder of pictures in which a face is seen".to_owned(),
    }
}

fn refused(error: ExportError) -> Failure {
    let help = "give a folder that `mtcae export` or `mtcae quantize` wrote".to_owned();
    Failure::Verify { reason: sentence(&error), help }
}

fn name(precision: Precision) -> &'static str {
    match precision {
        Precision::Fp32 => "fp32",
        Precision::Fp16 => "fp16",
        Precision::Int8 => "int8",
    }
}

fn who((precision, engine): (Precision, EngineName)) -> String {
    match engine {
        EngineName::Arithmetic => "the checkpoint's arithmetic".to_owned(),
        EngineName::Burn => "the checkpoint in burn".to_owned(),
        _ => format!("{} in {engine}", name(precision)),
    }
}

fn report_text(found: &Verification, library: Option<&Path>) -> String {
    let mut text = format!("{} clips; largest differences, in parts of an output's largest value\n", found.clips);
    let head = ["boxes", "landmarks", "logits", "accepted"];
    text += &format!("{:22} {:28}", "", "against");
    head.iter().for_each(|h| text += &format!(" {h:>9}"));
    text += "\n";
    for d in &found.differences {
        let r = d.relative;
        let verdict = if d.near() { "" } else { "  TOO FAR" };
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "{:22} {:28} {:9.1e} {:9.1e} {:9.1e} {:9.0e}{verdict}",
            who(d.file),
            who(d.against),
            r.boxes,
            r.landmarks,
            r.logits,
            d.limit
        );
    }
    for (precision, engine, why) in &found.failures {
        let _ = writeln!(text, "{:22} DOES NOT RUN: {why}", who((*precision, *engine)));
    }
    for (engine, why) in &found.absent {
        let _ = writeln!(text, "{engine} was not asked: {why}");
    }
    if library.is_none() {
        let _ = writeln!(text, "cpu-ort was not asked: give its library with `--onnxruntime FILE` or {LIBRARY}");
    }
    for (precision, f) in &found.findings {
        let severity = if f.severity == Severity::Wrong { "WRONG" } else { "slow" };
        let _ = writeln!(
            text,
            "{severity}: the {} file has trap `{}` {} time(s), first at {}: {}; {}",
            name(*precision),
            f.trap,
            f.count,
            f.node,
            f.means,
            f.next
        );
    }
    text += match found.verdict() {
        Verdict::Good => "good: no known trap, and all engines agree\n",
        Verdict::Slow => "right, but slower than it could be\n",
        Verdict::Wrong => "",
    };
    text
}

fn json_text(found: &Verification, library: Option<&Path>) -> Value {
    let side = |(precision, engine): (Precision, EngineName)| json!({ "precision": name(precision), "engine": engine.to_string() });
    let outputs = |a: &Agreement| json!({ "boxes": a.boxes, "landmarks": a.landmarks, "logits": a.logits });
    let difference = |d: &Difference| {
        json!({
            "file": side(d.file), "against": side(d.against), "largest": outputs(&d.largest),
            "relative": outputs(&d.relative), "limit": d.limit, "near": d.near(),
        })
    };
    let finding = |(precision, f): &(Precision, Finding)| {
        let severity = if f.severity == Severity::Wrong { "wrong" } else { "slow" };
        json!({
            "precision": name(*precision), "trap": f.trap, "severity": severity, "count": f.count, "node": f.node,
            "means": f.means, "next": f.next,
        })
    };
    let failure = |(precision, engine, why): &(Precision, EngineName, String)| json!({ "file": side((*precision, *engine)), "why": why });
    let absent = |(engine, why): &(EngineName, String)| json!({ "engine": engine.to_string(), "why": why });
    let verdict = match found.verdict() {
        Verdict::Good => "good",
        Verdict::Slow => "slow",
        Verdict::Wrong => "wrong",
    };
    json!({
        "verdict": verdict, "clips": found.clips, "onnxruntime": library,
        "differences": found.differences.iter().map(difference).collect::<Vec<_>>(),
        "absent": found.absent.iter().map(absent).collect::<Vec<_>>(),
        "failures": found.failures.iter().map(failure).collect::<Vec<_>>(),
        "findings": found.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trainer_that_is_not_there_is_told_from_one_that_fails() {
        let said = |program: &str| asked((Path::new(program), Path::new("model")), &[vec![0; 4]]).unwrap_err();
        assert!(matches!(said("/nowhere/mtcae-train"), NoBurn::Absent(why) if why.contains("cargo build")));
        assert_eq!(said("/bin/false"), NoBurn::Failed("mtcae-train: no answer".to_owned()));
        // It repeats what it was told, which are no answers.
        assert_eq!(said("/bin/echo"), NoBurn::Failed("mtcae-train said answers model".to_owned()));
    }
}
